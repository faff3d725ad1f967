from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controller import schema
from controller.init import DemoPlan, FolderExistsError, create_demo
from controller.issuer_keys import IssuerKeyError, load_key_set, load_keys
from controller.issuing import IssueError, StandingError
from passes.check import Rejected, Verified, check
from passes.claims import FLAG_GUARD_CONFIRM
from passes.gp1 import ROTATING_BYTES_MAX, STATIC_BYTES_MAX, to_text, wrap
from passes.keys import p256_signer
from passes.vocabulary import Category, ClockTrust, Colour, Reason
from tests.real.controller.centre import NOON, Journal
from tests.real.controller.demo import HOLDER, PHONE_KEY, Demo, demo_at, order

pytestmark = pytest.mark.real
LIFE = {Colour.BLUE: timedelta(days=7), Colour.GREEN: timedelta(days=90)}


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    with demo_at(tmp_path / "demo") as made:
        yield made


def test_a_phone_pass_verifies_at_a_gate_of_this_site(demo: Demo) -> None:
    made = demo.issuer.issue(order())
    assert made.text() is None
    shown = wrap(made.sealed, shown_at=int(NOON.timestamp()), sign=p256_signer(PHONE_KEY))
    checked = check(to_text(shown), demo.keys, now=NOON)
    assert checked == Verified(made.claims, int(NOON.timestamp()))
    claims = made.claims
    assert (claims.site, claims.category, claims.unit, claims.stay) == (7, Category.COURIER, 12, 1)
    assert (claims.entries, claims.directions, claims.gates, claims.holder_key) == (0, 3, 1, HOLDER)


@pytest.mark.parametrize(("waived", "flags"), [(False, FLAG_GUARD_CONFIRM), (True, 0)])
def test_a_static_pass_verifies_and_wants_the_guard_unless_the_site_waives_it(
    tmp_path: Path, waived: bool, flags: int
) -> None:
    with demo_at(tmp_path / "demo", static_needs_guard=not waived) as demo:
        made = demo.issuer.issue(order(static=True))
        text = made.text()
        assert text is not None
        assert check(text, demo.keys, now=NOON) == Verified(made.claims, None)
        assert (made.claims.entries, made.claims.flags) == (1, flags)


def test_a_pass_of_another_site_is_refused(demo: Demo, tmp_path: Path) -> None:
    with demo_at(tmp_path / "elsewhere") as other:
        text = other.issuer.issue(order(static=True)).text()
    assert text is not None
    found = check(text, demo.keys, now=NOON)
    assert isinstance(found, Rejected)
    assert found.reason is Reason.UNKNOWN_KEY


@pytest.mark.parametrize(
    ("category", "stay"),
    [
        (Category.RESIDENT, 0),
        (Category.FOOD, 1),
        (Category.RENOVATION, -120),
        (Category.SERVICE, 240),
        (Category.INVITED, 360),
    ],
)
def test_the_stay_is_the_sites_rule(demo: Demo, category: Category, stay: int) -> None:
    assert demo.issuer.issue(order(category)).claims.stay == stay


def test_an_invitation_may_ask_for_its_own_stay(demo: Demo) -> None:
    assert demo.issuer.issue(order(Category.INVITED, stay_minutes=600)).claims.stay == 600
    assert demo.issuer.issue(order(Category.SERVICE, stay_minutes=30)).claims.stay == 30


def test_the_longest_values_keep_the_promised_sizes(demo: Demo) -> None:
    unit = purpose = 65_535
    gates = frozenset(range(8))
    phone = demo.issuer.issue(
        order(
            Category.INVITED,
            unit=unit,
            purpose=purpose,
            gates=gates,
            stay_minutes=1440,
            valid=LIFE[Colour.BLUE],
        )
    )
    shown = wrap(phone.sealed, shown_at=2**32 - 1, sign=p256_signer(PHONE_KEY))
    paper = demo.issuer.issue(
        order(
            Category.INVITED, unit=unit, purpose=purpose, gates=frozenset({7}), stay_minutes=1440, static=True
        )
    )
    assert len(shown) <= ROTATING_BYTES_MAX
    assert len(paper.sealed) <= STATIC_BYTES_MAX


