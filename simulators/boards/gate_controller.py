"""What every turnstile controller does by itself: permits, people through the beams, counters, alarms.

The left and the right passage each have permits that run out, a counter of a fixed width, and a beam. Somebody
who goes through without a permit is counted and raises an alarm. A permit opens the arm, which the tape shows as
a relay; nobody pulses anything from outside.
"""

from typing import Final, Literal

from simulators.boards.device import Answer, Device, earliest

Side = Literal["left", "right"]
SIDES: Final[tuple[Side, Side]] = ("left", "right")
PERMIT_S: Final = 5.0  # Chinese gates reset after five seconds when nobody walks
BEAM_S: Final = 0.35  # how long one body covers the beam


class GateController(Device):
    """A controller with two directions.

    Args:
        unit: Its address.
        counter_bits: Width of each counter; it begins again at 0 above that.
    """

    def __init__(self, *, unit: int, counter_bits: int) -> None:
        super().__init__()
        self.unit = unit
        self.counter_max = (1 << counter_bits) - 1
        self.counts: dict[Side, int] = {"left": 0, "right": 0}
        self.permits: dict[Side, int] = {"left": 0, "right": 0}
        self.always: Side | None = None
        self.forbidden: set[Side] = set()
        self.alarm = False
        self.fire = False
        self._permits_end_s: dict[Side, float] = {}
        self._beam_ends_s: dict[Side, float] = {}

    def is_open(self, side: Side) -> bool:
        """Whether somebody may go through on this side now."""
        if self.fire:
            return True
        return side not in self.forbidden and (self.always == side or self.permits[side] > 0)

    def beam_covered(self, side: Side, now_s: float) -> bool:
        """Whether somebody stands in the beam of this side."""
        return now_s < self._beam_ends_s.get(side, float("-inf"))

    def permit(self, side: Side, people: int, now_s: float) -> None:
        """Let so many more people through on one side, within ``PERMIT_S``; nothing while it is forbidden."""
        if side in self.forbidden or people < 1:
            return
        was_open = self.is_open(side)
        self.permits[side] += people
        self._permits_end_s[side] = now_s + PERMIT_S
        self._tell_arm(side, now_s, was_open=was_open)

    def keep_open(self, side: Side, now_s: float) -> None:
        """Open one side until it is closed."""
        if side not in self.forbidden:
            was_open = self.is_open(side)
            self.always = side
            self._tell_arm(side, now_s, was_open=was_open)

    def close(self, now_s: float) -> None:
        """Take back every permit and close."""
        before = {side: self.is_open(side) for side in SIDES}
        self.always = None
        self.permits = {"left": 0, "right": 0}
        self._permits_end_s.clear()
        for side in SIDES:
            self._tell_arm(side, now_s, was_open=before[side])

    def forbid(self, sides: set[Side], now_s: float) -> None:
        """Let nobody through on these sides (an empty set lifts every ban)."""
        before = {side: self.is_open(side) for side in SIDES}
        self.forbidden = set(sides)
        for side in sides:
            self.permits[side] = 0
            self._permits_end_s.pop(side, None)
        for side in SIDES:
            self._tell_arm(side, now_s, was_open=before[side])

    def set_fire(self, now_s: float, *, active: bool) -> None:
        """Close or open the fire input: while it is active, everything is open, whatever was ordered."""
        before = {side: self.is_open(side) for side in SIDES}
        self.fire = active
        for side in SIDES:
            self._tell_arm(side, now_s, was_open=before[side])

    def walk(self, side: Side, now_s: float) -> None:
        """Somebody goes through: counted, and with an alarm when nobody permitted it."""
        allowed = self.is_open(side)
        self._beam_ends_s[side] = now_s + BEAM_S
        self.counts[side] = (self.counts[side] + 1) & self.counter_max
        number = SIDES.index(side) + 1
        self._happen("passage", now_s, number, side)
        if not allowed:
            self.alarm = True
            self._happen("alarm", now_s, number, "forced")
        elif self.permits[side] and self.always != side and not self.fire:
            self.permits[side] -= 1
            if not self.permits[side]:
                self._permits_end_s.pop(side, None)
                self._tell_arm(side, now_s, was_open=True)

    def clear_count(self, side: Side, now_s: float) -> None:
        """Set one counter to 0."""
        self.counts[side] = 0
        self._happen("setting", now_s, SIDES.index(side) + 1, "count 0")

    def _tell_arm(self, side: Side, now_s: float, *, was_open: bool) -> None:
        if self.is_open(side) != was_open:
            self._happen("relay_off" if was_open else "relay_on", now_s, SIDES.index(side) + 1)

    def _pass_time(self, now_s: float) -> list[Answer]:
        for side, end_s in list(self._permits_end_s.items()):
            if end_s <= now_s:
                was_open = self.is_open(side)
                del self._permits_end_s[side]
                self.permits[side] = 0
                self._tell_arm(side, end_s, was_open=was_open)
        return []

    def _next_deadline(self) -> float | None:
        return earliest(self._permits_end_s.values())

    def _lose_power(self, now_s: float) -> None:
        self.close(now_s)
        self.forbidden.clear()
        self.alarm = False
