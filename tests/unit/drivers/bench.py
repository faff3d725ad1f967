"""A driver in virtual time, with a device that answers a little later."""

from collections.abc import Callable
from heapq import heappop, heappush

from drivers.model import AnyEvent, Command, Driver
from simulators.boards.device import Device as VirtualDevice

Device = Callable[[bytes, float], bytes]
TURNS_MAX = 100_000


class Bench:
    """The line is up from 0 s on; ``device`` gives the answer to each frame, empty for none."""

    def __init__(self, driver: Driver, device: Device, *, latency_s: float = 0.010) -> None:
        self.driver, self.device, self.latency_s = driver, device, latency_s
        self.now_s = 0.0
        self.written: list[bytes] = []
        self.events: list[AnyEvent] = []
        self._coming: list[tuple[float, int, bytes]] = []
        driver.line_up(0.0)
        self._turn()

    def run(self, seconds: float) -> list[AnyEvent]:
        """Let so much time pass; the events of that time."""
        until_s, begun = self.now_s + seconds, len(self.events)
        for _ in range(TURNS_MAX):
            due = self.driver.next_deadline()
            moments = [
                at_s for at_s in (due, self._coming[0][0] if self._coming else None) if at_s is not None
            ]
            if not moments or min(moments) > until_s:
                break
            self.now_s = max(self.now_s, min(moments))
            if self._coming and self._coming[0][0] <= self.now_s:
                self.driver.receive(heappop(self._coming)[2], self.now_s)
            self._turn()
        else:
            raise AssertionError("the driver spins")
        self.now_s = until_s
        return self.events[begun:]

    def submit(self, command: Command, *, then_s: float = 0.0) -> list[AnyEvent]:
        """Give a command, let time pass, and return the events since."""
        begun = len(self.events)
        self.driver.submit(command, self.now_s)
        self._turn()
        self.run(then_s)
        return self.events[begun:]

    def hear(self, data: bytes) -> list[AnyEvent]:
        """Bytes arrive by themselves."""
        begun = len(self.events)
        self.driver.receive(data, self.now_s)
        self._turn()
        return self.events[begun:]

    def _turn(self) -> None:
        self.driver.tick(self.now_s)
        for frame in self.driver.take_output():
            self.written.append(frame)
            answer = self.device(frame, self.now_s)
            if answer:
                heappush(self._coming, (self.now_s + self.latency_s, len(self.written), answer))
        self.events += self.driver.take_events()


def silent(frame: bytes, now_s: float) -> bytes:
    """Nobody is there."""
    return b""


def twin(device: VirtualDevice) -> Device:
    """A virtual device, asked at the time of the bench."""
    return lambda frame, now_s: b"".join(answer.data for answer in device.receive(frame, now_s))
