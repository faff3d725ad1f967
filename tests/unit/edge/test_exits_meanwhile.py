"""Exits open while the deciding thread stands still, and entries do not."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.model import BoardCommand, Pulse
from edge.exits_meanwhile import FED_FOR_S, SEEN_AGAIN_S, STANDS_STILL_S, START_S, ExitsMeanwhile
from edge.inputs import Inputs, ScanSeen
from shell.systemd import Systemd
from tests.gate_world import config
from tests.ticking import HandClock


class Stuck:
    """A gate whose deciding thread does what the test says."""

    def __init__(self, folder: Path) -> None:
        lanes = config(folder).lane
        self.clock, self.told = HandClock(), list[BoardCommand]()
        self.inputs, self.fails, self.takes = Inputs(["entry"]), False, True
        self._systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._systemd.bind(str(folder / "notify"))
        systemd = Systemd(self.clock.monotonic_s, str(folder / "notify"))
        self.meanwhile = ExitsMeanwhile(lanes, self.inputs.scans, self._submit, self.clock, systemd)
        self.exit_channel = next(lane.channel for lane in lanes if lane.name == "exit")

    def _submit(self, board: str, command: BoardCommand) -> bool:
        assert board == "relays"
        if self.fails:
            raise RuntimeError("an error of ours")
        if self.takes:
            self.told.append(command)
        return self.takes

    def scan(self, lane: str, text: str = "GP1:X") -> ScanSeen:
        seen = ScanSeen(lane=lane, texts=(text,), at_s=self.clock.monotonic_s())
        self.inputs.put_scan(seen)
        return seen

    def passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.meanwhile.look()

    def heard(self) -> list[bytes]:
        """What systemd was told since this was last asked."""
        words = list[bytes]()
        while True:
            try:
                words.append(self._systemd.recv(100))
            except BlockingIOError:
                return words

    def close(self) -> None:
        self._systemd.close()


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[Stuck]:
    made = Stuck(tmp_path)
    made.meanwhile.came_round(None)
    yield made
    made.close()


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[Stuck]:
    made = Stuck(tmp_path)
    yield made
    made.close()


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


def test_d9_k10_systemd_hears_of_a_hang_while_exits_are_served_and_nothing_after_a_minute(
    stuck: Stuck,
) -> None:
    stuck.passes(STANDS_STILL_S - 0.1)
    assert stuck.heard() == []  # the deciding thread says it itself
    fed_s = 0
    for second in range(int(2 * FED_FOR_S)):
        stuck.scan("exit", f"person {second}")
        stuck.passes(1.0)
        fed_s += len(stuck.heard())
    assert len(stuck.told) == 2 * FED_FOR_S  # the exits are served on; who is fed is another matter
    assert FED_FOR_S - 3 <= fed_s <= FED_FOR_S
    stuck.meanwhile.came_round(None)
    stuck.passes(STANDS_STILL_S + 0.1)
    assert stuck.heard() == [b"WATCHDOG=1"]


def test_k10_exits_that_cannot_be_served_keep_no_hanging_gate_alive(stuck: Stuck) -> None:
    stuck.fails = True
    stuck.scan("exit")
    with pytest.raises(RuntimeError, match="an error of ours"):
        stuck.passes(STANDS_STILL_S + 0.1)
    assert stuck.heard() == []


def test_a_start_that_takes_long_is_not_ended_by_systemd_and_one_without_end_is(starting: Stuck) -> None:
    words = list[bytes]()
    for second in range(int(START_S) + 100):
        if second % 100 == 50:
            starting.scan("exit", f"person {second}")
        starting.passes(1.0)
        words += starting.heard()
    assert set(words) == {b"EXTEND_TIMEOUT_USEC=30000000"}
    assert START_S / 6 <= len(words) <= START_S / 5 + 1
    assert len(starting.told) == START_S / 100 + 1
    starting.meanwhile.came_round(None)
    starting.passes(STANDS_STILL_S + 0.1)
    assert starting.heard()[-1] == b"WATCHDOG=1"


def test_d9_an_opening_that_the_board_refused_is_tried_again_and_counted_when_it_is_taken(
    stuck: Stuck,
) -> None:
    stuck.takes = False
    stuck.scan("exit")
    stuck.passes(STANDS_STILL_S + 0.1)
    assert (stuck.told, stuck.meanwhile.opened()) == ([], 0)
    stuck.takes = True
    stuck.passes(0.3)
    stuck.passes(0.3)
    assert (len(stuck.told), stuck.meanwhile.opened()) == (1, 1)


def test_i9_a_scan_of_an_exit_that_waits_long_opens_it_though_the_deciding_thread_comes_round(
    stuck: Stuck,
) -> None:
    stuck.scan("entry")
    stuck.scan("exit")
    stuck.meanwhile.came_round(None)  # and takes others first
    for _ in range(10):
        stuck.passes(0.3)
        stuck.meanwhile.came_round(None)
    (told,) = stuck.told
    assert isinstance(told, Pulse)
    assert told.channel == stuck.exit_channel
    assert stuck.heard() == []  # who comes round speaks for itself
    assert stuck.meanwhile.opened() == 1
