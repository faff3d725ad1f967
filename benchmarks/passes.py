"""What checking a pass costs, next to the one signature check that nothing can avoid."""

from datetime import UTC, datetime, timedelta
from functools import partial

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.result import Options, Outcome, Result
from benchmarks.timing import in_turns
from passes.check import Foreign, Rejected, Verified, check
from passes.claims import Claims
from passes.gp1 import Algorithm, seal, to_text, wrap
from passes.keys import KeyTable, TrustedKey, ed25519_public, key_id, p256_public, p256_signer
from passes.vocabulary import Category, PassId, PersonId

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ISSUER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
MESSAGE = bytes(100)  # about as long as what an issuer signs


def run(options: Options) -> list[Outcome]:
    """Time the check of good and of bad codes against one Ed25519 verification."""
    public, signature = ISSUER.public_key(), ISSUER.sign(MESSAGE)
    keys = KeyTable(
        [
            TrustedKey(
                algorithm=Algorithm.ED25519,
                public=ed25519_public(ISSUER),
                categories=frozenset(Category),
                not_before=NOW - timedelta(days=1),
                not_after=NOW + timedelta(days=1),
            )
        ]
    )
    holder = generate_private_key(SECP256R1())
    static = _sealed(None)
    rotating = wrap(_sealed(p256_public(holder)), shown_at=int(NOW.timestamp()), sign=p256_signer(holder))
    forged = static[:-1] + bytes([static[-1] ^ 1])
    texts: list[tuple[str, str, type[object]]] = [
        ("check of a static pass", to_text(static), Verified),
        ("check of a rotating code", to_text(rotating), Verified),
        ("refusal of a forged pass", to_text(forged), Rejected),
        ("a foreign code set aside", "https://example.com/menu?table=12", Foreign),
    ]
    outcomes: list[Outcome] = []
    for name, text, expected in texts:
        assert isinstance(check(text, keys, now=NOW), expected)
        ours_us, baseline_us = in_turns(
            partial(check, text, keys, now=NOW),
            partial(public.verify, signature, MESSAGE),
            seconds=options.seconds,
        )
        outcomes.append(
            Result(
                name=name,
                value=ours_us,
                unit="us",
                baseline="one Ed25519 verification",
                baseline_value=baseline_us,
            )
        )
    return outcomes


def _sealed(holder_key: bytes | None) -> bytes:
    claims = Claims(
        pass_id=PassId("00112233aabbccdd"),
        person=PersonId("8899aabbccddeeff"),
        site=7,
        category=Category.COURIER,
        unit=12,
        purpose=0,
        gates=1,
        directions=3,
        entries=1,
        stay=60,
        status=5,
        flags=0,
        not_before=int(NOW.timestamp()),
        expires_at=int(NOW.timestamp()) + 3600,
        holder_key=holder_key,
    )
    return seal(claims, algorithm=Algorithm.ED25519, kid=key_id(ed25519_public(ISSUER)), sign=ISSUER.sign)
