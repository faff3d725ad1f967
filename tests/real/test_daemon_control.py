"""The gate daemon and its control socket: a socket that cannot be made costs the tools and not the gate."""

import json
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from controller.init import DemoPlan, create_demo
from drivers.bus import Bus
from drivers.gate.config import GateConfig, load_config
from edge import daemon as daemon_module
from edge import exits_meanwhile
from edge.control import SOCKET
from edge.daemon import BusEndedError, EdgeDaemon
from edge.gate import Gate
from edge.gate_key import make_gate_key
from edge.inputs import EXIT_SCANS_MAX, Asked, Input, ScanSeen
from edge.kiosk.app import create_kiosk
from edge.kiosk_page import KioskPage
from edge.vision.camera import Camera, Scan
from shell.clock import SystemClock
from shell.control import NotRunningError, RefusedError, ask
from shell.pages.server import AddressError, PageServer
from shell.systemd import ALIVE_EVERY_S
from simulators import staged_pages as staged
from simulators.site import free_ports
from sync.messages import DeviceData
from tests.brokers import free_port
from tests.waiting import until

pytestmark = pytest.mark.real
FULL_WITHIN_S = 30.0
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
def running(config: Path, gate: GateConfig | None = None) -> Iterator[EdgeDaemon]:
    """The daemon, deciding in a thread of this process until the block ends."""
    daemon, stop = EdgeDaemon(gate or load_config(config), config), threading.Event()
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


def test_a_port_that_is_taken_costs_the_page_and_not_the_gate(config: Path) -> None:
    port = load_config(config).kiosk.port
    with socket.create_server(("127.0.0.1", port)), running(config) as daemon:
        until(lambda: "kiosk" in faults(daemon), what="the record")
        until(lambda: answers(config.parent / "south" / SOCKET), what="the gate")


def test_a_host_that_no_dns_could_know_costs_the_page_and_not_the_gate(config: Path) -> None:
    with pytest.raises(AddressError):
        PageServer(staged_kiosk(), host="192.168..5", port=free_port(), setting="[kiosk] port")
    loaded = load_config(config)
    gate = loaded.model_copy(update={"kiosk": loaded.kiosk.model_copy(update={"host": "192.168..5"})})
    with running(config, gate) as daemon:
        until(lambda: "kiosk" in faults(daemon), what="the record")
        until(lambda: answers(config.parent / "south" / SOCKET), what="the gate")


def staged_kiosk() -> FastAPI:
    return create_kiosk(staged.StagedKiosk(staged.busy_gate()), clock=staged.StillClock())


def test_the_page_comes_when_its_port_is_free(tmp_path: Path) -> None:
    said: list[DeviceData] = []
    with socket.create_server(("127.0.0.1", 0)) as other:
        page = KioskPage(
            staged_kiosk,
            host="127.0.0.1",
            port=other.getsockname()[1],
            report=said.append,
            try_again_every_s=0.02,
            settled_after_s=0.02,
        )
        page.start()
        until(lambda: said, what="the fault")
    try:
        until(lambda: len(said) == 2, what="the page")
        with urllib.request.urlopen(f"{page.url}/api/v1/status", timeout=10) as answer:
            assert answer.status == 200
    finally:
        page.stop()
    assert [one.state for one in said] == ["fault", "recovered"]


@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_page_that_cannot_be_made_is_a_fault_and_is_tried_again(fails_at: int) -> None:
    said: list[DeviceData] = []
    made: list[int] = []

    def kiosk() -> FastAPI:
        made.append(1)
        if len(made) == fails_at:
            raise LookupError("an error of ours")
        return staged_kiosk()

    page = KioskPage(
        kiosk,
        host="127.0.0.1",
        port=free_port(),
        report=said.append,
        try_again_every_s=0.02,
        settled_after_s=0.02,
    )
    page.start()
    try:
        if fails_at > 1:
            until(lambda: get(f"{page.url}/api/v1/status") == 200, what="the first page")
            end(page)
        until(lambda: "recovered" in [one.state for one in said], what="the page")
        until(lambda: get(f"{page.url}/api/v1/status") == 200, what="its answer")
    finally:
        page.stop()
    assert [one.state for one in said] == ["fault", "recovered"]
    assert fails_at == 2 or "LookupError" in said[0].detail


def end(page: KioskPage) -> None:
    """The server's own loop ends, as it does for an error in it."""
    server = page._server
    if server is not None:
        server._server.should_exit = True


def get(url: str) -> int | None:
    """The status of an answer; None when there was none."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except OSError:
        return None


def test_a_page_that_ends_later_comes_back_with_one_fault_and_one_recovery(tmp_path: Path) -> None:
    said: list[DeviceData] = []
    page = KioskPage(
        staged_kiosk,
        host="127.0.0.1",
        port=free_port(),
        report=said.append,
        try_again_every_s=0.05,
        settled_after_s=0.05,
    )
    page.start()
    try:
        status = f"{page.url}/api/v1/status"
        until(lambda: get(status) == 200, what="the page")
        end(page)
        until(lambda: [one.state for one in said] == ["fault", "recovered"], what="the page again")
        until(lambda: get(status) == 200, what="its answer")
    finally:
        page.stop()
    assert [one.device for one in said] == ["kiosk", "kiosk"]
    assert "started again" in said[0].detail


def test_a_page_that_ends_again_and_again_is_one_fault(tmp_path: Path) -> None:
    said: list[DeviceData] = []
    made: list[FastAPI] = []

    def kiosk() -> FastAPI:
        made.append(staged_kiosk())
        return made[-1]

    def another() -> bool:
        end(page)
        return len(made) > 4

    page = KioskPage(
        kiosk,
        host="127.0.0.1",
        port=free_port(),
        report=said.append,
        try_again_every_s=0.05,
        settled_after_s=60.0,
    )
    page.start()
    try:
        until(another, what="another server, and another")
    finally:
        page.stop()
    assert [one.state for one in said] == ["fault"]


@contextmanager
def systemd_hears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], str]]:
    """A notify socket; what is returned gives the next word, or nothing when none comes in so many seconds."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

        def next_word(within_s: float) -> str:
            systemd.settimeout(within_s)
            try:
                return systemd.recv(1000).decode()
            except TimeoutError:
                return ""

        yield next_word


