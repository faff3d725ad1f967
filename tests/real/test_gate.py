"""What the gate answers to people, on a real journal."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from passes.gp1 import to_text
from passes.keys import p256_signer
from passes.shortcode import make_short
from passes.vocabulary import Category, Colour, Direction
from tests.gate_world import FOREIGN, World, granted, reason
from tests.minting import Mint, claims, phone_key
from tests.ticking import HandClock

pytestmark = pytest.mark.real


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, HandClock())
    made.start()
    yield made
    made.journal.close()


def test_a_visitor_enters_stays_and_leaves(world: World) -> None:
    verdict = world.show(world.fresh())
    assert granted(verdict)
    assert verdict is not None
    assert (verdict.colour, verdict.room, verdict.stay_minutes) == (Colour.BLUE, "3-1202", 60)
    world.walk()
    inside = world.screen.snapshot().inside
    assert [(one.category, one.room, one.overdue) for one in inside] == [("courier", "3-1202", False)]
    world.wait(30)
    assert granted(world.show(world.fresh(), lane="exit"))
    world.walk("exit")
    assert world.screen.snapshot().inside == ()
    entry, left = world.events("passage")
    assert entry["stay_id"] == left["stay_id"]
    assert (entry["direction"], left["direction"]) == ("entry", "exit")


def test_i1_the_decision_is_in_the_journal_before_the_relay_is_told(world: World) -> None:
    world.show(world.fresh())
    ((board, pulse),) = world.pulses
    (decision,) = world.events("decision")
    assert (board, pulse.channel, decision["outcome"]) == ("relays", 1, "grant")
    assert world.rows_when_pulsed == [world.journal.last_seq()]


def test_i4_the_same_code_twice_is_one_admission(world: World) -> None:
    text = world.fresh()
    assert granted(world.show(text))
    world.walk()
    world.wait(8)
    assert reason(world.show(text)) == "replayed"
    assert len(world.pulses) == 1


def test_a_pass_inside_is_refused_at_the_entry(world: World) -> None:
    world.show(world.fresh())
    world.walk()
    world.wait(8)
    assert reason(world.show(world.fresh())) == "already_inside"


def test_the_person_inside_is_refused_with_another_pass(world: World) -> None:
    world.show(world.fresh(1, person="00000000000000aa"))
    world.walk()
    world.wait(8)
    assert reason(world.show(world.fresh(2, person="00000000000000aa"))) == "open_stay"


def test_x6_red_begins_at_the_limit_refuses_entry_with_any_pass_and_never_an_exit(world: World) -> None:
    world.show(world.fresh(1, person="00000000000000aa", stay=1))
    world.walk()
    world.wait(50)
    assert reason(world.show(world.fresh(1, person="00000000000000aa", stay=1))) == "already_inside"
    world.wait(10)
    assert reason(world.show(world.fresh(1, person="00000000000000aa", stay=1))) == "red"
    world.wait(3)
    assert reason(world.show(world.fresh(2, person="00000000000000aa"))) == "red"
    assert granted(world.show(world.fresh(1, person="00000000000000aa", stay=1), lane="exit"))


def test_an_exit_within_the_grace_leaves_no_red(world: World) -> None:
    world.show(world.fresh(stay=1))
    world.walk()
    world.wait(60 + 500)
    world.show(world.fresh(stay=1), lane="exit")
    world.walk("exit")
    world.wait(8)
    assert granted(world.show(world.fresh(stay=1)))


def test_a_no_show_gives_the_entry_back(world: World) -> None:
    assert granted(world.show(Mint().paper()))
    world.wait(5.1)
    assert [row["direction"] for row in world.events("no_show")] == ["entry"]
    assert granted(world.show(Mint().paper()))
    world.walk()
    world.wait(8)
    assert reason(world.show(Mint().paper())) == "already_inside"


def test_a_paper_pass_is_used_up_by_its_passage(world: World) -> None:
    world.show(Mint().paper())
    world.walk()
    world.wait(8)
    world.show(Mint().paper(), lane="exit")
    world.walk("exit")
    world.wait(8)
    assert reason(world.show(Mint().paper())) == "entries_used"


def test_a_foreign_code_is_ignored_at_the_entry_and_opens_the_exit(world: World) -> None:
    assert world.show(FOREIGN) is None
    assert world.events("decision") == []
    assert granted(world.show(FOREIGN, lane="exit"))
    (decision,) = world.events("decision")
    assert decision["notes"] == ["unidentified_exit"]


def test_c6_two_passes_in_view_are_refused_until_there_is_one(world: World) -> None:
    assert reason(world.show(world.fresh(1), world.fresh(2))) == "several_codes"
    assert granted(world.show(FOREIGN, world.fresh(1)))


def test_i3_a_scan_older_than_two_seconds_opens_nothing(world: World) -> None:
    assert world.show(world.fresh(), age_s=2.1) is None
    assert world.pulses == []
    assert granted(world.show(world.fresh(), age_s=1.9))


def test_a_phone_held_up_after_its_grant_is_not_a_second_visitor(world: World) -> None:
    world.show(world.fresh())
    world.clock.advance(0.5)
    assert world.show(world.fresh()) is None
    world.walk()
    world.clock.advance(3)
    assert world.show(world.fresh()) is None
    assert len(world.events("decision")) == 1


def test_q14_a_screenshot_of_the_code_that_just_opened_is_refused(world: World) -> None:
    text = world.fresh()
    world.show(text)
    world.walk()
    world.clock.advance(2)
    assert reason(world.show(text)) == "replayed"


def test_the_next_visitors_code_is_asked_for_again_when_the_lane_is_free(world: World) -> None:
    world.show(world.fresh(1))
    world.clock.advance(0.2)
    assert world.show(world.fresh(2)) is None  # somebody is walking
    assert world.asked_again == []
    world.walk()
    assert world.asked_again == ["entry"]
    assert granted(world.show(world.fresh(2)))
    assert len(world.pulses) == 2


def test_a_short_code_opens_where_the_full_one_was_read_before_and_is_as_strict(world: World) -> None:
    def short(number: int = 1) -> str:
        shown_at = int(world.clock.now().timestamp())
        return to_text(
            make_short(claims(number).pass_id, shown_at=shown_at, sign=p256_signer(phone_key(number)))
        )

    assert world.show(short()) is None  # not read here before: the page shows its full code next
    assert world.events("decision") == []
    assert granted(world.show(world.fresh()))
    world.walk()
    world.wait(8)
    assert reason(world.show(short())) == "already_inside"
    world.wait(3)
    assert granted(world.show(short(), lane="exit"))
    world.walk("exit")
    assert world.screen.snapshot().inside == ()
    world.wait(8)
    text = short()
    assert granted(world.show(text))
    world.walk()
    world.wait(8)
    assert reason(world.show(text)) == "replayed"


def test_what_is_kept_of_a_pass_outlives_its_end_while_its_holder_is_inside(world: World) -> None:
    world.show(world.fresh())
    world.walk()
    pass_id = claims().pass_id
    world.clock.advance(40 * 86_400)
    assert world.standings.forget_old(world.clock.now()) == 0
    assert world.standings.sealed(pass_id) is not None
    world.show(world.fresh(), lane="exit")
    world.walk("exit")
    world.wait(31 * 86_400)
    world.standings.forget_old(world.clock.now())
    assert world.standings.sealed(pass_id) is None


def test_residents_may_have_left_by_the_button(world: World) -> None:
    resident = {"category": Category.RESIDENT, "stay": 0}
    world.show(world.fresh(**resident))
    world.walk()
    world.wait(60)
    verdict = world.show(world.fresh(**resident))
    assert granted(verdict)
    assert verdict is not None
    assert verdict.direction is Direction.ENTRY
    world.walk()
    assert len(world.screen.snapshot().inside) == 1
