"""The gate's journal: every event durable before anything acts on it, chained, numbered without holes.

One SQLite file, one process, one connection (through apsw, whose bundled SQLite is free of the WAL-reset race), WAL
with ``synchronous=FULL``. The journal is also the outbox: a row leaves it only by the centre's own receipt, and stays
for seven days after that. What the rows mean for passes and people is ``edge.standing``'s part; it hands its changes
in, so that an event and what follows from it are one transaction.

Errors::

    JournalError          the journal cannot take or give rows now: entries are refused, exits open
    ├─ JournalBusyError   another process holds this folder
    └─ RowError           this row can never be recorded; others can
"""

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw
from pydantic import BaseModel

from shell.clock import Clock
from shell.logs import get_logger
from sync.messages import ALARM_KINDS, EVENT_BYTES_MAX, WIRE_VERSION, Kind, utc_text
from sync.outbox import AckResult

log = get_logger("journal")

SQLITE_VERSION_MIN: Final = 3_051_003  # the WAL-reset race is fixed from 3.51.3 on
SCHEMA_VERSION: Final = 2
CHECKPOINT_PAGES: Final = 64  # with more, a full disk cannot be freed (reference, reliability 1.2 D)
KEEP_RECEIPTED: Final = timedelta(days=7)
GENESIS: Final = "0" * 64
_PRUNE_ROWS: Final = 500
# SQLite's words for a statement that is wrong, not for a disk or a file that is.
_OF_THE_ROW: Final = (
    apsw.ConstraintError,
    apsw.MismatchError,
    apsw.RangeError,
    apsw.SQLError,
    apsw.TooBigError,
)

_SCHEMA: Final = """
create table meta (key text primary key, value text not null) without rowid;
create table event (
  epoch text not null, seq integer not null, at_ms integer not null, kind text not null, body text not null,
  primary key (epoch, seq)
) without rowid;
create table pass_state (
  pass_id text primary key, last_shown_at integer, entries_used integer not null default 0,
  pass_end_ms integer not null, sealed blob
) without rowid;
create table stay (
  stay_id text primary key, pass_id text not null, person text not null, category text not null,
  unit integer not null, purpose integer not null, stay_claim integer not null, pass_end_ms integer not null,
  lane text not null, state text not null check (state in ('pending', 'inside', 'left', 'no_show', 'superseded')),
  granted_ms integer not null, entered_ms integer, due_ms integer, exited_ms integer,
  settled integer not null default 0, assumed integer not null default 0, leaving_ms integer, leaving_lane text,
  gate text
) without rowid;
create unique index stay_pending on stay (pass_id) where state = 'pending';
create index stay_pass on stay (pass_id, state);
create index stay_person on stay (person, state);
create index stay_present on stay (state) where state in ('pending', 'inside');
"""


class JournalError(Exception):
    """The journal cannot take or give rows now."""


class JournalBusyError(JournalError):
    """Another process holds the journal's folder."""


class RowError(JournalError):
    """This row can never be recorded, however often it is tried: what it says cannot be so."""


class Recorded(NamedTuple):
    """Where one event stands, and when it was recorded."""

    seq: int
    id: str
    at: datetime


Change = Callable[[apsw.Connection, Recorded], None]


