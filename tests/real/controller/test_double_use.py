"""One visitor's pass that two gates let in: an incident, once, when it cannot be explained any more."""

from datetime import timedelta
from itertools import permutations
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest

from controller import schema
from controller.bundles import content_of
from controller.overstay import OverstayMonitor
from passes.vocabulary import ClockTrust
from sync.messages import Health
from tests.real.controller.centre import NOON, SITE, SMS, STAY, SUPERVISOR, Centre, Journal, centre_at

pytestmark = pytest.mark.real

OTHER = "5b" * 8
SEEN = ("stay_id", "other_stay", "incident_id")


@pytest.fixture
def north() -> Journal:
    return Journal("north")


@pytest.fixture
def monitor(centre: Centre) -> OverstayMonitor:
    return OverstayMonitor(
        store=centre.store, clock=centre.clock, zone=ZoneInfo("Asia/Shanghai"), sites={}, sms=SMS
    )


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def report(centre: Centre, *gates: str, depth: int = 0) -> None:
    for gate in gates:
        health = Health(
            now=centre.clock.now(), trust=ClockTrust.TRUSTED, software="x", outbox_depth=depth, lanes=[]
        )
        centre.intake.health(SITE, gate, health)


def test_x2_a_pass_let_in_at_two_gates_is_an_incident_that_a_supervisor_hears_of_once(
    centre: Centre, journal: Journal, north: Journal, monitor: OverstayMonitor
) -> None:
    report(centre, "south", "north")
    journal.entry(NOON)
    north.entry(NOON + minutes(2), stay=OTHER)
    centre.receive(journal.sent(), north.sent())
    centre.clock.pass_by(1)
    monitor.tick()
    assert centre.rows(schema.incident) == []
    report(centre, "south")
    monitor.tick()
    assert centre.rows(schema.incident) == []
    report(centre, "north")
    for _ in range(2):
        monitor.tick()
    assert centre.rows(schema.incident, "kind", "stay_id", "state") == [("double_use", OTHER, "open")]
    assert centre.rows(schema.alert, "recipient", "text") == [
        (SUPERVISOR, "【阳光物业】同一访客码先后用于south、north，前一次未离场，事件#1，请核实。")
    ]


def test_it_makes_nobody_red(
    centre: Centre, journal: Journal, north: Journal, monitor: OverstayMonitor
) -> None:
    journal.entry(NOON)
    north.entry(NOON + minutes(2), stay=OTHER)
    centre.receive(journal.sent(), north.sent())
    centre.clock.pass_by(1)
    report(centre, "south", "north")
    monitor.tick()
    with centre.store.transaction() as connection:
        assert content_of(connection, SITE, centre.clock.now()).red == ()


def test_an_exit_that_was_still_on_its_way_explains_it(
    centre: Centre, journal: Journal, north: Journal, monitor: OverstayMonitor
) -> None:
    journal.entry(NOON)
    journal.leaving(NOON + minutes(1))
    north.entry(NOON + minutes(2), stay=OTHER)
    centre.receive(journal.sent(1, 1), north.sent())
    assert centre.rows(schema.double_use, *SEEN) == [(OTHER, STAY, None)]
    centre.clock.pass_by(1)
    report(centre, "north")
    report(centre, "south", depth=21)
    monitor.tick()
    centre.receive(journal.sent(2))
    report(centre, "south", "north")
    monitor.tick()
    assert (centre.rows(schema.double_use), centre.rows(schema.incident)) == ([], [])


def test_after_a_day_a_gate_that_is_away_keeps_nobody_from_being_told_and_its_exit_withdraws_it(
    centre: Centre, journal: Journal, north: Journal, monitor: OverstayMonitor
) -> None:
    report(centre, "south", "north")
    journal.entry(NOON, minutes=3000)
    journal.leaving(NOON + minutes(1))
    north.entry(NOON + minutes(2), stay=OTHER, minutes=3000)
    centre.receive(journal.sent(1, 1), north.sent())
    centre.clock.pass_by(24 * 3600)
    monitor.tick()
    assert centre.rows(schema.incident, "kind", "state") == [("double_use", "open")]
    centre.receive(journal.sent(2))
    assert centre.rows(schema.incident, "kind", "state") == [("double_use", "withdrawn")]
    assert centre.rows(schema.alert, "state") == [("cancelled",)]


@pytest.mark.parametrize("second_gate", ["south", "north"])
def test_a_second_visit_after_the_first_is_none_and_residents_are_not_compared(
    centre: Centre, journal: Journal, north: Journal, second_gate: str
) -> None:
    second = journal if second_gate == "south" else north
    journal.entry(NOON)
    journal.leaving(NOON + minutes(5))
    second.entry(NOON + minutes(5), stay=OTHER)
    for number, gate in enumerate((journal, north)):
        gate.passage(
            "entry", NOON + minutes(number), stay=f"{number:016x}", person="cc" * 8, pass_id="02" * 8
        )
        gate.rows[-1]["data"]["category"] = "resident"
    centre.receive(journal.sent(), north.sent())
    assert centre.rows(schema.double_use) == []


def test_i7_what_is_seen_does_not_hang_on_the_order_of_arrival(
    tmp_path: Path, journal: Journal, north: Journal
) -> None:
    third = "5c" * 8
    journal.entry(NOON)
    journal.leaving(NOON + minutes(30))
    north.entry(NOON + minutes(2), stay=OTHER)
    north.leaving(NOON + minutes(3), stay=OTHER)
    north.entry(NOON + minutes(40), stay=third)
    pieces = [journal.sent(1, 1), journal.sent(2, 2), north.sent(1, 1), north.sent(2, 2), north.sent(3, 3)]
    ends = set()
    orders = Random(7).sample(list(permutations(pieces)), 14)
    for number, order in enumerate(orders):
        with centre_at(tmp_path / f"{number}.db") as one:
            for piece in (*order, order[0]):
                one.receive(piece)
            ends.add(repr((one.rows(schema.double_use, *SEEN), one.rows(schema.visit, "stay_id", "state"))))
    assert ends == {repr(([(OTHER, STAY, None)], [(STAY, "left"), (OTHER, "left"), (third, "inside")]))}
