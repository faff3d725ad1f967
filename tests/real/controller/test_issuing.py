import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest

from controller import schema
from controller.config import SiteConfig
from controller.hours import read_hours
from controller.init import DemoPlan, FolderExistsError, create_demo
from controller.issuer_keys import IssuerKeyError, load_key_set, load_keys
from controller.issuing import IssueError, Issuer, StandingError
from passes.check import Rejected, Verified, check
from passes.claims import FLAG_CRITICAL_TAIL, FLAG_GUARD_CONFIRM, KeyLevel
from passes.decide import Deny, Grant, LaneFacts, Policy, Standing, decide
from passes.gp1 import ROTATING_BYTES_MAX, SCHEDULED_BYTES_MAX, STATIC_BYTES_MAX, to_text, wrap
from passes.keys import p256_signer
from passes.schedule import WORKING_DAYS, Hours, Schedule
from passes.stay import StayRule, rule_of_claim
from passes.vocabulary import Category, ClockTrust, Colour, Direction, Reason
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


@pytest.mark.parametrize(
    ("level", "flags", "entries"), [(KeyLevel.KEPT, 0b10_0000, 0), (KeyLevel.SOFT, 0b01_0000, 1)]
)
def test_a_pass_says_how_its_phone_keeps_the_key_and_a_soft_one_opens_once(
    demo: Demo, level: KeyLevel, flags: int, entries: int
) -> None:
    claims = demo.issuer.issue(order(key_level=level)).claims
    assert (claims.flags, claims.entries, claims.key_level) == (flags, entries, level)
    assert demo.issuer.issue(order(Category.RESIDENT, key_level=level)).claims.entries == entries


def test_a_gate_takes_a_soft_keys_pass_once_and_a_kept_keys_pass_again(demo: Demo) -> None:
    lane = LaneFacts(site=7, gate=0, direction=Direction.ENTRY)
    for level, again in ((KeyLevel.SOFT, Deny), (KeyLevel.KEPT, Grant)):
        sealed = demo.issuer.issue(order(key_level=level)).sealed
        text = to_text(wrap(sealed, shown_at=int(NOON.timestamp()), sign=p256_signer(PHONE_KEY)))
        scan = check(text, demo.keys, now=NOON)
        answers = [
            decide(
                scan,
                Standing(entries_used=used),
                lane,
                Policy(zone=demo.config.zone),
                now=NOON,
                trust=ClockTrust.TRUSTED,
            )
            for used in (0, 1)
        ]
        assert [type(answer) for answer in answers] == [Grant, again]


def test_level_3_is_for_passkeys_which_do_not_exist_yet(demo: Demo) -> None:
    for level in (KeyLevel.PASSKEY, KeyLevel.NONE):
        with pytest.raises(IssueError, match="passkey") as caught:
            demo.issuer.issue(order(key_level=level))
        assert caught.value.field == "key_level"


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


@pytest.mark.parametrize(
    ("minutes", "stay"), [(None, -120), (60, -(144 * 60 + 120)), (454, -(144 * 454 + 120))]
)
def test_a_time_to_leave_by_stays_in_force_beside_the_minutes_that_were_asked_for(
    demo: Demo, minutes: int | None, stay: int
) -> None:
    claims = demo.issuer.issue(order(Category.RENOVATION, stay_minutes=minutes)).claims
    assert claims.stay == stay
    assert rule_of_claim(claims.stay) == StayRule(minutes=minutes, leave_by=time(20, 0))


def test_a_repeat_pass_carries_its_hours_marked_so_that_no_gate_overlooks_them(demo: Demo) -> None:
    made = demo.issuer.issue(order(Category.SERVICE, hours=["mon-fri 09:00-12:00"], valid=LIFE[Colour.BLUE]))
    assert made.claims.schedule == Schedule((Hours(days=WORKING_DAYS, start=54, end=72),))
    assert made.claims.flags == FLAG_CRITICAL_TAIL | 0b10_0000
    monday = NOON + timedelta(days=1) - timedelta(hours=2)  # 10:00 in Shanghai
    answers = []
    for moment in (monday, monday + timedelta(hours=2)):
        text = to_text(wrap(made.sealed, shown_at=int(moment.timestamp()), sign=p256_signer(PHONE_KEY)))
        answers.append(
            decide(
                check(text, demo.keys, now=moment),
                Standing(),
                LaneFacts(site=7, gate=0, direction=Direction.ENTRY),
                Policy(zone=demo.config.zone),
                now=moment,
                trust=ClockTrust.TRUSTED,
            )
        )
    assert answers == [Grant(made.claims), Deny(Reason.OUTSIDE_HOURS, made.claims)]


def test_an_invitation_may_ask_for_its_own_stay(demo: Demo) -> None:
    assert demo.issuer.issue(order(Category.INVITED, stay_minutes=600)).claims.stay == 600
    assert demo.issuer.issue(order(Category.SERVICE, stay_minutes=30)).claims.stay == 30


