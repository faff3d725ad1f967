"""The writer as a process, and everything that it had said by the time it ended."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.faults_tools.lives import SAYINGS, Said

WITHIN_S = 60


class Child:
    """A writer that runs; what it says is kept in ``lines``."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[list[Any]] = []

    def listen(self, count: int) -> None:
        """Until it has said so many lines more, or has ended."""
        assert self.process.stdout is not None
        for _ in range(count):
            line = self.process.stdout.readline()
            if not line.endswith("\n"):
                return
            self.lines.append(json.loads(line))

    def end(self) -> None:
        """Kill it, and hear what it had said."""
        self.process.kill()
        self.listen(1 << 30)
        self.process.wait(WITHIN_S)

    def said(self) -> list[Said]:
        """What the journal said in it."""
        return [SAYINGS[name](*rest) for name, *rest in self.lines if name in SAYINGS]


@contextmanager
def writing(folder: Path, role: str, turns: int = 1 << 30, *, under: tuple[str, ...] = ()) -> Iterator[Child]:
    """The writer in a process, behind the words of ``under``; killed at the end."""
    command = [*under, sys.executable, "-m", "tests.faults_tools.writer", str(folder), role, str(turns)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        child = Child(process)
        try:
            yield child
        finally:
            child.end()
