"""What happens at boards and lanes, for tools that watch: the newest happenings, numbered, and a bounded wait."""

import json
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import accumulate
from typing import Any, Final

from drivers.model import AnyEvent, BoardEvent
from drivers.peripherals import Scanned

KEPT: Final = 256
PAGE: Final = 64  # happenings of one answer
PAGE_BYTES: Final = 40 * 1024  # likewise: its line holds 64 KiB, and how the gate is stands on it too
TEXT_CHARACTERS_MAX: Final = 120
WAIT_S_MAX: Final = 10.0
PREFIX_CHARACTERS: Final = 4  # tells our passes (``GP1:``) from web addresses, and says nothing of a person
CODE_BYTES_MIN: Final = 16  # of a shorter code the beginning would be a good part
SAME_CODE_S: Final = 1.5  # an engine says a code again and again while it is held up


class Feed:
    """Threads of the gate put in, threads of tools take out. Of a code only its length and beginning are in it."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._kept: deque[tuple[dict[str, Any], int]] = deque(maxlen=KEPT)  # each with its bytes on the line
        self._seq, self._closed = 0, False
        self._read: dict[str, tuple[bytes, float]] = {}  # by each reader, and when it was last said

    def board(self, board: str, event: AnyEvent) -> None:
        """A board said something."""
        if isinstance(event, BoardEvent):
            self.put({"board": board, "event": _name(event), **asdict(event)})

    def scanned(self, board: str, reading: Scanned) -> None:
        """A reader read a code; one that is held up is one happening. The code stays out: it is as good as a pass."""
        with self._news:
            before, before_s = self._read.get(board, (b"", float("-inf")))
            self._read[board] = reading.data, reading.at_s
        if reading.data == before and reading.at_s - before_s < SAME_CODE_S:
            return
        text = reading.data[:PREFIX_CHARACTERS].decode("ascii", "replace")
        known = len(reading.data) >= CODE_BYTES_MIN and text.isascii() and text.isprintable()
        self.put(
            {
                "board": board,
                "event": "scanned",
                "bytes": len(reading.data),
                "prefix": text if known else "",
                "at_s": reading.at_s,
            }
        )

    def put(self, happening: Mapping[str, Any]) -> None:
        """Something happened; long texts of it are cut."""
        short = {
            name: value[:TEXT_CHARACTERS_MAX] if isinstance(value, str) else value
            for name, value in happening.items()
        }
        with self._news:
            self._seq += 1
            numbered = {"seq": self._seq, **short}
            self._kept.append((numbered, len(json.dumps(numbered, default=str))))
            self._news.notify_all()

    @property
    def newest(self) -> int:
        """Number of the newest happening."""
        with self._news:
            return self._seq

    def after(self, seq: int, wait_s: float) -> tuple[int, list[dict[str, Any]]]:
        """What happened behind ``seq``; waits for the first of it, at most ``wait_s``.

        A number from before a restart is not waited for.

        Returns:
            The number to go on from, and at most ``PAGE`` happenings of ``PAGE_BYTES`` together, oldest first. Their
            numbers show what was missed.
        """
        with self._news:
            self._news.wait_for(lambda: self._closed or self._seq != seq, min(wait_s, WAIT_S_MAX))
            found = _page([kept for kept in self._kept if kept[0]["seq"] > seq])
            return found[-1]["seq"] if found else self._seq, found

    def close(self) -> None:
        """Let everybody go who waits."""
        with self._news:
            self._closed = True
            self._news.notify_all()


def _page(kept: Sequence[tuple[dict[str, Any], int]]) -> list[dict[str, Any]]:
    """As many as one answer holds, and one at least: whoever asks must come on."""
    until = list(accumulate(size for _, size in kept))
    return [one for (one, _), bytes_ in zip(kept[:PAGE], until, strict=False) if bytes_ <= PAGE_BYTES] or [
        one for one, _ in kept[:1]
    ]


def _name(event: object) -> str:
    """``InputEdge`` as ``input_edge``."""
    name = type(event).__name__
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
