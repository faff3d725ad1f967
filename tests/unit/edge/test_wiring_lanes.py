"""What ``gate.toml`` may say of lanes that lead both ways and of barriers, and how wrong combinations are told."""

import re
from pathlib import Path

import pytest

from drivers.gate.config import load_config
from drivers.gate.ways import WaySection
from drivers.tool.config_check import problems_of
from drivers.tool.gate_file import read_gate_file
from passes.vocabulary import Direction
from shell.settings import SettingsError, read_toml
from tests.unit.edge.test_wiring import HEAD, TURNSTILE, WAVESHARE, lane

DOOR = """[[lane]]
name = "door"
direction = "both"
board = "relays"
channel = 1
passage = "contact"
contact = { board = "relays", channel = 1 }
release = "pulse_to_open"
on_power_loss = "open"
[lane.entry]
camera = "outside.mp4"
[lane.exit]
camera = "inside.mp4"
"""
TRIPOD = """[[lane]]
name = "tripod"
direction = "both"
board = "gate"
passage = "counter"
release = "pulse_to_open"
on_power_loss = "open"
[lane.entry]
side = "left"
camera = "outside.mp4"
[lane.exit]
side = "right"
camera = "inside.mp4"
"""
BARRIER = lane(
    passage="presence",
    more="""kind = "barrier"
presence = { board = "relays", channel = 3 }
needs_presence = true
close = { board = "relays", channel = 2 }""",
)


def load(tmp_path: Path, text: str) -> list[tuple[str, str, Direction]]:
    path = tmp_path / "gate.toml"
    path.write_text(HEAD + text, encoding="utf-8")
    return [(one.name, one.opening, one.direction) for one in load_config(path).lane]


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, text)
    return str(refused.value)


def test_one_table_that_leads_both_ways_is_two_lanes_through_one_opening(tmp_path: Path) -> None:
    both = [("door_entry", "door", Direction.ENTRY), ("door_exit", "door", Direction.EXIT)]
    assert load(tmp_path, WAVESHARE + DOOR) == both
    other = lane("side", opens="channel = 4").replace('direction = "side"', 'direction = "exit"')
    assert load(tmp_path, WAVESHARE + DOOR + other) == [*both, ("side", "side", Direction.EXIT)]
    path = tmp_path / "gate.toml"
    entry, leave, _ = load_config(path).lane
    assert isinstance(entry, WaySection)
    assert (entry.camera, leave.camera) == (str(tmp_path / "outside.mp4"), str(tmp_path / "inside.mp4"))


def test_both_sides_of_a_controller_are_one_lane_too(tmp_path: Path) -> None:
    assert [name for name, *_ in load(tmp_path, TURNSTILE + TRIPOD)] == ["tripod_entry", "tripod_exit"]


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ('[lane.entry]\ncamera = "outside.mp4"\n', "", 'lane.0.entry: direction = "both" needs [lane.entry]'),
        ('camera = "inside.mp4"', "", "lane.0.camera: a lane needs a reader"),
        ('camera = "inside.mp4"', 'board = "relays"', "lane.0.exit.board: board is the whole lane's"),
        (
            'camera = "inside.mp4"',
            'channel = 1\ncamera = "x"',
            "lane.0.exit.channel: channel stands in [[lane]]",
        ),
        ("channel = 1\npassage", "channel = 9\npassage", "lane.0.channel: lane door_entry"),
        (
            "channel = 1\npassage",
            "channels = 1\npassage",
            "lane.0.channels: unknown key. Allowed here: board",
        ),
        ('name = "door"', 'name = "Door"', "lane.0.name: String should match"),
        ('name = "door"', 'name = "door"\nof = "door"', "lane.0.of: unknown key"),
        ('on_power_loss = "open"', 'on_power_loss = "as_is"', "refused at an exit"),
    ],
)
def test_what_does_not_fit_in_a_lane_that_leads_both_ways_is_named_by_its_place(
    tmp_path: Path, was: str, becomes: str, says: str
) -> None:
    assert was in DOOR
    found = refusal(tmp_path, WAVESHARE + DOOR.replace(was, becomes, 1))
    assert says in found


