"""A disk whose power can be cut for real: ext4 on a loop device, shut down with everything unsynced still in memory."""

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.waiting import until

SHUTDOWN: Final = 0x8004587D  # linux/ext4.h: EXT4_IOC_SHUTDOWN
NO_LOG_FLUSH: Final = 2  # as when the plug is pulled: not even the file system's own journal is written
SIZE_BYTES: Final = 96 << 20  # of which little is ever written: a copy of a journal wants 32 MB to be left


class CutDisk:
    """A mounted file system in a file of its own; ``folder`` is where it is."""

    def __init__(self, beside: Path, *, options: str = "loop") -> None:
        self.folder, self._image, self._options = beside / "disk", beside / "disk.image", options
        self.folder.mkdir()
        with self._image.open("wb") as image:
            image.truncate(SIZE_BYTES)
        _run("mkfs.ext4", "-q", "-F", "-O", "^metadata_csum", "-m", "0", str(self._image))
        self.mount()

    def mount(self) -> None:
        """The power is back, or the disk is new."""
        _run("mount", "-o", self._options, str(self._image), str(self.folder))

    def unmount(self) -> None:
        """As a clean stop of the machine does it."""
        _run("umount", str(self.folder))

    def cut(self) -> None:
        """The power goes: from here on nothing reaches the medium, and what was not synced is lost."""
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(folder, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(folder)

    def turn_read_only(self) -> None:
        """As the kernel does it with a card that dies: files that are open stay open, and take nothing."""
        _run("mount", "-o", "remount,abort", str(self.folder))

    def close(self) -> None:
        """Leave nothing mounted."""
        subprocess.run(["umount", "--lazy", str(self.folder)], capture_output=True, check=False)


@contextmanager
def cut_disk(beside: Path) -> Iterator[CutDisk]:
    """A disk that is gone afterwards."""
    disk = CutDisk(beside)
    try:
        yield disk
    finally:
        disk.close()


def _run(name: str, *words: str) -> None:
    """Run one command of the system; loop devices and mounts may be busy for a moment by somebody else's look."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    said: list[str] = []

    def done() -> bool:
        ran = subprocess.run(
            [name, *words], capture_output=True, text=True, check=False, env=os.environ | {"PATH": path}
        )
        said.append(ran.stderr)
        return ran.returncode == 0

    try:
        until(done, within_s=10, what=f"{name} {' '.join(words)}")
    except AssertionError as error:
        error.add_note(said[-1])
        raise
