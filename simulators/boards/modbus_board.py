"""Modbus boards' common part: RTU frames in and out, functions by number, exceptions as the standard has them.

What a board's registers mean is its own; ``answer`` serves Modbus TCP as well, which has the same inside.
"""

from collections.abc import Callable
from typing import Final

from simulators.boards.board import Board
from simulators.boards.device import Answer, earliest
from simulators.boards.modbus_io import SILENCE_S, check_bytes

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
_FIXED: Final = {1, 2, 3, 4, 5, 6}  # eight bytes each
_COUNTED: Final = {15, 16}  # seven, a count of bytes before them, and the check
_BUFFER_MAX: Final = 256
_SETTLES_S: Final = 0.02  # the answer to a change of speed still goes out at the old one


class IllegalError(Exception):
    """A request that the board refuses with an exception reply."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Modbus exception {code}")
        self.code = code


class ModbusBoard(Board):
    """A slave on a Modbus RTU line.

    Args:
        unit: Its address.
        relays: How many relays.
        inputs: How many inputs.
    """

    answers_unit_0 = False  # some boards answer to the address that the standard keeps for orders to all

    def __init__(self, *, unit: int = 1, relays: int = 0, inputs: int = 0) -> None:
        super().__init__(relays=relays, inputs=inputs)
        self.unit = unit
        self.restarts_for_speed = (
            False  # whether a new speed waits for the next power cycle; makers do not say
        )
        self._line_baud = self._kept_baud = self.baud
        self._settles_s: float | None = None
        self._pending = b""
        self._heard_s = 0.0

    @property
    def speed(self) -> int:
        """The speed it listens at now."""
        return self._line_baud

    @property
    def kept_speed(self) -> int:
        """The speed that its register holds; perhaps only that after the next power cycle."""
        return self._kept_baud

    def set_speed(self, baud: int, now_s: float) -> None:
        """Keep another speed, for good: it holds right after the answer, or after the next power cycle."""
        self._kept_baud = baud
        self._settles_s = None if self.restarts_for_speed else now_s + _SETTLES_S
        self._happen("setting", now_s, 0, f"{baud} baud")

    def functions(self) -> dict[int, Callable[[bytes, float], bytes]]:
        """What it understands: function number to a method (body, moment) -> body of the answer."""
        raise NotImplementedError

    def answer(self, request: bytes, now_s: float) -> bytes:
        """One request without address and check -> the answer likewise, perhaps an exception."""
        run = self.functions().get(request[0])
        try:
            if run is None:
                raise IllegalError(ILLEGAL_FUNCTION)
            return request[:1] + run(request[1:], now_s)
        except IllegalError as refusal:
            return bytes((request[0] | 0x80, refusal.code))

    def from_another_unit(self, answer: bytes) -> bytes:
        """The same answer from the next address, with a check that is right."""
        other = bytes(((answer[0] % 247) + 1,)) + answer[1:-2]
        return other + check_bytes(other)

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        if now_s - self._heard_s > SILENCE_S:
            self._pending = b""
        self._heard_s = now_s
        self._pending += data
        answers = []
        for frame in self._take_requests():
            answer = frame[:1] + self.answer(frame[1:-2], now_s)
            answers.append(Answer(data=answer + check_bytes(answer), at_s=now_s))
        return answers

    def _take_requests(self) -> list[bytes]:
        """Requests for this board among the bytes so far; what other units say is passed over."""
        found, start = [], 0
        while start < len(self._pending):
            length = _request_bytes(self._pending[start:])
            frame = self._pending[start : start + length]
            if not self._is_mine(frame[0]) or (
                len(frame) == length and check_bytes(frame[:-2]) != frame[-2:]
            ):
                start += 1
            elif len(frame) < length:
                break
            else:
                found.append(frame)
                start += length
        self._pending = self._pending[start:][-_BUFFER_MAX:]
        return found

    def _is_mine(self, unit: int) -> bool:
        return unit == self.unit or (unit == 0 and self.answers_unit_0)

    def _pass_time(self, now_s: float) -> list[Answer]:
        if self._settles_s is not None and now_s >= self._settles_s:
            self._line_baud, self._settles_s = self._kept_baud, None
        return super()._pass_time(now_s)

    def _next_deadline(self) -> float | None:
        return earliest([self._settles_s, super()._next_deadline()])

    def _lose_power(self, now_s: float) -> None:
        super()._lose_power(now_s)
        self._pending, self._settles_s = b"", None
        self._line_baud = self._kept_baud

    # Bodies that several boards share

    def _read_relays(self, body: bytes, _now_s: float) -> bytes:
        first, count = split_words(body)
        if not 1 <= count <= 2000:
            raise IllegalError(ILLEGAL_VALUE)
        if first + count > len(self.relays):
            raise IllegalError(ILLEGAL_ADDRESS)
        return packed(self.relays.mask() >> first, count)

    def _read_inputs(self, body: bytes, now_s: float) -> bytes:
        first, count = split_words(body)
        if not 1 <= count <= 2000:
            raise IllegalError(ILLEGAL_VALUE)
        if first + count > len(self.inputs):
            raise IllegalError(ILLEGAL_ADDRESS)
        return packed(self.inputs.mask(now_s) >> first, count)

    def _write_relays(self, body: bytes, now_s: float) -> bytes:
        """Function 15: several coils at once, FF or 00 alike as bits."""
        first, count = split_words(body[:4])
        if not 1 <= count <= len(self.relays) or len(body) != 5 + (count + 7) // 8:
            raise IllegalError(ILLEGAL_VALUE)
        if first + count > len(self.relays):
            raise IllegalError(ILLEGAL_ADDRESS)
        bits = int.from_bytes(body[5:], "little")
        for place in range(count):
            self.relays.switch(first + place + 1, on=bool(bits >> place & 1), now_s=now_s)
        return body[:4]


def split_words(body: bytes) -> tuple[int, int]:
    """Two 16-bit numbers, as most requests have them."""
    if len(body) != 4:
        raise IllegalError(ILLEGAL_VALUE)
    return int.from_bytes(body[:2], "big"), int.from_bytes(body[2:], "big")


def packed(bits: int, count: int) -> bytes:
    """Count of bytes and ``count`` bits, lowest first, as functions 1 and 2 answer."""
    length = (count + 7) // 8
    return bytes((length,)) + (bits & ((1 << count) - 1)).to_bytes(length, "little")


def words(*values: int) -> bytes:
    """Count of bytes and 16-bit numbers, as function 3 answers."""
    return bytes((2 * len(values),)) + b"".join(value.to_bytes(2, "big") for value in values)


def _request_bytes(begun: bytes) -> int:
    """Length of the request that begins here, as far as its bytes tell."""
    if len(begun) < 2 or begun[1] in _FIXED:
        return 8
    if begun[1] in _COUNTED:
        return 8 if len(begun) < 7 else 9 + begun[6]
    return 8  # others do not exist on these boards; eight bytes with a good check get their exception
