"""A gate that cannot open its journal lets everybody out, and nobody in."""

from pathlib import Path

import pytest

from controller.init import DemoPlan, create_demo
from shell.clock import SystemClock
from simulators.site import Site, free_ports
from tests.minting import Mint
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
