"""Where the tools get a journal from: a copy that the running gate makes, or one of the file while no gate runs."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final

from edge.control import SOCKET
from edge.journal import JournalError
from edge.journal.opening import FILE
from edge.journal.reading import JournalCopy
from shell.control import NotRunningError, ask

COPIED_WITHIN_S: Final = 60.0


class InUseError(JournalError):
    """A gate has the file open and does not answer."""


@contextmanager
def journal_of(folder: Path) -> Iterator[JournalCopy]:
    """The journal of the gate whose data lie in ``folder``.

    Raises:
        JournalError: There is none, or it cannot be read. ``InUseError``: a gate holds it, and has no socket.
        ControlError: The running gate gave no copy.
    """
    try:
        copy = Path(str(ask(folder / SOCKET, {"do": "journal_backup"}, within_s=COPIED_WITHIN_S)["path"]))
    except NotRunningError:
        with still(folder / FILE) as path, closing(JournalCopy(path, of=folder / FILE)) as journal:
            yield journal
        return
    try:
        with closing(JournalCopy(copy, of=folder / FILE)) as journal:
            yield journal
    finally:
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                copy.with_name(copy.name + suffix).unlink()


@contextmanager
def still(path: Path) -> Iterator[Path]:
    """A copy of a journal file that no gate has open, with its write-ahead file; it is gone afterwards.

    Raises:
        JournalError: It cannot be read, or the copy not be made. ``InUseError``: a gate has it open.
    """
    with _nobody_writes(path.parent) if path.name == FILE else nullcontext():
        try:
            with tempfile.TemporaryDirectory(prefix="postern-journal-") as name:
                copy = Path(name) / FILE
                shutil.copyfile(path, copy)
                wal = path.with_name(f"{path.name}-wal")
                if wal.exists():
                    shutil.copyfile(wal, copy.with_name(f"{FILE}-wal"))
                yield copy
        except OSError as error:
            raise JournalError(f"{path} cannot be copied ({error.strerror})") from error


@contextmanager
def _nobody_writes(folder: Path) -> Iterator[None]:
    """No gate has this folder, and none starts in it meanwhile."""
    try:
        lock = (folder / "lock").open("r", encoding="ascii")
    except OSError:
        yield  # no gate ever ran here
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            raise InUseError(
                f"A gate has {folder} open and gives no copy of its journal: look at its log, or stop it first"
            ) from None
        yield
