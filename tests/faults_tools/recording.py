"""A record of everything that SQLite does to its files: what was written, cut off, synced, made and deleted.

The record is what ``crash_states`` rebuilds disks from. The shared-memory file is left out: no power cut leaves one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import apsw

_NAME: Final = "recording"


@dataclass(frozen=True, slots=True)
class Write:
    file: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    file: str
    size: int


@dataclass(frozen=True, slots=True)
class Make:
    file: str


@dataclass(frozen=True, slots=True)
class Delete:
    file: str


@dataclass(frozen=True, slots=True)
class Sync:
    file: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that was said to somebody: from here on it has to be true."""

    said: Any


Op = Write | Truncate | Make | Delete | Sync | Mark


class _File(apsw.VFSFile):
    def __init__(self, base: str, name: Any, flags: list[int], trace: list[Op]) -> None:
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else name)
        self._name, self._trace = path.name, trace
        was_there = path.exists()
        super().__init__(base, name, flags)
        if not was_there:
            trace.append(Make(self._name))

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # SQLite's name
        self._trace.append(Write(self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802  # SQLite's name
        self._trace.append(Truncate(self._name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802  # SQLite's name
        super().xSync(flags)
        self._trace.append(Sync(self._name))


class _Recorder(apsw.VFS):
    def __init__(self, base: str, trace: list[Op]) -> None:
        self._base, self._trace = base, trace
        super().__init__(_NAME, base, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802  # SQLite's name
        return _File(self._base, name, flags, self._trace)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802  # SQLite's
        super().xDelete(filename, syncdir)
        self._trace.append(Delete(Path(filename).name))


@contextmanager
def recorded() -> Iterator[list[Op]]:
    """Every database that this process opens meanwhile, by whatever code, is recorded into the list."""
    before = str(apsw.vfs_details()[0]["zName"])
    trace: list[Op] = []
    recorder = _Recorder(before, trace)
    try:
        yield trace
    finally:
        apsw.set_default_vfs(before)
        recorder.unregister()
