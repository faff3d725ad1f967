"""The journal's tables, and how a file of an earlier version becomes one of this.

The version is SQLite's ``user_version``. Each step is one transaction that ends with its number: a power cut leaves the
file before it or behind it. A step never changes what is in the rows of ``event``, for their hashes cover it.
"""

from pathlib import Path
from typing import Final

import apsw

from edge.journal.errors import JournalNewerError
from edge.journal.limits import PAGE_BYTES
from edge.journal.reserve import free_bytes

_FIRST_TABLES: Final = """
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
  settled integer not null default 0, assumed integer not null default 0, leaving_ms integer, leaving_lane text
) without rowid;
create unique index stay_pending on stay (pass_id) where state = 'pending';
create index stay_pass on stay (pass_id, state);
create index stay_person on stay (person, state);
create index stay_present on stay (state) where state in ('pending', 'inside');
"""
# Stays of other gates of the site carry that gate's id; own ones none.
_STAYS_OF_OTHER_GATES: Final = "alter table stay add column gate text"
_ENDS_ARE_FOUND: Final = """
create index stay_ended on stay (coalesce(exited_ms, granted_ms))
  where state in ('left', 'no_show', 'superseded');
create index stay_due on stay (due_ms) where state = 'inside';
create index pass_state_end on pass_state (pass_end_ms);
"""
# A row at the end of a table with SQLite's own row numbers costs two pages, in a key order of ours up to six. A file
# that holds many rows, or has no room beside it, keeps its order: a gate may not have what writing them anew takes.
REWRITTEN_ROWS_MAX: Final = 20_000
REWRITING_TAKES: Final = 3  # times the file: its rows anew, their index, and both in the write-ahead file
_ROWS_AT_THE_END: Final = """
create table event_at_end (
  epoch text not null, seq integer not null, at_ms integer not null, kind text not null, body text not null
);
insert into event_at_end select epoch, seq, at_ms, kind, body from event order by epoch, seq;
drop table event;
alter table event_at_end rename to event;
create unique index event_key on event (epoch, seq);
"""
# Two gates may grant one pass within the time of a message: of its own grants a gate has one at most.
_OTHERS_ARE_PENDING_TOO: Final = """
drop index stay_pending;
create unique index stay_pending on stay (pass_id) where state = 'pending' and gate is null;
"""
STEPS: Final = (
    _FIRST_TABLES,
    _STAYS_OF_OTHER_GATES,
    _ENDS_ARE_FOUND,
    _ROWS_AT_THE_END,
    _OTHERS_ARE_PENDING_TOO,
)
"""What makes version 1, 2, … of the one before. Steps are added at the end, and never changed."""

SCHEMA_VERSION: Final = len(STEPS)


def version_of(db: apsw.Connection) -> int:
    """The version of an open file; 0 for one without tables."""
    return int(db.execute("pragma user_version").get)


def demand_known(db: apsw.Connection, path: Path) -> None:
    """Raise ``JournalNewerError`` for a file that a later version wrote, before anything was changed in it."""
    version = version_of(db)
    if version > SCHEMA_VERSION:
        raise JournalNewerError(
            f"{path} was written by a later version of this program (tables {version}, and this one knows "
            f"{SCHEMA_VERSION}); it was left as it is. Install that version again, or a later one"
        )


def migrate(db: apsw.Connection) -> int:
    """Bring the tables up to this version; returns the version that they had.

    Raises:
        apsw.Error: Nothing of the step that failed is in the file.
    """
    before = version_of(db)
    for number, step in enumerate(STEPS[before:], start=before + 1):
        known = f"pragma user_version = {number}"
        if step is not _ROWS_AT_THE_END:
            _apply(db, f"{step};{known}")
        elif not _may_rewrite(db):
            _apply(db, known)
        else:
            try:
                _apply(db, f"{step};{known}")
            except apsw.FullError:
                _apply(db, known)
    return before


def _may_rewrite(db: apsw.Connection) -> bool:
    """Whether time and room are there for writing every row anew."""
    if db.execute("select count(*) from event").get > REWRITTEN_ROWS_MAX:
        return False
    wanted = REWRITING_TAKES * PAGE_BYTES * int(db.execute("pragma page_count").get)
    return free_bytes(Path(db.filename).parent) >= wanted


def _apply(db: apsw.Connection, script: str) -> None:
    """Run it as one transaction; SQLite itself has rolled back what met a full disk."""
    db.execute("begin immediate")
    try:
        db.execute(script)
        db.execute("commit")
    except BaseException:
        if db.in_transaction:
            db.execute("rollback")
        raise
