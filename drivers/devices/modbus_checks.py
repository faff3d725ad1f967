"""Registers of a Modbus board that must hold a certain value before it may be used, read at commissioning.

Some boards can be set so that an input drives an output by itself, past everything that is decided here. ``Commission``
reads those registers and reports each as ``SetUp``; nothing is ever written to them. Everything else is the relay
driver's affair, which shares the line with these questions: one of the two speaks at a time.
"""

from drivers.devices.modbus_frames import AnswerFinder, Data, Envelope, Refusing
from drivers.devices.modbus_profile import CheckSection, Profile
from drivers.exchange import READ_REPEATS, End, Exchange, Request
from drivers.model import AllOff, AnyEvent, Command, DriverInfo, Refusal, Refused, TimedOut, Urgency
from drivers.peripherals import Commission, SetUp
from drivers.relay import RelayDriver
from drivers.seen_ids import SeenIds

_Asked = tuple[str, CheckSection]  # the command's id, and what is read


class CheckedRelayDriver:
    """A relay board with registers to look at.

    Args:
        relays: The board's driver; from here on only this one uses it.
        profile: Says which registers.
        unit: The board's address.
        envelope: How frames travel, the same as the board's other frames.
    """

    def __init__(self, relays: RelayDriver, profile: Profile, *, unit: int, envelope: Envelope) -> None:
        self._relays, self._profile, self._unit, self._envelope = relays, profile, unit, envelope
        self._exchange: Exchange[_Asked] = Exchange()
        self._finder = AnswerFinder(envelope)
        self._ids = SeenIds()
        self._events: list[AnyEvent] = []
        self._up = False
        self._now_s = self._quiet_until_s = float("-inf")

    @property
    def info(self) -> DriverInfo:
        """What the board can do."""
        return self._relays.info

    @property
    def heard_s(self) -> float | None:
        """When the board last answered a question of the relay driver."""
        return self._relays.heard_s

    def submit(self, command: Command, now_s: float) -> None:
        """Take a command; all but ``Commission`` are the relay driver's."""
        self._now_s = now_s
        if not isinstance(command, Commission):
            if isinstance(command, AllOff):
                self._overtaken()
            self._relays.submit(command, now_s)
            return
        if not self._ids.is_new(command.id):
            return
        if not self._up:
            self._events.append(Refused(id=command.id, why=Refusal.LINE_DOWN))
            return
        if not self._profile.check:
            self._events.append(Refused(id=command.id, why=Refusal.UNSUPPORTED))
        for check in self._profile.check:
            question = self._profile.check_question(check, unit=self._unit)
            request = Request(
                data=self._envelope.wrap(question.body()),
                urgency=Urgency.CONFIGURE,
                purpose=(command.id, check),
                within_s=self._profile.line.answer_ms / 1000,
                repeats=READ_REPEATS,
            )
            if not self._exchange.put(request):
                self._events.append(Refused(id=command.id, why=Refusal.FULL))
                return

    def _overtaken(self) -> None:
        for request in self._exchange.withdraw(lambda _: True):
            self._events.append(Refused(id=request.purpose[0], why=Refusal.OVERTAKEN))

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes; they are for whoever asked last."""
        self._now_s = now_s
        begun = self._exchange.open
        if begun is None:
            self._relays.receive(data, now_s)
            return
        answer = self._finder.feed(data, begun.data)
        if answer is None:
            return
        id_, check = self._exchange.answered(now_s).purpose
        self._quiet_until_s = now_s + self._profile.line.silence_s
        match answer:
            case Data(registers):
                self._events += _read(id_, check, registers)
            case Refusing():
                self._events.append(Refused(id=id_, why=Refusal.DENIED))

    def tick(self, now_s: float) -> None:
        """Do what is due."""
        self._now_s = now_s
        if self._exchange.overdue(now_s):
            self._finder.flush()
        for request, end in self._exchange.tick(now_s):
            assert end is End.UNANSWERED, "a read is answered or not"
            self._events.append(TimedOut(id=request.purpose[0], maybe_executed=False))
        self._relays.tick(now_s)

    def next_deadline(self) -> float | None:
        """The next thing that ``tick`` has to do."""
        quiet_s = self._quiet_until_s if self._now_s < self._quiet_until_s else None
        deadlines = (self._exchange.next_deadline(), self._relays.next_deadline(), quiet_s)
        return min((one for one in deadlines if one is not None), default=None)

    def wants_line(self) -> Urgency | None:
        """How urgent the next frame is."""
        if self._rests() or self._relays.holds_line():
            return None
        wants = (self._exchange.wants_line(), self._relays.wants_line())
        return min((one for one in wants if one is not None), default=None)

    def holds_line(self) -> bool:
        """Whether an answer is due or the board needs silence."""
        return self._rests() or self._relays.holds_line()

    def opens_outputs(self) -> bool:
        """Whether an opening of an output waits for the line or for its answer."""
        return self._relays.opens_outputs()

    def _rests(self) -> bool:
        return self._exchange.holds_line() or self._now_s < self._quiet_until_s

    def take_output(self) -> list[bytes]:
        """The next frame of the two that is more urgent."""
        if self._rests():
            return []
        own, other = self._exchange.wants_line(), self._relays.wants_line()
        if own is None or self._relays.holds_line() or (other is not None and other < own):
            return self._relays.take_output()
        request = self._exchange.take()
        return [] if request is None else [request.data]

    def take_events(self) -> list[AnyEvent]:
        """Events so far."""
        events, self._events = [*self._events, *self._relays.take_events()], []
        return events

    def line_up(self, now_s: float) -> None:
        """The port was opened."""
        self._now_s, self._up, self._quiet_until_s = now_s, True, float("-inf")
        self._finder.flush()
        self._exchange.tick(now_s)
        self._relays.line_up(now_s)

    def line_lost(self, now_s: float) -> None:
        """The port is gone."""
        self._now_s, self._up = now_s, False
        for request, _ in self._exchange.lost():
            self._events.append(TimedOut(id=request.purpose[0], maybe_executed=False))
        self._relays.line_lost(now_s)


def _read(id_: str, check: CheckSection, registers: bytes) -> list[AnyEvent]:
    values = [int.from_bytes(registers[at : at + 2], "big") for at in range(0, len(registers), 2)]
    return [
        SetUp(
            id=id_,
            setting=f"{check.what} {number}",
            value=f"{value:#06x}",
            good=value == check.want,
            proved=True,
        )
        for number, value in enumerate(values, 1)
    ]
