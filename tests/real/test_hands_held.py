"""What people type at the gate's tools, and a lane that is held already."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.model import Done, Grade, Hold, Release
from edge import tool_requests
from edge.control import DecidingThread
from edge.inputs import Asked, BoardReported
from edge.orders import HandsError, Order
from edge.tool_requests import tool_handlers
from shell.control import RequestError
from tests.gate_world import World
from tests.ticking import HandClock

pytestmark = pytest.mark.real
GUARD = Order(by="王强", reason="业主忘带手机")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, HandClock(), tested=True)
    world.start()
    yield world
    world.journal.close()


@pytest.mark.parametrize(
    "request_",
    [
        {"do": "pulse", "lane": "exit"},
        {"do": "hold", "lane": "exit", "seconds": 5},
        {"do": "release", "lane": "exit"},
        {"do": "off"},
    ],
    ids=lambda one: one["do"],
)
def test_of_a_number_that_was_typed_four_digits_are_recorded_and_nothing_more(
    world: World, request_: dict[str, Any]
) -> None:
    """Whoever asks names a caller in the reason, or signs with a number."""
    world.takes = False  # nobody waits for a board that is played by nobody
    handlers = tool_handlers(world.gate.hands, world.gate.feed, DecidingThread(Asked.carry_out))
    typed = {"by": "王强 138 0013 8001", "reason": "业主 +86 139-0013-8002 来电"}
    handlers[request_["do"]](request_ | typed)
    (row,) = world.events("override")
    assert (row["by"], row["reason"]) == ("王强 ****8001", "业主 ****8002 来电")
    kept = world.journal.path.read_bytes() + world.journal.path.with_name("journal.db-wal").read_bytes()
    assert b"0013" not in kept


def test_a_request_that_nobody_signs_moves_nothing(world: World) -> None:
    handlers = tool_handlers(world.gate.hands, world.gate.feed, DecidingThread(Asked.carry_out))
    for do in ("pulse", "hold", "release", "off", "fire_reset"):
        for unsigned in ({}, {"by": "王强"}, {"by": "", "reason": "x"}, {"by": "王强", "reason": ""}):
            with pytest.raises(RequestError) as refused:
                handlers[do]({"do": do, "lane": "entry", "seconds": 5} | unsigned)
            assert refused.value.code == "bad_request"
    assert world.commands == []


@pytest.mark.parametrize("ended", [lambda id_: Done(id=id_, grade=Grade.SENT), None])
def test_a_lane_that_is_held_is_not_held_twice(world: World, ended: Callable[[str], Done] | None) -> None:
    world.gate.hands.hold("entry", GUARD, 60)
    (first,) = [one for _, one in world.commands if isinstance(one, Hold)]
    with pytest.raises(HandsError) as refused:
        world.gate.hands.hold("entry", GUARD, 600)
    assert (refused.value.code, refused.value.next_step) == ("busy", "Release it first")
    assert [one for _, one in world.commands if isinstance(one, Hold)] == [first]
    assert len(world.events("override")) == 1
    if ended is not None:
        world.gate.handle(BoardReported(board="relays", event=ended(first.id)))
        world.gate.hands.hold("entry", GUARD, 60)
        return
    world.wait(62)  # and the first one ends when it was to end
    assert [one.channel for _, one in world.commands if isinstance(one, Release)] == [1]


@pytest.mark.parametrize(
    "request_", [{"do": "release"}, {"do": "hold", "seconds": 5}], ids=lambda one: one["do"]
)
def test_s7_where_a_board_says_nothing_in_time_nobody_knows(
    world: World, monkeypatch: pytest.MonkeyPatch, request_: dict[str, Any]
) -> None:
    monkeypatch.setattr(tool_requests, "OUTCOME_WITHIN_S", 0.01)
    handlers = tool_handlers(world.gate.hands, world.gate.feed, DecidingThread(Asked.carry_out))
    answer = handlers[request_["do"]](request_ | {"lane": "entry", "by": "王强", "reason": "x"})
    assert (answer["outcome"], answer["maybe_executed"]) == ("timed_out", True)
