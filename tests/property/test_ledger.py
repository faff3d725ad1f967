"""Delivery may repeat and reorder as it likes: the same passages make the same visits."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.ledger import Passage, VisitState, fold
from passes.vocabulary import Direction
from tests.unit.controller.passages import passage

STAYS = ("5a" * 8, "5b" * 8, None)
PERSONS = ("aa" * 8, "bb" * 8, None)
PASSES = ("01" * 8, "02" * 8, None)


@st.composite
def histories(draw: st.DrawFn, most: int = 9) -> list[Passage]:
    """Passages of few people at two gates, so that they collide in every way; each key is one passage."""
    return [
        passage(
            seq,
            draw(st.sampled_from(Direction)),
            draw(st.integers(0, 12)),
            gate=draw(st.sampled_from(("north", "south"))),
            person=draw(st.sampled_from(PERSONS)),
            pass_id=draw(st.sampled_from(PASSES)),
            category=draw(st.sampled_from(("courier", "resident"))),
            stay_id=draw(st.sampled_from(STAYS)),
            due_minutes=draw(st.sampled_from((None, 5))),
            entered_minutes=draw(st.sampled_from((None, 1))),
            assumed=draw(st.booleans()),
            clock_trusted=draw(st.booleans()),
        )
        for seq in range(draw(st.integers(0, most)))
    ]


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Passage], Sequence[Passage]]:
    history = draw(histories())
    repeats = draw(st.lists(st.sampled_from(history), max_size=5)) if history else []
    return history, draw(st.permutations(history + repeats))


@settings(deadline=None, max_examples=100)
@given(deliveries())
def test_any_order_with_any_repetition_makes_the_same_visits(
    delivery: tuple[list[Passage], Sequence[Passage]],
) -> None:
    history, arrived = delivery
    assert fold(arrived) == fold(history)


@settings(deadline=None, max_examples=100)
@given(histories())
def test_no_exit_ends_two_visits_and_no_visit_lacks_its_reason(history: list[Passage]) -> None:
    visits = fold(history)
    exits = [visit.exit_event for visit in visits if visit.exit_event is not None]
    assert len(exits) == len(set(exits))
    assert len({visit.stay_id for visit in visits}) == len(visits)
    for visit in visits:
        assert (
            (visit.left_at is not None) == (visit.state is VisitState.LEFT) == (visit.exit_event is not None)
        )


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(1, 500), min_size=1, max_size=8, unique=True), st.data())
def test_everybody_who_came_and_went_has_left(minutes: list[int], data: st.DataObject) -> None:
    """The good half: with every stay named, each is closed by its own exit, whatever the order of arrival."""
    history = []
    for number, minute in enumerate(minutes):
        stay = f"{number:016x}"
        history.append(passage(2 * number, Direction.ENTRY, minute, stay_id=stay, due_minutes=minute + 60))
        history.append(passage(2 * number + 1, Direction.EXIT, minute + number, stay_id=stay))
    visits = fold(data.draw(st.permutations(history)))
    assert {visit.stay_id: visit.state for visit in visits} == {
        f"{number:016x}": VisitState.LEFT for number in range(len(minutes))
    }