class Journal:
    """Open, or make, the journal in ``folder``.

    Args:
        folder: The gate's data directory; made when missing.
        clock: Time for the rows.

    Raises:
        JournalBusyError: Another gate process uses this folder.
        JournalError: The SQLite in use is too old, or the folder cannot be written.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._clock, self._lock = clock, threading.RLock()
        self._epoch, self._head = "", GENESIS
        self._last = self._acked = self._pruned_to = 0
        self.boot = os.urandom(8).hex()
        self.path = folder / "journal.db"
        self.set_aside: Path | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._folder_lock = (folder / "lock").open("w", encoding="ascii")
        except OSError as error:
            raise JournalError(
                f"{folder} cannot be written ({error.strerror}): check its owner and disk"
            ) from error
        try:
            fcntl.flock(self._folder_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._folder_lock.close()
            raise JournalBusyError(
                f"{folder} is in use by another gate process. Stop it first, or set another [gate] data_dir"
            ) from None
        try:
            self._db = self._open_checked()
            self._load_position()
        except BaseException:
            self._folder_lock.close()
            raise

    def append(
        self, kind: Kind, data: BaseModel, change: Change | None = None, *, at: datetime | None = None
    ) -> Recorded:
        """Record one event durably, together with what follows from it.

        Args:
            kind: What happened.
            data: Its border model.
            change: Called inside the transaction with the connection; whatever it raises undoes the event too.
            at: When it happened, if that was before now.

        Raises:
            JournalError: The row is not durable; nothing may be done in its name. ``RowError``: it never will be.
        """
        now = at or self._clock.now()
        with self._lock:
            recorded = Recorded(self._last + 1, os.urandom(8).hex(), now)
            body, digest = self._compose(recorded, kind, data)
            try:
                self._roll_back()  # of a transaction whose own rollback failed
                self._db.execute("begin immediate")
                try:
                    self._db.execute(
                        "insert into event (epoch, seq, at_ms, kind, body) values (?, ?, ?, ?, ?)",
                        (self._epoch, recorded.seq, int(now.timestamp() * 1000), kind.value, body),
                    )
                    if change is not None:
                        change(self._db, recorded)
                    self._db.execute("commit")
                except BaseException:
                    self._roll_back()
                    raise
            except apsw.Error as error:
                kind_of = RowError if isinstance(error, _OF_THE_ROW) else JournalError
                raise kind_of(f"{self.path}: row {recorded.seq} was not recorded: {error}") from error
            self._last, self._head = recorded.seq, digest
            return recorded

    def read(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run one query and return all of its rows; raises ``JournalError``."""
        with self._lock:
            try:
                return list(self._db.execute(query, values))
            except apsw.Error as error:
                raise JournalError(f"{self.path} cannot be read: {error}") from error

    def epoch(self) -> str:
        """The random id of this run of numbers."""
        return self._epoch

    def last_seq(self) -> int:
        """The highest recorded number of this epoch, 0 when there is none."""
        return self._last

    def acked(self) -> int:
        """Everything up to here was receipted by the centre."""
        return self._acked

    def pruned_to(self) -> int:
        """Everything up to here was deleted after its time."""
        return self._pruned_to

    def rows_after(self, seq: int, limit: int, bytes_max: int) -> list[tuple[int, str]]:
        """Rows of this epoch after ``seq``, oldest first: at most ``limit`` and ``bytes_max``, but at least one."""
        found = self.read(
            "select seq, body from event where epoch = ? and seq > ? order by seq limit ?",
            (self._epoch, seq, limit),
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
        found = self.read("select body from event where epoch = ? and seq = ?", (self._epoch, seq))
        return str(json.loads(found[0][0])["hash"]) if found else None

    def alarms_between(self, after: int, upto: int) -> list[int]:
        """Numbers of the rows of this epoch after ``after`` and up to ``upto`` that no backlog may hold up."""
        found = self.read(
            "select seq from event where epoch = ? and seq > ? and seq <= ?"
            " and kind in (select value from json_each(?)) order by seq",
            (self._epoch, after, upto, json.dumps(ALARM_KINDS)),
        )
        return [row[0] for row in found]

    def acknowledge(self, epoch: str, upto: int) -> AckResult:
        """Move the cursor by the centre's receipt; it never falls within an epoch."""
        with self._lock:
            if epoch != self._epoch:
                return AckResult.OTHER_EPOCH
            if upto > self._last:
                return AckResult.BEYOND_LAST
            if upto > self._acked:
                self._write_meta(acked=str(upto))
                self._acked = upto
            return AckResult.ACCEPTED

    def new_epoch(self, *, centre_upto: int) -> str:
        """Begin a new epoch: the centre knows rows that this file lacks, so the file is an older copy of itself.

        Every row without a receipt is carried over with its id, numbered from 1: under its old number the centre
        would take it for another row. What it has already it knows by the id.
        """
        with self._lock:
            carried = self.rows_after(self._acked, 1_000_000, 1 << 40)
            log.warning(
                "journal is an older copy: new epoch",
                last=self._last,
                centre_upto=centre_upto,
                carried=len(carried),
            )
            epoch, head = os.urandom(8).hex(), GENESIS
            try:
                with self._db:
                    for seq, (_, body) in enumerate(carried, start=1):
                        row = json.loads(body) | {"seq": seq, "prev": head}
                        head = chain_hash(row)
                        self._db.execute(
                            "insert into event (epoch, seq, at_ms, kind, body) values (?, ?, ?, ?, ?)",
                            (epoch, seq, _at_ms(row["at"]), row["kind"], _canonical(row | {"hash": head})),
                        )
                    self._put_meta(epoch=epoch, acked="0", pruned_to="0")
            except apsw.Error as error:
                raise JournalError(f"{self.path}: no new epoch could be begun: {error}") from error
            self._epoch, self._head, self._last = epoch, head, len(carried)
            self._acked = self._pruned_to = 0
            return epoch

    def prune(self) -> int:
        """Delete a bounded number of rows older than seven days; returns how many.

        Of this epoch only receipted ones, and none behind a row that is younger: a row dated wrongly by a wrong clock
        takes nothing with it. Of earlier epochs, whose unreceipted rows were carried over, all.
        """
        horizon_ms = int((self._clock.now() - KEEP_RECEIPTED).timestamp() * 1000)
        with self._lock:
            young = self.read(
                "select min(seq) from event where epoch = ? and seq > ? and at_ms >= ?",
                (self._epoch, self._pruned_to, horizon_ms),
            )[0][0]
            upto = min(self._acked, self._pruned_to + _PRUNE_ROWS, self._last if young is None else young - 1)
            try:
                with self._db:
                    deleted = self._delete("epoch = ? and seq <= ?", (self._epoch, upto))
                    deleted += self._delete(
                        "(epoch, seq) in (select epoch, seq from event where epoch <> ? and at_ms < ? limit ?)",
                        (self._epoch, horizon_ms, _PRUNE_ROWS),
                    )
                    if upto > self._pruned_to:
                        self._put_meta(pruned_to=str(upto))
            except apsw.Error as error:
                raise JournalError(f"{self.path}: old rows were not deleted: {error}") from error
            self._pruned_to = max(self._pruned_to, upto)
            return deleted

    def forget(self, query: str, values: tuple[Any, ...]) -> int:
        """Run one statement that deletes what is no longer needed; returns how many rows went."""
        with self._lock:
            try:
                with self._db:
                    self._db.execute(query, values)
                return int(self._db.changes())
            except apsw.Error as error:
                raise JournalError(f"{self.path}: old rows were not deleted: {error}") from error

    def amend(self, change: Callable[[apsw.Connection], None]) -> None:
        """Change tables beside the events in one transaction: for what another gate has recorded as its own event."""
        with self._lock:
            try:
                with self._db:
                    change(self._db)
            except apsw.Error as error:
                raise JournalError(f"{self.path}: what another gate told was not kept: {error}") from error

    def close(self) -> None:
        """Close the file and let go of the folder."""
        with self._lock:
            self._db.close()
            self._folder_lock.close()

    def _compose(self, recorded: Recorded, kind: Kind, data: BaseModel) -> tuple[str, str]:
        row: dict[str, Any] = {
            "v": WIRE_VERSION,
            "seq": recorded.seq,
            "id": recorded.id,
            "kind": kind.value,
            "at": utc_text(recorded.at),
            "trust": self._clock.trust().value,
            "mono_ms": int(self._clock.monotonic_s() * 1000),
            "boot": self.boot,
            "prev": self._head,
            "data": data.model_dump(mode="json", exclude_none=True),
        }
        digest = chain_hash(row)
        body = _canonical(row | {"hash": digest})
        if len(body.encode()) > EVENT_BYTES_MAX:
            raise RowError(f"a {kind.value} event of {len(body)} characters is larger than the wire allows")
        return body, digest

    def _open_checked(self) -> apsw.Connection:
        if apsw.SQLITE_VERSION_NUMBER < SQLITE_VERSION_MIN:
            raise JournalError(
                f"SQLite {apsw.sqlite_lib_version()} has a known corruption race; install apsw 3.51.3 or later"
            )
        try:
            return self._open()
        except (apsw.NotADBError, apsw.CorruptError) as error:
            stamp = self._clock.now().strftime("%Y%m%dT%H%M%SZ")
            self.set_aside = self.path.with_name(f"journal.db.broken-{stamp}")
            log.error("journal is broken: set aside", file=str(self.set_aside), error=str(error))
            for suffix in ("", "-wal", "-shm"):
                part = self.path.with_name(self.path.name + suffix)
                if part.exists():
                    part.rename(self.set_aside.with_name(self.set_aside.name + suffix))
            return self._open()
        except apsw.Error as error:
            raise JournalError(f"{self.path} cannot be opened: {error}") from error

    def _open(self) -> apsw.Connection:
        db = apsw.Connection(str(self.path))
        try:
            db.set_busy_timeout(2000)
            for pragma in (
                "journal_mode = wal",
                "synchronous = full",
                f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
                "journal_size_limit = 4194304",
                "secure_delete = on",
                "foreign_keys = on",
            ):
                db.execute(f"pragma {pragma}")
            in_force = [
                next(iter(db.execute(f"pragma {name}")))[0] for name in ("journal_mode", "synchronous")
            ]
            if in_force != ["wal", 2]:
                raise JournalError(
                    f"{self.path}: SQLite would not take WAL with synchronous=FULL (got {in_force})"
                )
            if next(iter(db.execute("pragma quick_check(1)")))[0] != "ok":
                raise apsw.CorruptError("quick_check found damage")
            version = next(iter(db.execute("pragma user_version")))[0]
            if version == 0:
                with db:
                    db.execute(_SCHEMA)
                    db.execute(f"pragma user_version = {SCHEMA_VERSION}")
            elif version == 1:
                with db:  # stays of other gates of the site carry that gate's id; own ones none
                    db.execute("alter table stay add column gate text")
                    db.execute(f"pragma user_version = {SCHEMA_VERSION}")
            elif version != SCHEMA_VERSION:
                raise JournalError(
                    f"{self.path} was written by another version (schema {version}); upgrade first"
                )
        except BaseException:
            db.close()
            raise
        return db

    def _load_position(self) -> None:
        meta = self._meta()
        self._epoch = meta.get("epoch", "")
        if not self._epoch:
            self._epoch = os.urandom(8).hex()
            self._write_meta(epoch=self._epoch)
            return
        self._acked, self._pruned_to = int(meta.get("acked", "0")), int(meta.get("pruned_to", "0"))
        last = self.read(
            "select seq, body from event where epoch = ? order by seq desc limit 1", (self._epoch,)
        )
        self._last, self._head = self._pruned_to, GENESIS
        if last:
            self._last, self._head = last[0][0], json.loads(last[0][1])["hash"]

    def _meta(self) -> dict[str, str]:
        return dict(self.read("select key, value from meta"))

    def _write_meta(self, **values: str) -> None:
        try:
            with self._db:
                self._put_meta(**values)
        except apsw.Error as error:
            raise JournalError(f"{self.path}: {', '.join(values)} could not be written: {error}") from error

    def _delete(self, where: str, values: tuple[Any, ...]) -> int:
        self._db.execute(f"delete from event where {where}", values)  # noqa: S608  # constants of this module
        return int(self._db.changes())

    def _put_meta(self, **values: str) -> None:
        self._db.executemany("insert or replace into meta values (?, ?)", list(values.items()))

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("rollback")


def chain_hash(row: dict[str, Any]) -> str:
    """SHA-256 over the canonical JSON of a row without its ``hash``; ``prev`` in it covers every row before."""
    return hashlib.sha256(
        _canonical({key: value for key, value in row.items() if key != "hash"}).encode()
    ).hexdigest()


def _at_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def _canonical(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
