"""Commands that reach a gate before the centre's time does: nothing moves by them, and none overtakes another."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.model import Hold
from edge.commands import WAITING_MAX
from tests.commanding import CommandWorld
from tests.ticking import HandClock

pytestmark = pytest.mark.real
DONE = ("done", None)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[CommandWorld]:
    made = CommandWorld(tmp_path, HandClock(), tested=True)
    made.start()
    yield made
    made.journal.close()


def test_i16_before_the_first_ack_of_a_run_nothing_moves(world: CommandWorld) -> None:
    world.heard_ack = False
    world.receive(world.command())
    assert world.said() == []  # the ack may be on its way
    world.pass_by(3)
    assert (world.said(), world.commands) == ([("refused", "no_time")], [])
    world.receive(world.command("block", ttl_s=60))
    assert world.said()[-1] == DONE  # its own clock is in order
    world.clock.trusted = False
    world.receive(world.command("unblock", ttl_s=60))
    assert world.said()[-1] == ("refused", "no_time")


def test_a_command_that_overtook_its_ack_waits_for_it(world: CommandWorld) -> None:
    world.heard_ack = False
    world.receive(world.command())
    world.heard_ack = True
    world.pass_by(0.2)
    assert len(world.pulses) == 1


@pytest.mark.parametrize("acked", [True, False])
def test_i16_what_came_behind_an_early_emergency_is_judged_after_it(
    world: CommandWorld, *, acked: bool
) -> None:
    world.heard_ack = False
    world.receive(world.command("emergency"), world.command("ping", ttl_s=60))
    assert world.said() == []
    world.heard_ack = acked
    world.receive(world.command("ping", ttl_s=60))
    world.pass_by(0.2 if acked else 3)
    holds = [one for _, one in world.commands if isinstance(one, Hold)]
    assert sorted(one.channel for one in holds) == ([1, 2] if acked else [])
    assert world.said() == [DONE if acked else ("refused", "no_time"), DONE, DONE]
    world.receive(world.command("ping", ttl_s=60))
    assert world.said()[3:] == [DONE]


def test_i16_more_than_can_wait_behind_an_early_command_is_refused_and_does_not_overtake_it(
    world: CommandWorld,
) -> None:
    world.heard_ack = False
    world.receive(world.command())
    for _ in range(WAITING_MAX):
        world.receive(world.command("ping", ttl_s=60))
    assert (world.rows(), world.said()) == ([("refused", "too_many")], [])
    world.heard_ack = True
    world.pass_by(0.2)
    assert len(world.pulses) == 1
    assert world.said() == [DONE] * (WAITING_MAX - 1)
