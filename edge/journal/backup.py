"""A copy of the whole journal, made while it goes on: what reports and tools look at instead of the live file."""

import os
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import apsw

from edge.journal.errors import JournalError
from edge.journal.reserve import free_bytes
from edge.journal.store import Store

STEP_PAGES: Final = 64  # copied with the lock held: a decision waits for no more
PAUSE_S: Final = 0.001
KEEP_FREE_BYTES: Final = 32 << 20


def back_up(store: Store, path: Path) -> int:
    """Copy into ``path``, durably, whole or not at all; returns its size in bytes.

    Raises:
        JournalError: The journal cannot be read, or the copy not be written.
        FileExistsError: There is one of that name.
    """
    if path.exists():
        raise FileExistsError(f"{path} is there already")
    needed = store.used_bytes() + KEEP_FREE_BYTES
    if free_bytes(path.parent) < needed:
        raise JournalError(
            f"{path} would leave no room on the disk: {needed // 1_000_000} MB are wanted for it"
        )
    part = path.with_name(f"{path.name}.part")
    _remove(part)
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(apsw.Connection(str(part))) as target:
            pause = threading.Event()
            for _ in store.copy_into(target, STEP_PAGES):
                pause.wait(PAUSE_S)
            target.execute("pragma journal_mode = delete")  # one file, that can be read from anywhere
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.rename(path)
    except apsw.Error as error:
        _remove(part)
        raise JournalError(f"{path} could not be written: {error}") from error
    except BaseException:
        _remove(part)
        raise
    return path.stat().st_size


def _remove(part: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        with suppress(OSError):
            part.with_name(part.name + suffix).unlink()
