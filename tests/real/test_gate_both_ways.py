"""A lane that leads both ways: one opening, a reader for each direction, one direction at a time."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.model import Counted, Line, Side
from edge.inputs import BoardReported
from edge.lane_table import State
from edge.orders import Order
from tests.gate_world import World, granted
from tests.ticking import HandClock

pytestmark = pytest.mark.real
GUARD = Order(by="王强", reason="已核实")
FACTS = {"release": "pulse_to_open", "on_power_loss": "open", "tested_by": "李工", "tested_on": "2026-11-20"}
DOOR: dict[str, Any] = FACTS | {
    "name": "door",
    "direction": "both",
    "board": "relays",
    "channel": 1,
    "passage": "contact",
    "contact": {"board": "inputs", "channel": 1},
    "entry": {"camera": "outside"},
    "exit": {"camera": "inside"},
}
TOLD = {key: value for key, value in DOOR.items() if key != "contact"} | {
    "entry": {"camera": "outside", "contact": {"board": "inputs", "channel": 1}},
    "exit": {"camera": "inside", "contact": {"board": "inputs", "channel": 2}},
}
TRIPOD = {key: value for key, value in DOOR.items() if key not in {"contact", "channel"}} | {
    "passage": "counter",
    "entry": {"camera": "outside", "side": "left"},
    "exit": {"camera": "inside", "side": "right"},
}
ENTRY, EXIT = "door_entry", "door_exit"


class Both(World):
    """A world whose one opening leads both ways."""

    def through(self, channel: int = 1) -> None:
        for active in (True, False):
            self.clock.advance(0.5)
            self.input(channel, active=active)

    def count(self, side: Side, delta: int = 1) -> None:
        counted = Counted(side=side, delta=delta, total=delta, at_s=self.clock.monotonic_s())
        self.gate.handle(BoardReported(board="relays", event=counted))

    def passages(self) -> list[tuple[str, str]]:
        return [(row["lane"], row["direction"]) for row in self.events("passage")]

    def ways(self) -> list[str]:
        """The lane of each pulse, by its grant's row."""
        ids = {row["id"]: row for row in map(self._decision, self.rows("decision"))}
        return [ids[command.id]["lane"] for _, command in self.pulses]

    def rows(self, kind: str) -> list[dict[str, Any]]:
        found = self.journal.read("select body from event where kind = ? order by seq", (kind,))
        return [json.loads(body) for (body,) in found]

    @staticmethod
    def _decision(row: dict[str, Any]) -> dict[str, Any]:
        return {"id": row["id"], "lane": row["data"]["lane"]}


def world_of(folder: Path, table: dict[str, Any], **more: Any) -> Iterator[Both]:
    world = Both(folder, HandClock(), tables=[table], tested=True, **more)
    world.start()
    try:
        yield world
    finally:
        world.journal.close()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Both]:
    """One contact for both directions."""
    yield from world_of(tmp_path, DOOR)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Both]:
    """A contact for each direction."""
    yield from world_of(tmp_path, TOLD)


@pytest.fixture
def tripod(tmp_path: Path) -> Iterator[Both]:
    """A controller that counts each direction."""
    yield from world_of(tmp_path, TRIPOD, controller=True)


def test_who_comes_in_and_goes_out_through_one_opening_is_told_apart_by_the_reader(door: Both) -> None:
    assert granted(door.show(door.fresh(), lane=ENTRY))
    door.through()
    door.wait(10)
    assert granted(door.show(door.fresh(), lane=EXIT))
    door.through()
    assert door.passages() == [(ENTRY, "entry"), (EXIT, "exit")]
    assert {command.channel for _, command in door.pulses} == {1}
    assert door.events("forced") == []


def test_an_exit_waits_for_who_is_about_to_come_in_and_opens_when_they_are_in_the_lane(door: Both) -> None:
    assert granted(door.show(door.fresh(1), lane=ENTRY))
    assert granted(door.show(door.fresh(2), lane=EXIT))
    assert door.ways() == [ENTRY]
    door.clock.advance(0.5)
    door.input(1, active=True)
    assert door.ways() == [ENTRY, EXIT]
    door.input(1, active=False)
    door.through()
    assert door.passages() == [(ENTRY, "entry"), (EXIT, "exit")]


