import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from controller.init import DemoPlan, create_demo
from shell.clock import SystemClock
from shell.supervision import Child
from simulators.site import free_ports
from tests.brokers import free_port
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


LOCKED = """
import os, signal
from shell.supervision import stop_event
stop = stop_event()
with stop._cond:  # where a signal may find the main thread, whatever it does with the event
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    print("went on", flush=True)
assert stop.wait(30)
print("stopped", flush=True)
"""
BURST = """
import signal
from shell.supervision import stop_event
stop = stop_event()
signal.signal(signal.SIGUSR1, lambda *_: None)
print("up", flush=True)
stop.wait()
print("stopped", flush=True)
for number in range(200):
    signal.raise_signal(signal.SIGTERM)
"""


def test_a_stop_signal_that_interrupts_the_holder_of_the_events_lock_waits_for_nobody() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LOCKED], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "went on\nstopped\n"), ended.stderr


def test_other_signals_stop_nothing_and_a_burst_of_stops_is_one() -> None:
    with subprocess.Popen([sys.executable, "-c", BURST], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        for _ in range(300):
            os.kill(child.pid, signal.SIGUSR1)
        assert child.poll() is None
        for _ in range(50):
            os.kill(child.pid, signal.SIGINT)
            os.kill(child.pid, signal.SIGTERM)
        assert child.stdout.read() == "stopped\n"
        assert child.wait(30) == 0


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """The configuration of a demo site."""
    ports = free_ports()
    plan = DemoPlan(
        folder=tmp_path / "demo", kiosk_port=ports.kiosk, broker_port=ports.broker, camera_port=ports.camera
    )
    create_demo(plan, now=SystemClock().now())
    return tmp_path / "demo"


DAEMONS = {
    "gate": (("edge.cli", "run", "--config", "{demo}/gate.toml"), "gate serves"),
    "gate with exits only": (("edge.cli", "run", "--config", "{demo}/gate.toml"), "exits open for everyone"),
    "centre": (("controller.cli", "run", "--config", "{demo}/centre.toml"), "centre serves"),
    "short messages": (("simulators.sms_gateway",), ""),
    "cameras": (("simulators.cameras.server", "--port", "{port}"), ""),
}


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_daemon_that_is_told_to_stop_again_and_again_stops_cleanly(
    daemon: str, demo: Path, tmp_path: Path
) -> None:
    words, up = DAEMONS[daemon]
    if daemon == "gate with exits only":
        (demo / "keyset.json").write_text("{", encoding="utf-8")
    arguments = [word.format(demo=demo, port=free_port()) for word in words]
    log, says = tmp_path / "log", socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    says.bind(str(tmp_path / "notify"))
    told = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", *arguments], stdout=out, stderr=out, env=told)
    try:
        until(
            lambda: up in log.read_text("utf-8") and handles_signals(process.pid),
            within_s=120,
            what="its start",
        )
        until(lambda: tell_to_stop(process), within_s=120, what="its end")
        assert process.wait() == 0, log.read_text("utf-8")
        heard = [word for word in words_of(says) if word.partition("=")[0] != "EXTEND_TIMEOUT_USEC"]
        assert (heard[0].partition("=")[0], heard[-1]) == ("READY", "STOPPING=1") or "simulators" in words[0]
    finally:
        process.kill()
        process.wait()
        says.close()


def words_of(says: socket.socket) -> list[str]:
    """What was said to systemd."""
    heard: list[str] = []
    while True:
        try:
            heard.append(says.recv(1000).decode())
        except BlockingIOError:
            return heard or [""]


def tell_to_stop(process: subprocess.Popen[bytes]) -> bool:
    """Both signals close behind each other; whether it has ended."""
    for number in (signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)  # to this process alone: nothing happens once it was waited for
    return process.poll() is not None


def handles_signals(pid: int) -> bool:
    """Whether the process has a handler for both signals."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return all(caught >> (number - 1) & 1 for number in (signal.SIGINT, signal.SIGTERM))
