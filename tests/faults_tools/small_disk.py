"""A disk of a few megabytes in memory that can be filled to the byte."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PIECE = 4096


class SmallDisk:
    """A mounted file system; ``folder`` is where it is."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._filler = folder, folder / "somebody-elses"

    def leave(self, room_bytes: int) -> None:
        """Another program fills the disk, but for so many bytes; what it wrote before is replaced."""
        self.free()
        with self._filler.open("wb", buffering=0) as file:
            while self.room() > room_bytes:
                try:
                    file.write(bytes(min(1 << 20, max(PIECE, self.room() - room_bytes) // PIECE * PIECE)))
                except OSError as error:
                    assert error.errno == errno.ENOSPC
                    return

    def free(self) -> None:
        """The other program's file goes."""
        self._filler.unlink(missing_ok=True)

    def room(self) -> int:
        """How many bytes are left."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[SmallDisk]:
    """A disk that is gone afterwards."""
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "postern-trial", str(folder)], check=True
    )
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
