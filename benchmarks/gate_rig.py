"""A real gate on this machine for benchmarks: the daemon in its own process, a virtual board on a pseudo-terminal.

RigError    something did not start; the message has the last words of its log
"""

import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.gate_process import LOOKED
from benchmarks.minted import SITE, UNIT, key_set
from shell.clock import SystemClock
from shell.supervision import Child
from simulators.site import free_ports

STARTS_WITHIN_S: Final = 60.0
LOOK_EVERY_S: Final = 0.004
PULSE_MS: Final = 100
_WORDS: Final = 1500  # of a log's end

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
[policy]
static_needs_guard = false
bundle_required = false
[[board]]
name = "relays"
protocol = "lcus"
port = "dev/relays"
"""
LANE: Final = """[[lane]]
name = "{name}"
direction = "entry"
camera = "{camera}"
board = "relays"
channel = {channel}
pulse_ms = {pulse_ms}
passage = "assumed"
release = "pulse_to_open"
on_power_loss = "locked"
"""


class RigError(Exception):
    """The gate of a benchmark did not start, or ended."""


@dataclass(frozen=True, slots=True)
class Rig:
    """A gate that runs."""

    folder: Path
    gate: Child
    board: Child

    def traced(self, start: int = 0) -> list[dict[str, Any]]:
        """What the daemon noted, in order, from that line on."""
        return _lines(self.folder / "trace.jsonl")[start:]

    def moved(self) -> list[dict[str, Any]]:
        """What happened at the board."""
        return _lines(self.folder / "tape.jsonl")

    def wait(self, done: Callable[[], bool], within_s: float) -> bool:
        """Wait for something; False when it did not come. Raises ``RigError`` when the gate or the board ended."""
        end_s, pause = time.monotonic() + within_s, threading.Event()
        while not done():
            for child, name in ((self.gate, "gate"), (self.board, "board")):
                if not child.running():
                    raise RigError(f"the {name} ended: {self.last_words(name)}")
            if time.monotonic() > end_s:
                return False
            pause.wait(LOOK_EVERY_S)
        return True

    def pids(self) -> list[int]:
        """The daemon, then all its descendants: the nursery and the eyes."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except OSError:  # it has just ended
                    continue
        found = [self.gate.pid]
        for pid in found:  # grows while it is walked
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def last_words(self, name: str) -> str:
        """The end of a process's log: ``gate`` or ``board``."""
        return (self.folder / f"{name}.log").read_text("utf-8", errors="replace")[-_WORDS:]


@contextmanager
def running(cameras: Mapping[str, str], *, reads_per_s: float | None = None) -> Iterator[Rig]:
    """A gate with an entry for each camera: name -> address. All its eyes have looked when this begins.

    Raises:
        RigError: It did not start.
    """
    # In the tree, not in /tmp: on a memory file system every commit would be free.
    build = Path("build").resolve()
    build.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=build, prefix="gate-"))
    children: list[Child] = []
    try:
        _write(folder, cameras)
        board = ["lcus", "--link", str(folder / "dev" / "relays"), "--lanes", "0"]
        board += ["--tape", str(folder / "tape.jsonl")]
        gate = [str(folder / "gate.toml"), str(folder / "trace.jsonl")]
        gate += [] if reads_per_s is None else [str(reads_per_s)]
        for name, module, arguments in (
            ("board", "simulators.boards.process", board),
            ("gate", "benchmarks.gate_process", gate),
        ):
            children.append(
                Child([sys.executable, "-m", module, *arguments], log_path=folder / f"{name}.log")
            )
        rig = Rig(folder, children[1], children[0])
        if not rig.wait(lambda: not _unseen(rig, cameras), STARTS_WITHIN_S):
            which = ", ".join(sorted(_unseen(rig, cameras)))
            words = rig.last_words("gate")
            raise RigError(f"no picture of {which} was looked at within {STARTS_WITHIN_S:g} s: {words}")
        yield rig
    finally:
        for child in reversed(children):
            child.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _unseen(rig: Rig, cameras: Mapping[str, str]) -> set[str]:
    """The cameras of which no picture was looked at yet."""
    return set(cameras) - {row["camera"] for row in rig.traced() if row["what"] == LOOKED}


def _write(folder: Path, cameras: Mapping[str, str]) -> None:
    now, ports = SystemClock().now(), free_ports()
    (folder / "dev").mkdir()
    (folder / "keyset.json").write_text(json.dumps(key_set(now)), "utf-8")
    (folder / "units.json").write_text(json.dumps({"v": 1, "units": {str(UNIT): "3-1202"}}), "utf-8")
    text = GATE.format(site=SITE, broker=ports.broker, kiosk=ports.kiosk)
    for channel, (name, address) in enumerate(cameras.items(), 1):
        text += LANE.format(name=name, camera=address, channel=channel, pulse_ms=PULSE_MS)
    (folder / "gate.toml").write_text(text, "utf-8")


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file that still grows."""
    if not path.exists():
        return []
    return [
        json.loads(line) for line in path.read_text("utf-8").splitlines(keepends=True) if line.endswith("\n")
    ]


def cpu_s(pid: int) -> float:
    """Processor time of a process so far; 0 when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_kb(pid: int) -> tuple[int, int]:
    """Resident memory of a process, and its share of it (what several share, in parts), in kB."""
    found = {"Rss": 0, "Pss": 0}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines():
        name, _, rest = line.partition(":")
        if name in found:
            found[name] = int(rest.split()[0])
    return found["Rss"], found["Pss"]
