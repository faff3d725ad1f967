"""The writer again and again, in forks of one process under ``strace``: the n-th call of a kind kills it, or fails.

``strace`` counts the calls of each process by itself, and has one number for all. A fork that is to be hit at its
k-th call makes as many harmless calls of that kind before as are missing. ``Traced`` is the test's end of it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.faults_tools.lives import SAYINGS, Said
from tests.faults_tools.writer import play, say

HIT_AT: Final = 250  # which of its calls hits a process; no role makes as many


def _harmless() -> dict[str, Callable[[], object]]:
    nowhere, memory = os.open(os.devnull, os.O_WRONLY), os.memfd_create("harmless")
    return {
        "pwrite64": lambda: os.pwrite(nowhere, b"x", 0),
        "write": lambda: os.write(nowhere, b"x"),
        "fdatasync": lambda: os.fdatasync(memory),
        "fsync": lambda: os.fsync(memory),
        "pread64": lambda: os.pread(memory, 1, 0),
        "ftruncate": lambda: os.ftruncate(memory, 0),
        "unlink": lambda: Path("/nonexistent/harmless").unlink(missing_ok=True),
        "rename": _rename_nothing,
    }


def _rename_nothing() -> None:
    try:
        os.rename("/nonexistent/one", "/nonexistent/other")  # noqa: PTH104  # this very call
    except FileNotFoundError:
        return


class Hit(NamedTuple):
    """What became of one writer: what it had said, how it ended, and the last line when that was an error."""

    said: tuple[Said, ...]
    turn: int
    status: int  # its exit code, or minus the signal
    error: str
    errors: tuple[str, ...]
    after_errors: tuple[Said, ...]  # what it said in spite of them

    @property
    def killed(self) -> bool:
        """Whether it made as many calls as that."""
        return self.status < 0


class Traced:
    """Writers whose n-th ``call`` is hit by ``what``, in the words of ``strace``'s option ``inject``."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, folder: Path, role: str, turns: int, *, call: str, at: int) -> Hit:
        """One writer that is hit at its ``at``-th call, counted from 1."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([str(folder), role, turns, call, at]), file=self._process.stdin, flush=True)
        lines: list[list[Any]] = []
        for line in self._process.stdout:
            if line.startswith('["'):  # the rest is the log's
                lines.append(json.loads(line))
                if lines[-1][0] == "ended":
                    break
        errors = [" ".join(rest) for name, *rest in lines if name == "error"]
        first = next((at for at, line in enumerate(lines) if line[0] == "error"), len(lines))
        return Hit(
            _said(lines),
            max((turn for name, turn, *_ in lines if name == "settings"), default=-1),
            lines[-1][1],
            errors[-1] if errors else "",
            tuple(errors),
            _said(lines[first:]),
        )


@contextmanager
def traced(call: str, what: str, folder: Path, *, lasting: bool = False) -> Iterator[Traced]:
    """``what`` happens at the call, and if it is ``lasting`` at each one after it: ``signal=KILL``, ``error=EIO``."""
    command = [
        "strace",
        "-f",
        "-qqq",
        "-o",
        str(folder / "strace"),
        "-e",
        f"trace={call}",
        "-e",
        "signal=none",
    ]
    when = f"{HIT_AT}+" if lasting else f"{HIT_AT}"
    command += ["-e", f"inject={call}:{what}:when={when}", sys.executable, "-m", "tests.faults_tools.forks"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        yield Traced(process)


def _said(lines: list[list[Any]]) -> tuple[Said, ...]:
    return tuple(SAYINGS[name](*rest) for name, *rest in lines if name in SAYINGS)


def _serve() -> None:
    harmless = _harmless()
    for line in sys.stdin:
        folder, role, turns, call, at = json.loads(line)
        child = os.fork()
        if child == 0:
            for _ in range(HIT_AT - at):
                harmless[call]()
            os._exit(play(Path(folder), role, turns))
        _, status = os.waitpid(child, 0)
        say("ended", os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    _serve()
