"""Is this text a pass of this site, by its key set alone? For the shell: no database, no gate, no network.

The gates' own ``passes.check`` and ``passes.decide`` judge; nothing is known of a lane.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, assert_never
from zoneinfo import ZoneInfo

from controller.hours import write_hours
from passes.bundle import Refused, open_state, split_bundle
from passes.check import Foreign, Rejected, Verified, check
from passes.decide import objection
from passes.keys import KeySetFile, KeyTable
from passes.trust import STATUS_USE, keys_for, open_certificates
from passes.vocabulary import GATES_MAX, ClockTrust, Reason
from passes.words import REASONS
from sync.messages import utc_text

WALK_IN_HINT: Final = (
    "; perhaps a walk-in pass: give a newer --bundle, "
    "or ask a gate with postern-edge scan --config gate.toml PICTURE"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``valid``, ``refused`` with a reason, or ``foreign``: some other QR code. ``claims`` only of a verified text."""

    verdict: str
    reason: str | None = None
    zh: str | None = None
    en: str | None = None
    detail: str | None = None
    kid: str | None = None
    claims: dict[str, Any] | None = None


def verify(text: str, keys: KeyTable, *, site: int, now: datetime, zone: ZoneInfo) -> Verdict:
    """Judge one text as of ``now``, an aware moment; ``zone`` is that of the hours of a repeat pass."""
    checked = check(text, keys, now=now)
    match checked:
        case Foreign():
            return Verdict(verdict="foreign", detail="not a GP1 text")
        case Rejected(reason, detail):
            return _refused(reason, detail=detail + (WALK_IN_HINT if reason is Reason.UNKNOWN_KEY else ""))
        case Verified():
            facts: dict[str, Any] = {"kid": checked.kid.hex(), "claims": _facts(checked)}
            reason_now = objection(checked.claims, site=site, zone=zone, now=now)
            return Verdict(verdict="valid", **facts) if reason_now is None else _refused(reason_now, **facts)
        case _:
            assert_never(checked)


class BundleError(ValueError):
    """A bundle file cannot be believed; the message says why."""


def keys_with_walk_ins(published: KeySetFile, data: bytes, now: datetime) -> KeyTable:
    """The keys of a site with those of its gates that a bundle file certifies; raises ``BundleError``.

    How old the bundle is counts for nothing here: each certificate says itself how long it holds.
    """
    parts = split_bundle(data)
    if isinstance(parts, Refused):
        raise BundleError(parts.detail)
    bundle = open_state(parts.state, keys_for(STATUS_USE, published), now=now, trust=ClockTrust.UNTRUSTED)
    if isinstance(bundle, Refused):
        raise BundleError(bundle.detail)
    if bundle.site != published.site:
        raise BundleError(f"the bundle is of site {bundle.site}, not of site {published.site}")
    return published.to_domain(open_certificates(bundle.walkin, published).good)


def _refused(reason: Reason, **facts: Any) -> Verdict:
    fact = REASONS[reason].fact
    return Verdict(verdict="refused", reason=reason.value, zh=fact.zh, en=fact.en, **facts)


def _facts(checked: Verified) -> dict[str, Any]:
    claims = checked.claims
    return {
        "pass_id": claims.pass_id,
        "person": claims.person,
        "site": claims.site,
        "category": claims.category.code,
        "colour": claims.category.colour.value,
        "kind": "phone" if claims.holder_key else "paper",
        "unit": claims.unit,
        "purpose": claims.purpose,
        "gates": tuple(number for number in range(GATES_MAX) if claims.allows_gate(number)),
        "directions": claims.directions,
        "entries": claims.entries,
        "stay": claims.stay,
        "status": claims.status,
        "flags": claims.flags,
        "key_level": int(claims.key_level),
        "hours": () if claims.schedule is None else write_hours(claims.schedule),
        "not_before": _utc(claims.not_before),
        "expires_at": _utc(claims.expires_at),
        "issued_at": None if claims.issued_at is None else _utc(claims.issued_at),
        "shown_at": None if checked.shown_at is None else _utc(checked.shown_at),
    }


def _utc(unix: int) -> str:
    return utc_text(datetime.fromtimestamp(unix, UTC))
