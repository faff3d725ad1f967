"""From what lies in the folder to an open journal: what is no journal is set aside, read as far as it goes, and told.

Nothing here begins in silence with nothing: where a journal was and is not, or is not whole, the new one begins with a
row that says so, in a new epoch. A power cut in the middle is taken up by the next start.
"""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import apsw

from edge.journal.errors import JournalError, JournalFullError, is_damage
from edge.journal.marks import Mark, MarkFile
from edge.journal.opening import demand_not_newer, demand_sqlite, open_file
from edge.journal.reserve import LOW_BYTES, Reserve, free_bytes
from edge.journal.salvage import Doubt, salvage
from shell.logs import get_logger

log = get_logger("journal")

_PARTS = ("", "-wal", "-shm")


class Opened(NamedTuple):
    """An open journal.

    Args:
        db: The connection.
        set_aside: Where the broken one lies now.
        renew: Why a new epoch has to begin; empty for none.
    """

    db: apsw.Connection
    set_aside: Path | None
    renew: str


def open_or_recover(
    path: Path, marks: MarkFile, *, now: datetime, reserve: Reserve, doubt: Callable[[], Doubt]
) -> Opened:
    """Open the journal at ``path``, whatever lies there.

    Args:
        path: The file.
        marks: Beside it.
        now: For the name of a file that is set aside.
        reserve: Given up at once when the disk is full: opening takes room, too.
        doubt: Asked once the file is known to be none of a later version. If there is any, it is set aside however it
            looks.

    Raises:
        JournalError: Neither the file nor a new one can be used.
    """
    demand_sqlite()
    if free_bytes(path.parent) < LOW_BYTES:
        reserve.give_up()
    mark = marks.read()
    try:
        wrong = _looks_wrong(path, mark)
        if not wrong:
            demand_not_newer(path)
        doubted = doubt()
        if mark.salvaging is None:
            wrong = wrong or ("the gate ended at every start" if doubted else "")
            if not wrong:
                wal_gone = mark.is_open and path.exists() and not _wal_of(path).exists()
                try:
                    db = open_file(path)
                    return Opened(db, None, _lacks(db, mark, wal_gone=wal_gone))
                except (apsw.Error, UnicodeDecodeError) as error:
                    if not is_damage(error):
                        raise
                    wrong = str(error)
            mark = mark.model_copy(
                update={"salvaging": _free_name(path, now).name, "why": " ".join(wrong.split())[:100]}
            )
            marks.write(mark)
        return _recover(path, marks, mark, doubt=doubted)
    except apsw.Error as error:
        words = f"{path} cannot be opened: {error}"
        if isinstance(error, apsw.FullError) or free_bytes(path.parent) < LOW_BYTES:
            raise JournalFullError(f"{words}. The disk is full: delete what fills it") from error
        raise JournalError(words) from error
    except OSError as error:
        raise JournalError(f"{path} cannot be opened ({error.strerror}): check its owner and disk") from error


def _recover(path: Path, marks: MarkFile, mark: Mark, *, doubt: Doubt) -> Opened:
    assert mark.salvaging is not None
    aside = path.with_name(mark.salvaging)
    part = path.with_name(f"{path.name}.part")
    log.error("journal is broken: set aside", file=aside.name, why=mark.why)
    if not aside.exists():
        for suffix in reversed(_PARTS):
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
        _sync(path.parent)
    for suffix in (*_PARTS, "-journal"):
        part.with_name(part.name + suffix).unlink(missing_ok=True)
    found = salvage(aside, part, mark, why=f"set aside as {aside.name}, for {mark.why}", doubt=doubt)
    aside.with_name(f"{aside.name}-shm").unlink(missing_ok=True)
    part.replace(path)
    _sync(path.parent)
    marks.write(mark.model_copy(update={"salvaging": None, "epoch": None, "is_open": False}))
    log.error("journal begun anew", salvaged=found.words())
    return Opened(open_file(path), aside, "")


def _looks_wrong(path: Path, mark: Mark) -> str:
    """Why this is no file to be opened; empty for one that is, and where there is none yet."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return "there was no file in its place"
        with path.open("r+b"):
            pass
    except FileNotFoundError:
        wal = _wal_of(path)
        return "its main file was missing" if wal.is_file() and wal.stat().st_size else ""
    except PermissionError:
        return "it belongs to another user"
    if found.st_size == 0 and mark.epoch is not None:
        return "it was empty"
    return ""


def _lacks(db: apsw.Connection, mark: Mark, *, wal_gone: bool) -> str:
    """What an open file lacks that its mark speaks of; empty for nothing."""
    if mark.epoch is None:
        return ""
    meta = dict(db.execute("select key, value from meta"))
    if "renew" in meta:
        return ""
    if "epoch" not in meta:
        return f"the journal was missing: epoch {mark.epoch} up to row {mark.last}, or later, is gone"
    if meta["epoch"] != mark.epoch:
        return f"the journal is another file than before, whose epoch was {mark.epoch}"
    last = db.execute("select max(seq) from event where epoch = ?", (mark.epoch,)).get
    held = max(last or 0, int(meta.get("pruned_to", 0)))
    if held < mark.last:
        return f"the journal is an older copy: it had row {mark.last}, and has row {held}"
    return "the journal's write-ahead file is gone, and its newest rows with it" if wal_gone else ""


def _wal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _free_name(path: Path, now: datetime) -> Path:
    """A name with the time that nothing has yet."""
    stem = f"{path.name}.broken-{now:%Y%m%dT%H%M%SZ}"
    names = [stem, *(f"{stem}-{number}" for number in range(2, 1000))]
    return next(found for name in names if not (found := path.with_name(name)).exists())
