"""Children that go wrong on demand: what the first pixel of a picture says, or its bytes, decides how."""

import ctypes
import errno
import mmap
import os
import resource
import socket
from collections.abc import Callable, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import numpy as np

from edge.vision import eye_pictures, eye_process, jail_calls
from edge.vision.eye_messages import Hello, pack_answer, unpack_request
from edge.vision.eye_pictures import View
from edge.vision.eye_process import Found, ReaderSight
from edge.vision.shared_memory import attach
from edge.vision.shot import Decoded, Region

KINDS: Final = {
    "eye": "edge.vision.eye_process:main",
    "faulty": "tests.eyes.children:faulty",
    "limits": "tests.eyes.children:limits_only",
    "free": "tests.eyes.children:free",
    "unchecked": "tests.eyes.children:unchecked",
    "liar": "tests.eyes.children:liar",
    "broken": "tests.eyes.children:broken",
    "absent": "tests.eyes.nowhere:main",
}
AS_IT_IS: Final = b"\xff\xff\xff\xff"  # a liar sends this number, too
TWICE: Final = b"\xfe\xfe\xfe\xfe"
CORNERS: Final = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


class Fault(IntEnum):
    """First pixel of a picture -> what happens when it is looked at."""

    HANG = 1
    SEGFAULT = 2
    BOMB = 3
    RAISE = 4
    EXIT = 5
    PROBE = 6


def faulty(fds: list[int], _options: Mapping[str, Any]) -> None:
    """An eye whose reader has every fault."""
    eye_process.serve(fds, FaultySight())


def limits_only(fds: list[int], options: Mapping[str, Any]) -> None:
    """The same on a kernel that cannot restrict system calls."""
    jail_calls.CALLS.clear()
    jail_calls._MACHINES.clear()
    faulty(fds, options)


def free(fds: list[int], _options: Mapping[str, Any]) -> None:
    """Tries what the jail forbids, without the jail, and says how it went."""
    link = socket.socket(fileno=fds[0])
    link.send("\n".join(probe()).encode())
    link.close()


def unchecked(fds: list[int], _options: Mapping[str, Any]) -> None:
    """An eye that believes every size: what its memory limit is for."""
    eye_pictures.PIXELS_MAX = 1 << 40  # type: ignore[misc]
    eye_process.serve(fds, ReaderSight())


def liar(fds: list[int], _options: Mapping[str, Any]) -> None:
    """Answers with the bytes of the picture itself, and has the right number unless they say otherwise."""
    link = socket.socket(fileno=fds[0])
    pictures = attach(fds[1], writable=False)
    link.send(pack_answer(Hello(network=False, calls=False)))
    while data := link.recv(4096):
        request = unpack_request(data)
        answer = pictures[: request.length]
        number = request.number.to_bytes(4, "little")
        link.send(answer if answer.startswith(AS_IT_IS) else number + answer[4:])
        if answer.startswith(TWICE):
            link.send(number + answer[4:])


def broken(_fds: list[int], _options: Mapping[str, Any]) -> None:
    """Ends before it says a word."""


class FaultySight:
    """Goes wrong as the first pixel says, and reads everything else."""

    def __init__(self) -> None:
        self._well = ReaderSight()

    def find(self, view: View, region: Region, at_s: float) -> Found:
        match int(view.grey.flat[0]):
            case Fault.HANG:
                while True:
                    pass
            case Fault.SEGFAULT:
                ctypes.string_at(0)
            case Fault.BOMB:
                hoard = [np.empty(64 * 1024 * 1024, np.uint8) for _ in range(64)]
                raise AssertionError(f"an eye may have {len(hoard)} times 64 MB")
            case Fault.RAISE:
                raise ValueError("a library that raises\nin two lines, with 门")
            case Fault.EXIT:
                os._exit(3)
            case Fault.PROBE:
                return Found(codes=tuple(Decoded(line, CORNERS, "probe") for line in probe()))
        return self._well.find(view, region, at_s)


def probe() -> list[str]:
    """Try what a decoder has no business with; each line says what, and ``ok`` or the name of the error."""
    return [f"{name}: {_tried(attempt)}" for name, attempt in ATTEMPTS.items()]


def _tried(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    except MemoryError:
        return "ENOMEM"
    except ValueError:
        return "refused"
    return "ok"


def _fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _trace_parent() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    attach_to, leave = 0x4206, 17  # PTRACE_SEIZE, PTRACE_DETACH
    if libc.ptrace(attach_to, os.getppid(), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    libc.ptrace(leave, os.getppid(), 0, 0)


def _execute() -> None:
    """A program that is not there: the kernel says so only where it would have looked."""
    try:
        os.execv("/nonexistent", ["nonexistent"])
    except FileNotFoundError:
        return


def _raise_limits() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    with Path("/proc/self/status").open(encoding="ascii"):
        pass


ATTEMPTS: Final[dict[str, Callable[[], object]]] = {
    "socket": lambda: socket.socket().close(),
    "file": lambda: Path("/proc/self/status").read_bytes(),
    "new file": lambda: os.close(os.memfd_create("new")),
    "fork": _fork,
    "execute": _execute,
    "signal": lambda: os.kill(os.getppid(), 0),
    "trace": _trace_parent,
    "memory": lambda: mmap.mmap(-1, 1 << 30).close(),
    "raise limits": _raise_limits,
}
