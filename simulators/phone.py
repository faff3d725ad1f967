"""A visitor's phone: makes its key, keeps its pass, and draws a fresh code each time, as the pass page does."""

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)

from passes.gp1 import to_text, wrap
from passes.keys import p256_public, p256_signer


class Phone:
    """One phone with one P-256 key that never leaves it."""

    def __init__(self) -> None:
        self._key: EllipticCurvePrivateKey = generate_private_key(SECP256R1())
        self._sealed: bytes | None = None

    @property
    def public_key(self) -> bytes:
        """The compressed public point (33 bytes), for the issuer to sign into the pass."""
        return p256_public(self._key)

    def keep(self, sealed: bytes) -> None:
        """Keep the pass that the centre issued for this phone's key."""
        self._sealed = sealed

    def code(self, shown_at: int) -> str:
        """The text of the code for this moment (Unix seconds); the phone must hold a pass."""
        assert self._sealed is not None, "this phone has no pass yet"
        return to_text(wrap(self._sealed, shown_at=shown_at, sign=p256_signer(self._key)))
