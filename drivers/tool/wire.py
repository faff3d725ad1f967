"""A port without a driver, for looking at what is there: a driver opens every relay first, and that is a guess too."""

import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from drivers.model import LineSettings
from drivers.port import Port, PortError
from drivers.tool.console import Exit, fail
from drivers.tool.opening import port_of, port_words
from drivers.tool.trace import Trace, TracedPort, open_trace

KEPT_MAX: Final = 64 * 1024  # of what comes while listening; a device that says more has been heard


@contextmanager
def raw_port(
    path: str, line: LineSettings, *, trace: Path | Trace | None = None, protocol: str = ""
) -> Iterator[Port]:
    """An open port; ends with exit code 3 when it cannot be opened, or goes away on the way.

    Args:
        path: Which.
        line: How it is set.
        trace: Where to write every byte; a trace that is open already goes on, and stays open.
        protocol: What to call it in a fresh trace.
    """
    port = port_of(path, line)
    with traced(trace, path, line, protocol=protocol) as written:
        if written is not None:
            written.baud = line.baud
            port = TracedPort(port, written)
        with _opened(port):
            yield port


@contextmanager
def traced(
    trace: Path | Trace | None, path: str, line: LineSettings, *, protocol: str = ""
) -> Iterator[Trace | None]:
    """The trace of a command that opens its port more than once; closed at the end if it was opened here."""
    if not isinstance(trace, Path):
        yield trace
        return
    written = open_trace(trace, protocol=protocol, port=path, line=line)
    try:
        yield written
    finally:
        written.close()


@contextmanager
def _opened(port: Port) -> Iterator[None]:
    try:
        port.open()
        try:
            yield
        finally:
            port.close()
    except PortError as error:
        fail(Exit.UNREACHABLE, port_words(error))


def collect(port: Port, seconds: float, *, enough: Callable[[bytes], bool] = lambda _data: False) -> bytes:
    """What comes within ``seconds``, or until ``enough`` says so; raises ``PortLostError``.

    What has come by the time that this program looks counts, also where a busy machine lets it look too late.
    """
    until_s = time.monotonic() + seconds
    heard = b""
    while len(heard) < KEPT_MAX:
        left_s = until_s - time.monotonic()
        if not select.select([port.fileno()], [], [], max(0.0, left_s))[0]:
            break
        heard += port.read()
        if left_s <= 0 or enough(heard):
            break
    return heard


def is_virtual(path: str) -> bool:
    """Whether whoever has it open may be the device itself, played by a simulator."""
    return Path(path).resolve().parent == Path("/dev/pts")


def hexed(data: bytes, *, most: int = 24) -> str:
    """Bytes for people: ``A0 01 01 A2``, and how many more there were."""
    shown = data[:most].hex(" ").upper()
    return shown if len(data) <= most else f"{shown} … +{len(data) - most}"
