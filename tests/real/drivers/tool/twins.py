"""One line with virtual devices for a test, and the tool's commands run against it."""

import io
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from drivers.tool.commands import app
from shell.clock import SystemClock
from simulators.boards.cable import Cable
from simulators.boards.device import Device
from simulators.boards.ends import PtyEnd
from simulators.boards.knobs import Knobs
from simulators.boards.station import Station
from simulators.boards.tape import Tape
from tests.waiting import until


class Twin:
    """Devices on one pseudo-terminal, served in a thread of the test."""

    def __init__(self, link: Path, devices: Sequence[Device], *, knobs: Knobs | None = None) -> None:
        self.link, self.devices = link, list(devices)
        link.parent.mkdir(exist_ok=True)
        self._tape_path = link.with_name(f"{link.name}.jsonl")
        self._tape = Tape(SystemClock(), io.StringIO(), self._tape_path)
        end = PtyEnd(link, Cable(self.devices, knobs=knobs))
        self.station = Station([end], clock=SystemClock(), tape=self._tape)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.station.run, args=(self._stop,), name="twin")
        self._thread.start()
        until(link.is_symlink, what="the link of the twin")

    def moved(self) -> list[tuple[str, int]]:
        """Relays that switched and settings that changed, so far."""
        self.station.ask(lambda: None)
        rows: list[dict[str, Any]] = [
            json.loads(line) for line in self._tape_path.read_text("utf-8").splitlines()
        ]
        return [(row["what"], row["channel"]) for row in rows if row["what"].startswith(("relay", "setting"))]

    def close(self) -> None:
        self.station.ask(self._stop.set)
        self._thread.join(5)
        assert not self._thread.is_alive()
        self._tape.close()


def run(*arguments: str | Path, language: str = "C", stdin: str | None = None) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    environment = {"LC_ALL": language, "COLUMNS": "80"}
    done = CliRunner().invoke(app, [str(each) for each in arguments], env=environment, input=stdin)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr
