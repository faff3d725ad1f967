"""One wrong bit: every single one of 100 different passes, 60 on paper and 40 shown by a phone."""

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from passes.check import Foreign, Verified, check
from passes.claims import Claims
from passes.gp1 import Algorithm, Sign, seal, wrap
from passes.keys import KeyTable, TrustedKey, ed25519_public, key_id, p256_public, p256_signer
from passes.vocabulary import Category, PassId, PersonId, Reason
from tests.fuzz.quick_text import quick_text
from tests.minting import NOW, NOW_UNIX, claims, phone_key

PASSES: Final = {False: 30, True: 20}  # static and rotating, of each algorithm: a hundred in all
_ED25519: Final = Ed25519PrivateKey.from_private_bytes(b"\x33" * 32)
_P256: Final = derive_private_key(4711, SECP256R1())
ISSUERS: Final[dict[Algorithm, tuple[bytes, Sign]]] = {
    Algorithm.ED25519: (ed25519_public(_ED25519), _ED25519.sign),
    Algorithm.P256: (p256_public(_P256), p256_signer(_P256)),
}
KEYS: Final = KeyTable(
    TrustedKey(
        algorithm=algorithm,
        public=public,
        categories=frozenset(Category),
        not_before=NOW - timedelta(days=1),
        not_after=NOW + timedelta(days=1),
    )
    for algorithm, (public, _) in ISSUERS.items()
)


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
    public, sign = ISSUERS[algorithm]
    for number in range(PASSES[rotating]):
        phone = phone_key(number)
        content = some_claims(chance, number, p256_public(phone) if rotating else None)
        sealed = seal(content, algorithm=algorithm, kid=key_id(public), sign=sign)
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
