"""One wrong bit: every single one of 100 different passes, 60 on paper and 40 shown by a phone, and of short codes."""

from collections.abc import Iterator
from random import Random
from typing import Final

import pytest

from passes.check import Foreign, Rejected, Verified, check
from passes.claims import Claims
from passes.gp1 import Algorithm, from_text, wrap
from passes.keys import KeyTable, p256_public, p256_signer
from passes.vocabulary import Category, PassId, PersonId, Reason
from tests.fuzz.quick_text import quick_text
from tests.minting import NOW, NOW_UNIX, Mint, claims, phone_key

PASSES: Final = {False: 30, True: 20}  # static and rotating, of each algorithm: a hundred in all
MINTS: Final = {algorithm: Mint(algorithm=algorithm) for algorithm in Algorithm}
KEYS: Final = KeyTable(mint.trusted for mint in MINTS.values())


def some_claims(chance: Random, number: int, holder_key: bytes | None) -> Claims:
    """Claims that have little in common with those of other numbers."""
    return claims(
        number,
        pass_id=PassId(chance.randbytes(8).hex()),
        person=PersonId(chance.randbytes(8).hex()),
        category=chance.choice(list(Category)),
        unit=chance.randrange(65_536),
        purpose=chance.randrange(256),
        gates=chance.randrange(1, 256),
        directions=chance.randrange(1, 4),
        entries=chance.choice([0, 1, 2, 255]),
        stay=chance.choice([-120, 0, 30, 1440]),
        status=chance.randrange(65_536),
        flags=chance.randrange(8),
        not_before=NOW_UNIX - chance.randrange(1, 86_400),
        expires_at=NOW_UNIX + chance.randrange(1, 86_400),
        issued_at=chance.choice([None, NOW_UNIX - 90_000]),
        holder_key=holder_key,
    )


def bodies(algorithm: Algorithm, *, rotating: bool) -> Iterator[bytes]:
    """The bytes behind the texts of different passes."""
    chance = Random(f"{algorithm.name} {rotating}")
    for number in range(PASSES[rotating]):
        phone = phone_key(number)
        content = some_claims(chance, number, p256_public(phone) if rotating else None)
        sealed = MINTS[algorithm].sealed(content)
        challenge = chance.randbytes(4) if number % 5 == 0 else None
        yield (
            wrap(sealed, shown_at=NOW_UNIX - number % 20, sign=p256_signer(phone), challenge=challenge)
            if rotating
            else sealed
        )


@pytest.mark.parametrize("rotating", [False, True], ids=["static", "rotating"])
@pytest.mark.parametrize("algorithm", Algorithm, ids=lambda algorithm: algorithm.name.lower())
def test_q12_no_single_flipped_bit_of_a_hundred_passes_is_accepted(
    algorithm: Algorithm, rotating: bool
) -> None:
    reasons: set[Reason] = set()
    distinct = set()
    for body in bodies(algorithm, rotating=rotating):
        unchanged = check(quick_text(body), KEYS, now=NOW)
        assert isinstance(unchanged, Verified)
        distinct.add(unchanged.claims.pass_id)
        whole = int.from_bytes(body, "big")
        for bit in range(len(body) * 8):
            flipped = (whole ^ 1 << bit).to_bytes(len(body), "big")
            answer = check(quick_text(flipped), KEYS, now=NOW)
            assert not isinstance(answer, Verified | Foreign), (body.hex(), bit)
            reasons.add(answer.reason)
    assert len(distinct) == PASSES[rotating]
    expected = {Reason.MALFORMED, Reason.UNKNOWN_KEY, Reason.BAD_SIGNATURE}
    assert reasons == (expected | {Reason.STALE_CODE} if rotating else expected)


def test_q12_no_single_flipped_bit_of_a_short_code_is_accepted() -> None:
    mint = Mint()
    for number in range(5):
        held = {claims(number).pass_id: mint.bound(number)}
        body = from_text(mint.short(number))
        assert isinstance(check(quick_text(body), mint.table, now=NOW, stored=held.get), Verified)
        whole = int.from_bytes(body, "big")
        for bit in range(len(body) * 8):
            flipped = quick_text((whole ^ 1 << bit).to_bytes(len(body), "big"))
            # The first pass is what a gate finds, whatever id it is asked for.
            for stored in (held.get, lambda _, held=held: next(iter(held.values()))):
                assert isinstance(check(flipped, mint.table, now=NOW, stored=stored), Rejected), (number, bit)
