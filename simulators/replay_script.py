"""A trace of ``postern-driver`` as a script: what the host wrote, and what the device answered after how long.

The first line is ``{"trace": 1, "protocol", "port", "baud"}``; each other line has ``ms`` and ``do``: ``open``, ``tx``
and ``rx`` with ``hex``, ``lost``, ``close``. Lines from which the bytes were taken, as ``postern-driver report`` does
with a modem's, cannot be played.
"""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from shell.file_reading import read_at_most

FILE_BYTES_MAX: Final = 50_000_000
BACK_AFTER_S: Final = 1.0  # when a lost line comes back, if the trace does not say
_OF_MODEM: Final = re.compile(rb"AT[+^&\r]|\+C[A-Z]{2,4}:")


class ScriptError(ValueError):
    """A file that cannot be played; ``line`` counts from 1."""

    def __init__(self, file: Path, line: int, why: str) -> None:
        super().__init__(f"{file}, line {line}: {why}")
        self.file, self.line = file, line


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The device said something, ``after_s`` the host's write (or the beginning); or the cable was pulled then.

    Args:
        after_s: Seconds.
        data: What it said; empty when the cable was pulled.
        back_after_s: When the cable was back, counted from the pull.
    """

    after_s: float
    data: bytes = b""
    back_after_s: float = BACK_AFTER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What the host wrote in one go, at this speed, and what followed; the first turn has no bytes of the host.

    Args:
        data: The host's bytes.
        baud: Speed of the line then.
        at_s: Seconds after the first line.
        said: What the device did until the host wrote again.
        line: Of the file.
        opened: The host opened the line right before.
    """

    data: bytes
    baud: int
    at_s: float
    said: tuple[Said, ...]
    line: int
    opened: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One trace: ``turns[0]`` is what came before the host wrote anything.

    Args:
        protocol: As the trace names it; may be empty.
        secret: Its bytes may be somebody's number or message, and are not shown.
        turns: In order.
        ends_s: Seconds from the first line to the last.
    """

    protocol: str
    secret: bool
    turns: tuple[Turn, ...]
    ends_s: float


def read_script(file: Path) -> Script:
    """Read a trace.

    Raises:
        ScriptError: It is none, it has been masked, or nothing in it can be played.
        OSError: It cannot be read.
    """
    lines = read_at_most(file, FILE_BYTES_MAX).decode(errors="replace").splitlines()
    rows = [(number, _row(file, number, line)) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows or rows[0][1].get("trace") != 1:
        raise ScriptError(file, 1, "it is no trace of postern-driver")
    head, baud = rows[0][1], _whole(rows[0][1].get("baud"), 0)
    turns: list[Turn] = []
    begun: dict[str, Any] = {"data": b"", "baud": baud, "at_s": 0.0, "line": 1}
    said: list[Said] = []
    at_s = lost_s = 0.0
    opened = False
    for number, row in rows[1:]:
        at_s = _seconds(file, number, row, at_s)
        data = _bytes(file, number, row)
        match row.get("do"):
            case "open":
                baud, opened = _whole(row.get("baud"), baud), True
                if said and not said[-1].data:
                    said[-1] = replace(said[-1], back_after_s=max(0.1, at_s - lost_s))
            case "tx" if data:
                turns.append(Turn(said=tuple(said), **begun))
                begun, said = {"data": data, "baud": baud, "at_s": at_s, "line": number, "opened": opened}, []
                opened = False
            case "rx" if data:
                said.append(Said(after_s=at_s - begun["at_s"], data=data))
            case "lost":
                said.append(Said(after_s=at_s - begun["at_s"]))
                lost_s = at_s
    turns.append(Turn(said=tuple(said), **begun))
    if len(turns) == 1 and not turns[0].said:
        raise ScriptError(file, len(lines), "nothing was written or heard in it")
    spoken = str(head.get("protocol") or "")
    every = b"".join(turn.data + b"".join(each.data for each in turn.said) for turn in turns)
    secret = spoken == "modem" or _OF_MODEM.search(every) is not None
    return Script(protocol=spoken, secret=secret, turns=tuple(turns), ends_s=at_s)


def _row(file: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise ScriptError(
            file, number, "it is no line of a trace; was the file cut off, or masked by a report?"
        )
    return row


def _seconds(file: Path, number: int, row: dict[str, Any], before_s: float) -> float:
    found = row.get("ms")
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise ScriptError(file, number, 'it has no time ("ms")')
    return max(before_s, found / 1000)


def _bytes(file: Path, number: int, row: dict[str, Any]) -> bytes:
    if row.get("do") not in {"tx", "rx"}:
        return b""
    try:
        data = bytes.fromhex(str(row.get("hex", "")))
    except ValueError:
        raise ScriptError(file, number, '"hex" is not bytes, two digits each') from None
    if not data:
        raise ScriptError(
            file,
            number,
            "its bytes were taken out, as a report does where people's numbers are; record it anew",
        )
    return data


def _whole(found: object, otherwise: int) -> int:
    return found if isinstance(found, int) and not isinstance(found, bool) else otherwise
