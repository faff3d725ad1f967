"""Is this text a pass that its issuer signed, shown by its holder, now? Steps 1 to 6 of the format's order of checks.

Whether that pass may enter here is ``passes.decide``'s question.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, assert_never

from passes.claims import Claims, ClaimsError, decode_claims
from passes.gp1 import PREFIX, Envelope, MalformedError, SignedPass, from_text, open_body
from passes.keys import KeyTable, TrustedKey, holder_verifies
from passes.shortcode import ENVELOPE as SHORT_ENVELOPE
from passes.shortcode import ShortCode, cut_short
from passes.vocabulary import ClockTrust, PassId, Reason

Stored = Callable[[PassId], bytes | None]
"""Finds the bytes of a pass that this gate has read before or was sent; they are checked again like any others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How old, and how far ahead of the gate's clock, a rotating code may be, in seconds."""

    back_s: int = 30
    ahead_s: int = 10


NORMAL_WINDOW: Final = Window()


@dataclass(frozen=True, slots=True)
class Verified:
    """The issuer's and, for a rotating or short code, the holder's signature hold.

    ``shown_at`` is the code's own time, None for a static pass. ``kid`` names the key that signed, and ``sealed`` is
    the pass itself, for a gate that keeps it to read short codes.
    """

    claims: Claims
    shown_at: int | None
    kid: bytes = field(default=b"", compare=False)
    sealed: bytes = field(default=b"", compare=False)


Meant = PassId | bytes
"""Which pass a text says it is about, unproved: the id in a short code, or the bytes of the pass in a full one."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The text is meant as a pass, but cannot be taken as one. ``detail`` is for logs, never for visitors.

    ``meant`` is there for a code that came too early for its proof: too old, or short and not held here.
    """

    reason: Reason
    detail: str
    meant: Meant | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Foreign:
    """Some other QR code: a link, a payment code. Not ours to judge."""


Checked = Verified | Rejected | Foreign


def _none_stored(_: PassId) -> None:
    return None


def check(
    text: str,
    keys: KeyTable,
    *,
    now: datetime,
    trust: ClockTrust = ClockTrust.TRUSTED,
    window: Window = NORMAL_WINDOW,
    stored: Stored = _none_stored,
    key_dates: bool = True,
) -> Checked:
    """Check one scanned text; whatever the text, this does not raise.

    Args:
        text: What the reader decoded.
        keys: The issuer keys of this site.
        now: Aware UTC wall time.
        trust: With an untrusted clock the time of the code and of the key are not judged here; ``decide`` refers.
        window: How old a rotating or short code may be.
        stored: Finds the pass of a short code; asked once at most, and only for a code within its window.
        key_dates: Whether the issuer's key must be valid now. An exit asks who leaves, also with a pass whose key has
            ended since the entry.
    """
    if not text.startswith(PREFIX):
        return Foreign()
    try:
        body = from_text(text)
        opened = cut_short(body) if body[0] == SHORT_ENVELOPE else open_body(body)
    except MalformedError as error:
        return Rejected(Reason.MALFORMED, str(error))
    timed = trust is ClockTrust.TRUSTED
    proof = None if isinstance(opened, SignedPass) else opened
    if proof is not None and timed:
        age_s = now.timestamp() - proof.shown_at
        if not -window.ahead_s <= age_s <= window.back_s:
            return Rejected(Reason.STALE_CODE, f"the code is {age_s:.0f} s old", _meant(proof))
    match opened:
        case SignedPass():
            signed = opened
        case Envelope():
            signed = opened.signed_pass
        case ShortCode():
            found = _find(opened.pass_id, stored)
            if isinstance(found, Rejected):
                return found
            signed = found
        case _:
            assert_never(opened)
    key = keys.find(signed.protected)
    if key is None:
        return Rejected(Reason.UNKNOWN_KEY, f"no key for header {signed.protected.hex()}")
    if timed and key_dates and not key.not_before <= now < key.not_after:
        return Rejected(Reason.UNKNOWN_KEY, f"key {key.kid.hex()} is not valid now")
    return _check_signed(signed, key, proof)


def _meant(proof: Envelope | ShortCode) -> Meant:
    return proof.pass_id if isinstance(proof, ShortCode) else proof.signed_pass.sealed


def _find(pass_id: PassId, stored: Stored) -> SignedPass | Rejected:
    sealed = stored(pass_id)
    if not sealed:
        return Rejected(Reason.UNKNOWN_PASS, f"pass {pass_id} is not held here", pass_id)
    try:
        signed = open_body(sealed)
    except MalformedError as error:
        return Rejected(Reason.UNKNOWN_PASS, f"pass {pass_id} is held here, but broken: {error}", pass_id)
    if not isinstance(signed, SignedPass):
        return Rejected(Reason.UNKNOWN_PASS, f"pass {pass_id} is held here as a code, not as a pass", pass_id)
    return signed


def _check_signed(
    signed: SignedPass, key: TrustedKey, proof: Envelope | ShortCode | None
) -> Verified | Rejected:
    if not key.verifies(signed.to_be_signed, signed.signature):
        if isinstance(proof, ShortCode):  # what the gate holds has decayed: the full code heals it
            what = f"pass {proof.pass_id} is held here, but not as it was signed"
            return Rejected(Reason.UNKNOWN_PASS, what, proof.pass_id)
        return Rejected(Reason.BAD_SIGNATURE, f"key {key.kid.hex()} did not sign this")
    try:
        claims = decode_claims(signed.payload)
    except ClaimsError as error:
        return Rejected(Reason.MALFORMED, f"claims: {error}")
    if claims.category not in key.categories:
        return Rejected(Reason.UNKNOWN_KEY, f"key {key.kid.hex()} may not issue {claims.category.code}")
    beyond = key.delegation.breach(claims) if key.delegation else None
    if beyond is not None:
        return Rejected(Reason.UNKNOWN_KEY, f"key {key.kid.hex()}: {beyond}")
    if isinstance(proof, ShortCode) and claims.pass_id != proof.pass_id:
        what = f"the pass held as {proof.pass_id} is {claims.pass_id}"
        return Rejected(Reason.UNKNOWN_PASS, what, proof.pass_id)
    if claims.holder_key is None:
        if proof is not None:
            return Rejected(Reason.MALFORMED, "a static pass has no phone to sign a code")
        return Verified(claims, None, key.kid, signed.sealed)
    if proof is None:
        return Rejected(Reason.STALE_CODE, "a pass bound to a phone, shown without the phone's signature")
    if not holder_verifies(claims.holder_key, proof.to_be_signed, proof.signature):
        return Rejected(Reason.BAD_SIGNATURE, "the phone's key did not sign this code")
    return Verified(claims, proof.shown_at, key.kid, signed.sealed)
