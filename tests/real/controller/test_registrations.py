"""Walk-ins that a gate registered: on the page, as visits, and out of every gate when somebody says so."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from controller import schema
from controller.console import Console
from controller.overstay import OverstayMonitor
from controller.units import load_units
from controller.web.app import create_console
from controller.web.view import InsideRow
from passes.bundle import Bundle, Red, RedCause
from shell.clock import SystemClock
from shell.pages.server import PageServer
from sync.messages import utc_text
from tests.minting import claims
from tests.real.controller.centre import NOON, PASS, PERSON, SUPERVISOR, Journal
from tests.real.controller.demo import Demo, demo_at, order
from tests.real.controller.hearing import Gate
from tests.real.controller.serving import Served, served_at

pytestmark = pytest.mark.real
DUE = NOON + timedelta(minutes=1)
WHY = ("--by", "王芳", "--reason", "banned")


def registered(**changes: Any) -> dict[str, Any]:
    data = {
        "pass_id": PASS,
        "person": PERSON,
        "category": "courier",
        "unit": 12,
        "by": "guard 3",
        "reason": "centre away",
        "phone_last4": "8001",
        "pass_end": utc_text(NOON + timedelta(hours=2)),
    }
    return data | changes


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    with demo_at(tmp_path / "demo") as made:
        yield made


@pytest.fixture
def console(demo: Demo) -> Console:
    units = {site.id: load_units(site.units) for site in demo.config.sites.values()}
    return Console(store=demo.centre.store, clock=demo.centre.clock, config=demo.config, units=units)


def monitor(demo: Demo) -> OverstayMonitor:
    config = demo.config
    return OverstayMonitor(
        store=demo.centre.store,
        clock=demo.centre.clock,
        zone=config.zone,
        sites=config.sites,
        sms=config.sms,
    )


@pytest.mark.parametrize("late", [False, True], ids=["registration first", "passage first"])
def test_the_page_names_a_walk_in_by_category_unit_and_four_digits(
    demo: Demo, console: Console, late: bool
) -> None:
    journal = Journal()
    journal.add("registration", NOON, registered())
    journal.entry(NOON, minutes=1)
    first, then = (2, 1) if late else (1, 2)
    demo.centre.receive(journal.sent(first, first))
    assert demo.centre.receive(journal.sent(then, then)) == 2
    row = InsideRow(
        category="courier",
        person=None,
        last4="8001",
        room="3-1202",
        gate="南门",
        entered_at=NOON,
        due_at=DUE,
    )
    assert console.now().inside == (row,)


def test_the_page_shows_the_digits_and_nobody_elses(demo: Demo, console: Console) -> None:
    known = demo.issuer.issue(order()).claims
    journal = Journal()
    journal.add("registration", NOON, registered())
    journal.entry(NOON)
    journal.passage("entry", NOON, person=known.person, pass_id=known.pass_id, stay="5b" * 8)
    demo.centre.receive(journal.sent())
    server = PageServer(create_console(console, clock=demo.centre.clock), port=0, setting="none")
    server.start()
    try:
        page = httpx2.get(server.url, trust_env=False).text
    finally:
        server.stop()
    assert page.count("…8001") == 1
    assert "李*" in page
    assert "guard 3" not in page


def test_a_walk_in_that_stays_too_long_is_an_incident_an_sms_and_red_everywhere(
    demo: Demo, console: Console
) -> None:
    journal = Journal()
    journal.add("registration", NOON, registered(phone_last4=None))
    journal.entry(NOON, minutes=1)
    demo.centre.receive(journal.sent())
    demo.centre.clock.pass_by(60)
    assert monitor(demo).tick() == 1
    (over,) = console.now().overstays
    assert (over.category, over.room, over.person, over.last4) == ("courier", "3-1202", None, None)
    (message,) = console.now().sms
    assert message.to == SUPERVISOR
    journal.leaving(NOON + timedelta(seconds=50))
    demo.centre.receive(journal.sent())
    assert console.now().overstays == ()
    assert demo.centre.rows(schema.incident, "state") == [("withdrawn",)]


def test_a_registration_is_kept_once_and_the_first_stands(demo: Demo) -> None:
    journal = Journal()
    journal.add("registration", NOON, registered())
    journal.add("registration", NOON + timedelta(seconds=1), registered(phone_last4="9999"))
    for _ in range(2):
        assert demo.centre.receive(journal.sent()) == 2
    kept = demo.centre.rows(
        schema.registration, "pass_id", "gate", "person", "category", "unit", "phone_last4", "by", "at"
    )
    assert kept == [(PASS, "south", PERSON, "courier", 12, "8001", "guard 3", NOON)]
    assert demo.centre.rows(schema.dead_letter) == []


@pytest.mark.parametrize(
    "change",
    [
        {"phone_last4": "13800138001"},
        {"pass_end": "soon"},
        {"pass_end": "9999-12-31T23:59:59-12:00"},
        {"pass_id": None},
        {"by": None},
    ],
    ids=str,
)
def test_a_registration_that_cannot_be_read_is_a_dead_letter_and_stops_nothing(
    demo: Demo, console: Console, change: dict[str, Any]
) -> None:
    journal = Journal()
    journal.add("registration", NOON, registered(**change))
    journal.entry(NOON)
    assert demo.centre.receive(journal.sent()) == 2
    assert demo.centre.rows(schema.registration) == []
    ((why,),) = demo.centre.rows(schema.dead_letter, "why")
    assert why == "a registration whose data cannot be read"
    assert len(console.now().inside) == 1


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with served_at(tmp_path / "demo") as made:
        made.demo.centre.clock.pass_by((SystemClock().now() - NOON).total_seconds())
        yield made


def heard(served: Served) -> Bundle:
    gate = Gate(served)
    gate.hears()
    assert gate.holding.bundle is not None
    return gate.holding.bundle


def test_who_overstays_on_a_walk_in_pass_is_red_in_the_bundle(served: Served) -> None:
    centre = served.demo.centre
    now, journal = centre.clock.now().replace(microsecond=0), Journal()
    journal.add("registration", now, registered())
    journal.entry(now, minutes=1)
    centre.receive(journal.sent())
    assert heard(served).red == ()
    centre.clock.pass_by(120)
    due = int((now + timedelta(minutes=1)).timestamp())
    assert heard(served).red == (Red(bytes.fromhex(PERSON), due, RedCause.OVERSTAY),)


def test_a_walk_in_is_refused_by_the_name_of_the_pass(served: Served) -> None:
    centre = served.demo.centre
    now, journal = centre.clock.now(), Journal()
    journal.add("registration", now, registered())
    centre.receive(journal.sent())
    heard(served)
    done = served.run("site", "refuse-before", "--pass", PASS, *WHY, "--json")
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["key"], answer["published"]) == (PERSON, True)
    bundle = heard(served)
    issued = int(now.timestamp())
    assert bundle.refused_before(claims(person=PERSON, issued_at=issued - 60), b"")
    assert not bundle.refused_before(claims(person=PERSON, issued_at=issued + 3600), b"")
    assert not bundle.refused_before(claims(issued_at=issued - 60), b"")  # somebody else
    assert centre.rows(schema.audit, "actor", "action", "subject") == [("王芳", "refused_before", PERSON)]


def test_a_person_or_the_holder_of_an_issued_pass_is_refused_before_a_moment(served: Served) -> None:
    made = served.demo.issuer.issue(order()).claims
    heard(served)
    by_pass = served.run("site", "refuse-before", "--pass", made.pass_id, *WHY, "--json")
    assert json.loads(by_pass.stdout)["key"] == made.person
    by_person = served.run("site", "refuse-before", PERSON, "--before", "2026-11-22T04:00:00", *WHY, "--json")
    assert json.loads(by_person.stdout)["before"] == "2026-11-22T04:00:00.000Z"
    assert [rule.key.hex() for rule in heard(served).before] == sorted((PERSON, made.person))


UNCLEAR: list[tuple[tuple[str, ...], int]] = [
    ((*WHY,), 2),
    ((PERSON, "--pass", PASS, *WHY), 2),
    (("--pass", "aabbccdd", *WHY), 2),
    (("AA" * 8, *WHY), 2),
    ((PERSON, "--by", "王芳"), 2),
    (("--pass", PASS, *WHY), 1),
    ((PERSON, *WHY, "--site", "8"), 2),
    ((PERSON, *WHY, "--dry-run", "--json"), 0),
]


def test_what_is_not_said_clearly_refuses_nobody(served: Served) -> None:
    heard(served)
    for arguments, code in UNCLEAR:
        done = served.run("site", "refuse-before", *arguments)
        assert done.exit_code == code, (arguments, done.stderr)
    assert heard(served).before == ()
