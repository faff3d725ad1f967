"""Turnstile controllers, whatever they speak: they move the wings, time the passage and count the people themselves.

What is here: an admission is written once and never again, for without an answer somebody may have been let in; one
admission a side at a time; counters become people, alarms and faults become events when they change.

All-off takes back what was not written yet, and writes nothing: a permit ends by itself, and a wing is never closed on
anybody because a program starts, stops or is restarted. ``SetMode(NORMAL)`` closes.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from drivers.devices.turnstile_counter import TurnstileCounter
from drivers.exchange import READ_REPEATS, End, Exchange, Request
from drivers.faults import Faults
from drivers.model import (
    COMMAND_AGE_MAX_S,
    Admit,
    Alarm,
    AllOff,
    AnyEvent,
    Command,
    Counted,
    Done,
    DriverInfo,
    Grade,
    Identify,
    Mode,
    Refusal,
    Refused,
    SetMode,
    Side,
    TimedOut,
    Urgency,
)
from drivers.relay_codec import Named
from drivers.seen_ids import SeenIds
from drivers.tally import GarbageTally

POLL_EVERY_S: Final = 0.200
POLL_FAULTY_EVERY_S: Final = 1.0
TRY_AGAIN_S: Final = 30.0  # a controller that cannot be asked is trusted with one more admission after this


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One whole frame of the controller.

    Args:
        answers: It answers the open request.
        names_command: It says which command it answers; otherwise it may be the late answer to another.
        counts: Its own count of each side that the frame speaks of.
        alarms: Alarms that are on, by the maker's names; None when the frame says nothing of alarms.
        fault: What is wrong with it, empty for nothing; None when the frame says nothing of faults.
        named: Who it is, where the frame says so.
    """

    answers: bool
    names_command: bool = True
    counts: tuple[tuple[Side, int], ...] = ()
    alarms: frozenset[str] | None = None
    fault: str | None = None
    named: Named | None = None


class ControllerCodec(Protocol):
    """The bytes of one family of controllers. Parsers take anything, bound what they keep, and never raise."""

    @property
    def info(self) -> DriverInfo:
        """What the controller can do."""

    @property
    def silence_s(self) -> float:
        """Quiet time between two frames."""

    @property
    def counter_bits(self) -> int:
        """Width of its counters."""

    def admit(self, side: Side, people: int) -> bytes | None:
        """Let so many people through; None when it cannot let so many through at once."""

    def mode(self, mode: Mode, side: Side | None) -> list[bytes]:
        """The frames that set a mode, in order; none when it knows no such mode for that side alone."""

    def status(self) -> bytes | None:
        """A question that moves nothing; None when it knows none."""

    def feed(self, data: bytes, asked: bytes | None) -> list[Heard]:
        """Frames completed by ``data``; ``asked`` is the open request."""

    def flush(self) -> None:
        """No more bytes are coming: drop what is left."""

    def take_garbage(self) -> int:
        """How many bytes belonged to no frame since the last call."""


class _Kind(StrEnum):
    ADMIT = "admit"
    MODE = "mode"
    STATUS = "status"
    IDENTIFY = "identify"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Purpose:
    kind: _Kind
    id: str = ""
    side: Side | None = None
    first: bool = True  # of the frames of one command
    last: bool = True


