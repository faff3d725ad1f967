"""Outputs that a relay board must still be told to open, because it did not take that when it was told."""

from collections.abc import Container
from typing import Final

AGAIN_S: Final = 0.500  # between two attempts


class Owed:
    """Openings that are owed, and when each may be tried again."""

    def __init__(self) -> None:
        self._at_s: dict[int, float] = {}

    def __contains__(self, channel: int) -> bool:
        return channel in self._at_s

    def add(self, channel: int, at_s: float) -> None:
        """This output is to be told at ``at_s``."""
        self._at_s[channel] = at_s

    def put_off(self, at_s: float) -> None:
        """Nothing is tried before ``at_s``: the board does not answer, and others may need the line."""
        self._at_s = {channel: max(before_s, at_s) for channel, before_s in self._at_s.items()}

    def done(self, channel: int) -> None:
        """The board took it."""
        self._at_s.pop(channel, None)

    def clear(self) -> None:
        """All are told anew, or there is nobody to tell."""
        self._at_s.clear()

    def due(self, now_s: float, *, but: Container[int]) -> int | None:
        """One output to tell now; those in ``but`` have a pulse that insisted, and that opens them at its end."""
        return next((one for one, at_s in self._at_s.items() if at_s <= now_s and one not in but), None)

    def next_deadline(self, *, but: Container[int]) -> float | None:
        """When the next one is due."""
        return min((at_s for one, at_s in self._at_s.items() if one not in but), default=None)
