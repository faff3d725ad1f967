"""Which boards such bytes would switch, if one of them were at the other end: the tool looks before it writes.

The rules are the boards' documented command sets (drivers reference 1.1 and 7.6), not our codecs: what matters is what
a *stranger* does with bytes that were meant for somebody else. Two kinds of board take every byte for the state of
their relays; no rule helps there, and the tool says so before it sends anything.
"""

from collections.abc import Iterator
from functools import reduce
from operator import xor
from typing import Final

from passes.words import Pair

HOPELESS: Final = Pair(
    "已激活的 ICStation 板和 FTDI bit-bang 板把任何字节都当作继电器状态：对它们没有安全的探测。",
    "An armed ICStation board and FTDI bit-bang boards take every byte for the state of their relays: "
    "no probe is safe on them.",
)

_DEVANTECH: Final = "Devantech USB-RLY"
_DEVANTECH_SETS: Final = 0x5C
_DEVANTECH_SWITCHES: Final = range(0x64, 0x77)  # the letters d to v
_ICSTATION_ARMS: Final = 0x51
_CONRAD_WRITES: Final = (1, 3, 6, 7, 8)  # SETUP, SETPORT, SETSINGLE, DELSINGLE, TOGGLE
_KMTRONIC_ASKS: Final = b"\xff\x09\x00"
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
        if byte == 0xFF and _kmtronic(rest):
            yield "KMtronic"
        if byte == 0xA0 and len(rest) >= 4 and sum(rest[:3]) & 0xFF == rest[3]:
            yield "LCUS"
        if len(rest) >= 4 and byte in _CONRAD_WRITES and reduce(xor, rest[:4]) == 0:
            yield "Conrad 197720"
        if byte == 0xEB and len(rest) >= 5 and reduce(xor, rest[:5]) == 0:
            yield "turnstile-eb"
        if byte == 0x7E and len(rest) >= 8 and ~sum(rest[:7]) & 0xFF == rest[7] and rest[3] != _7E_READS:
            yield "turnstile-7e"
    if b"//" in data:
        yield "Denkovi 16"
    if b":FE05" in data.upper():
        yield "SainSmart 16"
    if b"relay " in data.lower():
        yield "Numato"


def _kmtronic(rest: bytes) -> bool:
    """Whether ``FF channel state`` switches, or may with the next byte that somebody sends."""
    if rest[:3] == _KMTRONIC_ASKS:
        return False
    if len(rest) < 3:
        return True
    return rest[1] != 0 and rest[2] in (0, 1)
