"""Looking at a copy of a journal: its rows, and whether they hang together. Never at the file that a gate has open."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw

from edge.journal.errors import JournalError
from edge.journal.rows import GENESIS, read_row
from edge.journal.schema import demand_known

BREAKS_MAX: Final = 100  # of one epoch; more help nobody
_ROWS: Final = (
    "select epoch, seq, body from event where (?1 is null or kind = ?1) and (?2 is null or at_ms >= ?2)"
    " order by at_ms desc, epoch = (select value from meta where key = 'epoch') desc, seq desc"
)


class Found(NamedTuple):
    """One row, as it was written; None where it is not any more."""

    epoch: str
    seq: int
    row: dict[str, Any] | None


class Wrong(StrEnum):
    """What is wrong at a number."""

    MISSING = "missing"  # there is no row of this number
    CHANGED = "changed"  # the row is not as it was written
    UNCHAINED = "unchained"  # it follows another row than the one before it
    CURSOR = "cursor"  # receipts or deletion have gone beyond the newest row


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Where something is wrong, both numbers included."""

    first: int
    last: int
    what: Wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochReport:
    """How one run of numbers is.

    Args:
        current: Whether new rows are of this epoch.
        first, last: Its oldest and newest number that are there; 0 for none.
    """

    epoch: str
    current: bool
    first: int
    last: int
    rows: int
    acked: int | None
    pruned_to: int | None
    breaks: tuple[Break, ...]


class JournalCopy:
    """A journal file that nobody writes to.

    Args:
        path: The file.
        of: What it is a copy of, for messages; None: it is meant itself.

    Raises:
        JournalError: It is no journal, or a later version's.
    """

    def __init__(self, path: Path, *, of: Path | None = None) -> None:
        self._path = named = of or path
        try:
            self._db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
            self._db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            demand_known(self._db, named)
            self._meta = dict(self._query("select key, value from meta"))
        except apsw.Error as error:
            raise JournalError(f"{named} cannot be read as a journal: {error}") from error

    def rows(self, *, kind: str | None, since_ms: int | None, limit: int | None) -> list[Found]:
        """The newest rows, oldest first; of an event that was carried into another epoch its newest row alone."""
        found: list[Found] = []
        ids: set[object] = set()
        for epoch, seq, body in self._query(_ROWS, (kind, since_ms)):
            row = read_row(body, seq)
            if row is not None and row.get("id") in ids:
                continue
            if row is not None:
                ids.add(row.get("id"))
            found.append(Found(epoch, seq, row))
            if len(found) == limit:
                break
        return found[::-1]

    def damage(self) -> str:
        """What SQLite says of the file itself; empty for nothing."""
        said = [str(line) for (line,) in self._query("pragma integrity_check(5)")]
        return "" if said == ["ok"] else "; ".join(said)

    def verify(self) -> list[EpochReport]:
        """Follow the chain of every epoch, the current one last."""
        current = str(self._meta.get("epoch", ""))
        epochs = [str(epoch) for (epoch,) in self._query("select distinct epoch from event order by epoch")]
        earlier = [epoch for epoch in epochs if epoch != current]
        return [self._verify(epoch, current=False) for epoch in earlier] + [
            self._verify(current, current=True)
        ]

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _verify(self, epoch: str, *, current: bool) -> EpochReport:
        acked, pruned_to = (
            int(self._meta.get(name, 0)) if current else None for name in ("acked", "pruned_to")
        )
        breaks: list[Break] = []
        count, first, last, head = 0, 0, pruned_to or 0, None if pruned_to != 0 else GENESIS
        rows = self._query("select seq, body from event where epoch = ? order by seq", (epoch,))
        for seq, body in rows:
            if (count or current) and seq != last + 1:
                breaks.append(Break(first=last + 1, last=seq - 1, what=Wrong.MISSING))
                head = None
            first, last, count = first or seq, seq, count + 1
            row = read_row(body, seq)
            if row is None:
                breaks.append(Break(first=seq, last=seq, what=Wrong.CHANGED))
            elif head is not None and row["prev"] != head:
                breaks.append(Break(first=seq, last=seq, what=Wrong.UNCHAINED))
            head = None if row is None else str(row["hash"])
        if current and not (pruned_to or 0) <= (acked or 0) <= last:
            breaks.append(Break(first=last + 1, last=max(acked or 0, last + 1), what=Wrong.CURSOR))
        return EpochReport(
            epoch=epoch,
            current=current,
            first=first,
            last=last if count else 0,
            rows=count,
            acked=acked,
            pruned_to=pruned_to,
            breaks=tuple(breaks[:BREAKS_MAX]),
        )

    def _query(self, query: str, values: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._db.execute(query, values)
        except (apsw.Error, UnicodeDecodeError) as error:
            raise JournalError(
                f"{self._path} cannot be read: {error}. Try: postern-edge journal salvage {self._path} --out NEW"
            ) from error
