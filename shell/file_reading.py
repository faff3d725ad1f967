"""Files that somebody else named: regular ones only, and never more of them than their reader can use.

A FIFO answers never and a device has no end; opening a serial port would even touch what hangs on it. So it is looked
at first, opened without waiting, and looked at again. Every refusal is an ``OSError`` with words in ``strerror``::

    OSError
    └── UnfitFileError    it is no regular file, or larger than it may be
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class UnfitFileError(OSError):
    """The file is not one to be read; ``strerror`` says why."""


def open_regular(path: Path, *, follow: bool = True) -> BinaryIO:
    """Open a regular file, or what a link leads to, for reading.

    Args:
        path: The file.
        follow: Whether its name may be a link; not for a file that the program itself wrote.

    Raises:
        OSError: It cannot be opened, or is a folder, a FIFO, a socket or a device.
    """
    _demand_regular(path, path.stat(follow_symlinks=follow).st_mode)
    number = os.open(path, _FLAGS if follow else _FLAGS | os.O_NOFOLLOW)
    try:
        _demand_regular(path, os.fstat(number).st_mode)
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def read_at_most(path: Path, limit: int, *, follow: bool = True) -> bytes:
    """All bytes of a regular file.

    Raises:
        OSError: As of ``open_regular``; or there are more than ``limit``, of which no more than one is read.
    """
    with open_regular(path, follow=follow) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise UnfitFileError(
            errno.EFBIG, f"it is larger than {limit} bytes; is this the right file?", str(path)
        )
    return data


def _demand_regular(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise UnfitFileError(
        errno.EINVAL, "it is no regular file but a device, a pipe, a socket or a link", str(path)
    )
