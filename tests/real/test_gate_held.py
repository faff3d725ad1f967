"""An exit that does not open, a controller whose counts are not asked for, an error of ours at a lane's deadline."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.model import Admit, Counted, Done, Grade, Line, Refusal, Refused, Side
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


@pytest.mark.parametrize("done_first", [True, False])
def test_what_a_controller_counts_means_nothing_at_a_lane_whose_passages_are_assumed(
    tmp_path: Path, done_first: bool
) -> None:
    """The admission is the passage there; a count on top of it would be a second person, or one without a grant."""
    world = World(tmp_path, HandClock(), passage="assumed", controller=True)
    world.start()
    try:
        assert granted(world.show(world.fresh()))
        ((_, admit),) = world.commands
        assert isinstance(admit, Admit)
        done = Done(id=admit.id, grade=Grade.SENT)
        walked = Counted(side=Side.LEFT, delta=1, total=7, at_s=world.clock.monotonic_s())
        for event in (done, walked) if done_first else (walked, done):
            world.gate.handle(BoardReported(board="relays", event=event))
        (passage,) = world.events("passage")
        assert (passage["direction"], passage["assumed"]) == ("entry", True)
        assert world.events("forced") == world.events("tailgate") == []
        assert world.screen.lane("entry").state == "ready"
    finally:
        world.journal.close()


class Failing(World):
    """A gate whose uplink has a programming error, which shows itself once."""

    armed = False

    def wake_uplink(self) -> None:
        if self.armed:
            self.armed = False
            raise ZeroDivisionError


def test_i18_an_error_of_ours_at_a_deadline_gives_back_the_grants_behind_it(tmp_path: Path) -> None:
    world = Failing(tmp_path, HandClock())
    world.start()
    try:
        for number in (1, 2):
            world.show(world.fresh(number))
            world.walk()
            world.wait(8)
        world.gate.handle(
            BoardReported(board="inputs", event=Line(up=False, why="gone"))
        )  # who walks is not seen
        for number in (1, 2):
            assert granted(world.show(world.fresh(number), lane="exit"))
            world.clock.advance(0.4)
        world.armed = True  # at the first of the two who are taken to have walked
        world.wait(6)
        assert not world.armed
        assert [row["direction"] for row in world.events("passage")] == ["entry", "entry", "exit"]
        assert [row["direction"] for row in world.events("no_show")] == ["exit"]
        assert granted(world.show(world.fresh(2), lane="exit"))
    finally:
        world.journal.close()
