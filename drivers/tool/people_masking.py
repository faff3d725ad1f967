"""Lines of a trace without what belongs to people: passes that a scanner read, cards and keys of an OSDP line.

A pass is as good as its picture, a card number as good as a copy of the card, and a reader's new key goes over the line
under the published one. What is left of such bytes is how many there were; the bytes of a relay board stay.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from drivers.registry import PROTOCOLS

_OF_PEOPLE: Final = frozenset({"osdp", "scanner", "modem"})
_KEPT: Final = ("trace", "protocol", "port", "baud", "ms", "do", "why")
_TEXT: Final = re.compile(rb"[\x20-\x7e\x80-\xfe]{12}")
_OSDP: Final = re.compile(rb"\x53.[\x07-\xff][\x00-\x05]", re.DOTALL)  # start, address, length


def without_people(lines: Sequence[str], header: str = "") -> list[str]:
    """The lines, with the bytes left out of those that may say something of a person.

    Args:
        lines: Of a trace file; one may be damaged.
        header: The file's first line, when it is not among them.
    """
    rows = [_row(line) for line in lines]
    protocol = str((_row(header) or (rows[0] if rows else None) or {}).get("protocol") or "")
    if protocol in PROTOCOLS and protocol not in _OF_PEOPLE:
        return list(lines)
    data = b"".join(_data(row) for row in rows if row is not None)  # a code may come in many pieces
    hidden = protocol in _OF_PEOPLE or any(look.search(data) for look in (_TEXT, _OSDP))
    return [_bare(row) if hidden else line for line, row in zip(lines, rows, strict=True)]


def _bare(row: dict[str, Any] | None) -> str:
    if row is None:
        return "…"
    kept: dict[str, Any] = {name: row[name] for name in (*_KEPT, "bytes") if name in row}
    if "frames" in row and "hex" not in row:
        kept["frames"] = row["frames"]  # of a modem, and harmless already
    if row.get("hex"):
        kept["bytes"] = len(_data(row))
    return json.dumps(kept, ensure_ascii=False)


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
