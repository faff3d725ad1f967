"""Short messages as the octets that a modem takes and gives (3GPP TS 23.040), without any modem.

Outgoing messages are UCS-2 only: 70 characters, or parts of 67. The 7-bit alphabet would fit twice as many Latin
letters, but a Chinese gate sends Chinese, and one way is easier to trust than two. A character outside the basic plane
takes the place of two and is never cut in half.

Incoming octets come from anybody with a telephone: ``decode`` bounds them, and never raises.
"""

import re
from dataclasses import dataclass, field
from typing import Final

UNITS_MAX: Final = 70  # UCS-2 units in a message of one part
PART_UNITS_MAX: Final = 67
PARTS_MAX: Final = 10
NUMBER: Final = re.compile(r"\+?[0-9]{3,15}")
HEX_MAX: Final = 2 * (13 + 176)  # service centre, and the longest message
SUBMIT: Final = 0x01
WITH_HEADER: Final = 0x40
WITH_REPORT: Final = 0x20
UCS2: Final = 0x08
INTERNATIONAL: Final = 0x91
UNKNOWN_TYPE: Final = 0x81
NO_SERVICE_CENTRE: Final = "00"  # the SIM knows it


@dataclass(frozen=True, slots=True)
class Pdu:
    """One part as the modem takes it; ``length`` is what ``AT+CMGS`` names: octets without the service centre."""

    hex: str = field(repr=False)  # holds the number
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """What became of one part of an earlier message; None while the network still tries."""

    reference: int
    delivered: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A message that somebody sent to this SIM; text None where its coding is not ours to read."""

    sender: str = field(repr=False)
    text: str | None = field(repr=False)


class UnsendableError(ValueError):
    """The number or the text cannot be a short message; the message does not repeat either."""


def encode_submit(
    to: str, text: str, *, reference: int = 0, report: bool = True, number_type: int | None = None
) -> list[Pdu]:
    """The parts of a message, in order.

    Args:
        to: Digits, with a plus before a country's code.
        text: At most ``PARTS_MAX`` parts long.
        reference: Names the message among those to the same phone, 0 to 255.
        report: Ask the network to tell when each part was delivered.
        number_type: Type octet of the number where it is not what the plus says.

    Raises:
        UnsendableError: The number is none, or the text is empty or too long.
    """
    if not NUMBER.fullmatch(to):
        raise UnsendableError("A phone number is 3 to 15 digits, with a plus before the country's code")
    parts = split(text)
    if not parts:
        raise UnsendableError("A message needs a text")
    if len(parts) > PARTS_MAX:
        raise UnsendableError(f"A message of {len(parts)} parts is too long; {PARTS_MAX} are allowed")
    first = SUBMIT | (WITH_REPORT if report else 0) | (WITH_HEADER if len(parts) > 1 else 0)
    digits = to.removeprefix("+")
    type_ = number_type or (INTERNATIONAL if to.startswith("+") else UNKNOWN_TYPE)
    address = bytes((len(digits), type_)) + _semi_octets(digits)
    pdus = []
    for index, part in enumerate(parts, start=1):
        header = bytes((5, 0, 3, reference & 0xFF, len(parts), index)) if len(parts) > 1 else b""
        content = header + part
        octets = bytes((first, 0)) + address + bytes((0, UCS2, len(content))) + content
        pdus.append(Pdu(NO_SERVICE_CENTRE + octets.hex().upper(), len(octets)))
    return pdus


def split(text: str) -> list[bytes]:
    """The text in parts of UTF-16, high byte first; none for an empty text."""
    units = text.encode("utf-16-be", errors="replace")
    if len(units) <= 2 * UNITS_MAX:
        return [units] if units else []
    parts = []
    at = 0
    while at < len(units):
        end = at + 2 * PART_UNITS_MAX
        if end < len(units) and 0xD8 <= units[end - 2] <= 0xDB:
            end -= 2  # the first half of a pair
        parts.append(units[at:end])
        at = end
    return parts


def decode(text: str) -> StatusReport | Delivered | None:
    """What a modem handed over in hexadecimal; None for what is none, or is damaged."""
    if not 2 <= len(text) <= HEX_MAX or not re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", text):
        return None
    octets = bytes.fromhex(text)
    body = octets[1 + octets[0] :]  # behind the service centre
    try:
        match body[0] & 0x03:
            case 0x02:
                return _status_report(body)
            case 0x00:
                return _delivered(body)
    except IndexError:
        pass  # it ends too early
    return None


def _status_report(body: bytes) -> StatusReport:
    reference = body[1]
    _, at = _address(body, 2)
    status = body[at + 14]  # behind two times of 7 octets
    if status in {0x00, 0x02}:  # received, or replaced by a newer one that was
        delivered: bool | None = True
    else:
        delivered = False if status >= 0x40 else None
    return StatusReport(reference=reference, delivered=delivered)


def _delivered(body: bytes) -> Delivered | None:
    sender, at = _address(body, 1)
    coding, length = body[at + 1], body[at + 9]
    content = body[at + 10 :]
    header = content[0] + 1 if body[0] & WITH_HEADER else 0
    if coding & 0xEC == UCS2:  # not compressed, of any class
        if len(content) < length or header > length:
            return None
        return Delivered(sender=sender, text=content[header:length].decode("utf-16-be", errors="replace"))
    return Delivered(sender=sender, text=None)


def _address(body: bytes, at: int) -> tuple[str, int]:
    """The number at ``at``, and where it ends."""
    count, type_ = body[at], body[at + 1]
    end = at + 2 + (count + 1) // 2
    if end > len(body):
        raise IndexError(end)
    if type_ & 0x70 == 0x50:
        return "", end  # a name in letters: nobody can be called by it
    digits = "".join(f"{octet & 0x0F:x}{octet >> 4:x}" for octet in body[at + 2 : end])[:count]
    plus = "+" if type_ & 0x70 == 0x10 else ""
    return (plus + digits if digits.isdigit() else ""), end


def _semi_octets(digits: str) -> bytes:
    padded = digits + "F" * (len(digits) % 2)
    return bytes.fromhex("".join(padded[at + 1] + padded[at] for at in range(0, len(padded), 2)))
