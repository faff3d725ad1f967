from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from controller import schema
from controller.figures import figures
from controller.overstay import AT_ONCE_MAX, OverstayMonitor, due_visits
from passes.vocabulary import ClockTrust
from tests.real.controller.centre import NOON, PERSON, SMS, STAY, SUPERVISOR, Centre, Journal

pytestmark = pytest.mark.real
INCIDENT = ("stay_id", "state", "raised_at", "ended_at", "cites")


@pytest.fixture
def monitor(centre: Centre) -> OverstayMonitor:
    return OverstayMonitor(
        store=centre.store, clock=centre.clock, zone=ZoneInfo("Asia/Shanghai"), sites={}, sms=SMS
    )


def test_an_overstay_is_raised_at_the_second_it_is_due_and_once(
    centre: Centre, journal: Journal, monitor: OverstayMonitor
) -> None:
    journal.entry(NOON, minutes=1)
    centre.receive(journal.sent())
    assert monitor.seconds_to_next() == 5.0
    raised = []
    for _ in range(62):
        raised.append((centre.clock.now() - NOON, monitor.tick()))
        centre.clock.pass_by(1)
    assert [after for after, count in raised if count] == [timedelta(seconds=60)]
    due = NOON + timedelta(minutes=1)
    assert centre.rows(schema.incident, *INCIDENT) == [(STAY, "open", due, None, None)]
    assert centre.rows(schema.alert, "step", "recipient", "state", "text", "next_at") == [
        (0, SUPERVISOR, "queued", "【阳光物业】快递访客在south超时，应于12:01离场，事件#1，请处理。", due)
    ]
    assert figures(centre.store).overstays == 1


def test_the_monitor_waits_exactly_until_the_next_is_due(
    centre: Centre, journal: Journal, monitor: OverstayMonitor
) -> None:
    journal.entry(NOON, minutes=1)
    centre.receive(journal.sent())
    centre.clock.pass_by(58.5)
    assert monitor.seconds_to_next() == 1.5
    centre.clock.pass_by(3)
    assert monitor.seconds_to_next() == 0.0


def test_who_leaves_in_time_raises_nothing(
    centre: Centre, journal: Journal, monitor: OverstayMonitor
) -> None:
    journal.entry(NOON, minutes=1)
    journal.leaving(NOON + timedelta(seconds=60))
    centre.receive(journal.sent())
    centre.clock.pass_by(3600)
    assert monitor.tick() == 0
    assert centre.rows(schema.incident) == []


def test_nothing_is_raised_while_the_clock_is_untrusted(
    centre: Centre, journal: Journal, monitor: OverstayMonitor
) -> None:
    journal.entry(NOON, minutes=1)
    centre.receive(journal.sent())
    centre.clock.pass_by(3600)
    centre.clock.trusted = ClockTrust.UNTRUSTED
    assert monitor.tick() == 0
    centre.clock.trusted = ClockTrust.TRUSTED
    assert monitor.tick() == 1


def test_a_stay_by_a_gate_that_doubts_its_clock_raises_nothing(
    centre: Centre, journal: Journal, monitor: OverstayMonitor
) -> None:
    journal.passage("entry", NOON, due=NOON + timedelta(minutes=1), trust="untrusted")
    centre.receive(journal.sent())
    centre.clock.pass_by(3600)
    assert monitor.tick() == 0
    assert centre.rows(schema.visit, "state", "clock_doubted") == [("inside", True)]


def overdue(centre: Centre, journal: Journal, monitor: OverstayMonitor) -> None:
    journal.entry(NOON, minutes=1)
    centre.receive(journal.sent())
    centre.clock.pass_by(120)
    assert monitor.tick() == 1


def test_an_exit_in_time_that_arrives_late_withdraws_the_incident_and_its_message(
    centre: Centre, journal: Journal, monitor: OverstayMonitor
) -> None:
    overdue(centre, journal, monitor)
    journal.leaving(NOON + timedelta(seconds=40))
    centre.receive(journal.sent(2))
    assert centre.rows(schema.incident, *INCIDENT) == [
        (
            STAY,
            "withdrawn",
            NOON + timedelta(seconds=120),
            NOON + timedelta(seconds=120),
            "south/eeeeeeeeeeeeeeee/2",
        )
    ]
    assert centre.rows(schema.alert, "state") == [("cancelled",)]
    assert figures(centre.store).overstays == 0


