"""Frames of Modbus RTU, as far as reading inputs needs them: function 02, its reply and its exceptions.

Frames end in a CRC16 (polynomial A001 reflected, start FFFF, low byte first). The decoder is the master's: it
understands replies only. Reading is all this module can ask for; it cannot encode a write.
"""

from dataclasses import dataclass
from typing import Final

READ_INPUTS: Final = 0x02
EXCEPTION: Final = 0x80  # set in the function byte of a refusal
UNITS: Final = range(1, 256)  # the standard ends at 247; LC-Tech modules leave the works as 255
REPLY_DATA_MAX: Final = 8  # bytes of input bits in a reply; the largest module here has 16 inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class InputsReply:
    """Levels of a unit's inputs; the lowest bit of the first byte is the first input asked for."""

    unit: int
    bits: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionReply:
    """The unit understood the frame and refuses it (1 function, 2 address, 3 quantity, 4 failure)."""

    unit: int
    code: int


Reply = InputsReply | ExceptionReply


def _crc_table() -> tuple[int, ...]:
    table = []
    for index in range(256):
        value = index
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
        table.append(value)
    return tuple(table)


_TABLE: Final = _crc_table()


def crc16(data: bytes | bytearray) -> bytes:
    """The two check bytes of a frame, as they go over the line."""
    value = 0xFFFF
    for byte in data:
        value = (value >> 8) ^ _TABLE[(value ^ byte) & 0xFF]
    return value.to_bytes(2, "little")


def encode_read_inputs(*, unit: int, first: int, count: int) -> bytes:
    """The request for ``count`` inputs from address ``first`` (0 is the first input)."""
    assert unit in UNITS, f"unit {unit} is not an address of one device"
    body = bytes((unit, READ_INPUTS)) + first.to_bytes(2, "big") + count.to_bytes(2, "big")
    return body + crc16(body)


def encode_reply(reply: Reply) -> bytes:
    """The bytes of a reply, for traces and for checking the decoder against itself."""
    match reply:
        case InputsReply():
            body = bytes((reply.unit, READ_INPUTS, len(reply.bits))) + reply.bits
        case ExceptionReply():
            body = bytes((reply.unit, READ_INPUTS | EXCEPTION, reply.code))
    return body + crc16(body)


class ReplyDecoder:
    """Finds replies to function 02 in a stream that may hold anything.

    A byte that cannot begin a reply, and the first byte of one whose check fails, is dropped and counted;
    the search goes on behind it. So a good frame is never lost to noise before it, only delayed until
    enough bytes came, or ``flush`` says that no more are coming.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()  # always shorter than the longest reply between calls
        self._garbage = 0

    def feed(self, data: bytes) -> list[Reply]:
        """The replies completed by ``data``, in order, of any unit."""
        self._buffer += data
        replies: list[Reply] = []
        at = 0
        while at < len(self._buffer):
            length = _length(self._buffer[at : at + 3])
            if length is None:
                break
            frame = self._buffer[at : at + length]
            if length and len(frame) < length:
                break
            if length and crc16(frame[:-2]) == frame[-2:]:
                replies.append(_reply(frame))
                at += length
            else:
                at += 1
                self._garbage += 1
        del self._buffer[:at]
        return replies

    def flush(self) -> list[Reply]:
        """Empty the buffer after a silence: replies behind a false beginning, the rest is garbage."""
        replies: list[Reply] = []
        while self._buffer:
            del self._buffer[:1]
            self._garbage += 1
            replies += self.feed(b"")
        return replies

    def take_garbage(self) -> int:
        """How many bytes were dropped since the last call."""
        count, self._garbage = self._garbage, 0
        return count


def _length(head: bytearray) -> int | None:
    """Length of the reply that begins so, 0 when none can, None when more bytes are needed to tell."""
    if head[0] not in UNITS:
        return 0
    if len(head) < 2:
        return None
    if head[1] == READ_INPUTS | EXCEPTION:
        return 5
    if head[1] != READ_INPUTS:
        return 0
    if len(head) < 3:
        return None
    return 5 + head[2] if 1 <= head[2] <= REPLY_DATA_MAX else 0


def _reply(frame: bytearray) -> Reply:
    if frame[1] & EXCEPTION:
        return ExceptionReply(unit=frame[0], code=frame[2])
    return InputsReply(unit=frame[0], bits=bytes(frame[3:-2]))
