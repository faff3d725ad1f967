"""Exits open also while the deciding thread stands still, as it does when a disk takes half a minute over one write.

A second thread looks at the first: when that has not come round for a second and a half, or has left a scan of an exit
waiting for so long, because too much comes, every code that is shown at the exit opens it, without a record, as with
no journal at all. The scan stays where it is: when the deciding thread goes on, it identifies and records it, and
opens once more for whoever still stands there. Nothing here opens an entry.

While it does so it speaks to systemd for the deciding thread, for a minute: to be replaced at once would cost the open
exits, and the new start would wait for the same disk. A thread that hangs for good is replaced after that.

A start is the same: from when the boards are there until the deciding thread first comes round, which a check of a
large journal puts off for minutes, exits open here, and systemd hears that it goes on.
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from drivers.gate.hardware import LaneSection
from drivers.model import BoardCommand
from edge.boards import opening
from edge.inputs import Input, ScanSeen
from passes.vocabulary import Direction
from shell.clock import Clock
from shell.logs import get_logger
from shell.systemd import Systemd

STANDS_STILL_S: Final = 1.5
LOOK_EVERY_S: Final = 0.25
FED_FOR_S: Final = 60.0  # since the deciding thread last came round; a card may take 40 s over one write
START_S: Final = 1800.0  # the longest start: then systemd may end it
SEEN_AGAIN_S: Final = 3.0  # who still stands there after this long did not get through
log = get_logger("exits")


class ExitsMeanwhile:
    """The second thread. ``came_round`` and ``opened`` are the deciding thread's; ``start`` and ``stop`` once each.

    Args:
        lanes: All lanes of the gate.
        waiting: The scans that wait for the deciding thread.
        submit: Gives a command to a board; thread-safe.
        clock: Time.
        systemd: Hears that the gate starts, and that exits are served.
    """

    def __init__(
        self,
        lanes: Iterable[LaneSection],
        waiting: Callable[[], Iterable[ScanSeen]],
        submit: Callable[[str, BoardCommand], bool],
        clock: Clock,
        systemd: Systemd,
    ) -> None:
        self._exits: Mapping[str, LaneSection] = {
            lane.name: lane for lane in lanes if lane.direction is Direction.EXIT
        }
        self._waiting, self._submit, self._clock, self._systemd = waiting, submit, clock, systemd
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._round: tuple[float, Input | None] = (clock.monotonic_s(), None)
        self._decides = False  # whether the deciding thread has come round at all
        self._seen: dict[
            str, tuple[ScanSeen, float]
        ] = {}  # the newest that was opened for, of each lane, and when
        self._refused: set[str] = set()  # lanes whose board took nothing: said once
        self._opened = 0
        self._thread = threading.Thread(target=self._run, name="exits-meanwhile", daemon=True)

    def start(self) -> None:
        """Begin to look: the boards are there, and nothing decides yet."""
        self._round = (self._clock.monotonic_s(), None)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def came_round(self, item: Input | None) -> None:
        """The deciding thread begins another turn, with this input."""
        self._round, self._decides = (self._clock.monotonic_s(), item), True

    def opened(self) -> int:
        """How often exits were opened since this was last asked."""
        with self._lock:
            count, self._opened = self._opened, 0
        return count

    def _run(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            try:
                self.look()
            except Exception:
                log.exception("exits cannot be looked after while the gate stands still")

    def look(self) -> None:
        """Open the exits at which somebody has shown something, if the deciding thread stands still."""
        now_s = self._clock.monotonic_s()
        began_s, item = self._round
        still_s = now_s - began_s
        if not self._decides and still_s <= START_S:
            self._systemd.starting()
        waiting = [scan for scan in self._waiting() if scan.lane in self._exits]
        if still_s <= STANDS_STILL_S:
            late = {scan.lane for scan in waiting if now_s - scan.at_s > STANDS_STILL_S}
            self._serve([scan for scan in waiting if scan.lane in late], now_s)
            return
        in_work = [item] if isinstance(item, ScanSeen) and item.lane in self._exits else []
        self._serve([*in_work, *waiting], now_s)
        if self._decides and self._exits and still_s <= FED_FOR_S:
            self._systemd.alive()

    def _serve(self, scans: Iterable[ScanSeen], now_s: float) -> None:
        newest = {scan.lane: scan for scan in scans}
        for lane, scan in newest.items():
            seen, at_s = self._seen.get(lane, (None, 0.0))
            if seen is scan or (
                seen is not None and seen.texts == scan.texts and now_s - at_s < SEEN_AGAIN_S
            ):
                continue
            if self._open(self._exits[lane], now_s):
                self._seen[lane] = (scan, now_s)

    def _open(self, section: LaneSection, now_s: float) -> bool:
        """Whether the board took it; what it did not take is tried again at the next look."""
        id_ = f"meanwhile-{os.urandom(8).hex()}"
        if not self._submit(section.board, opening(section, id_, issued_s=now_s)):
            if section.name not in self._refused:
                log.error("the gate stands still, and the exit could not be opened", lane=section.name)
            self._refused.add(section.name)
            return False
        self._refused.discard(section.name)
        log.error("the gate stands still: the exit opens without a record", lane=section.name)
        with self._lock:
            self._opened += 1
        return True
