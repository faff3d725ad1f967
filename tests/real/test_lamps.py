"""Lamps of a lane on a real gate: what was decided, how the lane is, and nothing else moves for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.gate.config import GateConfig
from drivers.lcus import LcusDriver
from drivers.model import Fault, Hold, Refused, Release
from edge.inputs import BoardReported, CameraChanged
from tests.gate_world import World, config, granted
from tests.ticking import HandClock

pytestmark = pytest.mark.real
GREEN, RED = 1, 3  # of the entry; the exit has 2 and 4


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, HandClock(), lamps=True)
    made.start()
    for lane in ("entry", "exit"):
        made.gate.handle(CameraChanged(lane=lane, ok=True, detail=""))
    made.wait(1)
    made.commands.clear()
    yield made
    made.journal.close()


def lit(world: World) -> set[int]:
    """Lamps that were told to burn since the last look."""
    held = {one.channel for board, one in world.commands if board == "lamps" and isinstance(one, Hold)}
    world.commands.clear()
    return held


def test_green_for_a_grant_red_for_a_refusal_and_dark_again(world: World) -> None:
    assert granted(world.show(world.fresh(1)))
    assert lit(world) == {GREEN}
    world.walk()
    world.wait(30)
    lit(world)
    assert not granted(world.show(world.fresh(2, gates=0b10)))
    assert lit(world) == {RED}
    for _ in range(8):
        world.wait(0.2)
    assert lit(world) == {RED}  # blinked, and burns now
    world.wait(5)
    assert any(isinstance(one, Release) for board, one in world.commands if board == "lamps")
    lit(world)
    world.wait(20)
    assert lit(world) == set()


def test_the_lamps_of_one_lane_say_nothing_at_the_other(world: World) -> None:
    world.show(world.fresh(1), lane="exit")
    assert lit(world) == {2}


def test_a_lane_in_fault_blinks_red_until_it_works_again(world: World) -> None:
    world.gate.handle(BoardReported(board="relays", event=Fault(active=True, why="silent")))
    world.wait(0.1)
    assert {RED, 4} >= lit(world) != set()
    world.gate.handle(BoardReported(board="relays", event=Fault(active=False, why="over")))
    world.wait(1)
    lit(world)
    world.wait(20)
    assert lit(world) == set()


def test_a_lamp_board_that_refuses_keeps_nobody_out(world: World) -> None:
    assert granted(world.show(world.fresh(1)))
    held = next(one for board, one in world.commands if isinstance(one, Hold) and board == "lamps")
    refused = LcusDriver()
    refused.submit(held, held.issued_s)  # its line is down
    (answer,) = refused.take_events()
    assert isinstance(answer, Refused)
    world.gate.handle(BoardReported(board="lamps", event=answer))
    world.walk()
    assert len(world.events("passage")) == 1
    assert [board for board, _ in world.pulses] == ["relays"]


@pytest.mark.parametrize(
    ("lamps", "words"),
    [
        ({"board": "relays", "green": 1}, "carries something else"),
        ({"board": "relays", "green": 3, "red": 3}, "carries something else"),
        ({"board": "inputs", "green": 1}, "is not a relay board"),
        ({"board": "relays", "green": 9}, "outputs 1 to 8"),
        ({"board": "relays"}, "green, red or buzzer"),
    ],
)
def test_lamps_on_outputs_of_lanes_or_on_none_are_refused(
    tmp_path: Path, lamps: dict[str, object], words: str
) -> None:
    content = config(tmp_path).model_dump(mode="json", by_alias=True)
    content["lane"][0]["lamps"] = lamps
    with pytest.raises(ValidationError, match=words):
        GateConfig.model_validate(content)
    content["lane"][0]["lamps"] = {"board": "relays", "green": 3, "buzzer": 4}
    assert GateConfig.model_validate(content).lane[0].lamps is not None
