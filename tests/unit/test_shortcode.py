from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
import segno

from passes.check import Checked, Rejected, Verified, check
from passes.gp1 import from_text, to_text, wrap
from passes.keys import KeyTable, p256_public, p256_signer
from passes.shortcode import SHORT_BYTES, ShortCode, cut_short, make_short
from passes.vocabulary import ClockTrust, PassId, Reason
from tests.minting import NOW, NOW_UNIX, Mint, claims, phone_key

MINT = Mint()
PASS_ID = claims().pass_id
SHELF = {PASS_ID: MINT.bound()}


def ask(text: str, shelf: dict[PassId, bytes] | None = None, *, later_s: float = 0) -> Checked:
    held = SHELF if shelf is None else shelf
    return check(text, MINT.table, now=NOW + timedelta(seconds=later_s), stored=held.get)


def reason(checked: Checked) -> Reason:
    assert isinstance(checked, Rejected)
    return checked.reason


def test_a_short_code_of_a_pass_that_the_gate_holds_is_the_pass() -> None:
    full = ask(MINT.phone())
    assert isinstance(full, Verified)
    assert ask(MINT.short()) == full
    assert (
        ask(MINT.short(), {PASS_ID: full.sealed}) == full
    )  # what a full scan hands over is what is looked up


def test_a_short_code_is_77_bytes_120_characters_and_fits_version_5_even_at_level_m() -> None:
    text = MINT.short()
    assert (len(from_text(text)), SHORT_BYTES, len(text)) == (77, 77, 120)
    for error in ("L", "M"):
        code = segno.make(text, error=error, mode="alphanumeric", boost_error=False, micro=False)
        assert (code.version, code.symbol_size(border=0)) == (5, (37, 37))


def test_a_short_code_is_cut_into_the_parts_it_was_made_of() -> None:
    cut = cut_short(make_short(PASS_ID, shown_at=NOW_UNIX, sign=lambda message: message[:10] + b"\0" * 54))
    assert cut == ShortCode(
        shown_at=NOW_UNIX,
        pass_id=PASS_ID,
        to_be_signed=b"GP1/short\0\x02" + NOW_UNIX.to_bytes(4, "big") + bytes.fromhex(PASS_ID),
        signature=b"GP1/short\0" + b"\0" * 54,
    )


@pytest.mark.parametrize("shelf", [{}, {PASS_ID: b""}, {PASS_ID: b"\x84junk"}, {PASS_ID: MINT.bound(2)}])
def test_a_pass_that_the_gate_does_not_hold_or_holds_broken_is_unknown(shelf: dict[PassId, bytes]) -> None:
    assert reason(ask(MINT.short(), shelf)) is Reason.UNKNOWN_PASS


def test_a_gate_that_holds_no_passes_does_not_know_one() -> None:
    assert reason(check(MINT.short(), MINT.table, now=NOW)) is Reason.UNKNOWN_PASS


def test_a_held_pass_that_decayed_is_unknown_and_the_full_code_still_opens() -> None:
    decayed = bytearray(SHELF[PASS_ID])
    decayed[40] ^= 1
    assert reason(ask(MINT.short(), {PASS_ID: bytes(decayed)})) is Reason.UNKNOWN_PASS
    assert reason(ask(MINT.short(), {PASS_ID: from_text(MINT.phone())})) is Reason.UNKNOWN_PASS
    assert isinstance(ask(MINT.phone(), {}), Verified)


@pytest.mark.parametrize(("later_s", "good"), [(-10, True), (-11, False), (30, True), (31, False)])
def test_q14_a_short_code_lives_as_long_as_a_full_one(later_s: int, good: bool) -> None:
    answer = ask(MINT.short(), later_s=later_s)
    assert isinstance(answer, Verified) if good else reason(answer) is Reason.STALE_CODE


def test_a_stale_short_code_asks_the_shelf_for_nothing() -> None:
    asked: list[PassId] = []

    def shelf(pass_id: PassId) -> bytes | None:
        asked.append(pass_id)
        return SHELF.get(pass_id)

    check(MINT.short(), MINT.table, now=NOW + timedelta(minutes=1), stored=shelf)
    assert asked == []
    check(MINT.short(), MINT.table, now=NOW, stored=shelf)
    assert asked == [PASS_ID]


def test_with_an_untrusted_clock_the_age_of_a_short_code_is_not_judged_here() -> None:
    later = partial(check, MINT.short(), MINT.table, now=NOW + timedelta(days=9), stored=SHELF.get)
    assert isinstance(later(trust=ClockTrust.UNTRUSTED), Verified)
    assert isinstance(later(), Rejected)


def test_k13_a_key_that_left_the_key_set_takes_its_held_passes_along() -> None:
    rolled = KeyTable([Mint(secret=b"\x22" * 32).trusted])
    answer = check(MINT.short(), rolled, now=NOW, stored=SHELF.get)
    assert reason(answer) is Reason.UNKNOWN_KEY


def test_a_short_code_of_another_phone_is_refused() -> None:
    stolen = to_text(make_short(PASS_ID, shown_at=NOW_UNIX, sign=p256_signer(phone_key(2))))
    assert reason(ask(stolen)) is Reason.BAD_SIGNATURE


def test_a_static_pass_has_no_short_code() -> None:
    paper = MINT.sealed(claims(entries=1))
    assert reason(ask(MINT.short(), {PASS_ID: paper})) is Reason.MALFORMED


def test_q11_the_proof_of_a_full_code_is_not_that_of_a_short_one_and_the_other_way_round() -> None:
    signatures = [from_text(text)[-64:] for text in (MINT.phone(), MINT.short())]
    short, full = from_text(MINT.short())[:-64], from_text(MINT.phone())[:-64]
    for body in (short + signatures[0], full + signatures[1]):
        assert reason(ask(to_text(body))) is Reason.BAD_SIGNATURE
    for body in (short + signatures[1], full + signatures[0]):
        assert isinstance(ask(to_text(body)), Verified)


def test_q11_a_phone_with_two_passes_proves_one_of_them_at_a_time() -> None:
    key = phone_key()
    other = claims(2, holder_key=p256_public(key))
    shelf = SHELF | {other.pass_id: MINT.sealed(other)}
    body = bytearray(from_text(MINT.short()))
    body[5:13] = bytes.fromhex(other.pass_id)
    assert reason(ask(to_text(bytes(body)), shelf)) is Reason.BAD_SIGNATURE


def test_q12_no_single_flipped_bit_of_a_short_code_is_accepted() -> None:
    body = from_text(MINT.short())
    accepted = []
    for bit in range(len(body) * 8):
        flipped = bytearray(body)
        flipped[bit // 8] ^= 1 << bit % 8
        if isinstance(ask(to_text(bytes(flipped))), Verified):
            accepted.append(bit)
    assert accepted == []


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body[:-1],
        lambda body: body + b"\0",
        lambda body: body[:1],
        lambda body: b"\x03" + body[1:],
    ],
    ids=["shorter", "longer", "type_alone", "next_type"],
)
def test_q6_a_short_code_has_one_length(change: Callable[[bytes], bytes]) -> None:
    assert reason(ask(to_text(change(from_text(MINT.short()))))) is Reason.MALFORMED


def test_an_envelope_around_a_short_code_is_refused() -> None:
    nested = wrap(from_text(MINT.short()), shown_at=NOW_UNIX, sign=p256_signer(phone_key()))
    assert reason(ask(to_text(nested))) is Reason.MALFORMED
