"""A file that takes room on the disk so that there is some when the disk is full: then it is deleted."""

import errno
import os
from pathlib import Path
from typing import Final

from shell.logs import get_logger

log = get_logger("journal")

SUFFIX: Final = ".reserve"
LOW_BYTES: Final = 256 * 1024  # with less, a write that failed has failed for want of room, whatever it said


class Reserve:
    """The reserve of the file at ``path``, of ``size`` bytes."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path.with_name(path.name + SUFFIX), size

    @property
    def held(self) -> bool:
        """Whether it is there."""
        try:
            return self._path.stat().st_size == self._size
        except OSError:
            return False

    def make(self) -> bool:
        """Take the room; False when there is none."""
        if self.held:
            return True
        try:
            number = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                os.posix_fallocate(number, 0, self._size)
            finally:
                os.close(number)
        except OSError as error:
            self.give_up()
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                log.warning("no reserve for a full disk can be made", error=error.strerror)
            return False
        return True

    def give_up(self) -> bool:
        """Give the room back to the disk; False when there was none to give."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True


def free_bytes(folder: Path) -> int:
    """What a user other than root may still write in this folder's file system; plenty when nobody can tell."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return 1 << 40
    return found.f_bavail * found.f_frsize
