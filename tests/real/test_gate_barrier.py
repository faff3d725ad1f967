"""A barrier for vehicles: the end of the presence is the passage, and no arm comes down on anybody."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from drivers.model import Hold, Line, Outputs, Pulse, Release
from edge.inputs import BoardReported
from edge.orders import HandsError, Order
from tests.gate_world import World, granted, reason
from tests.ticking import HandClock

pytestmark = pytest.mark.real
GUARD = Order(by="王强", reason="已核实")
LOOP, DOWN = 5, 3


def barrier(name: str, channel: int, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "direction": name,
        "camera": "none",
        "board": "relays",
        "channel": channel,
        "kind": "barrier",
        "passage": "presence",
        "presence": {"board": "inputs", "channel": LOOP if name == "entry" else LOOP + 1},
        "release": "pulse_to_open",
        "on_power_loss": "open",
        "tested_by": "李工",
        "tested_on": "2026-11-20",
    } | more


class Barriers(World):
    """A world with a barrier for each direction; the entry's is closed by an order."""

    def loop(self, *, active: bool, lane: str = "entry") -> None:
        self.input(LOOP if lane == "entry" else LOOP + 1, active=active)

    def closings(self) -> int:
        """How often the arm of the entry was told to come down."""
        return sum(command.channel == DOWN for _, command in self.pulses)

    def openings(self) -> int:
        return len(self.pulses) - self.closings()

    def passages(self) -> list[str]:
        return [row["lane"] for row in self.events("passage")]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Barriers]]:
    with ExitStack() as worlds:

        def one(**entry: Any) -> Barriers:
            tables = [
                barrier("entry", 1, close={"board": "relays", "channel": DOWN}, **entry),
                barrier("exit", 2),
            ]
            world = Barriers(tmp_path, HandClock(), tables=tables)
            world.start()
            worlds.callback(world.journal.close)
            return world

        yield one


@pytest.fixture
def world(make: Callable[..., Barriers]) -> Barriers:
    return make()


def test_a_vehicle_that_has_left_the_loop_behind_has_passed_and_the_arm_comes_down(world: Barriers) -> None:
    world.loop(active=True)
    assert world.events("forced") == []  # it waits before the arm
    assert granted(world.show(world.fresh()))
    world.wait(4)
    assert (world.passages(), world.closings()) == ([], 0)
    world.loop(active=False)
    assert (world.passages(), world.openings(), world.closings()) == (["entry"], 1, 1)


def test_a_vehicle_that_comes_after_its_grant_passes_too(world: Barriers) -> None:
    assert granted(world.show(world.fresh()))
    world.wait(3)
    world.loop(active=True)
    world.wait(3)
    world.loop(active=False)
    assert (world.passages(), world.closings(), world.events("no_show")) == (["entry"], 1, [])


def test_nobody_who_drives_in_gives_the_entry_back_and_the_arm_comes_down(world: Barriers) -> None:
    assert granted(world.show(world.fresh()))
    world.wait(5)
    assert (len(world.events("no_show")), world.passages(), world.closings()) == (1, [], 1)


def test_f6_no_arm_is_told_to_come_down_while_a_vehicle_is_there(world: Barriers) -> None:
    assert granted(world.show(world.fresh()))
    world.loop(active=True)
    for _ in range(20):
        world.wait(10)
    assert world.closings() == 0
    assert [row["lane"] for row in world.events("held_open")] == ["entry"]
    assert [row["assumed"] for row in world.events("passage")] == [True]  # by rule, and it says so
    world.loop(active=False)
    assert world.closings() == 1


def test_f6_no_arm_is_told_to_come_down_where_nobody_sees_what_is_under_it(world: Barriers) -> None:
    assert granted(world.show(world.fresh()))
    world.loop(active=True)
    world.gate.handle(BoardReported(board="inputs", event=Line(up=False, why="unplugged")))
    world.wait(40)
    world.wait(40)
    assert world.closings() == 0
    assert [row["assumed"] for row in world.events("passage")] == [True]


def test_f6_no_hold_ends_and_no_hand_ends_it_while_a_vehicle_is_there(world: Barriers) -> None:
    outcome = world.gate.hands.hold("entry", GUARD, 60.0)
    world.gate.handle(BoardReported(board="relays", event=Outputs(id=outcome.id, bits=1, read=False)))
    world.loop(active=True)
    for act in (lambda: world.gate.hands.release("entry", GUARD), lambda: world.gate.hands.off(GUARD)):
        with pytest.raises(HandsError) as refused:
            act()
        assert (refused.value.code, refused.value.why) == ("unsafe", "occupied")
    for _ in range(30):
        world.wait(4)
        newest = world.commands[-1][1]
        assert isinstance(newest, Hold)
        world.gate.handle(BoardReported(board="relays", event=Outputs(id=newest.id, bits=1, read=False)))
    told = [command for _, command in world.commands if isinstance(command, Hold | Release)]
    assert [type(command) for command in told] == [Hold, Hold]
    assert world.screen.lane("entry").state == "kept_open"
    world.loop(active=False)
    world.wait(1)
    assert isinstance(world.commands[-1][1], Release)
    assert world.screen.lane("entry").state == "ready"
    world.gate.hands.release("entry", GUARD)


def test_an_entry_that_demands_a_vehicle_says_so_and_asks_again_when_one_is_there(
    make: Callable[..., Barriers],
) -> None:
    world = make(needs_presence=True)
    assert reason(world.show(world.fresh())) == "no_vehicle"
    world.wait(5)
    assert (world.openings(), world.asked_again) == (0, [])
    world.loop(active=True)
    assert world.asked_again == ["entry"]
    world.clock.advance(30)
    assert granted(world.show(world.fresh()))
    assert world.openings() == 1


def test_whoever_leaves_needs_no_vehicle(world: Barriers) -> None:
    assert granted(world.show(world.fresh(), lane="exit"))
    assert world.openings() == 1


def test_an_emergency_brings_no_arm_down(tmp_path: Path) -> None:
    fire = {"role": "fire", "board": "inputs", "channel": 4}
    tables = [barrier("entry", 1, close={"board": "relays", "channel": DOWN}), barrier("exit", 2)]
    world = Barriers(tmp_path, HandClock(), tables=tables, inputs=[fire])
    world.start()
    try:
        assert granted(world.show(world.fresh()))
        world.loop(active=True)
        world.input(4, active=True)
        world.loop(active=False)
        world.wait(60)
        assert world.closings() == 0
        assert world.passages() == ["entry"]
    finally:
        world.journal.close()


def test_the_pulse_of_a_closing_is_as_long_as_that_of_an_opening(make: Callable[..., Barriers]) -> None:
    world = make(pulse_ms=500)
    assert granted(world.show(world.fresh()))
    world.wait(5)
    assert [(command.channel, command.ms) for _, command in world.pulses if isinstance(command, Pulse)] == [
        (1, 500),
        (DOWN, 500),
    ]
