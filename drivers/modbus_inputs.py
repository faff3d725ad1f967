"""Driver of Modbus RTU input modules: it only ever reads (function 02) and reports debounced edges.

One request at a time. A unit that misses three replies is a fault, reported once, and asked less often
until it answers. Frames are in ``drivers.modbus_rtu``, debouncing in ``drivers.debounce``.
"""

from typing import Final, assert_never

from drivers.debounce import Debouncer
from drivers.modbus_rtu import ExceptionReply, InputsReply, Reply, ReplyDecoder, encode_read_inputs
from drivers.model import (
    AllOff,
    AnyEvent,
    Command,
    DriverInfo,
    Fault,
    LineSettings,
    Refusal,
    Refused,
    Urgency,
)
from drivers.tally import GarbageTally

INPUTS: Final = 8
POLL_EVERY_S: Final = 0.050
REPLY_WITHIN_S: Final = 0.200  # request and reply are 15 ms of wire; USB adapters and boards add tens
SILENCE_S: Final = 0.005  # 3.5 characters at 9600 baud, between a reply and the next request
DRAIN_S: Final = 0.100  # after a missed reply: a late one must not pass for the next
MISSES_MAX: Final = 3  # a read is tried three times before the unit counts as silent
POLL_FAULTY_EVERY_S: Final = 0.500


class ModbusInputsDriver:
    """One input module.

    Args:
        unit: Address set on the module.
    """

    def __init__(self, *, unit: int = 1) -> None:
        self._info = DriverInfo(protocol="modbus-inputs", line=LineSettings(baud=9600), inputs=INPUTS)
        self._unit = unit
        self._request = encode_read_inputs(unit=unit, first=0, count=INPUTS)
        self._ask_at_s: float | None = None  # when the next request goes out, while none is open
        self._reply_by_s: float | None = None  # the open request's deadline
        self._misses = 0
        self._faulty = False
        self._output: list[bytes] = []
        self._events: list[AnyEvent] = []
        self._decoder, self._tally = ReplyDecoder(), GarbageTally()
        self._debouncer = Debouncer(INPUTS)

    @property
    def info(self) -> DriverInfo:
        """What this module can do."""
        return self._info

    def submit(self, command: Command, now_s: float) -> None:  # noqa: ARG002  # the shape of every driver
        """Refuse every command: there are no outputs here, and there is nothing to switch off."""
        match command:
            case AllOff():
                pass
            case _:
                self._events.append(Refused(id=command.id, why=Refusal.UNSUPPORTED))

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes; only the answer to the open request counts."""
        self._take(self._decoder.feed(data), now_s)

    def tick(self, now_s: float) -> None:
        """Ask when it is time, and notice a reply that did not come."""
        if self._reply_by_s is not None and now_s >= self._reply_by_s:
            self._take(self._decoder.flush(), now_s)
            if self._reply_by_s is not None:
                self._missed(f"unit {self._unit} did not answer within {REPLY_WITHIN_S:g} s", now_s)
        if self._ask_at_s is not None and now_s >= self._ask_at_s:
            self._take(self._decoder.flush(), now_s)  # nothing older may pass for the answer
            self._output.append(self._request)
            self._ask_at_s, self._reply_by_s = None, now_s + REPLY_WITHIN_S
        self._tally.add(self._decoder.take_garbage(), now_s)
        self._events += self._tally.take(now_s)

    def next_deadline(self) -> float | None:
        """The next request, the open request's deadline, or the next report of garbage."""
        deadlines = (self._ask_at_s, self._reply_by_s, self._tally.next_deadline())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def wants_line(self) -> Urgency | None:
        """Whether frames wait."""
        return Urgency.POLL if self._output else None

    def holds_line(self) -> bool:
        """Whether a reply is due."""
        return self._reply_by_s is not None

    def take_output(self) -> list[bytes]:
        """Requests to write now; at most one."""
        output, self._output = self._output, []
        return output

    def take_events(self) -> list[AnyEvent]:
        """Edges, faults and refusals so far."""
        events, self._events = self._events, []
        return events

    def line_up(self, now_s: float) -> None:
        """Ask at once."""
        self._decoder.flush()
        self._debouncer.forget_changes()
        self._ask_at_s, self._reply_by_s = now_s, None

    def line_lost(self, now_s: float) -> None:  # noqa: ARG002  # the shape of every driver
        """Stop asking. Levels are kept, so that a change meanwhile is reported when the line is back."""
        self._output = []
        self._ask_at_s = self._reply_by_s = None
        self._misses = 0

    def _take(self, replies: list[Reply], now_s: float) -> None:
        for reply in replies:
            if self._reply_by_s is None or reply.unit != self._unit:
                continue  # late, or for another master on the line
            match reply:
                case InputsReply():
                    self._read(int.from_bytes(reply.bits, "little"), now_s)
                case ExceptionReply():
                    self._missed(f"unit {self._unit} refuses to read inputs (code {reply.code})", now_s)
                case _:
                    assert_never(reply)
        self._tally.add(self._decoder.take_garbage(), now_s)

    def _read(self, bits: int, now_s: float) -> None:
        assert self._reply_by_s is not None, "an answer without a request was let through"
        asked_s = self._reply_by_s - REPLY_WITHIN_S
        self._reply_by_s, self._misses = None, 0
        if self._faulty:
            self._faulty = False
            self._events.append(Fault(active=False, why=f"unit {self._unit} answers again"))
        self._events += self._debouncer.sample(bits, now_s)
        # A change is looked at again as soon as it can be believed, not at the next round.
        settles_s = self._debouncer.settles_at()
        next_s = asked_s + POLL_EVERY_S if settles_s is None else min(settles_s, asked_s + POLL_EVERY_S)
        self._ask_at_s = max(next_s, now_s + SILENCE_S)

    def _missed(self, why: str, now_s: float) -> None:
        self._reply_by_s = None
        self._misses += 1
        if self._misses >= MISSES_MAX and not self._faulty:
            self._faulty = True
            self._events.append(Fault(active=True, why=why))
        self._debouncer.forget_changes()
        self._ask_at_s = now_s + (POLL_FAULTY_EVERY_S if self._faulty else DRAIN_S)
