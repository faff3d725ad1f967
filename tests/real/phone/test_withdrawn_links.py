"""A link that was given out and is not to be taken any more: withdrawn by its id, or with its person."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from controller import schema
from controller.people import canonical_phone
from controller.phone.enrolment import Enrolled, Refusal
from controller.withdrawals import Withdrawals
from tests.real.controller.centre import NOON, SITE
from tests.real.phone.conftest import TOKEN, Site
from tests.real.phone.test_enrolment import ORDER, new_link, proof

pytestmark = pytest.mark.real
WHY = {"by": "王芳", "reason": "host cancelled"}
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def call(site: Site, path: str, body: dict[str, Any] | None = None) -> httpx2.Response:
    with httpx2.Client(base_url=site.server.url, headers=HEADERS, trust_env=False) as client:
        return client.post(f"/api/v1{path}", json=body) if body else client.get(f"/api/v1{path}")


def refuse_before(site: Site, person: str, moment_s: float = 0) -> None:
    """Everything of this person that was made before ``moment_s`` seconds after noon."""
    moment = NOON + timedelta(seconds=moment_s)
    withdrawals = Withdrawals(site.demo.centre.store, site.clock, lambda: None)
    withdrawals.refuse_before(SITE, person, moment, by="王芳", reason="banned")


def person_of(site: Site, phone: str = "13800138001") -> str:
    """Who has this number: the pass of another link of it says so."""
    secret, challenge = new_link(site, phone=phone)
    taken = site.enrolment.enrol(secret, proof(challenge, 9))
    assert isinstance(taken, Enrolled)
    with site.demo.centre.store.transaction() as connection:
        phones = schema.phone.c
        found: str = connection.execute(
            select(phones.person).where(phones.phone == canonical_phone(phone))
        ).scalar_one()
    return found


def test_a_withdrawn_link_gives_no_pass_and_forgets_its_order(site: Site) -> None:
    made = call(site, "/enrolments", ORDER).json()
    secret = made["link"].partition("#")[2]
    assert call(site, f"/enrolments/{made['id']}").json()["open"] is True
    done = call(site, f"/enrolments/{made['id']}/revoke", WHY)
    assert (done.status_code, done.json()["open"], done.json()["used_at"]) == (200, False, None)
    assert site.enrolment.look(secret) is Refusal.UNKNOWN
    assert site.enrolment.enrol(secret, proof("00" * 32)) is Refusal.UNKNOWN
    assert site.demo.centre.rows(schema.enrolment, "ordered") == [(None,)]
    assert call(site, f"/enrolments/{made['id']}/revoke", WHY).status_code == 200
    told = ("actor", "action", "subject", "detail")
    assert site.demo.centre.rows(schema.audit, *told) == [
        ("王芳", "link_revoked", made["id"], "host cancelled")
    ]


def test_a_link_that_gave_a_pass_says_which_pass_to_withdraw(site: Site) -> None:
    secret, challenge = new_link(site)
    taken = site.enrolment.enrol(secret, proof(challenge))
    assert isinstance(taken, Enrolled)
    ((link_id,),) = site.demo.centre.rows(schema.enrolment, "id")
    refused = call(site, f"/enrolments/{link_id}/revoke", WHY)
    assert refused.status_code == 409
    assert f"pass revoke {taken.pass_id}" in refused.json()["detail"]
    assert isinstance(site.enrolment.enrol(secret, proof(challenge)), Enrolled)


def test_nobody_withdraws_what_is_not_there_or_without_saying_who(site: Site) -> None:
    assert call(site, "/enrolments/0123456789abcdef/revoke", WHY).status_code == 404
    assert call(site, "/enrolments/0123456789abcdef/revoke", {"by": "王芳"}).status_code == 422


def test_a_ban_of_the_person_ends_the_links_that_were_given_out_before(site: Site) -> None:
    person = person_of(site)
    secret, challenge = new_link(site)
    others, other_challenge = new_link(site, phone="13800138002")
    site.clock.pass_by(10)
    refuse_before(site, person, 10)
    assert site.enrolment.look(secret) is Refusal.UNKNOWN
    assert site.enrolment.enrol(secret, proof(challenge)) is Refusal.UNKNOWN
    assert isinstance(site.enrolment.enrol(others, proof(other_challenge)), Enrolled)


def test_a_ban_of_the_person_as_a_walk_in_ends_the_links_too(site: Site) -> None:
    person, walk_in = person_of(site), "5c" * 8
    with site.demo.centre.store.transaction() as connection:
        known = schema.alias.insert().values(site=SITE, person=person, secret="1f2e3d4c", alias=walk_in)
        connection.execute(known)
    secret, challenge = new_link(site)
    site.clock.pass_by(10)
    refuse_before(site, walk_in, 10)
    assert site.enrolment.enrol(secret, proof(challenge)) is Refusal.UNKNOWN


def test_a_link_that_was_made_after_the_ban_gives_a_pass(site: Site) -> None:
    person = person_of(site)
    refuse_before(site, person)
    site.clock.pass_by(1)
    secret, challenge = new_link(site)
    assert isinstance(site.enrolment.enrol(secret, proof(challenge)), Enrolled)


def test_a_ban_that_comes_while_a_phone_enrols_is_not_outrun(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = person_of(site)
    secret, challenge = new_link(site)
    site.clock.pass_by(10)
    issuer = site.demo.issuer
    issue = issuer.issue

    def banned_first(order: Any) -> Any:
        refuse_before(site, person, 10)
        return issue(order)

    monkeypatch.setattr(issuer, "issue", banned_first)
    assert site.enrolment.enrol(secret, proof(challenge)) is Refusal.UNKNOWN
    monkeypatch.undo()
    assert site.enrolment.enrol(secret, proof(challenge)) is Refusal.UNKNOWN
