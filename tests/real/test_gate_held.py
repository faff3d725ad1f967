"""Somebody stands before an exit that does not open, and holds the phone up again and again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.model import Refusal, Refused
from edge.inputs import BoardReported
from tests.gate_world import World, granted, reason
from tests.ticking import HandClock

pytestmark = pytest.mark.real
TIMES = 4


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, HandClock())
    world.start()
    yield world
    world.journal.close()


@pytest.mark.parametrize("waited_s", [1.0, 7.0], ids=["while the grant waits", "after it has ended"])
def test_each_time_a_code_is_shown_at_an_exit_its_relay_is_asked_anew(world: World, waited_s: float) -> None:
    """A driver carries out each id once: what has the id of an earlier opening would open nothing."""
    for _ in range(TIMES):
        world.wait(waited_s)
        world.show(world.fresh(), lane="exit")
        _, pulse = world.pulses[-1]
        world.gate.handle(BoardReported(board="relays", event=Refused(id=pulse.id, why=Refusal.LINE_DOWN)))
    ids = [pulse.id for _, pulse in world.pulses]
    assert len(set(ids)) == len(ids) == TIMES
    assert [pulse.channel for _, pulse in world.pulses] == [2] * TIMES
    world.walk("exit")
    assert len(world.events("passage")) == 1


def test_that_an_exit_could_not_be_opened_once_more_is_said(world: World) -> None:
    assert granted(world.show(world.fresh(), lane="exit"))
    world.wait(1)
    world.takes = False
    assert reason(world.show(world.fresh(), lane="exit")) == "lane_fault"
    world.wait(1)
    world.takes = True
    assert granted(world.show(world.fresh(), lane="exit"))
