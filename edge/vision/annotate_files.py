"""Where annotated pictures go: a folder in which nothing is overwritten that this tool did not write.

AnnotateError       a picture cannot be written; the message says why, and what to do
"""

import os
import struct
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Final

from shell.file_reading import open_regular

_MARK: Final = b"postern-edge annotated picture"
_COMMENT: Final = b"\xff\xfe" + struct.pack(">H", len(_MARK) + 2) + _MARK
_BEGINS: Final = b"\xff\xd8"


class AnnotateError(Exception):
    """The picture was not written."""


def is_own(path: Path) -> bool:
    """Whether the file at ``path`` was written here."""
    try:
        with open_regular(path) as file:
            return file.read(len(_BEGINS + _COMMENT)) == _BEGINS + _COMMENT
    except OSError:
        return False


def write_own(path: Path, jpeg: bytes, *, force: bool = False) -> None:
    """Write a JPEG whole or not at all, marked as ours.

    Args:
        path: Where to.
        jpeg: What an eye made.
        force: Also over a file that somebody else wrote.

    Raises:
        AnnotateError: There is such a file, or it cannot be written.
    """
    if os.path.lexists(path):
        if not force and not is_own(path):
            raise AnnotateError(f"{path} was there before and is not a picture of ours; --force replaces it")
        if path.is_dir():
            raise AnnotateError(f"{path} is a folder")
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".annotating-", delete=False) as file:
            file.write(_BEGINS + _COMMENT + jpeg[len(_BEGINS) :])
        made = Path(file.name)
        try:
            made.chmod(0o600)  # a picture of whoever stood there
            made.replace(path)
        except BaseException:
            made.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise AnnotateError(f"{path} cannot be written: {error.strerror or error}") from error


class Annotations:
    """A folder of annotated pictures, made when it is not there; each named for its source.

    Args:
        folder: Where they go.
        force: Replace what others wrote, too.

    Raises:
        AnnotateError: It cannot be made.
    """

    def __init__(self, folder: Path, *, force: bool = False) -> None:
        self._folder, self._force = folder, force
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.written = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AnnotateError(
                f"{folder} cannot be made a folder: {error.strerror or error}. Name another one"
            ) from error

    def put(self, source: str, jpeg: bytes, number: int | None = None) -> Path:
        """Write the picture of one source, or the picture ``number`` of it; any thread.

        Raises:
            AnnotateError: It was not written.
        """
        name = _name_of(source) if number is None else f"{_name_of(source)}-{number + 1:02}"
        with self._lock:
            self._taken[name] += 1
            again = self._taken[name]
        path = self._folder / (f"{name}.jpg" if again == 1 else f"{name} ({again}).jpg")
        write_own(path, jpeg, force=self._force)
        with self._lock:
            self.written += 1
        return path


def _name_of(source: str) -> str:
    """A file name for a file or an address: its last part, without what a file system or a terminal would mind."""
    last = source.rstrip("/").rpartition("/")[2]
    kept = "".join(one if one.isalnum() or one in "-_. ()" else "_" for one in last)[:80]
    return kept.lstrip(".") or "picture"
