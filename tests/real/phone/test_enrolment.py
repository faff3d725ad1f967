"""Links and enrolment over HTTP and on a real database, without a browser."""

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from sqlalchemy import select

from controller import schema
from controller.api import PassRequest
from controller.hours import read_hours
from controller.phone.enrolment import Enrolled, Enrolment, Proof, Refusal, proof_message
from passes.claims import Claims, KeyLevel, decode_claims
from passes.gp1 import SignedPass, open_body
from passes.keys import p256_public, p256_signer
from passes.vocabulary import ClockTrust
from tests.minting import phone_key
from tests.real.controller.centre import NOON, SITE, Journal
from tests.real.phone.conftest import TOKEN, Site

pytestmark = pytest.mark.real
ORDER = {
    "name": "李雷",
    "phone": "13800138001",
    "category": "courier",
    "unit": 12,
    "valid_minutes": 24 * 60,
    "gates": [0],
}


@pytest.fixture
def issuer(site: Site) -> Iterator[httpx2.Client]:
    """A caller with the token."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx2.Client(base_url=site.server.url, headers=headers, trust_env=False) as client:
        yield client


@pytest.fixture
def phone(site: Site) -> Iterator[httpx2.Client]:
    """What a phone's browser sends along."""
    agent = "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/156 Mobile Safari/537.36 MicroMessenger/8.0"
    headers = {"Sec-Fetch-Site": "same-origin", "User-Agent": agent}
    with httpx2.Client(base_url=site.server.url, headers=headers, trust_env=False) as client:
        yield client


def body(
    secret: str, challenge: str, *, key: EllipticCurvePrivateKey | None = None, **changes: Any
) -> dict[str, Any]:
    key = key or phone_key()
    point = p256_public(key)
    proof = p256_signer(key)(proof_message(bytes.fromhex(challenge), point))
    return {
        "secret": secret,
        "public_key": point.hex(),
        "proof": proof.hex(),
        "key_level": 2,
        **changes,
    }


def new_link(site: Site, **changes: Any) -> tuple[str, str]:
    """Secret and challenge of a new link."""
    secret = site.link(**changes).partition("#")[2]
    with site.demo.centre.store.transaction() as connection:
        challenges = select(schema.enrolment.c.challenge).where(
            schema.enrolment.c.secret_hash == hashlib.sha256(secret.encode()).hexdigest()
        )
        return secret, connection.execute(challenges).scalar_one()


def proof(challenge: str, number: int = 1) -> Proof:
    key = phone_key(number)
    point = p256_public(key)
    signed = p256_signer(key)(proof_message(bytes.fromhex(challenge), point))
    return Proof(public_key=point, signature=signed, level=KeyLevel.KEPT, device="test")


def test_an_issuer_makes_a_link_and_learns_which_device_took_it(
    site: Site, issuer: httpx2.Client, phone: httpx2.Client
) -> None:
    made = issuer.post("/api/v1/enrolments", json={**ORDER, "link_minutes": 30})
    assert made.status_code == 201
    answer = made.json()
    path, _, secret = answer["link"].partition("#")
    assert (path, len(secret), answer["expires_at"]) == ("/p", 22, "2026-11-22T04:30:00.000Z")
    offered = phone.post("/p/look", json={"secret": secret}).json()
    assert offered["now_ms"] == NOON.timestamp() * 1000
    assert offered["words"] == {
        "colour": "blue",
        "category_zh": "快递",
        "category_en": "Courier",
        "site": "阳光花园",
        "zone": "Asia/Shanghai",
        "short_codes": False,
        "hours": [],
    }
    taken = phone.post("/p/enrol", json=body(secret, offered["challenge"]))
    assert taken.status_code == 200
    claims = claims_in(taken.json())
    assert (claims.holder_key, claims.unit, claims.gates) == (p256_public(phone_key()), 12, 1)
    assert taken.json()["pass_id"] == claims.pass_id
    assert taken.json()["expires_ms"] == claims.expires_at * 1000
    assert issuer.get(f"/api/v1/enrolments/{answer['id']}").json() == {
        "id": answer["id"],
        "site": 7,
        "open": False,
        "expires_at": "2026-11-22T04:30:00.000Z",
        "used_at": "2026-11-22T04:00:00.000Z",
        "device": "Android · WeChat",
        "key_level": 2,
        "pass_id": claims.pass_id,
    }
    assert (taken.json()["key_level"], taken.json()["entries"], claims.flags) == (2, 0, 0b10_0000)


