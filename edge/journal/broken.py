"""Reading from a broken file: by keys where pages can be read, around those that cannot, and from the bare bytes."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw

from edge.journal.errors import is_damage
from edge.journal.rows import chain_hash
from sync.messages import EVENT_BYTES_MAX

PORTION: Final = 500
HOP_MAX: Final = 1 << 22  # numbers that one broken place may hide
HALVED_MAX: Final = 1 << 16  # of a longer stretch only the far side is taken
TRIES_MAX: Final = 20_000  # failed reads of one table
KEY_DIGITS_MAX: Final = 8
_HEX: Final = "0123456789abcdef"
_ROW_BEGINS: Final = b'{"at":"'
_EVENT: Final = "select epoch, seq, at_ms, kind, body from event"

Row = tuple[str, int, int, str, str]  # as the table ``event`` has them


class _TooBrokenError(Exception):
    """More reads failed than are worth trying."""


def events(old: apsw.Connection, epoch: str) -> Iterator[Row]:
    """All events that can be read by their keys; those of ``epoch`` also where nothing before them can be."""
    reached = False
    for row in _from(old, "", -1):
        reached = reached or row[0] == epoch
        yield row
    if not reached:
        yield from _from(old, epoch, -1)


class Carved(NamedTuple):
    """A row that was found in the bare bytes; the bytes do not say of which epoch it is."""

    seq: int
    prev: str
    digest: str
    at: str
    kind: str
    body: str


def carved(source: Path) -> list[Carved]:
    """Rows whose whole text lies somewhere in the bytes of the file, or of its write-ahead file; each once."""
    found: dict[str, Carved] = {}
    for path in (source, source.with_name(source.name + "-wal")):
        if not path.is_file():  # a pipe in its place would be waited for
            continue
        try:
            data = path.read_bytes()
        except OSError:
            continue
        at = data.find(_ROW_BEGINS)
        while at >= 0:
            text = data[at : at + EVENT_BYTES_MAX].decode("utf-8", "ignore")
            at = data.find(_ROW_BEGINS, at + 1)
            try:
                row, end = json.JSONDecoder().raw_decode(text)
            except (ValueError, RecursionError):
                continue
            seq, digest = row.get("seq"), row.get("hash")
            if isinstance(seq, int) and {"prev", "kind"} <= row.keys() and digest == chain_hash(row):
                found[digest] = Carved(seq, row["prev"], digest, row["at"], str(row["kind"]), text[:end])
    return list(found.values())


def people(old: apsw.Connection, new: apsw.Connection) -> int:
    """Carry over every table but events and figures, as far as its rows can be read and still fit; returns how many."""
    count = 0
    for (table,) in new.execute("select name from sqlite_schema where type = 'table'").fetchall():
        columns = {str(row[1]): row[5] for row in new.execute(f"pragma table_info({table})")}
        key = next((name for name, place in columns.items() if place == 1), None)
        here = [row[1] for row in _tried(old, f"pragma table_info({table})", ()) or [] if row[1] in columns]
        if table in {"event", "meta"} or key not in here or key is None:
            continue
        put = f"insert or ignore into {table} ({', '.join(here)}) values ({', '.join('?' * len(here))})"  # noqa: S608
        for row in table_rows(old, str(table), key, here):
            new.execute(put, row)
            count += new.changes()
    return count


def table_rows(old: apsw.Connection, table: str, key: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """Rows of one small table, also between broken pages where its keys are hexadecimal."""
    query = f"select {', '.join(columns)} from {table}"  # noqa: S608  # names of our own tables
    found: dict[tuple[Any, ...], None] = {}
    for order in ("", " desc"):
        try:
            for row in old.execute(f"{query} order by {key}{order}"):
                found[row] = None
            return list(found)
        except (apsw.Error, UnicodeDecodeError):
            continue
    with suppress(_TooBrokenError):
        found |= dict.fromkeys(_by_beginning(old, query, key, "", [TRIES_MAX]))
    return list(found)


def _by_beginning(
    old: apsw.Connection, query: str, key: str, beginning: str, tries: list[int]
) -> Iterator[tuple[Any, ...]]:
    found = _tried(old, f"{query} where {key} >= ? and {key} < ?", (beginning, f"{beginning}g"))
    if found is not None:
        yield from found
        return
    tries[0] -= 1
    if tries[0] < 0:
        raise _TooBrokenError
    if len(beginning) < KEY_DIGITS_MAX:
        for digit in _HEX:
            yield from _by_beginning(old, query, key, beginning + digit, tries)


def _from(old: apsw.Connection, epoch: str, seq: int) -> Iterator[Row]:
    """Events behind a place, by epoch and number."""
    tries = [TRIES_MAX]
    while tries[0] > 0:
        some = _behind(old, epoch, seq, PORTION)
        if some is None:
            tries[0] -= 1
            while one := _behind(old, epoch, seq, 1):
                yield one[0]
                epoch, seq = one[0][:2]
            found = _beyond(old, epoch, seq)
            if found is None:
                return
            if found[0] == epoch and found[1] - seq <= HALVED_MAX:
                yield from _halved(old, epoch, seq + 1, found[1] - 1, tries)
            epoch, seq = found[0], found[1] - 1
            continue
        if not some:
            return
        yield from some
        epoch, seq = some[-1][:2]


def _behind(old: apsw.Connection, epoch: str, seq: int, limit: int) -> list[Row] | None:
    return _tried(
        old, f"{_EVENT} where (epoch, seq) > (?, ?) order by epoch, seq limit ?", (epoch, seq, limit)
    )


def _beyond(old: apsw.Connection, epoch: str, seq: int) -> tuple[str, int] | None:
    """The first row that can be found on the far side of a broken place."""
    hop = 1
    while hop <= HOP_MAX:
        query = "select epoch, seq from event where epoch = ? and seq > ? order by seq limit 1"
        if found := _tried(old, query, (epoch, seq + hop)):
            return str(found[0][0]), int(found[0][1])
        hop *= 2
    found = _tried(old, "select epoch, seq from event where epoch > ? order by epoch, seq limit 1", (epoch,))
    return (str(found[0][0]), int(found[0][1])) if found else None


def _halved(old: apsw.Connection, epoch: str, first: int, last: int, tries: list[int]) -> Iterator[Row]:
    """What of these numbers can be read."""
    if first > last or tries[0] <= 0:
        return
    found = _tried(
        old, f"{_EVENT} where epoch = ? and seq between ? and ? order by seq", (epoch, first, last)
    )
    if found is not None:
        yield from found
        return
    tries[0] -= 1
    if first < last:
        middle = (first + last) // 2
        yield from _halved(old, epoch, first, middle, tries)
        yield from _halved(old, epoch, middle + 1, last, tries)


def _tried(old: apsw.Connection, query: str, values: tuple[Any, ...]) -> list[Any] | None:
    """The rows, or None when a broken page is in the way, or the table is not there."""
    try:
        return list(old.execute(query, values))
    except apsw.SQLError:
        return None
    except (apsw.Error, UnicodeDecodeError) as error:
        if is_damage(error):
            return None
        raise
