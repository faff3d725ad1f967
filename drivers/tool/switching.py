"""Which boards such bytes would switch, if one of them were at the other end: the tool looks before it writes.

The rules are the boards' documented command sets (drivers reference 1.1 and 7.6), not our codecs: what matters is what
a *stranger* does with bytes that were meant for somebody else. Two kinds of board take every byte for the state of
their relays; no rule helps there, and the tool says so before it sends anything.
"""

from collections.abc import Iterator
from functools import reduce
from operator import xor
from typing import Final

from drivers.modbus_rtu import crc16
from drivers.usb_ids import DEVANTECH, NUMATO
from passes.words import Pair

HOPELESS: Final = Pair(
    "已激活的 ICStation 板和 FTDI bit-bang 板把任何字节都当作继电器状态：对它们没有安全的探测。",
    "An armed ICStation board and FTDI bit-bang boards take every byte for the state of their relays: "
    "no probe is safe on them.",
)

_DEVANTECH: Final = "Devantech USB-RLY"
OWN_USB: Final = {_DEVANTECH: DEVANTECH, "KMtronic": "0403", "Numato": NUMATO}
"""How the USB numbers of boards begin that are never behind somebody else's adapter (drivers reference 1.1)."""
_DEVANTECH_SETS: Final = 0x5C
_DEVANTECH_SWITCHES: Final = range(0x64, 0x77)  # the letters d to v
_ICSTATION_ARMS: Final = 0x51
_CONRAD_WRITES: Final = (1, 3, 6, 7, 8)  # SETUP, SETPORT, SETSINGLE, DELSINGLE, TOGGLE
_MODBUS_SHORT: Final = (5, 6)
_MODBUS_WRITES: Final = (*_MODBUS_SHORT, 15, 16)
_KMTRONIC_ASKS: Final = b"\xff\x09\x00"
_NUMATO_WRITES: Final = (
    b"relay on",
    b"relay off",
    b"relay writeall",
    b"gpio set",
    b"gpio clear",
    b"gpio writeall",
)
_7E_READS: Final = 0x10


def switched(data: bytes) -> tuple[str, ...]:
    """The boards that would switch, or change their settings, when they hear these bytes; each once, in order."""
    return tuple(dict.fromkeys(_found(data)))


def harmless(data: bytes) -> bool:
    """Whether no board that we know of would switch; the hopeless ones apart."""
    return not switched(data)


def _found(data: bytes) -> Iterator[str]:
    if any(byte == _DEVANTECH_SETS or byte in _DEVANTECH_SWITCHES for byte in data):
        yield _DEVANTECH
    if _ICSTATION_ARMS in data:
        yield "ICStation"
    for at, byte in enumerate(data):
        rest = data[at:]
        yield from _begins(byte, rest)
    if b"//" in data:
        yield "Denkovi 16"
    if b":FE05" in data.upper():
        yield "SainSmart 16"
    if any(word in data.lower() for word in _NUMATO_WRITES):
        yield "Numato"


def _begins(byte: int, rest: bytes) -> Iterator[str]:
    """The boards for which an order begins at this byte."""
    if byte == 0xFF and _kmtronic(rest):
        yield "KMtronic"
    if byte == 0xA0 and len(rest) >= 4 and sum(rest[:3]) & 0xFF == rest[3]:
        yield "LCUS"
    if len(rest) >= 4 and byte in _CONRAD_WRITES and reduce(xor, rest[:4]) == 0:
        yield "Conrad 197720"
    if _modbus_write(rest):
        yield "Modbus"
    if byte == 0xEB and len(rest) >= 5 and reduce(xor, rest[:5]) == 0:
        yield "turnstile-eb"
    if byte == 0x7E and len(rest) >= 8 and ~sum(rest[:7]) & 0xFF == rest[7] and rest[3] != _7E_READS:
        yield "turnstile-7e"


def _modbus_write(rest: bytes) -> bool:
    """Whether a whole frame that writes begins here: whatever unit it is for, a board may be set so."""
    if len(rest) < 8 or rest[1] not in _MODBUS_WRITES:
        return False
    length = 8 if rest[1] in _MODBUS_SHORT else 9 + rest[6]
    frame = rest[:length]
    return len(frame) == length and crc16(frame[:-2]) == frame[-2:]


def _kmtronic(rest: bytes) -> bool:
    """Whether ``FF channel state`` switches, or may with the next byte that somebody sends."""
    if rest[:3] == _KMTRONIC_ASKS:
        return False
    if len(rest) < 3:
        return True
    return rest[1] != 0 and rest[2] in (0, 1)
