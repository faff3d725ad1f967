"""Replacing a configuration file whole or not at all, and keeping the one that was there."""

import os
import tempfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from shell.file_reading import read_at_most

BACKUP: Final = ".bak-"
KEPT_BYTES_MAX: Final = 4_000_000


def write_whole(path: Path, text: str, *, now: datetime) -> Path | None:
    """Write a file so that after a power cut there is the old one or the new one, never half of either.

    Args:
        path: The file.
        text: Its new content.
        now: Names the backup.

    Returns:
        Where the file that was there is kept now; None when there was none.

    Raises:
        OSError: The folder cannot be written, or is full; the file is as it was.
    """
    kept = None
    mode = 0o644
    if path.exists():
        mode = path.stat().st_mode & 0o777
        kept = _free_name(path, now)
        _write(kept, read_at_most(path, KEPT_BYTES_MAX).decode(), mode)
    _write(path, text, mode)
    return kept


def backups_of(path: Path) -> list[Path]:
    """Earlier versions of a file, the newest first."""
    return sorted(path.parent.glob(f"{path.name}{BACKUP}*"), reverse=True)


def _free_name(path: Path, now: datetime) -> Path:
    stem = f"{path.name}{BACKUP}{now:%Y%m%d-%H%M%S}"
    names = (path.with_name(stem if not count else f"{stem}-{count}") for count in range(1000))
    return next(name for name in names if not name.exists())


def _write(path: Path, text: str, mode: int) -> None:
    number, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
