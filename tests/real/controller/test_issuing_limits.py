"""Passes that would be dead on arrival are not issued: by their key, their hours, or a "before T"."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from controller.issuer_keys import load_key_set, load_keys
from controller.issuing import IssuedPass, IssueError, Issuer, Order
from controller.withdrawals import Withdrawals, refused_before
from passes.bundle import Before, Bundle
from passes.decide import objection
from passes.vocabulary import Category, Reason
from tests.real.controller.centre import NOON, SITE
from tests.real.controller.demo import Demo, demo_at, order

pytestmark = pytest.mark.real
HALF_PAST_EIGHT = NOON + timedelta(hours=8, minutes=30)  # in the evening, in Shanghai


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    with demo_at(tmp_path / "demo") as made:
        yield made


def field_of(demo: Demo, asked: Order, says: str) -> str:
    with pytest.raises(IssueError, match=says) as caught:
        demo.issuer.issue(asked)
    return caught.value.field


def widest(demo: Demo) -> Issuer:
    """An issuer whose passes have room for everything but the time of issue."""
    site = demo.config.sites[SITE]
    return Issuer(
        site=replace(site, id=65_535),
        keys=load_keys(demo.config.keys_dir, SITE),
        published=load_key_set(site.keyset, SITE),
        pepper=b"p" * 32,
        store=demo.centre.store,
        clock=demo.centre.clock,
        random_bytes=random.Random(8).randbytes,
    )


def refuses(demo: Demo, made: IssuedPass) -> bool:
    """Whether a gate refuses this pass by the centre's "before T"."""
    kid = made.sealed[7:11]
    with demo.centre.store.transaction() as connection:
        claims = made.claims
        rule = refused_before(connection, claims.site, (claims.person, kid.hex()), demo.centre.clock.now())
    if rule is None:
        return False
    before = (Before(bytes.fromhex(made.claims.person), rule),)
    told = Bundle(
        site=SITE, seq=1, issued_at=0, ttl_s=1, expires_at=1, keyset_seq=1, before=before, statuses=b""
    )
    return told.refused_before(made.claims, kid)


def withdraw(demo: Demo, made: IssuedPass) -> None:
    Withdrawals(demo.centre.store, demo.centre.clock, lambda: None).refuse_before(
        made.claims.site, made.claims.person, demo.centre.clock.now(), by="Wang", reason="banned"
    )


def test_the_place_of_a_pass_that_is_over_is_given_away_again_and_that_of_a_living_one_is_not(
    demo: Demo,
) -> None:
    indexes = iter([1, 1, 2, 1, 2, 3])

    def draw(length: int) -> bytes:
        return (
            next(indexes).to_bytes(2, "big")
            if length == 2
            else random.Random(9).randbytes(length - 1) + pad()
        )

    serial = iter(range(256))

    def pad() -> bytes:
        return bytes([next(serial)])

    site = demo.config.sites[SITE]
    issuer = Issuer(
        site=site,
        keys=load_keys(demo.config.keys_dir, SITE),
        published=load_key_set(site.keyset, SITE),
        pepper=b"p" * 32,
        store=demo.centre.store,
        clock=demo.centre.clock,
        random_bytes=draw,
    )
    asked = order(valid=timedelta(hours=1))
    assert [issuer.issue(one).claims.status for one in (asked, order(valid=timedelta(hours=2)))] == [1, 2]
    demo.centre.clock.pass_by(3600)
    assert issuer.issue(asked).claims.status == 1
    assert issuer.issue(asked).claims.status == 3


def test_no_pass_outlives_the_key_that_signs_it(demo: Demo) -> None:
    demo.centre.clock.time += timedelta(days=399)  # the keys of a demo live for 400 days
    assert demo.issuer.issue(order(valid=timedelta(hours=24)))
    asked = order(valid=timedelta(hours=24, minutes=1))
    assert field_of(demo, asked, "ends before this one") == "valid_minutes"


def test_a_pass_that_never_opens_before_its_leaving_time_is_refused(demo: Demo) -> None:
    demo.centre.clock.time = HALF_PAST_EIGHT  # renovation leaves by 20:00
    asked = order(Category.RENOVATION, valid=timedelta(hours=3))
    assert field_of(demo, asked, "leaves by 20:00") == "valid_minutes"
    tomorrow = demo.issuer.issue(replace(asked, valid=timedelta(hours=12)))
    found = [
        objection(tomorrow.claims, site=SITE, zone=ZoneInfo("Asia/Shanghai"), now=HALF_PAST_EIGHT + later)
        for later in (timedelta(0), timedelta(hours=4))
    ]
    assert found == [Reason.OUTSIDE_HOURS, None]


def test_a_pass_that_is_made_after_before_t_opens_even_in_the_same_second(demo: Demo) -> None:
    demo.centre.clock.time = NOON + timedelta(seconds=0.2)
    old = demo.issuer.issue(order())
    demo.centre.clock.time = NOON + timedelta(seconds=0.5)
    withdraw(demo, old)
    demo.centre.clock.time = NOON + timedelta(seconds=0.8)
    young = demo.issuer.issue(order())
    assert (refuses(demo, old), refuses(demo, young)) == (True, False)
    demo.centre.clock.time = NOON + timedelta(seconds=5)
    later = demo.issuer.issue(order())
    assert (refuses(demo, later), later.claims.issued_at) == (False, int(NOON.timestamp()) + 5)


def test_a_pass_without_room_for_its_time_of_issue_is_refused_where_gates_ask_for_it(demo: Demo) -> None:
    issuer = widest(demo)
    asked = order(
        Category.INVITED,
        unit=65_535,
        purpose=65_535,
        gates=frozenset(range(8)),
        stay_minutes=1440,
        valid=timedelta(days=7),
    )
    undated = issuer.issue(asked)
    assert undated.claims.issued_at is None
    withdraw(demo, undated)
    demo.centre.clock.pass_by(60)
    with pytest.raises(IssueError, match="no room") as caught:
        issuer.issue(asked)
    assert caught.value.field == "pass"
    demo.centre.clock.pass_by(91 * 24 * 3600)  # what was withdrawn has expired, and the rule with it
    assert issuer.issue(asked).claims.issued_at is None
