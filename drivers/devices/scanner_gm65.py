"""GM65, GM812 and GM861 engines (Grow): one zone byte says whether printed set-up codes are obeyed.

A question or an order is ``7E 00 type length address(2) data check(2)``; the documents allow ``AB CD`` for "not
checked" in our direction. The answer ``02 00 00 length data check(2)`` is checked here: CRC-CCITT from zero over all
but its first two bytes, which is also the rule of the orders (drivers reference 1.4; its printed frames agree).

The GM67 family speaks something else and is not for this module.
"""

from typing import Final

from drivers.devices.scanner_setup import Rejected, Value

UNCHECKED: Final = b"\xab\xcd"
ZONE_SET_UP: Final = 0x0003
SET_UP_CLOSED: Final = 0b10  # drivers reference 1.4: bit 1 closes printed set-up codes
READ: Final = 0x07
WRITE: Final = 0x08
SAVE: Final = bytes.fromhex("7E 00 09 01 00 00 00 DE C8")
ANSWER_HEAD: Final = bytes.fromhex("02 00 00")
ANSWER_MIN: Final = 7  # one byte of data


def crc_ccitt(data: bytes) -> bytes:
    """Polynomial 1021, from zero, high byte first."""
    value = 0
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ 0x1021) & 0xFFFF if value & 0x8000 else value << 1
    return value.to_bytes(2, "big")


def read_zone(address: int, count: int = 1) -> bytes:
    """The question for ``count`` zone bytes."""
    return bytes((0x7E, 0x00, READ, 0x01)) + address.to_bytes(2, "big") + bytes((count,)) + UNCHECKED


def write_zone(address: int, value: int) -> bytes:
    """The order to set one zone byte until power is lost."""
    return bytes((0x7E, 0x00, WRITE, 0x01)) + address.to_bytes(2, "big") + bytes((value,)) + UNCHECKED


class Gm65Codec:
    """The bytes of a GM65."""

    baud = 9600

    def ask(self) -> bytes | None:
        """Read the zone byte."""
        return read_zone(ZONE_SET_UP)

    def lock(self, value: bytes, *, save: bool) -> list[bytes]:
        """Set the one bit and leave the others; ``save`` keeps all zone bytes over a power cut."""
        frames = [write_zone(ZONE_SET_UP, value[0] | SET_UP_CLOSED)]
        return [*frames, SAVE] if save else frames

    def answer(self, data: bytes) -> tuple[int, Value | Rejected] | None:
        """The last whole answer, of one byte of data; a read and an order are answered alike."""
        at = len(data) - ANSWER_MIN
        frame = data[at:] if at >= 0 else b""
        if not frame.startswith(ANSWER_HEAD + b"\x01") or crc_ccitt(frame[2:-2]) != frame[-2:]:
            return None
        return at, Value(frame[4:5])

    def leading(self, data: bytes) -> int:
        """Whether an answer is at the beginning."""
        return ANSWER_MIN if self.answer(data[:ANSWER_MIN]) is not None else 0

    def is_locked(self, value: bytes) -> bool:
        """Whether the bit is set."""
        return bool(value[0] & SET_UP_CLOSED)
