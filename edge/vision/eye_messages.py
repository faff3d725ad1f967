"""What a daemon and the eye of a camera say to each other: one packet each way for a picture.

Packets keep their borders on a SOCK_SEQPACKET socket; both ends come from one program, so there is no version.
Pictures and previews lie in shared memory, not here. A hostile picture may own the eye. So whatever it answers
is bounded in every length, finite in every number and printable where people will read it, or it is refused.

BadAnswerError      no answer of an eye that is well
"""

import math
import re
import struct
from dataclasses import dataclass
from typing import Final

from edge.vision.shot import Decoded, Pixels, Point, Region, Seen, Wanted

CODES_MAX: Final = 64
TEXT_MAX: Final = 4296  # characters in the largest QR code, alphanumeric
LOCATED_MAX: Final = 64
CORNERS_MAX: Final = 8
MEASURED_MAX: Final = 16
NAME_MAX: Final = 64  # of a pass of the reader, or of a measured figure
REASON_MAX: Final = 200
ANSWER_MAX: Final = 131_072  # bytes; a socket's buffer takes 200 kB
SIDE_MAX: Final = 65_535  # pixels of a picture
CORNER_MAX: Final = 1e6  # pixels; a code may reach over the border, a little

_REQUEST: Final = struct.Struct("<IBdIII??I4d")
_HEAD: Final = struct.Struct("<IB")
_HELLO: Final = struct.Struct("<??")
_SEEN: Final = struct.Struct("<IIQddd?IBBB")
_POINT: Final = struct.Struct("<dd")
_KINDS: Final = tuple(Pixels)
_HELLO_IS, _SEEN_IS, _REFUSED_IS = 0, 1, 2


class BadAnswerError(ValueError):
    """These bytes are no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One picture to look at; its bytes are in the shared memory.

    Attributes:
        number: Comes back in the answer.
        pixels: How to understand the bytes.
        at_s: When the picture arrived, monotonic seconds.
        length: How many bytes there are.
        width: In pixels, of raw pixels.
        height: Likewise.
        wanted: What to do.
    """

    number: int
    pixels: Pixels
    at_s: float
    length: int
    width: int
    height: int
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Hello:
    """The eye is open, and held: ``edge.vision.jail.Held`` as it crosses the border."""

    network: bool
    calls: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What was seen. Time and preview of ``seen`` are the parent's to fill in.

    Attributes:
        number: Of the request.
        seen: All but the time of the shot and the preview.
        preview_bytes: Length of the preview in the shared memory, 0 for none.
    """

    number: int
    seen: Seen
    preview_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """This picture cannot be looked at; the eye is well. The reason is printable ASCII."""

    number: int
    reason: str


def pack_request(request: Request) -> bytes:
    """A request as bytes."""
    wanted, region = request.wanted, request.wanted.region
    return _REQUEST.pack(
        request.number,
        _KINDS.index(request.pixels),
        request.at_s,
        request.length,
        request.width,
        request.height,
        wanted.read,
        wanted.measure,
        wanted.preview_px,
        region.left,
        region.top,
        region.right,
        region.bottom,
    )


def unpack_request(data: bytes) -> Request:
    """The request that ``pack_request`` made bytes of; the parent is trusted."""
    number, pixels, at_s, length, width, height, read, measure, preview_px, *region = _REQUEST.unpack(data)
    wanted = Wanted(read=read, measure=measure, preview_px=preview_px, region=Region(*region))
    return Request(
        number=number,
        pixels=_KINDS[pixels],
        at_s=at_s,
        length=length,
        width=width,
        height=height,
        wanted=wanted,
    )


def pack_answer(answer: Hello | Answer | Refusal) -> bytes:
    """An answer as bytes; what is beyond the bounds is left out."""
    match answer:
        case Hello():
            return _HEAD.pack(0, _HELLO_IS) + _HELLO.pack(answer.network, answer.calls)
        case Refusal():
            reason = answer.reason.encode("ascii", "replace")[:REASON_MAX]
            return _HEAD.pack(answer.number, _REFUSED_IS) + re.sub(rb"[^ -~]", b" ", reason)
        case Answer():
            return _pack_seen(answer)


def _pack_seen(answer: Answer) -> bytes:
    seen = answer.seen
    located = [corners for corners in seen.located if len(corners) <= CORNERS_MAX][:LOCATED_MAX]
    measured = sorted(seen.measured.items())[:MEASURED_MAX]
    tail = b"".join(_packed_corners(corners) for corners in located)
    tail += b"".join(_packed_name(name) + struct.pack("<d", value) for name, value in measured)
    room = ANSWER_MAX - _HEAD.size - _SEEN.size - len(tail)
    codes: list[bytes] = []
    for code in seen.codes[:CODES_MAX]:
        packed = _packed_code(code)
        if packed is not None and len(packed) <= room:
            codes.append(packed)
            room -= len(packed)
    head = _HEAD.pack(answer.number, _SEEN_IS)
    body = _SEEN.pack(
        seen.width,
        seen.height,
        seen.digest,
        seen.light,
        seen.contrast,
        seen.cpu_ms,
        seen.quiet,
        answer.preview_bytes,
        len(codes),
        len(located),
        len(measured),
    )
    return head + body + b"".join(codes) + tail


def _packed_code(code: Decoded) -> bytes | None:
    if not 0 < len(code.text) <= TEXT_MAX:
        return None
    try:
        return _packed_text(code.text.encode()) + _packed_name(code.how) + _packed_corners(code.corners)
    except UnicodeEncodeError:  # half of a character: nothing of ours
        return None


def _packed_name(name: str) -> bytes:
    return _packed_text(name.encode("ascii", "replace")[:NAME_MAX])


def _packed_text(data: bytes) -> bytes:
    return struct.pack("<H", len(data)) + data


def _packed_corners(corners: tuple[Point, ...]) -> bytes:
    return bytes([len(corners)]) + b"".join(_POINT.pack(*point) for point in corners)


def unpack_answer(data: bytes) -> Hello | Answer | Refusal:
    """Judge what came from an eye.

    Raises:
        BadAnswerError: It is not what ``pack_answer`` makes, to the last byte.
    """
    if len(data) > ANSWER_MAX:
        raise BadAnswerError("an answer that is too long")
    reader = _Reading(data)
    try:
        number, kind = reader.take(_HEAD)
        answer: Hello | Answer | Refusal
        if kind == _HELLO_IS:
            network, calls = reader.take(_HELLO)
            answer = Hello(bool(network), bool(calls))
        elif kind == _REFUSED_IS:
            answer = Refusal(number, _printable(reader.rest(REASON_MAX), REASON_MAX))
        elif kind == _SEEN_IS:
            answer = _seen(number, reader)
        else:
            raise BadAnswerError(f"an answer of kind {kind}")
    except (struct.error, UnicodeDecodeError) as error:
        raise BadAnswerError("an answer that is cut or garbled") from error
    if reader.left():
        raise BadAnswerError("an answer with more behind its end")
    return answer


class _Reading:
    """The rest of an answer, from the front."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, shape: struct.Struct) -> tuple[int, ...]:
        values = shape.unpack_from(self._data, self._at)
        self._at += shape.size
        return values

    def rest(self, most: int) -> bytes:
        return self.cut(min(most, self.left()))

    def cut(self, length: int) -> bytes:
        if length > self.left():
            raise BadAnswerError("an answer that is cut")
        self._at += length
        return self._data[self._at - length : self._at]

    def text(self) -> bytes:
        (length,) = self.take(struct.Struct("<H"))
        return self.cut(length)

    def number(self) -> float:
        (value,) = self.take(struct.Struct("<d"))
        return _finite(value)

    def corners(self) -> tuple[Point, ...]:
        (count,) = self.cut(1)
        if count > CORNERS_MAX:
            raise BadAnswerError(f"{count} corners")
        return tuple(self._point() for _ in range(count))

    def _point(self) -> Point:
        x, y = self.take(_POINT)
        if not (abs(x) <= CORNER_MAX and abs(y) <= CORNER_MAX):  # false for what is no number, too
            raise BadAnswerError("a corner outside of every picture")
        return x, y


