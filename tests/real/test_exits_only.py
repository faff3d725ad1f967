"""A gate that cannot open its journal lets everybody out, and nobody in."""

import socket
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from controller.init import DemoPlan, create_demo
from drivers.gate.config import GateConfig
from edge.exits_only import ExitsOnly
from edge.vision.camera import Camera
from edge.walkin_cli import encode
from shell.clock import SystemClock
from simulators.boards.cable import Cable
from simulators.boards.catalogue import make_board
from simulators.boards.ends import End, PtyEnd
from simulators.site import Site, free_ports
from tests.gate_world import config
from tests.minting import Mint
from tests.real.drivers.stations import running
from tests.waiting import until

pytestmark = pytest.mark.real
EASY = {"medium": "phone", "ink": "black", "colour": "blue", "difficulty": "easy"}


def test_d14_without_a_journal_exits_open_entries_stay_shut_and_it_heals_by_itself(tmp_path: Path) -> None:
    ports = free_ports()
    folder = tmp_path / "demo"
    site = Site(folder, ports=ports, seed=5)
    create_demo(
        DemoPlan(
            folder=folder,
            web_port=ports.web,
            kiosk_port=ports.kiosk,
            broker_port=ports.broker,
            camera_port=ports.camera,
            sms_port=ports.sms,
        ),
        now=SystemClock().now(),
    )
    (folder / "logs").mkdir()
    (folder / "south").write_text("in the way of the journal's folder")
    try:
        site.start("boards")
        site.start("cameras")
        until(lambda: site.tape.exists() and site.connects(ports.camera), within_s=30, what="the devices")
        site.start("gate")
        log = folder / "logs" / "gate.log"
        until(lambda: log.exists() and "exits open for everyone" in log.read_text("utf-8"), within_s=30)
        until(
            lambda: log.read_text("utf-8").count("frames arrive") == 1, within_s=20, what="the exit's camera"
        )
        site.show("entry", Mint().paper(1), 3.0, EASY)
        site.show("exit", Mint().paper(2), 3.0, EASY)
        until(lambda: '"relay_on"' in site.tape.read_text("utf-8"), within_s=20, what="the exit's relay")
        edges = [line for line in site.tape.read_text("utf-8").splitlines() if "relay_on" in line]
        assert len(edges) == 1
        assert '"channel": 2' in edges[0]
        (folder / "south").unlink()
        until(site.gate_status, within_s=30, what="the whole gate")
    finally:
        site.stop()


def on_two_boards(folder: Path) -> GateConfig:
    """Entry and exit have a board each; the exit's camera sees a code after a second."""
    whole = config(folder, passage="assumed")
    boards = [
        whole.board[0].model_copy(update={"name": name, "port": str(folder / "dev" / name)})
        for name in ("entry", "exit")
    ]
    camera = folder / "camera"
    camera.mkdir()
    dark = np.asarray(encode(Mint().paper(1), "m"))
    code = np.where(np.kron(dark, np.ones((6, 6))) > 0, 0, 255).astype(np.uint8)
    cv2.imwrite(str(camera / "0.png"), np.full((300, 300), 200, np.uint8))
    cv2.imwrite(str(camera / "1.png"), np.pad(code, 40, constant_values=255))
    lanes = [
        lane.model_copy(update={"board": lane.name, "channel": 1, "camera": str(camera)})
        for lane in whole.lane
    ]
    return whole.model_copy(update={"board": boards, "lane": lanes})


def test_a_relay_of_an_entry_that_was_left_closed_is_told_to_open_and_a_hanging_disk_keeps_nobody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = on_two_boards(tmp_path)
    entry = make_board("lcus")
    ends: list[End] = [
        PtyEnd(tmp_path / "dev" / "entry", Cable([entry], seed=1)),
        PtyEnd(tmp_path / "dev" / "exit", Cable([make_board("lcus")], seed=1)),
    ]
    asked, go_on, stop = threading.Event(), threading.Event(), threading.Event()

    def left_closed() -> None:
        entry.receive(bytes([0xA0, 1, 1, 0xA2]), SystemClock().monotonic_s())

    def hangs() -> bool:
        asked.set()
        return go_on.wait(60)

    systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    systemd.bind(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with systemd, running(tmp_path, ends) as station:
        station.station.ask(left_closed)
        until(lambda: station.whats() == [("relay_on", 1)], what="the entry's relay closed")
        exits = ExitsOnly(settings, SystemClock(), try_again_every_s=0.01)
        thread = threading.Thread(target=exits.run, args=(stop, hangs))
        thread.start()
        try:
            until(lambda: station.whats()[:2] == [("relay_on", 1), ("relay_off", 1)], what="all off")
            assert asked.wait(5)
            until(lambda: station.whats()[2:] == [("relay_on", 1), ("relay_off", 1)], what="the exit's pulse")
            told = [systemd.recv(500) for _ in range(2)]
            assert told[0].startswith(b"READY=1")
            assert told[1] == b"WATCHDOG=1"
        finally:
            go_on.set()
            thread.join(10)
        assert not stop.is_set()
        assert not thread.is_alive()


class Stalled(SystemClock):
    """Time as it is, but for the thread that serves: it finds itself three seconds late, once."""

    def __init__(self) -> None:
        super().__init__()
        self.late = True

    def monotonic_s(self) -> float:
        now_s = super().monotonic_s()
        return now_s + 3.0 if self.late and threading.current_thread().name == "serving" else now_s


def test_who_was_seen_too_long_ago_is_asked_for_again_before_the_exit_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, clock, stop = on_two_boards(tmp_path), Stalled(), threading.Event()
    asked: list[str] = []

    def look_again(camera: Camera) -> None:
        asked.append(camera.name)
        stop.set()

    monkeypatch.setattr(Camera, "look_again", look_again)
    end = PtyEnd(tmp_path / "dev" / "exit", Cable([make_board("lcus")], seed=1))
    with running(tmp_path, [end]) as station:
        thread = threading.Thread(target=ExitsOnly(settings, clock).run, args=(stop, bool), name="serving")
        thread.start()
        try:
            until(lambda: asked, within_s=20, what="another look")
        finally:
            stop.set()
            thread.join(10)
        assert set(asked) == {"exit"}
        assert station.whats() == []
