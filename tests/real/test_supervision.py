import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shell.supervision import Child
from tests.waiting import until

pytestmark = pytest.mark.real

PARENT = """
import sys, threading
from shell.supervision import Child
child = Child([sys.executable, "-c", "import threading; threading.Event().wait()"])
print(child.pid, flush=True)
threading.Event().wait()
"""
DEAF = """
import signal, threading
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
threading.Event().wait()
"""


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_child_dies_with_its_parent_even_by_sigkill() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        until(
            lambda: b"threading.Event" in Path(f"/proc/{child}/cmdline").read_bytes(),
            what="the child's program",
        )
        assert alive(child)
        os.kill(parent.pid, signal.SIGKILL)
    until(lambda: not alive(child), what="the child's end")


def test_a_child_whose_parent_went_before_it_was_tied_does_not_stay() -> None:
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    orphan = [
        sys.executable,
        "-m",
        "shell.exec_child",
        gone.stdout.decode().strip(),
        sys.executable,
        "-c",
        "print(1)",
    ]
    ended = subprocess.run(orphan, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, b"")


def test_a_child_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = Child([sys.executable, "-c", DEAF], log_path=log)
    until(lambda: log.read_text() == "deaf\n", what="the child's first word")
    assert child.running()
    assert child.stop(within_s=0.2) == -signal.SIGKILL
    assert not child.running()


def test_a_child_that_stops_when_asked_is_not_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = Child(
        [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"], log_path=log
    )
    until(lambda: log.read_text() == "up\n", what="the child's first word")
    assert child.stop() == -signal.SIGTERM


def test_a_program_that_is_not_there_ends_with_127_and_its_name(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = Child(["no-such-program"], log_path=log)
    assert child.process.wait(20) == 127
    assert "no-such-program: not found on PATH" in log.read_text()
