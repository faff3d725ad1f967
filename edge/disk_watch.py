"""Keeps the gate's disk usable without a person: deletes what may go, gives the journal its reserve back, and tells.

A thread looks every few seconds, for looking through folders may take long on a poor card. What it found is put on
record and on the guard's screen by the deciding thread. ``edge.disk_policy`` says what goes first.
"""

import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from edge.alarms import Alarms
from edge.disk_policy import Class, Disk, Quotas, Stored, is_tight, to_shed
from edge.journal import Journal, JournalError
from shell.clock import Clock
from shell.logs import get_logger
from sync.messages import DeviceData, Kind

log = get_logger("disk")

LOOK_EVERY_S: Final = 10.0
COPY_KEPT_S: Final = 600.0  # whoever asked for a copy has taken it by then
COPIES: Final = "journal-copies"
FOLDERS: Final = {Class.COPY: COPIES, Class.PICTURE: "pictures", Class.LOG: "logs"}
FILES_MAX: Final = 20_000  # of one folder; the rest is looked at when these are gone
UNSENT_MAX: Final = 160_000  # events without a receipt: four fifths of what a gate is built to keep


class Found(NamedTuple):
    """How things stand."""

    disk: Disk
    tight: bool
    full: bool  # the journal's reserve is given up: entries may be refused
    unsent: int

    @property
    def faults(self) -> dict[str, str]:
        """What is wrong now: a device by its name, and words about it."""
        room = f"{self.disk.used_percent} % used, {self.disk.free // 1_000_000} MB free"
        every = {
            "disk": (self.tight, room),
            "disk_full": (self.full, f"{room}; entries are refused, exits are recorded from the reserve"),
            "unsent": (self.unsent >= UNSENT_MAX, f"{self.unsent} events wait for the centre"),
        }
        return {name: words for name, (wrong, words) in every.items() if wrong}


class DiskWatch:
    """Watches the disk of one gate. ``start`` and ``close`` once each; ``tick`` from the deciding thread.

    Args:
        journal: Whose folder it is.
        alarms: Show what is wrong, for as long as it is.
        note: Records an event.
        clock: For the age of copies.
        quotas: How much may be taken.
    """

    def __init__(
        self,
        journal: Journal,
        alarms: Alarms,
        note: Callable[[Kind, BaseModel], Any],
        clock: Clock,
        quotas: Quotas | None = None,
    ) -> None:
        self._journal, self._alarms, self._note = journal, alarms, note
        self._clock = clock
        self._folder, self._quotas = journal.path.parent, quotas or Quotas()
        self._found: Found | None = None
        self._told: dict[str, str] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="disk-watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()

    def tick(self) -> None:
        """Tell what has changed; raises ``JournalLostError`` once the journal's file cannot be believed."""
        self._journal.demand_alive()
        found = self._found
        if found is None:
            return
        faults = found.faults
        for name in faults.keys() - self._told.keys():
            log.error("disk", what=name, detail=faults[name])
            self._alarms.begin(name, "", faults[name])
            self._note(Kind.DEVICE, DeviceData(device=name, state="fault", detail=faults[name]))
        for name in self._told.keys() - faults.keys():
            log.warning("disk is well again", what=name)
            self._alarms.end(name, "")
            self._note(Kind.DEVICE, DeviceData(device=name, state="recovered"))
        self._told = faults

    def look(self) -> Found:
        """Delete what has to go, tend the journal, and see how things stand."""
        for one in to_shed(self._stored(), self._disk(), self._quotas):
            self._delete(one)
        try:
            self._journal.tend()
        except JournalError as error:
            log.error("the journal cannot be tended", error=str(error))
        disk = self._disk()
        tight = is_tight(disk, self._quotas, before=self._found is not None and self._found.tight)
        unsent = self._journal.last_seq() - self._journal.acked()
        self._found = Found(disk, tight, self._journal.short, unsent)
        return self._found

    def _run(self) -> None:
        while True:
            try:
                self.look()
            except Exception:
                log.exception("the disk cannot be watched")
            if self._closing.wait(LOOK_EVERY_S):
                return

    def _disk(self) -> Disk:
        found = os.statvfs(self._folder)
        return Disk(free=found.f_bavail * found.f_frsize, size=found.f_blocks * found.f_frsize)

    def _stored(self) -> Iterator[Stored]:
        now_s = self._clock.now().timestamp()
        for kind, name in FOLDERS.items():
            for path, found in _files(self._folder / name):
                if kind is Class.COPY and now_s - found.st_mtime < COPY_KEPT_S:
                    continue
                size = found.st_blocks * 512
                yield Stored(path=str(path), kind=kind, size=size, at_s=found.st_mtime)

    def _delete(self, one: Stored) -> None:
        path = Path(one.path)
        try:
            if one.kind is Class.LOG:
                os.truncate(path, 0)  # whoever still has it open gives its room back, too
            path.unlink()
        except OSError as error:
            log.warning("a file does not go", file=path.name, error=error.strerror)
            return
        log.warning("deleted to make room", file=path.name, bytes=one.size, kind=one.kind.name.lower())


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Regular files in a folder and below it; no link is followed."""
    waiting, count = [folder], 0
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISDIR(found.st_mode):
                waiting.append(Path(entry.path))
            elif stat.S_ISREG(found.st_mode):
                count += 1
                yield Path(entry.path), found
            if count >= FILES_MAX:
                return
