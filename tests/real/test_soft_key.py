"""A pass whose phone keeps its key badly, on a real journal: it opens an entry once, and every exit."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.kiosk.card import Card, card_of
from passes.claims import KeyLevel
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


def test_the_guard_reads_that_the_key_is_soft(world: World) -> None:
    told = card_of_shown(world, world.fresh(**SOFT))
    assert [pair.en for pair in told.notes] == ["Soft key: check that it is the visitor"]
    world.walk("entry")
    world.wait(30)
    assert card_of_shown(world, world.fresh(2, **KEPT)).notes == ()


def card_of_shown(world: World, text: str) -> Card:
    verdict = world.show(text)
    assert verdict is not None
    return card_of(verdict)
