"""Small stores for the tests of ``sync``: a journal in memory, and a centre on a real SQLite file."""

import hashlib
import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

from sync.messages import GateState, Health, Hello
from sync.outbox import AckResult
from sync.received import ReceivedBatch, ReceivedRow

BOOT = "b" * 16
NOBODY = "0" * 64


def chained(before: str, number: int) -> str:
    """A row's hash in the tests' journals: of the event, and of the hash before it."""
    return hashlib.sha256(f"{before}{number}".encode()).hexdigest()


def event_text(
    seq: int,
    number: int,
    *,
    kind: str = "decision",
    prev: str = NOBODY,
    row_hash: str = NOBODY,
    **data: Any,
) -> str:
    """A wire event in its stored form; ``number`` is its identity over all epochs."""
    return json.dumps(
        {
            "v": 1,
            "seq": seq,
            "id": f"{number:016x}",
            "kind": kind,
            "at": "2026-11-22T10:00:00.000Z",
            "trust": "trusted",
            "mono_ms": number,
            "boot": BOOT,
            "prev": prev,
            "hash": row_hash,
            "data": {"number": number, **data},
        },
        separators=(",", ":"),
        ensure_ascii=False,
    )


class MemoryOutbox:
    """A journal that forgets nothing but is not on a disk. Rows of all epochs are numbered from 1 in each."""

    def __init__(self, *, first_number: int = 0) -> None:
        self._lock = threading.RLock()
        self._epochs, self._epochs_made = 0, first_number
        self._rows: list[int] = []  # numbers of the events of this epoch; seq is the place plus one
        self._hashes: list[str] = []
        self._acked = self._pruned_to = 0
        self.numbers = first_number
        self.alarms: set[int] = set()  # numbers of those events that are alarms

    def epoch(self) -> str:
        return f"{self._epochs:016x}"

    def last_seq(self) -> int:
        with self._lock:
            return len(self._rows)

    def acked(self) -> int:
        return self._acked

    def pruned_to(self) -> int:
        return self._pruned_to

    def record(self, count: int = 1, *, alarm: bool = False) -> None:
        with self._lock:
            for _ in range(count):
                self._add(self.numbers)
                if alarm:
                    self.alarms.add(self.numbers)
                self.numbers += 1

    def rows_after(self, seq: int, limit: int, bytes_max: int) -> list[tuple[int, str]]:
        with self._lock:
            rows: list[tuple[int, str]] = []
            size = 0
            start = max(seq, self._pruned_to)
            for place, number in enumerate(self._rows[start : start + limit], start=start + 1):
                kind = "forced" if number in self.alarms else "decision"
                before = self._hashes[place - 2] if place > 1 else NOBODY
                text = event_text(place, number, kind=kind, prev=before, row_hash=self._hashes[place - 1])
                size += len(text.encode())
                if rows and size > bytes_max:
                    break
                rows.append((place, text))
            return rows

    def hash_of(self, seq: int) -> str | None:
        with self._lock:
            return self._hashes[seq - 1] if self._pruned_to < seq <= len(self._rows) else None

    def _fill(self, numbers: list[int]) -> None:
        self._rows, self._hashes = [], []
        for number in numbers:
            self._add(number)

    def _add(self, number: int) -> None:
        self._rows.append(number)
        self._hashes.append(chained(self._hashes[-1] if self._hashes else NOBODY, number))

    def alarms_between(self, after: int, upto: int) -> list[int]:
        with self._lock:
            return [
                seq
                for seq in range(max(after, self._pruned_to) + 1, min(upto, len(self._rows)) + 1)
                if self._rows[seq - 1] in self.alarms
            ]

    def acknowledge(self, epoch: str, upto: int) -> AckResult:
        with self._lock:
            if epoch != self.epoch():
                return AckResult.OTHER_EPOCH
            if upto > len(self._rows):
                return AckResult.BEYOND_LAST
            self._acked = max(self._acked, upto)
            return AckResult.ACCEPTED

    def new_epoch(self, *, centre_upto: int) -> str:  # noqa: ARG002  # the protocol names it
        with self._lock:
            self._epochs_made += 1  # never one that was there before, whatever copy this is
            self._epochs = self._epochs_made
            self._fill(self._rows[self._acked :])
            self._acked = self._pruned_to = 0
            return self.epoch()

    def prune(self) -> None:
        self._pruned_to = self._acked

    def rows(self) -> list[int]:
        """The numbers of the events that can still be sent."""
        return self._rows[self._pruned_to :]

    def copy_of_disk(self) -> tuple[int, list[int], int, int]:
        return self._epochs, list(self._rows), self._acked, self._pruned_to

    def restore_disk(self, copy: tuple[int, list[int], int, int]) -> None:
        self._epochs, rows, self._acked, self._pruned_to = copy
        self._fill(rows)


