"""The site bundle: what it says, what it takes to be believed, and what may follow what."""

import math
import random
import tracemalloc
import zlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from passes.bundle import (
    AHEAD_MAX_S,
    BUNDLE_BYTES_MAX,
    STATUS_BYTES,
    STATUS_PLACES,
    Before,
    Bundle,
    Extension,
    Problem,
    Red,
    RedCause,
    Refused,
    accept,
    device_key,
    open_state,
    pack_statuses,
    split_bundle,
)
from passes.check import Rejected, check
from passes.cose import seal_file
from passes.gp1 import Algorithm, SignedPass, to_text
from passes.keys import KeySetError, KeyTable, ed25519_public, key_id
from passes.trust import KEY_SET_BYTES_MAX, keys_for, open_key_set
from passes.vocabulary import ClockTrust, PassStatus
from tests.bundling import LIFE_S, Office
from tests.minting import NOW, NOW_UNIX, Mint, claims

OFFICE = Office()
STATUS_KEYS = keys_for("status", OFFICE.key_set())
PERSON, PLATE, KID = bytes.fromhex("aa" * 8), bytes.fromhex("bb" * 8), b"\x01\x02\x03\x04"
FULL = OFFICE.bundle(
    9,
    statuses=pack_statuses(
        {0: PassStatus.INVALID, 5: PassStatus.SUSPENDED, STATUS_PLACES - 1: PassStatus.USED_UP}
    ),
    red=(Red(PERSON, NOW_UNIX, RedCause.OVERSTAY), Red(PLATE, NOW_UNIX, 77)),
    before=(Before(KID, NOW_UNIX), Before(PERSON, NOW_UNIX - 5)),
    extensions=(Extension(b"\x05" * 8, NOW_UNIX + 600),),
)


def opened(data: bytes, keys: KeyTable = STATUS_KEYS, *, trusted: bool = True) -> Bundle | Refused:
    parts = split_bundle(data)
    if isinstance(parts, Refused):
        return parts
    trust = ClockTrust.TRUSTED if trusted else ClockTrust.UNTRUSTED
    return open_state(parts.state, keys, now=NOW, trust=trust)


def problem(found: object) -> Problem:
    assert isinstance(found, Refused)
    return found.problem


def signed(table: object, *, trailing: bytes = b"") -> bytes:
    """A file with any content under the real status key."""
    key = Ed25519PrivateKey.from_private_bytes(OFFICE.status_secret)
    payload = cbor2.dumps(table, canonical=True) + trailing
    kid = key_id(ed25519_public(key))
    state = seal_file(
        payload, domain=b"postern/bundle/1", algorithm=Algorithm.ED25519, kid=kid, sign=key.sign
    )
    return b"PB1\x00\x00\x00\x00\x00" + state


def table_of(data: bytes) -> dict[str, Any]:
    start = data.index(b"\xa0\x58") + 3
    found: dict[str, Any] = cbor2.loads(data[start:])
    return found


def test_a_bundle_comes_back_as_it_was_signed() -> None:
    assert opened(OFFICE.sealed(FULL)) == FULL
    assert opened(OFFICE.sealed(OFFICE.bundle())) == OFFICE.bundle()


def test_each_place_of_the_status_list_is_read_back_and_its_neighbours_are_valid() -> None:
    assert [FULL.status_of(index) for index in (0, 1, 4, 5, 6)] == [
        PassStatus.INVALID,
        PassStatus.VALID,
        PassStatus.VALID,
        PassStatus.SUSPENDED,
        PassStatus.VALID,
    ]
    assert FULL.status_of(STATUS_PLACES - 1) is PassStatus.USED_UP
    assert FULL.count(PassStatus.INVALID) == 1
    assert replace(FULL, statuses=b"\x01").status_of(4) is PassStatus.VALID


def test_red_is_found_for_person_phone_and_plate_whatever_its_cause() -> None:
    phone = device_key(b"\x02" + b"\x07" * 32)
    bundle = replace(FULL, red=tuple(sorted((*FULL.red, Red(phone, NOW_UNIX, RedCause.LEFT_LATE)))))
    assert [bundle.is_red(key) for key in (PERSON, PLATE, phone)] == [True, True, True]
    assert not bundle.is_red(b"\xab" * 8)
    assert not bundle.is_red(b"")


def test_before_t_reaches_older_passes_of_the_person_and_of_the_key_only() -> None:
    person: dict[str, Any] = {"person": PERSON.hex()}
    assert FULL.refused_before(claims(**person, issued_at=NOW_UNIX - 6), b"")
    assert not FULL.refused_before(claims(**person, issued_at=NOW_UNIX - 5), b"")
    assert FULL.refused_before(claims(issued_at=NOW_UNIX - 1), KID)
    assert not FULL.refused_before(claims(issued_at=NOW_UNIX), KID)
    assert FULL.refused_before(claims(issued_at=None), KID)
    assert not FULL.refused_before(claims(issued_at=None), b"\x09" * 4)


