"""Files that are whole after a power cut or on a full disk: there is the old one or the new one, never half of one.

What root writes belongs to the folder's owner, so that a command run by an administrator leaves no file that the
daemon's own user cannot read. Every error is an ``OSError``, and a file that could not be finished is not there.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SECRET: Final = 0o600
PUBLIC: Final = 0o644


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file, or make it."""
    stage(path, data, mode=PUBLIC).put_over()


def write_secret(path: Path, data: bytes) -> None:
    """Make a file that only its owner may read; raises ``FileExistsError`` rather than replace one."""
    stage(path, data, mode=SECRET).put_new()


@dataclass(frozen=True, slots=True)
class Staged:
    """A file that is written and durable, and has yet to get its name."""

    path: Path
    part: Path

    def put_new(self) -> None:
        """Give it its name; raises ``FileExistsError`` when there is one, and then what was staged is gone."""
        try:
            self.path.hardlink_to(self.part)  # which, unlike a rename, replaces nothing
        finally:
            self.discard()
        _sync_folder(self.path.parent)

    def put_over(self) -> None:
        """Give it its name, in place of the file that had it."""
        self.part.replace(self.path)
        _sync_folder(self.path.parent)

    def discard(self) -> None:
        """Forget it, unless it has its name already."""
        self.part.unlink(missing_ok=True)


def stage(path: Path, data: bytes, *, mode: int) -> Staged:
    """Write ``data`` durably beside ``path``.

    Whoever changes several files together stages all of them first: what is left to do then needs no room on the disk.
    """
    staged = Staged(path, path.with_name(f"{path.name}.{os.getpid()}.part"))
    staged.discard()  # of a process that was killed and had this one's number
    try:
        with open(os.open(staged.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123
            if os.geteuid() == 0:
                owner = path.parent.stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        staged.discard()
        raise
    return staged


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
