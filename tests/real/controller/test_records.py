import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import event as sqlalchemy_event

from controller import schema
from controller.store import Store
from sync.messages import GateState, Hello
from tests.real.controller.centre import NOON, PERSON, STAY, Centre, Journal, centre_at

pytestmark = pytest.mark.real
OTHER_STAY = "5b" * 8
VISIT = ("stay_id", "state", "entered_at", "left_at", "due_at")


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def test_a_batch_becomes_events_a_visit_and_a_cursor(centre: Centre, journal: Journal) -> None:
    journal.add("boot", NOON, {"software": "x"})
    journal.entry(NOON)
    assert centre.receive(journal.sent()) == 2
    assert centre.rows(schema.event, "seq", "kind", "person", "received_at") == [
        (1, "boot", None, NOON),
        (2, "passage", PERSON, NOON),
    ]
    assert centre.rows(schema.visit, *VISIT) == [(STAY, "inside", NOON, None, NOON + minutes(60))]
    assert centre.intake.cursor(7, "south", journal.epoch) == 2


def test_a_repeated_batch_changes_nothing(centre: Centre, journal: Journal) -> None:
    journal.entry(NOON)
    journal.leaving(NOON + minutes(9))
    centre.receive(journal.sent())
    before = {
        table.name: centre.rows(table) for table in schema.metadata.sorted_tables if table.name != "gate"
    }
    centre.clock.pass_by(60)
    assert centre.receive(journal.sent(), journal.sent(2)) == 2
    after = {
        table.name: centre.rows(table) for table in schema.metadata.sorted_tables if table.name != "gate"
    }
    assert after == before


def test_an_exit_before_its_entry_waits_in_the_table(centre: Centre) -> None:
    south, north = Journal("south"), Journal("north")
    south.entry(NOON)
    north.leaving(NOON + minutes(9))
    centre.receive(north.sent())
    assert centre.rows(schema.visit) == []
    centre.receive(south.sent())
    assert centre.rows(schema.visit, *VISIT) == [(STAY, "left", NOON, NOON + minutes(9), NOON + minutes(60))]


def test_an_exit_that_names_only_a_stay_finds_its_person(centre: Centre, journal: Journal) -> None:
    journal.entry(NOON)
    journal.passage("exit", NOON + minutes(3), person=None, pass_id=None)
    centre.receive(journal.sent(1, 1))
    centre.receive(journal.sent(2))
    assert centre.rows(schema.visit, "person", "state") == [(PERSON, "left")]


@settings(deadline=None, max_examples=12)
@given(order=st.permutations(range(8)), repeats=st.lists(st.integers(0, 7), max_size=4))
@example(order=list(range(8)), repeats=[])
@example(order=[0, 4, 2, 3, 1, 5, 6, 7], repeats=[])  # for a while the late exit seems to end the wrong stay
def test_any_order_of_delivery_ends_in_the_same_tables(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], repeats: list[int]
) -> None:
    """What was believed on the way leaves only withdrawn incidents behind, each citing why."""
    south, north = Journal("south"), Journal("north")
    south.entry(NOON)
    south.entry(NOON + minutes(20), stay=OTHER_STAY)
    north.leaving(NOON + minutes(9))
    north.leaving(NOON + minutes(95), stay=None)
    south.add("no_show", NOON, {})
    single = [south.sent(n, n) for n in (1, 2, 3)] + [north.sent(n, n) for n in (1, 2)]
    single += [south.sent(), north.sent(), south.sent(2)]
    with centre_at(tmp_path_factory.mktemp("centre") / "centre.db") as centre:
        for place in [*order, *repeats]:
            centre.receive(single[place])
        assert centre.rows(schema.visit, *VISIT) == [
            (STAY, "left", NOON, NOON + minutes(9), NOON + minutes(60)),
            (OTHER_STAY, "left", NOON + minutes(20), NOON + minutes(95), NOON + minutes(80)),
        ]
        assert centre.rows(schema.event, "gate", "seq") == [
            ("north", 1),
            ("north", 2),
            ("south", 1),
            ("south", 2),
            ("south", 3),
        ]
        assert centre.rows(schema.cursor, "gate", "upto") == [("north", 2), ("south", 3)]
        incidents = set(centre.rows(schema.incident, "stay_id", "state", "cites"))
        misled = {(STAY, "withdrawn", "north/eeeeeeeeeeeeeeee/1")}
        assert incidents - misled == {(OTHER_STAY, "left_late", "north/eeeeeeeeeeeeeeee/2")}


def test_the_cursor_stops_at_a_hole_and_moves_on_when_it_is_filled(centre: Centre, journal: Journal) -> None:
    for _ in range(6):
        journal.add("clock", NOON, {})
    assert centre.receive(journal.sent(1, 2)) == 2
    assert centre.receive(journal.sent(5, 6)) == 2
    assert centre.receive(journal.sent(3, 4)) == 6


def test_each_epoch_has_a_cursor_of_its_own(centre: Centre, journal: Journal) -> None:
    journal.add("boot", NOON, {})
    again = Journal(epoch="f" * 16)
    again.add("boot", NOON, {})
    again.add("clock", NOON, {})
    assert (centre.receive(journal.sent()), centre.receive(again.sent())) == (1, 2)
    assert centre.intake.cursor(7, "south", "0" * 16) == 0


