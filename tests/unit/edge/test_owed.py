"""Rows that wait for the journal: kept in order, bounded, with places for the most important, and said once."""

from pathlib import Path

import pytest

from edge.journal import JournalError
from edge.owed import OWED_MAX, RESERVED, Owed
from edge.set_aside import SetAside
from tests.ticking import HandClock


class Paper:
    """Takes rows, or does not."""

    def __init__(self) -> None:
        self.takes, self.rows, self.lost = False, list[str](), list[str]()
        self.owed = Owed(
            recorded=lambda: None,
            count=self.lost.append,
            set_aside=SetAside(Path("nowhere"), HandClock().now),
            fault=lambda _: lambda: None,
        )

    def row(self, name: str, *, reserved: bool = False) -> None:
        def record() -> None:
            if not self.takes:
                raise JournalError("full")
            self.rows.append(name)

        self.owed.write(record, reserved=reserved)


def test_d1_rows_of_an_emergency_have_a_place_when_there_is_none_for_others() -> None:
    paper = Paper()
    for _ in range(OWED_MAX + 1):
        paper.row("other")
    assert paper.lost == ["events_lost"]
    for _ in range(RESERVED + 1):
        paper.row("emergency", reserved=True)
    assert (paper.owed.reserved, len(paper.lost)) == (RESERVED, 2)
    paper.takes = True
    paper.owed.pay()
    assert paper.rows == ["other"] * OWED_MAX + ["emergency"] * RESERVED
    assert paper.owed.reserved == 0


class Said:
    """A log that only remembers."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def error(self, words: str, **_: object) -> None:
        self.words.append(words)

    warning = error


def test_that_the_journal_owes_is_said_once_and_that_it_paid_too(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Said()
    monkeypatch.setattr("edge.owed.log", said)
    paper = Paper()
    paper.row("a")
    for _ in range(100):
        paper.owed.pay()
    paper.takes = True
    for _ in range(3):
        paper.owed.pay()
    paper.takes = False
    paper.row("b")
    begin, end = "events are owed to the journal", "the journal has what it was owed"
    assert said.words == [begin, end, begin]