def test_the_first_device_wins_and_may_ask_again(site: Site, phone: httpx2.Client) -> None:
    secret, challenge = new_link(site)
    first = phone.post("/p/enrol", json=body(secret, challenge))
    second = phone.post("/p/enrol", json=body(secret, challenge, key=phone_key(2)))
    again = phone.post("/p/enrol", json=body(secret, challenge))
    assert (first.status_code, second.status_code, again.status_code) == (200, 409, 200)
    assert again.json() == first.json()
    assert second.json()["code"] == "used" and second.json()["zh"] and second.json()["en"]
    assert phone.post("/p/look", json={"secret": secret}).status_code == 409
    assert len(site.demo.centre.rows(schema.pass_issued)) == 1


def test_of_many_devices_at_once_one_gets_the_pass(site: Site) -> None:
    secret, challenge = new_link(site)
    outcomes: list[Enrolled | Refusal] = []
    together = threading.Barrier(4)

    def take(number: int) -> None:
        together.wait()
        outcomes.append(site.enrolment.enrol(secret, proof(challenge, number)))

    threads = [threading.Thread(target=take, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome == Refusal.USED for outcome in outcomes) == [False, True, True, True]
    assert len(site.demo.centre.rows(schema.pass_issued)) == 1


def test_a_centre_that_died_after_the_claim_gives_the_pass_to_that_key_alone(site: Site) -> None:
    secret, challenge = new_link(site)
    claim(site)
    assert site.enrolment.enrol(secret, proof(challenge, 2)) is Refusal.USED
    assert isinstance(site.enrolment.enrol(secret, proof(challenge)), Enrolled)


def claim(site: Site) -> None:
    """What a centre leaves that dies after the claim of the first phone."""
    claimed = schema.enrolment.update().values(used_at=NOON, holder_key=p256_public(phone_key()).hex())
    with site.demo.centre.store.transaction() as connection:
        connection.execute(claimed)


def test_a_phone_that_claimed_in_time_gets_its_pass_after_the_links_end_too(site: Site) -> None:
    secret, challenge = new_link(site, life=timedelta(minutes=1))
    claim(site)
    site.clock.pass_by(120)
    site.enrolment.forget()
    assert site.enrolment.enrol(secret, proof(challenge, 2)) is Refusal.USED
    assert isinstance(site.enrolment.enrol(secret, proof(challenge)), Enrolled)


def test_a_pass_that_was_issued_and_never_recorded_is_withdrawn_when_the_phone_asks_again(site: Site) -> None:
    secret, challenge = new_link(site)
    first = site.enrolment.enrol(secret, proof(challenge))
    assert isinstance(first, Enrolled)
    withdrawn: list[str] = []
    enrolment = Enrolment(
        store=site.demo.centre.store,
        issuers={SITE: site.demo.issuer},
        clock=site.clock,
        random_bytes=os.urandom,
        take_back=withdrawn.append,
    )
    assert enrolment.enrol(secret, proof(challenge)) == first
    order = PassRequest(**ORDER).model_dump_json()
    died = schema.enrolment.update().values(ordered=order, sealed=None, pass_id=None, pass_expires_at=None)
    with site.demo.centre.store.transaction() as connection:
        connection.execute(died)
    again = enrolment.enrol(secret, proof(challenge))
    assert isinstance(again, Enrolled)
    assert (withdrawn, again.pass_id != first.pass_id) == ([first.pass_id], True)


def test_while_one_phone_gets_its_pass_another_waits_and_is_told_that_it_is_gone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, challenge = new_link(site)
    issuing, go_on = threading.Event(), threading.Event()
    issue, looked = site.enrolment._issue, threading.Event()
    find = site.enrolment._find

    def slowly(*arguments: Any) -> Any:
        issuing.set()
        assert go_on.wait(10)
        return issue(*arguments)

    def watched(asked: str) -> Any:
        found = find(asked)
        if issuing.is_set() and not go_on.is_set():
            looked.set()  # the second phone got past the door while the first was inside
        return found

    monkeypatch.setattr(site.enrolment, "_issue", slowly)
    monkeypatch.setattr(site.enrolment, "_find", watched)
    with ThreadPoolExecutor(2) as phones:
        first = phones.submit(site.enrolment.enrol, secret, proof(challenge))
        assert issuing.wait(10)
        second = phones.submit(site.enrolment.enrol, secret, proof(challenge))
        overtaken = looked.wait(0.3)
        go_on.set()
        answers = first.result(10), second.result(10)
    assert not overtaken
    assert answers[0] == answers[1]
    assert len(site.demo.centre.rows(schema.pass_issued)) == 1


def test_neither_secret_nor_in_the_end_name_and_number_are_kept(site: Site, phone: httpx2.Client) -> None:
    secret, challenge = new_link(site)
    used = phone.post("/p/enrol", json=body(secret, challenge))
    assert used.status_code == 200
    site.link(life=timedelta(minutes=1))
    site.clock.pass_by(59)
    assert site.enrolment.forget() == 0
    site.clock.pass_by(1)
    site.link()
    assert site.enrolment.forget() == 1
    orders = [ordered for (ordered,) in site.demo.centre.rows(schema.enrolment, "ordered")]
    assert sorted(ordered is None for ordered in orders) == [False, True, True]
    assert secret not in json.dumps([str(row) for row in site.demo.centre.rows(schema.enrolment)])
    site.clock.pass_by(40 * 24 * 3600)
    site.enrolment.forget()
    assert site.demo.centre.rows(schema.enrolment) == []


def test_of_a_claim_that_was_cut_short_nothing_is_kept_for_long_either(site: Site) -> None:
    new_link(site, life=timedelta(minutes=1))
    claim(site)
    site.clock.pass_by(60 + 3599)
    assert site.enrolment.forget() == 0
    site.clock.pass_by(1)
    assert site.enrolment.forget() == 1
    assert site.demo.centre.rows(schema.enrolment, "ordered") == [(None,)]


def test_a_soft_key_gets_a_pass_of_half_a_day_and_one_entry_that_says_so(
    site: Site, phone: httpx2.Client
) -> None:
    passes = []
    for level in (1, 2):
        secret, challenge = new_link(site)
        taken = phone.post("/p/enrol", json=body(secret, challenge, key_level=level)).json()
        claims = claims_in(taken)
        life_s = taken["expires_ms"] / 1000 - NOON.timestamp()
        passes.append((life_s, claims.entries, claims.flags, taken["entries"], taken["key_level"]))
        assert claims.expires_at * 1000 == taken["expires_ms"]
    assert passes == [(12 * 3600, 1, 0b01_0000, 1, 1), (24 * 3600, 0, 0b10_0000, 0, 2)]


def test_a_page_that_claims_a_passkey_gets_nothing_and_the_link_stays_good(
    site: Site, phone: httpx2.Client
) -> None:
    secret, challenge = new_link(site)
    assert phone.post("/p/enrol", json=body(secret, challenge, key_level=3)).status_code == 422
    taken = phone.post("/p/enrol", json=body(secret, challenge, key_level=2))
    assert claims_in(taken.json()).key_level is KeyLevel.KEPT


def test_a_repeat_pass_tells_its_hours_before_and_after_it_is_taken(
    site: Site, issuer: httpx2.Client, phone: httpx2.Client
) -> None:
    hours = ["mon-fri 09:00-12:00", "sat 10:00-11:00"]
    ordered = {**ORDER, "category": "service", "hours": hours, "valid_minutes": 7 * 24 * 60}
    secret = issuer.post("/api/v1/enrolments", json=ordered).json()["link"].partition("#")[2]
    said = [
        {"zh": "周一至周五 09:00-12:00", "en": "Mon–Fri 09:00-12:00"},
        {"zh": "周六 10:00-11:00", "en": "Sat 10:00-11:00"},
    ]
    offered = phone.post("/p/look", json={"secret": secret}).json()
    taken = phone.post("/p/enrol", json=body(secret, offered["challenge"])).json()
    assert (offered["words"]["hours"], taken["words"]["hours"]) == (said, said)
    assert claims_in(taken).schedule == read_hours(hours)


def claims_in(taken: dict[str, Any]) -> Claims:
    opened = open_body(bytes.fromhex(taken["pass_hex"]))
    assert isinstance(opened, SignedPass)
    return decode_claims(opened.payload)


def test_a_proof_by_another_key_or_for_another_link_is_none(site: Site, phone: httpx2.Client) -> None:
    secret, challenge = new_link(site)
    _, other = new_link(site)
    swapped = body(secret, challenge, public_key=p256_public(phone_key(2)).hex())
    off_curve = body(secret, challenge, public_key="02" + "ff" * 32)
    for wrong in (swapped, off_curve, body(secret, other)):
        answer = phone.post("/p/enrol", json=wrong)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_proven")
    assert phone.post("/p/enrol", json=body(secret, challenge)).status_code == 200


def test_wrong_and_expired_links_get_one_answer_and_guessing_gets_slow(
    site: Site, phone: httpx2.Client
) -> None:
    expired, challenge = new_link(site, life=timedelta(0))
    good, _ = new_link(site)
    answers = [phone.post("/p/look", json={"secret": secret}) for secret in (expired, "x" * 22, "?")]
    answers.append(phone.post("/p/enrol", json=body(expired, challenge)))
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}
    for number in range(16):
        assert phone.post("/p/look", json={"secret": str(number)}).status_code == 404
    assert phone.post("/p/look", json={"secret": "one more"}).status_code == 429
    site.clock.pass_by(61)
    assert phone.post("/p/look", json={"secret": good}).status_code == 200


