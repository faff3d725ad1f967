"""A board that is only looked at: its inputs and outputs are read, and nothing of it is ever switched.

The drivers of relay boards begin with "all relays off", as a gate must. Whoever only wants to see something must not:
a lane that is locked by current would open.
"""

from typing import Final

from drivers.debounce import Debouncer
from drivers.devices.devantech import DevantechUsbCodec
from drivers.devices.kmtronic import KmtronicCodec
from drivers.devices.modbus_frames import Tcp
from drivers.devices.modbus_profile import load_profile
from drivers.devices.modbus_relay import ModbusRelayCodec
from drivers.devices.numato import NumatoCodec
from drivers.exchange import READ_REPEATS, End
from drivers.faults import Faults
from drivers.lcus import LcusCodec
from drivers.model import (
    AnyEvent,
    Command,
    Driver,
    DriverInfo,
    Identify,
    Outputs,
    ReadOutputs,
    Refusal,
    Refused,
    TimedOut,
    Urgency,
)
from drivers.relay_asking import Asking
from drivers.relay_codec import Ask, Denied, Levels, Named, RelayCodec, Reply
from drivers.relay_polls import Polls
from drivers.relay_runs import Purpose
from drivers.tally import GarbageTally
from drivers.tool.console import Exit, fail
from drivers.tool.osdp_looking import osdp_looking
from drivers.tool.target import Target, driver_of, options_of
from passes.words import Pair

_NO_ID: Final = ""