def test_the_longest_values_keep_the_promised_sizes(demo: Demo) -> None:
    unit = purpose = 65_535
    gates = frozenset(range(8))
    issuer = another_issuer(demo, site=replace(demo.config.sites[7], id=65_535))
    phone = issuer.issue(
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
    paper = issuer.issue(
        order(
            Category.INVITED, unit=unit, purpose=purpose, gates=frozenset({7}), stay_minutes=1440, static=True
        )
    )
    assert len(shown) <= ROTATING_BYTES_MAX
    assert len(paper.sealed) <= STATIC_BYTES_MAX
    assert (phone.claims.issued_at, paper.claims.issued_at) == (None, None)  # what is left out first
    assert demo.issuer.issue(order()).claims.issued_at == int(NOON.timestamp())


@pytest.mark.parametrize(("windows", "bytes_shown"), [(1, 266), (2, 269), (3, 272), (4, 275)])
def test_the_longest_repeat_passes_keep_the_sizes_that_the_docs_state(
    demo: Demo, windows: int, bytes_shown: int
) -> None:
    longest = replace(demo.config.sites[7], id=65_535)
    made = another_issuer(demo, site=longest, random_bytes=lambda length: b"\xff" * length).issue(
        order(
            Category.RENOVATION,
            unit=65_535,
            purpose=65_535,
            gates=frozenset(range(8)),
            stay_minutes=454,
            valid=LIFE[Colour.BLUE],
            hours=[f"daily 2{hour}:00-03:00" for hour in range(windows)],
        )
    )
    shown = wrap(made.sealed, shown_at=2**32 - 1, sign=p256_signer(PHONE_KEY))
    assert len(shown) == bytes_shown <= SCHEDULED_BYTES_MAX
    assert made.claims.issued_at is not None


def test_a_cleaners_usual_pass_with_one_window_fits_the_smaller_code(demo: Demo) -> None:
    made = demo.issuer.issue(
        order(Category.SERVICE, hours=["mon-fri 09:00-12:00"], purpose=1, unit=1202, valid=LIFE[Colour.BLUE])
    )
    shown = wrap(made.sealed, shown_at=int(NOON.timestamp()), sign=p256_signer(PHONE_KEY))
    assert len(shown) <= ROTATING_BYTES_MAX


def test_paper_has_room_for_one_window_and_says_so_when_it_is_asked_for_more(demo: Demo) -> None:
    paper = demo.issuer.issue(order(static=True, hours=["sun 12:00-18:00"]))
    assert len(paper.sealed) <= STATIC_BYTES_MAX
    with pytest.raises(IssueError, match="may take 144") as caught:
        demo.issuer.issue(order(static=True, hours=[f"daily 1{hour}:00-20:00" for hour in range(4)]))
    assert caught.value.field == "hours"


def another_issuer(
    demo: Demo,
    *,
    site: SiteConfig | None = None,
    random_bytes: Callable[[int], bytes] = random.Random(8).randbytes,
) -> Issuer:
    known = demo.config.sites[7]
    return Issuer(
        site=site or known,
        keys=load_keys(demo.config.keys_dir, 7),
        published=load_key_set(known.keyset, 7),
        pepper=b"p" * 32,
        store=demo.centre.store,
        clock=demo.centre.clock,
        random_bytes=random_bytes,
    )


def test_what_no_pass_can_say_is_refused_by_its_field(demo: Demo) -> None:
    beyond = another_issuer(demo, site=replace(demo.config.sites[7], id=65_536))
    with pytest.raises(IssueError, match="65536 is outside") as caught:
        beyond.issue(order())
    assert caught.value.field == "site"
    assert demo.centre.rows(schema.pass_issued) == []


def test_the_place_of_the_gates_own_walk_in_passes_is_never_given_away(demo: Demo) -> None:
    drawn = iter([b"\x11" * 8, b"\x00\x00", b"\x00\x00", b"\x00\x01"])
    made = another_issuer(demo, random_bytes=lambda _: next(drawn)).issue(order())
    assert made.claims.status == 1
    with pytest.raises(IssueError, match="65,536 live passes"):
        another_issuer(demo, random_bytes=lambda length: b"\x00" * length).issue(order())


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
        ({"category": Category.RENOVATION, "stay_minutes": 455}, "stay_minutes"),
        ({"schedule": read_hours(["mon-fri 09:00-12:00"])}, "hours"),
        ({"key_level": KeyLevel.SOFT, "valid": timedelta(hours=13)}, "valid_minutes"),
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
    files = {path.name: path for path in demo.config.keys_dir.iterdir()}
    assert {
        "api.token",
        "operator-root.pem",
        "pepper",
        "site-7-resident.pem",
        "site-7-status.pem",
        "site-7-visitor.pem",
    } <= files.keys()
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o600}
    resident = files["site-7-resident.pem"]
    resident.chmod(0o640)
    with pytest.raises(IssuerKeyError, match="chmod 600"):
        load_keys(demo.config.keys_dir, 7)
    resident.write_text("no key")
    resident.chmod(0o600)
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
