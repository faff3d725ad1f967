"""Base45 (RFC 9285): two bytes in three characters of the QR alphanumeric set, one byte in two."""

from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_VALUE: Final = {character: value for value, character in enumerate(ALPHABET)}


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
        values = [_VALUE[character] for character in text]
    except KeyError as error:
        raise Base45Error(f"character {error.args[0]!r} is not in the alphabet") from None
    out = bytearray()
    for start in range(0, len(values) - 2, 3):
        number = values[start] + 45 * values[start + 1] + 2025 * values[start + 2]
        if number > 0xFFFF:
            raise Base45Error("a group of three is above 65535")
        out += number.to_bytes(2, "big")
    if len(values) % 3:
        number = values[-2] + 45 * values[-1]
        if number > 0xFF:
            raise Base45Error("the last group is above 255")
        out.append(number)
    return bytes(out)
