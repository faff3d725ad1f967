"""Which key may speak for which pass: algorithms, key ids, uses, sites and time, confused on purpose."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from passes.check import Checked, Rejected, Verified, check
from passes.gp1 import Algorithm, from_text, to_text, wrap
from passes.keys import KeySetError, KeySetFile, KeyTable, key_id, p256_public, p256_signer
from passes.vocabulary import Category, Reason
from tests.minting import NOW, NOW_UNIX, SITE, Mint, claims, phone_key

ED25519 = Mint()
P256 = Mint(algorithm=Algorithm.P256)
BOTH = KeyTable([ED25519.trusted, P256.trusted])
TWINS = [Mint(secret=number.to_bytes(32, "big")) for number in (34_433, 170_398)]  # their key ids are equal
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def ask(text: str, keys: KeyTable = BOTH, later_days: float = 0) -> Checked:
    return check(text, keys, now=NOW + timedelta(days=later_days))


def reason(checked: Checked) -> Reason:
    assert isinstance(checked, Rejected)
    return checked.reason


def key_set(*entries: tuple[Mint, str], site: int = SITE) -> KeySetFile:
    keys = [
        {
            "kid": key_id(mint.public).hex(),
            "alg": mint.algorithm.name.lower(),
            "public": mint.public.hex(),
            "use": use,
            "categories": [category.code for category in mint.categories],
            "not_before": mint.trusted.not_before.isoformat(),
            "not_after": mint.trusted.not_after.isoformat(),
        }
        for mint, use in entries
    ]
    return KeySetFile.model_validate_json(json.dumps({"v": 1, "site": site, "seq": 1, "keys": keys}))


@pytest.mark.parametrize("mint", [ED25519, P256], ids=["ed25519", "p256"])
def test_paper_and_phone_of_an_issuer_of_either_algorithm_are_verified(mint: Mint) -> None:
    holder = p256_public(phone_key())
    assert ask(mint.paper()) == Verified(claims(entries=1), None)
    assert ask(mint.phone()) == Verified(claims(holder_key=holder), NOW_UNIX)
    assert ask(mint.phone(), keys=key_set((mint, "pass")).to_domain()) == ask(mint.phone())


@pytest.mark.parametrize("mint", [ED25519, P256], ids=["ed25519", "p256"])
def test_what_was_verified_names_its_key_and_hands_over_the_pass(mint: Mint) -> None:
    text = mint.phone()
    found = ask(text)
    assert isinstance(found, Verified)
    assert (found.kid, found.sealed) == (key_id(mint.public), from_text(text)[6:-64])


@pytest.mark.parametrize(("mint", "says"), [(ED25519, Algorithm.P256), (P256, Algorithm.ED25519)])
def test_q9_a_pass_that_names_another_algorithm_finds_no_key(mint: Mint, says: Algorithm) -> None:
    body = bytearray(from_text(mint.paper()))
    body[4] = says
    assert reason(ask(to_text(bytes(body)))) is Reason.UNKNOWN_KEY


def test_q9_no_algorithm_and_any_other_find_no_key() -> None:
    body = bytearray(from_text(ED25519.paper()))
    for algorithm in set(range(256)) - set(Algorithm):
        body[4] = algorithm
        assert reason(ask(to_text(bytes(body)))) is Reason.UNKNOWN_KEY


def test_q9_a_pass_under_the_other_keys_name_is_a_bad_signature() -> None:
    for signer, named in ((ED25519, P256), (P256, ED25519)):
        body = from_text(signer.paper())
        header = bytes([named.algorithm, 0x04, 0x44]) + key_id(named.public)
        assert reason(ask(to_text(body[:4] + header + body[11:]))) is Reason.BAD_SIGNATURE


def test_q9_a_key_of_another_curve_or_kind_is_no_key() -> None:
    point, seed = P256.public, ED25519.public
    off_curve = b"\x02" + b"\xff" * 32
    for algorithm, public in [
        (Algorithm.P256, seed),
        (Algorithm.ED25519, point),
        (Algorithm.P256, off_curve),
        (Algorithm.P256, b"\x00"),  # the point at infinity
    ]:
        with pytest.raises(KeySetError, match="not a public key"):
            replace(ED25519.trusted, algorithm=algorithm, public=public)


def test_q9_a_key_that_travels_in_the_token_is_not_looked_at() -> None:
    stranger = Mint(secret=b"\x77" * 32)
    body = from_text(stranger.paper())
    with_key = body[:11] + b"\xa1\x20\x58\x20" + stranger.public + body[12:]  # in the unprotected header
    assert reason(ask(to_text(with_key))) is Reason.MALFORMED
    assert reason(ask(to_text(body))) is Reason.UNKNOWN_KEY


def test_q10_two_keys_with_one_id_do_not_fit_one_key_set() -> None:
    assert TWINS[0].public != TWINS[1].public
    assert key_id(TWINS[0].public) == key_id(TWINS[1].public)
    with pytest.raises(KeySetError, match="twice"):
        KeyTable(mint.trusted for mint in TWINS)
    with pytest.raises(KeySetError, match="twice"):
        key_set((TWINS[0], "pass"), (TWINS[1], "pass")).to_domain()


def test_q10_a_strangers_key_with_the_id_of_ours_signs_nothing() -> None:
    assert isinstance(ask(TWINS[0].paper(), keys=TWINS[0].table), Verified)
    assert reason(ask(TWINS[1].paper(), keys=TWINS[0].table)) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("kid", [b"/etc", b"..//", b"\0\0\0\0", b"http", b"%s%s", b"' OR"])
def test_q10_a_key_id_is_four_bytes_and_never_a_place_to_look(kid: bytes) -> None:
    body = from_text(ED25519.paper())
    assert reason(ask(to_text(body[:7] + kid + body[11:]))) is Reason.UNKNOWN_KEY


@pytest.mark.parametrize("kid", [b"", b"../../../keys/issuer", b"https://evil.example/k", b"k" * 255])
def test_q10_a_key_id_of_another_length_is_malformed(kid: bytes) -> None:
    body = from_text(ED25519.paper())
    longer = (
        b"\x84\x58" + bytes([7 + len(kid) & 0xFF]) + body[2:6] + b"\x58" + bytes([len(kid)]) + kid + body[11:]
    )
    for text in (to_text(longer), to_text(body[:7] + kid + body[11:])):
        assert reason(ask(text)) is Reason.MALFORMED


def test_q11_a_pass_of_another_sites_key_is_not_known_and_that_key_cannot_name_our_site() -> None:
    other_site = Mint(secret=b"\x88" * 32)
    assert reason(ask(other_site.paper())) is Reason.UNKNOWN_KEY
    assert reason(ask(other_site.paper(site=8))) is Reason.UNKNOWN_KEY


@pytest.mark.parametrize("use", ["status", "config", "gate", "root", "passes"])
def test_q11_a_key_for_another_use_signs_no_pass(use: str) -> None:
    staff = Mint(secret=b"\x99" * 32)
    table = key_set((ED25519, "pass"), (staff, use)).to_domain()
    assert len(table) == 1
    assert isinstance(ask(ED25519.paper(), keys=table), Verified)
    assert reason(ask(staff.paper(), keys=table)) is Reason.UNKNOWN_KEY


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xa0",
        b"\x80",
        b"\xa1\x01\x02",
        b"\xa2\x04\x1a\x6b\x00\x00\x00\x05\x00",
        b"seq 5, iat 1, ttl 60",
    ],
)
def test_q11_something_else_signed_by_the_pass_key_is_no_pass(content: bytes) -> None:
    signed = ED25519.sealed(claims())
    header, end = signed[:12], b"\x58\x40"
    to_sign = b"\x84\x6aSignature1\x49" + signed[2:11] + b"\x40"
    signature = ED25519.sign(to_sign + bytes([0x40 + len(content)]) + content)
    answer = ask(to_text(header + b"\x58" + bytes([len(content)]) + content + end + signature))
    assert isinstance(answer, Rejected)
    assert answer.reason is Reason.MALFORMED
    assert answer.detail.startswith("claims: ")  # the signature did hold


def test_q13_the_mirrored_issuer_signature_is_the_same_pass_and_breaks_a_phones_code() -> None:
    def mirrored(body: bytes) -> bytes:
        s = ORDER - int.from_bytes(body[-32:], "big")
        return body[:-32] + s.to_bytes(32, "big")

    paper = from_text(P256.paper())
    assert ask(to_text(mirrored(paper))) == ask(to_text(paper))  # the gate counts by pass id, so once
    phone = from_text(P256.phone())
    twin = phone[:6] + mirrored(phone[6:-64]) + phone[-64:]
    assert reason(ask(to_text(twin))) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("part", [b"\0" * 32, ORDER.to_bytes(32, "big"), b"\xff" * 32])
def test_q9_signatures_of_zero_and_beyond_the_order_are_refused(part: bytes) -> None:
    for text in (P256.paper(), P256.phone()):
        body = from_text(text)
        for signature in (part + part, part + body[-32:], body[-64:-32] + part):
            assert reason(ask(to_text(body[:-64] + signature))) is Reason.BAD_SIGNATURE


def test_k13_a_gate_that_missed_a_key_change_reads_old_passes_and_then_both_and_then_the_new() -> None:
    old, new = ED25519, Mint(secret=b"\x44" * 32)
    before = key_set((old, "pass")).to_domain()
    both = key_set((old, "pass"), (new, "pass")).to_domain()
    after = key_set((new, "pass")).to_domain()
    answers = [
        [isinstance(ask(mint.paper(), keys=keys), Verified) for mint in (old, new)]
        for keys in (before, both, after)
    ]
    assert answers == [[True, False], [True, True], [False, True]]
    assert (
        reason(ask(old.paper(), keys=before, later_days=61)) is Reason.UNKNOWN_KEY
    )  # the old key has an end


def test_q11_a_visitors_key_makes_no_resident() -> None:
    visitors = Mint(categories=frozenset(set(Category) - {Category.RESIDENT}))
    green: dict[str, Any] = {"category": Category.RESIDENT, "stay": 0}
    assert isinstance(ask(visitors.phone(), keys=visitors.table), Verified)
    assert reason(ask(visitors.phone(**green), keys=visitors.table)) is Reason.UNKNOWN_KEY


def test_q14_an_envelope_holds_one_pass_and_no_other_envelope() -> None:
    inner = from_text(ED25519.phone())
    nested = wrap(inner, shown_at=NOW_UNIX, sign=p256_signer(phone_key()))
    assert reason(ask(to_text(nested))) is Reason.MALFORMED