def test_a_problem_behind_a_lane_that_leads_both_ways_names_its_own_table(tmp_path: Path) -> None:
    other = lane("side", opens="channel = 1").replace('direction = "side"', 'direction = "exit"')
    found = refusal(tmp_path, WAVESHARE + DOOR + other)
    assert "lane.1.channel: lane side: two lanes share one output" in found


def test_a_barrier_says_what_sees_vehicles_and_what_may_close_it(tmp_path: Path) -> None:
    assert load(tmp_path, WAVESHARE + BARRIER) == [("entry", "entry", Direction.ENTRY)]


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ('kind = "barrier"\n', "", "lane.0.passage: a barrier needs all three"),
        ('passage = "presence"', 'passage = "assumed"', "lane.0.kind: a barrier needs all three"),
        ('presence = { board = "relays", channel = 3 }\n', "", "lane.0.kind: a barrier needs all three"),
        (
            'direction = "entry"',
            'direction = "exit"',
            "lane.0.needs_presence: needs_presence is refused at an exit",
        ),
        ("channel = 3 }", "channel = 9 }", "lane.0.presence: lane entry: board 'relays' has inputs 1 to 8"),
        ("channel = 2 }", "channel = 9 }", "lane.0.close: lane entry: board 'relays' has no such output"),
        (
            "channel = 2 }",
            "channel = 1 }",
            "lane.0.close: lane entry: the output of close carries something else",
        ),
    ],
)
def test_what_does_not_fit_in_a_barrier_is_named(tmp_path: Path, was: str, becomes: str, says: str) -> None:
    assert was in BARRIER
    assert says in refusal(tmp_path, WAVESHARE + BARRIER.replace(was, becomes, 1))


def test_a_lane_for_people_has_nothing_of_a_barrier(tmp_path: Path) -> None:
    found = refusal(tmp_path, WAVESHARE + lane(more="needs_presence = true"))
    assert "lane.0.needs_presence: needs_presence and close are for kind" in found


def test_the_installers_tool_judges_and_reads_these_lanes_as_the_gate_does(tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    for text in (WAVESHARE + DOOR, TURNSTILE + TRIPOD, WAVESHARE + BARRIER):
        path.write_text(HEAD + text, encoding="utf-8")
        assert problems_of(read_toml(path)[1], tmp_path) == []
        assert [one.name for one in read_gate_file(path).lanes] == [
            one.name for one in load_config(path).lane
        ]
    entry, leave = read_gate_file(put(path, WAVESHARE + DOOR)).lanes
    assert (entry.channel, leave.channel, entry.contact) == (1, 1, ("relays", 1))
    wrong = DOOR.replace('camera = "inside.mp4"', 'camera = "inside.mp4"\nboard = "relays"')
    found = problems_of(read_toml(put(path, WAVESHARE + wrong))[1], tmp_path)
    assert [one.where for one in found] == ["lane.door.exit.board"]
    assert found[0].what.zh.startswith("board 属于整条通道")


def put(path: Path, text: str) -> Path:
    path.write_text(HEAD + text, encoding="utf-8")
    return path


def test_the_lanes_of_the_page_are_ones_that_a_gate_starts_with(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "lanes.md").read_text("utf-8")
    examples = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    inputs = '[[board]]\nname = "inputs"\nprotocol = "modbus-inputs"\nport = "/dev/serial/by-path/two"\n'
    engine = '[[board]]\nname = "engine"\nprotocol = "scanner"\nmake = "gm65"\nport = "/dev/serial/by-path/three"\n'
    found = load(tmp_path, WAVESHARE + inputs + engine + "".join(examples))
    assert [name for name, *_ in found] == ["door_entry", "door_exit", "cars_in"]
