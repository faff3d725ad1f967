"""What a process that looks at pictures gives up before it sees the first one.

A hostile picture may own the process that decodes it. Behind ``enter`` it can compute, read the picture, answer
on the one descriptor it kept, and end. It cannot open a file or a socket, start or signal a process, take more
memory than its budget, or undo any of this. Limits hold on every Linux; an own network and the list of system
calls only where the kernel has them, and the answer says so.

JailError   a limit that must hold could not be set: the process must not look at anything
"""

import contextlib
import ctypes
import os
import resource
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.vision import jail_calls

NICE: Final = 2  # the thread that decides goes first; more would make every reader slow on a busy machine
OOM_SCORE: Final = 1000  # of 1000: when memory runs out, this one goes before the daemon

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_PR_SET_NO_NEW_PRIVS: Final = 38
_CLONE_NEWUSER: Final = 0x10000000  # linux/sched.h
_CLONE_NEWNET: Final = 0x40000000
_CAPABILITY_VERSION_3: Final = 0x20080522  # linux/capability.h


class JailError(OSError):
    """The process is not held as it must be."""


@dataclass(frozen=True, slots=True)
class Held:
    """Which of the holds that depend on the kernel are there.

    Attributes:
        network: A network of its own, with nothing in it.
        calls: Only the system calls that a decoder needs.
    """

    network: bool
    calls: bool


def enter(keep: Sequence[int], *, memory_bytes: int) -> Held:
    """Give everything up but ``keep`` and ``memory_bytes`` on top of what is mapped now; there is no way back.

    Standard input, output and error go to /dev/null: the libraries complain there about pictures.

    Raises:
        JailError: One of the limits could not be set.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getppid()
    try:
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), encoding="ascii")
        os.nice(NICE)
        _silence()
        close_all_but([0, 1, 2, *keep])
        network = _own_network(libc)
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_FSIZE, 0)
        _limit(resource.RLIMIT_NPROC, 0)  # does not bind for root, the list of calls does
        _limit(resource.RLIMIT_AS, _mapped_bytes() + memory_bytes)
        _limit(resource.RLIMIT_NOFILE, 0)
    except (OSError, ValueError) as error:
        raise JailError(f"a process that looks at pictures cannot be limited: {error}") from error
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise JailError(ctypes.get_errno(), "no-new-privs was refused")
    _drop_capabilities(libc)
    die_with(parent, libc)  # a change of capabilities or namespaces may have undone it
    return Held(network=network, calls=jail_calls.restrict(libc))


def die_with(parent: int, libc: ctypes.CDLL | None = None) -> None:
    """Have the kernel kill this process when the process ``parent`` ends, which must have one thread only.

    Raises:
        SystemExit: It has ended already.
    """
    (libc or ctypes.CDLL(None)).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(1)


def close_all_but(keep: Sequence[int]) -> None:
    """Close every descriptor of this process that is not in ``keep``."""
    for fd in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if fd not in keep:
            with contextlib.suppress(OSError):  # the one that the listing itself used
                os.close(fd)


def _silence() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    if null > 2:
        os.close(null)


def _limit(which: int, value: int) -> None:
    resource.setrlimit(which, (value, value))


def _mapped_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def _own_network(libc: ctypes.CDLL) -> bool:
    """As root directly, otherwise inside a user namespace, which some systems forbid."""
    return any(libc.unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Only root has any: without them it cannot raise its limits again."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    if libc.capset(header, none) != 0:
        raise JailError(ctypes.get_errno(), "capabilities could not be given up")
