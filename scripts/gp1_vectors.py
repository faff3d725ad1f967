"""Write the published test vectors of GP1: ``python -m scripts.gp1_vectors > tests/vectors/gp1.json``.

Ed25519 is deterministic; the phone's ECDSA signature is made with a deterministic nonce (RFC 6979), so the file is the
same in every run.
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from passes.claims import FLAG_CRITICAL_TAIL, Claims
from passes.gp1 import Algorithm, Sign, seal, to_text, wrap
from passes.keys import ed25519_public, key_id, p256_public
from passes.schedule import WORKING_DAYS, Hours, Schedule
from passes.shortcode import make_short
from passes.stay import due_at, rule_of_claim
from passes.vocabulary import Category, PassId, PersonId
from passes.walkin import Certificate, Delegation, seal_certificate

T0 = 1_795_339_800  # 2026-11-22 09:30:00 UTC
ISSUER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PHONE_SECRET = 0x1F1E1D1C1B1A191817161514131211100F0E0D0C0B0A09080706050403020100
PHONE = derive_private_key(PHONE_SECRET, SECP256R1())
P256_SECRET = 0x2F2E2D2C2B2A292827262524232221201F1E1D1C1B1A19181716151413121110
P256_ISSUER = derive_private_key(P256_SECRET, SECP256R1())
GATE_SECRET = bytes(range(32, 64))
GATE = Ed25519PrivateKey.from_private_bytes(GATE_SECRET)
CONFIG_SECRET = bytes(range(64, 96))
CONFIG = Ed25519PrivateKey.from_private_bytes(CONFIG_SECRET)
MORNINGS = Schedule((Hours(days=WORKING_DAYS, start=54, end=72),))  # Monday to Friday, 09:00 to 12:00
NIGHTS = Schedule(
    (
        Hours(days=0b100_0000, start=102, end=108),  # Sunday, 17:00 to 18:00
        Hours(days=0b001_0000, start=132, end=12),  # Friday 22:00 to Saturday 02:00
    )
)


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
            "p256_issuer": p256_issuer(),
            "short_codes": short_codes(),
            "walk_in": walk_in(),
            "schedules": schedules(),
            "stays": stays(),
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
        refused("a length in two bytes that fits in one", long_length(static), "malformed"),
        refused("flags that are not known, signed by the phone", flagged(bound, 2), "malformed"),
        accepted(
            "rotating code of a repeat visitor, weekday mornings",
            wrap(repeat(MORNINGS), shown_at=T0 - 5, sign=phone_sign),
            T0 - 5,
        ),
        refused(
            "a schedule that is not marked critical",
            unmarked(repeat(MORNINGS)),
            "malformed",
        ),
        {"name": "lower case", "text": to_text(static).lower().replace("gp1", "GP1"), "reason": "malformed"},
        {"name": "somebody else's code", "text": "https://example.org/", "reason": "foreign"},
    ]


def p256_issuer() -> dict[str, Any]:
    """The same pass by an issuer with a P-256 key."""
    public = p256_public(P256_ISSUER)
    sign = deterministic(P256_ISSUER)
    paper = seal(claims(entries=1), algorithm=Algorithm.P256, kid=key_id(public), sign=sign)
    bound = seal(
        claims(holder_key=p256_public(PHONE)), algorithm=Algorithm.P256, kid=key_id(public), sign=sign
    )
    as_ed25519 = bytearray(paper)
    as_ed25519[4] = Algorithm.ED25519
    return {
        "issuer": {
            "alg": "p256",
            "secret": f"{P256_SECRET:064x}",
            "public": public.hex(),
            "kid": key_id(public).hex(),
        },
        "vectors": [
            accepted("static pass", paper, shown_at=None),
            accepted("rotating code", wrap(bound, shown_at=T0 - 5, sign=phone_sign), T0 - 5),
            refused("names the other algorithm", bytes(as_ed25519), "unknown_key"),
        ],
    }


def short_codes() -> dict[str, Any]:
    """Short codes, and the one pass that the gate of these vectors holds."""
    held = claims(holder_key=p256_public(PHONE))
    fresh = make_short(held.pass_id, shown_at=T0 - 5, sign=phone_sign)
    other = make_short(PassId("ffeeddccbbaa9988"), shown_at=T0 - 5, sign=phone_sign)
    long_proof = wrap(sealed(held), shown_at=T0 - 5, sign=phone_sign)[-64:]
    return {
        "held": {held.pass_id: sealed(held).hex()},
        "vectors": [
            accepted("five seconds old", fresh, T0 - 5),
            refused(
                "thirty-one seconds old",
                make_short(held.pass_id, shown_at=T0 - 31, sign=phone_sign),
                "stale_code",
            ),
            refused("a pass that the gate does not hold", other, "unknown_pass"),
            refused("one bit of the signature changed", fresh[:-1] + bytes([fresh[-1] ^ 1]), "bad_signature"),
            refused("with the signature of a rotating code", fresh[:-64] + long_proof, "bad_signature"),
            refused("a byte after it", fresh + b"\x00", "malformed"),
        ],
    }


def walk_in() -> dict[str, Any]:
    """Passes by the key of gate 2, the certificate of that key, and the key set that knows who signs certificates."""
    since, until = T0 - 3600, T0 + 23 * 3600
    public = ed25519_public(GATE)

    def made(name: str, reason: str | None = None, **changes: Any) -> dict[str, Any]:
        content = claims(**{"entries": 1, "gates": 4, "status": 0} | changes)
        body = seal(content, algorithm=Algorithm.ED25519, kid=key_id(public), sign=GATE.sign)
        return accepted(name, body, shown_at=None) if reason is None else refused(name, body, reason)

    return {
        "secret": GATE_SECRET.hex(),
        "public": public.hex(),
        "config_secret": CONFIG_SECRET.hex(),
        "key_set": {
            "v": 1,
            "site": 7,
            "seq": 1,
            "keys": [
                {
                    "kid": key_id(ed25519_public(CONFIG)).hex(),
                    "alg": "ed25519",
                    "public": ed25519_public(CONFIG).hex(),
                    "use": "config",
                    "categories": [],
                    "not_before": moment(T0 - 30 * 86_400),
                    "not_after": moment(T0 + 30 * 86_400),
                }
            ],
        },
        "certificates": certificates(since, until),
        "vectors": [
            made("static pass"),
            made("twelve hours", not_before=T0 - 600, expires_at=T0 - 600 + 12 * 3600),
            made("until the certificate ends", not_before=until - 12 * 3600, expires_at=until),
            made("a second more than twelve hours", "unknown_key", expires_at=T0 - 600 + 12 * 3600 + 1),
            made("outlives the certificate", "unknown_key", not_before=until - 3600, expires_at=until + 1),
            made("a resident", "unknown_key", category=Category.RESIDENT),
            made("a category that the certificate leaves out", "unknown_key", category=Category.FOOD),
            made("another site", "unknown_key", site=8),
            made("another gate", "unknown_key", gates=1),
            made("two entries", "unknown_key", entries=2),
            made("a stay of more than twelve hours", "unknown_key", stay=721),
            made("a place in the status list", "unknown_key", status=4242),
        ],
    }


def certificates(since: int, until: int) -> list[dict[str, Any]]:
    """As they stand in a bundle: the one that counts, and those that every gate leaves out."""
    kid = key_id(ed25519_public(CONFIG))

    def made(*, site: int = 7, key: Ed25519PrivateKey = CONFIG) -> bytes:
        granted = Delegation(
            site=site,
            gate=2,
            categories=frozenset({Category.COURIER, Category.OTHER}),
            not_before=datetime.fromtimestamp(since, UTC),
            not_after=datetime.fromtimestamp(until, UTC),
        )
        return seal_certificate(Certificate(granted, ed25519_public(GATE)), kid=kid, sign=key.sign)

    good = made()
    return [
        {"name": "couriers and others at gate 2", "bytes": good.hex(), "valid": True},
        {"name": "of another site", "bytes": made(site=8).hex(), "valid": False},
        {"name": "signed by the gate itself", "bytes": made(key=GATE).hex(), "valid": False},
        {"name": "a byte after it", "bytes": good.hex() + "00", "valid": False},
    ]


def schedules() -> list[dict[str, Any]]:
    """Schedules as bytes, moments, and whether the entry opens; and bytes that are none."""
    zone = "Asia/Shanghai"
    asked = [
        (MORNINGS, "2026-11-23T08:59:59+08:00"),
        (MORNINGS, "2026-11-23T09:00:00+08:00"),
        (MORNINGS, "2026-11-27T11:59:59+08:00"),
        (MORNINGS, "2026-11-27T12:00:00+08:00"),
        (MORNINGS, "2026-11-28T10:00:00+08:00"),
        (NIGHTS, "2026-11-22T17:30:00+08:00"),
        (NIGHTS, "2026-11-27T22:00:00+08:00"),
        (NIGHTS, "2026-11-28T01:59:59+08:00"),
        (NIGHTS, "2026-11-28T02:00:00+08:00"),
        (NIGHTS, "2026-11-27T01:00:00+08:00"),
    ]
    told: list[dict[str, Any]] = [
        {
            "bytes": schedule.encode().hex(),
            "zone": zone,
            "at": at,
            "opens": schedule.allows(datetime.fromisoformat(at), ZoneInfo(zone)),
        }
        for schedule, at in asked
    ]
    return told + [
        {"bytes": encoded, "reason": "malformed"}
        for encoded in ("", "36", "364800", "364880", "90481f", "36001f", "36361f", "48541f36481f")
    ]


def stays() -> list[dict[str, Any]]:
    """Stay claims, moments of entry, and when the stay ends (in UTC)."""
    asked = [
        (60, "2026-11-22T11:00:00+08:00", "Asia/Shanghai"),
        (-120, "2026-11-22T11:00:00+08:00", "Asia/Shanghai"),
        (-120, "2026-11-22T20:30:00+08:00", "Asia/Shanghai"),
        (-144, "2026-11-22T23:59:59+08:00", "Asia/Shanghai"),
        (-(144 * 240 + 120), "2026-11-22T11:00:00+08:00", "Asia/Shanghai"),
        (-(144 * 240 + 120), "2026-11-22T17:00:00+08:00", "Asia/Shanghai"),
        (-15, "2026-03-29T01:00:00+01:00", "Europe/Berlin"),  # 02:30 is skipped
        (-15, "2026-10-25T01:00:00+02:00", "Europe/Berlin"),  # 02:30 comes twice
    ]
    ends = []
    for stay, entered, zone in asked:
        rule = rule_of_claim(stay)
        end = due_at(rule, entered_at=datetime.fromisoformat(entered), zone=ZoneInfo(zone), pass_end=None)
        assert end is not None
        ends.append({"stay": stay, "entered": entered, "zone": zone, "ends": end.isoformat()})
    return ends


def repeat(schedule: Schedule) -> bytes:
    """A repeat visitor's pass for the phone."""
    return sealed(
        claims(
            pass_id=PassId("0011223344556688"),
            holder_key=p256_public(PHONE),
            schedule=schedule,
            flags=FLAG_CRITICAL_TAIL,
        )
    )