class LookingDriver:
    """Reads one relay board. ``Identify`` and ``ReadOutputs`` are the only commands that it takes.

    Args:
        codec: The board's bytes.
    """

    def __init__(self, codec: RelayCodec) -> None:
        self._codec, self._info = codec, codec.info
        self._asking = Asking(codec)
        self._exchange = self._asking.exchange
        self._polls = Polls(
            inputs=self._questions(Ask.INPUTS, self._info.inputs),
            outputs=self._questions(Ask.OUTPUTS, self._info.outputs if self._info.reads_outputs else 0),
        )
        self._debouncer, self._tally, self._faults = (
            Debouncer(self._info.inputs),
            GarbageTally(),
            Faults(),
        )
        self._closed: dict[int, bool] = {}
        self._told: int | None = None
        self._events: list[AnyEvent] = []
        self._up = False
        self._now_s = float("-inf")

    @property
    def info(self) -> DriverInfo:
        """What the board can do."""
        return self._info

    def submit(self, command: Command, now_s: float) -> None:
        """Take a question; whatever would switch something is refused."""
        self._now_s = now_s
        match command:
            case Identify(id=id_):
                self._ask(Ask.IDENTIFY, id_)
            case ReadOutputs(id=id_):
                self._ask(Ask.OUTPUTS, id_)
            case _:
                id_ = getattr(command, "id", _NO_ID)
                if id_:
                    self._events.append(Refused(id=id_, why=Refusal.UNSUPPORTED))

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes; only the answer to the open question counts."""
        self._now_s = now_s
        self._take(self._asking.feed(data))
        self._tally.add(self._codec.take_garbage(), now_s)

    def tick(self, now_s: float) -> None:
        """Ask what is due, and notice what was not answered."""
        self._now_s = now_s
        if self._exchange.overdue(now_s):
            self._take(self._asking.flush())
            self._tally.add(self._codec.take_garbage(), now_s)
        for request, end in self._exchange.tick(now_s):
            self._unanswered(request.purpose, end)
        for ask, channel in self._polls.take_due(now_s, faulty="silent" in self._faults) if self._up else ():
            if not self._asking.waits(ask):
                self._ask(ask, _NO_ID, channel=channel)
            elif ask is Ask.INPUTS:
                self._polls.inputs_read(now_s)
        self._events += self._tally.take(now_s)

    def next_deadline(self) -> float | None:
        """The next thing that ``tick`` has to do."""
        deadlines = (
            self._exchange.next_deadline(),
            self._tally.next_deadline(),
            self._polls.next_deadline() if self._up else None,
        )
        return min((one for one in deadlines if one is not None), default=None)

    def wants_line(self) -> Urgency | None:
        """How urgent the next question is."""
        return self._exchange.wants_line()

    def holds_line(self) -> bool:
        """Whether an answer is due."""
        return self._exchange.holds_line()

    def take_output(self) -> list[bytes]:
        """The next question."""
        request = self._exchange.take()
        if request is None:
            return []
        self._codec.flush(None)
        return [request.data]

    def take_events(self) -> list[AnyEvent]:
        """Events so far."""
        self._exchange.take_written()
        events, self._events = self._events, []
        return events

    def line_up(self, now_s: float) -> None:
        """The port was opened: look, and say nothing else."""
        self._now_s, self._up = now_s, True
        self._codec.flush(None)
        self._debouncer.forget_changes()
        self._exchange.tick(now_s)
        self._polls.start(now_s)

    def line_lost(self, now_s: float) -> None:
        """The port is gone; questions end without an answer."""
        self._now_s, self._up = now_s, False
        self._polls.stop()
        for request, _ in self._exchange.lost():
            if request.purpose.id:
                self._events.append(TimedOut(id=request.purpose.id, maybe_executed=False))
        self._events += self._faults.forget()

    def _questions(self, ask: Ask, channels: int) -> list[int]:
        """What is asked in turn: 0, which is all of them, or each channel where the board takes no such question."""
        if not channels:
            return []
        return [0] if self._codec.encode(ask) is not None else list(range(1, channels + 1))

    def _ask(self, ask: Ask, id_: str, *, channel: int = 0) -> None:
        assert ask in {Ask.IDENTIFY, Ask.INPUTS, Ask.OUTPUTS}, f"{ask} does not only look"
        if not self._up:
            self._events.append(Refused(id=id_, why=Refusal.LINE_DOWN))
            return
        purpose = Purpose(ask=ask, channel=channel, id=id_, command=bool(id_))
        refusal = self._asking.put(purpose, Urgency.POLL, repeats=READ_REPEATS)
        if refusal is not None and id_:
            self._events.append(Refused(id=id_, why=refusal))

    def _take(self, reply: Reply | None) -> None:
        if reply is None or self._exchange.open is None:
            return
        purpose = self._exchange.answered(self._now_s).purpose
        self._events += self._faults.end("silent")
        match purpose.ask, reply:
            case Ask.INPUTS, Levels():
                self._events += self._debouncer.sample(reply.bits, self._now_s, mask=reply.mask)
                self._polls.inputs_read(self._now_s)
                self._polls.look_again(self._debouncer.settles())
            case Ask.OUTPUTS, Levels():
                self._outputs(purpose, reply)
            case Ask.IDENTIFY, Named():
                self._events.append(reply.to_event(purpose.id, self._info.identifies))
            case _, Denied(why):
                if purpose.ask is Ask.INPUTS:
                    self._polls.inputs_read(self._now_s)
                self._events += self._faults.begin(f"denied {purpose.ask}", f"the board refuses: {why}")
                if purpose.id:
                    self._events.append(Refused(id=purpose.id, why=Refusal.DENIED))

    def _outputs(self, purpose: Purpose, levels: Levels) -> None:
        for channel in range(1, self._info.outputs + 1):
            if levels.mask >> (channel - 1) & 1:
                self._closed[channel] = bool(levels.bits >> (channel - 1) & 1)
        if purpose.id and self._asking.waits(Ask.OUTPUTS, purpose.id):
            return  # a board that is asked for each of them
        if len(self._closed) < self._info.outputs:
            return  # it has not told of each of them yet
        bits = sum(closed << (channel - 1) for channel, closed in self._closed.items())
        if purpose.id or bits != self._told:
            self._events.append(Outputs(id=purpose.id, bits=bits, read=True))
        self._told = bits

    def _unanswered(self, purpose: Purpose, end: End) -> None:
        if purpose.ask is Ask.INPUTS:
            self._debouncer.forget_changes()
            self._polls.inputs_read(self._now_s)
        if end is not End.UNANSWERED:
            return
        if purpose.id:
            self._exchange.withdraw(lambda request: request.purpose.id == purpose.id)
            self._events.append(TimedOut(id=purpose.id, maybe_executed=False))
        self._events += self._faults.begin(
            "silent", "the board does not answer: check its supply, wires, speed and address"
        )


_WITH_CODECS: Final = frozenset({"modbus-relay", "modbus-tcp", "numato", "kmtronic", "devantech-usb", "lcus"})


def looking(target: Target) -> Driver:
    """A driver for the device that switches nothing; ends with exit code 2 when its description fits none."""
    driver = driver_of(target)
    if not driver.info.outputs:
        return driver
    if target.protocol == "osdp":
        return osdp_looking(target)
    return LookingDriver(codec_of(target))


def codec_of(target: Target) -> RelayCodec:
    """The bytes of a board whose options the registry has taken already; ends with exit code 2 where it has none."""
    if target.protocol not in _WITH_CODECS:
        fail(
            Exit.USAGE,
            Pair(
                "此命令还不支持 {protocol}，没有发送任何内容。请在运行中的门禁上试",
                "This command cannot work with {protocol} yet; nothing was sent. Try the device in the running gate",
            ),
            protocol=target.protocol,
        )
    given = {name: value for name, value in options_of(target).items() if value is not None}
    outputs, inputs = given.get("outputs"), given.get("inputs")
    sizes = {"outputs": outputs} if isinstance(outputs, int) else {}
    match target.protocol:
        case "modbus-relay" | "modbus-tcp":
            envelope = Tcp() if target.protocol == "modbus-tcp" else None
            baud = given.get("baud")
            profile = load_profile(str(given["profile"])).at(baud if isinstance(baud, int) else None)
            return ModbusRelayCodec(profile, unit=target.unit, envelope=envelope, protocol=target.protocol)
        case "numato":
            return NumatoCodec(**sizes, inputs=inputs if isinstance(inputs, int) else 0)
        case "kmtronic":
            return KmtronicCodec(**sizes)
        case "devantech-usb":
            model = given.get("model")
            return DevantechUsbCodec(model=model) if isinstance(model, str) else DevantechUsbCodec()
        case "lcus":
            return LcusCodec(channels=outputs) if isinstance(outputs, int) else LcusCodec()
    raise AssertionError(f"{target.protocol} stands among the codecs and has none")