def test_a_person_who_is_red_gets_no_pass_and_the_link_stays_good(site: Site, phone: httpx2.Client) -> None:
    secret, challenge = new_link(site)
    assert phone.post("/p/enrol", json=body(secret, challenge)).status_code == 200
    person = site.demo.centre.rows(schema.person, "person")[0][0]
    journal = Journal()
    journal.entry(NOON, minutes=1, person=person)
    site.demo.centre.receive(journal.sent())
    site.clock.pass_by(90)
    secret, challenge = new_link(site)
    refused = phone.post("/p/enrol", json=body(secret, challenge))
    assert (refused.status_code, refused.json()["code"]) == (403, "red")
    journal.leaving(site.clock.now())
    site.demo.centre.receive(journal.sent())
    assert phone.post("/p/look", json={"secret": secret}).status_code == 200


def test_a_centre_that_doubts_its_clock_says_later_and_means_it(site: Site, phone: httpx2.Client) -> None:
    secret, challenge = new_link(site)
    site.clock.trusted = ClockTrust.UNTRUSTED
    later = phone.post("/p/enrol", json=body(secret, challenge))
    assert (later.status_code, later.json()["code"]) == (503, "later")
    site.clock.trusted = ClockTrust.TRUSTED
    assert phone.post("/p/enrol", json=body(secret, challenge)).status_code == 200


