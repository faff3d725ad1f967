"""The real daemon as a process of its own, with virtual boards and scanner engines that outlive it."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw

from edge.control import SOCKET
from shell.clock import SystemClock
from shell.control import ControlError, ask
from simulators.boards.cable import Cable
from simulators.boards.catalogue import make_board
from simulators.boards.ends import PtyEnd
from simulators.boards.turnstile import Turnstile
from simulators.devices.scanner import TextScanner
from tests.minting import Mint
from tests.real.drivers.stations import Running, running
from tests.real.test_gate_boards import write_gate
from tests.waiting import until

ENTRY, EXIT = 1, 2  # relay, passage contact and place in the file
GUARD = {"by": "李工", "reason": "验收测试"}
UP_WITHIN_S = 60.0
_BOARD = """[[board]]
name = "io"
protocol = "modbus-relay"
profile = "waveshare-io-8ch"
port = "dev/line"
"""
_LANE = """[[board]]
name = "{name}_engine"
protocol = "scanner"
port = "dev/{name}"
make = "text"
[[lane]]
name = "{name}"
direction = "{name}"
scanner = "{name}_engine"
release = "pulse_to_open"
on_power_loss = "locked"
tested_by = "李工"
tested_on = 2026-11-20
board = "io"
channel = {channel}
pulse_ms = {pulse_ms}
passage = "contact"
contact = {{ board = "io", channel = {channel} }}
"""


def fresh(number: int = 1) -> str:
    """A rotating code that is shown now, by the machine's own clock."""
    unix = int(SystemClock().now().timestamp())
    return Mint().phone(
        number, shown_at=unix, not_before=unix - 600, issued_at=unix - 600, expires_at=unix + 3600
    )


