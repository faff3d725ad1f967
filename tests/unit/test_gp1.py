from typing import Any

import cbor2
import pytest
import segno

from passes.claims import FLAG_CRITICAL_TAIL, Claims, ClaimsError, decode_claims, encode_claims
from passes.gp1 import (
    ROTATING_BYTES_MAX,
    SCHEDULED_BYTES_MAX,
    STATIC_BYTES_MAX,
    Envelope,
    MalformedError,
    SignedPass,
    from_text,
    open_body,
    to_text,
    wrap,
)
from passes.keys import p256_public, p256_signer
from passes.schedule import Hours, Schedule
from passes.vocabulary import Category
from tests.minting import NOW_UNIX, Mint, claims, phone_key

WORST: dict[str, Any] = {
    "site": 65_535,
    "unit": 65_535,
    "status": 65_535,
    "gates": 255,
    "purpose": 23,
    "stay": -120,
    "category": Category.OTHER,
}


def test_a_static_pass_of_the_largest_promised_values_fits_its_code() -> None:
    assert len(Mint().sealed(claims(entries=1, **WORST))) <= STATIC_BYTES_MAX


def test_a_rotating_code_of_the_largest_promised_values_fits_its_code() -> None:
    assert len(from_text(Mint().phone(**WORST))) <= ROTATING_BYTES_MAX


def test_a_static_pass_is_cut_into_the_parts_it_was_made_of() -> None:
    sealed = Mint().sealed(claims())
    opened = open_body(from_text(to_text(sealed)))
    assert isinstance(opened, SignedPass)
    assert decode_claims(opened.payload) == claims()


def test_an_envelope_carries_time_challenge_and_the_whole_pass() -> None:
    sealed = Mint().sealed(claims())
    body = wrap(sealed, shown_at=NOW_UNIX, sign=p256_signer(phone_key()), challenge=b"4711")
    opened = open_body(body)
    assert isinstance(opened, Envelope)
    assert (opened.shown_at, opened.challenge) == (NOW_UNIX, b"4711")
    assert opened.signed_pass == open_body(sealed)
    assert opened.to_be_signed.endswith(sealed)


def test_claims_with_a_phone_key_survive_their_encoding() -> None:
    original = claims(holder_key=p256_public(phone_key(3)), issued_at=None)
    assert decode_claims(encode_claims(original)) == original


@pytest.mark.parametrize(
    "change",
    [
        {"unit": 65_536},
        {"site": -1},
        {"gates": 0},
        {"gates": 256},
        {"directions": 4},
        {"entries": 256},
        {"stay": -65_521},
        {"stay": 64_801},
        {"expires_at": NOW_UNIX - 600},
        {"expires_at": 2**32},
        {"not_before": 2**32, "expires_at": 2**32 + 1},
        {"not_before": -1},
        {"issued_at": 2**32},
        {"holder_key": b"\x04" + b"\0" * 32},
    ],
    ids="".join,
)
def test_the_issuer_refuses_values_beyond_the_promised_size(change: dict[str, Any]) -> None:
    with pytest.raises(ClaimsError):
        encode_claims(claims(**change))


def test_a_time_ends_with_four_bytes_for_issuer_and_reader() -> None:
    last = claims(not_before=2**32 - 2, expires_at=2**32 - 1, issued_at=2**32 - 1)
    assert decode_claims(encode_claims(last)) == last
    table = cbor2.loads(encode_claims(last))
    for label in (4, 6):
        with pytest.raises(ClaimsError, match="outside"):
            decode_claims(cbor2.dumps(table | {label: 2**32}, canonical=True))


def test_a_second_spelling_of_the_same_claims_is_refused() -> None:
    payload = encode_claims(claims())
    assert payload[0] == 0xA5
    for twin in (payload + b"\0", b"\xbf" + payload[1:] + b"\xff", b"\xb8\x05" + payload[1:]):
        with pytest.raises(ClaimsError):
            decode_claims(twin)


def test_labels_that_only_equal_the_right_ones_are_refused() -> None:
    table = cbor2.loads(encode_claims(claims(holder_key=p256_public(phone_key()))))
    as_float = {float(label) if label == 4 else label: value for label, value in table.items()}
    as_truth = table | {8: {True: table[8][1]}}
    for twin in (as_float, as_truth):
        assert twin == table
        with pytest.raises(ClaimsError):
            decode_claims(cbor2.dumps(twin, canonical=True))


SCHEDULE = Schedule(tuple(Hours(days=127, start=start, end=1) for start in range(140, 144)))


