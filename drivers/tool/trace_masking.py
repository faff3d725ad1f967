"""The newest lines of a trace, for somebody far away: nothing of a person is left in them, in text or in hex.

A modem's line carries phone numbers, messages and the PIN: as text, and as octets whose digits stand in swapped pairs,
cut anywhere between two rows. So of such a trace only the commands and the answers that hold no number are kept.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from drivers.tool.masking import masked, masked_numbers, masked_text

_KEPT: Final = ("trace", "protocol", "port", "baud", "ms", "do", "why")
_HARMLESS: Final = re.compile(
    r"OK(?=\r)|ERROR(?=\r)|AT\+[A-Z]{3,5}|\+CM[ES] ERROR: \d{1,3}(?=\r)|\+CSQ: \d{1,2},\d{1,2}(?=\r)"
    r"|\+CE?REG: \d(?:,\d)?(?=\r)|\+CPIN: [A-Z][A-Z ]{1,11}(?=\r)"
)
_MODEM_SAYS: Final = re.compile(rb"AT[+^&]|\+C(?:MGS|MT|DS|MGL|MGR|MTI|DSI|PIN|LIP|NUM|MGF)|[0-9A-F]{24}")


def sendable(lines: Sequence[str], header: str = "") -> list[str]:
    """The lines with phone numbers, passwords and what a modem said of people left out.

    Args:
        lines: Of a trace file; one may be cut off or damaged.
        header: The file's first line, when it is not among them.
    """
    rows = [_row(line) for line in lines]
    spoken = str((_row(header) or (rows[0] if rows else None) or {}).get("protocol") or "")
    said = b"".join(_data(row) for row in rows if row is not None)
    of_modem = spoken == "modem" or _MODEM_SAYS.search(said) is not None
    return [
        _of_modem(row) if of_modem else _of_board(line, row) for line, row in zip(lines, rows, strict=True)
    ]


def _of_modem(row: dict[str, Any] | None) -> str:
    if row is None:
        return "…"
    data = _data(row)
    kept: dict[str, Any] = {name: masked(row[name], name) for name in _KEPT if name in row}
    if data:
        kept |= {"bytes": len(data), "frames": _HARMLESS.findall(data.decode("ascii", "replace"))}
    return masked_numbers(json.dumps(kept, ensure_ascii=False))


def _of_board(line: str, row: dict[str, Any] | None) -> str:
    if row is not None:
        said = _data(row).decode("latin-1")
        if masked_numbers(said) != said:
            line = json.dumps(row | {"hex": ""}, ensure_ascii=False)
    return masked_numbers(masked_text(line))


def _row(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _data(row: dict[str, Any]) -> bytes:
    try:
        return bytes.fromhex(str(row.get("hex", "")))
    except ValueError:
        return b""
