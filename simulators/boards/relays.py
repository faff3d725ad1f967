"""The relays of a board: coils with timers, contacts that may weld, edges for whoever watches."""

from collections.abc import Callable

from simulators.boards.device import earliest


class RelayBank:
    """Relays 1 to ``channels``.

    Args:
        channels: How many.
        watch: Called with channel, state and moment whenever a contact really opens or closes.
        latching: The contacts stay as they are when the supply fails.
    """

    def __init__(
        self, channels: int, watch: Callable[[int, bool, float], None], *, latching: bool = False
    ) -> None:
        self._contacts = [False] * channels
        self._welded: set[int] = set()
        self._ends_s: dict[int, tuple[float, bool]] = {}
        self._watch, self._latching = watch, latching

    def __len__(self) -> int:
        return len(self._contacts)

    def __contains__(self, channel: int) -> bool:
        return 1 <= channel <= len(self._contacts)

    @property
    def closed(self) -> tuple[bool, ...]:
        """State of each contact, channel 1 first."""
        return tuple(self._contacts)

    def mask(self) -> int:
        """States as bits, channel 1 lowest."""
        return sum(closed << place for place, closed in enumerate(self._contacts))

    def switch(self, channel: int, *, on: bool, now_s: float, for_s: float | None = None) -> None:
        """Close or open one relay; ``for_s`` later the board's own timer turns it back."""
        self._ends_s.pop(channel, None)
        self._move(channel, on=on, now_s=now_s)
        if for_s is not None:
            self._ends_s[channel] = (now_s + for_s, not on)

    def toggle(self, channel: int, now_s: float) -> None:
        """Turn one relay over."""
        self.switch(channel, on=not self._contacts[channel - 1], now_s=now_s)

    def set_mask(self, mask: int, now_s: float) -> None:
        """Switch all relays by bits, channel 1 lowest."""
        for place in range(len(self._contacts)):
            self.switch(place + 1, on=bool(mask >> place & 1), now_s=now_s)

    def weld(self, channel: int, *, stuck: bool = True) -> None:
        """Weld a contact as it is, or (``stuck`` false) free it; the coil's orders no longer matter to it."""
        if stuck:
            self._welded.add(channel)
        else:
            self._welded.discard(channel)

    def tick(self, now_s: float) -> None:
        """End the timed switches that are due, in order."""
        due = sorted((end_s, channel, on) for channel, (end_s, on) in self._ends_s.items() if end_s <= now_s)
        for end_s, channel, on in due:
            del self._ends_s[channel]
            self._move(channel, on=on, now_s=end_s)

    def next_deadline(self) -> float | None:
        """When the next timed switch ends, or None."""
        return earliest(end_s for end_s, _ in self._ends_s.values())

    def lose_power(self, now_s: float) -> None:
        """Every contact opens that neither latches nor is welded; timers are forgotten."""
        self._ends_s.clear()
        if not self._latching:
            for channel in range(1, len(self._contacts) + 1):
                self._move(channel, on=False, now_s=now_s)

    def _move(self, channel: int, *, on: bool, now_s: float) -> None:
        assert channel in self, f"relay {channel} of {len(self)}: the board must check its channels"
        if self._contacts[channel - 1] == on or (channel in self._welded and not on):
            return
        self._contacts[channel - 1] = on
        self._watch(channel, on, now_s)
