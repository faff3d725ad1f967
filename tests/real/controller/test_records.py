import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from controller import epochs, schema
from controller.store import Store
from passes.vocabulary import ClockTrust
from sync.messages import GateState, Hello
from sync.received import ReceivedBatch, read_batch
from sync.topics import parse_up, up
from tests.real.controller.centre import NOON, PERSON, STAY, Centre, Journal, centre_at

pytestmark = pytest.mark.real
OTHER_STAY = "5b" * 8
VISIT = ("stay_id", "state", "entered_at", "left_at", "due_at")


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def hello_of(journal: Journal, *, acked: int = 0, last: int = 0, pruned_to: int = 0) -> Hello:
    return Hello(
        gate=journal.gate, site=journal.site, epoch=journal.epoch, acked=acked, last=last, pruned_to=pruned_to,
        boot="b" * 16, software="x", now=NOON, trust=ClockTrust.TRUSTED,
    )  # fmt: skip


def journals_noted(centre: Centre) -> list[tuple[Any, ...]]:
    return [row[1:] for row in centre.rows(schema.audit, "id", "actor", "action", "subject", "detail")]


def test_k2_a_new_journal_of_a_known_gate_is_noted_with_what_the_one_before_may_have_held_back(
    centre: Centre, journal: Journal
) -> None:
    journal.add("boot", NOON, {"software": "x"})
    centre.intake.greet(hello_of(journal))
    centre.receive(journal.sent())
    centre.intake.greet(hello_of(journal, acked=1, last=5))
    assert journals_noted(centre) == [], "the first journal of a gate, and the same again, are nothing new"
    flashed = Journal(epoch="f" * 16)
    for _ in range(2):
        assert centre.intake.greet(hello_of(flashed)) == 0
    lost = f"the one before, {journal.epoch}, is recorded up to row 1, and said to go to 5; rows after that may be lost"
    assert journals_noted(centre) == [("gate south", epochs.SUCCEEDED, "f" * 16, lost)]


def test_k3_a_journal_that_speaks_again_after_it_was_succeeded_is_an_alarm_once(
    centre: Centre, journal: Journal
) -> None:
    again = Journal(epoch="f" * 16)
    for one in (journal, again, journal, again, journal):
        centre.intake.greet(hello_of(one))
    clone = f"{journal.epoch} speaks again after {again.epoch}: a clone lives"
    assert journals_noted(centre)[1:] == [("gate south", epochs.RETURNED, journal.epoch, clone)]


def continued(seq: int, before: str, own: str) -> Journal:
    """A journal of one row with this number, as part of a chain."""
    journal = Journal()
    journal.add("clock", NOON, {})
    journal.rows[0] |= {"seq": seq, "id": own * 16, "prev": before * 64, "hash": own * 64}
    return journal


def sent_as(journal: Journal) -> ReceivedBatch:
    (row,) = journal.sent().rows[:1]
    seq = journal.rows[0]["seq"]
    payload = journal.payload().replace(b'"first": 1, "last": 1', b'"first": %d, "last": %d' % (seq, seq))
    assert row.event is None or seq == 1
    topic = parse_up(up(journal.site, journal.gate, "ev"))
    assert topic is not None
    return read_batch(topic, payload)


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 1, 0), (1, 2, 0)])
def test_k3_rows_that_do_not_continue_each_other_show_two_journals_and_are_all_kept(
    centre: Centre, order: tuple[int, ...]
) -> None:
    rows = [continued(1, "0", "a"), continued(2, "b", "c"), continued(3, "c", "d")]
    for place in order:
        centre.receive(sent_as(rows[place]))
    assert centre.intake.doubled(7, "south", "e" * 16)
    assert [row[0] for row in centre.rows(schema.event, "seq")] == [1, 2, 3]
    assert [row[1] for row in journals_noted(centre)] == ["two journals, one epoch"]


def test_k3_rows_that_continue_each_other_are_one_journal_in_any_order(centre: Centre) -> None:
    rows = [continued(1, "0", "a"), continued(2, "a", "c"), continued(3, "c", "d")]
    for place in (2, 0, 1):
        centre.receive(sent_as(rows[place]))
    assert not centre.intake.doubled(7, "south", "e" * 16)
    assert centre.rows(schema.conflict) == []


def test_a_batch_becomes_events_a_visit_and_a_cursor(centre: Centre, journal: Journal) -> None:
    journal.add("boot", NOON, {"software": "x"})
    journal.entry(NOON)
    assert centre.receive(journal.sent()) == 2
    assert centre.rows(schema.event, "seq", "kind", "person", "received_at") == [
        (1, "boot", None, NOON),
        (2, "passage", PERSON, NOON),
    ]
    assert centre.rows(schema.visit, *VISIT) == [(STAY, "inside", NOON, None, NOON + minutes(60))]
    assert centre.intake.greet(hello_of(journal, last=2)) == 2


def test_b4_a_repeated_batch_changes_nothing(centre: Centre, journal: Journal) -> None:
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