@pytest.mark.parametrize(
    ("windows", "bytes_with_iat"),
    [(0, 258), (1, 263), (2, 266), (3, 269), (4, 272)],
)
def test_a_schedule_adds_two_bytes_and_three_a_window(windows: int, bytes_with_iat: int) -> None:
    schedule = Schedule(SCHEDULE.windows[:windows]) if windows else None
    worst = WORST | {"schedule": schedule, "flags": FLAG_CRITICAL_TAIL if windows else 0}
    assert len(from_text(Mint().phone(**worst))) == bytes_with_iat
    assert len(from_text(Mint().phone(**worst, issued_at=None))) == bytes_with_iat - 6


def test_a_demos_repeat_pass_with_one_window_still_fits_version_10() -> None:
    usual: dict[str, Any] = {
        "unit": 1202,
        "status": 40_000,
        "purpose": 5,
        "stay": 240,
        "category": Category.SERVICE,
    }
    schedule: dict[str, Any] = {"schedule": Schedule(SCHEDULE.windows[:1]), "flags": FLAG_CRITICAL_TAIL}
    assert len(from_text(Mint().phone(**usual, **schedule))) <= ROTATING_BYTES_MAX


def test_a_rotating_code_with_the_fullest_schedule_fits_version_11() -> None:
    full = WORST | {"purpose": 65_535, "stay": -65_520, "schedule": SCHEDULE, "flags": 255}
    text = Mint().phone(**full)
    assert len(from_text(text)) <= SCHEDULED_BYTES_MAX
    assert segno.make(text, error="L", mode="alphanumeric", boost_error=False).version == 11


def test_the_issuer_refuses_a_pass_that_outgrows_its_code() -> None:
    paper = WORST | {"entries": 1, "schedule": Schedule(SCHEDULE.windows[:1]), "flags": FLAG_CRITICAL_TAIL}
    with pytest.raises(ClaimsError, match="may take 144"):
        Mint().sealed(claims(**paper))
    assert len(Mint().sealed(claims(**paper, issued_at=None))) <= STATIC_BYTES_MAX
    with pytest.raises(ClaimsError, match="may take 190"):
        Mint().bound(**WORST | {"purpose": 65_535, "stay": 600, "flags": 0x30})


# Algorithm, key id and payload are not of the wrapper: table and signature judge them.
@pytest.mark.parametrize("position", [0, 1, 2, 3, 5, 6, 11, 12, 13])
def test_any_other_wrapper_is_refused_before_a_decoder_sees_it(position: int) -> None:
    sealed = bytearray(Mint().sealed(claims()))
    sealed[position] ^= 0x41
    with pytest.raises(MalformedError):
        open_body(bytes(sealed))


@pytest.mark.parametrize("flags", range(2, 256))
def test_an_envelope_with_other_flags_is_refused_though_the_phone_signed_it(flags: int) -> None:
    with pytest.raises(MalformedError, match="flags"):
        open_body(enveloped(Mint().bound(), flags))


@pytest.mark.parametrize(("flags", "challenge"), [(0, b""), (1, b"4711")])
def test_an_envelope_with_the_flags_that_there_are_is_what_the_phone_makes(
    flags: int, challenge: bytes
) -> None:
    sealed = Mint().bound()
    opened, made = (
        open_body(enveloped(challenge + sealed, flags)),
        wrap(sealed, shown_at=NOW_UNIX, sign=p256_signer(phone_key()), challenge=challenge or None),
    )
    expected = open_body(made)
    assert isinstance(opened, Envelope) and isinstance(expected, Envelope)
    assert opened.to_be_signed == expected.to_be_signed


def enveloped(rest: bytes, flags: int) -> bytes:
    """An envelope with any flags, signed by the phone."""
    body = bytes([1, flags]) + NOW_UNIX.to_bytes(4, "big") + rest
    return body + p256_signer(phone_key())(b"GP1/pop\x00" + body)


def test_a_length_in_two_bytes_that_fits_in_one_is_a_second_spelling_and_refused() -> None:
    sealed = Mint().sealed(claims())
    length = sealed[13]
    assert sealed[12] == 0x58
    with pytest.raises(MalformedError, match="shortest"):
        open_body(sealed[:12] + b"\x59\x00" + bytes([length]) + sealed[14:])
    assert isinstance(open_body(sealed), SignedPass)


@pytest.mark.parametrize("text", ["GP1:", "GP1:A", "GP1:" + "0" * 600, "GP1:000", "GP1:é", "GP1:bb8"])
def test_texts_that_cannot_be_a_pass_are_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        open_body(from_text(text))


def test_changing_claims_changes_the_bytes() -> None:
    assert isinstance(claims(), Claims)
    assert encode_claims(claims(unit=12)) != encode_claims(claims(unit=13))
