"""A window is enough: whatever arrives in whatever order, the visits are those of one fold over everything."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from controller import schema
from controller.ledger import Passage, Visit, fold
from controller.records import cursor_of, record
from controller.refold import visit_of
from controller.store import Store
from controller.streams import Stream
from passes.vocabulary import ClockTrust
from sync.messages import Event, Kind, PassageData
from sync.received import ReceivedRow
from tests.property.test_ledger import histories
from tests.unit.controller.passages import NOON

pytestmark = pytest.mark.real
SITES = itertools.count(1)  # each example is a site of its own in one database
OTHER_EPOCH = "f" * 16


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(tmp_path_factory.mktemp("refold") / "centre.db")
    yield made
    made.close()


def received(passage: Passage, seq: int) -> ReceivedRow:
    data = PassageData(
        lane="lane",
        direction=passage.direction,
        person=passage.person,
        pass_id=passage.pass_id,
        category=passage.category,
        unit=passage.unit,
        stay_id=passage.stay_id,
        entered_at=passage.entered_at,
        due_at=passage.due_at,
        assumed=passage.assumed,
    )
    event = Event(
        seq=seq,
        id=passage.id,
        kind=Kind.PASSAGE.value,
        at=passage.at,
        trust=ClockTrust.TRUSTED if passage.clock_trusted else ClockTrust.UNTRUSTED,
        mono_ms=0,
        boot="b" * 16,
        prev="0" * 64,
        hash="1" * 64,
        data=data.model_dump(mode="json"),
    )
    return ReceivedRow(seq=seq, text=event.model_dump_json(), event=event)


def deliver(connection: Connection, site: int, passages: Sequence[Passage], epoch: str | None = None) -> None:
    """One batch of each gate; passages that were delivered before are a repetition."""
    by_gate: dict[tuple[str, str], list[ReceivedRow]] = {}
    for passage in passages:
        gate, own_epoch, seq = passage.key
        by_gate.setdefault((gate, epoch or own_epoch), []).append(received(passage, seq + 1))
    for (gate, of_epoch), rows in by_gate.items():
        record(connection, Stream(site, gate, of_epoch), rows, received_at=NOON)


def visits(connection: Connection, site: int) -> tuple[Visit, ...]:
    table = schema.visit
    in_order = select(table).where(table.c.site == site).order_by(table.c.entered_at, table.c.stay_id)
    return tuple(visit_of(row) for row in connection.execute(in_order))


def shifted(visit: Visit) -> Visit:
    """The database counts rows from 1."""
    if visit.exit_event is None:
        return visit
    gate, epoch, seq = visit.exit_event
    return replace(visit, exit_event=(gate, epoch, seq + 1))


def without_key(visit: Visit) -> Visit:
    """Under which key an exit came first is chance."""
    return replace(visit, exit_event=visit.exit_event and ("", "", 0))


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[Passage], list[list[Passage]]]:
    history = draw(histories(most=12))
    repeats = draw(st.lists(st.sampled_from(history), max_size=3)) if history else []
    order = list(draw(st.permutations(history + repeats)))
    cuts = draw(st.lists(st.integers(0, len(order)), max_size=6).map(sorted))
    return history, [order[first:last] for first, last in itertools.pairwise([0, *cuts, len(order)])]


@settings(deadline=None, max_examples=100)
@given(batches())
def test_a_window_gives_the_visits_of_a_fold_over_everything(
    store: Store, delivery: tuple[list[Passage], list[list[Passage]]]
) -> None:
    history, parts = delivery
    site = next(SITES)
    with store.transaction() as connection:
        for part in parts:
            deliver(connection, site, part)
        assert visits(connection, site) == tuple(shifted(visit) for visit in fold(history))


EPOCHS = st.sampled_from([(None,), (OTHER_EPOCH,), (None, OTHER_EPOCH), (OTHER_EPOCH, None)])


@settings(deadline=None, max_examples=60)
@given(batches(), st.lists(EPOCHS, min_size=7, max_size=7))
def test_rows_that_a_restored_gate_sends_again_under_another_epoch_are_counted_once(
    store: Store,
    delivery: tuple[list[Passage], list[list[Passage]]],
    epochs: list[tuple[str | None, ...]],
) -> None:
    """Each batch comes under either epoch or both; at the end everything comes under the new one."""
    history, parts = delivery
    site = next(SITES)
    with store.transaction() as connection:
        for part, ways in zip(parts, epochs, strict=False):
            for epoch in ways:
                deliver(connection, site, part, epoch)
        deliver(connection, site, history, OTHER_EPOCH)
        assert [without_key(visit) for visit in visits(connection, site)] == [
            without_key(visit) for visit in fold(history)
        ]
        event = schema.event.c
        kept = connection.execute(select(event.gate, event.id).where(event.site == site)).all()
        assert sorted(tuple(row) for row in kept) == sorted((one.key[0], one.id) for one in history)
        for gate in {one.key[0] for one in history}:
            own = [one for one in history if one.key[0] == gate]
            reached = cursor_of(connection, Stream(site, gate, OTHER_EPOCH))
            without_hole = takewhile(lambda pair: pair[0] == pair[1].key[2], enumerate(own))
            assert reached == len(list(without_hole))
