"""What gives way when a gate's disk fills: copies first, then pictures, then logs; events never. Pure figures.

Only files of these classes are ever deleted; whatever else lies in the gate's folder is left alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MB: Final = 1_000_000


class Class(IntEnum):
    """Classes of files, in the order in which they give way."""

    COPY = 0  # of the journal, made for a tool that did not take it away
    PICTURE = 1
    LOG = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One file that may be deleted.

    Args:
        path: Its path below the gate's folder.
        kind: Its class.
        size: Bytes on the disk.
        at_s: When it was last written, in seconds of the disk's own time; only the order counts.
    """

    path: str
    kind: Class
    size: int
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A file system: bytes that may still be written, and all of them."""

    free: int
    size: int

    @property
    def used_percent(self) -> int:
        """How full it is."""
        return 100 - 100 * self.free // max(1, self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """How much each class may take, and what is kept free.

    Args:
        of: Bytes of each class; beyond, its oldest files go.
        free: With less left on the disk all classes give way, in their order, until there is as much again.
        alarm_percent: A disk as full as this is an alarm,
        alarm_free: if it has less left than this: a large disk has years to go then.
    """

    of: tuple[int, ...] = (0, 256 * MB, 64 * MB)
    free: int = 64 * MB
    alarm_percent: int = 80
    alarm_free: int = 1000 * MB


def to_shed(stored: Iterable[Stored], disk: Disk, quotas: Quotas) -> Sequence[Stored]:
    """The files to delete now, in this order: the oldest of each class that is beyond its quota or must give way."""
    gone: list[Stored] = []
    oldest_first = sorted(stored, key=lambda one: (one.kind, one.at_s, one.path))
    held = {kind: sum(one.size for one in oldest_first if one.kind is kind) for kind in Class}
    for one in oldest_first:
        if held[one.kind] > quotas.of[one.kind]:
            held[one.kind] -= one.size
            gone.append(one)
    free, chosen = disk.free + sum(one.size for one in gone), set(gone)
    for one in oldest_first:
        if free >= quotas.free:
            break
        if one not in chosen:
            free += one.size
            gone.append(one)
    return gone


def is_tight(disk: Disk, quotas: Quotas, *, before: bool) -> bool:
    """Whether people have to be told; once they are, until there is clearly more room."""
    percent, free = quotas.alarm_percent, quotas.alarm_free
    if before:
        percent, free = percent - 5, free + free // 10
    return disk.used_percent >= percent and disk.free < free
