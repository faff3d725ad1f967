"""The inputs of a board: contacts that bounce or stick, read at a moment."""

from typing import Final

_FLIPS: Final = 5  # closed, open, closed, open, closed: as a worn micro-switch does


class InputBank:
    """Inputs 1 to ``channels``.

    Args:
        channels: How many.
    """

    def __init__(self, channels: int) -> None:
        self.bounce_s = 0.0
        self._active = [False] * channels
        self._changed_s = [float("-inf")] * channels
        self._stuck: dict[int, bool] = {}

    def __len__(self) -> int:
        return len(self._active)

    def __contains__(self, channel: int) -> bool:
        return 1 <= channel <= len(self._active)

    def set(self, channel: int, *, active: bool, now_s: float = float("-inf")) -> None:
        """Close or open the contact on one input; from ``now_s`` it bounces for ``bounce_s``."""
        if self._active[channel - 1] != active:
            self._active[channel - 1] = active
            self._changed_s[channel - 1] = now_s

    def stick(self, channel: int, level: bool | None) -> None:  # a level, or None to free it
        """Hold one input at a level whatever its contact does; None frees it."""
        if level is None:
            self._stuck.pop(channel, None)
        else:
            self._stuck[channel] = level

    def level(self, channel: int, now_s: float) -> bool:
        """What the board reads on one input."""
        if channel in self._stuck:
            return self._stuck[channel]
        active, age_s = self._active[channel - 1], now_s - self._changed_s[channel - 1]
        if age_s < self.bounce_s:
            return active ^ (int(age_s / self.bounce_s * _FLIPS) % 2 == 1)
        return active

    def mask(self, now_s: float) -> int:
        """All inputs as bits, input 1 lowest."""
        return sum(self.level(place + 1, now_s) << place for place in range(len(self._active)))
