"""Virtual boards in a thread of the test, a bus on them, and what both of them saw."""

import io
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from drivers.bus import Bus
from drivers.model import Event, InputEdge, Line, Pulse
from drivers.registry import make_bus
from shell.clock import SystemClock
from simulators.boards.process import VirtualBoards
from simulators.boards.tape import Tape
from simulators.boards.turnstile import Turnstile
from tests.waiting import until

E = TypeVar("E", bound=Event)


class Rig:
    """A relay board and an input module with people, published under ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.relays, self.inputs = folder / "relays", folder / "inputs"
        self._tape_path = folder / "tape.jsonl"
        self._tape = Tape(SystemClock(), io.StringIO(), self._tape_path)
        self.boards = VirtualBoards(
            relays_link=self.relays,
            inputs_link=self.inputs,
            turnstile=Turnstile(lanes=2, seed=7),
            tape=self._tape,
            clock=SystemClock(),
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.boards.run, args=(self._stop,), name="virtual-boards")
        self._thread.start()
        until(self.inputs.is_symlink, what="the links of the virtual boards")

    def tape(self, what: str = "") -> list[dict[str, Any]]:
        """Rows of the tape so far whose ``what`` begins so."""
        rows = [json.loads(line) for line in self._tape_path.read_text(encoding="utf-8").splitlines()]
        return [row for row in rows if row["what"].startswith(what)]

    def close(self) -> None:
        self.boards.ask(self._stop.set)
        self._thread.join(5)
        assert not self._thread.is_alive()
        self._tape.close()


class Listener:
    """A started bus and its events."""

    def __init__(self, protocol: str, path: Path) -> None:
        self.events: list[Event] = []
        self.bus: Bus = make_bus(name="board", protocol=protocol, path=path, on_event=self._take)
        self.bus.start()

    def _take(self, name: str, event: Event) -> None:
        assert name == "board"
        self.events.append(event)

    def of(self, kind: type[E]) -> list[E]:
        """Events of one kind so far."""
        return [event for event in list(self.events) if isinstance(event, kind)]

    def wait(self, kind: type[E], count: int = 1, within_s: float = 5.0) -> list[E]:
        """Wait for the ``count``-th event of one kind; all of them so far."""
        enough: Callable[[], bool] = lambda: len(self.of(kind)) >= count  # noqa: E731
        until(enough, within_s=within_s, what=f"{count} × {kind.__name__}")
        return self.of(kind)

    def wait_up(self, count: int = 1) -> None:
        """Wait until the line has come up ``count`` times."""
        until(lambda: sum(line.up for line in self.of(Line)) >= count, what="the line")

    def wait_edges(self, count: int) -> list[InputEdge]:
        return self.wait(InputEdge, count)

    def pulse(self, id_: str = "a", *, channel: int = 1, ms: int = 150) -> float:
        """Submit a pulse now; returns when."""
        now_s = time.monotonic()
        assert self.bus.submit(Pulse(channel=channel, ms=ms, id=id_, issued_s=now_s))
        return now_s
