"""From levels of inputs to what they mean: fire, exit button, tamper, door. Pure.

A board tells changes from "no current" only. A contact that is closed at rest has to show its current first: where it
does not within ``SETTLE_S`` of a board that is heard, its loop is broken, and that counts as active.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from drivers.gate.hardware import InputSection

SETTLE_S: Final = 2.0  # boards tell their first levels within a few hundred milliseconds of their line


@dataclass(frozen=True, slots=True)
class RoleChanged:
    """What an input means became so, or is over."""

    section: InputSection
    active: bool


@dataclass(slots=True)
class _Input:
    section: InputSection
    active: bool | None = None  # None: its board has not told yet
    settles_s: float | None = None

    def becomes(self, *, active: bool) -> list[RoleChanged]:
        before, self.active, self.settles_s = self.active, active, None
        return [RoleChanged(self.section, active)] if bool(before) != active else []


class Roles:
    """The inputs that mean something.

    Args:
        sections: What each means.
    """

    def __init__(self, sections: Iterable[InputSection]) -> None:
        self._inputs = [_Input(section) for section in sections]

    def board(self, board: str, *, heard: bool, now_s: float) -> None:
        """A board is heard, or not now: what it has not told by then is as it is without current."""
        for one in self._inputs:
            if one.section.board == board and one.active is None:
                one.settles_s = (one.settles_s or now_s + SETTLE_S) if heard else None

    def edge(self, board: str, channel: int, *, current: bool) -> list[RoleChanged]:
        """A level changed."""
        for one in self._inputs:
            if one.section.place == (board, channel):
                return one.becomes(active=current != (one.section.normally == "closed"))
        return []

    def due(self, now_s: float) -> list[RoleChanged]:
        """Levels that were never told count as no current."""
        return [
            changed
            for one in self._inputs
            if one.settles_s is not None and now_s >= one.settles_s
            for changed in one.becomes(active=one.section.normally == "closed")
        ]

    def all(self) -> list[tuple[InputSection, bool | None]]:
        """Every input with what is known of it."""
        return [(one.section, one.active) for one in self._inputs]