def test_a_malformed_question_is_refused_and_uses_nothing_up(site: Site, phone: httpx2.Client) -> None:
    secret, challenge = new_link(site)
    good = body(secret, challenge)
    malformed: list[tuple[dict[str, Any], int]] = [
        ({"more": 1}, 422),
        ({"key_level": 3}, 422),
        ({"key_level": 0}, 422),
        ({"public_key": "04" + "00" * 32}, 422),
        ({"proof": "00"}, 422),
        ({"secret": "x" * 65}, 422),
        ({"secret": "x" * 2000}, 413),
    ]
    for changed, status in malformed:
        assert phone.post("/p/enrol", json={**good, **changed}).status_code == status
    assert phone.post("/p/enrol", content=iter([b"{}"])).status_code == 411
    assert phone.post("/p/enrol", json=good).status_code == 200


def test_another_sites_page_cannot_enrol(site: Site, phone: httpx2.Client) -> None:
    secret, challenge = new_link(site)
    foreign = phone.post("/p/enrol", json=body(secret, challenge), headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    assert site.demo.centre.rows(schema.enrolment, "used_at") == [(None,)]


def test_a_link_that_could_never_become_a_pass_is_not_made(site: Site, issuer: httpx2.Client) -> None:
    wrong: list[dict[str, Any]] = [
        {"static": True},
        {"holder_key": "02" * 33},
        {"phone": "12345"},
        {"unit": 65_536},
        {"gates": [8]},
        {"gates": []},
        {"link_minutes": 0},
        {"category": "burglar"},
        {"site": 8},
        {"valid_minutes": 8 * 24 * 60},
        {"stay_minutes": 61},
        {"hours": []},
        {"hours": ["mon 09:05-10:00"]},
        {"key_level": 1},
        {"more": 1},
    ]
    for changed in wrong:
        assert issuer.post("/api/v1/enrolments", json={**ORDER, **changed}).status_code == 422
    field = issuer.post("/api/v1/enrolments", json={**ORDER, "stay_minutes": 61}).json()["detail"]["field"]
    assert field == "stay_minutes"
    assert site.demo.centre.rows(schema.enrolment) == []
    assert issuer.post("/api/v1/enrolments", json=ORDER).status_code == 201


def test_links_are_made_for_the_token_alone(site: Site, issuer: httpx2.Client) -> None:
    issuer.headers["Authorization"] = "Bearer wrong"
    assert issuer.post("/api/v1/enrolments", json=ORDER).status_code == 401
    assert issuer.get("/api/v1/enrolments/0").status_code == 401
    issuer.headers["Authorization"] = f"Bearer {TOKEN}"
    assert issuer.post("/api/v1/enrolments", content=iter([b"{}"])).status_code == 411
    assert issuer.get("/api/v1/enrolments/0").status_code == 404


def test_the_page_has_the_headers_of_the_house_and_its_worker_its_scope(
    site: Site, phone: httpx2.Client
) -> None:
    page, worker = phone.get("/p"), phone.get("/p/worker.js")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-cache"
    assert worker.headers["service-worker-allowed"] == "/p"
    assert "@version@" not in worker.text
    assert phone.get("/p/vendor/lean-qr.licence.md").text.startswith("MIT License")
    assert phone.get("/p/vendor/vendored.toml").status_code == 404
    assert phone.get("/p/../enrolment.py").status_code == 404