def test_an_extended_stay_is_named_with_its_new_end() -> None:
    assert FULL.due_of("05" * 8) == NOW + timedelta(seconds=600)
    assert FULL.due_of("06" * 8) is None


def test_age_counts_from_its_date_and_ends_with_it() -> None:
    bundle = OFFICE.bundle()
    assert bundle.age_s(NOW + timedelta(seconds=90)) == 90
    assert bundle.age_s(NOW - timedelta(seconds=5)) == 0
    assert math.isinf(bundle.age_s(NOW + timedelta(seconds=LIFE_S)))


def test_q7_a_pass_key_signs_no_bundle_and_a_status_key_signs_no_pass() -> None:
    keys = OFFICE.key_set()
    assert problem(opened(OFFICE.sealed(FULL, secret=OFFICE.pass_secret))) is Problem.UNKNOWN_KEY
    pass_by_status_key = Mint(secret=OFFICE.status_secret).paper()
    found = check(pass_by_status_key, keys.to_domain(), now=NOW)
    assert isinstance(found, Rejected)
    assert found.reason.value == "unknown_key"


def test_q7_even_one_key_in_both_tables_makes_no_pass_of_a_bundle_nor_the_reverse() -> None:
    as_bundle = b"PB1\x00\x00\x00\x00\x00" + Mint().sealed(claims())
    assert problem(opened(as_bundle, Mint().table)) is Problem.BAD_SIGNATURE
    state = OFFICE.sealed(OFFICE.bundle(), secret=Mint().secret)[8:]
    found = check(to_text(state), Mint().table, now=NOW)
    assert isinstance(found, Rejected)
    cut = SignedPass(state[2:11], state[14:-66], state[-64:])
    assert not Mint().trusted.verifies(cut.to_be_signed, cut.signature)


def test_another_key_of_the_same_name_does_not_sign() -> None:
    other = Office(status_secret=b"\x44" * 32)
    assert problem(opened(other.sealed(FULL))) is Problem.UNKNOWN_KEY
    data = bytearray(OFFICE.sealed(FULL))
    data[-1] ^= 1
    assert problem(opened(bytes(data))) is Problem.BAD_SIGNATURE


def test_a_status_key_outside_its_dates_signs_only_while_the_clock_is_in_doubt() -> None:
    old = keys_for("status", Office(made=NOW - timedelta(days=100)).key_set())
    assert problem(opened(OFFICE.sealed(FULL), old)) is Problem.UNKNOWN_KEY
    assert opened(OFFICE.sealed(FULL), old, trusted=False) == FULL


def test_every_flipped_bit_of_a_bundle_is_refused() -> None:
    data = OFFICE.sealed(OFFICE.bundle())
    for place in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            assert isinstance(opened(bytes(flipped)), Refused), f"bit {bit} of byte {place}"


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"PB1\x00", OFFICE.sealed(FULL)[:40]]))
def test_no_bytes_raise_and_none_are_taken(tail: bytes, head: bytes) -> None:
    assert isinstance(opened(head + tail), Refused)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.binary(max_size=12)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(table_of(OFFICE.sealed(FULL)))), VALUES)
def test_q8_content_of_any_type_in_any_field_is_refused_or_read_and_never_raises(
    name: str, value: object
) -> None:
    table = table_of(OFFICE.sealed(FULL)) | {name: value}
    found = opened(signed(table))
    assert isinstance(found, Bundle) or problem(found) is Problem.MALFORMED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("v", 2),
        ("bits", 1),
        ("site", 65_536),
        ("site", True),
        ("seq", 0),
        ("exp", NOW_UNIX),
        ("ttl", 0),
        ("red", [[b"\x01" * 8, NOW_UNIX, 1], [b"\x01" * 8, NOW_UNIX, 1]]),
        ("red", [[b"\x02" * 8, NOW_UNIX, 1], [b"\x01" * 8, NOW_UNIX, 1]]),
        ("red", [[b"\x02" * 7, NOW_UNIX, 1]]),
        ("before", [[b"\x02" * 5, NOW_UNIX]]),
        ("ext", [[b"\x02" * 8, -1]]),
        ("ext", [[b"\x02" * 8]]),
        ("lst", b"not zlib"),
        ("lst", zlib.compress(b"\x00") + b"more"),
        ("lst", zlib.compress(bytes(STATUS_BYTES))[:-1]),
    ],
)
def test_q8_signed_content_out_of_range_is_refused(name: str, value: object) -> None:
    table = table_of(OFFICE.sealed(FULL)) | {name: value}
    assert problem(opened(signed(table))) is Problem.MALFORMED


def test_what_a_later_version_adds_is_passed_over() -> None:
    assert opened(signed(table_of(OFFICE.sealed(FULL)) | {"later": [1]})) == FULL


def test_q8_a_status_list_that_inflates_without_end_is_refused_at_its_bound() -> None:
    for size in (STATUS_BYTES + 1, 40_000_000):
        bomb = table_of(OFFICE.sealed(FULL)) | {"lst": zlib.compress(bytes(size), 9)}
        assert problem(opened(signed(bomb))) is Problem.MALFORMED
    fits = table_of(OFFICE.sealed(FULL)) | {"lst": zlib.compress(bytes(STATUS_BYTES), 9)}
    assert isinstance(opened(signed(fits)), Bundle)


