"""The content of codes in a scanner's stream: ended by a terminator, or by silence.

Drivers reference 1.4: payload and CR, LF, CRLF, TAB or nothing. What is longer than the longest code is dropped up to
its end; so is what has no printable byte (a line that is opened, a wrong speed).
"""

import re
from collections import OrderedDict
from typing import Final

TEXT_MAX: Final = 4096
TERMINATORS: Final = b"\r\n\t"
IDLE_GAP_S: Final = 0.040  # drivers reference 1.4: 30 to 50 ms
IDLE_GAP_RANGE_S: Final = (0.030, 1.0)
HOLD_OFF_S: Final = 1.0
CODES_KEPT: Final = 8
_UNPRINTABLE: Final = bytes(range(0x20)) + b"\x7f\xff"


class TextStream:
    """Splits a stream into contents of codes.

    Args:
        terminators: Each of these bytes ends a content; none at all where only silence does.
        idle_gap_s: Silence that ends a content.
    """

    def __init__(self, *, terminators: bytes = TERMINATORS, idle_gap_s: float = IDLE_GAP_S) -> None:
        shortest_s, longest_s = IDLE_GAP_RANGE_S
        assert shortest_s <= idle_gap_s <= longest_s, f"an idle gap of {idle_gap_s:g} s ends no code"
        self._ends = re.compile(b"[" + re.escape(terminators) + b"]") if terminators else None
        self._gap_s = idle_gap_s
        self._buffer = bytearray()
        self._skipping = False  # in the rest of a content that was too long
        self._last_s = float("-inf")
        self._garbage = 0

    @property
    def within(self) -> bool:
        """Whether a content has begun and not ended."""
        return bool(self._buffer) or self._skipping

    def feed(self, data: bytes, now_s: float) -> list[bytes]:
        """The contents that end in ``data``, or by the silence before it."""
        texts = self.flush(now_s)
        self._last_s = now_s
        first, *rest = self._ends.split(data) if self._ends else [data]
        self._append(first)
        for part in rest:
            self._finish(texts)
            self._append(part)
        return texts

    def flush(self, now_s: float) -> list[bytes]:
        """The content that silence has ended by now, if there is one."""
        texts: list[bytes] = []
        due_s = self.due_s()
        if due_s is not None and now_s >= due_s:
            self._finish(texts)
        return texts

    def due_s(self) -> float | None:
        """When silence will have ended the content that has begun."""
        return self._last_s + self._gap_s if self.within else None

    def reset(self) -> None:
        """Drop a content that has begun."""
        self._garbage += len(self._buffer)
        self._buffer.clear()
        self._skipping = False

    def take_garbage(self) -> int:
        """How many bytes were dropped since the last call."""
        count, self._garbage = self._garbage, 0
        return count

    def _append(self, part: bytes) -> None:
        if self._skipping:
            self._garbage += len(part)
            return
        self._buffer += part
        if len(self._buffer) > TEXT_MAX:
            self.reset()
            self._skipping = True

    def _finish(self, texts: list[bytes]) -> None:
        text = bytes(self._buffer)
        self._buffer.clear()
        if not self._skipping and text.strip(_UNPRINTABLE):
            texts.append(text)
        else:
            self._garbage += len(text)
        self._skipping = False


class HoldOff:
    """Reports a code once for as long as it stays before the lens.

    Args:
        seconds: How long it must not have been read to count as shown again; 0 reports every reading.
    """

    def __init__(self, seconds: float = HOLD_OFF_S) -> None:
        self._seconds = seconds
        self._read_s: OrderedDict[bytes, float] = OrderedDict()

    def is_new(self, text: bytes, now_s: float) -> bool:
        """Whether this reading is to be reported."""
        before_s = self._read_s.pop(text, float("-inf"))
        self._read_s[text] = now_s
        if len(self._read_s) > CODES_KEPT:
            self._read_s.popitem(last=False)
        return now_s - before_s >= self._seconds


def text_of(data: bytes) -> str | None:
    """The content as text, UTF-8 or else GB18030; None when it is neither."""
    for encoding in ("utf-8", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None
