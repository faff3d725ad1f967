"""Virtual devices in a thread of the test, on a real pseudo-terminal or TCP port, with what happened at them."""

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from drivers.bus import Bus
from drivers.model import Event, Line
from drivers.registry import make_bus
from shell.clock import SystemClock
from simulators.boards.cable import Cable
from simulators.boards.device import Device
from simulators.boards.ends import End, PtyEnd
from simulators.boards.knobs import Knobs
from simulators.boards.station import Station
from simulators.boards.tape import Tape
from simulators.boards.turnstile import Turnstile
from tests.waiting import until


class Running:
    """A station that runs, and its tape."""

    def __init__(self, folder: Path, ends: list[End], people: Turnstile | None) -> None:
        self._path = folder / "tape.jsonl"
        self._tape = Tape(SystemClock(), io.StringIO(), self._path)
        self.station = Station(ends, clock=SystemClock(), tape=self._tape, people=people)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.station.run, args=(self._stop,), name="virtual-station")
        self._thread.start()
        until(lambda: all(end.plugged for end in ends), what="the lines of the station")

    def whats(self, prefix: str = "relay") -> list[tuple[str, int]]:
        """What happened so far, and where."""
        return [(row["what"], row["channel"]) for row in self.rows() if row["what"].startswith(prefix)]

    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines()]

    def close(self) -> None:
        self.station.ask(self._stop.set)
        self._thread.join(5)
        assert not self._thread.is_alive()
        self._tape.close()


@contextmanager
def running(folder: Path, ends: list[End], people: Turnstile | None = None) -> Iterator[Running]:
    run = Running(folder, ends, people)
    try:
        yield run
    finally:
        run.close()


@contextmanager
def on_pty(
    folder: Path, *devices: Device, knobs: Knobs | None = None, people: Turnstile | None = None
) -> Iterator[tuple[Running, Path]]:
    """Devices on one pair of wires, and where a host finds them."""
    link = folder / "dev" / "line"
    with running(folder, [PtyEnd(link, Cable(list(devices), knobs=knobs, seed=1))], people) as run:
        yield run, link


class Heard:
    """A started bus and everything it said."""

    def __init__(self, protocol: str, path: Path | str, **options: Any) -> None:
        self.events: list[Event] = []
        self.readings: list[object] = []
        self.bus: Bus = make_bus(
            name="board",
            protocol=protocol,
            path=path,
            on_event=lambda _name, event: self.events.append(event),
            on_reading=lambda _name, reading: self.readings.append(reading),
            **options,
        )
        self.bus.start()

    def one(self, kind: type[Any], within_s: float = 8.0) -> Any:
        """The first event or reading of a kind."""
        until(lambda: self.all(kind), within_s=within_s, what=f"a {kind.__name__} among {self.events}")
        return self.all(kind)[0]

    def all(self, kind: type[Any]) -> list[Any]:
        return [each for each in [*self.events, *self.readings] if isinstance(each, kind)]

    def wait_up(self) -> None:
        until(lambda: any(line.up for line in self.all(Line)), what="the line")


@contextmanager
def driving(protocol: str, path: Path | str, **options: Any) -> Iterator[Heard]:
    heard = Heard(protocol, path, **options)
    try:
        yield heard
    finally:
        heard.bus.close()