def unmarked(body: bytes) -> bytes:
    """A fresh code of the same pass with flags 0, signed again: what an honest issuer would not write."""
    payload = body[14:-66]
    old = b"\x18" + bytes([FLAG_CRITICAL_TAIL])
    assert payload.count(old) == 1
    changed = payload.replace(old, b"\x00")
    framed = b"\x58" + bytes([len(changed)]) + changed
    to_sign = b"\x84\x6aSignature1\x49" + body[2:11] + b"\x40" + framed
    return wrap(body[:12] + framed + b"\x58\x40" + ISSUER.sign(to_sign), shown_at=T0 - 5, sign=phone_sign)


def long_length(body: bytes) -> bytes:
    """The same pass with the payload's length in two bytes."""
    return body[:12] + b"\x59\x00" + body[13:]


def flagged(body: bytes, flags: int) -> bytes:
    """A fresh code with these flags, which the phone has signed as well."""
    signed = bytes([1, flags]) + (T0 - 5).to_bytes(4, "big") + body
    return signed + phone_sign(b"GP1/pop\x00" + signed)


def sealed(content: Claims) -> bytes:
    """A pass by the issuer."""
    return seal(content, algorithm=Algorithm.ED25519, kid=kid(), sign=ISSUER.sign)


def moment(unix: int) -> str:
    """A time in UTC as key sets have it."""
    return (datetime.fromtimestamp(0, UTC) + timedelta(seconds=unix)).isoformat()


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


def deterministic(key: EllipticCurvePrivateKey) -> Sign:
    """Signs as r || s with a nonce that depends on key and message alone."""

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, ECDSA(SHA256(), deterministic_signing=True)))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


phone_sign = deterministic(PHONE)


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
