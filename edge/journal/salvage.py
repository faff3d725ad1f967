"""Reading what can be read of a broken journal into a new one.

Rows are read by ranges of their keys; where a page is broken, the range is halved until what is lost is known by its
numbers. A row counts as read when its hash says that it is the one that was written. Where not even the first page can
be read, rows are looked for in the bytes themselves.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import apsw
from pydantic import BaseModel, ValidationError

from edge.journal.broken import Row, carved, events, people, table_rows
from edge.journal.chaining import chained
from edge.journal.marks import Mark
from edge.journal.opening import whole_figures
from edge.journal.rows import at_ms, read_row
from edge.journal.schema import migrate
from sync.messages import DecisionData, Event, Kind, NoShowData, PassageData

_READ_AT_STARTS: Final[dict[str, type[BaseModel]]] = {
    Kind.DECISION.value: DecisionData,
    Kind.PASSAGE.value: PassageData,
    Kind.NO_SHOW.value: NoShowData,
}


class Doubt(IntEnum):
    """How much of a file is believed that can be read."""

    NONE = 0  # everything that is as it was written
    ROWS = 1  # events that every reader takes: something in the file has ended the gate three times
    PEOPLE = 2  # and nothing of who is inside: that did not help


class Lost(NamedTuple):
    """Numbers of one epoch that are in no row that could be read, both included."""

    first: int
    last: int


@dataclass(slots=True)
class Salvaged:
    """What was carried over."""

    epoch: str | None = None
    rows: int = 0
    lost: list[Lost] = field(default_factory=list)
    people: int = 0  # stays, and what is known of passes

    def words(self) -> str:
        """For the row that says so: at most some 150 characters."""
        count = sum(lost.last - lost.first + 1 for lost in self.lost)
        some = ", ".join(f"{lost.first}-{lost.last}" for lost in self.lost[:4])
        more = ", …" if len(self.lost) > 4 else ""
        gone = (
            f"lost of epoch {self.epoch}: {count} ({some}{more})" if count else "no row is known to be lost"
        )
        return f"{self.rows} rows and {self.people} states of people salvaged; {gone}"


def salvage(source: Path, target: Path, mark: Mark, *, why: str, doubt: Doubt) -> Salvaged:
    """Make ``target``, a journal whose owner still has to begin a new epoch, from what ``source`` still says.

    Args:
        source: The broken file; it is not changed. What is no file gives nothing.
        target: A path at which there is nothing yet.
        mark: How far the journal had come.
        why: What was wrong, for the row that the new journal begins with.
        doubt: What is held back.

    Raises:
        apsw.Error: The new file cannot be written.
    """
    found = Salvaged()
    with closing(apsw.Connection(str(target))) as new:
        new.execute("pragma journal_mode = delete")
        new.execute("pragma synchronous = full")
        migrate(new)
        with new:
            _carry(source, new, mark, found, doubt)
            words = f"{found.words()}; {why}"[:200]
            new.execute("insert or replace into meta values ('renew', ?)", (words,))
    return found


def _carry(source: Path, new: apsw.Connection, mark: Mark, found: Salvaged, doubt: Doubt) -> None:
    with closing(_opened(source)) as old:
        old.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # it stays as it was found
        meta = whole_figures(dict(table_rows(old, "meta", "key", ["key", "value"])))
        epoch = found.epoch = meta.get("epoch") or mark.epoch or "0" * 16
        same = mark.epoch == epoch
        acked = max(int(meta.get("acked", 0)), mark.acked if same else 0)
        seqs = _put(new, _believed(events(old, epoch), doubt), found)
        pruned_to = int(meta.get("pruned_to", 0 if meta else min(seqs, default=1) - 1))
        found.lost = _holes(seqs, pruned_to, max([acked, *seqs, mark.last if same else 0]))
        if found.lost or not seqs:
            missing = (row for row in _missing(source, new, epoch) if row[1] > pruned_to)
            seqs |= _put(new, _believed(missing, doubt), found)
            pruned_to = int(meta.get("pruned_to", 0 if meta else min(seqs, default=1) - 1))
            found.lost = _holes(seqs, pruned_to, max([acked, *seqs, mark.last if same else 0]))
        kept = {key: value for key, value in meta.items() if key not in {"renew", "inode"}}
        kept |= {"epoch": epoch, "acked": str(acked), "pruned_to": str(pruned_to)}
        new.executemany("insert or replace into meta values (?, ?)", list(kept.items()))
        if doubt < Doubt.PEOPLE:
            found.people = people(old, new)


def _missing(source: Path, new: apsw.Connection, epoch: str) -> Iterator[Row]:
    """Rows of the epoch that no key leads to any more, by the chain of those which were put in."""
    held: dict[int, tuple[str, str]] = {}
    elsewhere: set[str] = set()
    query = "select epoch, seq, body ->> 'prev', body ->> 'hash' from event"
    for where, seq, prev, digest in new.execute(query):
        if where == epoch:
            held[seq] = prev, digest
        else:
            elsewhere.add(digest)
    for row in chained(carved(source), held, elsewhere):
        yield epoch, row.seq, at_ms(row.at), row.kind, row.body


def _opened(source: Path) -> apsw.Connection:
    """The broken file, or one without tables where that cannot even be opened."""
    if source.is_file():
        with suppress(apsw.Error):
            return apsw.Connection(str(source))
    return apsw.Connection(":memory:")


def _put(new: apsw.Connection, rows: Iterable[Row], found: Salvaged) -> set[int]:
    """Numbers of the rows of the last epoch that were put in."""
    seqs: set[int] = set()
    for row in rows:
        new.execute("insert or ignore into event (epoch, seq, at_ms, kind, body) values (?, ?, ?, ?, ?)", row)
        found.rows += new.changes()
        if row[0] == found.epoch:
            seqs.add(row[1])
    return seqs


def _believed(rows: Iterable[Row], doubt: Doubt) -> Iterator[Row]:
    """Those that are as they were written and, in doubt, as every reader takes them."""
    for row in rows:
        content = read_row(row[4], row[1])
        if content is None:
            continue
        if doubt:
            try:
                event = Event.model_validate(content)
                if event.kind in _READ_AT_STARTS:
                    _READ_AT_STARTS[event.kind].model_validate(event.data)
            except ValidationError:
                continue
        yield row


def _holes(seqs: set[int], pruned_to: int, upto: int) -> list[Lost]:
    """The numbers after ``pruned_to`` that are in no row, up to ``upto``."""
    return [
        Lost(before + 1, after - 1)
        for before, after in pairwise([pruned_to, *sorted(seq for seq in seqs if seq > pruned_to), upto + 1])
        if after > before + 1
    ]