@pytest.mark.parametrize(("late_minutes", "state"), [(5, "warned"), (10, "warned"), (10.1, "left_late")])
def test_an_exit_past_the_limit_ends_the_incident_and_keeps_its_message(
    centre: Centre, journal: Journal, monitor: OverstayMonitor, late_minutes: float, state: str
) -> None:
    overdue(centre, journal, monitor)
    journal.leaving(NOON + timedelta(minutes=1 + late_minutes))
    centre.receive(journal.sent(2))
    assert centre.rows(schema.incident, "state") == [(state,)]
    assert centre.rows(schema.alert, "state") == [("queued",)]


def test_an_earlier_exit_from_another_gate_still_withdraws(
    centre: Centre, journal: Journal, monitor: OverstayMonitor
) -> None:
    overdue(centre, journal, monitor)
    journal.leaving(NOON + timedelta(minutes=30))
    centre.receive(journal.sent(2))
    north = Journal("north")
    north.leaving(NOON + timedelta(seconds=30))
    centre.receive(north.sent())
    assert centre.rows(schema.incident, "state", "cites") == [("withdrawn", "north/eeeeeeeeeeeeeeee/1")]


def test_a_settled_incident_stays_settled(centre: Centre, journal: Journal, monitor: OverstayMonitor) -> None:
    overdue(centre, journal, monitor)
    with centre.store.transaction() as connection:
        connection.execute(schema.incident.update().values(state="settled"))
    journal.leaving(NOON + timedelta(minutes=30))
    centre.receive(journal.sent(2))
    assert centre.rows(schema.incident, "state") == [("settled",)]


def test_a_late_stay_that_was_over_before_anybody_heard_has_an_incident_and_no_message(
    centre: Centre, journal: Journal, monitor: OverstayMonitor
) -> None:
    journal.entry(NOON, minutes=1)
    journal.leaving(NOON + timedelta(minutes=30))
    centre.receive(journal.sent())
    assert monitor.tick() == 0
    assert centre.rows(schema.incident, "state", "person") == [("left_late", PERSON)]
    assert centre.rows(schema.alert) == []


def test_a_stay_that_seemed_over_and_is_not_is_raised_with_its_message(
    centre: Centre, journal: Journal, monitor: OverstayMonitor
) -> None:
    north, west = Journal("north"), Journal("west")
    journal.entry(NOON, minutes=1)
    north.leaving(NOON + timedelta(minutes=30), stay=None)
    centre.receive(journal.sent(), north.sent())
    assert centre.rows(schema.incident, "state") == [("left_late",)]
    west.entry(NOON + timedelta(minutes=20), stay="5b" * 8)
    centre.receive(west.sent())
    centre.clock.pass_by(3600)
    assert monitor.tick() == 1
    assert centre.rows(schema.incident, "stay_id", "state") == [(STAY, "open")]
    assert centre.rows(schema.alert, "state") == [("queued",)]


def test_many_at_once_are_all_raised_in_one_look(
    centre: Centre, journal: Journal, monitor: OverstayMonitor
) -> None:
    count = AT_ONCE_MAX + 20
    for number in range(count):
        journal.entry(NOON, minutes=1, stay=f"{number:016x}", person=f"{number:016x}")
    centre.receive(journal.sent())
    centre.clock.pass_by(60)
    assert monitor.tick() == count
    assert monitor.tick() == 0
    assert len(centre.rows(schema.incident)) == count


def test_the_monitor_reads_what_is_due_and_not_who_is_inside(centre: Centre) -> None:
    with centre.store.transaction() as connection:
        query = due_visits(NOON, 10).compile(connection, compile_kwargs={"literal_binds": True})
        plan = connection.exec_driver_sql(f"explain query plan {query}").all()
    assert [row[-1] for row in plan] == ["SEARCH visit USING INDEX ix_visit_due (due_at>? AND due_at<?)"]