def test_systemd_hears_that_the_gate_serves_how_its_lanes_are_and_that_it_stops(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with systemd_hears(tmp_path, monkeypatch) as next_word:
        with running(config):
            assert next_word(20) == "READY=1\nSTATUS=entry ready, exit ready"
            until(lambda: next_word(20) == "STATUS=entry fault, exit fault", what="lanes without a board")
            until(lambda: next_word(20) == "WATCHDOG=1", what="the loop")
        until(lambda: next_word(20) == "STOPPING=1", what="its last word")


def test_k10_a_deciding_loop_that_hangs_is_silent_whatever_else_lives(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, goes_on = config.parent / "south" / SOCKET, threading.Event()
    monkeypatch.setattr(exits_meanwhile, "FED_FOR_S", 5.0)
    with systemd_hears(tmp_path, monkeypatch) as next_word, running(config) as daemon:
        until(lambda: next_word(20) == "WATCHDOG=1", what="the loop")
        asked = Asked(lambda: goes_on.wait(60))
        daemon._inputs.put(asked)
        try:
            until(asked.answer.running, what="the hang")
            while next_word(0.1):
                pass  # said before
            daemon._inputs.put_scan(ScanSeen(lane="exit", texts=("https://example.org/",), at_s=0.0))
            assert next_word(20) == "WATCHDOG=1"  # for a bounded time: the exits are served
            until(lambda: daemon._exits_meanwhile.opened() == 1, what="the exit")
            until(lambda: not next_word(3 * ALIVE_EVERY_S), within_s=30, what="silence")
            assert not next_word(3 * ALIVE_EVERY_S)
            assert get(f"{daemon.url}/api/v1/status") == 200  # other threads live
            with pytest.raises(RefusedError, match="did not get to it"):
                ask(path, ORDER, within_s=30)
        finally:
            goes_on.set()
        until(lambda: next_word(20) == "WATCHDOG=1", what="the loop again")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_gate_ends_for_a_board_whose_thread_has_ended(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_: Bus) -> None:
        raise AssertionError("an error of ours")

    monkeypatch.setattr(Bus, "_run", breaks)
    monkeypatch.setattr(daemon_module, "DEAD_EXIT_S", 0.0)
    stop = threading.Event()
    giving_up = threading.Timer(20, stop.set)
    giving_up.start()
    try:
        with pytest.raises(BusEndedError):
            EdgeDaemon(load_config(config), config).run(stop)
    finally:
        giving_up.cancel()
        giving_up.join()


def test_a_key_set_that_cannot_be_read_keeps_nobody_inside_and_the_gate_comes_back(
    config: Path, tmp_path: Path
) -> None:
    keys, log = config.parent / "keyset.json", tmp_path / "log"
    good = keys.read_bytes()
    keys.write_text("{")
    with log.open("wb") as out:
        gate = subprocess.Popen(
            [sys.executable, "-m", "edge.cli", "run", "--config", str(config)], stdout=out, stderr=out
        )
    try:
        until(lambda: "exits open for everyone" in log.read_text("utf-8"), within_s=30, what="the exits")
        assert "keyset.json" in log.read_text("utf-8")
        keys.write_bytes(good)
        until(lambda: answers(config.parent / "south" / SOCKET), within_s=30, what="the whole gate")
    finally:
        gate.terminate()
        assert gate.wait(20) == 0


def test_a_line_of_scans_keeps_an_entrys_newest_and_an_exits_in_order_and_cameras_look_again(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again: list[str] = []
    seen: dict[str, Callable[[Scan], None]] = {}

    class Watched(Camera):
        def __init__(
            self, name: str, spec: str, on_scan: Callable[[Scan], None], *rest: Any, **more: Any
        ) -> None:
            super().__init__(name, spec, on_scan, *rest, **more)
            seen[name] = on_scan

        def look_again(self) -> None:
            again.append(self.name)

    handled: list[str] = []
    stop = threading.Event()

    def handle(_: Gate, item: Input) -> None:
        if isinstance(item, ScanSeen):
            handled.append(item.lane)
            if item.texts == ("last",):
                stop.set()

    monkeypatch.setattr(daemon_module, "Camera", Watched)
    monkeypatch.setattr(Gate, "handle", handle)
    gate = EdgeDaemon(load_config(config), config)
    for lane in ("entry", "exit"):
        for _ in range(EXIT_SCANS_MAX - 1):
            seen[lane](Scan(camera=lane, texts=("code",), at_s=0.0))
    seen["exit"](Scan(camera="exit", texts=("last",), at_s=0.0))
    thread = threading.Thread(target=gate.run, args=(stop,))
    thread.start()
    try:
        assert stop.wait(FULL_WITHIN_S), f"the last scan was not handled: {len(handled)} were"
    finally:
        stop.set()
        thread.join(FULL_WITHIN_S)
    assert not thread.is_alive()
    assert again == ["entry"] * (EXIT_SCANS_MAX - 2)
    assert (handled.count("entry"), handled.count("exit")) == (1, EXIT_SCANS_MAX)
