"""The way from a lane's readers to the deciding thread: its limits, and one showing seen by two readers."""

from typing import Any

from drivers.gate.hardware import LaneSection
from drivers.peripherals import Scanned
from edge.inputs import EXIT_SCANS_MAX, Inputs, ScanSeen
from edge.readers import Readers
from passes.vocabulary import Direction

PASS, OTHER = "GP1:ABCDEF", "GP1:GHIJKL"


class Camera:
    """Remembers that it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def look_again(self) -> None:
        self.asked += 1


def section(name: str, **readers: str) -> LaneSection:
    values: dict[str, Any] = {
        "name": name,
        "direction": name,
        "board": "relays",
        "channel": 1,
        "passage": "assumed",
        "release": "pulse_to_open",
        "on_power_loss": "open",
    }
    return LaneSection.model_validate(values | readers)


class Gate:
    """Lanes with readers, and what reaches their deciding thread."""

    def __init__(self, *lanes: LaneSection) -> None:
        self.inputs = Inputs(lane.name for lane in lanes if lane.direction is Direction.ENTRY)
        self.cameras = {lane.name: Camera() for lane in lanes if lane.camera}
        self.readers = Readers(lanes, self.inputs, cameras=self.cameras, dropped=lambda: None)

    def scan(self, board: str, text: str, at_s: float) -> None:
        self.readers.scanned(board, Scanned(data=text.encode(), at_s=at_s))

    def taken(self) -> list[tuple[str, str, float]]:
        found = []
        while (item := self.inputs.get(0.0)) is not None:
            assert isinstance(item, ScanSeen)
            found.append((item.lane, item.texts[0], item.at_s))
        return found


def test_c9_a_reading_belongs_to_the_lane_that_names_its_board_and_to_no_other() -> None:
    gate = Gate(section("exit", scanner="out"), section("entry", scanner="in"))
    gate.scan("in", PASS, 1.0)
    gate.scan("out", OTHER, 1.5)
    gate.scan("spare", PASS, 1.6)
    assert gate.taken() == [("entry", PASS, 1.0), ("exit", OTHER, 1.5)]


def test_a_pass_that_both_readers_of_an_entry_see_is_shown_once() -> None:
    gate = Gate(section("entry", camera="x", scanner="in"))
    gate.readers.camera_saw("entry", (PASS,), 1.0)
    gate.scan("in", PASS, 1.9)
    assert gate.taken() == [("entry", PASS, 1.0)]
    gate.scan("in", OTHER, 5.0)
    gate.readers.camera_saw("entry", (OTHER,), 5.9)
    assert gate.taken() == [("entry", OTHER, 5.0)]
    gate.readers.camera_saw("entry", (OTHER,), 9.0)  # shown again
    assert gate.taken() == [("entry", OTHER, 9.0)]


def test_two_passes_in_view_of_the_camera_are_no_second_showing_of_the_one_that_the_engine_read() -> None:
    gate = Gate(section("entry", camera="x", scanner="in"))
    gate.scan("in", PASS, 1.0)
    assert [at_s for _, _, at_s in gate.taken()] == [1.0]
    gate.readers.camera_saw("entry", (PASS, OTHER), 1.2)
    assert [at_s for _, _, at_s in gate.taken()] == [1.2]


def test_at_an_exit_what_both_readers_see_counts_twice_and_nobody_is_kept() -> None:
    gate = Gate(section("exit", camera="x", scanner="out"))
    gate.readers.camera_saw("exit", (PASS,), 1.0)
    gate.scan("out", PASS, 1.5)
    assert [at_s for _, _, at_s in gate.taken()] == [1.0, 1.5]


def test_what_is_asked_for_again_comes_from_either_reader() -> None:
    gate = Gate(section("entry", camera="x", scanner="in"))
    gate.readers.camera_saw("entry", (PASS,), 1.0)
    gate.scan("in", PASS, 1.1)
    assert gate.taken() == [("entry", PASS, 1.0)]
    gate.readers.look_again("entry")
    assert gate.cameras["entry"].asked == 1
    gate.scan("in", PASS, 1.4)
    assert gate.taken() == [("entry", PASS, 1.4)]


def test_where_scans_wait_in_a_line_the_lanes_readers_are_asked_for_what_is_in_view() -> None:
    gate = Gate(section("entry", scanner="in", camera="none"), section("exit", scanner="out", camera="none"))
    for number in range(EXIT_SCANS_MAX):
        gate.scan("out", f"GP1:OUT{number}", 1.0)
    assert gate.cameras["exit"].asked == 0
    gate.scan("out", "GP1:LAST", 1.0)
    gate.scan("in", PASS, 1.0)
    assert (gate.cameras["exit"].asked, gate.cameras["entry"].asked) == (1, 0)
    gate.scan("in", OTHER, 1.1)
    assert gate.cameras["entry"].asked == 1
    assert [text for lane, text, _ in gate.taken() if lane == "entry"] == [OTHER]
    gate.scan("in", OTHER, 1.2)  # held still, and asked for
    assert gate.taken() == [("entry", OTHER, 1.2)]
