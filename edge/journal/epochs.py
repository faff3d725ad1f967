"""Runs of numbers: handing rows out, beginning a new run, and deleting what has had its time."""

import json
from contextlib import suppress
from typing import Final

import apsw

from edge.journal.errors import JournalError, JournalFullError
from edge.journal.position import Position, new_id, put_meta
from edge.journal.rows import GENESIS, at_ms, renumbered
from edge.journal.store import Store
from sync.messages import ALARM_KINDS

CARRY_ROWS: Final = 500  # in one transaction
CARRY_BYTES: Final = 1 << 20
UNFINISHED: Final = "unfinished"  # among the journal's figures
_SOME: Final = "(epoch, seq) in (select epoch, seq from event where epoch {} ? and (at_ms < ? or ?) limit ?)"
_EARLIER: Final = (
    _SOME.format("<"),
    _SOME.format(">"),
)  # two ranges of the key: rows of this epoch are not looked at


class Epochs:
    """The rows of one journal, by epoch and number."""

    def __init__(self, store: Store, at: Position) -> None:
        self._store, self._at = store, at
        self._renewing = False
        self._unfinished = at.facts.get(UNFINISHED, "")  # an epoch that was begun and is not gone on with

    def rows_after(self, seq: int, limit: int, bytes_max: int) -> list[tuple[int, str]]:
        """Rows of this epoch after ``seq``, oldest first: at most ``limit`` and ``bytes_max``, but at least one."""
        found = self._store.read(
            "select seq, body from event where epoch = ? and seq > ? order by seq limit ?",
            (self._at.epoch, seq, limit),
        )
        rows: list[tuple[int, str]] = []
        size = 0
        for number, body in found:
            size += len(body.encode())
            if rows and size > bytes_max:
                break
            rows.append((number, body))
        return rows

    def hash_of(self, seq: int) -> str | None:
        """The hash in one row of this epoch; None when it is not there (any more)."""
        found = self._store.read("select body from event where epoch = ? and seq = ?", (self._at.epoch, seq))
        return str(json.loads(found[0][0])["hash"]) if found else None

    def alarms_between(self, after: int, upto: int) -> list[int]:
        """Numbers of the rows of this epoch after ``after`` and up to ``upto`` that no backlog may hold up."""
        found = self._store.read(
            "select seq from event where epoch = ? and seq > ? and seq <= ?"
            " and kind in (select value from json_each(?)) order by seq",
            (self._at.epoch, after, upto, json.dumps(ALARM_KINDS)),
        )
        return [row[0] for row in found]

    def renew(self) -> str:
        """Begin a new epoch with every row that has no receipt; raises ``JournalError``, and then the old one goes on.

        In portions, each with a lock of its own: a decision in between is carried over like the others. What an attempt
        that failed has left is deleted: at once, before the next one, or by ``prune``.
        """
        self._discard_all()
        self._demand_room()
        self._renewing = True
        try:
            return self._carry(new_id())
        except BaseException:
            with suppress(JournalError):
                self._at.count_earlier()
                self._discard_all()
            raise
        finally:
            self._renewing = False

    def _carry(self, epoch: str) -> str:
        head, count, after = GENESIS, 0, self._at.acked
        while True:
            with self._store.lock:
                rows = self.rows_after(after, CARRY_ROWS, CARRY_BYTES)
                carried = []
                for _, body in rows:
                    count += 1
                    made = renumbered(body, count, head)
                    head, row = made.digest, json.loads(body)
                    carried.append((epoch, count, at_ms(row["at"]), row["kind"], made.body))
                after = rows[-1][0] if rows else after
                is_last = after >= self._at.last or not rows
                with self._store.writing("no new epoch could be begun") as db:
                    db.executemany(
                        "insert into event (epoch, seq, at_ms, kind, body) values (?, ?, ?, ?, ?)", carried
                    )
                    if is_last:
                        put_meta(db, epoch=epoch, acked="0", pruned_to="0")
                        _finish(db)
                    else:
                        put_meta(db, **{UNFINISHED: epoch})
                self._unfinished = "" if is_last else epoch
                if is_last:
                    at = self._at
                    at.epoch, at.head, at.last = epoch, head, count
                    at.acked = at.pruned_to = 0
                    at.count_earlier()
                    return epoch

    def prune(self, horizon_ms: int, beyond: int, batch: int) -> int:
        """Delete at most ``batch`` receipted rows from before the horizon, or because they are ``beyond`` the quota.

        And as many of earlier epochs; none while one is begun, whose rows look like theirs until it is there.
        """
        at = self._at
        young = self._store.read(
            "select min(seq) from event where epoch = ? and seq > ? and seq <= ? and at_ms >= ?",
            (at.epoch, at.pruned_to, at.pruned_to + batch, horizon_ms),
        )[0][0]
        old_upto = at.pruned_to + batch if young is None else young - 1
        of_this = max(0, beyond - at.earlier_rows)
        upto = min(at.acked, at.pruned_to + batch, max(old_upto, at.pruned_to + of_this))
        with self._store.writing("old rows were not deleted") as db:
            deleted = 0
            if upto > at.pruned_to:
                deleted += _delete(db, "epoch = ? and seq <= ?", (at.epoch, upto))
                put_meta(db, pruned_to=str(upto))
            gone = self._prune_earlier(db, horizon_ms, batch, anything=beyond > 0)
        at.pruned_to = max(at.pruned_to, upto)
        at.earlier_rows -= gone
        return deleted + gone + (self._discard(batch) if self._unfinished and not self._renewing else 0)

    def _prune_earlier(self, db: apsw.Connection, horizon_ms: int, batch: int, *, anything: bool) -> int:
        if not self._at.earlier_rows or self._renewing:
            return 0
        gone = 0
        for where in _EARLIER:
            gone += _delete(db, where, (self._at.epoch, horizon_ms, anything, batch - gone))
        return gone

    def _discard_all(self) -> None:
        while self._unfinished:
            self._discard(CARRY_ROWS)

    def _discard(self, batch: int) -> int:
        """Delete at most ``batch`` rows of the epoch that was not finished; returns how many."""

        def work() -> int:
            with self._store.writing("what was left of an epoch was not deleted") as db:
                some = "(epoch, seq) in (select epoch, seq from event where epoch = ? limit ?)"
                gone = _delete(db, some, (self._unfinished, batch))
                if gone < batch:
                    _finish(db)
                return gone

        with self._store.lock:
            gone = self._store.with_reserve(work)
            self._at.earlier_rows -= gone
            if gone < batch:
                self._unfinished = ""
            return gone

    def _demand_room(self) -> None:
        """Raise ``JournalFullError`` when the rows to be carried have no room."""
        with self._store.lock:
            each = self._store.used_bytes() // max(1, self._at.rows)
            wanted = each * (self._at.last - self._at.acked)
            room = self._store.room()
        if room.disk + room.inside < wanted:
            raise JournalFullError(
                f"no new epoch could be begun: it wants {wanted // 1000} kB on the disk. Delete what fills it"
            )


def _finish(db: apsw.Connection) -> None:
    db.execute("delete from meta where key = ?", (UNFINISHED,))


def _delete(db: apsw.Connection, where: str, values: tuple[object, ...]) -> int:
    db.execute(f"delete from event where {where}", values)  # noqa: S608  # constants of this module
    return int(db.changes())
