"""The one decision: may what was just scanned go through this lane? Steps 7 to 9 of the order of checks.

At an entry a doubt refuses or refers; at an exit everything opens, and doubts only become notes on the record.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never
from zoneinfo import ZoneInfo

from passes.check import Checked, Foreign, Rejected, Verified
from passes.claims import FLAG_GUARD_CONFIRM, Claims
from passes.stay import due_at, rule_of_claim
from passes.vocabulary import ClockTrust, Colour, Direction, Reason

NOT_BEFORE_LEEWAY: Final = timedelta(seconds=60)
STATIC_LIFE_MAX: Final = timedelta(hours=12)


class Presence(StrEnum):
    """Where this gate believes the holder of one pass is."""

    OUTSIDE = "outside"
    PENDING = "pending"  # granted, and neither a passage nor a no-show yet
    INSIDE = "inside"


class Note(StrEnum):
    """A remark on a grant, for the record and the guard; it never closes a lane."""

    UNIDENTIFIED_EXIT = "unidentified_exit"
    AGAIN_INSIDE = "again_inside"
    RED_EXIT = "red_exit"
    NO_ENTRY_KNOWN = "no_entry_known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What this gate knows about the pass and the person, besides what the pass says."""

    presence: Presence = Presence.OUTSIDE
    person_inside: bool = False  # by another pass of the same person
    red: bool = False
    revoked: bool = False
    last_shown_at: int | None = None  # newest code time accepted from this pass, Unix seconds
    entries_used: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneFacts:
    """Which lane this is: site number, gate number in the site (a bit of the pass), direction."""

    site: int
    gate: int
    direction: Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a site may choose. The defaults are the careful ones."""

    zone: ZoneInfo
    static_needs_guard: bool = True
    residents_when_clock_untrusted: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """Open the lane. ``claims`` is None when nobody was identified (exits only)."""

    claims: Claims | None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Refer:
    """The guard decides."""

    reason: Reason
    claims: Claims | None = None


@dataclass(frozen=True, slots=True)
class Deny:
    """Not through here, not now."""

    reason: Reason
    claims: Claims | None = None


@dataclass(frozen=True, slots=True)
class Ignore:
    """Nobody asked to come in: some other QR code is in view."""


Decision = Grant | Refer | Deny | Ignore


def decide(
    scan: Checked,
    standing: Standing,
    lane: LaneFacts,
    policy: Policy,
    *,
    now: datetime,
    trust: ClockTrust,
) -> Decision:
    """Answer one scan.

    Args:
        scan: What ``passes.check`` made of the text.
        standing: What this gate knows of the pass and its person; ignored when nothing was verified.
        lane: Where it was shown.
        policy: The site's choices.
        now: Aware UTC wall time.
        trust: How far ``now`` can be believed.
    """
    if lane.direction is Direction.EXIT:
        return _exit(scan, standing, lane)
    match scan:
        case Foreign():
            return Ignore()
        case Rejected():
            return Deny(scan.reason)
        case Verified():
            return _entry(scan, standing, lane, policy, now=now, trust=trust)
        case _:
            assert_never(scan)


def _entry(
    scan: Verified,
    standing: Standing,
    lane: LaneFacts,
    policy: Policy,
    *,
    now: datetime,
    trust: ClockTrust,
) -> Decision:
    claims = scan.claims
    refused = _wrong_place(claims, lane) or _wrong_person(standing)
    if refused is not None:
        return Deny(refused, claims)
    if trust is ClockTrust.UNTRUSTED:
        if claims.category.colour is Colour.BLUE or not policy.residents_when_clock_untrusted:
            return Refer(Reason.CLOCK_UNTRUSTED, claims)
    else:
        refused = _wrong_time(claims, policy, now)
        if refused is not None:
            return Deny(refused, claims)
    refused = _used(scan, standing)
    if refused is not None:
        return Deny(refused, claims)
    if claims.flags & FLAG_GUARD_CONFIRM:
        return Refer(Reason.GUARD_CONFIRM, claims)
    if scan.shown_at is None:
        refused = _static_rules(claims)
        if refused is not None:
            return Deny(refused, claims)
        if policy.static_needs_guard:
            return Refer(Reason.GUARD_CONFIRM, claims)
    notes = (Note.AGAIN_INSIDE,) if standing.presence is Presence.INSIDE else ()
    return Grant(claims, notes)


def _wrong_place(claims: Claims, lane: LaneFacts) -> Reason | None:
    if claims.site != lane.site:
        return Reason.WRONG_SITE
    if not claims.allows_gate(lane.gate):
        return Reason.WRONG_ACCESS_POINT
    if not claims.allows_direction(lane.direction):
        return Reason.WRONG_DIRECTION
    return None


def _wrong_person(standing: Standing) -> Reason | None:
    if standing.revoked:
        return Reason.REVOKED
    return Reason.RED if standing.red else None


def _wrong_time(claims: Claims, policy: Policy, now: datetime) -> Reason | None:
    moment = now.timestamp()
    if moment < claims.not_before - NOT_BEFORE_LEEWAY.total_seconds():
        return Reason.NOT_YET_VALID
    if moment >= claims.expires_at:
        return Reason.EXPIRED
    rule = rule_of_claim(claims.stay)
    if rule.leave_by is not None:
        end = due_at(rule, entered_at=now, zone=policy.zone, pass_end=None)
        assert end is not None
        if now >= end:
            return Reason.OUTSIDE_HOURS
    return None


def _used(scan: Verified, standing: Standing) -> Reason | None:
    """Anti-passback and replay: hard for visitors; residents may also have left by the button."""
    if standing.presence is Presence.PENDING:
        return Reason.ALREADY_INSIDE
    if (
        scan.shown_at is not None
        and standing.last_shown_at is not None
        and scan.shown_at <= standing.last_shown_at
    ):
        return Reason.REPLAYED
    if scan.claims.category.colour is Colour.BLUE:
        if standing.presence is Presence.INSIDE:
            return Reason.ALREADY_INSIDE
        if standing.person_inside:
            return Reason.OPEN_STAY
    if scan.claims.entries and standing.entries_used >= scan.claims.entries:
        return Reason.ENTRIES_USED
    return None


def _static_rules(claims: Claims) -> Reason | None:
    """What an issuer must have kept to for a pass without a phone's key; the gate checks it again."""
    life_s = claims.expires_at - claims.not_before
    if (
        claims.category.colour is not Colour.BLUE
        or claims.entries != 1
        or life_s > STATIC_LIFE_MAX.total_seconds()
    ):
        return Reason.MALFORMED
    return None if claims.gates.bit_count() == 1 else Reason.MALFORMED


def _exit(scan: Checked, standing: Standing, lane: LaneFacts) -> Grant:
    """Exits open for everyone; a scan that verifies, is ours and is fresh also says whose stay ends."""
    if not isinstance(scan, Verified) or scan.claims.site != lane.site:
        return Grant(None, (Note.UNIDENTIFIED_EXIT,))
    if (
        scan.shown_at is not None
        and standing.last_shown_at is not None
        and scan.shown_at <= standing.last_shown_at
    ):
        return Grant(None, (Note.UNIDENTIFIED_EXIT,))
    notes = []
    if standing.presence is Presence.OUTSIDE:
        notes.append(Note.NO_ENTRY_KNOWN)
    if standing.red:
        notes.append(Note.RED_EXIT)
    return Grant(scan.claims, tuple(notes))
