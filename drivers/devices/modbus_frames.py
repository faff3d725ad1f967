"""A Modbus master's questions, and the one answer to each of them in a stream that may hold anything.

A question is a body (unit, function, two numbers) in an envelope: the check of a serial line, or the header of a TCP
connection. What may answer it is known to the byte before it arrives: the echo of a write, as many bytes as were asked
for, or an exception of the same function. Whatever else comes is counted and dropped: answers to other questions, of
other units, or to other transactions never count.
"""

import struct
from dataclasses import dataclass
from typing import Final, Protocol

from drivers.modbus_rtu import crc16

READ_COILS: Final = 1
READ_INPUTS: Final = 2
READ_REGISTERS: Final = 3
WRITE_COIL: Final = 5
WRITE_REGISTER: Final = 6
WRITES: Final = (WRITE_COIL, WRITE_REGISTER)
EXCEPTION: Final = 0x80  # set in the function byte of a refusal
EXCEPTION_WORDS: Final = {
    1: "it does not know the function",
    2: "it has no such address",
    3: "it does not take the value or quantity",
    4: "it failed",
    5: "it needs more time",
    6: "it is busy",
    8: "its memory failed",
    10: "the gateway has no way to it",
    11: "it did not answer the gateway",
}
SURE_REFUSALS: Final = frozenset({1, 2, 3})  # the others may come from a gateway, or from a board in mid-work
_BODY: Final = struct.Struct(">BBHH")
_MBAP: Final = struct.Struct(">HHH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Read ``value`` coils, inputs or registers from ``address``, or write ``value`` there."""

    unit: int
    function: int
    address: int
    value: int

    def body(self) -> bytes:
        """Unit, function and both numbers."""
        return _BODY.pack(self.unit, self.function, self.address, self.value)


@dataclass(frozen=True, slots=True)
class Written:
    """The unit repeats the write: it took it."""


@dataclass(frozen=True, slots=True)
class Data:
    """What was read: bits with the lowest first, or registers of two bytes, high byte first."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Refusing:
    """The unit understood, and refuses; ``code`` as in ``EXCEPTION_WORDS``."""

    code: int


Answer = Written | Data | Refusing


class Envelope(Protocol):
    """How bodies travel."""

    def wrap(self, body: bytes) -> bytes:
        """The frame around a body."""

    def question(self, frame: bytes) -> bytes:
        """The body of a frame that ``wrap`` made."""

    def prefix(self, frame: bytes, head: bytes, more: int) -> bytes:
        """How an answer to ``frame`` begins on the wire, if its body is ``head`` and ``more`` bytes behind it."""

    @property
    def tail(self) -> int:
        """Bytes behind the body."""

    def intact(self, candidate: bytes) -> bool:
        """Whether the check of a whole frame is right."""


class Rtu:
    """A serial line: the body, and a CRC behind it."""

    tail: Final = 2

    def wrap(self, body: bytes) -> bytes:
        """The body and its check."""
        return body + crc16(body)

    def question(self, frame: bytes) -> bytes:
        """All but the check."""
        return frame[: -self.tail]

    def prefix(self, frame: bytes, head: bytes, more: int) -> bytes:  # noqa: ARG002  # the shape of an envelope
        """The head itself."""
        return head

    def intact(self, candidate: bytes) -> bool:
        """Whether the CRC is right."""
        return crc16(candidate[: -self.tail]) == candidate[-self.tail :]


class Tcp:
    """A TCP connection: a header with transaction number and length, and no check behind."""

    tail: Final = 0

    def __init__(self) -> None:
        self._transaction = 0

    def wrap(self, body: bytes) -> bytes:
        """The body behind a header with the next transaction number."""
        self._transaction = (self._transaction + 1) & 0xFFFF
        return _MBAP.pack(self._transaction, 0, len(body)) + body

    def question(self, frame: bytes) -> bytes:
        """All behind the header."""
        return frame[_MBAP.size :]

    def prefix(self, frame: bytes, head: bytes, more: int) -> bytes:
        """A header with the transaction number of the question, and the head."""
        return frame[:2] + _MBAP.pack(0, 0, len(head) + more)[2:] + head

    def intact(self, candidate: bytes) -> bool:  # noqa: ARG002  # the shape of an envelope
        """TCP has checked it already."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """One way to answer: these bytes, then ``more`` bytes of content, then the envelope's tail."""

    prefix: bytes
    more: int
    kind: type[Written] | type[Data] | type[Refusing]


class AnswerFinder:
    """Finds the answer to one question at a time.

    An adapter that sends back what it is given would make every write look obeyed. Questions that read show it, for
    they come back as no answer does: from then on a write counts when it came back twice, once from the board.

    Args:
        envelope: The same that wraps the questions.
    """

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._buffer = b""  # shorter than the longest answer between calls
        self._frame = b""  # the question that the buffer was collected for
        self._shapes: tuple[_Shape, ...] = ()
        self._garbage = 0
        self._echoes = False  # the latest read came back to us
        self._echo_due = False  # ... and this question has not yet
        self._only_echo = False

    @property
    def only_echo(self) -> bool:
        """Whether the latest question that nobody answered came back itself."""
        return self._only_echo

    def feed(self, data: bytes, frame: bytes | None) -> Answer | None:
        """The answer to the question in ``frame``, once it is complete; what else came is dropped."""
        if frame is None:
            self._drop(len(self._buffer) + len(data))
            return None
        if frame != self._frame:
            self._drop(len(self._buffer))
            self._frame, self._shapes = frame, self._shapes_of(frame)
            reads = self._shapes[0].kind is Data
            self._echo_due = self._envelope.tail > 0 and (reads or self._echoes)
        self._buffer += data
        self._take_echo()
        for shape in self._shapes:
            answer = self._find(shape)
            if answer is not None:
                self._echoes = self._echoes and not self._echo_due
                self._frame = b""
                return answer
        self._keep_beginning()
        return None

    def flush(self) -> None:
        """No more bytes are coming for this question: what is left is no answer."""
        self._only_echo = bool(self._frame) and self._echoes and not self._echo_due
        self._drop(len(self._buffer))
        self._frame = b""

    def take_garbage(self) -> int:
        """How many bytes were dropped since the last call."""
        count, self._garbage = self._garbage, 0
        return count

    def _drop(self, count: int) -> None:
        self._garbage += count
        self._buffer = b""

    def _take_echo(self) -> None:
        """Take our own question out of the buffer, once."""
        at = self._buffer.find(self._frame) if self._echo_due else -1
        if at >= 0:
            self._buffer = self._buffer[:at] + self._buffer[at + len(self._frame) :]
            self._echoes, self._echo_due = True, False

    def _find(self, shape: _Shape) -> Answer | None:
        size = len(shape.prefix) + shape.more + self._envelope.tail
        at = self._buffer.find(shape.prefix)
        while 0 <= at <= len(self._buffer) - size:
            candidate = self._buffer[at : at + size]
            content = candidate[len(shape.prefix) : len(shape.prefix) + shape.more]
            answer = _answer(shape, content) if self._envelope.intact(candidate) else None
            if answer is not None:
                self._drop(len(self._buffer) - size)
                return answer
            at = self._buffer.find(shape.prefix, at + 1)
        return None

    def _keep_beginning(self) -> None:
        """Keep only from the first place on where an answer may have begun."""
        size = max(len(shape.prefix) + shape.more + self._envelope.tail for shape in self._shapes)
        size = max(size, len(self._frame))
        for at in range(max(0, len(self._buffer) - size + 1), len(self._buffer)):
            rest = self._buffer[at:]
            if any(_may_begin(rest, shape, self._envelope.tail) for shape in self._shapes):
                break
            if self._echo_due and self._frame.startswith(rest):
                break
        else:
            at = len(self._buffer)
        self._garbage += at
        self._buffer = self._buffer[at:]

    def _shapes_of(self, frame: bytes) -> tuple[_Shape, ...]:
        body = self._envelope.question(frame)
        unit, function, _, value = _BODY.unpack(body)
        refusal = bytes((unit, function | EXCEPTION))
        more = 2 * value if function == READ_REGISTERS else (value + 7) // 8
        kind: type[Written] | type[Data] = Written if function in WRITES else Data
        if kind is Written:
            head, more = body, 0
        else:
            head = bytes((unit, function, more))
        prefix = self._envelope.prefix
        return (
            _Shape(prefix=prefix(frame, head, more), more=more, kind=kind),
            _Shape(prefix=prefix(frame, refusal, 1), more=1, kind=Refusing),
        )


def _may_begin(rest: bytes, shape: _Shape, tail: int) -> bool:
    """Whether these bytes are the beginning of such an answer, and not all of it."""
    if len(rest) >= len(shape.prefix) + shape.more + tail:
        return False
    return rest[: len(shape.prefix)] == shape.prefix[: len(rest)]


def _answer(shape: _Shape, content: bytes) -> Answer | None:
    if shape.kind is Data:
        return Data(content)
    if shape.kind is Written:
        return Written()
    return Refusing(content[0]) if content[0] in EXCEPTION_WORDS else None
