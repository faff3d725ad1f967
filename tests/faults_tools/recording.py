"""A record of everything that the journal does to its files: what was written, cut off, synced, made and deleted.

The record is what ``crash_states`` rebuilds disks from. SQLite's part comes from its own interface to files; the
shared-memory file is left out, for no power cut leaves one. The mark beside the journal is replaced as a whole and
durably, so it is enough to see that it changed since the last call.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import apsw

_NAME: Final = "recording"
MARK: Final = "journal.db.mark"


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
class Replace:
    """A small file got its new content, and its folder is durable with it."""

    file: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """Something that was said to somebody: from here on it has to be true."""

    what: Any


Op = Write | Truncate | Make | Delete | Sync | Replace | Said


class Trace(list[Op]):
    """The record of one folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._mark = folder / MARK
        self._seen: bytes | None = None

    def note(self, op: Op) -> None:
        """One more, and before it the mark if that is a new one."""
        self.look()
        self.append(op)

    def look(self) -> None:
        """See whether the mark was replaced."""
        data = self._mark.read_bytes() if self._mark.exists() else None
        if data is not None and data != self._seen:
            self.append(Replace(self._mark.name, data))
        self._seen = data


class _File(apsw.VFSFile):
    def __init__(self, base: str, name: Any, flags: list[int], trace: Trace) -> None:
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else name)
        self._name, self._trace = path.name, trace
        was_there = path.exists()
        super().__init__(base, name, flags)
        if not was_there:
            trace.note(Make(self._name))

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # SQLite's name
        self._trace.note(Write(self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802  # SQLite's name
        self._trace.note(Truncate(self._name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802  # SQLite's name
        super().xSync(flags)
        self._trace.note(Sync(self._name))


class _Recorder(apsw.VFS):
    def __init__(self, base: str, trace: Trace) -> None:
        self._base, self._trace = base, trace
        super().__init__(_NAME, base, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802  # SQLite's name
        return _File(self._base, name, flags, self._trace)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802  # SQLite's
        super().xDelete(filename, syncdir)
        self._trace.note(Delete(Path(filename).name))


@contextmanager
def recorded(folder: Path) -> Iterator[Trace]:
    """What becomes of the database in ``folder``, which this process opens meanwhile, by whatever code."""
    before = str(apsw.vfs_details()[0]["zName"])
    trace = Trace(folder)
    recorder = _Recorder(before, trace)
    try:
        yield trace
        trace.look()
    finally:
        apsw.set_default_vfs(before)
        recorder.unregister()
