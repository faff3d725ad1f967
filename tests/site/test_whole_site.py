"""The whole product on one machine, on real parts: the demo over both brokers, and three kills with SIGKILL.

All runs live side by side in threads, so that their waiting (a stay of one minute is one minute) is done once.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from simulators.report import Report
from simulators.site import Ports, Site, free_ports
from sync.broker import find_mosquitto
from tests.brokers import require, running_broker
from tests.site.traffic import Outcome, play
from tests.waiting import until

pytestmark = pytest.mark.real

DEMO_S = 96  # the forgetful courier is back after 88 s
KILL_TURNS, KILL_AT = 9, 4


def run_demo(folder: Path, *arguments: str) -> Report:
    """``postern-sim run`` to its own end; its exit status must be 0."""
    ports = free_ports()
    numbers = [
        f"--{name}-port={getattr(ports, name)}" for name in ("web", "kiosk", "broker", "camera", "sms")
    ]
    out = folder / "out.json"
    command = [sys.executable, "-m", "simulators.cli", "run", "--seed", "7", "--for", str(DEMO_S)]
    command += ["--json", str(out), "--dir", str(folder / "demo"), *numbers, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=DEMO_S + 90, check=False)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-4000:]
    return Report.model_validate_json(out.read_text("utf-8"))


def kill_gate(site: Site) -> None:
    site.kill("gate")
    site.start("gate")


def kill_broker(site: Site) -> None:
    os.kill(site.broker_pid(), signal.SIGKILL)


def kill_centre(site: Site) -> None:
    site.kill("centre")
    threading.Event().wait(2.0)  # the gate goes on by itself meanwhile
    site.start("centre")


class Runs:
    """Starts each run once, in the background; asks for its outcome when a test needs it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kills = ThreadPoolExecutor(max_workers=1)  # one after another
        self._demos = ThreadPoolExecutor(max_workers=2)
        self._futures: dict[str, Future[Any]] = {}

    def demo(self, name: str, *arguments: str) -> None:
        folder = self._folder / name
        folder.mkdir()
        self._futures[name] = self._demos.submit(run_demo, folder, *arguments)

    def kill(self, name: str, seed: int, embedded: str, harm: Callable[[Site], None]) -> None:
        folder = self._folder / name
        self._futures[name] = self._kills.submit(
            play, folder, seed=seed, turns=KILL_TURNS, embedded=embedded, at_turn=KILL_AT, harm=harm
        )

    def report(self, name: str) -> Report:
        found = self._futures[name].result()
        return found.report if isinstance(found, Outcome) else found

    def outcome(self, name: str) -> Outcome:
        found = self._futures[name].result()
        assert isinstance(found, Outcome)
        return found

    def close(self) -> None:
        self._demos.shutdown()
        self._kills.shutdown()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    started = Runs(tmp_path_factory.mktemp("sites"))
    with ExitStack() as stack:
        stack.callback(started.close)
        started.demo("embedded", "--embedded", "amqtt")
        if find_mosquitto() is not None:
            broker = stack.enter_context(running_broker("mosquitto", tmp_path_factory.mktemp("broker")))
            started.demo("mosquitto", "--broker", broker.url)
        started.kill("gate", 21, "amqtt", kill_gate)
        started.kill("broker", 22, "amqtt", kill_broker)
        started.kill("centre", 23, "amqtt", kill_centre)
        yield started


def test_killing_the_gate_in_mid_grant_loses_no_event_and_counts_none_twice(runs: Runs) -> None:
    assert_nothing_lost(runs.report("gate"))


def test_i3_a_restarted_gate_sends_no_old_pulse(runs: Runs) -> None:
    outcome = runs.outcome("gate")
    assert 0 < outcome.relay_closings <= outcome.report.grants


def test_killing_the_broker_loses_no_event_and_counts_none_twice(runs: Runs) -> None:
    outcome = runs.outcome("broker")
    assert_nothing_lost(outcome.report)
    assert outcome.relay_closings == outcome.report.grants


def test_killing_the_centre_loses_no_event_and_counts_none_twice(runs: Runs) -> None:
    assert_nothing_lost(runs.report("centre"))


def test_the_demo_over_mosquitto_shows_everything_it_promises(runs: Runs) -> None:
    require("mosquitto")
    assert_demo(runs.report("mosquitto"))


def test_the_demo_over_the_embedded_broker_shows_everything_it_promises(runs: Runs) -> None:
    assert_demo(runs.report("embedded"))


def assert_nothing_lost(report: Report) -> None:
    assert report.faults() == []
    assert report.events_recorded == report.events_received == report.events_receipted
    assert report.passages >= KILL_TURNS - 2  # before and after the kill; the one in flight may be a no-show
    assert report.events_recorded >= 2 * report.passages


def assert_demo(report: Report) -> None:
    assert report.faults() == []
    assert report.events_recorded == report.events_received == report.events_receipted
    assert report.grants > 0
    assert report.passages > 0
    assert report.overstays >= 1
    assert report.sms >= 1
    refused = report.denials
    assert set(refused) >= {"bad_signature", "expired", "red"}
    assert {"already_inside", "replayed", "entries_used"} & set(refused)


def listening(ports: Ports) -> list[int]:
    """Which of the ports somebody listens on."""
    found = []
    for port in (ports.web, ports.kiosk, ports.broker, ports.camera, ports.sms):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                found.append(port)
    return found


def naming(folder: Path) -> list[str]:
    """Command lines of running processes that name ``folder``."""
    lines = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(folder) in line:
                lines.append(line)
    return lines


def test_ctrl_c_leaves_no_process_port_or_lock_behind(tmp_path: Path) -> None:
    ports, folder = free_ports(), tmp_path / "demo"
    numbers = [
        f"--{name}-port={getattr(ports, name)}" for name in ("web", "kiosk", "broker", "camera", "sms")
    ]
    command = [sys.executable, "-m", "simulators.cli", "run", "--dir", str(folder), *numbers]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
        probe = Site(folder, ports=ports, seed=1)
        until(
            lambda: probe.gate_status() if (folder / "keys").exists() else None, within_s=60, what="the gate"
        )
        probe.wait_ready(threading.Event())
        assert len(listening(ports)) == 5
        assert len(naming(folder)) >= 4
        run.send_signal(signal.SIGINT)
        said, _ = run.communicate(timeout=40)
    assert run.returncode == 0, said.decode()[-2000:]
    assert listening(ports) == []
    assert naming(folder) == []
    assert list((folder / "dev").iterdir()) == []


def test_a_taken_port_is_named_with_the_setting_that_changes_it(tmp_path: Path) -> None:
    ports, folder = free_ports(), tmp_path / "demo"
    with socket.create_server(("127.0.0.1", ports.kiosk)):
        numbers = [
            f"--{name}-port={getattr(ports, name)}" for name in ("web", "kiosk", "broker", "camera", "sms")
        ]
        command = [sys.executable, "-m", "simulators.cli", "run", "--dir", str(folder), *numbers]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert str(ports.kiosk) in ended.stderr
    assert "[kiosk] port" in ended.stderr
    assert naming(folder) == []
