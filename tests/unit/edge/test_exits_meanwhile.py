"""Exits open while the deciding thread stands still, and entries do not."""

from pathlib import Path

import pytest

from drivers.model import BoardCommand, Pulse
from edge.exits_meanwhile import SEEN_AGAIN_S, STANDS_STILL_S, ExitsMeanwhile
from edge.inputs import Inputs, ScanSeen
from tests.gate_world import config
from tests.ticking import HandClock


class Stuck:
    """A gate whose deciding thread does what the test says."""

    def __init__(self, folder: Path) -> None:
        lanes = config(folder).lane
        self.clock, self.told = HandClock(), list[BoardCommand]()
        self.inputs = Inputs(["entry"])
        self.meanwhile = ExitsMeanwhile(lanes, self.inputs.scans, self._submit, self.clock)
        self.exit_channel = next(lane.channel for lane in lanes if lane.name == "exit")
        self.meanwhile.came_round(None)

    def _submit(self, board: str, command: BoardCommand) -> bool:
        assert board == "relays"
        self.told.append(command)
        return True

    def scan(self, lane: str, text: str = "GP1:X") -> ScanSeen:
        seen = ScanSeen(lane=lane, texts=(text,), at_s=self.clock.monotonic_s())
        self.inputs.put_scan(seen)
        return seen

    def passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.meanwhile.look()


@pytest.fixture
def stuck(tmp_path: Path) -> Stuck:
    return Stuck(tmp_path)


def test_d9_i9_who_shows_a_code_at_an_exit_gets_out_while_nothing_is_decided(stuck: Stuck) -> None:
    stuck.scan("exit", "no pass at all")
    stuck.passes(STANDS_STILL_S - 0.1)
    assert stuck.told == []
    stuck.passes(0.2)
    (told,) = stuck.told
    assert isinstance(told, Pulse)
    assert (told.channel, told.insist) == (stuck.exit_channel, True)
    stuck.passes(0.3)
    assert len(stuck.told) == 1
    assert (stuck.meanwhile.opened(), stuck.meanwhile.opened()) == (1, 0)


def test_d9_the_scan_that_the_thread_stands_still_over_counts_and_whoever_still_stands_there_too(
    stuck: Stuck,
) -> None:
    stuck.scan("exit")
    stuck.meanwhile.came_round(stuck.inputs.get(0))
    stuck.passes(STANDS_STILL_S + 0.1)
    assert len(stuck.told) == 1
    stuck.scan("exit")
    stuck.passes(0.3)
    assert len(stuck.told) == 1
    stuck.scan("exit")
    stuck.passes(SEEN_AGAIN_S)
    assert len(stuck.told) == 2
    stuck.scan("exit", "the next person")
    stuck.passes(0.3)
    assert len(stuck.told) == 3


def test_d9_i1_no_entry_opens_and_a_thread_that_comes_round_is_left_alone(stuck: Stuck) -> None:
    stuck.scan("entry")
    stuck.passes(60)
    assert stuck.told == []
    stuck.scan("exit")
    stuck.meanwhile.came_round(None)
    stuck.passes(1.0)
    assert stuck.told == []
