"""A pass whose phone keeps its key badly, on a real journal: it opens an entry once, and every exit."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.issuing import KeyLevel
from tests.gate_world import World, granted, reason
from tests.ticking import HandClock

pytestmark = pytest.mark.real
SOFT = {"entries": 1, "flags": KeyLevel.SOFT << 4}
KEPT = {"entries": 0, "flags": KeyLevel.KEPT << 4}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, HandClock())
    made.start()
    yield made
    made.journal.close()


def come_and_go(world: World, claims: dict[str, int]) -> None:
    for lane in ("entry", "exit"):
        assert granted(world.show(world.fresh(**claims), lane=lane))
        world.walk(lane)
        world.wait(30)


@pytest.mark.parametrize("claims", [SOFT, KEPT])
def test_the_second_entry_is_refused_to_a_soft_key_alone(world: World, claims: dict[str, int]) -> None:
    come_and_go(world, claims)
    if claims is SOFT:
        assert reason(world.show(world.fresh(**claims))) == "entries_used"
    else:
        come_and_go(world, claims)


def test_who_did_not_walk_has_not_used_the_one_entry_up(world: World) -> None:
    assert granted(world.show(world.fresh(**SOFT)))
    world.wait(60)
    assert len(world.events("no_show")) == 1
    come_and_go(world, SOFT)
    assert reason(world.show(world.fresh(**SOFT))) == "entries_used"
