"""What the figures were measured on: versions of every library that they hang on, the processor, and one core of it."""

import ctypes
import os
import platform
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import apsw

PACKAGES: Final = (
    "zxing-cpp",
    "opencv-python-headless",
    "numpy",
    "pyzbar",
    "Pillow",
    "segno",
    "apsw",
    "cryptography",
)
MISSING: Final = "not installed"


def versions() -> dict[str, str]:
    """Library -> version; what is not installed says so."""
    found = {name: _package(name) for name in PACKAGES}
    found |= {
        "libzbar": _libzbar(),
        "SQLite of apsw": apsw.sqlite_lib_version(),
        "SQLite of Python": sqlite3.sqlite_version,
        "Python": platform.python_version(),
        "kernel": platform.release(),
        "processor": _processor(),
    }
    return found


def load() -> str:
    """How busy the machine is, for whoever judges the figures."""
    return f"{os.getloadavg()[0]:.1f} of {os.cpu_count()} cores busy in the last minute"


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process on one core, the last of those that it may use."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return MISSING


def _libzbar() -> str:
    path = find_library("zbar")
    if path is None:
        return MISSING
    parts = [ctypes.c_uint() for _ in range(3)]
    ctypes.CDLL(path).zbar_version(*(ctypes.byref(part) for part in parts))
    return ".".join(str(part.value) for part in parts)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return f"{line.partition(':')[2].strip()}, {os.cpu_count()} cores"
    return platform.machine()
