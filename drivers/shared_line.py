"""Several drivers on one line as if they were one: who may speak, and whom the bytes are for. No clock, no port.

The most urgent speaks first; whoever waits for an answer has the line until it came or its time is over. Who has waited
for long goes before routine work of others, so that a device that is silent or always busy keeps nobody out. What comes
while nobody waits is for devices that send unasked; where there is none, for the latest speaker, who counts it.

An adapter for two wires may send back what it was given (``echo``): those bytes are taken off what comes in.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final, Protocol, runtime_checkable

from drivers.model import AllOff, AnyEvent, Command, Driver, Hearing, LineSettings, Urgency

STARVED_S: Final = 0.250  # routine work that waited so long goes first
ECHO_WITHIN_S: Final = (
    0.250  # USB adapters deliver in steps of up to 16 ms; the longest frame takes 30 ms at 9600 baud
)
_AT_ONCE: Final = 64  # frames of drivers that wait for nothing, in one go
_NEVER: Final = float("inf")


class LineMismatchError(ValueError):
    """Devices on one line want it set differently."""

    def __init__(self, name: str, line: LineSettings, other: str, other_line: LineSettings) -> None:
        super().__init__(
            f"{name} needs {_words(line)} and {other} needs {_words(other_line)}, which one line cannot be. "
            "Set both devices to the same speed, or give each its own port"
        )
        self.name, self.other = name, other


def _words(line: LineSettings) -> str:
    return f"{line.baud} 8{line.parity.value[0].upper()}{line.stop_bits}"


@runtime_checkable
class Opening(Protocol):
    """A driver that tells the openings of its outputs from its other questions."""

    def opens_outputs(self) -> bool:
        """Whether an opening of an output waits for the line or for its answer."""


class _Station:
    """One driver, and its place among the others."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.waits_since_s = _NEVER
        self.served = 0  # in which turn it spoke last

    def look(self, now_s: float) -> None:
        wants = self.driver.wants_line() is not None
        self.waits_since_s = min(self.waits_since_s, now_s) if wants else _NEVER

    def place(self, now_s: float) -> tuple[int, int]:
        urgency = self.driver.wants_line()
        assert urgency is not None, "only who wants the line has a place"
        starved = now_s - self.waits_since_s >= STARVED_S
        return (min(urgency, Urgency.RELEASE) if starved else urgency, self.served)


class SharedLine:
    """The drivers of one line.

    Args:
        drivers: By the names of their devices in configuration; one or more.
        echo: The adapter sends back what it is given.

    Raises:
        LineMismatchError: They do not agree on how the line is set.
    """

    def __init__(self, drivers: Mapping[str, Driver], *, echo: bool = False) -> None:
        assert drivers, "a line without devices"
        self._stations = {name: _Station(driver) for name, driver in drivers.items()}
        self._speaker = next(iter(self._stations.values()))
        self._turn = 0
        self._now_s = float("-inf")
        self._echo: bytearray | None = bytearray() if echo else None
        self._echo_by_s = float("-inf")
        (first, one), *others = drivers.items()
        for name, driver in others:
            if driver.info.line != one.info.line:
                raise LineMismatchError(name, driver.info.line, first, one.info.line)

    @property
    def names(self) -> list[str]:
        """The devices' names."""
        return list(self._stations)

    def submit(self, name: str, command: Command, now_s: float) -> None:
        """Give a command to one driver."""
        self._stations[name].driver.submit(command, now_s)

    def all_off(self, now_s: float) -> None:
        """Have every driver open its outputs."""
        for station in self._stations.values():
            station.driver.submit(AllOff(), now_s)

    def receive(self, data: bytes, now_s: float) -> None:
        """Pass bytes on to whom they are for."""
        data = self._without_echo(data, now_s)
        if not data:
            return
        for station in self._listeners():
            station.driver.receive(data, now_s)

    def tick(self, now_s: float) -> None:
        """Let every driver do what is due."""
        self._now_s = now_s
        for station in self._stations.values():
            station.driver.tick(now_s)

    def next_deadline(self) -> float | None:
        """When a driver has something to do."""
        deadlines = [station.driver.next_deadline() for station in self._stations.values()]
        return min((one for one in deadlines if one is not None), default=None)

    def take_output(self) -> list[bytes]:
        """Frames to write now, of one driver or of several that wait for no answer."""
        frames: list[bytes] = []
        for station in self._stations.values():
            station.look(self._now_s)
        while len(frames) < _AT_ONCE and not self._held():
            waiting = [one for one in self._stations.values() if one.driver.wants_line() is not None]
            if not waiting:
                break
            station = min(waiting, key=lambda one: one.place(self._now_s))
            self._turn += 1
            self._speaker, station.served, station.waits_since_s = station, self._turn, _NEVER
            taken = station.driver.take_output()
            if not taken:
                break  # what it had to say was too old
            frames += taken
        if self._echo is not None and frames:
            self._echo += b"".join(frames)
            self._echo_by_s = self._now_s + ECHO_WITHIN_S
        return frames

    def take_events(self) -> list[tuple[str, AnyEvent]]:
        """What happened, with the devices' names."""
        return [
            (name, event)
            for name, station in self._stations.items()
            for event in station.driver.take_events()
        ]

    def line_up(self, now_s: float) -> None:
        """The port was opened."""
        self._now_s = now_s
        if self._echo is not None:
            self._echo.clear()
        for station in self._stations.values():
            station.driver.line_up(now_s)

    def line_lost(self, now_s: float) -> None:
        """The port is gone."""
        with ExitStack() as rest:  # one driver's error leaves none of the others with a line that is gone
            for station in self._stations.values():
                rest.callback(station.driver.line_lost, now_s)

    def heard_s(self, name: str) -> float | None:
        """When this device last answered, by its driver's word; None if it never did, or its driver does not say."""
        driver = self._stations[name].driver
        return driver.heard_s if isinstance(driver, Hearing) else None

    def is_settled(self, name: str) -> bool:
        """Whether nothing that opens this device's outputs waits, or is on the line."""
        driver = self._stations[name].driver
        if not driver.info.outputs:
            return True
        if isinstance(driver, Opening):
            return not driver.opens_outputs()
        return driver.wants_line() not in {Urgency.ALL_OFF, Urgency.RELEASE} and not driver.holds_line()

    def _held(self) -> bool:
        drivers = [station.driver for station in self._stations.values()]
        return any(one.holds_line() and one.wants_line() is None for one in drivers)

    def _listeners(self) -> list[_Station]:
        if len(self._stations) == 1 or self._speaker.driver.holds_line():
            return [self._speaker]
        streaming = [one for one in self._stations.values() if one.driver.info.streams]
        return streaming or [self._speaker]

    def _without_echo(self, data: bytes, now_s: float) -> bytes:
        """Take off what this side wrote; the first byte that differs ends the echo."""
        if not self._echo:
            return data
        if now_s > self._echo_by_s:
            self._echo.clear()
            return data
        length = min(len(data), len(self._echo))
        if data[:length] != self._echo[:length]:
            self._echo.clear()
            return data
        del self._echo[:length]
        return data[length:]
