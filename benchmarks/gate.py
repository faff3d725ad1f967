"""A gate from its start to its stop: first decision, what it costs while nothing happens, how long a code waits.

The gate is the daemon's own process on this disk, with a scanner engine (a pseudo-terminal) and a virtual relay board,
and no camera: what cameras cost is told by ``cameras`` and ``glass``. A code lies before the engine when the process
starts. Times are wall time, and a busy machine is slower; judge the figures on a quiet one.
"""

import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from benchmarks.gate_rig import cpu_s
from benchmarks.minted import SITE, UNIT, key_set
from benchmarks.result import Options, Outcome, Result, Skipped
from shell.clock import SystemClock
from shell.supervision import Child
from simulators.site import free_ports

START_S: Final = 5.0  # from the process's start to its first decision
STOP_S: Final = 5.0
IDLE_CPU: Final = 2.0  # percent of one core
MEMORY_MB: Final = 80.0
DECISION_MS: Final = 300.0  # reader to relay byte (reliability catalogue, 10)
GIVES_UP_S: Final = 60.0
SHOWN_EVERY_S: Final = 0.05
BETWEEN_S: Final = 0.6  # texts that follow sooner count as lines of one code
IDLE_FOR_S: Final = 10.0
CODES: Final = 40

GATE: Final = """[gate]
id = "south"
site = {site}
number = 0
name = "南门"
zone = "Asia/Shanghai"
data_dir = "south"
keys = "keyset.json"
units = "units.json"
[broker]
url = "mqtt://127.0.0.1:{broker}"
[kiosk]
port = {kiosk}
[[board]]
name = "engine"
protocol = "scanner"
make = "text"
port = "dev/engine"
[[board]]
name = "relays"
protocol = "lcus"
port = "dev/relays"
[[lane]]
name = "exit"
direction = "exit"
scanner = "engine"
board = "relays"
channel = 1
pulse_ms = 100
passage = "assumed"
release = "pulse_to_open"
on_power_loss = "open"
"""


class Engine:
    """A scanner engine that says what lies before it, again and again."""

    def __init__(self, link: Path) -> None:
        self._master, self._spare = os.openpty()
        tty.setraw(self._spare)
        os.set_blocking(self._master, False)
        link.symlink_to(os.ttyname(self._spare))

    def say(self, text: str) -> float:
        """Send one reading; the monotonic second before."""
        now_s = time.monotonic()
        with suppress(BlockingIOError):  # nobody reads it
            os.write(self._master, f"{text}\r".encode())
        return now_s

    def close(self) -> None:
        """Pull it out."""
        os.close(self._master)
        os.close(self._spare)


