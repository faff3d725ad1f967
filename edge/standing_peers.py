"""Stays that other gates of the site began or ended, among this gate's own.

A stay only ever moves on (pending, no-show, inside, superseded, left), so whoever tells what, in whichever order and
however often, every gate that heard the same arrives at the same.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from enum import Enum
from typing import Any, Final, NamedTuple

import apsw
from pydantic import ValidationError

from edge.journal import Journal
from passes.vocabulary import Category, Colour
from shell.clock import Clock
from shell.logs import get_logger
from sync.messages import Kind
from sync.peers import PeerStay

TELL_ENDED_FOR: Final = timedelta(hours=24)
TELL_MAX: Final = 3_000  # of those that ended, and of those that are open
PENDING_FOR_MAX: Final = timedelta(minutes=10)  # no lane waits so long for somebody to walk
UNKNOWN_FOR_MAX: Final = timedelta(days=29)  # older ones were here, and are forgotten after 30 days
_RANK: Final = {"pending": 0, "no_show": 1, "inside": 2, "superseded": 3, "left": 4}
_COLUMNS: Final = (
    "stay_id, pass_id, person, category, unit, purpose, stay_claim, pass_end_ms, gate, lane, state, granted_ms,"
    " entered_ms, due_ms, exited_ms, settled,"
    " (select last_shown_at from pass_state where pass_state.pass_id = stay.pass_id)"
)
_ROWS_AT_ONCE: Final = 200
log = get_logger("peers")


class Step(Enum):
    """What a word of another gate did to one stay."""

    NONE = "nothing that matters to anybody else"
    INTO_USE = "it is pending or inside since"
    BEHIND = "more is known here than was told"


class Merged(NamedTuple):
    """What came of a message."""

    twice: list[PeerStay]  # share a visitor's pass with one that is open here
    behind: list[str]  # of these the teller knows less than this gate


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
        """What the others may lack, who has left first: who left lately, and which visitors are inside.

        Of residents only what is a day old at most: they come and go without passing a gate. Raises ``JournalError``.
        """
        since_ms = self._ms_ago(TELL_ENDED_FOR)
        ended = self._those(
            "state in ('left', 'no_show', 'superseded') and coalesce(exited_ms, granted_ms) >= ?"
            " order by coalesce(exited_ms, granted_ms) desc limit ?",
            (since_ms, TELL_MAX),
        )
        present = self._those(
            "state in ('pending', 'inside') and (category <> ? or granted_ms >= ?)"
            " order by granted_ms desc limit ?",
            (Category.RESIDENT.code, since_ms, TELL_MAX),
        )
        self._epoch, self._told = self._journal.epoch(), self._journal.last_seq()
        return ended + present

    def these(self, stay_ids: Collection[str]) -> list[PeerStay]:
        """Some stays by their ids, as this gate knows them; raises ``JournalError``."""
        return self._those(f"stay_id in ({', '.join('?' * len(stay_ids))})", tuple(stay_ids))

    def merge(self, news: Iterable[PeerStay]) -> Merged:
        """Take over what another gate knows; raises ``JournalError``."""
        merged = Merged([], [])
        forgotten_ms = self._ms_ago(UNKNOWN_FOR_MAX)

        def change(db: apsw.Connection) -> None:
            for stay in news:
                if _colour(stay.category) is None:
                    continue  # a gate of a later version; the centre knows what to make of it
                match _merge_one(db, stay, forgotten_ms):
                    case Step.INTO_USE if _open_here_too(db, stay):
                        merged.twice.append(stay)
                    case Step.BEHIND:
                        merged.behind.append(stay.stay_id)
                    case _:
                        pass

        self._journal.amend(change)
        return merged

    def end_what_waits(self) -> None:
        """Grants of other gates whose end was never told are no-shows; a later word still makes them passages."""
        before_ms = self._ms_ago(PENDING_FOR_MAX)

        def change(db: apsw.Connection) -> None:
            db.execute(
                "update stay set state = 'no_show' where state = 'pending' and gate is not null and granted_ms < ?",
                (before_ms,),
            )

        self._journal.amend(change)

    def _ms_ago(self, span: timedelta) -> int:
        return int((self._clock.now() - span).timestamp() * 1000)

    def _those(self, where: str, values: Sequence[Any]) -> list[PeerStay]:
        rows = self._journal.read(f"select {_COLUMNS} from stay where {where}", tuple(values))  # noqa: S608  # no outside text
        return [told for row in rows if (told := self._as_told(row)) is not None]

    def _as_told(self, row: tuple[Any, ...]) -> PeerStay | None:
        """A row in the words of the wire; None for one that no other gate would read."""
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
            "settled",
            "shown_at",
        )
        told = dict(zip(names, row, strict=True))
        try:
            return PeerStay.model_validate(told | {"gate": told["gate"] or self._gate})
        except ValidationError as error:
            log.error("a stay cannot be told to other gates", stay_id=told["stay_id"], error=error.title)
            return None


def _merge_one(db: apsw.Connection, stay: PeerStay, forgotten_ms: int) -> Step:
    """Put one stay where it belongs."""
    found = db.execute("select state, settled from stay where stay_id = ?", (stay.stay_id,)).get
    before = found[0] if found else None
    if before is None:
        if stay.granted_ms < forgotten_ms:
            return Step.NONE  # it was over and forgotten here, or its teller was away for a month
        _insert(db, stay)
    elif _RANK[stay.state] < _RANK[before]:
        _settle(db, stay)
        return Step.BEHIND
    else:
        db.execute(
            "update stay set state = ?, entered_ms = coalesce(entered_ms, ?), due_ms = coalesce(due_ms, ?),"
            " exited_ms = coalesce(exited_ms, ?) where stay_id = ?",
            (stay.state, stay.entered_ms, stay.due_ms, stay.exited_ms, stay.stay_id),
        )
        _settle(db, stay)
        if stay.state == before:
            return Step.BEHIND if found[1] and not stay.settled else Step.NONE
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
    return Step.INTO_USE if stay.state in {"pending", "inside"} else Step.NONE


def _insert(db: apsw.Connection, stay: PeerStay) -> None:
    db.execute(
        "insert into stay (stay_id, pass_id, person, category, unit, purpose, stay_claim, pass_end_ms, gate, lane,"
        " state, granted_ms, entered_ms, due_ms, exited_ms, settled)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
            stay.state,
            stay.granted_ms,
            stay.entered_ms,
            stay.due_ms,
            stay.exited_ms,
            stay.settled,
        ),
    )


def _settle(db: apsw.Connection, stay: PeerStay) -> None:
    if stay.settled:
        db.execute("update stay set settled = 1 where stay_id = ?", (stay.stay_id,))


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
