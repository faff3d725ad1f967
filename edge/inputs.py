"""What reaches the deciding thread: one value for each thing that happens around a gate, and the queue where they wait.

The queue is bounded where somebody else decides how much comes. Of an entry's scans the newest waits, for only what is
held up now may open; an exit's wait in their order, and the oldest goes when there are too many. Of a camera the newest
word counts, and noise of a line is added up. What boards say of relays, contacts and inputs is never dropped: a bus
says each change once, and a passage that was shed would be a person too many inside.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Final

from drivers.model import AnyEvent, Garbage

EXIT_SCANS_MAX: Final = 64  # more means that deciding hangs; who is seen again is asked for again


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSeen:
    """A lane's reader has a new presentation: the texts in view, and when the frame was taken."""

    lane: str
    texts: tuple[str, ...]
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardReported:
    """A board's bus has an event."""

    board: str
    event: AnyEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraChanged:
    """A lane's camera went or came back."""

    lane: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody at this machine asks for something that only the deciding thread may do."""

    work: Callable[[], Any]
    answer: Future[Any] = field(default_factory=Future)

    def carry_out(self) -> None:
        """Do it, unless whoever asked has given up; what it raises is the answer too."""
        if not self.answer.set_running_or_notify_cancel():
            return
        try:
            self.answer.set_result(self.work())
        except Exception as error:  # noqa: BLE001  # the thread that asked raises it
            self.answer.set_exception(error)


Input = ScanSeen | BoardReported | CameraChanged | Asked


class Inputs:
    """The queue before the deciding thread. Any thread may put; one takes.

    Args:
        entries: Lanes of which only the newest scan waits.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._entries = frozenset(entries)
        self._changed = threading.Condition()
        self._numbers = count()
        self._waiting: dict[int, Input] = {}  # by number, in the order in which they are taken
        self._scans: dict[str, deque[int]] = {}  # of each lane, the oldest first
        self._newest: dict[tuple[str, str], int] = {}  # of what is replaced or added up

    def put_scan(self, scan: ScanSeen) -> bool:
        """Put a scan behind what waits; False when another of the same lane had to go for it."""
        with self._changed:
            waiting = self._scans.setdefault(scan.lane, deque())
            full = len(waiting) >= (1 if scan.lane in self._entries else EXIT_SCANS_MAX)
            if full:
                del self._waiting[waiting.popleft()]
            number = next(self._numbers)
            waiting.append(number)
            self._waiting[number] = scan
            self._changed.notify()
            return not full

    def put(self, item: BoardReported | CameraChanged | Asked) -> None:
        """Put something behind what waits."""
        with self._changed:
            number = next(self._numbers)
            match item:
                case CameraChanged():
                    self._waiting.pop(self._newest.pop(("camera", item.lane), -1), None)
                    self._newest["camera", item.lane] = number
                case BoardReported(event=Garbage()):
                    before = self._waiting.pop(self._newest.pop(("noise", item.board), -1), None)
                    item = _added_up(before, item)
                    self._newest["noise", item.board] = number
                case _:
                    pass
            self._waiting[number] = item
            self._changed.notify()

    def get(self, timeout_s: float) -> Input | None:
        """The oldest that waits; None when nothing came in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting, timeout_s):
                return None
            number = next(iter(self._waiting))
            item = self._waiting.pop(number)
            match item:
                case ScanSeen():
                    self._scans[item.lane].popleft()
                case CameraChanged():
                    del self._newest["camera", item.lane]
                case BoardReported(event=Garbage()):
                    del self._newest["noise", item.board]
                case _:
                    pass
            return item

    def scans(self) -> list[ScanSeen]:
        """The scans that wait, the oldest first; they go on waiting."""
        with self._changed:
            return [item for item in self._waiting.values() if isinstance(item, ScanSeen)]


def _added_up(before: Input | None, item: BoardReported) -> BoardReported:
    if not (isinstance(before, BoardReported) and isinstance(before.event, Garbage)):
        return item
    assert isinstance(item.event, Garbage)
    return replace(item, event=Garbage(count=before.event.count + item.event.count))
