"""What a run came to, counted from a real journal and a real database of the centre."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from controller.overstay import OverstayMonitor
from edge.journal import Journal
from passes.vocabulary import Direction
from simulators.report import Report, count
from sync.messages import Kind, LaneData, PassageData
from sync.received import read_batch
from sync.topics import GateTopic
from tests.real.controller.centre import NOON, SITE, SMS, Centre
from tests.ticking import HandClock

pytestmark = pytest.mark.real
TOPIC = GateTopic(site=SITE, gate="south", leaf="ev")
STAY = "5a" * 8


class Run:
    """A gate's folder and a centre's, and what went from one to the other."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, HandClock(NOON)
        self.journal = Journal(folder / "south", self.clock)
        self.centre = Centre(folder / "centre" / "centre.db")

    def walk(self, direction: Direction, minutes: int, stay: str = STAY) -> None:
        self.clock.wall = NOON + timedelta(minutes=minutes)
        due_at = self.clock.wall + timedelta(minutes=60) if direction is Direction.ENTRY else None
        data = PassageData(
            lane="lane", direction=direction, person="aa" * 8, pass_id="01" * 8, stay_id=stay, due_at=due_at
        )
        self.journal.append(Kind.PASSAGE, data)

    def deliver(self) -> None:
        rows = self.journal.rows_after(0, 1000, 1 << 30)
        payload = {
            "gate": "south",
            "site": SITE,
            "epoch": self.journal.epoch(),
            "first": 1,
            "last": len(rows),
            "events": [json.loads(body) for _, body in rows],
        }
        upto = self.centre.receive(read_batch(TOPIC, json.dumps(payload).encode()))
        self.journal.acknowledge(self.journal.epoch(), upto)

    def harm(self, statement: str) -> None:
        self.centre.store.close()
        with closing(sqlite3.connect(self.folder / "centre" / "centre.db")) as db, db:
            db.execute(statement)

    def report(self) -> Report:
        self.close()
        return count(self.folder, seed=7, seconds=1.0, sms=0)

    def close(self) -> None:
        self.journal.close()
        self.centre.store.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    made = Run(tmp_path)
    made.walk(Direction.ENTRY, 0)
    made.journal.append(Kind.FORCED, LaneData(lane="exit"))
    made.walk(Direction.EXIT, 9)
    yield made
    made.close()


def test_a_run_in_which_everything_arrived_has_no_fault(run: Run) -> None:
    run.deliver()
    run.deliver()
    report = run.report()
    assert report.faults() == []
    assert (report.events_recorded, report.events_received, report.events_receipted) == (3, 3, 3)
    assert (report.passages, report.visits_wrong) == (2, 0)


def test_rows_that_were_carried_into_a_new_epoch_are_the_same_events(run: Run) -> None:
    run.deliver()
    run.journal.append(Kind.FORCED, LaneData(lane="exit"))
    run.journal.new_epoch(centre_upto=999)
    run.walk(Direction.ENTRY, 20, stay="5b" * 8)
    run.deliver()
    report = run.report()
    assert report.faults() == []
    assert (report.events_recorded, report.events_received) == (5, 5)


def test_what_never_arrived_is_lost_and_its_visit_is_missing(run: Run) -> None:
    run.deliver()
    run.walk(Direction.ENTRY, 20, stay="5b" * 8)
    assert run.report().faults() == [
        "1 events never reached the centre",
        "1 visits were made up or are missing",
    ]


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        (
            "update event set raw = replace(raw, '\"forced\"', '\"clock\"')",
            "1 events say something else at the centre",
        ),
        ("update visit set stay_id = '5c5c5c5c5c5c5c5c'", "2 visits were made up or are missing"),
        (
            "insert into event select site, gate, 'ffffffffffffffff', seq, id, kind, at, received_at, person, pass_id,"
            " stay_id, raw from event where seq = 2",
            "1 events were counted twice",
        ),
    ],
)
def test_a_difference_in_value_in_visits_or_in_number_is_a_fault(
    run: Run, statement: str, fault: str
) -> None:
    run.deliver()
    run.harm(statement)
    assert run.report().faults() == [fault]


def test_an_overstay_that_nobody_was_told_about_is_counted(run: Run) -> None:
    run.walk(Direction.ENTRY, 20, stay="5b" * 8)
    run.deliver()
    run.centre.clock.pass_by(24 * 3600)
    monitor = OverstayMonitor(
        store=run.centre.store, clock=run.centre.clock, zone=ZoneInfo("UTC"), sites={}, sms=SMS
    )
    assert monitor.tick() == 1
    assert run.report().overstays_without_sms == 1
    run.harm("update alert set state = 'accepted'")
    assert count(run.folder, seed=7, seconds=1.0, sms=1).overstays_without_sms == 0
