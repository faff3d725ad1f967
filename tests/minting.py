"""Passes for tests: an issuer with known keys, and phones that sign."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from passes.claims import Claims
from passes.gp1 import Algorithm, Sign, seal, to_text, wrap
from passes.keys import KeyTable, TrustedKey, ed25519_public, key_id, p256_public, p256_signer
from passes.shortcode import make_short
from passes.vocabulary import Category, PassId, PersonId

NOW: Final = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)  # 17:30 in Shanghai
NOW_UNIX: Final = int(NOW.timestamp())
SITE: Final = 7
COLLIDING: Final = (34_433, 170_398)  # as 32 bytes, secrets of two Ed25519 keys whose key ids are equal


def phone_key(number: int = 1) -> EllipticCurvePrivateKey:
    """The same phone key for the same number, in every run."""
    return derive_private_key(10_000 + number, SECP256R1())


def claims(number: int = 1, **changes: Any) -> Claims:
    """A courier's claims, valid around ``NOW``; ``number`` makes another pass of another person."""
    base = Claims(
        pass_id=PassId(f"{number:016x}"),
        person=PersonId(f"{0xABC000 + number:016x}"),
        site=SITE,
        category=Category.COURIER,
        unit=12,
        purpose=2,
        gates=1,
        directions=3,
        entries=0,
        stay=60,
        status=100 + number,
        flags=0,
        not_before=NOW_UNIX - 600,
        expires_at=NOW_UNIX + 3600,
        issued_at=NOW_UNIX - 600,
    )
    return replace(base, **changes)


@dataclass(frozen=True, kw_only=True)
class Mint:
    """An issuer with one key, of Ed25519 unless another algorithm is asked for."""

    secret: bytes = b"\x11" * 32
    categories: frozenset[Category] = field(default_factory=lambda: frozenset(Category))
    algorithm: Algorithm = Algorithm.ED25519

    @property
    def key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.secret)

    @property
    def public(self) -> bytes:
        if self.algorithm is Algorithm.ED25519:
            return ed25519_public(self.key)
        return p256_public(self._p256)

    @property
    def sign(self) -> Sign:
        return self.key.sign if self.algorithm is Algorithm.ED25519 else p256_signer(self._p256)

    @property
    def _p256(self) -> EllipticCurvePrivateKey:
        return derive_private_key(int.from_bytes(self.secret, "big"), SECP256R1())

    @property
    def trusted(self) -> TrustedKey:
        return TrustedKey(
            algorithm=self.algorithm,
            public=self.public,
            categories=self.categories,
            not_before=NOW - timedelta(days=30),
            not_after=NOW + timedelta(days=60),
        )

    @property
    def table(self) -> KeyTable:
        return KeyTable([self.trusted])

    def sealed(self, content: Claims) -> bytes:
        """The bytes of a pass with these claims."""
        return seal(content, algorithm=self.algorithm, kid=key_id(self.public), sign=self.sign)

    def paper(self, number: int = 1, **changes: Any) -> str:
        """The text of a static pass."""
        return to_text(self.sealed(claims(number, entries=1, **changes)))

    def phone(self, number: int = 1, *, shown_at: int = NOW_UNIX, **changes: Any) -> str:
        """The text of a rotating code, shown at ``shown_at``."""
        body = self.bound(number, **changes)
        return to_text(wrap(body, shown_at=shown_at, sign=p256_signer(phone_key(number))))

    def bound(self, number: int = 1, **changes: Any) -> bytes:
        """The bytes of a pass for the phone with this number."""
        return self.sealed(claims(number, holder_key=p256_public(phone_key(number)), **changes))

    def short(self, number: int = 1, *, shown_at: int = NOW_UNIX) -> str:
        """The text of the short code of ``bound(number)``, shown at ``shown_at``."""
        sign = p256_signer(phone_key(number))
        return to_text(make_short(claims(number).pass_id, shown_at=shown_at, sign=sign))
