"""A measurement: the median of a few readings that agree, within a time limit, or none.

Screening only: such modules are half a degree off at best (drivers reference 1.3). "No reading" is a value. A reading
counts only if it can be a person at the lens, and only in surroundings for which the module is made.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import ClassVar, Final, Protocol

from drivers.devices.framing import Frames
from drivers.devices.peripheral import Peripheral
from drivers.exchange import Request
from drivers.model import Command, DriverInfo, LineSettings, Refusal, Urgency
from drivers.peripherals import Measure, Measured

SAMPLES: Final = 5  # drivers reference 1.3: median of at least 5
WITHIN_S: Final = 2.0  # at 10 readings a second this is four times what is needed
ASK_EVERY_S: Final = 0.150  # a module that does not stream is asked; the slowest answers 10 times a second


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What counts as a reading, in degrees Celsius.

    Args:
        target_c: Skin or body of a person; anything else is a wall, a cup, or nobody.
        ambient_c: Surroundings in which the module can tell skin from weather.
        spread_c: How far the readings of one measurement may lie apart.
    """

    target_c: tuple[float, float] = (30.0, 45.0)
    ambient_c: tuple[float, float] = (10.0, 40.0)
    spread_c: float = 2.0

    def admits(self, reading: "Reading") -> bool:
        """Whether the reading counts."""
        (low_c, high_c), (cold_c, hot_c) = self.target_c, self.ambient_c
        ambient_fits = reading.ambient_c is None or cold_c <= reading.ambient_c <= hot_c
        return low_c <= reading.target_c <= high_c and ambient_fits


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One reading of a module."""

    target_c: float
    ambient_c: float | None = None
    body_c: float | None = None


class ThermometerCodec(Protocol):
    """One family's bytes."""

    @property
    def baud(self) -> int:
        """Speed of the line as it leaves the factory."""

    @property
    def question(self) -> bytes | None:
        """Asks for one reading; None for a module that only streams."""

    def frames(self) -> Frames:
        """A new search for this module's frames."""

    def reading(self, frame: bytes) -> Reading:
        """What a good frame says."""


class Thermometer(Peripheral[None]):
    """One thermometer.

    Args:
        codec: Its bytes.
        limits: What counts as a reading.
        samples, within_s: How many readings make a measurement, and how long they may take.
        baud: Speed of the line; None for the factory's.
    """

    takes: ClassVar[tuple[type, ...]] = (Measure,)

    def __init__(
        self,
        codec: ThermometerCodec,
        *,
        limits: Limits | None = None,
        samples: int = SAMPLES,
        within_s: float = WITHIN_S,
        baud: int | None = None,
    ) -> None:
        assert samples >= SAMPLES, f"{samples} readings are too few for a median"
        line = LineSettings(baud=codec.baud if baud is None else baud)
        super().__init__(
            DriverInfo(protocol="thermometer", line=line, answers_within_s=within_s, streams=True)
        )
        self._codec, self._frames = codec, codec.frames()
        self._limits = limits or Limits()
        self._within_s = within_s
        self._id: str | None = None  # of the measurement that runs
        self._ends_s = self._ask_s = float("inf")
        self._kept: deque[Reading] = deque(maxlen=samples)  # the newest that count
        self._ambient_c: float | None = None
        self._heard = False

    def _command(self, command: Command) -> None:
        assert isinstance(command, Measure)
        if self._id is not None:
            self._refuse(command.id, Refusal.BUSY)
            return
        self._id, self._ends_s = command.id, self._now_s + self._within_s
        self._ask_s = self._now_s + ASK_EVERY_S  # a module that streams needs no question
        self._kept.clear()
        self._ambient_c, self._heard = None, False

    def _bytes(self, data: bytes) -> None:
        frames = self._frames.feed(data)
        self._tally.add(self._frames.take_garbage(), self._now_s)
        if not frames:
            return
        self._well("silent")
        if self._id is None:
            return
        self._heard, self._ask_s = True, self._now_s + ASK_EVERY_S
        for reading in map(self._codec.reading, frames):
            self._ambient_c = reading.ambient_c
            if self._limits.admits(reading):
                self._kept.append(reading)
            else:
                self._kept.clear()  # whoever was there has moved
        if len(self._kept) == self._kept.maxlen and self._agree():
            self._finish(complete=True)

    def _agree(self) -> bool:
        targets = [reading.target_c for reading in self._kept]
        return max(targets) - min(targets) <= self._limits.spread_c

    def _due(self) -> None:
        if self._now_s >= self._ends_s:
            if not self._heard:
                self._fault("silent", "the thermometer sends no readings: check its cable and speed")
            self._finish(complete=False)
        elif self._now_s >= self._ask_s:
            self._ask_s = self._now_s + ASK_EVERY_S
            if self._codec.question is not None:
                self._exchange.put(
                    Request(data=self._codec.question, urgency=Urgency.POLL, purpose=None, within_s=None)
                )

    def _deadlines(self) -> Iterator[float]:
        if self._id is not None:
            yield min(self._ends_s, self._ask_s)

    def _end(self) -> None:
        self._frames.reset()
        if self._id is not None:
            self._finish(complete=False)

    def _finish(self, *, complete: bool) -> None:
        assert self._id is not None, "no measurement runs"
        kept = list(self._kept) if complete else []
        self._events.append(
            Measured(
                id=self._id,
                target_c=_median(kept, lambda one: one.target_c),
                body_c=_median(kept, lambda one: one.body_c),
                ambient_c=self._ambient_c,
                samples=len(self._kept),
            )
        )
        self._id, self._ends_s, self._ask_s = None, float("inf"), float("inf")


def _median(readings: list[Reading], of: Callable[[Reading], float | None]) -> float | None:
    values = [value for value in map(of, readings) if value is not None]
    return round(median(values), 2) if values else None


def hundredths(data: bytes) -> float:
    """Two bytes, high one first, signed, as degrees."""
    return int.from_bytes(data, "big", signed=True) / 100