def test_x3_an_exit_before_its_entry_waits_in_the_table(centre: Centre) -> None:
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
def test_b5_any_order_of_delivery_ends_in_the_same_tables(
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


def test_the_hash_of_a_row_is_the_one_that_its_gate_sent(centre: Centre, journal: Journal) -> None:
    journal.add("boot", NOON, {"software": "x"})
    journal.rows[0]["hash"] = "a" * 64
    journal.rows.append("poison")
    assert centre.receive(journal.sent()) == 2
    hashes = [centre.intake.row_hash(7, "south", journal.epoch, seq) for seq in (0, 1, 2, 3)]
    assert hashes == [None, "a" * 64, None, None]


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
    assert centre.intake.greet(hello_of(Journal(epoch="0" * 16))) == 0


def renumbered(journal: Journal, first: int) -> Journal:
    """What a restored gate sends: its rows from ``first`` on under a new epoch, numbered from 1, with their ids."""
    again = Journal(journal.gate, epoch="f" * 16)
    again.rows = [row | {"seq": seq} for seq, row in enumerate(journal.rows[first - 1 :], start=1)]
    return again


def test_k1_rows_of_an_earlier_epoch_that_come_again_are_passed_over(
    centre: Centre, journal: Journal
) -> None:
    journal.entry(NOON)
    journal.leaving(NOON + minutes(5))
    journal.entry(NOON + minutes(20), stay=OTHER_STAY)
    journal.add("clock", NOON, {})
    again = renumbered(journal, 1)
    again.entry(NOON + minutes(30), stay="5c" * 8)
    again.rows[-1]["id"] = "c" * 16
    centre.receive(journal.sent(1, 2))
    assert centre.receive(again.sent(2, 3)) == 0
    assert centre.receive(again.sent()) == 5
    assert centre.receive(journal.sent()) == 4
    assert centre.rows(schema.event, "epoch", "seq") == [
        ("e" * 16, 1),
        ("e" * 16, 2),
        ("f" * 16, 3),
        ("f" * 16, 4),
        ("f" * 16, 5),
    ]
    assert len(centre.rows(schema.visit)) == 3
    assert centre.rows(schema.gap, "epoch", "why", "first", "last") == [
        ("e" * 16, "known", 3, 4),
        ("f" * 16, "known", 1, 2),
        ("f" * 16, "known", 2, 2),
    ]
    assert (centre.rows(schema.conflict), centre.rows(schema.dead_letter)) == ([], [])


def test_an_id_of_another_gate_is_not_taken_for_ours(centre: Centre, journal: Journal) -> None:
    journal.entry(NOON)
    north = Journal("north", epoch="f" * 16)
    north.rows = journal.rows
    assert [centre.receive(one.sent()) for one in (journal, north)] == [1, 1]
    assert centre.rows(schema.event, "gate") == [("north",), ("south",)]


def test_b11_an_unreadable_row_goes_to_the_shelf_once_and_never_stops_its_gate(
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


def test_a_passage_that_cannot_be_read_does_not_spoil_the_others_of_its_person(
    centre: Centre, journal: Journal
) -> None:
    journal.add("passage", NOON, {"lane": "entry", "direction": "up", "person": PERSON})
    journal.entry(NOON)
    journal.leaving(NOON + minutes(9))
    assert [centre.receive(journal.sent(n, n)) for n in (1, 2, 3)] == [1, 2, 3]
    assert centre.rows(schema.visit, "state") == [("left",)]


def test_a_limit_at_the_end_of_time_is_unreadable_and_stops_nobody(centre: Centre, journal: Journal) -> None:
    end = datetime(9999, 12, 31, 23, 59, 30, tzinfo=UTC)
    journal.passage("entry", NOON, due=end)
    journal.leaving(end)
    journal.entry(NOON + minutes(5), stay=OTHER_STAY)
    journal.leaving(NOON + minutes(9), stay=OTHER_STAY)
    assert centre.receive(journal.sent()) == 4
    assert [row[0] for row in centre.rows(schema.dead_letter, "seq")] == [1, 2]
    assert centre.rows(schema.visit, "stay_id", "state") == [(OTHER_STAY, "left")]


def test_what_cannot_be_folded_is_buried_alone(centre: Centre, journal: Journal) -> None:
    """Stands for any rule of ours, or of the database, that one stay breaks and we did not foresee."""
    with centre.store.transaction() as connection:
        connection.exec_driver_sql(
            "create trigger unforeseen before insert on visit when new.stay_id = '5a5a5a5a5a5a5a5a'"
            " begin select raise(abort, 'unforeseen'); end"
        )
    journal.add("boot", NOON, {"software": "x"})
    journal.entry(NOON)
    journal.entry(NOON + minutes(1), stay=OTHER_STAY, person="bb" * 8)
    journal.entry(NOON + minutes(2), stay="5c" * 8)
    with capture_logs() as lines:
        assert [centre.receive(journal.sent()) for _ in range(2)] == [4, 4]
    assert [line["seq"] for line in lines if line["event"] == "unreadable row"] == [2]
    assert centre.rows(schema.dead_letter, "seq", "why") == [(2, "cannot be recorded: IntegrityError")]
    assert [row[0] for row in centre.rows(schema.event, "seq")] == [1, 3, 4]
    assert [row[0] for row in centre.rows(schema.visit, "stay_id")] == [OTHER_STAY, "5c" * 8]
    journal.leaving(NOON + minutes(9), stay="5c" * 8)
    assert centre.receive(journal.sent(5)) == 5
    assert centre.rows(schema.visit, "stay_id", "state") == [(OTHER_STAY, "inside"), ("5c" * 8, "left")]


def test_a_full_disk_buries_nothing(centre: Centre, journal: Journal) -> None:
    journal.entry(NOON)
    with centre.store.transaction() as connection:
        pages = connection.exec_driver_sql("pragma page_count").scalar_one()
        connection.exec_driver_sql(f"pragma max_page_count = {pages}")
    journal.rows += [{"x": "y" * 4000}] * 4
    with pytest.raises(OperationalError):
        centre.receive(journal.sent())
    assert (centre.rows(schema.event), centre.rows(schema.dead_letter)) == ([], [])
    with centre.store.transaction() as connection:
        connection.exec_driver_sql("pragma max_page_count = 100000")
    assert centre.receive(journal.sent()) == 5


def test_k7_an_event_of_a_kind_of_tomorrow_is_kept_as_it_is(centre: Centre, journal: Journal) -> None:
    journal.add("levitation", NOON, {"person": PERSON, "height_m": 3})
    assert centre.receive(journal.sent()) == 1
    ((kind, person, raw),) = centre.rows(schema.event, "kind", "person", "raw")
    assert (kind, person) == ("levitation", PERSON)
    assert json.loads(raw) == journal.rows[0]


def test_k1_two_events_under_one_key_are_both_kept_and_the_first_stands(
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


def test_k4_a_gap_that_the_gate_declares_lets_the_cursor_pass(centre: Centre, journal: Journal) -> None:
    for _ in range(4):
        journal.add("clock", NOON, {})
    journal.add("gap", NOON, {"first": 2, "last": 4})
    centre.receive(journal.sent(1, 1))
    assert centre.receive(journal.sent(5)) == 5


def test_k4_a_gap_cannot_swallow_what_comes_after_it(centre: Centre, journal: Journal) -> None:
    journal.add("gap", NOON, {"first": 2, "last": 1000})
    assert centre.receive(journal.sent()) == 1


def test_k4_rows_that_a_gate_no_longer_has_are_passed_over(centre: Centre, journal: Journal) -> None:
    for _ in range(6):
        journal.add("clock", NOON, {})
    centre.receive(journal.sent(5))
    hello = hello_of(journal, acked=4, last=6, pruned_to=4)
    assert centre.intake.pass_hole(hello, 1, 4) == 6
    assert centre.rows(schema.gap, "first", "last") == [(1, 4)]


def test_b13_a_will_of_an_old_connection_is_ignored(centre: Centre) -> None:
    for state, birth in (("online", 5), ("lost", 4), ("online", 6), ("lost", 5)):
        centre.intake.gate_state(7, "south", GateState.model_validate({"state": state, "birth": birth}))
    assert centre.rows(schema.gate, "state", "birth") == [("online", 6)]
    centre.intake.gate_state(7, "south", GateState(state="lost", birth=6))
    assert centre.rows(schema.gate, "state", "birth") == [("lost", 6)]


def steps_of_one_more(centre: Centre, journal: Journal, earlier: int, category: str) -> int:
    """What SQLite does for one more entry of a person with so many earlier passages, in its own steps."""
    person = f"{earlier:016x}"
    for number in range(earlier):
        direction = "exit" if number % 2 and category == "courier" else "entry"
        stay = f"{earlier:08x}{number // 2 if category == 'courier' else number:08x}"
        journal.passage(direction, NOON + minutes(number), stay=stay, person=person, pass_id=person)
        journal.rows[-1]["data"]["category"] = category
    first = len(journal.rows) - earlier + 1
    for start in range(first, len(journal.rows) + 1, 500):
        centre.receive(journal.sent(start, min(start + 499, len(journal.rows))))
    journal.passage(
        "entry", NOON + timedelta(days=9), stay=f"{earlier:08x}ffffffff", person=person, pass_id=person
    )
    journal.rows[-1]["data"]["category"] = category
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    with centre.store.transaction() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.set_progress_handler(step, 1)
    centre.receive(journal.sent(len(journal.rows)))
    raw.set_progress_handler(None, 0)
    return steps


@pytest.mark.parametrize("category", ["courier", "resident"])
def test_the_thousandth_passage_of_a_person_costs_what_the_thirtieth_did(
    centre: Centre, journal: Journal, category: str
) -> None:
    few, many = (steps_of_one_more(centre, journal, earlier, category) for earlier in (30, 1_000))
    assert 0 < many < 2 * few


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