def _seen(number: int, reader: _Reading) -> Answer:
    width, height, digest, light, contrast, cpu_ms, quiet, preview, codes, located, measured = reader.take(
        _SEEN
    )
    if not (0 <= light <= 255 and 0 <= contrast <= 255 and 0 <= cpu_ms < math.inf):
        raise BadAnswerError("light, contrast or time out of range")
    if max(width, height) > SIDE_MAX or codes > CODES_MAX or located > LOCATED_MAX or measured > MEASURED_MAX:
        raise BadAnswerError("sides or counts out of range")
    seen = Seen(
        at_s=0.0,
        codes=tuple(_code(reader) for _ in range(codes)),
        located=tuple(reader.corners() for _ in range(located)),
        width=width,
        height=height,
        digest=digest,
        light=light,
        contrast=contrast,
        quiet=bool(quiet),
        cpu_ms=cpu_ms,
        measured={_printable(reader.text(), NAME_MAX): reader.number() for _ in range(measured)},
    )
    if len({code.text for code in seen.codes}) != codes:
        raise BadAnswerError("the same text twice")
    return Answer(number, seen, preview)


def _code(reader: _Reading) -> Decoded:
    text = reader.text().decode()
    if not 0 < len(text) <= TEXT_MAX:
        raise BadAnswerError(f"a text of {len(text)} characters")
    how = _printable(reader.text(), NAME_MAX)
    corners = reader.corners()
    if len(corners) != 4:
        raise BadAnswerError(f"a code with {len(corners)} corners")
    return Decoded(text, corners, how)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise BadAnswerError("a number that is none")
    return value


def _printable(data: bytes, most: int) -> str:
    text = data.decode("ascii")
    if len(text) > most or not text.isprintable():
        raise BadAnswerError("words that cannot be printed")
    return text
