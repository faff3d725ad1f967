"""Frames of LCUS relay boards: ``A0 channel op sum``, the sum being the low byte of the first three.

On relay 1 is ``A0 01 01 A2``, off is ``A0 01 00 A1``. There is no frame for all channels, no acknowledgement,
and no agreed answer to the status byte ``FF`` (drivers reference 1.1), so that byte is never sent.
"""

from dataclasses import dataclass

from drivers.devices.framing import BAD, Frames

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
        self._frames = Frames(_length, lambda frame: frame[3] == sum(frame[:3]) & 0xFF)

    def feed(self, data: bytes) -> list[Switch]:
        """The frames completed by ``data``, in order; other bytes are counted and dropped."""
        return [Switch(channel=frame[1], on=bool(frame[2])) for frame in self._frames.feed(data)]

    def take_garbage(self) -> int:
        """How many bytes were dropped since the last call."""
        return self._frames.take_garbage()

    def reset(self) -> None:
        """Drop a frame begun: the line was opened anew."""
        self._frames.reset()


def _length(head: bytes) -> int | None:
    """Four, where these bytes can be a frame or the beginning of one."""
    if head[0] != START:
        return BAD
    if len(head) > 1 and not 1 <= head[1] <= CHANNEL_MAX:
        return BAD
    if len(head) > 2 and head[2] not in (0, 1):
        return BAD
    return FRAME_BYTES
