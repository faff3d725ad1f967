"""Processes that write, and everything that they had said by the time they ended."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from tests.faults_tools.lives import SAYINGS, Said

WITHIN_S = 60


class Child:
    """A process that runs; what it says is kept in ``lines``."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[list[Any]] = []

    def listen(self, count: int) -> None:
        """Until it has said so many lines more, or has ended."""
        assert self.process.stdout is not None
        upto = len(self.lines) + count
        while len(self.lines) < upto:
            line = self.process.stdout.readline()
            if not line.endswith("\n"):
                return
            if line.startswith('["'):  # the rest is the log's
                self.lines.append(json.loads(line))

    def end(self) -> None:
        """Kill it, and hear what it had said."""
        self.process.kill()
        self.listen(1 << 30)
        self.process.wait(WITHIN_S)

    def said(self) -> list[Said]:
        """What the journal said in it."""
        return [SAYINGS[name](*rest) for name, *rest in self.lines if name in SAYINGS]


def writing(
    folder: Path, role: str, turns: int = 1 << 30, *, disk: Path | None = None
) -> AbstractContextManager[Child]:
    """The writer in a process; killed at the end. ``disk`` is the root of one whose power will be cut."""
    return _child("tests.faults_tools.writer", str(folder), role, str(turns), disk=disk)


def booting(folder: Path, number: int, *, disk: Path | None = None) -> AbstractContextManager[Child]:
    """A start of the gate's core in a process; killed at the end."""
    return _child("tests.faults_tools.booter", str(folder), str(number), disk=disk)


@contextmanager
def _child(module: str, *words: str, disk: Path | None) -> Iterator[Child]:
    command = [sys.executable, "-m", module, *words]
    env = os.environ | ({} if disk is None else {"POSTERN_CUT_DISK": str(disk)})
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        child = Child(process)
        try:
            yield child
        finally:
            child.end()
