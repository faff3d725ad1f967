"""Base45 (RFC 9285): two bytes in three characters of the QR alphanumeric set, one byte in two."""

from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_FOREIGN: Final = 0xFF
_LANE_BYTES: Final = 4
_VALUES: Final = bytes(ALPHABET.find(chr(code)) & _FOREIGN for code in range(256))
"""For each ASCII code the value of its character; -1, a character that is not in the alphabet, becomes 0xFF."""


class Base45Error(ValueError):
    """The text is not the base45 form of any bytes."""


def encode(data: bytes) -> str:
    """Write ``data`` in base45."""
    out: list[str] = []
    for start in range(0, len(data) - 1, 2):
        high, low = divmod(data[start] * 256 + data[start + 1], 45 * 45)
        middle, low = divmod(low, 45)
        out += ALPHABET[low], ALPHABET[middle], ALPHABET[high]
    if len(data) % 2:
        high, low = divmod(data[-1], 45)
        out += ALPHABET[low], ALPHABET[high]
    return "".join(out)


def decode(text: str) -> bytes:
    """Read base45; raises ``Base45Error`` for a foreign character, a wrong length or a group that overflows."""
    if len(text) % 3 == 1:
        raise Base45Error("length cannot come from whole bytes")
    try:
        values = text.encode("ascii").translate(_VALUES)
    except UnicodeEncodeError as error:
        raise Base45Error(f"character {text[error.start]!r} is not in the alphabet") from None
    if _FOREIGN in values:
        raise Base45Error(f"character {text[values.index(_FOREIGN)]!r} is not in the alphabet")
    whole = values[: len(values) // 3 * 3]
    sums = _lanes(whole[::3]) + 45 * _lanes(whole[1::3]) + 2025 * _lanes(whole[2::3])
    lanes = sums.to_bytes(len(whole) // 3 * _LANE_BYTES, "big")
    if 1 in lanes[1::_LANE_BYTES]:  # three characters make 91,124 at most, so no other byte shows it
        raise Base45Error("a group of three is above 65535")
    out = bytearray(len(whole) // 3 * 2)
    out[::2], out[1::2] = lanes[2::_LANE_BYTES], lanes[3::_LANE_BYTES]
    if len(values) % 3:
        last = values[-2] + 45 * values[-1]
        if last > 0xFF:
            raise Base45Error("the last group is above 255")
        out.append(last)
    return bytes(out)


def _lanes(values: bytes) -> int:
    """Many small numbers as one: each in four bytes of its own, so that one sum adds them all at once."""
    wide = bytearray(len(values) * _LANE_BYTES)
    wide[_LANE_BYTES - 1 :: _LANE_BYTES] = values
    return int.from_bytes(wide, "big")
