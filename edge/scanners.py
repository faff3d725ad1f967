"""What scanner engines read, as presentations: the same that a camera's thread makes of its pictures.

An engine says a code again and again while it is held before it: that is one presentation, until the code was away
for 1.5 s. Each code of several is one of its own. Bytes come from the line, and a line can hold anything: what is no
text is dropped and counted, and so are the further lines of a code that has several.
"""

import threading
from collections.abc import Callable, Iterable
from typing import Final

from drivers.devices.scanner_stream import text_of
from drivers.gate.hardware import LaneSection
from drivers.peripherals import Scanned
from edge.vision.presentation import InView, look
from passes.gp1 import PREFIX

TEXT_MIN: Final = 4  # characters; what is shorter is noise of a line, and an exit opens for every code
TEXT_MAX: Final = 4296  # characters in the largest QR code, as at a camera
LINES_WITHIN_S: Final = 0.5  # a code of several lines comes as several texts, one right behind the other
VIEW_MAX: Final = 32  # texts remembered as held up

Seen = Callable[[str, tuple[str, ...], float], None]
"""Takes a lane's name, the texts of one presentation, and the monotonic second of its arrival."""


def text_of_reading(data: bytes) -> str | None:
    """What an engine read, as text; None for noise, for the bits of a card, and for what no code holds."""
    text = text_of(data)
    if text is None:
        return None
    text = text.strip()
    return text if TEXT_MIN <= len(text) <= TEXT_MAX and text.isprintable() else None


class Scanner:
    """One engine. ``read`` belongs to the thread of its line, ``look_again`` to any.

    Args:
        lane: The lane that it reads for.
        seen: Gets each presentation in the line's thread; must not block.
        dropped: Called for each reading that is no text.
    """

    def __init__(self, lane: str, seen: Seen, dropped: Callable[[], None]) -> None:
        self._lane, self._seen, self._dropped = lane, seen, dropped
        self._view = InView()
        self._again = threading.Event()
        self._before, self._before_s = "", float("-inf")

    def look_again(self) -> None:
        """Report the code that is held up once more, when the engine next says it."""
        self._again.set()

    def read(self, reading: Scanned) -> None:
        """Take what the engine read."""
        text = text_of_reading(reading.data)
        if text is None:
            self._dropped()
            return
        if self._again.is_set():
            self._again.clear()
            self._view = InView()
        follows = text != self._before and reading.at_s - self._before_s < LINES_WITHIN_S
        self._before, self._before_s = text, reading.at_s
        if follows and not text.startswith(PREFIX):
            self._dropped()  # one code opens an exit once, however many lines it has
            return
        view, new = look(self._view, (text,), reading.at_s)
        self._view = _newest(view)
        if new:
            self._seen(self._lane, new, reading.at_s)


class Scanners:
    """The engines of a gate, each bound to its lane by its board's name.

    Args:
        lanes: Those whose engines are heard; lanes without one are passed over.
        seen, dropped: As for a ``Scanner``.
    """

    def __init__(self, lanes: Iterable[LaneSection], seen: Seen, dropped: Callable[[], None]) -> None:
        found = [
            (lane.name, lane.scanner, Scanner(lane.name, seen, dropped)) for lane in lanes if lane.scanner
        ]
        self._of_board = {board: scanner for _, board, scanner in found}
        self._of_lane = {lane: scanner for lane, _, scanner in found}

    def read(self, board: str, reading: Scanned) -> None:
        """A board read something; one that no lane names is not heard."""
        scanner = self._of_board.get(board)
        if scanner is not None:
            scanner.read(reading)

    def look_again(self, lane: str) -> None:
        """Ask a lane's engine, if it has one, to report the code that is held up once more."""
        scanner = self._of_lane.get(lane)
        if scanner is not None:
            scanner.look_again()


def _newest(view: InView) -> InView:
    if len(view.last_seen_s) <= VIEW_MAX:
        return view
    newest = sorted(view.last_seen_s.items(), key=lambda seen: seen[1])[-VIEW_MAX:]
    return InView(dict(newest))
