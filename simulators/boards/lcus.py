"""Model of an LCUS relay board, as its seller describes it: four bytes in, relays click, nothing comes back.

``A0 channel op sum``: op 1 closes a relay, op 0 opens it, sum is the low byte of the sum of the first three.
Frames with a wrong sum, an unknown op or a channel the board has not are ignored. The relays drop with the
supply, which is the USB plug.
"""

from dataclasses import dataclass

BAUD = 9600


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayEdge:
    """A relay closed (``on``) or opened."""

    channel: int
    on: bool


class LcusBoard:
    """One board.

    Args:
        channels: How many relays it has.
    """

    def __init__(self, channels: int = 8) -> None:
        self._relays = [False] * channels
        self._pending = b""

    @property
    def relays(self) -> tuple[bool, ...]:
        """Closed or not, channel 1 first."""
        return tuple(self._relays)

    def receive(self, data: bytes) -> list[RelayEdge]:
        """Take bytes from the line; the relays that changed, in order."""
        self._pending += data
        edges: list[RelayEdge] = []
        while True:
            start = self._pending.find(b"\xa0")
            if start < 0:
                self._pending = b""
                return edges
            self._pending = self._pending[start:]
            if len(self._pending) < 4:
                return edges
            _, channel, op, check = self._pending[:4]
            if check != (0xA0 + channel + op) % 256:
                self._pending = self._pending[1:]
                continue
            self._pending = self._pending[4:]
            if op in (0, 1):
                edges += self._switch(channel, on=op == 1)

    def power_off(self) -> list[RelayEdge]:
        """Lose the supply: every relay drops, a frame begun is forgotten."""
        self._pending = b""
        return [
            edge for channel in range(1, len(self._relays) + 1) for edge in self._switch(channel, on=False)
        ]

    def _switch(self, channel: int, *, on: bool) -> list[RelayEdge]:
        if not 1 <= channel <= len(self._relays) or self._relays[channel - 1] == on:
            return []
        self._relays[channel - 1] = on
        return [RelayEdge(channel=channel, on=on)]
