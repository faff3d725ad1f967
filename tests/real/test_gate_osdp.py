"""The whole gate daemon on an OSDP reader. The other end of the line is libosdp's own peripheral."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from simulators.boards.turnstile import Turnstile
from tests.real.drivers.stations import Running, on_pty
from tests.real.test_gate_boards import GUARD, LANE, Served, serving
from tests.waiting import until

osdp_sys: Any = pytest.importorskip(
    "osdp_sys", reason="libosdp has no wheel here: the extra osdp is not installed"
)
from simulators.boards.osdp_pd import OsdpReader  # noqa: E402  # needs libosdp

pytestmark = pytest.mark.real
KEY = bytes.fromhex("00112233445566778899aabbccddeeff")
OTHER = bytes.fromhex("ffeeddccbbaa99887766554433221100")
UNIT = 5
READER = f"""[[board]]
name = "reader"
protocol = "osdp"
port = "dev/line"
unit = {UNIT}
outputs = 1
inputs = 2
key_file = "reader.key"
"""
ENTRY = (
    LANE + 'board = "reader"\nchannel = 1\npassage = "contact"\ncontact = { board = "reader", channel = 1 }\n'
)
EXIT = ENTRY.replace('direction = "entry"', 'direction = "exit"').replace('name = "entry"', 'name = "exit"')


@contextmanager
def gate_on(
    folder: Path,
    device: OsdpReader,
    *,
    lane: str = ENTRY,
    code: bool = False,
    people: Turnstile | None = None,
) -> Iterator[tuple[Running, Served]]:
    """A daemon that has ``KEY``, and a reader."""
    key = folder / "reader.key"
    key.write_text(KEY.hex() + "\n", encoding="ascii")
    key.chmod(0o600)
    with (
        on_pty(folder, device, people=people) as (station, _),
        serving(folder, READER + lane, code=code) as gate,
    ):
        yield station, gate


def fault_of(gate: Served) -> str:
    (board,) = gate.ask("devices")["boards"]
    return str(board["fault"])


def happenings(gate: Served) -> list[str]:
    return [row["event"] for row in gate.ask("watch", since=0)["events"]]


def closings(device: OsdpReader) -> int:
    return sum(
        order["command"] == osdp_sys.CMD_OUTPUT and order["control_code"] != 1 for order in device.orders
    )


def test_a_code_before_the_camera_opens_the_lane_once_and_its_walk_is_the_passage(tmp_path: Path) -> None:
    device = OsdpReader(unit=UNIT, key=KEY, relays=1)
    with gate_on(tmp_path, device, code=True, people=Turnstile(lanes=1, seed=7)) as (station, gate):
        (passage,) = until(lambda: gate.events("passage"), within_s=25, what="the passage")
        assert (passage["direction"], passage["assumed"], passage["pass_id"]) == ("entry", False, f"{1:016x}")
        until(lambda: ("relay_off", 1) in station.whats(), what="the end of the opening")
        assert station.whats() == [("relay_on", 1), ("relay_off", 1)]
        assert closings(device) == 1
        assert gate.events("forced") == gate.events("tailgate") == gate.events("no_show") == []


def test_a_card_before_the_reader_opens_nothing_and_harms_nothing(tmp_path: Path) -> None:
    device = OsdpReader(unit=UNIT, key=KEY, relays=1)
    with gate_on(tmp_path, device) as (station, gate):
        gate.wait_up()
        station.station.ask(lambda: device.show(b"GP1:NOBODY"))
        station.station.ask(lambda: device.inputs.set(2, active=True))  # reported behind the card
        seen = until(
            lambda: [row for row in gate.ask("watch", since=0)["events"] if row.get("channel") == 2],
            what="the input behind the card",
        )
        assert (seen[0]["board"], seen[0]["active"]) == ("reader", True)
        assert (station.whats(), gate.events("decision")) == ([], [])
        assert gate.ask("pulse", lane="entry", **GUARD)["grade"] == "confirmed"


def test_s4_a_reader_with_another_key_lets_nobody_in_and_is_named(tmp_path: Path) -> None:
    device = OsdpReader(unit=UNIT, key=OTHER, relays=1)
    with gate_on(tmp_path, device, code=True) as (station, gate):
        (decision, *_) = until(lambda: gate.events("decision"), within_s=25, what="the decision")
        assert (decision["outcome"], decision["reason"]) == ("refer", "lane_fault")
        until(lambda: "no secure channel with our key" in fault_of(gate), what="the fault")
        assert gate.refused("pulse", lane="entry", **GUARD) == "board_fault"
        assert gate.status()["lanes"][0]["state"] == "fault"
        assert (device.orders, station.whats(), gate.events("passage")) == ([], [], [])


def test_an_exit_on_a_reader_with_another_key_is_granted_tried_and_named(tmp_path: Path) -> None:
    """Nobody is told no; but nothing leaves without the secure channel, not even at an exit (decision 0014)."""
    device = OsdpReader(unit=UNIT, key=OTHER, relays=1)
    with gate_on(tmp_path, device, lane=EXIT, code=True) as (station, gate):
        until(
            lambda: len(gate.events("decision")) >= 2, within_s=25, what="the decision, and what came of it"
        )
        granted, failed = gate.events("decision")[:2]
        assert (granted["outcome"], failed["outcome"], failed["reason"]) == ("grant", "refer", "lane_fault")
        assert "no secure channel with our key" in fault_of(gate)
        assert (device.orders, station.whats(), gate.events("passage")) == ([], [], [])


def test_an_exit_on_its_own_reader_opens(tmp_path: Path) -> None:
    device = OsdpReader(unit=UNIT, key=KEY, relays=1)
    with gate_on(tmp_path, device, lane=EXIT, code=True) as (station, gate):
        until(lambda: station.whats() == [("relay_on", 1), ("relay_off", 1)], within_s=25, what="the exit")
        assert [row["outcome"] for row in gate.events("decision")] == ["grant"]


def test_a_held_exit_stays_open_in_an_emergency_until_the_reset(tmp_path: Path) -> None:
    fire = '[[input]]\nrole = "fire"\nboard = "reader"\nchannel = 2\n'
    device = OsdpReader(unit=UNIT, key=KEY, relays=1)
    with gate_on(tmp_path, device, lane=EXIT + fire) as (station, gate):
        gate.wait_up()
        assert gate.ask("hold", lane="exit", seconds=7, **GUARD)["outcome"] == "held"
        station.station.ask(lambda: device.inputs.set(2, active=True))
        until(lambda: gate.ask("watch")["now"]["emergency"] == "active", what="the emergency")
        until(lambda: "done" in happenings(gate), within_s=15, what="the renewal, which ends the one before")
        assert station.whats() == [("relay_on", 1)]
        until(
            lambda: gate.ask("watch")["now"]["lanes"][0]["held_s"] == 0.0,
            within_s=15,
            what="the end that the hold would have had",
        )
        assert station.whats() == [("relay_on", 1)]
        assert gate.refused("hold", lane="exit", seconds=60, **GUARD) == "busy"
        station.station.ask(station.station.unplug)
        until(lambda: gate.ask("devices")["boards"][0]["line"] == "down", what="the loss")
        station.station.ask(station.station.plug)
        until(lambda: ("relay_off", 1) in station.whats(), what="a line that begins with every output open")
        until(lambda: station.whats()[-1] == ("relay_on", 1), within_s=20, what="the hold, given anew")
        station.station.ask(lambda: device.inputs.set(2, active=False))
        until(lambda: gate.ask("watch")["now"]["emergency"] == "clear", what="a clear input")
        gate.ask("fire_reset", **GUARD)
        until(lambda: station.whats() == [("relay_on", 1), ("relay_off", 1)] * 2, what="the end of the hold")


def test_a_cable_that_was_out_works_again(tmp_path: Path) -> None:
    device = OsdpReader(unit=UNIT, key=KEY, relays=1)
    with gate_on(tmp_path, device) as (station, gate):
        gate.wait_up()
        station.station.ask(station.station.unplug)
        until(lambda: gate.status()["lanes"][0]["state"] == "fault", what="the loss")
        station.station.ask(station.station.plug)
        gate.wait_up()
        done = gate.ask("pulse", lane="entry", **GUARD)
        assert (done["outcome"], done["grade"]) == ("done", "confirmed")
        until(lambda: station.whats() == [("relay_on", 1), ("relay_off", 1)], what="one opening")
