"""``pass`` commands for what the centre did not sign itself, for links, and the names on a slip."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controller.gate_keys import Enrolment
from passes.keys import ed25519_public
from passes.vocabulary import Category
from tests.minting import Mint
from tests.real.controller.centre import NOON, PASS, SITE, Journal
from tests.real.controller.serving import Served, served_at
from tests.real.controller.test_pass_commands import AT, CLEANER, facts_of, issued
from tests.real.controller.test_registrations import registered

pytestmark = pytest.mark.real
WHY = ("--by", "王芳", "--reason", "host cancelled")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with served_at(tmp_path / "demo") as made:
        yield made


def register(served: Served, **changes: Any) -> Journal:
    journal = Journal()
    journal.add("registration", NOON, registered(**changes))
    served.demo.centre.receive(journal.sent())
    return journal


def test_show_tells_which_gate_registered_a_walk_in_when_and_by_whom(served: Served) -> None:
    register(served)
    done = served.run("pass", "show", PASS)
    assert done.exit_code == 0, done.stderr
    facts = facts_of(done.stdout)
    assert facts["kind"] == "blue, walk-in: registered at a gate"
    assert facts["registered"] == "at gate south, 2026-11-22 12:00:00 by guard 3: centre away"
    assert (facts["holder"], facts["category"], facts["unit"]) == ("…8001", "快递 Courier", "12")
    assert facts["state"] == "valid"


def test_a_walk_in_is_used_up_by_its_visit_and_ends(served: Served) -> None:
    journal = register(served, phone_last4=None)
    journal.entry(NOON)
    served.demo.centre.receive(journal.sent())
    used = json.loads(served.run("pass", "show", PASS, "--json").stdout)
    assert (used["kind"], used["state"], len(used["visits"])) == ("walk_in", "used_up", 1)
    assert facts_of(served.run("pass", "show", PASS).stdout)["visit"].startswith("south 2026-11-22 12:00:00")
    served.demo.centre.clock.pass_by(2 * 3600)
    assert json.loads(served.run("pass", "show", PASS, "--json").stdout)["state"] == "expired"


def test_a_walk_in_is_withdrawn_with_its_holder_and_the_command_says_so(served: Served) -> None:
    register(served)
    done = served.run("pass", "revoke", PASS, *WHY)
    assert done.exit_code == 1
    assert f"site refuse-before --pass {PASS}" in done.stderr
    assert served.publisher.look() == 1
    advised = served.run("site", "refuse-before", "--pass", PASS, "--before", AT, *WHY)
    assert advised.exit_code == 0, advised.stderr


def test_verify_says_that_a_pass_of_an_unknown_key_may_be_a_walk_in(served: Served) -> None:
    done = served.run("pass", "verify", Mint().paper(), "--at", AT)
    assert done.exit_code == 1
    facts = facts_of(done.stdout)
    assert facts["reason"] == "unknown_key"
    assert "perhaps a walk-in pass" in facts["detail"] and "postern-edge scan" in facts["detail"]
    assert "walk-in" not in served.run("pass", "verify", "GP1:0000", "--at", AT).stdout


def test_a_link_is_withdrawn_by_its_id(served: Served) -> None:
    link = json.loads(served.run("pass", "issue", *CLEANER, "--phone-link", "--json").stdout)["id"]
    tried = served.run("pass", "revoke-link", link, *WHY, "--dry-run")
    assert (tried.exit_code, facts_of(tried.stdout)["taken"]) == (0, "not yet")
    done = served.run("pass", "revoke-link", link, *WHY)
    assert (done.exit_code, facts_of(done.stdout)["taken"]) == (0, "never: expired or withdrawn")
    assert json.loads(served.run("pass", "link", link, "--json").stdout)["open"] is False


def test_a_slip_names_the_site_and_the_gate_that_the_centre_knows_by_its_key(
    served: Served, tmp_path: Path
) -> None:
    def where() -> str:
        slip = tmp_path / "slip.svg"
        issued(served, "--static", "--out", str(slip), "--force")
        return next(line for line in ElementTree.parse(slip).getroot().itertext() if "阳光花园" in line)

    assert where() == "阳光花园 · 门 Gate 0"
    public = ed25519_public(Ed25519PrivateKey.generate())
    asked = Enrolment(number=0, name="south", public=public, categories=frozenset({Category.FOOD}))
    served.gates.enrol(SITE, asked, by="王芳")
    assert where() == "阳光花园 · 南门"