def run(options: Options) -> list[Outcome]:
    """Start a gate, wait, show codes, stop it under load."""
    quick = options.quick
    with _site() as (folder, engine, board):
        opened = _Tape(folder / "tape.jsonl")
        began_s = time.monotonic()
        log = folder / "gate.log"
        gate = Child(
            [sys.executable, "-m", "edge.cli", "run", "--config", str(folder / "gate.toml")], log_path=log
        )
        try:
            if not _until(lambda: bool(engine.say("first of all") and opened.times())):
                return [Skipped(name="a gate from start to stop", why=log.read_text("utf-8")[-500:])]
            start_s = opened.times()[0] - began_s
            cpu_percent = _idle(gate.pid, IDLE_FOR_S / 4 if quick else IDLE_FOR_S)
            memory_mb = _memory_mb(gate.pid)
            waits = [_waited(engine, opened, number) for number in range(CODES // 8 if quick else CODES)]
            stop_s = _stop(gate, engine)
        finally:
            gate.kill()
            assert board.running()
    waited_ms = [wait_s * 1000 for wait_s in waits if wait_s is not None]
    lost = len(waits) - len(waited_ms)
    figures = (
        ("start of the process to the first opening", start_s, "s", START_S),
        ("processor while nothing happens, without cameras", cpu_percent, "% of a core", IDLE_CPU),
        ("memory without cameras (its own, not of files)", memory_mb, "MB", MEMORY_MB),
        ("code at the engine to the relay, median", statistics.median(waited_ms), "ms", DECISION_MS),
        ("code at the engine to the relay, worst", max(waited_ms), "ms", DECISION_MS),
        ("SIGTERM to the end, codes still coming", stop_s, "s", STOP_S),
        ("codes that opened nothing (plus one)", 1.0 + lost, "codes", 1.0),
    )
    return [
        Result(
            name=name,
            value=value,
            unit=unit,
            baseline="the most that is promised",
            baseline_value=most,
            ratio_max=1.0,
        )
        for name, value, unit, most in figures
    ]


class _Tape:
    """What the board wrote down of its relay."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def times(self) -> list[float]:
        """When it was closed, in monotonic seconds."""
        if not self._path.exists():
            return []
        lines = self._path.read_text("utf-8").splitlines(keepends=True)
        rows = [json.loads(line) for line in lines if line.endswith("\n")]
        return [row["mono"] for row in rows if row["what"] == "relay_on"]


@contextmanager
def _site() -> Iterator[tuple[Path, Engine, Child]]:
    # In the tree, not in /tmp: on a memory file system every commit would be free.
    build = Path("build").resolve()
    build.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=build, prefix="gate-"))
    (folder / "dev").mkdir()
    ports = free_ports()
    (folder / "keyset.json").write_text(json.dumps(key_set(SystemClock().now())), "utf-8")
    (folder / "units.json").write_text(json.dumps({"v": 1, "units": {str(UNIT): "3-1202"}}), "utf-8")
    text = GATE.format(site=SITE, broker=ports.broker, kiosk=ports.kiosk)
    (folder / "gate.toml").write_text(text, "utf-8")
    engine = Engine(folder / "dev" / "engine")
    link, tape = folder / "dev" / "relays", folder / "tape.jsonl"
    module = ["simulators.boards.process", "lcus", "--link", str(link), "--lanes", "0", "--tape", str(tape)]
    board = Child([sys.executable, "-m", *module], log_path=folder / "board.log")
    try:
        _until(link.exists)
        yield folder, engine, board
    finally:
        board.stop()
        engine.close()
        shutil.rmtree(folder, ignore_errors=True)


def _until(done: Callable[[], bool]) -> bool:
    """Whether it came true in time."""
    end_s, pause = time.monotonic() + GIVES_UP_S, threading.Event()
    while not done():
        if time.monotonic() > end_s:
            return False
        pause.wait(SHOWN_EVERY_S)
    return True


def _idle(pid: int, seconds: float) -> float:
    """Percent of a core that a process takes while nothing happens."""
    pause = threading.Event()
    pause.wait(2.0)  # what belongs to the start is over
    began_s, used_s = time.monotonic(), cpu_s(pid)
    pause.wait(seconds)
    return 100 * (cpu_s(pid) - used_s) / (time.monotonic() - began_s)


def _memory_mb(pid: int) -> float:
    """Resident memory that is nobody else's: programs and libraries on the disk may leave it at any time."""
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1000
    return float("nan")


def _waited(engine: Engine, opened: _Tape, number: int) -> float | None:
    """How long one code waited for the relay; None when that did not move."""
    pause, before = threading.Event(), len(opened.times())
    pause.wait(BETWEEN_S)
    said_s = engine.say(f"somebody leaves {number}")
    end_s = said_s + 4.0
    while len(opened.times()) == before:
        if time.monotonic() > end_s:
            return None
        pause.wait(0.002)
    return opened.times()[before] - said_s


def _stop(gate: Child, engine: Engine) -> float:
    """Seconds from SIGTERM to the process's end, while codes go on coming."""
    pause = threading.Event()
    for number in range(20):
        engine.say(f"many leave {number}")
    began_s = time.monotonic()
    os.kill(gate.pid, signal.SIGTERM)
    while gate.running() and time.monotonic() < began_s + GIVES_UP_S:
        engine.say(f"more leave {time.monotonic_ns()}")
        pause.wait(0.01)
    return time.monotonic() - began_s