class Site:
    """A gate's files, what is wired to it, and its daemon, which is started and killed as one likes."""

    def __init__(self, folder: Path, station: Running, ends: dict[str, tuple[PtyEnd, TextScanner]]) -> None:
        self._station, self._ends, self._folder = station, ends, folder
        self.config, self.data = folder / "gate.toml", folder / "south"
        self._log = (folder / "log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The daemon's process."""
        assert self._process is not None
        return self._process.pid

    def start(self, **more: Any) -> None:
        """Start the daemon, and wait until its lanes work."""
        self.launch(**more)
        until(self.works, within_s=UP_WITHIN_S, what="a gate whose lanes work")

    def launch(self, **more: Any) -> None:
        """Start the daemon."""
        command = [sys.executable, "-m", "edge.cli", "run", "--config", str(self.config)]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log, **more)

    def works(self) -> bool:
        """Whether every lane of the running daemon works."""
        assert self._process is not None
        assert self._process.poll() is None, f"the daemon has ended: {self.log()[-2000:]}"
        try:
            return all(lane["works"] for lane in self.ask("watch")["now"]["lanes"])
        except ControlError:
            return False

    def ask(self, do: str, **content: Any) -> dict[str, Any]:
        """One request at the control socket."""
        return ask(self.data / SOCKET, {"do": do, **content}, within_s=30)

    def show(self, lane: str, text: str) -> None:
        """Hold a code before the engine of a lane."""
        end, engine = self._ends[lane]
        self._station.station.ask(
            lambda: end.cable.say(engine, engine.show(text, SystemClock().monotonic_s()))
        )

    def opens(self, lane: str, text: Callable[[], str]) -> None:
        """Hold a code before the engine, again each second as people do, until the lane opens."""
        channel, clock = {"entry": ENTRY, "exit": EXIT}[lane], SystemClock()
        before, next_s = self.opened(channel), clock.monotonic_s()

        def look() -> bool:
            nonlocal next_s
            if clock.monotonic_s() >= next_s:
                next_s += 1.0
                self.show(lane, text())
            return self.opened(channel) > before

        until(look, within_s=30, what=f"the {lane} that opens")

    def opened(self, channel: int) -> int:
        """How often the relay of a lane closed, by the board's own record."""
        return self._station.whats().count(("relay_on", channel))

    def closed_now(self) -> set[int]:
        """The relays that are closed at this moment, by the board's own record."""
        found: set[int] = set()
        for what, number in self._station.whats():
            (found.add if what == "relay_on" else found.discard)(number)
        return found

    def strike(self) -> None:
        """As a power cut of the box looks from outside; the boards have a supply of their own."""
        if self._process is not None:
            self._process.kill()

    def kill(self) -> None:
        """The same, and wait for the end."""
        self.strike()
        if self._process is not None:
            self._process.wait(20)

    def terminate(self, within_s: float) -> float:
        """Ask it to end, as a box on its last battery does; returns how long that took, in seconds."""
        assert self._process is not None
        began_s = SystemClock().monotonic_s()
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(within_s) == 0
        return SystemClock().monotonic_s() - began_s

    @property
    def has_ended(self) -> bool:
        """Whether it is gone."""
        assert self._process is not None
        return self._process.poll() is not None

    def ended(self, within_s: float) -> int:
        """Wait for its end; returns its exit code, or minus the signal."""
        assert self._process is not None
        return self._process.wait(within_s)

    def rows(self) -> list[dict[str, Any]]:
        """Every row of the journal, whether the daemon runs, stands still, or is dead."""
        return [json.loads(body) for (body,) in self._read("select body from event order by epoch, seq")]

    def unknown(self) -> int:
        """How many stays the next start has to assume something of: somebody was let in or out, and no end came."""
        query = "select 1 from stay where state = 'pending' or (state = 'inside' and leaving_ms is not null)"
        return len(self._read(query))

    def _read(self, query: str) -> list[tuple[Any, ...]]:
        """From a copy, for the file is the daemon's."""
        place = self._folder / "copy"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for name in ("journal.db", "journal.db-wal"):
            with suppress(FileNotFoundError):
                shutil.copy(self.data / name, place)
        db = apsw.Connection(str(place / "journal.db"))
        try:
            return list(db.execute(query))
        except (apsw.CorruptError, apsw.NotADBError):
            return []  # copied in the middle of a checkpoint
        finally:
            db.close()

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The data of the rows of one kind."""
        return [row["data"] for row in self.rows() if row["kind"] == kind]

    def log(self) -> str:
        """What the daemon said."""
        return (self._folder / "log").read_text("utf-8", "replace")

    def close(self) -> None:
        """End everything."""
        self.kill()
        self._log.close()


@contextmanager
def site(folder: Path, *, people: bool = True, pulse_ms: int = 600) -> Iterator[Site]:
    """A gate with an entry and an exit; ``people`` walk when a lane opens, else nobody does."""
    ends = {}
    for name in ("entry", "exit"):
        engine = TextScanner()
        ends[name] = (PtyEnd(folder / "dev" / name, Cable([engine], seed=1)), engine)
    board = make_board("modbus-relay", profile="waveshare-io-8ch")
    lines = [PtyEnd(folder / "dev" / "line", Cable([board], seed=1)), *(end for end, _ in ends.values())]
    lanes = [
        _LANE.format(name=name, channel=channel, pulse_ms=pulse_ms)
        for name, channel in (("entry", ENTRY), ("exit", EXIT))
    ]
    write_gate(folder, _BOARD + "".join(lanes), code=False)
    with running(folder, list(lines), Turnstile(lanes=2 if people else 0, seed=7)) as station:
        gate = Site(folder, station, ends)
        try:
            yield gate
        finally:
            gate.close()


@contextmanager
def injected(pid: int, call: str, what: str, folder: Path) -> Iterator[None]:
    """``what`` happens at each ``call`` of a running process, in the words of ``strace``'s option ``inject``."""
    words = folder / "strace-words"
    command = ["strace", "-f", "-o", str(folder / "strace-calls"), "-e", f"trace={call}"]
    command += ["-e", f"inject={call}:{what}", "-p", str(pid)]
    with words.open("wb") as said, subprocess.Popen(command, stderr=said) as tracer:
        try:
            until(lambda: b"attached" in words.read_bytes(), what="strace at the process")
            yield
        finally:
            tracer.kill()
            tracer.wait(20)
