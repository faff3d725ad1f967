"""Which inputs of its boards a gate reads."""

import pytest

from drivers.gate.hardware import BoardSection, InputSection, LaneSection
from drivers.gate.inputs import inputs_in_use
from drivers.registry import PROTOCOLS, OptionError
from edge.boards import Boards
from passes.vocabulary import Direction

BOARD = BoardSection(name="numato", protocol="numato", port="nothing", inputs=8)


def lane(name: str, contact: dict[str, object] | None) -> LaneSection:
    return LaneSection.model_validate(
        {
            "name": name,
            "direction": Direction.ENTRY,
            "camera": "x",
            "board": "numato",
            "channel": 1,
            "passage": "contact" if contact else "assumed",
            "contact": contact,
            "release": "pulse_to_open",
            "on_power_loss": "open",
        }
    )


def test_what_a_lane_or_a_role_hangs_on_is_in_use() -> None:
    lanes = [lane("a", {"board": "numato", "channel": 7}), lane("b", None)]
    inputs = [
        InputSection(role="fire", board="numato", channel=2),
        InputSection(role="tamper", board="other", channel=1),
    ]
    assert inputs_in_use(lanes, inputs) == {"numato": {2, 7}, "other": {1}}
    assert inputs_in_use([], []) == {}


def test_a_board_is_told_which_inputs_are_in_use_if_it_can_use_that() -> None:
    lcus = BoardSection(name="lcus", protocol="lcus", port="nothing either")
    assert "watch" in PROTOCOLS["numato"].options
    boards = Boards([BOARD, lcus], lambda *_: None, used={"numato": {2, 7}})
    assert boards.heard_s("numato") is None
    assert boards.dead() == []
    boards.close()
    with pytest.raises(OptionError, match="inputs 1 to 8"):
        Boards([BOARD], lambda *_: None, used={"numato": {9}})
