"""One person, one way out: codes that name nobody, and the code of the same phone that does, a moment later."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.model import Done, Grade
from edge.inputs import BoardReported
from tests.gate_world import World, granted
from tests.minting import Mint, claims
from tests.ticking import HandClock

pytestmark = pytest.mark.real


class Site(World):
    """A gate where visitors came in who are held here no more: their short codes name nobody."""

    def enter(self, number: int = 1) -> None:
        assert granted(self.show(self.fresh(number)))
        self.walk()
        self.wait(20)
        self.forget()

    def forget(self) -> None:
        self.journal._db.execute("update pass_state set sealed = null")

    def short(self, number: int = 1) -> str:
        return Mint().short(number, shown_at=int(self.clock.now().timestamp()))

    def leave(self, text: str) -> None:
        """The exit opens for this code: decided, and its relay told."""
        before = len(self.pulses)
        assert granted(self.show(text, lane="exit"))
        assert [pulse.channel for _, pulse in self.pulses[before:]] == [2]

    def relay_done(self) -> None:
        """The board has done the last pulse: where no contact reports it, that is the passage."""
        done = Done(id=self.pulses[-1][1].id, grade=Grade.CONFIRMED)
        self.gate.handle(BoardReported(board="relays", event=done))

    def out(self) -> list[str | None]:
        """Whose passages out are on record."""
        return [row.get("pass_id") for row in self.events("passage") if row["direction"] == "exit"]

    def inside(self) -> list[str]:
        return sorted(stay.pass_id for stay in self.standings.inside())


ONE, TWO = claims(1).pass_id, claims(2).pass_id


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, HandClock())
    made.start()
    yield made
    made.journal.close()


@pytest.fixture
def contactless(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, HandClock(), passage="assumed")
    made.start()
    yield made
    made.journal.close()


def test_a_short_code_and_then_the_full_one_are_one_passage_and_end_the_stay(site: Site) -> None:
    site.enter()
    site.leave(site.short())
    site.clock.advance(2)
    site.leave(site.fresh())
    site.walk("exit")
    assert (site.out(), site.inside()) == ([ONE], [])
    site.wait(10)
    assert [row["direction"] for row in site.events("no_show")] == ["exit"]  # of the grant without a name
    assert site.out() == [ONE]


def test_the_full_code_and_then_a_short_one_are_one_passage_and_end_the_stay(site: Site) -> None:
    site.enter()
    site.leave(site.fresh())
    site.forget()
    site.clock.advance(2)
    site.leave(site.short())
    site.walk("exit")
    site.wait(10)
    assert (site.out(), site.inside()) == ([ONE], [])


def test_where_the_pass_was_kept_a_short_code_after_the_full_one_is_the_same_presentation(site: Site) -> None:
    site.enter()
    site.leave(site.fresh())
    site.clock.advance(2)
    decisions = len(site.events("decision"))
    assert granted(site.show(site.short(), lane="exit"))  # the exit opens again, and the grant stays one
    assert len(site.events("decision")) == decisions
    site.walk("exit")
    assert (site.out(), site.inside()) == ([ONE], [])


def test_two_people_in_a_row_each_walk_for_themselves(site: Site) -> None:
    site.enter(1)
    site.enter(2)
    site.leave(site.short(1))  # the first stays unnamed: the full code is never held up
    site.clock.advance(1)
    site.leave(site.fresh(2))
    site.walk("exit")
    assert (site.out(), site.inside()) == ([None], [ONE, TWO])
    site.walk("exit")
    assert (site.out(), site.inside()) == ([None, TWO], [ONE])


def test_a_name_given_late_keeps_its_place_in_the_row(site: Site) -> None:
    site.enter(1)
    site.enter(2)
    site.leave(site.short(1))
    site.leave(site.fresh(2))
    site.clock.advance(1)
    site.leave(site.fresh(1))
    site.walk("exit")
    site.walk("exit")
    assert (site.out(), site.inside()) == ([ONE, TWO], [])


def test_a_code_too_old_and_then_the_next_one_are_one_passage(site: Site) -> None:
    site.enter()
    old = site.fresh()
    site.wait(31)
    site.leave(old)
    site.clock.advance(1)
    site.leave(site.fresh())
    site.walk("exit")
    assert (site.out(), site.inside()) == ([ONE], [])


def test_a_code_shown_before_and_then_the_next_one_are_one_passage(site: Site) -> None:
    seen = site.fresh()
    site.show(seen)
    site.walk()
    site.wait(10)
    site.leave(seen)
    site.clock.advance(1)
    site.leave(site.fresh())
    site.walk("exit")
    assert (site.out(), site.inside()) == ([ONE], [])


def test_a_short_code_that_rolls_on_is_still_one_person(site: Site) -> None:
    site.enter()
    for _ in range(3):
        site.leave(site.short())
        site.clock.advance(2)
    site.leave(site.fresh())
    site.walk("exit")
    assert (site.out(), site.inside()) == ([ONE], [])


def test_a_full_code_behind_the_walk_names_it_and_opens_all_the_same(site: Site) -> None:
    site.enter()
    site.leave(site.short())
    site.walk("exit")
    assert (site.out(), site.inside()) == ([None], [ONE])
    site.clock.advance(3)
    site.leave(site.fresh())
    assert (site.out(), site.inside()) == ([None, ONE], [])
    site.wait(6)  # nobody walked behind them
    assert site.inside() == []
    assert site.out() == [None, ONE]


def test_who_comes_back_to_the_exit_later_is_not_taken_for_the_walk_before(site: Site) -> None:
    site.enter()
    site.leave(site.short())
    site.walk("exit")
    site.wait(7)
    site.leave(site.fresh())
    assert (site.out(), site.inside()) == ([None], [ONE])
    site.walk("exit")
    assert (site.out(), site.inside()) == ([None, ONE], [])


def test_another_persons_full_code_does_not_name_the_walk_before(site: Site) -> None:
    site.enter(1)
    site.enter(2)
    site.leave(site.short(1))
    site.walk("exit")
    site.clock.advance(1)
    site.leave(site.fresh(2))
    assert (site.out(), site.inside()) == ([None], [ONE, TWO])


def test_without_a_contact_the_full_code_ends_the_stay_too(contactless: Site) -> None:
    site = contactless
    site.show(site.fresh())
    site.relay_done()
    site.wait(20)
    site.forget()
    for text in (site.short(), site.fresh()):
        site.leave(text)
        site.relay_done()
        site.clock.advance(1)
    assert (site.out(), site.inside()) == ([None, ONE], [])


def test_a_pass_whose_key_has_ended_meanwhile_still_ends_its_stay_and_lets_nobody_in(site: Site) -> None:
    site.enter()
    site.wait(61 * 86_400)
    site.leave(site.fresh())
    site.walk("exit")
    assert (site.out(), site.inside()) == ([ONE], [])
    site.wait(10)
    verdict = site.show(site.fresh())
    assert verdict is not None
    assert verdict.reason == "unknown_key"
