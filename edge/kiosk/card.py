"""From a verdict to a card: which ground, which shape, which words. Pure.

GREEN, BLUE and RED each have a ground, a shape and a word of their own. RED stands for reason ``red`` alone; every
other refusal is a grey card with a dashed square, so that the colour keeps its meaning.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from edge.kiosk.view import Inside, Verdict
from passes.decide import Note
from passes.vocabulary import Colour, Direction, Reason
from passes.words import NOTES, REASONS, Pair, for_reason
from shell.pages.i18n import mark, whole_minutes
from sync.messages import Outcome

STAYS_S: Final = 8.0  # a card stays this long, then it shrinks into the strip


class CardKind(StrEnum):
    """The five grounds."""

    GREEN = "green"
    BLUE = "blue"
    RED = "red"
    OPEN = "open"  # opened for somebody without a known pass: an exit
    STOP = "stop"


class Shape(StrEnum):
    """The drawing on a card; the templates have one SVG symbol for each."""

    CIRCLE_TICK = "circle-tick"
    SQUARE_ARROW = "square-arrow"
    OCTAGON_CROSS = "octagon-cross"
    SQUARE_OPEN = "square-open"
    DASHED_BAR = "dashed-bar"
    DASHED_GUARD = "dashed-guard"
    DASHED_AGAIN = "dashed-again"
    DASHED_FAULT = "dashed-fault"


_SCAN_AGAIN: Final = frozenset({Reason.MALFORMED, Reason.STALE_CODE, Reason.REPLAYED, Reason.SEVERAL_CODES})
_FAULTS: Final = frozenset({Reason.INTERNAL_ERROR, Reason.LANE_FAULT, Reason.CLOCK_UNTRUSTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What the card of one verdict says. ``word`` is an English text to translate, the pairs are ready."""

    verdict: Verdict
    kind: CardKind
    shape: Shape
    word: str
    fact: Pair | None = None
    visitor: Pair | None = None
    guard: Pair | None = None

    @property
    def notes(self) -> tuple[Pair, ...]:
        """What the guard should know beside the answer. That nobody was recognised, the ground says already."""
        return tuple(NOTES[note] for note in self.verdict.notes if note is not Note.UNIDENTIFIED_EXIT)


def card_of(verdict: Verdict) -> Card:
    """Choose the card of a verdict."""
    if verdict.outcome is Outcome.GRANT:
        return _granted(verdict)
    code = verdict.reason or ""
    words = for_reason(code)
    # A reason that this version has no words for is shown as it came.
    fact = words.fact if code in set(REASONS) else Pair(f"{words.fact.zh} {code}", f"{words.fact.en} {code}")
    kind, shape, word = _refused(verdict.outcome, code)
    return Card(
        verdict=verdict,
        kind=kind,
        shape=shape,
        word=word,
        fact=fact,
        visitor=words.visitor,
        guard=words.guard,
    )


def _granted(verdict: Verdict) -> Card:
    leaves = verdict.direction is Direction.EXIT  # whoever leaves is not told to come in
    if verdict.colour is Colour.GREEN:
        word = mark("Goodbye") if leaves else mark("Go")
        return Card(verdict=verdict, kind=CardKind.GREEN, shape=Shape.CIRCLE_TICK, word=word)
    if verdict.colour is Colour.BLUE:
        word = mark("Goodbye, visitor") if leaves else mark("Go, visitor")
        return Card(verdict=verdict, kind=CardKind.BLUE, shape=Shape.SQUARE_ARROW, word=word)
    return Card(verdict=verdict, kind=CardKind.OPEN, shape=Shape.SQUARE_OPEN, word=mark("Gate is open"))


def _refused(outcome: Outcome, code: str) -> tuple[CardKind, Shape, str]:
    if code == Reason.RED:
        return CardKind.RED, Shape.OCTAGON_CROSS, mark("Stop, see the guard")
    if code in _FAULTS:
        return CardKind.STOP, Shape.DASHED_FAULT, mark("System fault")
    if outcome is Outcome.REFER:
        return CardKind.STOP, Shape.DASHED_GUARD, mark("Wait for the guard")
    if code in _SCAN_AGAIN:
        return CardKind.STOP, Shape.DASHED_AGAIN, mark("Scan again")
    return CardKind.STOP, Shape.DASHED_BAR, mark("Not admitted")


@dataclass(frozen=True, slots=True, kw_only=True)
class InsideRow:
    """One line of who is inside; ``minutes`` are left, or over when ``overdue``, None without a limit."""

    stay: Inside
    overdue: bool
    minutes: int | None


def inside_rows(stays: tuple[Inside, ...], now: datetime) -> list[InsideRow]:
    """Overstayers first, the longest over on top; then by the end of the stay; those without a limit last."""
    rows = []
    for stay in stays:
        minutes = None
        if stay.due_at is not None:
            left = whole_minutes(stay.due_at, now)
            minutes = whole_minutes(now, stay.due_at) if stay.overdue else max(left, 0)
        rows.append(InsideRow(stay=stay, overdue=stay.overdue, minutes=minutes))
    return sorted(
        rows,
        key=lambda row: (
            not row.overdue,
            row.stay.due_at is None,
            row.stay.due_at or row.stay.entered_at,
        ),
    )
