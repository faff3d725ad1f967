"""The gate daemon and its control socket: a socket that cannot be made costs the tools and not the gate."""

import json
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.init import DemoPlan, create_demo
from edge.config import load_config
from edge.control import SOCKET
from edge.daemon import EdgeDaemon
from edge.gate_key import make_gate_key
from shell.clock import SystemClock
from shell.control import NotRunningError, RefusedError, ask
from simulators.site import free_ports
from tests.waiting import until

pytestmark = pytest.mark.real
ORDER = {"do": "walkin_issue", "category": "food", "unit": 12, "by": "王强", "reason": "已致电业主"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A gate with nothing around it: no broker, no camera, no board."""
    ports = free_ports()
    plan = DemoPlan(
        folder=tmp_path / "demo", kiosk_port=ports.kiosk, broker_port=ports.broker, camera_port=ports.camera
    )
    create_demo(plan, now=SystemClock().now())
    (tmp_path / "demo" / "south").mkdir(exist_ok=True)
    return tmp_path / "demo" / "gate.toml"


@contextmanager
def running(config: Path) -> Iterator[EdgeDaemon]:
    """The daemon, deciding in a thread of this process until the block ends."""
    daemon, stop = EdgeDaemon(load_config(config), config), threading.Event()
    thread = threading.Thread(target=daemon.run, args=(stop,))
    thread.start()
    try:
        yield daemon
    finally:
        stop.set()
        thread.join()


def faults(daemon: EdgeDaemon) -> list[str]:
    rows = daemon.journal.read("select json_extract(body, '$.data.device') from event where kind = 'device'")
    return [device for (device,) in rows]


def test_the_socket_answers_while_the_gate_runs_and_goes_with_it(config: Path) -> None:
    path = config.parent / "south" / SOCKET
    with running(config) as daemon:
        until(lambda: answers(path), what="an answer")
        with pytest.raises(RefusedError) as refused:
            ask(path, ORDER, within_s=10)
        assert refused.value.code == "not_enrolled"
        make_gate_key(path.parent)
        with pytest.raises(RefusedError) as refused:
            ask(path, ORDER, within_s=10)
        assert refused.value.code == "no_certificate"  # enrolled without a restart
        assert SOCKET not in faults(daemon)
    assert not path.exists()
    with pytest.raises(NotRunningError):
        ask(path, ORDER, within_s=10)


def test_a_socket_of_a_killed_gate_is_no_obstacle(config: Path) -> None:
    path = config.parent / "south" / SOCKET
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with running(config) as daemon:
        until(lambda: answers(path), what="an answer")
        assert SOCKET not in faults(daemon)


def answers(path: Path) -> bool:
    try:
        ask(path, ORDER, within_s=10)
    except RefusedError:
        return True
    except NotRunningError:
        return False
    return True


def test_something_else_at_its_place_costs_the_tools_and_not_the_gate(config: Path) -> None:
    path = config.parent / "south" / SOCKET
    path.write_text("the guard's notes")
    with running(config) as daemon:
        until(lambda: SOCKET in faults(daemon), what="the record")
        with urllib.request.urlopen(f"{daemon.url}/api/v1/status", timeout=10) as status:
            assert {lane["name"] for lane in json.load(status)["lanes"]} == {"entry", "exit"}
    assert path.read_text() == "the guard's notes"
