"""Memory that two processes see: anonymous, of a size that nobody can change afterwards.

The size is sealed before the other process gets the descriptor. A child that could shrink the file would make
its parent die by SIGBUS at the next touch. What lies in such memory may have been written by anybody who has
it: read it once, into bytes of one's own, and judge those.
"""

import fcntl
import mmap
import os
from typing import Final

SEALED: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class AreaError(ValueError):
    """What should be put into an area or taken from it does not fit."""


class SharedArea:
    """The side that makes the memory, and owns it.

    Args:
        name: Shown in /proc, for whoever looks there.
        size: Of the area, in bytes; a page is taken when it is first touched.
    """

    def __init__(self, name: str, size: int) -> None:
        self.size = size
        self._fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self._fd, size)
            fcntl.fcntl(self._fd, fcntl.F_ADD_SEALS, SEALED)
            self._map = mmap.mmap(self._fd, size)
        except BaseException:
            os.close(self._fd)
            raise

    def fileno(self) -> int:
        """The descriptor to hand to the other process."""
        return self._fd

    def put(self, data: bytes | memoryview) -> int:
        """Copy ``data`` to the beginning; returns its length in bytes.

        Raises:
            AreaError: It is larger than the area, or not in one piece.
        """
        view = memoryview(data)
        if not view.c_contiguous:
            raise AreaError("bytes that do not lie in one piece")
        if view.nbytes > self.size:
            raise AreaError(f"{view.nbytes} bytes; the limit is {self.size}")
        self._map[: view.nbytes] = view.cast("B") if view.nbytes else b""
        return view.nbytes

    def take(self, length: int) -> bytes:
        """The first ``length`` bytes as they are now.

        Raises:
            AreaError: The area is not that long.
        """
        if not 0 <= length <= self.size:
            raise AreaError(f"{length} bytes of an area of {self.size}")
        return self._map[:length]

    def close(self) -> None:
        """Give the memory back; the other process keeps its own mapping until it ends."""
        self._map.close()
        os.close(self._fd)


def attach(fd: int, *, writable: bool) -> mmap.mmap:
    """Map an area that another process made, and close ``fd``: the mapping stays.

    Raises:
        AreaError: Its size is not sealed, so that touching it might kill this process.
    """
    try:
        if fcntl.fcntl(fd, fcntl.F_GET_SEALS) & SEALED != SEALED:
            raise AreaError("memory of a size that may still change")
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        return mmap.mmap(fd, os.fstat(fd).st_size, access=access)
    finally:
        os.close(fd)
