"""The network behind a virtual modem: it reads submitted PDUs, puts messages together and delivers them.

Written from 3GPP TS 23.040 alone. What it cannot read it refuses, as a real one would.
"""

from dataclasses import dataclass, field
from typing import Final

INVALID_PDU: Final = 304  # +CMS ERROR
NETWORK_OUT: Final = 331
_UDHI, _REPORT, _VALIDITY, _SUBMIT = 0x40, 0x20, 0x18, 0x01
_ALPHABET: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)


class PduError(ValueError):
    """A PDU that no network would take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One submitted PDU."""

    to: str
    text: str
    reports: bool
    reference: int | None = None
    number: int = 1
    of: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A whole message as it reached a phone."""

    to: str
    text: str
    parts: int
    at_s: float


@dataclass(slots=True)
class MobileNetwork:
    """Towers, a centre for short messages, and the phones' inbox."""

    registration: int = 1  # 0 not, 1 at home, 2 searching, 3 denied, 5 roaming
    signal: int = 21  # 0 to 31, 99 unknown
    inbox: list[Message] = field(default_factory=list)
    _waiting: dict[tuple[str, int], dict[int, Part]] = field(default_factory=dict)

    @property
    def registered(self) -> bool:
        """Whether messages can be sent."""
        return self.registration in (1, 5)

    def submit(self, pdu: bytes, declared: int, now_s: float) -> Part:
        """Take one PDU, whose length without the centre's number was declared; raises ``PduError``."""
        part = read_submit(pdu, declared)
        if part.reference is None:
            self.inbox.append(Message(to=part.to, text=part.text, parts=1, at_s=now_s))
            return part
        waiting = self._waiting.setdefault((part.to, part.reference), {})
        waiting[part.number] = part
        if len(waiting) == part.of:
            text = "".join(waiting[number].text for number in sorted(waiting))
            self.inbox.append(Message(to=part.to, text=text, parts=part.of, at_s=now_s))
            del self._waiting[part.to, part.reference]
        return part

    @property
    def unfinished(self) -> int:
        """Messages of which some parts never came."""
        return len(self._waiting)


def read_submit(pdu: bytes, declared: int) -> Part:
    """Read an SMS-SUBMIT with the centre's number before it; raises ``PduError`` for anything else."""
    try:
        return _read_submit(pdu, declared)
    except IndexError:
        raise PduError("it ends too early") from None


def _read_submit(pdu: bytes, declared: int) -> Part:
    begin = 1 + pdu[0]
    if len(pdu) - begin != declared:
        raise PduError(f"{declared} octets were declared, {len(pdu) - begin} came")
    first = pdu[begin]
    if first & 0x03 != _SUBMIT:
        raise PduError("it is no submit")
    digits, kind = pdu[begin + 2], pdu[begin + 3]
    place = begin + 4 + (digits + 1) // 2
    to = ("+" if kind & 0x70 == 0x10 else "") + _number(pdu[begin + 4 : place], digits)
    coding = pdu[place + 1]
    validity = {0x00: 0, 0x10: 1, 0x08: 7, 0x18: 7}[first & _VALIDITY]
    length, body = pdu[place + 2 + validity], pdu[place + 3 + validity :]
    octets = length if coding == 0x08 else (length * 7 + 7) // 8
    if len(body) != octets or octets > 140:
        raise PduError(f"{octets} octets of text were declared, {len(body)} came")
    header = body[1 : 1 + body[0]] if first & _UDHI else b""
    skip = 1 + body[0] if first & _UDHI else 0
    text = _text(body, skip, length, coding)
    reference, of, number = _concatenation(header)
    return Part(to=to, text=text, reports=bool(first & _REPORT), reference=reference, number=number, of=of)


def _text(body: bytes, skip: int, length: int, coding: int) -> str:
    if coding == 0x08:
        if (length - skip) % 2:
            raise PduError("half a character")
        return body[skip:].decode("utf-16-be", "replace")
    if coding == 0x00:
        bits = int.from_bytes(body, "little")
        septets = [bits >> 7 * place & 0x7F for place in range(length)]
        return "".join(_ALPHABET[septet] for septet in septets[(skip * 8 + 6) // 7 :])
    raise PduError(f"no phone reads data coding {coding:02X}")


def _concatenation(header: bytes) -> tuple[int | None, int, int]:
    """Reference, how many parts, which part."""
    while header:
        kind, length = header[0], header[1]
        value, header = header[2 : 2 + length], header[2 + length :]
        if kind == 0x00 and length == 3:
            reference, of, number = value
            if not 1 <= number <= of:
                raise PduError(f"part {number} of {of}")
            return reference, of, number
    return None, 1, 1


def _number(packed: bytes, digits: int) -> str:
    nibbles = [nibble for octet in packed for nibble in (octet & 0x0F, octet >> 4)][:digits]
    if any(nibble > 9 for nibble in nibbles):
        raise PduError("a number has digits only")
    return "".join(map(str, nibbles))


def report_pdu(to: str, reference: int, *, delivered: bool) -> bytes:
    """A status report for one sent part, as ``+CDS`` brings it; its times are fixed."""
    bare = to.removeprefix("+")
    padded = bare + "F" * (len(bare) % 2)
    packed = bytes(int(padded[place + 1] + padded[place], 16) for place in range(0, len(padded), 2))
    moment = bytes.fromhex("62112221000023")  # 2026-11-22 12:00:00 +08:00, digits swapped
    address = bytes((len(bare), 0x91 if to.startswith("+") else 0x81)) + packed
    status = b"\x00" if delivered else b"\x46"
    return b"\x00\x06" + bytes((reference,)) + address + moment + moment + status
