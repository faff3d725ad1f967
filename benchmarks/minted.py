"""Passes as a centre issues them and phones show them, from a seed: for scenes and gates that want real ones."""

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from passes.claims import Claims
from passes.gp1 import Algorithm, seal, to_text, wrap
from passes.keys import ed25519_public, key_id, p256_public, p256_signer
from passes.vocabulary import Category, PassId, PersonId
from sync.messages import utc_text

SITE: Final = 7
UNIT: Final = 4123
ISSUER: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KID: Final = key_id(ed25519_public(ISSUER))
STAY_MINUTES: Final = 60


@dataclass(frozen=True, slots=True)
class Minted:
    """One visitor's pass: as printed, and as the phone that holds its key shows it."""

    claims: Claims
    secret: int

    def printed(self) -> str:
        """The text of the static pass."""
        return to_text(self._sealed(replace(self.claims, entries=1)))

    def shown(self, at: int) -> str:
        """The text of the rotating code at this moment, Unix seconds."""
        key = derive_private_key(self.secret, SECP256R1())
        bound = self._sealed(replace(self.claims, holder_key=p256_public(key)))
        return to_text(wrap(bound, shown_at=at, sign=p256_signer(key)))

    def _sealed(self, claims: Claims) -> bytes:
        return seal(claims, algorithm=Algorithm.ED25519, kid=KID, sign=ISSUER.sign)


def minted(chance: random.Random, now: int) -> Minted:
    """A courier's pass of a person whom nobody met yet, valid for an hour around ``now``, Unix seconds."""
    claims = Claims(
        pass_id=PassId(chance.randbytes(8).hex()),
        person=PersonId(chance.randbytes(8).hex()),
        site=SITE,
        category=Category.COURIER,
        unit=UNIT,
        purpose=2,
        gates=1,
        directions=3,
        entries=0,
        stay=STAY_MINUTES,
        status=chance.randrange(1, 60_000),
        flags=0,
        not_before=now - 600,
        expires_at=now + 3600,
        issued_at=now - 600,
    )
    return Minted(claims, chance.randrange(1, 2**250))


def key_set(now: datetime) -> dict[str, Any]:
    """The key set file of the site, as a gate reads it."""
    entry = {
        "kid": KID.hex(),
        "alg": "ed25519",
        "public": ed25519_public(ISSUER).hex(),
        "use": "pass",
        "categories": [category.code for category in Category],
        "not_before": utc_text(now.astimezone(UTC) - timedelta(days=1)),
        "not_after": utc_text(now.astimezone(UTC) + timedelta(days=1)),
    }
    return {"v": 1, "site": SITE, "seq": 1, "keys": [entry]}
