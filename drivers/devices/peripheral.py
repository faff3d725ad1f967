"""What scanners, thermometers, modems and voices have in common: questions, answers, faults and garbage.

A device is a subclass that says which commands it takes and what bytes mean. Everything unfinished ends as an event
when the line goes; nothing is kept for later.
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Generic, TypeVar

from drivers.exchange import End, Exchange, Request
from drivers.faults import Faults
from drivers.model import AllOff, AnyEvent, Command, DriverInfo, Refusal, Refused, Urgency
from drivers.seen_ids import SeenIds
from drivers.tally import GarbageTally

P = TypeVar("P")


class Peripheral(Generic[P]):
    """One device that moves no lane: an all-off has nothing to switch off here.

    Args:
        info: What it can do.
    """

    takes: ClassVar[tuple[type, ...]] = ()  # commands; others are refused as unsupported

    def __init__(self, info: DriverInfo) -> None:
        self._info = info
        self._exchange: Exchange[P] = Exchange()
        self._events: list[AnyEvent] = []
        self._tally, self._faults, self._ids = GarbageTally(), Faults(), SeenIds()
        self._up = False
        self._now_s = float("-inf")

    @property
    def info(self) -> DriverInfo:
        """What this device can do."""
        return self._info

    def submit(self, command: Command, now_s: float) -> None:
        """Take a command; one id is taken once."""
        self._now_s = now_s
        if isinstance(command, AllOff) or not self._ids.is_new(command.id):
            return
        if not isinstance(command, self.takes):
            self._refuse(command.id, Refusal.UNSUPPORTED)
        elif not self._up:
            self._refuse(command.id, Refusal.LINE_DOWN)
        else:
            self._command(command)

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes from the line."""
        self._now_s = now_s
        if self._up:
            self._bytes(data)

    def tick(self, now_s: float) -> None:
        """Do what is due."""
        self._now_s = now_s
        if self._up:
            self._before_answers_are_overdue()
        for request, end in self._exchange.tick(now_s):
            self._unanswered(request.purpose, end)
        if self._up:
            self._due()
        self._events += self._tally.take(now_s)

    def next_deadline(self) -> float | None:
        """The next thing that ``tick`` has to do."""
        deadlines = [self._exchange.next_deadline(), self._tally.next_deadline()]
        if self._up:
            deadlines += self._deadlines()
        return min((one for one in deadlines if one is not None), default=None)

    def wants_line(self) -> Urgency | None:
        """How urgent its next bytes are."""
        return self._exchange.wants_line() if self._may_speak() else None

    def holds_line(self) -> bool:
        """Whether an answer is due, or the device needs silence."""
        return self._exchange.holds_line()

    def take_output(self) -> list[bytes]:
        """The next frame, alone."""
        request = self._exchange.take() if self._may_speak() else None
        if request is None:
            return []
        self._taken(request)
        return [request.data]

    def take_events(self) -> list[AnyEvent]:
        """Events so far."""
        for request in self._exchange.take_written():
            self._unanswered(request.purpose, End.WRITTEN)
        events, self._events = self._events, []
        return events

    def line_up(self, now_s: float) -> None:
        """The port was opened."""
        self._now_s, self._up = now_s, True
        self._exchange.tick(now_s)
        self._begin()

    def line_lost(self, now_s: float) -> None:
        """The port is gone: everything unfinished ends."""
        self._now_s = now_s
        for request, end in self._exchange.lost():
            self._unanswered(request.purpose, end)
        if self._up:
            self._end()
        self._exchange.lost()  # what the end of one request asked for
        self._up = False
        self._events += self._faults.forget()

    # -- for subclasses

    def _refuse(self, id_: str, why: Refusal) -> None:
        self._events.append(Refused(id=id_, why=why))

    def _fault(self, kind: str, why: str) -> None:
        self._events += self._faults.begin(kind, why)

    def _well(self, kind: str) -> None:
        self._events += self._faults.end(kind)

    def _may_speak(self) -> bool:
        """Whether the device may be spoken to now."""
        return True

    def _taken(self, request: Request[P]) -> None:
        """A request goes to the wire."""

    def _before_answers_are_overdue(self) -> None:
        """Look once more at what came, before an open request counts as unanswered."""

    def _due(self) -> None:
        """Do what is due at ``_now_s``."""

    def _deadlines(self) -> Iterator[float]:
        """When ``_due`` has something to do."""
        return iter(())

    def _begin(self) -> None:
        """The line is up."""

    def _end(self) -> None:
        """The line is lost: end what is not a request."""

    @abstractmethod
    def _command(self, command: Command) -> None:
        """Carry out one of ``takes``; the line is up."""

    @abstractmethod
    def _bytes(self, data: bytes) -> None:
        """Understand bytes that came at ``_now_s``."""

    def _unanswered(self, purpose: P, end: End) -> None:
        """A request ended without its answer, or (``WRITTEN``) nothing answers it."""
