"""Frames of LCUS relay boards: ``A0 channel op sum``, the sum being the low byte of the first three.

On relay 1 is ``A0 01 01 A2``, off is ``A0 01 00 A1``. There is no frame for all channels, no acknowledgement,
and no agreed answer to the status byte ``FF`` (drivers reference 1.1), so that byte is never sent.
"""

from dataclasses import dataclass

START = 0xA0
FRAME_BYTES = 4
CHANNEL_MAX = 8  # the largest board


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """Close (``on``) or open one relay, counted from 1."""

    channel: int
    on: bool


def encode(frame: Switch) -> bytes:
    """The four bytes of one command."""
    assert 1 <= frame.channel <= CHANNEL_MAX, f"channel {frame.channel} is on no board"
    body = bytes((START, frame.channel, int(frame.on)))
    return body + bytes((sum(body) & 0xFF,))


class SwitchDecoder:
    """Finds frames in a stream. The board sends none itself: what it hears is an adapter's local echo."""

    def __init__(self) -> None:
        self._buffer = bytearray()  # at most three bytes between calls
        self._garbage = 0

    def feed(self, data: bytes) -> list[Switch]:
        """The frames completed by ``data``, in order; other bytes are counted and dropped."""
        self._buffer += data
        frames: list[Switch] = []
        at = 0
        while at < len(self._buffer):
            candidate = self._buffer[at : at + FRAME_BYTES]
            if not _may_be_frame(candidate):
                at += 1
                self._garbage += 1
            elif len(candidate) < FRAME_BYTES:
                break
            else:
                frames.append(Switch(channel=candidate[1], on=bool(candidate[2])))
                at += FRAME_BYTES
        del self._buffer[:at]
        return frames

    def take_garbage(self) -> int:
        """How many bytes were dropped since the last call."""
        count, self._garbage = self._garbage, 0
        return count

    def reset(self) -> None:
        """Forget a frame begun: the line was opened anew."""
        self._buffer.clear()


def _may_be_frame(candidate: bytearray) -> bool:
    """Whether these one to four bytes can be a frame, or the beginning of one."""
    if candidate[0] != START:
        return False
    if len(candidate) > 1 and not 1 <= candidate[1] <= CHANNEL_MAX:
        return False
    if len(candidate) > 2 and candidate[2] not in (0, 1):
        return False
    return len(candidate) < FRAME_BYTES or candidate[3] == sum(candidate[:3]) & 0xFF
