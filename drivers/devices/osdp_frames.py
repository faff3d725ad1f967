"""OSDP frames as they look on the line: what can be read of them without a key, and the one question that needs none.

libosdp makes and takes the frames of a conversation (``drivers.devices.osdp_panel``). This is for whoever looks at a
line from outside. A secure channel hides the data of a frame and not its code, so it still shows *that* an output was
ordered. Layout: mark byte FF (may be missing), 53, address, length (2, low first), control, [security block], code,
data, [4 bytes of a MAC], check.
"""

from binascii import crc_hqx
from dataclasses import dataclass
from typing import Final

ANYBODY: Final = 0x7F  # every reader answers to it: for a line with one reader only
ADDRESS_MAX: Final = 126
OUTPUT: Final = 0x68  # order: outputs
ASK_ID: Final = 0x61
NAK: Final = 0x41
NAMED: Final = 0x45
_START: Final = 0x53
_REPLY: Final = 0x80  # of an address
_WITH_CRC: Final = 0x04  # of the control byte
_WITH_SECURITY: Final = 0x08
_CRC_BEGINS: Final = 0x1D0F
_HEAD: Final = 5
_SHORTEST: Final = _HEAD + 2  # a code and a check byte
_LONGEST: Final = 1440
_MAC: Final = 4
_ENCRYPTED: Final = (0x17, 0x18)
_WITH_MAC: Final = (0x15, 0x16, *_ENCRYPTED)
_NAMED_BYTES: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame with a good check.

    Args:
        address: The reader's; ``ANYBODY`` for all.
        reply: The reader says it.
        code: What it is.
        data: What follows the code, without MAC and check; unreadable where it is ``encrypted``.
        encrypted: The data is hidden.
    """

    address: int
    reply: bool
    code: int
    data: bytes
    encrypted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """Who a reader says it is, to anybody who asks: nothing proves it."""

    maker: str
    model: str
    firmware: str
    serial: str


def frames_in(data: bytes) -> list[Frame]:
    """Every whole frame in these bytes; what is between them is passed over."""
    found: list[Frame] = []
    at = 0
    while (at := data.find(_START, at)) >= 0:
        raw = _raw(data[at:])
        frame = None if raw is None else _read(raw)
        if raw is None or frame is None:
            at += 1
        else:
            found.append(frame)
            at += len(raw)
    return found


def id_question(unit: int | None = None, *, summed: bool = False) -> bytes:
    """Ask who is there, in the clear: one reader, or whoever is alone on the line.

    Args:
        unit: Its address; None for anybody.
        summed: With a sum for its check instead of a CRC, which older readers know only.
    """
    address = ANYBODY if unit is None else unit
    assert 0 <= address <= ANYBODY, f"a reader's address is 0 to {ADDRESS_MAX}, not {address}"
    if summed:
        body = bytes((_START, address, 8, 0, 0, ASK_ID, 0))
        return body + bytes((-sum(body) & 0xFF,))
    body = bytes((_START, address, 9, 0, _WITH_CRC, ASK_ID, 0))
    return body + _crc(body)


def called_in(heard: bytes) -> Called | None:
    """Who answered a question of ``id_question``; None when nobody told a name."""
    for frame in frames_in(heard):
        if frame.reply and frame.code == NAMED and len(frame.data) == _NAMED_BYTES and not frame.encrypted:
            data = frame.data
            return Called(
                maker=data[:3][::-1].hex(),
                model=f"{data[3]}.{data[4]}",
                serial=data[5:9][::-1].hex(),
                firmware=".".join(str(byte) for byte in data[9:]),
            )
    return None


def replied_in(heard: bytes) -> bool:
    """Whether some reader answered, whatever it said: this line speaks OSDP."""
    return any(frame.reply for frame in frames_in(heard))


def order(channel: int, *, tenths: int = 0) -> bytes:
    """Code and data that close one output for so many tenths of a second, or open it."""
    code = 5 if tenths else 1
    return bytes((OUTPUT, channel - 1, code)) + tenths.to_bytes(2, "little")


def orders_output(data: bytes) -> bool:
    """Whether these bytes order an output, in the clear or not."""
    return any(not frame.reply and frame.code == OUTPUT for frame in frames_in(data))


def _raw(data: bytes) -> bytes | None:
    """The frame that begins here, checked."""
    if len(data) < _SHORTEST:
        return None
    length = int.from_bytes(data[2:4], "little")
    raw = data[:length]
    if not _SHORTEST <= length <= _LONGEST or len(raw) != length:
        return None
    if raw[4] & _WITH_CRC:
        return raw if _crc(raw[:-2]) == raw[-2:] else None
    return raw if sum(raw) & 0xFF == 0 else None


def _read(raw: bytes) -> Frame | None:
    body = raw[_HEAD : -2 if raw[4] & _WITH_CRC else -1]
    kind = 0
    if raw[4] & _WITH_SECURITY:
        if len(body) < 2 or not 2 <= body[0] < len(body):
            return None
        kind, body = body[1], body[body[0] :]
    if kind in _WITH_MAC:
        body = body[:-_MAC]
    if not body:
        return None
    return Frame(
        address=raw[1] & ~_REPLY,
        reply=bool(raw[1] & _REPLY),
        code=body[0],
        data=body[1:],
        encrypted=kind in _ENCRYPTED,
    )


def _crc(data: bytes) -> bytes:
    return crc_hqx(data, _CRC_BEGINS).to_bytes(2, "little")
