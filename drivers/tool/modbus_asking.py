"""Reading questions to a Modbus unit, in bytes that no stranger takes for an order, and what an answer proves.

A unit number, an address or a check may be a switching command of another maker's board: a read of unit 100 opens
everything on a Devantech board. So of all the questions that a unit could be asked, one is picked whose bytes, together
with those sent before, are harmless (``drivers.tool.switching``). Function 1 is asked from address 1 on, because
``01 01 00 00`` gives a Conrad board a new address.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from drivers.modbus_rtu import crc16
from drivers.tool.switching import harmless

READ_COILS: Final = 1
READ_INPUTS: Final = 2
READ_REGISTERS: Final = 3
READS: Final = (READ_REGISTERS, READ_COILS, READ_INPUTS)  # in the order in which units are asked
UNITS: Final = range(1, 248)  # 0 is everybody at once: never
UNIT_MAX: Final = 255  # the standard ends at 247, some makers do not
_TRIES: Final = 24
_CODES: Final = range(1, 12)  # of an exception


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A unit answered: with the data of ``function``, or with an exception of this code."""

    unit: int
    function: int
    code: int | None = None


def question(unit: int, function: int, *, before: bytes = b"") -> bytes | None:
    """A reading question whose bytes switch nothing after those ``before``; None when this unit has none."""
    assert 1 <= unit <= UNIT_MAX, f"unit {unit}: 1 to {UNIT_MAX}, and never 0"
    assert function in READS, f"function {function} does not read"
    return next((frame for frame in _questions(unit, function) if harmless(before[-8:] + frame)), None)


def any_question(unit: int, function: int) -> bytes:
    """The plain question, whatever it does to strangers: for a line of which somebody says that it is isolated."""
    return next(_questions(unit, function))


def answer(heard: bytes, asked: bytes) -> Answered | None:
    """The unit's answer somewhere in what was heard, even behind an echo of the question."""
    unit, function, count = asked[0], asked[1], int.from_bytes(asked[4:6], "big")
    size = 2 * count if function == READ_REGISTERS else (count + 7) // 8
    for at in range(len(heard) - 4):
        if heard[at] != unit:
            continue
        refusal, data = heard[at : at + 5], heard[at : at + 5 + size]
        if refusal[1] == function | 0x80 and refusal[2] in _CODES and crc16(refusal[:3]) == refusal[3:]:
            return Answered(unit=unit, function=function, code=refusal[2])
        if data[1:3] == bytes((function, size)) and len(data) == 5 + size and crc16(data[:-2]) == data[-2:]:
            return Answered(unit=unit, function=function)
    return None


def _questions(unit: int, function: int) -> Iterator[bytes]:
    for address in range(1, _TRIES):
        counts = (1,) if function == READ_REGISTERS else (8, 1)
        for count in counts:
            body = bytes((unit, function)) + address.to_bytes(2, "big") + count.to_bytes(2, "big")
            yield body + crc16(body)
