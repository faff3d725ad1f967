"""Opening the journal's file with the settings that keep its promises, and looking at it before it is believed."""

import re
from collections.abc import Mapping
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Final

import apsw

from edge.journal.errors import JournalError, is_damage
from edge.journal.limits import CHECKPOINT_PAGES, PAGE_BYTES
from edge.journal.rows import read_row
from edge.journal.schema import demand_known, migrate, version_of

FILE: Final = "journal.db"
SQLITE_VERSION_MIN: Final = 3_051_003  # the WAL-reset race is fixed from 3.51.3 on
TAIL_ROWS: Final = 2000  # whose chain is followed at each start: what the last checkpoints may have written
_NUMBER: Final = re.compile(r"\d{1,16}")
_ANY: Final = re.compile(r".*", re.DOTALL)
_FIGURES: Final = {"epoch": re.compile(r"[0-9a-f]{16}"), "acked": _NUMBER, "pruned_to": _NUMBER}
_PRAGMAS: Final = (
    "journal_mode = wal",
    "synchronous = full",
    f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
    "journal_size_limit = 4194304",
    "secure_delete = on",
    "foreign_keys = on",
    "cell_size_check = on",
)


def demand_sqlite() -> None:
    """Raise ``JournalError`` for a SQLite that may spoil the file."""
    if apsw.SQLITE_VERSION_NUMBER < SQLITE_VERSION_MIN:
        raise JournalError(
            f"SQLite {apsw.sqlite_lib_version()} has a known corruption race; install apsw 3.51.3 or later"
        )


def open_file(path: Path) -> apsw.Connection:
    """Open or make the file, check it, and bring its tables up to this version.

    Raises:
        apsw.Error: It is broken, or the disk is.
        JournalNewerError: A later version wrote it.
        JournalError: SQLite would not take the settings.
    """
    db = apsw.Connection(str(path))
    try:
        db.set_busy_timeout(2000)
        db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # a broken file stays as it was found
        demand_known(db, path)
        for pragma in _PRAGMAS:
            db.execute(f"pragma {pragma}")
        in_force = [db.execute(f"pragma {name}").get for name in ("journal_mode", "synchronous")]
        if in_force != ["wal", 2]:
            raise JournalError(
                f"{path}: SQLite would not take WAL with synchronous=FULL (got {in_force}); is the disk read-only?"
            )
        _demand_whole(db)
        # What a failed sync left in the kernel's memory alone is written anew: into the file itself.
        with suppress(apsw.FullError):
            db.execute("pragma wal_checkpoint(full)")
        migrate(db)
        db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
    except BaseException:
        db.close()
        raise
    return db


def whole_figures(meta: Mapping[object, object]) -> dict[str, str]:
    """Those of the journal's own figures that can be as they were written."""
    return {
        key: value
        for key, value in meta.items()
        if isinstance(key, str) and isinstance(value, str) and _FIGURES.get(key, _ANY).fullmatch(value)
    }


def _demand_whole(db: apsw.Connection) -> None:
    """Raise ``apsw.CorruptError`` for damage that SQLite sees, and for rows that do not hang together."""
    found = db.execute("pragma quick_check(1)").get
    if found != "ok":
        raise apsw.CorruptError(f"quick_check found damage: {found}")
    if version_of(db) == 0 or db.execute("select 1 from meta where key = 'renew'").get:
        return  # nothing there, or the rows of a salvaged file, which have holes
    if whole_figures(meta := dict(db.execute("select key, value from meta"))) != meta:
        raise apsw.CorruptError("its own figures are not as they were written")
    tail = db.execute(
        "select seq, body from event where epoch = (select value from meta where key = 'epoch')"
        " order by seq desc limit ?",
        (TAIL_ROWS,),
    ).fetchall()
    first = int(meta.get("pruned_to", "0")) + 1
    if tail and len(tail) < TAIL_ROWS and tail[-1][0] != first:
        raise apsw.CorruptError(f"the rows between {first} and {tail[-1][0]} are gone")
    rows = [read_row(body, seq) for seq, body in reversed(tail)]
    for (seq, _), row in zip(reversed(tail), rows, strict=True):
        if row is None:
            raise apsw.CorruptError(f"row {seq} is not as it was written")
    for before, row in pairwise(rows):
        assert before is not None and row is not None
        if (row["seq"], row["prev"]) != (before["seq"] + 1, before["hash"]):
            raise apsw.CorruptError(f"row {row['seq']} does not follow the one before it")


def demand_not_newer(path: Path) -> None:
    """Raise ``JournalNewerError`` for a file of a later version; nothing is changed, and damage is not looked at.

    Raises:
        apsw.Error: The file cannot be opened.
    """
    if not path.is_file() or not path.stat().st_size:
        return  # opening it would make one, or do away with a write-ahead file that has lost it
    # Without a write-ahead file none is to be made: that it is missing is noticed by the start.
    alone = not path.with_name(f"{path.name}-wal").exists()
    name = f"{path.resolve().as_uri()}?immutable=1" if alone else str(path)
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_URI if alone else 0)
    try:
        with closing(apsw.Connection(name, flags=flags)) as db:
            db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            demand_known(db, path)
    except apsw.Error as error:
        if not is_damage(error):
            raise


def demand_usable(folder: Path) -> None:
    """Raise ``JournalError`` while no journal can be opened in this folder: its disk takes nothing, or it is too new.

    Nothing is set aside and nothing begun: that is for the start which then follows.
    """
    demand_sqlite()
    path, trial = folder / FILE, folder / f"{FILE}.trial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial.write_bytes(bytes(PAGE_BYTES))
        trial.unlink()
        demand_not_newer(path)
    except apsw.Error as error:
        raise JournalError(f"{path} cannot be opened: {error}") from error
    except OSError as error:
        raise JournalError(f"{folder} cannot be written ({error.strerror})") from error
