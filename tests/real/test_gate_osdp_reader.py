"""An OSDP reader as the reader of a lane: what it reads as text counts, and the bits of a card do not."""

from pathlib import Path
from typing import Any

import pytest

from tests.real.test_gate_boards import Served
from tests.waiting import until

osdp_sys: Any = pytest.importorskip(
    "osdp_sys", reason="libosdp has no wheel here: the extra osdp is not installed"
)
from simulators.boards.osdp_pd import OsdpReader  # noqa: E402  # needs libosdp
from tests.real.test_gate_osdp import ENTRY, EXIT, KEY, UNIT, gate_on  # noqa: E402  # needs libosdp

pytestmark = pytest.mark.real
CARD = bytes.fromhex("001234567880ff")


def by_reader(lane: str) -> str:
    return lane.replace('camera = "entry"', 'scanner = "reader"')


def outcomes(gate: Served) -> list[str]:
    return [row["outcome"] for row in gate.events("decision")]


def test_a_code_opens_an_exit_and_the_bits_of_a_card_are_counted(tmp_path: Path) -> None:
    device = OsdpReader(unit=UNIT, key=KEY, relays=1)
    with gate_on(tmp_path, device, lane=by_reader(EXIT)) as (station, gate):
        gate.wait_up()
        until(lambda: gate.status()["lanes"][0]["camera_ok"], what="the reader")
        station.station.ask(lambda: device.show(CARD))
        until(lambda: gate.status()["counts"].get("unreadable_codes") == 1, what="the card, as no text")
        assert (outcomes(gate), station.whats()) == ([], [])
        station.station.ask(lambda: device.show(b"https://example.org/"))
        until(lambda: station.whats() == [("relay_on", 1), ("relay_off", 1)], within_s=20, what="the exit")
        assert outcomes(gate) == ["grant"]


def test_what_is_meant_as_a_pass_is_judged_at_an_entry_and_a_lost_reader_is_a_fault(tmp_path: Path) -> None:
    device = OsdpReader(unit=UNIT, key=KEY, relays=1)
    with gate_on(tmp_path, device, lane=by_reader(ENTRY)) as (station, gate):
        gate.wait_up()
        until(lambda: gate.status()["lanes"][0]["camera_ok"], what="the reader")
        station.station.ask(lambda: device.show(b"GP1:NOBODY"))
        until(lambda: outcomes(gate) == ["deny"], what="the decision")
        assert station.whats() == []
        station.station.ask(station.station.unplug)
        until(lambda: not gate.status()["lanes"][0]["camera_ok"], within_s=20, what="the loss")