class SqliteIntake:
    """The centre's side on a real file: events, cursors and dead letters, in one transaction an ``apply``."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._lock = threading.Lock()
        self._db.executescript(
            """
            pragma journal_mode=wal;
            pragma synchronous=normal;
            create table if not exists event(site, gate, epoch, seq, id, hash, primary key (site, gate, epoch, seq));
            create table if not exists cursor(site, gate, epoch, upto, primary key (site, gate, epoch));
            create table if not exists dead(topic, payload, why);
            create table if not exists hole(site, gate, epoch, first, last);
            """
        )
        self.states: list[tuple[int, str, GateState]] = []
        self.healths: list[tuple[int, str, Health]] = []
        self.copies = 0  # rows that came again
        self.doubled_epochs: set[str] = set()
        self.transactions = 0
        self.fail_next: list[Exception] = []

    def close(self) -> None:
        self._db.close()

    def apply(self, batches: list[ReceivedBatch]) -> dict[tuple[int, str], tuple[str, int]]:
        if self.fail_next:
            raise self.fail_next.pop()
        moved: dict[tuple[int, str], tuple[str, int]] = {}
        with self._lock, self._db:
            self.transactions += 1
            for batch in batches:
                where = (batch.site, batch.gate, batch.epoch)
                for row in batch.rows:
                    found = self._db.execute(
                        "insert into event values (?,?,?,?,?,?) on conflict do nothing",
                        (*where, row.seq, row.event and row.event.id, row.event and row.event.hash),
                    )
                    self.copies += found.rowcount == 0
                    if found.rowcount == 0 and row.event is not None and not self._is_copy(where, row):
                        self.doubled_epochs.add(batch.epoch)
                    if row.why is not None and found.rowcount:
                        self._db.execute("insert into dead values ('', ?, ?)", (row.text.encode(), row.why))
                moved[batch.site, batch.gate] = (batch.epoch, self._advance(where))
        return moved

    def _is_copy(self, where: tuple[int, str, str], row: ReceivedRow) -> bool:
        found = self._db.execute(
            "select id from event where site=? and gate=? and epoch=? and seq=?", (*where, row.seq)
        ).fetchone()
        return row.event is not None and bool(found[0] == row.event.id)

    def doubled(self, site: int, gate: str, epoch: str) -> bool:  # noqa: ARG002  # the protocol names them
        return epoch in self.doubled_epochs

    def _advance(self, where: tuple[int, str, str]) -> int:
        upto = self._cursor(where)
        key = "site=? and gate=? and epoch=?"
        while self._db.execute(f"select 1 from event where {key} and seq=?", (*where, upto + 1)).fetchone():
            upto += 1
        self._db.execute("insert or replace into cursor values (?,?,?,?)", (*where, upto))
        return upto

    def _cursor(self, where: tuple[int, str, str]) -> int:
        found = self._db.execute(
            "select upto from cursor where site=? and gate=? and epoch=?", where
        ).fetchone()
        return found[0] if found else 0

    def greet(self, hello: Hello) -> int:
        with self._lock:
            return self._cursor((hello.site, hello.gate, hello.epoch))

    def row_hash(self, site: int, gate: str, epoch: str, seq: int) -> str | None:
        with self._lock:
            found = self._db.execute(
                "select hash from event where site=? and gate=? and epoch=? and seq=?",
                (site, gate, epoch, seq),
            ).fetchone()
            return found[0] if found else None

    def pass_hole(self, hello: Hello, first: int, last: int) -> int:
        where = (hello.site, hello.gate, hello.epoch)
        with self._lock, self._db:
            self._db.execute("insert into hole values (?,?,?,?,?)", (*where, first, last))
            self._db.execute("insert or replace into cursor values (?,?,?,?)", (*where, last))
            return self._advance(where)

    def gate_state(self, site: int, gate: str, state: GateState) -> None:
        self.states.append((site, gate, state))

    def health(self, site: int, gate: str, health: Health) -> None:
        self.healths.append((site, gate, health))

    def dead_letter(self, topic: str, payload: bytes, why: str) -> None:
        with self._lock, self._db:
            self._db.execute("insert into dead values (?,?,?)", (topic, payload, why))

    def ids(self, gate: str) -> list[str]:
        with self._lock:
            return [
                row[0] for row in self._db.execute("select id from event where gate=? order by id", (gate,))
            ]

    def dead(self) -> list[tuple[str, bytes, str]]:
        with self._lock:
            return self._db.execute("select topic, payload, why from dead").fetchall()

    def holes(self) -> list[tuple[int, int]]:
        with self._lock:
            return self._db.execute("select first, last from hole").fetchall()
