"""Which program has a device open, as far as this user may see; nothing is opened to find out."""

import os
from pathlib import Path

_PROC = Path("/proc")
_PSEUDO_TERMINALS = Path("/dev/pts")
_MASTERS = {Path("/dev/ptmx"), Path("/dev/pts/ptmx")}  # the other end of any of them


def holder_of(path: str | Path) -> str | None:
    """Name and number of the process that holds ``path``, for example ``postern-edge (4711)``, or None.

    The holder of the exclusive lock is named first; without one, another process that has it open.
    """
    device = Path(path).resolve()
    number = _locked_by(device) or _opened_by(device)
    return None if number is None else f"{_program(number)} ({number})"


def _locked_by(device: Path) -> int | None:
    try:
        inode = device.stat().st_ino
        filesystem = device.stat().st_dev
        locks = (_PROC / "locks").read_text(encoding="ascii")
    except OSError:
        return None
    place = f"{os.major(filesystem):02x}:{os.minor(filesystem):02x}:{inode}"
    for line in locks.splitlines():
        fields = line.split()  # "1: FLOCK ADVISORY WRITE 4711 00:1b:7 0 EOF"
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == place:
            return int(fields[4])
    return None


def intruder_at(path: str | Path) -> str | None:
    """A program that has ``path`` open beside this one, without asking for its lock; named as by ``holder_of``.

    It takes tens of milliseconds. Who plays the device behind a pseudo-terminal is no intruder.
    """
    device = Path(path).resolve()
    number = _opened_by(device)
    return None if number is None else f"{_program(number)} ({number})"


def _opened_by(device: Path) -> int | None:
    for process in _PROC.glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            opened = {descriptor.readlink() for descriptor in (process / "fd").iterdir()}
        except OSError:
            continue  # another user's process, or one that has just ended
        if device in opened and not (device.parent == _PSEUDO_TERMINALS and opened & _MASTERS):
            return int(process.name)
    return None


def _program(number: int) -> str:
    try:
        return (_PROC / str(number) / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "a program that has ended"
