"""What the readers of each lane saw, on its way to the deciding thread: cameras and scanner engines alike.

A lane may have both. What the one has just shown, the other shows nobody a second time at an entry; at an exit every
presentation counts, and the gate knows who was let out already. Where scans wait in a line and one has to go
(``edge.inputs``), the lane's readers are asked for what is in view.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from drivers.gate.hardware import LaneSection
from drivers.peripherals import Scanned
from edge.inputs import Inputs, ScanSeen
from edge.scanners import Scanners
from passes.vocabulary import Direction

SAME_SHOWING_S: Final = 3.0  # one showing that both readers of a lane see; nobody hands a pass back so soon


class Watching(Protocol):
    """A reader that can be asked for the code in view."""

    def look_again(self) -> None:
        """Report the codes in view once more, as if they had just come; any thread."""


class Readers:
    """The way from readers to the deciding thread. Any thread may call it.

    Args:
        lanes: All lanes.
        inputs: Where scans wait for the deciding thread.
        cameras: The cameras by their lanes, as they come to be.
        dropped: Called for each reading of a scanner that is no text, or the further line of a code.
    """

    def __init__(
        self,
        lanes: Iterable[LaneSection],
        inputs: Inputs,
        *,
        cameras: Mapping[str, Watching],
        dropped: Callable[[], None],
    ) -> None:
        self._lanes = {lane.name: lane for lane in lanes}
        self._inputs, self._cameras = inputs, cameras
        self._scanners = Scanners(self._lanes.values(), self._scanner_saw, dropped)
        self._guard = threading.Lock()
        self._shown: dict[str, tuple[str, frozenset[str], float]] = {}  # lane -> reader, texts, when

    def camera_saw(self, lane: str, texts: tuple[str, ...], at_s: float) -> None:
        """A lane's camera has a presentation."""
        self._saw(lane, "camera", texts, at_s)

    def scanned(self, board: str, reading: Scanned) -> None:
        """A scanner read something; in the thread of its line."""
        self._scanners.read(board, reading)

    def look_again(self, lane: str) -> None:
        """Ask every reader of a lane for the code in view."""
        with self._guard:
            self._shown.pop(lane, None)
        if lane in self._cameras:
            self._cameras[lane].look_again()
        self._scanners.look_again(lane)

    def _scanner_saw(self, lane: str, texts: tuple[str, ...], at_s: float) -> None:
        self._saw(lane, "scanner", texts, at_s)

    def _saw(self, lane: str, reader: str, texts: tuple[str, ...], at_s: float) -> None:
        section = self._lanes[lane]
        both = section.direction is Direction.ENTRY and len(section.readers) > 1
        if both and self._other_has_shown(lane, reader, frozenset(texts), at_s):
            return
        if not self._inputs.put_scan(ScanSeen(lane=lane, texts=texts, at_s=at_s)):
            self.look_again(lane)

    def _other_has_shown(self, lane: str, reader: str, texts: frozenset[str], at_s: float) -> bool:
        with self._guard:
            before, shown, shown_s = self._shown.get(lane, ("", frozenset[str](), float("-inf")))
            if before not in {"", reader} and texts <= shown and abs(at_s - shown_s) < SAME_SHOWING_S:
                return True
            self._shown[lane] = reader, texts, at_s
            return False
