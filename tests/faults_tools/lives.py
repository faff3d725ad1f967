"""Visitors whose passes go through one journal, and what the journal must then say of them after any crash.

``Life`` is the writer: it says each row that the journal took to whoever listens, and nothing before. ``examine`` is
the judge of a folder that another wrote: it opens the folder as the gate does, and compares it with what it was told.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import apsw

from edge.journal import GENESIS, Journal, Recorded, chain_hash
from edge.standing import Shown, Standings
from passes.decide import Grant
from passes.vocabulary import Direction
from sync.messages import Kind, LaneData
from tests.minting import claims
from tests.ticking import HandClock

EVERYTHING = (1_000_000, 1 << 40)


class Row(NamedTuple):
    """The journal said that this row is durable."""

    epoch: str
    seq: int
    id: str


class Receipted(NamedTuple):
    """The journal said that the centre's receipt up to here is durable."""

    epoch: str
    upto: int


class Pruned(NamedTuple):
    """Rows up to here may be gone, for they were receipted and are older than seven days."""

    epoch: str
    upto: int


Said = Row | Receipted | Pruned
SAYINGS: Final = {"Row": Row, "Receipted": Receipted, "Pruned": Pruned}


@dataclass
class Life:
    """A gate's people, one row after another; ``first`` is a number that no pass has had yet."""

    journal: Journal
    clock: HandClock
    say: Callable[[Said], object]
    first: int = 0

    def __post_init__(self) -> None:
        self._number = self.first
        self._standings = Standings(self.journal, ZoneInfo("Asia/Shanghai"))

    def rows(self, count: int) -> None:
        """At least ``count`` rows: some visitors come and go, some stay, some do not walk."""
        upto = self.journal.last_seq() + count
        while self.journal.last_seq() < upto:
            self.visitor()

    def visitor(self) -> None:
        """One visitor's rows."""
        self._number += 1
        who = claims(self._number)
        stay = self._told(self._standings.record_entry_grant(Grant(who), "entry", Shown(self._number)))
        if self._number % 5 == 0:
            self._told(self._standings.record_no_show(stay.id, "entry", Direction.ENTRY, at=self.clock.now()))
            return
        self._told(self._standings.record_entry(stay.id, "entry", at=self.clock.now(), assumed=False))
        if self._number % 3 == 0:
            self._told(self.journal.append(Kind.FORCED, LaneData(lane="entry")))
            return
        self._told(self._standings.record_exit_grant(Grant(who), "exit", Shown(self._number + 1)))
        self._told(self._standings.record_exit(who, stay.id, "exit", at=self.clock.now(), assumed=False))

    def receipt(self, upto: int) -> None:
        """The centre has everything up to here."""
        epoch = self.journal.epoch()
        self.journal.acknowledge(epoch, upto)
        self.say(Receipted(epoch, upto))

    def week_passes(self) -> None:
        """Receipted rows have had their time, and go."""
        self.clock.advance(timedelta(days=8).total_seconds())
        self.say(Pruned(self.journal.epoch(), self.journal.acked()))
        while self.journal.prune():
            pass

    def _told(self, recorded: Recorded) -> Recorded:
        self.clock.advance(1)
        self.say(Row(self.journal.epoch(), recorded.seq, recorded.id))
        return recorded


class Examined(NamedTuple):
    """What is wrong with a folder; nothing, if both are empty."""

    lost: tuple[int, ...]  # rows that were said to be durable, and are not there
    wrong: tuple[str, ...]


def examine(folder: Path, said: Iterable[Said], clock: HandClock) -> Examined:
    """Open the journal as the gate does after a cut, and compare it with what it had said.

    It also has to take the next row. Raises ``JournalError`` when it does not open.
    """
    journal = Journal(folder, clock)
    try:
        said = list(said)
        if journal.set_aside is not None:
            return Examined((), (f"set aside as {journal.set_aside.name}",))
        wrong: list[str] = []
        rows, unreadable = read(journal)
        wrong += [f"row {seq} is no JSON" for seq in unreadable]
        pruned = max((one.upto for one in said if isinstance(one, Pruned)), default=0)
        receipted = max((one.upto for one in said if isinstance(one, Receipted)), default=0)
        ids = {row["seq"]: row["id"] for row in rows}
        told = [one for one in said if isinstance(one, Row)]
        lost = tuple(one.seq for one in told if one.seq > pruned and ids.get(one.seq) != one.id)
        if any(one.epoch != journal.epoch() for one in told):
            wrong.append("another epoch")
        if journal.acked() < receipted:
            wrong.append(f"receipted up to {journal.acked()} and not {receipted}")
        if journal.pruned_to() > pruned:
            wrong.append(f"pruned up to {journal.pruned_to()}, and {pruned} was allowed")
        wrong += chain_faults(rows, after=journal.pruned_to())
        if (check := journal.read("pragma integrity_check(3)")) != [("ok",)]:
            wrong.append(f"integrity check: {check}")
        if not pruned and (differing := _people(rows) ^ set(journal.read("select stay_id, state from stay"))):
            wrong.append(f"events and standing differ: {sorted(differing)}")
        last = journal.last_seq()
        if journal.append(Kind.FORCED, LaneData(lane="entry")).seq != last + 1:
            wrong.append("the next row has another number")
        return Examined(lost, tuple(wrong))
    finally:
        journal.close()


def read(journal: Journal) -> tuple[list[dict[str, Any]], list[int]]:
    """Every row of the journal's epoch, and the numbers of those that are no JSON any more."""
    rows, unreadable = [], []
    for seq, body in journal.rows_after(0, *EVERYTHING):
        try:
            rows.append(json.loads(body))
        except json.JSONDecodeError:
            unreadable.append(seq)
    return rows, unreadable


def chain_faults(rows: list[dict[str, Any]], *, after: int = 0) -> list[str]:
    """Where numbers or hashes of consecutive rows do not follow each other."""
    found: list[str] = []
    head = rows[0]["prev"] if after and rows else GENESIS
    for number, row in enumerate(rows, start=after + 1):
        if row["seq"] != number:
            return [*found, f"row {row['seq']} stands where {number} should"]
        if row["prev"] != head or row["hash"] != chain_hash(row):
            found.append(f"the chain breaks at row {number}")
        head = row["hash"]
    return found


def copy_faults(path: Path) -> list[str]:
    """What is wrong with a copy of a journal: it has to be whole as it lies there, without any file beside it."""
    db = apsw.Connection(f"file:{path}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        if (check := db.execute("pragma integrity_check(3)").get) != "ok":
            return [f"integrity check: {check}"]
        return chain_faults(
            [json.loads(body) for (body,) in db.execute("select body from event order by seq")]
        )
    finally:
        db.close()


def _people(rows: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Each stay and its state, from the events alone."""
    stays: dict[str, str] = {}
    for row in rows:
        data = row["data"]
        entry = data.get("direction") == Direction.ENTRY
        match row["kind"]:
            case Kind.DECISION if entry and data["outcome"] == "grant":
                stays[row["id"]] = "pending"
            case Kind.NO_SHOW if entry:
                stays[data["stay_id"]] = "no_show"
            case Kind.PASSAGE:
                stays[data["stay_id"]] = "inside" if entry else "left"
            case _:
                pass
    return set(stays.items())
