"""Is this text a pass that its issuer signed, shown by its holder, now? Steps 1 to 6 of the format's order of checks.

Whether that pass may enter here is ``passes.decide``'s question.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from passes.claims import Claims, ClaimsError, decode_claims
from passes.gp1 import PREFIX, Envelope, MalformedError, SignedPass, from_text, open_body
from passes.keys import KeyTable, TrustedKey, holder_verifies
from passes.vocabulary import ClockTrust, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How old, and how far ahead of the gate's clock, a rotating code may be, in seconds."""

    back_s: int = 30
    ahead_s: int = 10


NORMAL_WINDOW: Final = Window()


@dataclass(frozen=True, slots=True)
class Verified:
    """The issuer's and, for a rotating code, the holder's signature hold. ``shown_at`` is the code's own time."""

    claims: Claims
    shown_at: int | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The text is meant as a pass, but cannot be taken as one. ``detail`` is for logs, never for visitors."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """Some other QR code: a link, a payment code. Not ours to judge."""


Checked = Verified | Rejected | Foreign


def check(
    text: str,
    keys: KeyTable,
    *,
    now: datetime,
    trust: ClockTrust = ClockTrust.TRUSTED,
    window: Window = NORMAL_WINDOW,
) -> Checked:
    """Check one scanned text; never raises, whatever the text.

    Args:
        text: What the reader decoded.
        keys: The issuer keys of this site.
        now: Aware UTC wall time.
        trust: With an untrusted clock the time of the code and of the key are not judged here; ``decide`` refers.
        window: How old a rotating code may be.
    """
    if not text.startswith(PREFIX):
        return Foreign()
    try:
        opened = open_body(from_text(text))
    except MalformedError as error:
        return Rejected(Reason.MALFORMED, str(error))
    timed = trust is ClockTrust.TRUSTED
    if isinstance(opened, Envelope) and timed:
        age_s = now.timestamp() - opened.shown_at
        if not -window.ahead_s <= age_s <= window.back_s:
            return Rejected(Reason.STALE_CODE, f"the code is {age_s:.0f} s old")
    signed = opened.signed_pass if isinstance(opened, Envelope) else opened
    key = keys.find(signed.protected)
    if key is None:
        return Rejected(Reason.UNKNOWN_KEY, f"no key for header {signed.protected.hex()}")
    if timed and not key.not_before <= now < key.not_after:
        return Rejected(Reason.UNKNOWN_KEY, f"key {key.kid.hex()} is not valid now")
    return _check_signed(signed, key, opened if isinstance(opened, Envelope) else None)


def _check_signed(signed: SignedPass, key: TrustedKey, envelope: Envelope | None) -> Verified | Rejected:
    if not key.verifies(signed.to_be_signed, signed.signature):
        return Rejected(Reason.BAD_SIGNATURE, f"key {key.kid.hex()} did not sign this")
    try:
        claims = decode_claims(signed.payload)
    except ClaimsError as error:
        return Rejected(Reason.MALFORMED, f"claims: {error}")
    if claims.category not in key.categories:
        return Rejected(Reason.UNKNOWN_KEY, f"key {key.kid.hex()} may not issue {claims.category.code}")
    if claims.holder_key is None:
        if envelope is not None:
            return Rejected(Reason.MALFORMED, "a static pass in a rotating envelope")
        return Verified(claims, None)
    if envelope is None:
        return Rejected(Reason.STALE_CODE, "a pass bound to a phone, shown without the phone's signature")
    if not holder_verifies(claims.holder_key, envelope.to_be_signed, envelope.signature):
        return Rejected(Reason.BAD_SIGNATURE, "the phone's key did not sign this code")
    return Verified(claims, envelope.shown_at)
