"""The picture of a lane out of a whole running gate, with virtual cameras: only where its file says so."""

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from controller.init import DemoPlan, create_demo
from drivers.gate.config import load_config
from edge.daemon import EdgeDaemon
from shell.clock import SystemClock
from simulators.cameras.server import CameraServer
from simulators.site import free_ports
from tests.waiting import until

pytestmark = pytest.mark.real


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """A gate with cameras, and neither broker nor boards."""
    ports = free_ports()
    plan = DemoPlan(
        folder=tmp_path / "demo", kiosk_port=ports.kiosk, broker_port=ports.broker, camera_port=ports.camera
    )
    create_demo(plan, now=SystemClock().now())
    (tmp_path / "demo" / "south").mkdir(exist_ok=True)
    cameras = CameraServer(port=ports.camera, names=["entry", "exit"], seed=5)
    cameras.start()
    try:
        yield tmp_path / "demo" / "gate.toml"
    finally:
        cameras.close()


@contextmanager
def running(config: Path) -> Iterator[EdgeDaemon]:
    daemon, stop = EdgeDaemon(load_config(config), config), threading.Event()
    thread = threading.Thread(target=daemon.run, args=(stop,))
    thread.start()
    try:
        yield daemon
    finally:
        stop.set()
        thread.join()


def picture(daemon: EdgeDaemon, lane: str) -> tuple[int, bytes]:
    """Status and body; 0 while the page is not served yet."""
    try:
        with urllib.request.urlopen(f"{daemon.url}/camera/{lane}.jpg", timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError:
        return 0, b""


def shown(daemon: EdgeDaemon, lane: str) -> bool:
    status, body = picture(daemon, lane)
    return status == 200 and body.startswith(b"\xff\xd8\xff")


def test_a_gate_that_may_shows_what_both_of_its_cameras_see(config: Path) -> None:
    config.write_text(config.read_text("utf-8").replace("[kiosk]\n", "[kiosk]\npreview = true\n"), "utf-8")
    with running(config) as daemon:
        for lane in ("entry", "exit"):
            until(partial(shown, daemon, lane), within_s=60, what=f"a picture of {lane}")
        assert picture(daemon, "garage")[0] == 404


def test_a_gate_shows_nothing_unless_its_file_says_so(config: Path) -> None:
    with running(config) as daemon:
        until(lambda: picture(daemon, "entry")[0] == 404, within_s=60, what="the page")
