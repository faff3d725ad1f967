"""Every order of arrival of seven events, and every repetition, ends in the same visits."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, select

from controller import schema
from controller.ledger import Passage, fold
from controller.store import Store
from passes.vocabulary import Direction
from tests.property.test_refold import deliver, visits
from tests.unit.controller.passages import passage

IN, OUT = Direction.ENTRY, Direction.EXIT
ONE, TWO = "5a" * 8, "5b" * 8
ANN, BEN = "aa" * 8, "bb" * 8
ORDERS = 5_040


@dataclass(frozen=True)
class Told:
    """Seven passages of one story, numbered as they are listed."""

    what: str
    passages: tuple[Passage, ...]


def told(what: str, *passages: tuple[Direction, float, dict[str, Any]]) -> Told:
    assert len(passages) == 7
    made = tuple(
        passage(seq, direction, minutes, **facts) for seq, (direction, minutes, facts) in enumerate(passages)
    )
    return Told(what, made)


NORTH = {"gate": "north"}
RESIDENT = {"category": "resident", "pass_id": None}
STORIES = [
    told(
        "two stays of one courier, out by another gate, one exit seen twice",
        (IN, 0, {"stay_id": ONE, "due_minutes": 60}),
        (OUT, 9, {"stay_id": ONE, **NORTH}),
        (OUT, 9, {"stay_id": ONE, "assumed": True}),
        (IN, 20, {"stay_id": TWO, "due_minutes": 80, **NORTH}),
        (OUT, 95, {"stay_id": TWO}),
        (OUT, 96, {"pass_id": None}),
        (IN, 120, {"stay_id": "5c" * 8, "due_minutes": 180}),
    ),
    told(
        "exits that name nothing",
        (IN, 0, {"stay_id": ONE}),
        (IN, 5, {"stay_id": TWO, "pass_id": "02" * 8}),
        (OUT, 9, {}),
        (OUT, 10, {"pass_id": "02" * 8}),
        (OUT, 11, {"person": BEN, "pass_id": None}),
        (IN, 12, {"person": BEN, "pass_id": "03" * 8}),
        (OUT, 13, {"person": BEN, "pass_id": None, **NORTH}),
    ),
    told(
        "a gate five minutes behind the other: the exit is before its entry",
        (IN, 10, {"stay_id": ONE, "due_minutes": 70}),
        (OUT, 8, {"stay_id": ONE, **NORTH}),
        (IN, 30, {"stay_id": TWO, "due_minutes": 90, **NORTH}),
        (OUT, 33, {"stay_id": TWO}),
        (OUT, 28, {"stay_id": TWO, "clock_trusted": False, **NORTH}),
        (IN, 50, {"person": BEN, "pass_id": "02" * 8, "clock_trusted": False}),
        (OUT, 49, {"person": BEN, "pass_id": "02" * 8, **NORTH}),
    ),
    told(
        "residents, who leave by the button",
        (IN, 0, {"stay_id": ONE, **RESIDENT}),
        (IN, 30, {"stay_id": TWO, **RESIDENT, **NORTH}),
        (OUT, 40, {**RESIDENT}),
        (IN, 60, {**RESIDENT}),
        (IN, 61, {"person": BEN, "category": "resident"}),
        (OUT, 62, {"person": None, "category": "resident"}),
        (OUT, 63, {"stay_id": ONE, **RESIDENT, **NORTH}),
    ),
    told(
        "entries that never came, and one seen twice",
        (OUT, 9, {"stay_id": ONE, "entered_minutes": 1, "due_minutes": 61}),
        (OUT, 12, {"stay_id": ONE, "entered_minutes": 1, **NORTH}),
        (IN, 2, {"stay_id": TWO, "assumed": True, "due_minutes": 62}),
        (IN, 3, {"stay_id": TWO, "due_minutes": 63}),
        (OUT, 70, {"stay_id": None, **NORTH}),
        (OUT, 71, {"stay_id": "5c" * 8, "entered_minutes": 30}),
        (OUT, 72, {"stay_id": "5d" * 8}),
    ),
]
by_story = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.what.split(",")[0])


@by_story
def test_i7_b5_x3_t9_all_5040_orders_of_seven_events_make_the_same_visits(story: Told) -> None:
    wanted = fold(story.passages)
    orders = 0
    for order in itertools.permutations(story.passages):
        assert fold(order) == wanted
        orders += 1
    assert orders == ORDERS
    assert wanted, "something happened"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(tmp_path_factory.mktemp("orders") / "centre.db")
    yield made
    made.close()


def state(connection: Connection, site: int) -> tuple[Any, ...]:
    event = schema.event.c
    rows = connection.execute(select(event.gate, event.seq, event.id).where(event.site == site)).all()
    return visits(connection, site), sorted(map(tuple, rows))


@pytest.mark.real
@pytest.mark.parametrize("story", STORIES[1:3], ids=lambda story: story.what.split(",")[0])
def test_i7_b4_b5_the_tables_are_blind_to_every_order_and_repetition_of_seven_events(
    store: Store, story: Told
) -> None:
    """From every set of events that may have arrived, by every event that may arrive next, to one state.

    What the tables hold after a set does not depend on which of its events came last; so no order of the seven
    differs from another. An event that comes again changes nothing.
    """
    site = 100 + STORIES.index(story)
    with store.transaction() as connection:
        for size in range(8):
            for there in itertools.combinations(story.passages, size):
                reached = set()
                for last in (None, *there):
                    nested = connection.begin_nested()
                    deliver(connection, site, [one for one in there if one is not last])
                    if last is not None:
                        deliver(connection, site, [last])
                    after = state(connection, site)
                    if last is not None:
                        deliver(connection, site, [last])
                        assert state(connection, site) == after, "a repetition changed something"
                    reached.add(repr(after))
                    nested.rollback()
                assert len(reached) == 1, f"{len(reached)} states after the same {size} events"
