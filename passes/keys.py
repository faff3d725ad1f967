"""Keys that gates trust, and signing with keys that the centre holds.

A gate looks a key up by the whole protected header of a pass, so a token cannot choose its algorithm: the table's entry
fixes algorithm, key, categories and times together.
"""

import hashlib
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from passes.gp1 import KID_BYTES, SIGNATURE_BYTES, Algorithm, Sign, protected_header
from passes.vocabulary import Category
from passes.walkin import Certificate, Delegation

_ISSUING: Final = "pass"  # keys of other uses sign no passes

Word = Annotated[str, StringConstraints(pattern=r"^[a-z]{1,20}$")]


class KeySetError(ValueError):
    """A key set cannot be used; the message names the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKey:
    """One issuer key as a gate knows it: valid from ``not_before`` (included) until ``not_after`` (excluded).

    ``delegation`` is there for a gate's walk-in key, whose passes are held to it.
    """

    algorithm: Algorithm
    public: bytes
    categories: frozenset[Category]
    not_before: datetime
    not_after: datetime
    delegation: Delegation | None = None
    _verifier: Ed25519PublicKey | EllipticCurvePublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Load the public key once; raises ``KeySetError`` when its bytes are not one, or are granted too much."""
        problem = self.delegation.problem() if self.delegation else None
        if problem is not None:
            raise KeySetError(f"key {self.kid.hex()}: {problem}")
        try:
            loaded: Ed25519PublicKey | EllipticCurvePublicKey = (
                Ed25519PublicKey.from_public_bytes(self.public)
                if self.algorithm is Algorithm.ED25519
                else EllipticCurvePublicKey.from_encoded_point(SECP256R1(), self.public)
            )
        except ValueError as error:
            raise KeySetError(f"key {self.kid.hex()}: not a public key of its algorithm") from error
        object.__setattr__(self, "_verifier", loaded)

    @property
    def kid(self) -> bytes:
        """First four bytes of SHA-256 of the public key."""
        return key_id(self.public)

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether this key made ``signature`` over ``message``."""
        if isinstance(self._verifier, Ed25519PublicKey):
            try:
                self._verifier.verify(signature, message)
            except InvalidSignature:
                return False
            return True
        return p256_verifies(self._verifier, message, signature)


class KeyTable:
    """The issuer keys of one site, found by the protected header of a pass.

    Raises:
        KeySetError: Two keys share algorithm and key id.
    """

    def __init__(self, keys: Iterable[TrustedKey]) -> None:
        self._by_header: dict[bytes, TrustedKey] = {}
        for key in keys:
            header = protected_header(key.algorithm, key.kid)
            if header in self._by_header:
                raise KeySetError(f"key {key.kid.hex()} stands in the key set twice")
            self._by_header[header] = key

    def find(self, protected: bytes) -> TrustedKey | None:
        """The key that exactly these header bytes name."""
        return self._by_header.get(protected)

    def __len__(self) -> int:
        return len(self._by_header)


class KeyEntry(BaseModel):
    """One key in a key set file."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    kid: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]
    alg: Literal["ed25519", "p256"]
    public: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64}|[0-9a-f]{66})$")]
    use: Word
    categories: list[Word]
    not_before: AwareDatetime
    not_after: AwareDatetime

    def to_domain(self) -> TrustedKey:
        """The key as gates use it; raises ``KeySetError``."""
        public = bytes.fromhex(self.public)
        if key_id(public).hex() != self.kid:
            raise KeySetError(f"key {self.kid}: its id does not match its public key")
        try:
            categories = frozenset(Category.from_code(word) for word in self.categories)
        except KeyError as error:
            raise KeySetError(f"key {self.kid}: category {error.args[0].lower()} is not known") from None
        return TrustedKey(
            algorithm=Algorithm[self.alg.upper()],
            public=public,
            categories=categories,
            not_before=self.not_before,
            not_after=self.not_after,
        )


class KeySetFile(BaseModel):
    """``keyset.json``: which keys a gate of this site trusts."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    v: Literal[1] = 1
    site: Annotated[int, Field(ge=0, lt=65_536)]
    seq: Annotated[int, Field(ge=1)]
    keys: list[KeyEntry]

    def to_domain(self, certificates: Iterable[Certificate] = ()) -> KeyTable:
        """The table of the keys that sign passes; raises ``KeySetError``. Keys of other uses are left out.

        Args:
            certificates: Verified certificates of gates that may issue walk-in passes. None of them ever stands in
                the way of a key of this set, whatever its use: one with the same key id is left out. Of two
                certificates of one gate key the later counts; of two gate keys with one id the first.
        """
        issuers = [entry.to_domain() for entry in self.keys if entry.use == _ISSUING]
        taken = {entry.kid for entry in self.keys if entry.alg == "ed25519"}
        return KeyTable([*issuers, *_gate_keys(certificates, taken)])


def _gate_keys(certificates: Iterable[Certificate], taken: AbstractSet[str]) -> list[TrustedKey]:
    """The keys that certificates name; a certificate that cannot be used costs no other."""
    found: dict[bytes, TrustedKey] = {}
    for certificate in certificates:
        granted = certificate.delegation
        try:
            key = TrustedKey(
                algorithm=Algorithm.ED25519,
                public=certificate.public,
                categories=frozenset(granted.categories),
                not_before=granted.not_before,
                not_after=granted.not_after,
                delegation=granted,
            )
        except KeySetError:
            continue
        held = found.setdefault(key.kid, key)
        if held.public == key.public and held.not_after < key.not_after:
            found[key.kid] = key
    return [key for kid, key in found.items() if kid.hex() not in taken]


def key_id(public: bytes) -> bytes:
    """The key id of a public key: the first four bytes of its SHA-256."""
    return hashlib.sha256(public).digest()[:KID_BYTES]


def ed25519_public(key: Ed25519PrivateKey) -> bytes:
    """The 32 raw bytes of the public half."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def p256_public(key: EllipticCurvePrivateKey) -> bytes:
    """The 33 bytes of the compressed public point."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def p256_signer(key: EllipticCurvePrivateKey) -> Sign:
    """A signing function that writes r || s (64 bytes), as WebCrypto does."""

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


def holder_verifies(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the phone whose compressed P-256 key is ``public`` signed ``message``."""
    try:
        key = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), public)
    except ValueError:
        return False
    return p256_verifies(key, message, signature)


def p256_verifies(key: EllipticCurvePublicKey, message: bytes, signature: bytes) -> bool:
    """Check an r || s signature; a wrong length is simply not a signature."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        key.verify(encode_dss_signature(r, s), message, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True
