"""Lamps and a buzzer on spare relays: what each signal looks and sounds like, as holds and releases of outputs.

A pure object beside the relay board's driver: ``show`` and ``tick`` give commands, which their caller submits to that
driver. A lamp is held for exactly as long as its step lasts, so that a lamp of a dead program goes out by itself on
boards that time it, and with the next line-up on the others. Outputs that belong to lanes are refused when it is made.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from drivers.model import Hold, Release
from drivers.peripherals import Signal


class Lamp(StrEnum):
    """What hangs on an output."""

    GREEN = "green"
    RED = "red"
    BUZZER = "buzzer"


@dataclass(frozen=True, slots=True)
class Step:
    """So long these are on, and all others off."""

    seconds: float
    on: frozenset[Lamp] = frozenset()


_GREEN, _RED = frozenset({Lamp.GREEN}), frozenset({Lamp.RED})
_BUZZ, _RED_BUZZ = frozenset({Lamp.BUZZER}), frozenset({Lamp.RED, Lamp.BUZZER})
_DARK: Final = Step(0.5)
STEADY_S: Final = 600.0  # then dark for half a second: whoever services a lamp sees that it is alive

# Once, then the second row again and again; an empty second row stays dark. A relay needs 0.2 s to be seen.
PATTERNS: Final[Mapping[Signal, tuple[tuple[Step, ...], tuple[Step, ...]]]] = {
    Signal.IDLE: ((), ()),
    Signal.GO: ((Step(0.2, _GREEN | _BUZZ),), (Step(0.3), Step(STEADY_S, _GREEN))),
    Signal.STOP: (
        (Step(0.2, _RED_BUZZ), Step(0.2), Step(0.2, _RED_BUZZ), Step(0.2)),
        (Step(STEADY_S, _RED), _DARK),
    ),
    Signal.ATTENTION: ((Step(0.5, _RED_BUZZ), _DARK), (Step(0.5, _RED), _DARK)),
    Signal.FAULT: ((), (Step(0.3, _RED), Step(2.7))),
}


class SignalChannelError(ValueError):
    """An output cannot carry a lamp: it opens a lane, or carries another one."""

    def __init__(self, channel: int, why: str) -> None:
        super().__init__(f"Output {channel} cannot carry a lamp: {why}. Choose a spare output")
        self.channel = channel


class Signals:
    """The lamps of one place.

    Args:
        channels: Output of each lamp that there is.
        lanes: Outputs of the same board that open lanes.
        name: Of this place; begins the ids of its commands.

    Raises:
        SignalChannelError: A lamp sits on a lane's output, or two on one.
    """

    def __init__(self, channels: Mapping[Lamp, int], *, lanes: Iterable[int], name: str) -> None:
        opens = frozenset(lanes)
        for lamp, channel in channels.items():
            if channel in opens:
                raise SignalChannelError(channel, "it opens a lane")
            if list(channels.values()).count(channel) > 1:
                raise SignalChannelError(channel, f"it carries {lamp} and another lamp")
        self._channels, self._name = dict(channels), name
        self._left: list[Step] = []
        self._again: tuple[Step, ...] = ()
        self._ends_s = float("inf")
        self._on_until_s: dict[int, float] = {}  # outputs that are held
        self._count = 0

    def show(self, signal: Signal, now_s: float) -> list[Hold | Release]:
        """Begin a signal; the commands that end the one before, and those of its first step."""
        once, self._again = PATTERNS[signal]
        self._left = [*once]
        commands: list[Hold | Release] = [
            Release(channel=channel, id=self._id())
            for channel, until_s in sorted(self._on_until_s.items())
            if until_s > now_s
        ]
        self._on_until_s.clear()
        if commands:  # what is told to open cannot be held until it has opened
            self._left.insert(0, Step(0.2))
        self._ends_s = now_s
        return commands + self.tick(now_s)

    def tick(self, now_s: float) -> list[Hold | Release]:
        """The commands of the step that begins now, if one does."""
        if now_s < self._ends_s:
            return []
        if not self._left:
            self._left = [*self._again]
        if not self._left:
            self._ends_s = float("inf")
            return []
        step = self._left.pop(0)
        self._ends_s = now_s + step.seconds
        held: list[Hold | Release] = []
        for lamp in sorted(step.on):
            channel = self._channels.get(lamp)
            if channel is not None:
                self._on_until_s[channel] = self._ends_s
                held.append(Hold(channel=channel, seconds=step.seconds, id=self._id(), issued_s=now_s))
        return held

    def next_deadline(self) -> float | None:
        """When ``tick`` has something to do."""
        return None if self._ends_s == float("inf") else self._ends_s

    def _id(self) -> str:
        self._count += 1
        return f"{self._name}-{self._count}"
