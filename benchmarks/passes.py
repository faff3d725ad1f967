"""What answering a code costs, next to the one signature check that nothing can avoid; and how big codes are."""

import random
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

import segno
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.result import Options, Outcome, Result
from benchmarks.timing import in_turns
from edge.journal import Journal
from edge.standing import Standings
from passes.base45 import ALPHABET
from passes.check import Foreign, Verified, check
from passes.claims import Claims
from passes.decide import Decision, Deny, Grant, LaneFacts, Policy, Refer, Standing, decide
from passes.gp1 import (
    KID_BYTES,
    PREFIX,
    Algorithm,
    SignedPass,
    protected_header,
    seal,
    to_text,
    wrap,
)
from passes.keys import KeyTable, TrustedKey, ed25519_public, key_id, p256_public, p256_signer
from passes.shortcode import make_short
from passes.vocabulary import Category, ClockTrust, Direction, PassId, PersonId
from shell.clock import SystemClock

NOW: Final = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
NOW_UNIX: Final = int(NOW.timestamp())
ISSUER: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
HOLDER: Final = generate_private_key(SECP256R1())
KEYS: Final = KeyTable(
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
MESSAGE: Final = bytes(100)  # about as long as what an issuer signs
LANE: Final = LaneFacts(site=7, gate=0, direction=Direction.ENTRY)
HOLDER_POINT: Final = p256_public(HOLDER)
POLICY: Final = Policy(zone=ZoneInfo("Asia/Shanghai"))
STATIC_BYTES_MAX: Final = 144  # QR version 8 at level M
ROTATING_BYTES_MAX: Final = 260  # QR version 10 at level L
LONGEST_BYTES: Final = 338  # 511 characters, where 512 are read
SHORT_BYTES_MAX: Final = 80  # QR version 5
PASS_ID: Final = PassId("00112233aabbccdd")


def run(options: Options) -> list[Outcome]:
    """Time the answers to good and to bad codes against one Ed25519 verification, and measure the codes."""
    static, bound = _sealed(_usual(None)), _sealed(_usual(HOLDER_POINT))
    rotating = to_text(_shown(bound))
    short_body = make_short(PASS_ID, shown_at=NOW_UNIX, sign=p256_signer(HOLDER))
    short = to_text(short_body)
    forged = to_text(static[:-1] + bytes([static[-1] ^ 1]))
    decided = partial(_decision, standing=Standing())
    against = partial(_against_a_verification, seconds=options.seconds)
    outcomes = [
        against("rotating code, text to decision", partial(decided, rotating), Grant, ratio_max=4.0),
        _with_standing_from_disk(rotating, against),
        against("short code, text to decision", partial(decided, short, held={PASS_ID: bound}), Grant),
        against("static pass, text to decision", partial(decided, to_text(static)), Refer),
        *(
            against(f"refusal: {name}", partial(decided, text), Deny, ratio_max=0.25)
            for name, text in _junk(static, bound).items()
        ),
        against("refusal: a forged signature", partial(decided, forged), Deny),
        against(
            "another prefix, set aside",
            partial(_checked, "HC1:" + rotating.removeprefix(PREFIX)),
            Foreign,
            ratio_max=0.25,
        ),
    ]
    assert isinstance(_checked(rotating), Verified)
    short_size = _size("short code", short_body, "L", SHORT_BYTES_MAX, promised=True)
    return [*outcomes, *_sizes(), short_size]


def _junk(static: bytes, bound: bytes) -> dict[str, str]:
    """What is refused before any signature is looked at, as long as a real code of its kind."""
    chance = random.Random(20)
    strange = protected_header(Algorithm.ED25519, bytes(KID_BYTES))
    rotating, late = _shown(bound), NOW_UNIX - 31
    other_issuer = _shown(static[:2] + strange + bound[11:])
    letters = "".join(chance.choices(ALPHABET, k=len(to_text(rotating)) - len(PREFIX)))
    short = make_short(PASS_ID, shown_at=late, sign=p256_signer(HOLDER))
    not_held = make_short(PASS_ID, shown_at=NOW_UNIX, sign=p256_signer(HOLDER))
    return {
        "random letters": PREFIX + letters,
        "one foreign letter at the end": to_text(rotating)[:-1] + "a",
        "random bytes in good base45, as a pass": to_text(b"\x84" + chance.randbytes(255)),
        "random bytes in good base45, as a rotating code": to_text(
            b"\x01\x00" + NOW_UNIX.to_bytes(4, "big") + chance.randbytes(250)
        ),
        "random bytes in good base45, any": to_text(chance.randbytes(256)),
        "a code 31 s old": to_text(_shown(bound, shown_at=late)),
        "a short code 31 s old": to_text(short),
        "a short code of a pass not held": to_text(not_held),
        "longer than any code": PREFIX + "0" * 7089,
        "random bytes of the longest text that is read": to_text(
            b"\x84" + chance.randbytes(LONGEST_BYTES - 1)
        ),
        "another site's issuer, on paper": to_text(static[:2] + strange + static[11:]),
        "another site's issuer, on a phone": to_text(other_issuer),
        "another site's issuer, the longest text": to_text(_longest(strange)),
    }


def _longest(protected: bytes) -> bytes:
    """The longest text that has the shape of a rotating code."""
    claims = bytes(LONGEST_BYTES - len(_shown(SignedPass(protected, bytes(256), bytes(64)).sealed)) + 256)
    return _shown(SignedPass(protected, claims, bytes(64)).sealed)


def _checked(text: str) -> object:
    return check(text, KEYS, now=NOW)


def _decision(text: str, standing: Standing, held: Mapping[PassId, bytes] = MappingProxyType({})) -> Decision:
    checked = check(text, KEYS, now=NOW, stored=held.get)
    return decide(checked, standing, LANE, POLICY, now=NOW, trust=ClockTrust.TRUSTED)


def _against_a_verification(
    name: str,
    answer: Callable[[], object],
    expected: type[object],
    *,
    seconds: float,
    ratio_max: float | None = None,
) -> Result:
    assert isinstance(answer(), expected), f"{name}: {answer()}"
    public, signature = ISSUER.public_key(), ISSUER.sign(MESSAGE)
    ours_us, baseline_us = in_turns(answer, partial(public.verify, signature, MESSAGE), seconds=seconds)
    return Result(
        name=name,
        value=ours_us,
        unit="us",
        baseline="one Ed25519 verification",
        baseline_value=baseline_us,
        ratio_max=ratio_max,
    )


def _with_standing_from_disk(text: str, against: Callable[..., Result]) -> Result:
    """The same with what the gate's journal says of pass and person, as a lane asks it."""
    build = Path("build")
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as folder:
        journal = Journal(Path(folder), SystemClock())
        standings = Standings(journal, POLICY.zone)

        def answer() -> Decision:
            checked = check(text, KEYS, now=NOW)
            assert isinstance(checked, Verified)
            standing = standings.of(checked.claims, NOW)
            return decide(checked, standing, LANE, POLICY, now=NOW, trust=ClockTrust.TRUSTED)

        try:
            return against("rotating code, with the standing from disk", answer, Grant)
        finally:
            journal.close()


def _sizes() -> list[Outcome]:
    """How big codes are: as they usually are, and with the largest values that docs/gp1.md promises room for.

    A challenge on top of the largest values goes beyond; an issuer does not make such a pass.
    """
    largest: dict[str, Any] = {"site": 65_535, "unit": 65_535, "gates": 255, "stay": -120, "status": 65_535}
    outcomes: list[Outcome] = []
    for what, changes, promised in (("usual", {}, True), ("largest", largest, False)):
        printed = _sealed(replace(_usual(None), **changes))
        bound = _sealed(replace(_usual(HOLDER_POINT), **changes))
        outcomes += [
            _size(f"printed pass, {what} values", printed, "M", STATIC_BYTES_MAX, promised=True),
            _size(f"rotating code, {what} values", _shown(bound), "L", ROTATING_BYTES_MAX, promised=True),
            _size(
                f"... with a challenge, {what} values",
                _shown(bound, challenge=b"4711"),
                "L",
                ROTATING_BYTES_MAX,
                promised=promised,
            ),
        ]
    return outcomes


def _size(name: str, body: bytes, level: str, most: int, *, promised: bool) -> Result:
    drawn = segno.make_qr(to_text(body), error=level, mode="alphanumeric", boost_error=False)
    return Result(
        name=f"{name}: QR {drawn.designator}",
        value=len(body),
        unit="B",
        baseline="the most that is promised",
        baseline_value=most,
        ratio_max=1.0 if promised else None,
    )


def _shown(bound: bytes, *, shown_at: int = NOW_UNIX, challenge: bytes | None = None) -> bytes:
    return wrap(bound, shown_at=shown_at, sign=p256_signer(HOLDER), challenge=challenge)


def _usual(holder_key: bytes | None) -> Claims:
    return Claims(
        pass_id=PASS_ID,
        person=PersonId("8899aabbccddeeff"),
        site=7,
        category=Category.COURIER,
        unit=1202,
        purpose=2,
        gates=1,
        directions=3,
        entries=1,
        stay=60,
        status=4242,
        flags=0,
        issued_at=NOW_UNIX,
        not_before=NOW_UNIX,
        expires_at=NOW_UNIX + 3600,
        holder_key=holder_key,
    )


def _sealed(claims: Claims) -> bytes:
    return seal(claims, algorithm=Algorithm.ED25519, kid=key_id(ed25519_public(ISSUER)), sign=ISSUER.sign)
