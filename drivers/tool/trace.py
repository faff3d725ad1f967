"""``--trace FILE``: every byte of a port with its time, as JSON lines that can be read, sent in, and played back.

The first line is ``{"trace": 1, "protocol", "port", "baud"}``. Each other line has ``ms`` (monotonic, since the trace
began) and ``do``: ``open`` with the ``baud`` of this opening, ``tx`` and ``rx`` with ``hex`` and, where they are
understood, ``frames`` in words, ``lost`` with ``why``, ``close``. ``postern-sim replay`` plays the device's side of it.
"""

import json
import time
from collections.abc import Callable
from io import TextIOBase
from pathlib import Path
from typing import Annotated, Any, Final, Protocol

import typer

from drivers.model import LineSettings
from drivers.port import Port, PortError
from drivers.tool.console import Exit, fail
from drivers.tool.frames import in_words
from passes.words import Pair

VERSION: Final = 1

TraceOption = Annotated[
    Path | None, typer.Option("--trace", help="Write every byte with its time to this file, as JSON lines.")
]


class Notes(Protocol):
    """Whoever is told what passes through a port."""

    def put(self, do: str, data: bytes = b"", **more: str) -> None:
        """Something happened, now."""


class Trace:
    """A trace file, complete after each line.

    Args:
        sink: An open text file; closed by ``close``.
        protocol: Whose frames to put in words.
        port: Which device.
        baud: Its speed; may be set anew before the port is opened again.
        monotonic_s: The monotonic clock.
    """

    def __init__(
        self,
        sink: TextIOBase,
        *,
        protocol: str,
        port: str,
        baud: int,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sink, self._protocol, self._monotonic_s = sink, protocol, monotonic_s
        self.baud = baud
        self._began_s = monotonic_s()
        self._write({"trace": VERSION, "protocol": protocol, "port": port, "baud": baud})

    def put(self, do: str, data: bytes = b"", **more: str) -> None:
        """One line, now."""
        row: dict[str, Any] = {"ms": round((self._monotonic_s() - self._began_s) * 1000, 3), "do": do}
        if data:
            row["hex"] = data.hex(" ").upper()
            frames = in_words(self._protocol, data, sent=do == "tx")
            if frames:
                row["frames"] = frames
        if do == "open":
            row["baud"] = self.baud
        self._write(row | more)

    def close(self) -> None:
        """End the file."""
        self._sink.close()

    def _write(self, row: dict[str, Any]) -> None:
        self._sink.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._sink.flush()


class TracedPort:
    """A port that writes down what passes through it."""

    def __init__(self, port: Port, trace: Notes) -> None:
        self._port, self._trace = port, trace

    @property
    def path(self) -> str:
        """Path of the device."""
        return self._port.path

    def open(self) -> None:
        """Open it; raises a ``PortError``."""
        try:
            self._port.open()
        except PortError as error:
            self._trace.put("lost", why=str(error))
            raise
        self._trace.put("open")

    def fileno(self) -> int:
        """Descriptor of the open device."""
        return self._port.fileno()

    def read(self) -> bytes:
        """What has arrived; raises ``PortLostError``."""
        try:
            data = self._port.read()
        except PortError as error:
            self._trace.put("lost", why=str(error))
            raise
        if data:
            self._trace.put("rx", data)
        return data

    def write(self, data: bytes) -> None:
        """Hand all bytes to the device; raises ``PortLostError``."""
        self._trace.put("tx", data)  # before the write: an answer must never stand above its question
        try:
            self._port.write(data)
        except PortError as error:
            self._trace.put("lost", why=str(error))
            raise

    def close(self) -> None:
        """Close it, whatever its state."""
        self._trace.put("close")
        self._port.close()


def open_trace(path: Path, *, protocol: str, port: str, line: LineSettings) -> Trace:
    """A fresh trace file; an older one of the same name is replaced. Ends with exit code 1 when it cannot be made."""
    try:
        sink = path.open("w", encoding="utf-8")
    except OSError as error:
        fail(
            Exit.FAILED,
            Pair("无法写入跟踪文件 {path}（{why}）", "The trace {path} cannot be written ({why})"),
            path=path,
            why=error.strerror,
        )
    return Trace(sink, protocol=protocol, port=port, baud=line.baud)
