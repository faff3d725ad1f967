"""What a daemon and the process that opens a camera for it say to each other: one packet each way for a picture.

The daemon asks, which also gives the slot of the picture before back; the process answers with the newest
picture that it has or gets. Its first packet comes unasked. Pictures lie in a ring of slots in shared memory.

BadCaptureError     no answer of a process that is well
"""

import math
import struct
from dataclasses import dataclass
from typing import Final

from edge.vision.shot import Pixels
from edge.vision.source_words import Trouble
from passes.words import Pair

SLOTS: Final = 3  # one that is being read, one that waits to be, one that is being written
SLOT_BYTES: Final = 8 * 1024 * 1024  # what an eye takes
ANSWER_MAX: Final = 4096
WORDS_MAX: Final = 300
REFUSED_MAX: Final = 8
SIDE_MAX: Final = 65_535

_ASK: Final = struct.Struct("<d")
_TAKEN: Final = struct.Struct("<BBBIIId")
_KINDS: Final = tuple(Pixels)
_OPENED_IS, _TAKEN_IS, _ENDED_IS, _FAILED_IS = range(4)


class BadCaptureError(ValueError):
    """These bytes are no answer."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The camera is open; ``refused`` says which hints it did not take."""

    refused: tuple[Pair, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A picture; its slot is the daemon's until it asks again."""

    slot: int
    pixels: Pixels
    length: int
    width: int
    height: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Ended:
    """There will be no more pictures: a film is over."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It cannot be opened, or broke off."""

    trouble: Trouble


CaptureAnswer = Opened | Taken | Ended | Failed


def pack_ask(not_before_s: float) -> bytes:
    """The request for the newest picture that arrives at that monotonic time or later."""
    return _ASK.pack(not_before_s)


def unpack_ask(data: bytes) -> float:
    """What ``pack_ask`` made bytes of; the daemon is trusted."""
    (not_before_s,) = _ASK.unpack(data)
    return float(not_before_s)


def pack_capture(answer: CaptureAnswer) -> bytes:
    """An answer as bytes."""
    match answer:
        case Opened():
            return bytes([_OPENED_IS]) + _lines(answer.refused[:REFUSED_MAX])
        case Taken():
            kind = _KINDS.index(answer.pixels)
            size = answer.length, answer.width, answer.height
            return _TAKEN.pack(_TAKEN_IS, answer.slot, kind, *size, answer.at_s)
        case Ended():
            return bytes([_ENDED_IS])
        case Failed():
            return bytes([_FAILED_IS]) + answer.trouble.encode()


def unpack_capture(data: bytes) -> CaptureAnswer:
    """The answer in ``data``, judged: in bounds, finite and printable.

    Raises:
        BadCaptureError: It is none.
    """
    if not data or len(data) > ANSWER_MAX:
        raise BadCaptureError(f"{len(data)} bytes")
    kind, rest = data[0], data[1:]
    if kind == _TAKEN_IS:
        return _taken(data)
    if kind == _ENDED_IS and not rest:
        return Ended()
    if kind not in {_OPENED_IS, _FAILED_IS}:
        raise BadCaptureError(f"an answer of kind {kind}")
    text = rest.decode("utf-8", "replace")
    if kind == _OPENED_IS:
        return Opened(_pairs(text))
    if text not in set(Trouble):
        raise BadCaptureError("a failure of no kind that there is")
    return Failed(Trouble(text))


def _taken(data: bytes) -> Taken:
    if len(data) != _TAKEN.size:
        raise BadCaptureError(f"{len(data)} bytes for a picture")
    _, slot, kind, length, width, height, at_s = _TAKEN.unpack(data)
    if slot >= SLOTS or kind >= len(_KINDS) or not 0 < length <= SLOT_BYTES or not math.isfinite(at_s):
        raise BadCaptureError("a picture that is not in the ring")
    pixels = _KINDS[kind]
    channels = {Pixels.JPEG: 0, Pixels.GREY: 1, Pixels.BGR: 3}[pixels]
    if max(width, height) > SIDE_MAX or (channels and width * height * channels != length):
        raise BadCaptureError(f"{length} bytes for {width} x {height} pixels")
    return Taken(slot=slot, pixels=pixels, length=length, width=width, height=height, at_s=at_s)


def _lines(pairs: tuple[Pair, ...]) -> bytes:
    return "\n".join(_printable(words) for pair in pairs for words in (pair.zh, pair.en)).encode()


def _pairs(text: str) -> tuple[Pair, ...]:
    lines = [_printable(line) for line in text.split("\n")][: 2 * REFUSED_MAX] if text else []
    if len(lines) % 2:
        raise BadCaptureError("words in one language")
    return tuple(Pair(zh, en) for zh, en in zip(lines[::2], lines[1::2], strict=True))


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in text)[:WORDS_MAX]
