"""Gates whose clock goes wrong, and gates that nobody hears for a month: the deciding core on a real journal."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from controller import schema
from edge.journal import Journal
from passes.vocabulary import Category
from shell.clock import SystemClock
from sync.messages import BATCH_BYTES_MAX, BATCH_EVENTS_MAX
from sync.outbox import PublishBatch, batch_json
from sync.received import read_batch
from sync.topics import parse_up, up
from tests.gate_world import World, granted, reason
from tests.minting import NOW, SITE
from tests.real.controller.centre import Centre, centre_at
from tests.ticking import HandClock
from tests.unit.test_clock import Machine

pytestmark = pytest.mark.real

DAY_S = 86_400.0


class MachineClock(SystemClock):
    """The product's clock on a machine whose wall clock a test sets."""

    def __init__(self, machine: Machine, floor: datetime) -> None:
        def up_s() -> float:
            return machine.up_s

        self.machine = machine
        super().__init__(floor, wall_s=lambda: machine.wall_s, monotonic_s=up_s, running_s=up_s)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.machine.run(seconds)


@pytest.fixture
def clock() -> MachineClock:
    return MachineClock(Machine(wall_s=NOW.timestamp()), NOW - timedelta(days=1))


@pytest.fixture
def world(tmp_path: Path, clock: MachineClock) -> Iterator[World]:
    gate = World(tmp_path, clock)  # type: ignore[arg-type]  # moved by hand like the other
    gate.start()
    yield gate
    gate.journal.close()


def test_t4_a_stay_is_counted_on_while_the_wall_clock_leaps_and_ends_when_it_would_have(
    world: World, clock: MachineClock
) -> None:
    assert granted(world.show(world.fresh(stay=60)))
    world.walk()
    (stay,) = world.standings.inside()
    assert stay.due_at is not None
    for leap_s in (-DAY_S, 3650 * DAY_S, -3650 * DAY_S):
        clock.machine.wall_s += leap_s
        world.wait(600)
        assert not world.standings.fell_due(stay.due_at - timedelta(hours=1), clock.now())
    world.wait(1900)
    assert world.standings.fell_due(stay.due_at - timedelta(hours=1), clock.now())
    assert granted(world.show(world.fresh(), lane="exit"))


def test_t2_no_record_goes_back_in_time_and_no_stay_is_negative(world: World, clock: MachineClock) -> None:
    assert granted(world.show(world.fresh()))
    world.walk()
    clock.machine.wall_s -= 20 * 365 * DAY_S
    assert granted(world.show(world.fresh(), lane="exit"))
    world.walk("exit")
    entry, leaving = world.events("passage")
    assert leaving["stay_id"] == entry["stay_id"]
    times = [at_ms for (at_ms,) in world.journal.read("select at_ms from event order by seq")]
    assert times == sorted(times)


def test_t8_three_days_without_battery_and_network_visitors_go_to_the_guard_and_all_go_out(
    tmp_path: Path,
) -> None:
    machine = Machine(wall_s=0.0)
    gate = World(tmp_path, MachineClock(machine, NOW))  # type: ignore[arg-type]
    gate.start()
    for _ in range(3):
        machine.run(DAY_S)
        visitor, resident = gate.fresh(), gate.fresh(2, category=Category.RESIDENT, stay=0, expires_at=2**31)
        assert reason(gate.show(visitor)) == "clock_untrusted"
        assert reason(gate.show(resident)) == "clock_untrusted"
        assert granted(gate.show(visitor, lane="exit"))
        gate.walk("exit")
        assert granted(gate.show("no pass at all", lane="exit"))
        gate.walk("exit")
    machine.wall_s = (NOW + timedelta(days=3)).timestamp()
    assert granted(gate.show(gate.fresh(3, expires_at=2**31)))
    gate.journal.close()


def test_net1_a_gate_that_nobody_hears_for_thirty_days_works_on_and_then_all_of_it_arrives_once(
    tmp_path: Path,
) -> None:
    clock, rng, truth = HandClock(), Random(30), 0
    gate = World(tmp_path / "gate", clock)
    gate.start()
    for day in range(30):
        for visit in range(4):
            number = day * 10 + visit
            assert granted(gate.show(gate.fresh(number, expires_at=2**31, stay=30)))
            gate.walk()
            truth += 1
            late = rng.random() < 0.25
            gate.wait(3600 if late else 600)
            assert reason(gate.show(gate.fresh(number, expires_at=2**31, stay=30))) in {
                "already_inside",
                "red",
            }
            assert granted(gate.show(gate.fresh(number, expires_at=2**31, stay=30), lane="exit"))
            gate.walk("exit")
            gate.wait(10)
            back = gate.show(gate.fresh(number, expires_at=2**31, stay=30))
            assert (reason(back) == "red") if late else granted(back)
            gate.wait(30)
        clock.advance(DAY_S - (clock.now() - NOW).total_seconds() % DAY_S)
        gate.journal.prune()
        gate.standings.forget_old(clock.now())
    assert gate.journal.pruned_to() == 0
    with centre_at(tmp_path / "centre.db") as centre:
        for _ in range(2):  # and all of it once more, as after a lost receipt
            assert drained(gate.journal, centre) == gate.journal.last_seq()
        assert len(centre.rows(schema.event)) == gate.journal.last_seq()
        assert len(centre.rows(schema.visit)) == truth
        assert {state for (state,) in centre.rows(schema.visit, "state")} == {"left"}
    gate.journal.close()


def test_x12_an_exit_whose_entry_was_forgotten_meanwhile_opens_and_is_recorded(tmp_path: Path) -> None:
    clock = HandClock()
    gate = World(tmp_path, clock)
    gate.start()
    for _ in range(2):
        assert granted(gate.show(gate.fresh(expires_at=2**31)))
        gate.walk()
        gate.wait(60)
        assert granted(gate.show(gate.fresh(expires_at=2**31), lane="exit"))
        gate.walk("exit")
        clock.advance(40 * DAY_S)
        gate.journal.prune()
        while gate.standings.forget_old(clock.now()):
            pass
        assert gate.journal.read("select count(*) from stay") == [(0,)]
        assert granted(gate.show(gate.fresh(expires_at=2**31), lane="exit"))
        gate.walk("exit")
        assert gate.events("passage")[-1]["direction"] == "exit"
        assert "stay_id" not in gate.events("passage")[-1]
        gate.wait(60)
    gate.journal.close()


def drained(journal: Journal, centre: Centre) -> int:
    """Send every row of the journal to the centre; returns the cursor that it answers."""
    topic, upto = parse_up(up(SITE, "south", "ev")), 0
    assert topic is not None
    while rows := journal.rows_after(upto, BATCH_EVENTS_MAX, BATCH_BYTES_MAX):
        first, last = rows[0][0], rows[-1][0]
        batch = PublishBatch(
            epoch=journal.epoch(), first=first, last=last, texts=tuple(text for _, text in rows)
        )
        upto = centre.receive(read_batch(topic, batch_json(batch, gate="south", site=SITE)))
    return upto
