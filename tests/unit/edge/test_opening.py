"""What a gate tells its boards to do, lane by lane."""

import pytest

from drivers.gate.hardware import LaneSection
from drivers.model import Pulse
from edge.boards import opening
from passes.vocabulary import Direction


@pytest.mark.parametrize("direction", list(Direction))
def test_m2_a_pulse_insists_at_exits_and_only_there(direction: Direction) -> None:
    lane = LaneSection.model_validate(
        {
            "name": "a",
            "direction": direction,
            "camera": "x",
            "board": "relays",
            "channel": 1,
            "passage": "assumed",
            "passage_wait_s": 5,
            "release": "pulse_to_open",
            "on_power_loss": "open",
        }
    )
    command = opening(lane, "token", issued_s=1.0)
    assert isinstance(command, Pulse)
    assert command.insist == (direction is Direction.EXIT)
