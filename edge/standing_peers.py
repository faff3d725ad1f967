"""Stays that other gates of the site began or ended, among this gate's own.

A stay only ever moves on (pending, no-show, inside, superseded, left), so whoever tells what, in whichever order and
however often, every gate that heard the same arrives at the same.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Final

import apsw

from edge.journal import Journal
from passes.vocabulary import Category, Colour
from shell.clock import Clock
from sync.messages import Kind
from sync.peers import PeerStay

TELL_ENDED_FOR: Final = timedelta(hours=24)
TELL_MAX: Final = 500
_RANK: Final = {"pending": 0, "no_show": 1, "inside": 2, "superseded": 3, "left": 4}
_COLUMNS: Final = (
    "stay_id, pass_id, person, category, unit, purpose, stay_claim, pass_end_ms, gate, lane, state, granted_ms,"
    " entered_ms, due_ms, exited_ms, (select last_shown_at from pass_state where pass_state.pass_id = stay.pass_id)"
)
_ROWS_AT_ONCE: Final = 200


class PeerStays:
    """Reads this gate's stays for the others, and merges theirs. The deciding thread owns it.

    Args:
        journal: Where the stays are.
        gate: This gate's id: in the table its own stays carry none.
        clock: Time.
    """

    def __init__(self, journal: Journal, gate: str, clock: Clock) -> None:
        self._journal, self._gate, self._clock = journal, gate, clock
        self._epoch, self._told = journal.epoch(), journal.last_seq()

    def changed(self) -> list[PeerStay]:
        """Stays that rows since the last call are about; raises ``JournalError``."""
        if self._journal.epoch() != self._epoch:
            return self.all_that_count()
        if self._journal.last_seq() <= self._told:
            return []
        rows = self._journal.read(
            "select seq, case when kind = ? then json_extract(body, '$.id') end, json_extract(body, '$.data.stay_id')"
            " from event where epoch = ? and seq > ? order by seq limit ?",
            (Kind.DECISION.value, self._epoch, self._told, _ROWS_AT_ONCE),
        )
        named = {stay_id for _, *ids in rows for stay_id in ids if stay_id is not None}
        found = self._those(f"stay_id in ({', '.join('?' * len(named))})", tuple(named)) if named else []
        self._told = max((seq for seq, *_ in rows), default=self._told)
        return found

    def all_that_count(self) -> list[PeerStay]:
        """Who is inside or about to be, and who left lately; raises ``JournalError``."""
        since_ms = int((self._clock.now() - TELL_ENDED_FOR).timestamp() * 1000)
        found = self._those(
            "state in ('pending', 'inside') or coalesce(exited_ms, granted_ms) >= ?"
            " order by state in ('pending', 'inside') desc, granted_ms desc limit ?",
            (since_ms, TELL_MAX),
        )
        self._epoch, self._told = self._journal.epoch(), self._journal.last_seq()
        return found

    def merge(self, news: Iterable[PeerStay]) -> list[PeerStay]:
        """Take over what another gate knows; raises ``JournalError``.

        Returns:
            Stays that just turned out to share a visitor's pass with one that is open here.
        """
        twice: list[PeerStay] = []

        def change(db: apsw.Connection) -> None:
            twice.clear()
            for stay in news:
                if _colour(stay.category) is None:
                    continue  # a gate of a later version; the centre knows what to make of it
                if _merge_one(db, stay) and _open_here_too(db, stay):
                    twice.append(stay)

        self._journal.amend(change)
        return twice

    def _those(self, where: str, values: Sequence[Any]) -> list[PeerStay]:
        rows = self._journal.read(f"select {_COLUMNS} from stay where {where}", tuple(values))  # noqa: S608  # no outside text
        return [self._as_told(row) for row in rows]

    def _as_told(self, row: tuple[Any, ...]) -> PeerStay:
        names = (
            "stay_id",
            "pass_id",
            "person",
            "category",
            "unit",
            "purpose",
            "stay_claim",
            "pass_end_ms",
            "gate",
            "lane",
            "state",
            "granted_ms",
            "entered_ms",
            "due_ms",
            "exited_ms",
            "shown_at",
        )
        told = dict(zip(names, row, strict=True))
        return PeerStay.model_validate(told | {"gate": told["gate"] or self._gate})


def _merge_one(db: apsw.Connection, stay: PeerStay) -> bool:
    """Put one stay where it belongs; whether that moved it into use."""
    known = next(iter(db.execute("select state from stay where stay_id = ?", (stay.stay_id,))), None)
    before = known[0] if known else None
    if before is not None and _RANK[stay.state] <= _RANK[before]:
        return False
    if before is None:
        # A second pending stay of one pass is what the own table rules out: the other gate's grant stands as inside.
        state = "inside" if stay.state == "pending" and _is_pending(db, stay.pass_id) else stay.state
        db.execute(
            "insert into stay (stay_id, pass_id, person, category, unit, purpose, stay_claim, pass_end_ms, gate, lane,"
            " state, granted_ms, entered_ms, due_ms, exited_ms) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                stay.stay_id,
                stay.pass_id,
                stay.person,
                stay.category,
                stay.unit,
                stay.purpose,
                stay.stay_claim,
                stay.pass_end_ms,
                stay.gate,
                stay.lane,
                state,
                stay.granted_ms,
                stay.entered_ms,
                stay.due_ms,
                stay.exited_ms,
            ),
        )
    else:
        db.execute(
            "update stay set state = ?, entered_ms = coalesce(?, entered_ms), due_ms = coalesce(?, due_ms),"
            " exited_ms = coalesce(?, exited_ms) where stay_id = ?",
            (stay.state, stay.entered_ms, stay.due_ms, stay.exited_ms, stay.stay_id),
        )
    used = before in {None, "pending", "no_show"} and stay.state in {"inside", "left", "superseded"}
    db.execute(
        "insert into pass_state (pass_id, last_shown_at, entries_used, pass_end_ms) values (?, ?, ?, ?)"
        " on conflict (pass_id) do update set entries_used = entries_used + excluded.entries_used, last_shown_at ="
        " nullif(max(coalesce(last_shown_at, 0), coalesce(excluded.last_shown_at, 0)), 0)",
        (stay.pass_id, stay.shown_at, int(used), stay.pass_end_ms),
    )
    if stay.state == "inside" and _colour(stay.category) is Colour.GREEN:
        db.execute(
            "update stay set state = 'superseded' where pass_id = ? and state = 'inside' and stay_id != ?"
            " and entered_ms < ?",
            (stay.pass_id, stay.stay_id, stay.entered_ms or stay.granted_ms),
        )
    return stay.state in {"pending", "inside"}


def _is_pending(db: apsw.Connection, pass_id: str) -> bool:
    return bool(list(db.execute("select 1 from stay where pass_id = ? and state = 'pending'", (pass_id,))))


def _open_here_too(db: apsw.Connection, stay: PeerStay) -> bool:
    """Whether a visitor's pass that came in elsewhere is also pending or inside by another stay."""
    if _colour(stay.category) is not Colour.BLUE:
        return False
    others = db.execute(
        "select 1 from stay where pass_id = ? and stay_id != ? and state in ('pending', 'inside') limit 1",
        (stay.pass_id, stay.stay_id),
    )
    return bool(list(others))


def _colour(category: str) -> Colour | None:
    try:
        return Category.from_code(category).colour
    except KeyError:
        return None
