"""The delegated walk-in key: its certificate, and what a gate may sign under it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from passes.bundle import BUNDLE_BYTES_MAX, WALK_IN_MAX, Bundle, Problem, Refused, open_state, split_bundle
from passes.check import Checked, Rejected, Verified, check
from passes.claims import FLAG_CRITICAL_TAIL
from passes.cose import seal_file
from passes.gp1 import Algorithm, to_text, wrap
from passes.keys import KeyTable, key_id, p256_public, p256_signer
from passes.schedule import Hours, Schedule
from passes.trust import Certificates, keys_for, open_certificates
from passes.vocabulary import Category, ClockTrust, Reason
from passes.walkin import (
    CATEGORIES,
    CERTIFICATE_BYTES_MAX,
    CERTIFICATE_LIFE_MAX,
    Certificate,
    CertificateError,
    Delegation,
    WalkInError,
    open_certificate,
    seal_certificate,
    seal_walk_in,
)
from tests.bundling import Office, entry
from tests.minting import COLLIDING, NOW, NOW_UNIX, SITE, Mint, claims, phone_key

GATE_KEY = Mint(secret=b"\x44" * 32)  # the key of gate 2
OFFICE = Office()
SINCE, UNTIL = NOW - timedelta(hours=10), NOW + timedelta(hours=14)
FITTING = {"gates": 0b100, "status": 0, "entries": 1}
DELEGATION = Delegation(
    site=SITE,
    gate=2,
    categories=frozenset({Category.COURIER, Category.OTHER}),
    not_before=SINCE,
    not_after=UNTIL,
)
GRANTED: dict[str, Any] = {
    "gate": 2,
    "categories": DELEGATION.categories,
    "not_before": SINCE,
    "not_after": UNTIL,
}
CERTIFICATE = OFFICE.certificate(GATE_KEY.public, **GRANTED)


def opened(*found: bytes, office: Office = OFFICE) -> Certificates:
    return open_certificates(found, office.key_set())


def table(*found: bytes, office: Office = OFFICE) -> KeyTable:
    """What a gate checks passes with that holds a bundle with these certificates."""
    return office.key_set().to_domain(opened(*found, office=office).good)


KEYS = table(CERTIFICATE)


def ask(text: str, keys: KeyTable = KEYS, now: datetime = NOW) -> Checked:
    return check(text, keys, now=now)


def paper(**changes: Any) -> str:
    """A printed pass that gate 2 made, without asking whether it may."""
    return to_text(GATE_KEY.sealed(claims(**FITTING | changes)))


def test_a_paper_pass_of_a_gates_walk_in_key_is_good_at_every_gate_of_the_site() -> None:
    assert ask(paper()) == Verified(claims(**FITTING), None)


def phone(**changes: Any) -> str:
    """The same on a phone."""
    content = claims(**FITTING | changes, holder_key=p256_public(phone_key()))
    return to_text(wrap(GATE_KEY.sealed(content), shown_at=NOW_UNIX, sign=p256_signer(phone_key())))


def test_a_walk_in_on_a_phone_is_good_too() -> None:
    assert ask(phone()) == Verified(claims(**FITTING, holder_key=p256_public(phone_key())), NOW_UNIX)


@pytest.mark.parametrize(
    "change",
    [
        {"category": Category.RESIDENT},
        {"category": Category.INVITED},
        {"category": Category.FOOD},  # a walk-in category, but not one of this certificate
        {"site": 8},
        {"gates": 0b010},
        {"gates": 0b110},
        {"expires_at": NOW_UNIX - 600 + 12 * 3600 + 1},
        {"expires_at": int(UNTIL.timestamp()) + 1, "not_before": int(UNTIL.timestamp()) - 3600},
        {"status": 5},
        {"entries": 0},
        {"entries": 2},
        {"stay": 721},
        {"stay": 45 * 24 * 60},
        {
            "schedule": Schedule((Hours(days=127, start=0, end=144),)),
            "flags": FLAG_CRITICAL_TAIL,
            "issued_at": None,  # a printed pass has no room for both
        },
    ],
    ids=str,
)
def test_q11_what_is_beyond_the_delegation_is_refused_by_verifier_and_issuer(change: dict[str, Any]) -> None:
    content = claims(**FITTING | change)
    for answer in (ask(paper(**change)), ask(phone(**change))):
        assert isinstance(answer, Rejected)
        assert answer.reason is Reason.UNKNOWN_KEY
    with pytest.raises(WalkInError):
        seal_walk_in(
            content,
            DELEGATION,
            algorithm=Algorithm.ED25519,
            kid=key_id(GATE_KEY.public),
            sign=GATE_KEY.sign,
        )


@pytest.mark.parametrize(
    "change",
    [
        {"expires_at": NOW_UNIX - 600 + 12 * 3600},
        {"expires_at": int(UNTIL.timestamp()), "not_before": int(UNTIL.timestamp()) - 12 * 3600},
        {"not_before": int(SINCE.timestamp()) - 3600},  # made under the certificate before a renewal
        {"category": Category.OTHER},
        {"stay": 720},
        {"stay": 0},  # until the pass ends
        {"stay": -144},
        {"stay": -(144 * 454 + 120)},
    ],
    ids=str,
)
def test_what_the_gate_seals_within_its_delegation_is_accepted(change: dict[str, Any]) -> None:
    content = claims(**FITTING | change)
    sealed = seal_walk_in(
        content, DELEGATION, algorithm=Algorithm.ED25519, kid=key_id(GATE_KEY.public), sign=GATE_KEY.sign
    )
    assert ask(to_text(sealed)) == Verified(content, None)


def test_k13_a_walk_in_key_is_known_within_its_certificate_only() -> None:
    second = timedelta(seconds=1)
    answers = [ask(paper(), now=moment) for moment in (SINCE - second, SINCE, UNTIL - second, UNTIL)]
    assert [isinstance(answer, Verified) for answer in answers] == [False, True, True, False]
    withdrawn = ask(paper(), keys=table())  # a newer bundle without the certificate
    assert isinstance(withdrawn, Rejected)
    assert withdrawn.reason is Reason.UNKNOWN_KEY


def signed(
    content: object, *, secret: bytes = OFFICE.config_secret, domain: bytes = b"postern/walkin/1"
) -> bytes:
    """A file with any content under the real config key."""
    mint = Mint(secret=secret)
    payload = cbor2.dumps(content, canonical=True)
    return seal_file(
        payload, domain=domain, algorithm=Algorithm.ED25519, kid=key_id(mint.public), sign=mint.sign
    )


CONTENT: dict[str, Any] = {
    "v": 1,
    "site": SITE,
    "gate": 2,
    "key": GATE_KEY.public,
    "cats": [0x22, 0x2F],
    "nbf": int(SINCE.timestamp()),
    "exp": int(UNTIL.timestamp()),
}
LONG = int((SINCE + CERTIFICATE_LIFE_MAX).timestamp()) + 1


def test_a_certificate_comes_back_as_it_was_signed() -> None:
    assert signed(CONTENT) == CERTIFICATE
    assert opened(CERTIFICATE) == ((Certificate(DELEGATION, GATE_KEY.public),), ())
    assert len(CERTIFICATE) < 180
    assert opened(signed(CONTENT | {"later": [1]})).good == opened(CERTIFICATE).good
    day = signed(CONTENT | {"exp": LONG - 1})
    assert opened(day).problems == ()
    assert set(Category) - {Category.RESIDENT, Category.INVITED} == CATEGORIES


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cats": [0x10]}, "walk-in categories"),
        ({"cats": [0x21, 0x22]}, "walk-in categories"),
        ({"cats": []}, "walk-in categories"),
        ({"cats": [0x22, 0x99]}, "not known"),
        ({"cats": [0x2F, 0x22]}, "sorted"),
        ({"cats": [0x22, 0x22]}, "sorted"),
        ({"cats": 0x22}, "list of numbers"),
        ({"cats": [34.0]}, "list of numbers"),
        ({"exp": LONG}, "24 hours"),
        ({"exp": CONTENT["nbf"]}, "24 hours"),
        ({"gate": 8}, "gate is not"),
        ({"gate": True}, "gate is not"),
        ({"site": 8}, "of site 8"),
        ({"v": 2}, "another version"),
        ({"v": True}, "v is not"),
        ({"key": GATE_KEY.public[1:]}, "32 bytes"),
        ({"key": GATE_KEY.public.hex()}, "32 bytes"),
        ({"nbf": -1}, "nbf is not"),
        ({"more": bytes(200)}, "too many"),
    ],
    ids=str,
)
def test_q8_a_certificate_beyond_the_limits_counts_for_nothing(change: dict[str, Any], said: str) -> None:
    bad = signed(CONTENT | change)
    with pytest.raises(CertificateError, match=said):
        open_certificate(bad, keys_for("config", OFFICE.key_set()), site=SITE)
    assert opened(bad, CERTIFICATE).good == opened(CERTIFICATE).good


@pytest.mark.parametrize(
    "change",
    [
        {"categories": frozenset({Category.RESIDENT})},
        {"categories": frozenset()},
        {"gate": 8},
        {"not_after": SINCE + CERTIFICATE_LIFE_MAX + timedelta(seconds=1)},
    ],
    ids=str,
)
def test_the_centre_signs_no_certificate_that_gates_would_refuse(change: dict[str, Any]) -> None:
    with pytest.raises(CertificateError):
        OFFICE.certificate(GATE_KEY.public, **GRANTED | change)
    assert opened(OFFICE.certificate(GATE_KEY.public, **GRANTED)).problems == ()


def test_times_of_a_certificate_are_whole_seconds() -> None:
    bit = timedelta(milliseconds=700)
    exact = Certificate(replace(DELEGATION, not_before=SINCE + bit, not_after=UNTIL + bit), GATE_KEY.public)
    config = Ed25519PrivateKey.from_private_bytes(OFFICE.config_secret)
    kid = key_id(Mint(secret=OFFICE.config_secret).public)
    assert seal_certificate(exact, kid=kid, sign=config.sign) == CERTIFICATE


@pytest.mark.parametrize(
    "secret",
    [OFFICE.status_secret, OFFICE.pass_secret, OFFICE.root_secret, GATE_KEY.secret, b"\x77" * 32],
    ids=["status", "pass", "root", "the gate's own", "another site's"],
)
def test_q11_only_a_config_key_of_the_site_signs_certificates(secret: bytes) -> None:
    forged = OFFICE.certificate(GATE_KEY.public, secret=secret, **GRANTED)
    assert len(opened(forged).problems) == 1
    found = ask(paper(), keys=table(forged))
    assert isinstance(found, Rejected)
    assert found.reason is Reason.UNKNOWN_KEY
    assert isinstance(ask(paper(), keys=table(CERTIFICATE)), Verified)


def test_q7_what_a_config_key_signed_as_something_else_is_no_certificate() -> None:
    for domain in (b"", b"postern/bundle/1", b"postern/keyset/1"):
        assert opened(signed(CONTENT, domain=domain)).good == ()
    as_pass = to_text(Mint(secret=OFFICE.config_secret).sealed(claims(**FITTING)))
    assert isinstance(ask(as_pass), Rejected)


def test_every_flipped_bit_of_a_certificate_is_refused() -> None:
    for place in range(len(CERTIFICATE)):
        for bit in range(8):
            flipped = bytearray(CERTIFICATE)
            flipped[place] ^= 1 << bit
            assert opened(bytes(flipped)).good == (), f"bit {bit} of byte {place}"
    assert len(opened(CERTIFICATE).good) == 1


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", CERTIFICATE[:13], CERTIFICATE]))
def test_no_bytes_raise_and_none_are_taken(tail: bytes, head: bytes) -> None:
    assert opened(head + b"\x00" + tail).good == ()


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=40) | st.lists(st.integers())
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(CONTENT)), VALUES)
def test_q8_signed_content_of_any_type_is_taken_or_left_and_never_raises(name: str, value: object) -> None:
    found = opened(signed(CONTENT | {name: value}))
    assert len(found.good) + len(found.problems) == 1


def test_a_certificate_does_not_outlive_the_key_that_signed_it() -> None:
    config = entry(OFFICE.config_secret, "config")
    for change in ({"not_after": UNTIL - timedelta(seconds=1)}, {"not_before": SINCE + timedelta(seconds=1)}):
        keys = OFFICE.key_set(keys=[config.model_copy(update=change)])
        assert open_certificates([CERTIFICATE], keys).good == ()
    keys = OFFICE.key_set(keys=[config.model_copy(update={"not_before": SINCE, "not_after": UNTIL})])
    assert len(open_certificates([CERTIFICATE], keys).good) == 1


def test_k13_a_certificate_never_stands_in_the_way_of_a_key_of_the_key_set() -> None:
    """Whoever has a gate enrolled under an issuer's key must not narrow what that issuer's passes may say."""
    for secret in (OFFICE.pass_secret, OFFICE.status_secret, OFFICE.root_secret, OFFICE.config_secret):
        taken = OFFICE.certificate(Mint(secret=secret).public, **GRANTED)
        assert len(opened(taken).good) == 1
        keys = table(taken, CERTIFICATE)
        assert isinstance(ask(Mint().paper(category=Category.RESIDENT), keys), Verified)
        assert isinstance(ask(paper(), keys), Verified)
        assert len(keys) == 2
    by_status = to_text(Mint(secret=OFFICE.status_secret).sealed(claims(**FITTING)))
    taken = OFFICE.certificate(Mint(secret=OFFICE.status_secret).public, **GRANTED)
    assert isinstance(ask(by_status, table(taken)), Rejected)


def test_of_two_certificates_of_one_gate_key_the_later_counts() -> None:
    older = OFFICE.certificate(GATE_KEY.public, **GRANTED | {"not_after": NOW})
    for order in ((older, CERTIFICATE), (CERTIFICATE, older)):
        assert isinstance(ask(paper(), keys=table(*order)), Verified)
    assert isinstance(ask(paper(), keys=table(older)), Rejected)


def test_k13_a_later_certificate_of_another_key_with_the_same_id_does_not_replace_it() -> None:
    first, second = (Mint(secret=number.to_bytes(32, "big")) for number in COLLIDING)
    for one, other in ((first, second), (second, first)):
        later = OFFICE.certificate(other.public, **GRANTED)
        keys = table(
            OFFICE.certificate(one.public, **GRANTED | {"not_after": UNTIL - timedelta(hours=1)}), later
        )
        answers = [ask(to_text(mint.sealed(claims(**FITTING))), keys) for mint in (one, other)]
        assert [isinstance(answer, Verified) for answer in answers] == [True, False]


def test_k13_two_gate_keys_with_one_id_do_not_replace_each_other() -> None:
    first, second = (Mint(secret=number.to_bytes(32, "big")) for number in COLLIDING)
    assert key_id(first.public) == key_id(second.public)
    for one, other in ((first, second), (second, first)):
        keys = table(*(OFFICE.certificate(mint.public, **GRANTED) for mint in (one, other, one)))
        answers = [ask(to_text(mint.sealed(claims(**FITTING))), keys) for mint in (one, other)]
        assert [isinstance(answer, Verified) for answer in answers] == [True, False]


def test_k13_a_gate_key_with_the_id_of_an_issuer_is_left_out_and_the_issuer_stays() -> None:
    issuer, gate = (Mint(secret=number.to_bytes(32, "big")) for number in COLLIDING)
    office = Office(pass_secret=issuer.secret)
    keys = table(office.certificate(gate.public, **GRANTED), office=office)
    answers = [ask(to_text(mint.sealed(claims(**FITTING))), keys) for mint in (issuer, gate)]
    assert [isinstance(answer, Verified) for answer in answers] == [True, False]


def bundle_of(data: bytes) -> Bundle | Refused:
    parts = split_bundle(data)
    assert not isinstance(parts, Refused)
    keys = keys_for("status", OFFICE.key_set())
    return open_state(parts.state, keys, now=NOW, trust=ClockTrust.TRUSTED)


def test_a_bundle_carries_certificates_and_a_bad_one_costs_nothing_else() -> None:
    found = bundle_of(OFFICE.sealed(OFFICE.bundle(walkin=(b"junk", CERTIFICATE, b""))))
    assert isinstance(found, Bundle)
    assert found.walkin == (b"junk", CERTIFICATE, b"")
    assert isinstance(ask(paper(), keys=table(*found.walkin)), Verified)
    assert len(opened(*found.walkin).problems) == 2


def test_a_bundle_of_a_centre_that_knows_no_walk_ins_is_read() -> None:
    without = {key: value for key, value in state_table().items() if key != "walkin"}
    status = OFFICE.status_secret
    found = bundle_of(b"PB1\x00" + bytes(4) + signed(without, secret=status, domain=b"postern/bundle/1"))
    assert found == OFFICE.bundle()


def state_table() -> dict[str, Any]:
    data = OFFICE.sealed(OFFICE.bundle())
    content: dict[str, Any] = cbor2.loads(data[data.index(b"\xa0\x58") + 3 :])
    return content


@pytest.mark.parametrize(
    "value",
    [[b""] * (WALK_IN_MAX + 1), [bytes(CERTIFICATE_BYTES_MAX + 1)], [1], ["a"], b"", None, {}],
    ids=lambda value: str(value)[:20],
)
def test_q8_a_bundle_with_too_many_certificates_or_something_else_is_refused(value: Any) -> None:
    status = OFFICE.status_secret
    state = signed(state_table() | {"walkin": value}, secret=status, domain=b"postern/bundle/1")
    found = bundle_of(b"PB1\x00" + bytes(4) + state)
    assert isinstance(found, Refused)
    assert found.problem is Problem.MALFORMED


def test_the_maker_refuses_too_many_certificates_and_takes_the_most_there_may_be() -> None:
    with pytest.raises(ValueError, match="walkin"):
        OFFICE.sealed(OFFICE.bundle(walkin=(CERTIFICATE,) * (WALK_IN_MAX + 1)))
    data = OFFICE.sealed(OFFICE.bundle(walkin=(CERTIFICATE,) * WALK_IN_MAX))
    assert isinstance(bundle_of(data), Bundle)
    assert len(data) < 4096 < BUNDLE_BYTES_MAX


def test_q11_a_key_set_makes_no_walk_in_key_by_itself() -> None:
    for use in ("walkin", "gate", "status", "config"):
        keys = OFFICE.key_set(keys=[entry(GATE_KEY.secret, use)]).to_domain()
        answer = ask(paper(), keys=keys)
        assert isinstance(answer, Rejected)
        assert answer.reason is Reason.UNKNOWN_KEY
