"""Which card a verdict gets."""

from dataclasses import replace

import pytest

from edge.kiosk.card import CardKind, Shape, card_of, inside_rows
from edge.kiosk.view import Inside
from passes.vocabulary import Category, Direction, Reason
from passes.words import CATEGORIES, REASONS
from simulators import staged_pages as staged
from sync.messages import Outcome


def test_each_colour_has_a_ground_a_shape_and_a_word_of_its_own() -> None:
    cards = [card_of(verdict) for verdict in (staged.green(), staged.blue(), staged.red(), staged.refused())]
    assert [(card.kind, card.shape, card.word) for card in cards] == [
        (CardKind.GREEN, Shape.CIRCLE_TICK, "Go"),
        (CardKind.BLUE, Shape.SQUARE_ARROW, "Go, visitor"),
        (CardKind.RED, Shape.OCTAGON_CROSS, "Stop, see the guard"),
        (CardKind.STOP, Shape.DASHED_BAR, "Not admitted"),
    ]


@pytest.mark.parametrize("outcome", [Outcome.DENY, Outcome.REFER])
@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words_and_only_red_is_red(reason: Reason, outcome: Outcome) -> None:
    card = card_of(replace(staged.refused(reason.value), outcome=outcome))
    words = REASONS[reason]
    assert (card.fact, card.visitor, card.guard) == (words.fact, words.visitor, words.guard)
    assert (card.kind is CardKind.RED) == (reason is Reason.RED)
    assert (card.shape is Shape.OCTAGON_CROSS) == (reason is Reason.RED)
    assert card.kind in {CardKind.RED, CardKind.STOP}


def test_every_category_has_words() -> None:
    assert set(CATEGORIES) == set(Category)


def test_a_reason_from_a_newer_centre_is_shown_as_it_came() -> None:
    card = card_of(staged.refused("moon_phase"))
    assert card.fact is not None
    assert (card.fact.zh, card.fact.en) == ("未通过 moon_phase", "Not admitted moon_phase")
    assert card.kind is CardKind.STOP


def test_an_exit_that_opens_for_an_unknown_pass_says_so_without_a_colour() -> None:
    card = card_of(replace(staged.green(), colour=None))
    assert (card.kind, card.shape) == (CardKind.OPEN, Shape.SQUARE_OPEN)


def test_whoever_leaves_is_told_goodbye_and_keeps_the_colour_and_the_shape() -> None:
    leaving = [replace(verdict, direction=Direction.EXIT) for verdict in (staged.green(), staged.blue())]
    assert [(card.kind, card.shape, card.word) for card in map(card_of, leaving)] == [
        (CardKind.GREEN, Shape.CIRCLE_TICK, "Goodbye"),
        (CardKind.BLUE, Shape.SQUARE_ARROW, "Goodbye, visitor"),
    ]


def test_overstayers_come_first_and_those_without_a_limit_last() -> None:
    shot = staged.busy_gate()
    resident = Inside(
        category="resident", room="5-1", entered_at=staged.AFTERNOON, due_at=None, overdue=False
    )
    rows = inside_rows((resident, *shot.inside), staged.AFTERNOON)
    assert [(row.stay.room, row.overdue, row.minutes) for row in (rows[0], rows[1], rows[-1])] == [
        ("3-1202", True, 13),
        ("4-0301", False, 15),
        ("5-1", False, None),
    ]