def test_an_unreadable_row_goes_to_the_shelf_once_and_never_stops_its_gate(
    centre: Centre, journal: Journal
) -> None:
    journal.entry(NOON)
    journal.rows += [{"what": "is this"}, 17, None]
    journal.leaving(NOON + minutes(5))
    for _ in range(3):
        assert centre.receive(journal.sent()) == 5
    assert centre.rows(schema.dead_letter, "seq", "payload") == [
        (2, b'{"what":"is this"}'),
        (3, b"17"),
        (4, b"null"),
    ]
    assert centre.rows(schema.visit, "state") == [("left",)]


def test_a_moment_outside_the_calendar_is_unreadable(centre: Centre, journal: Journal) -> None:
    journal.add("clock", "0001-01-01T00:00:00+14:00", {})
    journal.entry(NOON)
    assert centre.receive(journal.sent()) == 2
    assert [row[0] for row in centre.rows(schema.dead_letter, "seq")] == [1]


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"lane": "entry", "direction": "up"},
        {"lane": "entry", "direction": "exit", "due_at": "9999-12-31T23:59:59-14:00"},
    ],
)
def test_a_passage_that_cannot_be_read_is_kept_and_shown(
    centre: Centre, journal: Journal, data: dict[str, Any]
) -> None:
    journal.add("passage", NOON, data)
    journal.entry(NOON)
    assert centre.receive(journal.sent()) == 2
    assert [row[0] for row in centre.rows(schema.event, "seq")] == [1, 2]
    assert [row[0] for row in centre.rows(schema.dead_letter, "seq")] == [1]
    assert len(centre.rows(schema.visit)) == 1


def test_an_event_of_a_kind_of_tomorrow_is_kept_as_it_is(centre: Centre, journal: Journal) -> None:
    journal.add("levitation", NOON, {"person": PERSON, "height_m": 3})
    assert centre.receive(journal.sent()) == 1
    ((kind, person, raw),) = centre.rows(schema.event, "kind", "person", "raw")
    assert (kind, person) == ("levitation", PERSON)
    assert json.loads(raw) == journal.rows[0]


def test_two_events_under_one_key_are_both_kept_and_the_first_stands(
    centre: Centre, journal: Journal
) -> None:
    journal.entry(NOON)
    centre.receive(journal.sent())
    impostor = Journal()
    impostor.entry(NOON + minutes(30), stay=OTHER_STAY)
    impostor.rows[0]["id"] = "f" * 16
    for _ in range(2):
        assert centre.receive(impostor.sent()) == 1
    assert [row[0] for row in centre.rows(schema.event, "id")] == [journal.rows[0]["id"]]
    assert sorted(row[0] for row in centre.rows(schema.conflict, "id")) == sorted(
        [journal.rows[0]["id"], "f" * 16]
    )
    assert [row[0] for row in centre.rows(schema.visit, "stay_id")] == [STAY]


def test_a_gap_that_the_gate_declares_lets_the_cursor_pass(centre: Centre, journal: Journal) -> None:
    for _ in range(4):
        journal.add("clock", NOON, {})
    journal.add("gap", NOON, {"first": 2, "last": 4})
    centre.receive(journal.sent(1, 1))
    assert centre.receive(journal.sent(5)) == 5


def test_a_gap_cannot_swallow_what_comes_after_it(centre: Centre, journal: Journal) -> None:
    journal.add("gap", NOON, {"first": 2, "last": 1000})
    assert centre.receive(journal.sent()) == 1


def test_rows_that_a_gate_no_longer_has_are_passed_over(centre: Centre, journal: Journal) -> None:
    for _ in range(6):
        journal.add("clock", NOON, {})
    centre.receive(journal.sent(5))
    hello = Hello.model_validate(
        {
            "gate": "south",
            "site": 7,
            "epoch": journal.epoch,
            "acked": 4,
            "last": 6,
            "pruned_to": 4,
            "boot": "b" * 16,
            "software": "x",
            "now": NOON,
            "trust": "trusted",
        }
    )
    assert centre.intake.pass_hole(hello, 1, 4) == 6
    assert centre.rows(schema.gap, "first", "last") == [(1, 4)]


def test_a_will_of_an_old_connection_is_ignored(centre: Centre) -> None:
    for state, birth in (("online", 5), ("lost", 4), ("online", 6), ("lost", 5)):
        centre.intake.gate_state(7, "south", GateState.model_validate({"state": state, "birth": birth}))
    assert centre.rows(schema.gate, "state", "birth") == [("online", 6)]
    centre.intake.gate_state(7, "south", GateState(state="lost", birth=6))
    assert centre.rows(schema.gate, "state", "birth") == [("lost", 6)]


class FailingAt:
    """Makes the n-th statement of a store fail, as a full disk would."""

    def __init__(self, store: Store, nth: int) -> None:
        self._engine, self._left = store._engine, nth

    def __enter__(self) -> None:
        sqlalchemy_event.listen(self._engine, "before_cursor_execute", self._count)

    def __exit__(self, *_: object) -> None:
        sqlalchemy_event.remove(self._engine, "before_cursor_execute", self._count)

    def _count(self, *_: object) -> None:
        self._left -= 1
        if self._left == 0:
            raise OSError(28, "No space left on device")


def test_a_write_that_fails_anywhere_leaves_nothing_behind(centre: Centre, journal: Journal) -> None:
    journal.entry(NOON)
    journal.rows.append("poison")
    journal.leaving(NOON + minutes(90))
    for nth in range(1, 100):
        try:
            with FailingAt(centre.store, nth):
                upto = centre.receive(journal.sent())
        except OSError:
            assert [centre.rows(table) for table in schema.metadata.sorted_tables] == [
                [] for _ in schema.metadata.sorted_tables
            ]
            continue
        break
    assert nth > 10
    assert upto == 3
    assert centre.rows(schema.visit, "state") == [("left",)]
