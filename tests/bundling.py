"""Site bundles for tests: a site with root, status key, config key and pass key, all known."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from passes.bundle import Bundle, seal_bundle
from passes.gp1 import Algorithm
from passes.keys import KeyEntry, KeySetFile, ed25519_public, key_id
from passes.trust import seal_key_set
from passes.vocabulary import Category
from passes.walkin import CATEGORIES, Certificate, Delegation, seal_certificate
from tests.minting import NOW, SITE, Mint

TTL_S: Final = 60
LIFE_S: Final = 24 * 3600


def entry(secret: bytes, use: str, *, made: datetime = NOW) -> KeyEntry:
    public = ed25519_public(Ed25519PrivateKey.from_private_bytes(secret))
    return KeyEntry(
        kid=key_id(public).hex(),
        alg="ed25519",
        public=public.hex(),
        use=use,
        categories=[one.code for one in Category] if use == "pass" else [],
        not_before=made - timedelta(days=30),
        not_after=made + timedelta(days=60),
    )


@dataclass(frozen=True, kw_only=True)
class Office:
    """Who signs bundles and key sets; passes come from ``Mint``."""

    site: int = SITE
    pass_secret: bytes = Mint().secret
    status_secret: bytes = b"\x22" * 32
    root_secret: bytes = b"\x33" * 32
    config_secret: bytes = b"\x55" * 31 + b"\x01"
    made: datetime = NOW

    def key_set(self, seq: int = 1, **changes: Any) -> KeySetFile:
        uses = (
            (self.pass_secret, "pass"),
            (self.status_secret, "status"),
            (self.root_secret, "root"),
            (self.config_secret, "config"),
        )
        keys = [entry(secret, use, made=self.made) for secret, use in uses]
        return KeySetFile(site=self.site, seq=seq, keys=keys).model_copy(update=changes)

    def signed_key_set(self, keys: KeySetFile) -> bytes:
        root = Ed25519PrivateKey.from_private_bytes(self.root_secret)
        kid = key_id(ed25519_public(root))
        return seal_key_set(keys, algorithm=Algorithm.ED25519, kid=kid, sign=root.sign)

    def certificate(self, public: bytes, *, secret: bytes | None = None, **changes: Any) -> bytes:
        """A walk-in certificate for a gate's key, signed by the config key; ``changes`` are of the delegation."""
        config = Ed25519PrivateKey.from_private_bytes(secret or self.config_secret)
        granted = Delegation(
            site=self.site,
            gate=0,
            categories=CATEGORIES,
            not_before=self.made - timedelta(hours=1),
            not_after=self.made + timedelta(hours=23),
        )
        kid = key_id(ed25519_public(config))
        return seal_certificate(Certificate(replace(granted, **changes), public), kid=kid, sign=config.sign)

    def bundle(self, seq: int = 1, **changes: Any) -> Bundle:
        issued_at = int(self.made.timestamp())
        base = Bundle(
            site=self.site,
            seq=seq,
            issued_at=issued_at,
            ttl_s=TTL_S,
            expires_at=issued_at + LIFE_S,
            keyset_seq=1,
        )
        return replace(base, **changes)

    def sealed(self, bundle: Bundle, *, key_set: bytes = b"", secret: bytes | None = None) -> bytes:
        status = Ed25519PrivateKey.from_private_bytes(secret or self.status_secret)
        kid = key_id(ed25519_public(status))
        return seal_bundle(bundle, algorithm=Algorithm.ED25519, kid=kid, sign=status.sign, key_set=key_set)
