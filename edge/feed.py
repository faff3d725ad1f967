"""What happens at boards and lanes, for tools that watch: the newest happenings, numbered, and a bounded wait."""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from drivers.model import AnyEvent, BoardEvent

KEPT: Final = 256
PAGE: Final = 64  # happenings of one answer, whose line holds 64 KiB
TEXT_CHARACTERS_MAX: Final = 120
WAIT_S_MAX: Final = 10.0


class Feed:
    """The deciding thread puts in, threads of tools take out. What peripherals read (codes, texts) is not in it."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._kept: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._seq, self._closed = 0, False

    def board(self, board: str, event: AnyEvent) -> None:
        """A board said something."""
        if isinstance(event, BoardEvent):
            self.put({"board": board, "event": _name(event), **asdict(event)})

    def put(self, happening: Mapping[str, Any]) -> None:
        """Something happened; long texts of it are cut."""
        short = {
            name: value[:TEXT_CHARACTERS_MAX] if isinstance(value, str) else value
            for name, value in happening.items()
        }
        with self._news:
            self._seq += 1
            self._kept.append({"seq": self._seq, **short})
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
            The number to go on from, and at most ``PAGE`` happenings, oldest first. Their numbers show what was missed.
        """
        with self._news:
            self._news.wait_for(lambda: self._closed or self._seq != seq, min(wait_s, WAIT_S_MAX))
            found = [one for one in self._kept if one["seq"] > seq][:PAGE]
            return found[-1]["seq"] if found else self._seq, found

    def close(self) -> None:
        """Let everybody go who waits."""
        with self._news:
            self._closed = True
            self._news.notify_all()


def _name(event: object) -> str:
    """``InputEdge`` as ``input_edge``."""
    name = type(event).__name__
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
