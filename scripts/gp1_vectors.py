"""Write the published test vectors of GP1: ``python -m scripts.gp1_vectors > tests/vectors/gp1.json``.

Ed25519 is deterministic; the phone's ECDSA signature is made with a deterministic nonce (RFC 6979), so the file is the
same in every run.
"""

import json
import sys
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from passes.claims import Claims
from passes.gp1 import Algorithm, seal, to_text, wrap
from passes.keys import ed25519_public, key_id, p256_public
from passes.vocabulary import Category, PassId, PersonId

T0 = 1_795_339_800  # 2026-11-22 09:30:00 UTC
ISSUER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PHONE_SECRET = 0x1F1E1D1C1B1A191817161514131211100F0E0D0C0B0A09080706050403020100
PHONE = derive_private_key(PHONE_SECRET, SECP256R1())


def main() -> None:
    """Print the vectors as JSON."""
    print_json(
        {
            "about": "Test vectors of GP1 (docs/gp1.md). Keys are for tests only.",
            "issuer": {
                "alg": "ed25519",
                "secret": bytes(range(32)).hex(),
                "public": ed25519_public(ISSUER).hex(),
                "kid": key_id(ed25519_public(ISSUER)).hex(),
            },
            "phone": {"alg": "p256", "secret": f"{PHONE_SECRET:064x}", "public": p256_public(PHONE).hex()},
            "now": datetime.fromtimestamp(T0, UTC).isoformat(),
            "vectors": vectors(),
        }
    )


def vectors() -> list[dict[str, Any]]:
    """Each with a name, the text, and what a reader says to it at ``now``."""
    static = seal(claims(entries=1), algorithm=Algorithm.ED25519, kid=kid(), sign=ISSUER.sign)
    bound = seal(
        claims(holder_key=p256_public(PHONE)), algorithm=Algorithm.ED25519, kid=kid(), sign=ISSUER.sign
    )
    fresh = wrap(bound, shown_at=T0 - 5, sign=phone_sign)
    edited = bytearray(static)
    edited[40] ^= 1
    other = bytearray(static)
    other[7] ^= 1
    return [
        accepted("static pass", static, shown_at=None),
        accepted("rotating code, five seconds old", fresh, shown_at=T0 - 5),
        accepted(
            "rotating code, thirty seconds old", wrap(bound, shown_at=T0 - 30, sign=phone_sign), T0 - 30
        ),
        accepted(
            "rotating code with a challenge", wrap(bound, shown_at=T0, sign=phone_sign, challenge=b"4711"), T0
        ),
        refused(
            "rotating code, thirty-one seconds old",
            wrap(bound, shown_at=T0 - 31, sign=phone_sign),
            "stale_code",
        ),
        refused(
            "rotating code, eleven seconds ahead",
            wrap(bound, shown_at=T0 + 11, sign=phone_sign),
            "stale_code",
        ),
        refused("envelope stripped", bound, "stale_code"),
        refused("static pass in an envelope", wrap(static, shown_at=T0, sign=phone_sign), "malformed"),
        refused("one bit of the claims changed", bytes(edited), "bad_signature"),
        refused(
            "one bit of the phone's signature changed", fresh[:-1] + bytes([fresh[-1] ^ 1]), "bad_signature"
        ),
        refused("unknown key id", bytes(other), "unknown_key"),
        refused("a byte after the pass", static + b"\x00", "malformed"),
        {"name": "lower case", "text": to_text(static).lower().replace("gp1", "GP1"), "reason": "malformed"},
        {"name": "somebody else's code", "text": "https://example.org/", "reason": "foreign"},
    ]


def claims(**changes: Any) -> Claims:
    """A courier's pass, valid around ``T0``."""
    content: dict[str, Any] = {
        "pass_id": PassId("0011223344556677"),
        "person": PersonId("8899aabbccddeeff"),
        "site": 7,
        "category": Category.COURIER,
        "unit": 1202,
        "purpose": 2,
        "gates": 1,
        "directions": 3,
        "entries": 0,
        "stay": 60,
        "status": 4242,
        "flags": 0,
        "not_before": T0 - 600,
        "expires_at": T0 + 3600,
        "issued_at": T0 - 600,
    }
    return Claims(**(content | changes))


def kid() -> bytes:
    """The issuer's key id."""
    return key_id(ed25519_public(ISSUER))


def phone_sign(message: bytes) -> bytes:
    """r || s with a deterministic nonce."""
    r, s = decode_dss_signature(PHONE.sign(message, ECDSA(SHA256(), deterministic_signing=True)))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def accepted(name: str, body: bytes, shown_at: int | None) -> dict[str, Any]:
    """A vector that verifies."""
    return {"name": name, "bytes": body.hex(), "text": to_text(body), "valid": True, "shown_at": shown_at}


def refused(name: str, body: bytes, reason: str) -> dict[str, Any]:
    """A vector that does not."""
    return {"name": name, "bytes": body.hex(), "text": to_text(body), "valid": False, "reason": reason}


def print_json(content: dict[str, Any]) -> None:
    """Write it, with a final newline."""
    sys.stdout.write(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
