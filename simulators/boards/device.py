"""What every virtual device is: bytes and time in, answers with times out, a supply that can fail.

A device knows nothing of ports, threads or clocks. Time is a monotonic number that each call brings along.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

What = Literal[
    "relay_on",
    "relay_off",
    "contact_on",
    "contact_off",
    "passage",
    "alarm",
    "setting",
    "sms",
    "said",
    "power_on",
    "power_off",
    "round",
    "departure",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Bytes that a device begins to send at ``at_s`` monotonic seconds."""

    data: bytes
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What an onlooker would see or hear at the device: a relay, a passage, a message, a spoken text."""

    what: What
    at_s: float
    channel: int = 0
    text: str = ""


class Device:
    """A device on a serial line; subclasses say what it understands.

    ``baud`` is the speed it listens at; 0 for a USB device that takes any.
    """

    baud: ClassVar[int] = 9600

    def __init__(self) -> None:
        self.powered = True
        self.silent = False  # obeys, but its answers do not come through
        self._happened: list[Happening] = []

    @property
    def speed(self) -> int:
        """The speed it listens at now, which a command may have changed; 0 for any."""
        return self.baud

    def receive(self, data: bytes, now_s: float) -> list[Answer]:
        """Take bytes from the line; answers, in order of their times."""
        if not self.powered:
            return []
        answers = [*self.tick(now_s), *self._hear(data, now_s)]
        return [] if self.silent else answers

    def tick(self, now_s: float) -> list[Answer]:
        """Let time pass; what the device says by itself."""
        if not self.powered:
            return []
        answers = self._pass_time(now_s)
        return [] if self.silent else answers

    def next_deadline(self) -> float | None:
        """When the device wants the next ``tick``, or None."""
        return self._next_deadline() if self.powered else None

    def power_off(self, now_s: float) -> None:
        """Lose the supply: half a frame, timers and whatever is not kept are gone."""
        if self.powered:
            self.powered = False
            self._happen("power_off", now_s)
            self._lose_power(now_s)

    def power_on(self, now_s: float) -> list[Answer]:
        """Get the supply back; what the device says as it starts."""
        if self.powered:
            return []
        self.powered = True
        self._happen("power_on", now_s)
        return self._start(now_s)

    def reboot(self, now_s: float) -> list[Answer]:
        """Lose the supply and get it back at once."""
        self.power_off(now_s)
        return self.power_on(now_s)

    def take_happenings(self) -> list[Happening]:
        """What an onlooker saw since the last call, in order."""
        happened, self._happened = self._happened, []
        return happened

    def from_another_unit(self, answer: bytes) -> bytes:
        """The same answer as the neighbour on the line would have sent it."""
        return answer

    def _happen(self, what: What, now_s: float, channel: int = 0, text: str = "") -> None:
        self._happened.append(Happening(what=what, at_s=now_s, channel=channel, text=text))

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        raise NotImplementedError

    def _pass_time(self, now_s: float) -> list[Answer]:  # noqa: ARG002  # most devices only speak when spoken to
        return []

    def _next_deadline(self) -> float | None:
        return None

    def _lose_power(self, now_s: float) -> None:
        """Forget what does not outlive the supply."""

    def _start(self, now_s: float) -> list[Answer]:  # noqa: ARG002  # most devices start silently
        return []


def earliest(moments: Iterable[float | None]) -> float | None:
    """The first of several deadlines, or None when there is none."""
    return min((moment for moment in moments if moment is not None), default=None)