class TurnstileDriver:
    """One controller.

    Args:
        codec: Its bytes; from here on only this driver uses it.
    """

    def __init__(self, codec: ControllerCodec) -> None:
        self._codec = codec
        self._exchange: Exchange[_Purpose] = Exchange()
        self._events: list[AnyEvent] = []
        self._ids, self._faults, self._tally = SeenIds(), Faults(), GarbageTally()
        self._due: set[str] = set()  # commands that have no outcome yet
        self._heard_s: float | None = None
        self._counters = {side: TurnstileCounter(codec.counter_bits) for side in codec.info.sides}
        self._alarms: frozenset[str] = frozenset()
        self._up = False
        self._poll_at_s: float | None = None
        self._try_again_s: float | None = None  # it did not answer, and only an admission would tell more
        self._now_s = float("-inf")

    @property
    def info(self) -> DriverInfo:
        """What this controller can do."""
        return self._codec.info

    # -- commands

    @property
    def heard_s(self) -> float | None:
        """When the last whole frame of the controller came, in monotonic seconds; None if none since the line-up."""
        return self._heard_s

    def submit(self, command: Command, now_s: float) -> None:
        """Take a command."""
        self._now_s = now_s
        if isinstance(command, AllOff):
            self._take_back({_Kind.ADMIT, _Kind.MODE})
            return
        if not self._ids.is_new(command.id):
            return
        self._due.add(command.id)
        if not self._up:
            self._end(Refused(id=command.id, why=Refusal.LINE_DOWN))
            return
        match command:
            case Admit():
                self._admit(command)
            case SetMode():
                self._set_mode(command)
            case Identify():
                self._ask(self._codec.status(), _Purpose(kind=_Kind.IDENTIFY, id=command.id))
            case _:
                self._end(Refused(id=command.id, why=Refusal.UNSUPPORTED))

    def _admit(self, command: Admit) -> None:
        frame = self._codec.admit(command.side, command.people) if command.side in self._counters else None
        if frame is not None and not self._now_s - command.issued_s <= COMMAND_AGE_MAX_S:
            self._end(Refused(id=command.id, why=Refusal.TOO_OLD))
        elif frame is not None and self._admits(command.side):
            self._end(Refused(id=command.id, why=Refusal.BUSY))
        else:
            about = _Purpose(kind=_Kind.ADMIT, id=command.id, side=command.side)
            stale_s = min(command.issued_s, self._now_s) + COMMAND_AGE_MAX_S
            self._ask(frame, about, urgency=Urgency.OPEN, stale_s=stale_s)

    def _admits(self, side: Side) -> bool:
        """Whether an admission on this side waits, or has no answer yet."""
        return self._exchange.waits(lambda one: one.purpose.kind is _Kind.ADMIT and one.purpose.side is side)

    def _set_mode(self, command: SetMode) -> None:
        """All frames in their order; the newest mode wins over those that wait."""
        frames = self._codec.mode(command.mode, command.side)
        if not frames:
            self._end(Refused(id=command.id, why=Refusal.UNSUPPORTED))
            return
        self._take_back({_Kind.MODE})
        repeats = 0 if command.mode is Mode.FREE else READ_REPEATS  # what lets people in is written once
        for frame in frames:
            about = _Purpose(
                kind=_Kind.MODE, id=command.id, first=frame is frames[0], last=frame is frames[-1]
            )
            self._ask(frame, about, urgency=Urgency.OPEN, repeats=repeats)

    def _ask(
        self,
        frame: bytes | None,
        about: _Purpose,
        *,
        urgency: Urgency = Urgency.CONFIGURE,
        repeats: int | None = None,
        stale_s: float | None = None,
    ) -> None:
        if frame is None:
            self._end(Refused(id=about.id, why=Refusal.UNSUPPORTED))
            return
        if repeats is None:
            repeats = 0 if about.kind is _Kind.ADMIT else READ_REPEATS
        request = Request(
            data=frame,
            urgency=urgency,
            purpose=about,
            within_s=self.info.answers_within_s,
            repeats=repeats,
            silence_s=self._codec.silence_s,
            stale_s=stale_s,
        )
        if not self._exchange.put(request):
            self._end(Refused(id=about.id, why=Refusal.FULL))

    def _take_back(self, kinds: set[_Kind]) -> None:
        """Refuse what was not written; of a mode that is half written, nobody knows what came of it."""
        begun = self._exchange.open
        for request in self._exchange.withdraw(lambda one: one.purpose.kind in kinds):
            if begun is None or begun.purpose.id != request.purpose.id:  # else the frame on the line ends it
                self._not_written(request.purpose, Refusal.OVERTAKEN)

    # -- the line

    def wants_line(self) -> Urgency | None:
        """How urgent the next frame is."""
        return self._exchange.wants_line()

    def holds_line(self) -> bool:
        """Whether an answer is due or the controller needs silence."""
        return self._exchange.holds_line()

    def take_output(self) -> list[bytes]:
        """The next frame, alone."""
        request = self._exchange.take()
        if request is None:
            return []
        self._codec.flush()  # nothing from before the question is part of its answer
        return [request.data]

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes: counts and alarms from any frame, an outcome only from the answer to the open request."""
        self._now_s = now_s
        if not self._up:
            return
        begun = self._exchange.open
        for heard in self._codec.feed(data, None if begun is None else begun.data):
            self._learn(heard)
            if heard.answers and self._exchange.open is not None:
                self._answered(self._exchange.answered(now_s).purpose, heard)
        self._tally.add(self._codec.take_garbage(), now_s)

    def tick(self, now_s: float) -> None:
        """Notice what was not answered, and ask how things stand when it is time."""
        self._now_s = now_s
        if self._exchange.overdue(now_s):
            self._codec.flush()
        self._tally.add(self._codec.take_garbage(), now_s)
        for request, end in self._exchange.tick(now_s):
            self._failed(request.purpose, end)
        if self._poll_at_s is not None and self._poll_at_s <= now_s:
            self._poll(now_s)
        if self._try_again_s is not None and self._try_again_s <= now_s:
            self._try_again_s = None
            self._events += self._faults.end("silent")
        self._events += self._tally.take(now_s)

    def _poll(self, now_s: float) -> None:
        faulty = "silent" in self._faults
        self._poll_at_s = now_s + (POLL_FAULTY_EVERY_S if faulty else POLL_EVERY_S)
        frame = self._codec.status()
        if frame is not None and not self._exchange.waits(lambda one: one.purpose.kind is _Kind.STATUS):
            self._ask(
                frame,
                _Purpose(kind=_Kind.STATUS),
                urgency=Urgency.POLL,
                repeats=0 if faulty else READ_REPEATS,
            )

    def next_deadline(self) -> float | None:
        """The next thing that ``tick`` has to do."""
        deadlines = (
            self._exchange.next_deadline(),
            self._tally.next_deadline(),
            self._poll_at_s,
            self._try_again_s,
        )
        return min((one for one in deadlines if one is not None), default=None)

    def take_events(self) -> list[AnyEvent]:
        """Events so far."""
        events, self._events = self._events, []
        return events

    def line_up(self, now_s: float) -> None:
        """Ask how things stand; nothing is moved."""
        self._now_s, self._up, self._heard_s = now_s, True, None
        self._codec.flush()
        self._exchange.tick(now_s)
        self._poll_at_s = None if self._codec.status() is None else now_s

    def line_lost(self, now_s: float) -> None:
        """End everything that is unfinished. Counts are kept: people who went through meanwhile are counted."""
        self._now_s, self._up, self._poll_at_s, self._try_again_s = now_s, False, None, None
        for request, end in self._exchange.lost():
            self._failed(request.purpose, end)
        self._events += self._faults.forget()

    # -- what came, and what did not

    def _learn(self, heard: Heard) -> None:
        self._heard_s = self._now_s
        self._events += self._faults.end("silent")
        self._try_again_s = None
        for side, total in heard.counts:
            counter = self._counters[side]
            first = not counter.known
            people = counter.read(total, self._now_s)
            if first or people:
                self._events.append(Counted(side=side, delta=people or 0, total=total, at_s=self._now_s))
        if heard.alarms is not None:
            for what in sorted(heard.alarms ^ self._alarms):
                self._events.append(Alarm(what=what, active=what in heard.alarms))
            self._alarms = heard.alarms
        if heard.fault is not None:
            if heard.fault:
                self._events += self._faults.begin("controller", heard.fault)
            else:
                self._events += self._faults.end("controller")

    def _answered(self, purpose: _Purpose, heard: Heard) -> None:
        grade = Grade.ACCEPTED if heard.names_command else Grade.SENT
        match purpose.kind:
            case _Kind.ADMIT:
                self._end(Done(id=purpose.id, grade=grade))
            case _Kind.MODE:
                more = self._exchange.waits(lambda one: one.purpose.id == purpose.id)
                if purpose.last:
                    self._end(Done(id=purpose.id, grade=grade))
                elif not more:  # its other frames were overtaken
                    self._end(TimedOut(id=purpose.id, maybe_executed=True))
            case _Kind.IDENTIFY if heard.named is not None:
                if purpose.id in self._due:
                    self._due.discard(purpose.id)
                    self._events.append(heard.named.to_event(purpose.id, self.info.identifies))

    def _failed(self, purpose: _Purpose, end: End) -> None:
        acts = purpose.kind in {_Kind.ADMIT, _Kind.MODE}
        match end:
            case End.STALE:
                self._end(Refused(id=purpose.id, why=Refusal.TOO_OLD))
                return
            case End.LOST:
                self._not_written(purpose, Refusal.LINE_DOWN)
                return
            case End.UNANSWERED:
                self._events += self._faults.begin("silent", "the controller does not answer")
                if self._codec.status() is None:
                    self._try_again_s = self._now_s + TRY_AGAIN_S
                self._exchange.withdraw(
                    lambda one: one.purpose.kind is _Kind.MODE and one.purpose.id == purpose.id
                )
        self._end(TimedOut(id=purpose.id, maybe_executed=acts))

    def _not_written(self, purpose: _Purpose, why: Refusal) -> None:
        """It certainly was not written; of a command with several frames, the first ones were."""
        if purpose.first:
            self._end(Refused(id=purpose.id, why=why))
        else:
            self._end(TimedOut(id=purpose.id, maybe_executed=True))

    def _end(self, outcome: Done | TimedOut | Refused) -> None:
        """Report what became of a command, once."""
        if outcome.id in self._due:
            self._due.discard(outcome.id)
            self._events.append(outcome)
