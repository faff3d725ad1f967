"""The system calls that a process needs which only computes and answers: the kernel refuses all others.

Limits alone are not enough. They let a process signal and trace others of the same user, and a program can be
executed without a descriptor. The filter names what is allowed, so that calls of kernels to come are refused.
"""

import ctypes
import os
import struct
from typing import Final

_PR_SET_SECCOMP: Final = 22  # linux/prctl.h
_MODE_FILTER: Final = 2  # linux/seccomp.h
_ALLOW: Final = 0x7FFF0000
_REFUSE_EPERM: Final = 0x00050001
_KILL: Final = 0x80000000
_LOAD: Final = 0x20  # linux/bpf_common.h: BPF_LD | BPF_W | BPF_ABS
_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K
_AT_NUMBER: Final = 0  # struct seccomp_data
_AT_ARCHITECTURE: Final = 4

# name: (x86_64, aarch64), as in the kernel's tables arch/x86/entry/syscalls and asm-generic/unistd.h.
CALLS: Final = {
    "brk": (12, 214),
    "clock_getres": (229, 114),
    "clock_gettime": (228, 113),
    "close": (3, 57),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "fstat": (5, 80),
    "futex": (202, 98),
    "getcpu": (309, 168),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "getrandom": (318, 278),
    "getrusage": (98, 165),
    "gettid": (186, 178),
    "lseek": (8, 62),
    "madvise": (28, 233),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "read": (0, 63),
    "recvfrom": (45, 207),
    "restart_syscall": (219, 128),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_getaffinity": (204, 123),
    "sched_yield": (24, 124),
    "sendto": (44, 206),
    "sigaltstack": (131, 132),
    "sysinfo": (99, 179),
    "write": (1, 64),
}
_MACHINES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # linux/audit.h


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def program(machine: str) -> bytes | None:
    """The filter for one kind of machine, as the kernel takes it; None for a kind whose numbers we lack."""
    if machine not in _MACHINES:
        return None
    column, architecture = _MACHINES[machine]
    allowed = sorted(numbers[column] for numbers in CALLS.values())
    steps = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _AT_NUMBER),
        *((_EQUAL, len(allowed) - at, 0, number) for at, number in enumerate(allowed)),
        (_RETURN, 0, 0, _REFUSE_EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def restrict(libc: ctypes.CDLL) -> bool:
    """Have the kernel refuse every other call from now on; needs no-new-privs. False where it cannot."""
    # A 32-bit program on a 64-bit kernel has other numbers.
    code = program(os.uname().machine) if ctypes.sizeof(ctypes.c_void_p) == 8 else None
    if code is None:
        return False
    held = ctypes.create_string_buffer(code, len(code))
    wanted = _Program(len(code) // 8, ctypes.addressof(held))
    return bool(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(wanted), 0, 0) == 0)