def test_q8_a_second_spelling_is_refused() -> None:
    table = table_of(OFFICE.sealed(FULL))
    assert problem(opened(signed(table, trailing=b"\x00"))) is Problem.MALFORMED


def test_twenty_thousand_passes_and_five_hundred_red_are_small_on_the_wire_and_in_memory() -> None:
    chance = random.Random(7)
    places = {chance.randrange(STATUS_PLACES): PassStatus(chance.choice((1, 2, 3))) for _ in range(1000)}
    red = tuple(sorted(Red(chance.randbytes(8), NOW_UNIX, RedCause.OVERSTAY) for _ in range(500)))
    data = OFFICE.sealed(OFFICE.bundle(statuses=pack_statuses(places), red=red))
    assert len(data) < 16 * 1024
    tracemalloc.start()
    try:
        found = opened(data)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(found, Bundle)
    assert most < 500_000


def test_a_file_that_is_too_large_is_neither_made_nor_read() -> None:
    many = tuple(Red(place.to_bytes(8, "big"), NOW_UNIX, 1) for place in range(20_000))
    with pytest.raises(ValueError, match="too large"):
        OFFICE.sealed(OFFICE.bundle(red=many))
    assert problem(opened(bytes(BUNDLE_BYTES_MAX + 1))) is Problem.MALFORMED
    assert problem(opened(b"PB1\x00" + KEY_SET_BYTES_MAX.to_bytes(4, "big") + b"\x00")) is Problem.MALFORMED


def test_the_maker_refuses_what_no_gate_would_read() -> None:
    for wrong in (replace(FULL, red=FULL.red[::-1]), replace(FULL, seq=0)):
        with pytest.raises(ValueError, match=r"^(red|seq) "):
            OFFICE.sealed(wrong)


def follows(
    current: Bundle | None, new: Bundle, *, after_s: float = 0, trusted: bool = True
) -> Refused | None:
    now = NOW + timedelta(seconds=after_s)
    trust = ClockTrust.TRUSTED if trusted else ClockTrust.UNTRUSTED
    return accept(current, new, site=OFFICE.site, now=now, trust=trust)


def test_q16_numbers_rise_whatever_the_dates_say() -> None:
    held = OFFICE.bundle(5)
    assert follows(None, held) is None
    assert follows(held, OFFICE.bundle(6)) is None
    assert follows(held, OFFICE.bundle(6, issued_at=NOW_UNIX - 3600)) is None
    for seq in (4, 5):
        assert problem(follows(held, OFFICE.bundle(seq, issued_at=NOW_UNIX + 30))) is Problem.ROLLED_BACK


def test_a_bundle_of_another_site_is_refused() -> None:
    assert problem(follows(None, Office(site=8).bundle())) is Problem.WRONG_SITE


def test_a_bundle_from_the_future_is_refused_unless_this_clock_is_the_wrong_one() -> None:
    late = OFFICE.bundle(issued_at=NOW_UNIX + AHEAD_MAX_S + 1, expires_at=NOW_UNIX + LIFE_S)
    assert problem(follows(None, late)) is Problem.AHEAD_OF_CLOCK
    assert follows(None, late, after_s=1) is None
    assert follows(None, late, after_s=-3e8, trusted=False) is None


def test_a_key_set_signed_by_the_root_is_read() -> None:
    newer = OFFICE.key_set(2)
    assert open_key_set(OFFICE.signed_key_set(newer), OFFICE.key_set()) == newer


@pytest.mark.parametrize(
    ("signer", "keys", "says"),
    [
        (Office(root_secret=OFFICE.status_secret), OFFICE.key_set(2), "not signed by the operator's root"),
        (Office(root_secret=b"\x55" * 32), OFFICE.key_set(2), "not signed by the operator's root"),
        (OFFICE, Office(site=8).key_set(2), "of site 8"),
        (OFFICE, OFFICE.key_set(2, keys=OFFICE.key_set().keys[:1] * 2), "twice"),
    ],
)
def test_another_key_set_is_refused(signer: Office, keys: Any, says: str) -> None:
    with pytest.raises(KeySetError, match=says):
        open_key_set(signer.signed_key_set(keys), OFFICE.key_set())


def test_q7_a_bundle_is_not_a_key_set_even_under_the_root_key() -> None:
    state = OFFICE.sealed(FULL, secret=OFFICE.root_secret)[8:]
    with pytest.raises(KeySetError, match="not signed by the operator's root"):
        open_key_set(state, OFFICE.key_set())


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=100))
def test_no_bytes_are_a_key_set(data: bytes) -> None:
    with pytest.raises(KeySetError):
        open_key_set(data, OFFICE.key_set())
    with pytest.raises(KeySetError):
        open_key_set(bytes(KEY_SET_BYTES_MAX + 1), OFFICE.key_set())
