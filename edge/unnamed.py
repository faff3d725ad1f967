"""Exits that opened for somebody whom nobody could name, and the code that names them a moment later.

A phone that shows its short code first opens the exit unnamed where the gate does not hold its pass; so does a code
that is too old, or was shown before. When the same phone's good code follows, that is one person and one passage: the
named grant takes the place of the unnamed one, or names the walk that has just been seen. The exit opens each time.
"""

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple, assert_never

from edge.lane import in_place_of
from edge.lane_state import LaneState, Let
from edge.owed import Owed
from edge.standing import Standings
from passes.check import Checked, Foreign, Meant, Rejected, Verified
from passes.vocabulary import Direction

NAMED_WITHIN_S: Final = 6.0  # after the walk: the phone is still held up


class Walk(NamedTuple):
    """Somebody went out unnamed, with a code of the pass that ``meant`` says."""

    meant: Meant
    at: datetime
    at_s: float


class Unnamed:
    """Remembers who is let out unnamed at the lanes of one gate. Not thread-safe.

    Args:
        let: Who was let through and has not walked yet, by token; changed here when somebody gets a name.
        standings: Where exits are recorded.
        owed: Records what has happened, now or later.
    """

    def __init__(self, let: dict[str, Let], *, standings: Standings, owed: Owed) -> None:
        self._let, self._standings, self._owed = let, standings, owed
        self._walked: dict[str, Walk] = {}  # the last of each lane

    def granted(self, state: LaneState, token: str, checked: Checked, now: datetime, now_s: float) -> None:
        """An exit was opened for ``token``; settle what was opened for the same pass just before."""
        let = self._let.get(token)
        if let is None or let.direction is Direction.ENTRY:
            return
        before = [
            (other, waiting)
            for other in state.lane.tokens
            if other != token
            and (waiting := self._let.get(other)) is not None
            and waiting.claims is None
            and is_of(waiting.meant, checked)
        ]
        for other, waiting in before:
            state.opening.lane = in_place_of(state.lane, other, token)
            del self._let[other]
            self._owed.write(
                partial(self._standings.record_no_show, None, waiting.lane, waiting.direction, at=now)
            )
        if not before and let.claims is not None and state.traits.has_contact:
            self._name_the_walk(let, token, checked, now_s)

    def walked(self, let: Let, at: datetime, at_s: float) -> None:
        """Somebody went through; remembered when that was an exit and nobody knows whose."""
        if let.direction is Direction.EXIT and let.claims is None and let.meant is not None:
            self._walked[let.lane] = Walk(let.meant, at, at_s)

    def _name_the_walk(self, let: Let, token: str, checked: Checked, now_s: float) -> None:
        """The good code came when its holder had gone: that walk ends the stay, and who walks next is unnamed."""
        walk = self._walked.get(let.lane)
        if walk is None or not is_of(walk.meant, checked) or now_s - walk.at_s > NAMED_WITHIN_S:
            return
        del self._walked[let.lane]
        self._owed.write(
            partial(self._standings.record_exit, let.claims, let.stay_id, let.lane, at=walk.at, assumed=True)
        )
        self._let[token] = replace(let, claims=None, stay_id=None)


def meant_by(checked: Checked) -> Meant | None:
    """Which pass a scan is about, whether or not that was proved."""
    match checked:
        case Verified():
            return checked.claims.pass_id
        case Rejected():
            return checked.meant
        case Foreign():
            return None
        case _:
            assert_never(checked)


def is_of(meant: Meant | None, checked: Checked) -> bool:
    """Whether a scan is about the pass that ``meant`` says."""
    if isinstance(checked, Verified):
        return meant in {checked.claims.pass_id, checked.sealed}
    return meant is not None and meant == meant_by(checked)
