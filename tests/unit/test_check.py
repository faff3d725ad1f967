from datetime import timedelta

import pytest

from passes import base45
from passes.check import Checked, Foreign, Rejected, Verified, check
from passes.gp1 import PREFIX, from_text, to_text, wrap
from passes.keys import KeySetError, KeyTable, p256_public, p256_signer
from passes.vocabulary import Category, ClockTrust, Reason
from tests.minting import NOW, NOW_UNIX, Mint, claims, phone_key


def ask(text: str, *, mint: Mint | None = None, later_s: float = 0) -> Checked:
    return check(text, (mint or Mint()).table, now=NOW + timedelta(seconds=later_s))


def reason(checked: Checked) -> Reason:
    assert isinstance(checked, Rejected)
    return checked.reason


def test_a_paper_pass_of_a_known_issuer_is_verified() -> None:
    assert ask(Mint().paper()) == Verified(claims(entries=1), None)


def test_a_fresh_code_of_the_right_phone_is_verified() -> None:
    expected = claims(holder_key=p256_public(phone_key()))
    assert ask(Mint().phone()) == Verified(expected, NOW_UNIX)


@pytest.mark.parametrize("text", ["https://example.org", "", "gp1:abc", "WIFI:S:x;;", " GP1:BB8", "HC1:6BF"])
def test_other_peoples_codes_are_foreign_and_not_judged(text: str) -> None:
    assert ask(text) == Foreign()


@pytest.mark.parametrize(("later_s", "good"), [(-10, True), (-11, False), (30, True), (31, False)])
def test_q14_a_code_lives_from_ten_seconds_ahead_to_thirty_behind(later_s: int, good: bool) -> None:
    checked = ask(Mint().phone(), later_s=later_s)
    assert isinstance(checked, Verified) if good else reason(checked) is Reason.STALE_CODE


def test_with_an_untrusted_clock_the_age_of_a_code_is_not_judged_here() -> None:
    checked = check(Mint().phone(), Mint().table, now=NOW + timedelta(days=9), trust=ClockTrust.UNTRUSTED)
    assert isinstance(checked, Verified)


def test_a_phone_pass_without_the_phones_signature_is_refused() -> None:
    bare = to_text(Mint().sealed(claims(holder_key=p256_public(phone_key()))))
    assert reason(ask(bare)) is Reason.STALE_CODE


def test_a_code_signed_by_another_phone_is_refused() -> None:
    sealed = Mint().sealed(claims(holder_key=p256_public(phone_key(1))))
    text = to_text(wrap(sealed, shown_at=NOW_UNIX, sign=p256_signer(phone_key(2))))
    assert reason(ask(text)) is Reason.BAD_SIGNATURE


def test_a_static_pass_in_an_envelope_is_refused() -> None:
    text = to_text(wrap(Mint().sealed(claims()), shown_at=NOW_UNIX, sign=p256_signer(phone_key())))
    assert reason(ask(text)) is Reason.MALFORMED


def test_an_unknown_issuer_is_refused() -> None:
    assert reason(ask(Mint(secret=b"\x22" * 32).paper())) is Reason.UNKNOWN_KEY


def test_a_key_may_not_issue_beyond_its_categories() -> None:
    visitors = Mint(categories=frozenset({Category.COURIER}))
    assert isinstance(ask(visitors.paper(), mint=visitors), Verified)
    green = visitors.paper(category=Category.RESIDENT)
    assert reason(ask(green, mint=visitors)) is Reason.UNKNOWN_KEY


def test_a_key_outside_its_time_is_not_known() -> None:
    assert reason(ask(Mint().paper(), later_s=61 * 86_400)) is Reason.UNKNOWN_KEY


@pytest.mark.parametrize("make", ["paper", "phone"])
def test_q12_no_single_flipped_bit_is_accepted(make: str) -> None:
    mint = Mint()
    body = from_text(mint.paper() if make == "paper" else mint.phone())
    accepted = []
    for bit in range(len(body) * 8):
        flipped = bytearray(body)
        flipped[bit // 8] ^= 1 << bit % 8
        if isinstance(ask(to_text(bytes(flipped))), Verified):
            accepted.append(bit)
    assert accepted == []


def test_q13_the_mirrored_phone_signature_is_the_same_scan_not_a_second_one() -> None:
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    body = from_text(Mint().phone())
    mirrored = order - int.from_bytes(body[-32:], "big")
    twin = ask(to_text(body[:-32] + mirrored.to_bytes(32, "big")))
    assert twin == ask(Mint().phone())  # same pass, same time: the gate tells scans apart by these


@pytest.mark.parametrize("change", [str.lower, lambda text: text + " ", lambda text: text + "\n0"])
def test_q13_another_spelling_of_a_text_is_not_accepted(change: object) -> None:
    assert callable(change)
    assert not isinstance(ask(PREFIX + change(Mint().paper().removeprefix(PREFIX))), Verified)


@pytest.mark.parametrize("length", [0, 1, 4, 508, 7089])
def test_q6_texts_of_any_length_are_answered(length: int) -> None:
    assert reason(ask(PREFIX + "0" * length)) is Reason.MALFORMED


def test_q9_the_algorithm_in_the_token_is_not_a_choice() -> None:
    body = bytearray(from_text(Mint().paper()))
    body[4] = 0x28  # says P-256, with the Ed25519 key's id
    assert reason(ask(PREFIX + base45.encode(bytes(body)))) is Reason.UNKNOWN_KEY


def test_one_key_twice_in_a_key_set_is_refused() -> None:
    with pytest.raises(KeySetError):
        KeyTable([Mint().trusted, Mint().trusted])