def test_what_was_issued_is_remembered_with_the_number_apart_and_the_name_masked(demo: Demo) -> None:
    made = demo.issuer.issue(order())
    again = demo.issuer.issue(order(phone="+86 138 0013 8001", name="李磊"))
    assert again.claims.person == made.claims.person
    assert demo.centre.rows(schema.person, "person", "shown_name") == [(made.claims.person, "李*")]
    assert demo.centre.rows(schema.phone, "person", "phone") == [(made.claims.person, "+8613800138001")]
    issued = demo.centre.rows(schema.pass_issued, "pass_id", "status_index", "expires_at")
    assert sorted(issued) == sorted(
        (claims.pass_id, claims.status, NOON + timedelta(hours=2)) for claims in (made.claims, again.claims)
    )
    assert made.claims.status != again.claims.status


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"phone": "12345"}, "phone"),
        ({"name": " "}, "name"),
        ({"unit": 65_536}, "unit"),
        ({"unit": -1}, "unit"),
        ({"purpose": 65_536}, "purpose"),
        ({"gates": frozenset[int]()}, "gates"),
        ({"gates": frozenset({8})}, "gates"),
        ({"valid": timedelta(days=8)}, "valid_minutes"),
        ({"valid": timedelta(0)}, "valid_minutes"),
        ({"stay_minutes": 2}, "stay_minutes"),
        ({"stay_minutes": 0}, "stay_minutes"),
        ({"category": Category.RENOVATION, "stay_minutes": 60}, "stay_minutes"),
        ({"category": Category.RESIDENT, "stay_minutes": 60}, "stay_minutes"),
        ({"holder_key": None}, "holder_key"),
        ({"holder_key": b"\x02" + b"\xff" * 32}, "holder_key"),
        ({"static": True}, "static"),
        ({"static": True, "holder_key": None, "category": Category.RESIDENT}, "static"),
        ({"static": True, "holder_key": None, "gates": frozenset({0, 1})}, "gates"),
        ({"static": True, "holder_key": None, "valid": timedelta(hours=13)}, "valid_minutes"),
    ],
)
def test_what_is_outside_the_rules_is_refused_by_its_field(
    demo: Demo, changed: dict[str, Any], field: str
) -> None:
    with pytest.raises(IssueError) as caught:
        demo.issuer.issue(replace(order(), **changed))
    assert caught.value.field == field
    assert demo.centre.rows(schema.pass_issued) == []


def test_nothing_is_issued_by_an_untrusted_clock(demo: Demo) -> None:
    demo.centre.clock.trusted = ClockTrust.UNTRUSTED
    with pytest.raises(IssueError, match="clock"):
        demo.issuer.issue(order())


def test_nothing_is_issued_by_a_key_that_gates_no_longer_take(demo: Demo) -> None:
    demo.centre.clock.time += timedelta(days=401)
    with pytest.raises(IssueError, match="key set"):
        demo.issuer.issue(order())


def test_who_is_red_gets_no_visitors_pass_until_it_is_settled(demo: Demo) -> None:
    person = demo.issuer.issue(order()).claims.person
    journal = Journal()
    journal.entry(NOON, minutes=1, person=person)
    demo.centre.receive(journal.sent())
    demo.issuer.issue(order())
    demo.centre.clock.pass_by(60)
    with pytest.raises(StandingError, match="RED"):
        demo.issuer.issue(order())
    journal.leaving(NOON + timedelta(minutes=30))
    demo.centre.receive(journal.sent(2))
    demo.centre.clock.pass_by(3600)
    with pytest.raises(StandingError, match="RED"):
        demo.issuer.issue(order())
    assert demo.issuer.issue(order(Category.RESIDENT)).claims.person == person
    assert demo.issuer.issue(order(phone="13800138002")).claims.person != person
    with demo.centre.store.transaction() as connection:
        connection.execute(schema.incident.update().values(state="settled"))
    assert demo.issuer.issue(order()).claims.person == person


def test_a_stolen_visitor_key_cannot_make_a_residents_pass(demo: Demo) -> None:
    keys = {key.colour: key for key in load_keys(demo.config.keys_dir, 7)}
    published = load_key_set(demo.config.sites[7].keyset, 7)
    categories = {entry.kid: set(entry.categories) for entry in published.keys}
    assert categories[keys[Colour.GREEN].kid.hex()] == {"resident"}
    assert categories[keys[Colour.BLUE].kid.hex()] == {
        category.code for category in Category if category.colour is Colour.BLUE
    }


def test_key_files_are_for_the_owner_alone(demo: Demo) -> None:
    files = sorted(demo.config.keys_dir.iterdir())
    assert [(path.name, path.stat().st_mode & 0o777) for path in files] == [
        ("api.token", 0o600),
        ("operator-root.pem", 0o600),
        ("pepper", 0o600),
        ("site-7-resident.pem", 0o600),
        ("site-7-status.pem", 0o600),
        ("site-7-visitor.pem", 0o600),
    ]
    files[3].chmod(0o640)
    with pytest.raises(IssuerKeyError, match="chmod 600"):
        load_keys(demo.config.keys_dir, 7)
    files[3].write_text("no key")
    files[3].chmod(0o600)
    with pytest.raises(IssuerKeyError, match="PEM"):
        load_keys(demo.config.keys_dir, 7)


def test_a_demo_folder_is_never_replaced_unasked(tmp_path: Path) -> None:
    plan = DemoPlan(folder=tmp_path / "demo")
    create_demo(plan, now=NOON)
    before = (plan.folder / "keyset.json").read_bytes()
    with pytest.raises(FolderExistsError, match="--force"):
        create_demo(plan, now=NOON)
    assert (plan.folder / "keyset.json").read_bytes() == before
    create_demo(plan, now=NOON, force=True)
    assert (plan.folder / "keyset.json").read_bytes() != before


def test_force_does_not_remove_a_folder_that_is_no_demo(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FolderExistsError, match="no demo folder"):
        create_demo(DemoPlan(folder=tmp_path), now=NOON, force=True)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