def test_an_exit_opens_at_the_latest_when_nobody_came_in(door: Both) -> None:
    assert granted(door.show(door.fresh(1), lane=ENTRY))
    assert granted(door.show(door.fresh(2), lane=EXIT))
    door.wait(5.0)
    assert door.ways() == [ENTRY, EXIT]
    assert door.pulses[-1][1].issued_s == door.clock.monotonic_s()  # its board takes no old one
    assert [row["lane"] for row in door.events("no_show")] == [ENTRY]
    door.through()
    assert door.passages() == [(EXIT, "exit")]


def test_who_shows_the_code_again_at_the_exit_need_not_wait(door: Both) -> None:
    assert granted(door.show(door.fresh(1), lane=ENTRY))
    assert granted(door.show(door.fresh(2), lane=EXIT))
    door.wait(1.0)
    door.show(door.fresh(2), lane=EXIT)
    assert len(door.pulses) == 2
    assert door.pulses[-1][1].insist


def test_an_entry_is_turned_aside_while_somebody_leaves_and_asked_for_again(door: Both) -> None:
    assert granted(door.show(door.fresh(2), lane=EXIT))
    assert door.show(door.fresh(1), lane=ENTRY) is None
    door.through()
    door.wait(1.0)
    assert door.asked_again == [ENTRY]
    assert granted(door.show(door.fresh(1), lane=ENTRY))


def test_a_fire_lets_out_who_waits_for_somebody_to_come_in(tmp_path: Path) -> None:
    fire = {"role": "fire", "board": "inputs", "channel": 4}
    for world in world_of(tmp_path, DOOR, inputs=[fire]):
        assert granted(world.show(world.fresh(1), lane=ENTRY))
        assert granted(world.show(world.fresh(2), lane=EXIT))
        world.input(4, active=True)
        assert world.ways() == [ENTRY, EXIT]


def test_walking_against_the_granted_direction_is_an_alarm_and_takes_no_grant(told: Both) -> None:
    assert granted(told.show(told.fresh(1), lane=ENTRY))
    told.through(channel=2)
    assert told.events("forced") == [{"lane": "door", "detail": "wrong_direction"}]
    assert told.passages() == []
    told.through(channel=1)
    assert told.passages() == [(ENTRY, "entry")]


def test_a_counter_tells_the_direction_too(tripod: Both) -> None:
    assert granted(tripod.show(tripod.fresh(1), lane=ENTRY))
    tripod.count(Side.RIGHT)
    assert tripod.events("forced") == [{"lane": "door", "detail": "wrong_direction"}]
    tripod.count(Side.LEFT)
    assert tripod.passages() == [(ENTRY, "entry")]
    assert granted(tripod.show(tripod.fresh(2), lane=EXIT))
    tripod.count(Side.RIGHT, delta=4)
    assert len(tripod.events("tailgate")) == 1  # one alarm for however many
    assert tripod.passages() == [(ENTRY, "entry"), (EXIT, "exit")]


def test_who_forces_an_opening_is_one_alarm_and_not_one_for_each_direction(door: Both) -> None:
    door.through()
    assert door.events("forced") == [{"lane": "door"}]


def test_a_blocked_entry_leaves_the_exit_of_the_same_opening_open(door: Both) -> None:
    door.gate.hands.block(ENTRY, GUARD, blocked=True)
    verdict = door.show(door.fresh(1), lane=ENTRY)
    assert verdict is not None
    assert verdict.reason == "lane_blocked"
    assert granted(door.show(door.fresh(2), lane=EXIT))
    assert door.ways() == [EXIT]
    assert [door.screen.lane(name).state for name in (ENTRY, EXIT)] == ["opening", "opening"]
    door.gate.hands.block(ENTRY, GUARD, blocked=False)
    door.through()
    door.wait(1.0)
    assert granted(door.show(door.fresh(1), lane=ENTRY))


def test_a_lane_in_fault_is_one_opening_in_fault(door: Both) -> None:
    door.gate.handle(BoardReported(board="relays", event=Line(up=False, why="unplugged")))
    assert [one.lane.state for one in door.gate.hands._lanes.openings] == [State.FAULT]
    assert [door.screen.lane(name).state for name in (ENTRY, EXIT)] == ["fault", "fault"]
    assert granted(door.show(door.fresh(2), lane=EXIT))
    assert door.ways() == [EXIT]
