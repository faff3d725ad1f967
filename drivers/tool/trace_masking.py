"""The newest lines of a trace, for somebody far away: nothing of a person is left in them, in text or in hex.

A modem's line carries phone numbers, messages and the PIN: as text, and as octets whose digits stand in swapped pairs,
cut anywhere between two rows; of it only the commands and the answers that hold no number are kept. A pass is as good
as its picture, a card number as good as a copy of the card, and a reader's new key goes over the line under the
published one: of a scanner and of an OSDP line only how many bytes there were. The bytes of a relay board stay, unless
what came from it reads like a code or a card: somebody took a scanner's port for a board's. Then what was sent stays.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from drivers.registry import PROTOCOLS
from drivers.tool.masking import masked, masked_numbers, masked_text

_MODEM: Final = "modem"
_OF_PEOPLE: Final = frozenset({"osdp", "scanner"})
_KEPT: Final = ("trace", "protocol", "port", "baud", "ms", "do", "why")
_HARMLESS: Final = re.compile(
    r"OK(?=\r)|ERROR(?=\r)|AT\+[A-Z]{3,5}|\+CM[ES] ERROR: \d{1,3}(?=\r)|\+CSQ: \d{1,2},\d{1,2}(?=\r)"
    r"|\+CE?REG: \d(?:,\d)?(?=\r)|\+CPIN: [A-Z][A-Z ]{1,11}(?=\r)"
)
_MODEM_SAYS: Final = re.compile(rb"AT[+^&]|\+C(?:MGS|MT|DS|MGL|MGR|MTI|DSI|PIN|LIP|NUM|MGF)|[0-9A-F]{24}")
_TEXT: Final = re.compile(rb"[\x20-\x7e\x80-\xfe]{12}")
_BOARD_SAYS: Final = (
    re.compile(  # what no board says: a pass, ten letters or digits together, four Chinese ones, OSDP
        rb"GP1:|[\x20-\x7e]{10}|(?:[\xe4-\xe9][\x80-\xbf]{2}){4}|\xff\x53.[\x07-\xff][\x00-\x05]", re.DOTALL
    )
)
_OWN_WORDS: Final = {  # what a board does say, in letters
    "numato": re.compile(rb"(?:relay|gpio|adc|ver|id)(?: [a-z]+)?(?: [0-9a-fA-V]{1,16})?")
}
_OSDP: Final = re.compile(rb"\x53.[\x07-\xff][\x00-\x05]", re.DOTALL)  # start, address, length


def sendable(lines: Sequence[str], header: str = "") -> list[str]:
    """The lines without passwords, and without what belongs to people.

    Args:
        lines: Of a trace file; one may be cut off or damaged.
        header: The file's first line, when it is not among them.
    """
    rows = [_row(line) for line in lines]
    protocol = str((_row(header) or (rows[0] if rows else None) or {}).get("protocol") or "")
    said = b"".join(_data(row) for row in rows if row is not None)  # a code may come in many pieces
    if protocol == _MODEM or _MODEM_SAYS.search(said):
        return [_bare(row, _of_modem) for row in rows]
    if protocol in _OF_PEOPLE or (
        protocol not in PROTOCOLS and any(look.search(said) for look in (_TEXT, _OSDP))
    ):
        return [_bare(row, _counted) for row in rows]
    came = b"".join(_data(row) for row in rows if row is not None and row.get("do") != "tx")
    if protocol in _OWN_WORDS:
        came = _OWN_WORDS[protocol].sub(b"\n", came)
    is_strange = _BOARD_SAYS.search(came) is not None
    return [
        _bare(row, _counted)
        if is_strange and (row is None or row.get("do") != "tx")
        else _of_board(line, row)
        for line, row in zip(lines, rows, strict=True)
    ]


def _bare(row: dict[str, Any] | None, shown: Callable[[bytes], dict[str, Any]]) -> str:
    """A row with what ``shown`` tells of its bytes in their place."""
    if row is None:
        return "…"
    data = _data(row)
    kept: dict[str, Any] = {name: masked(row[name], name) for name in _KEPT if name in row}
    return masked_numbers(json.dumps(kept | (shown(data) if data else {}), ensure_ascii=False))


def _counted(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data)}


def _of_modem(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "frames": _HARMLESS.findall(data.decode("ascii", "replace"))}


def _of_board(line: str, row: dict[str, Any] | None) -> str:
    if row is None:
        return masked_numbers(masked_text(line))
    said = _data(row).decode("latin-1")
    bare = {name: masked_text(value) if isinstance(value, str) else value for name, value in row.items()}
    if masked_numbers(said) != said:
        bare["hex"] = ""
    return masked_numbers(line if bare == row else json.dumps(bare, ensure_ascii=False))


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
