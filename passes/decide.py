"""The one decision: may what was just scanned go through this lane? Steps 7 to 9 of the order of checks.

At an entry a doubt refuses or refers; at an exit everything opens, and doubts only become notes on the record.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never
from zoneinfo import ZoneInfo

from passes.check import Checked, Foreign, Rejected, Verified
from passes.claims import FLAG_CHALLENGE, FLAG_GUARD_CONFIRM, FLAG_PLATE_CHECK, Claims, KeyLevel
from passes.stay import due_at, rule_of_claim
from passes.vocabulary import PURPOSE_ITEM_PASS, ClockTrust, Colour, Direction, PassStatus, Reason

NOT_BEFORE_LEEWAY: Final = timedelta(seconds=60)
STATIC_LIFE_MAX: Final = timedelta(hours=12)

_GUARD_LOOKS: Final = FLAG_GUARD_CONFIRM | FLAG_PLATE_CHECK | FLAG_CHALLENGE
"""The guard compares plates, and stands in for the challenge at gates that show none."""


class Presence(StrEnum):
    """Where this gate believes the holder of one pass is."""

    OUTSIDE = "outside"
    PENDING = "pending"  # granted, and neither a passage nor a no-show yet
    INSIDE = "inside"


class Note(StrEnum):
    """A remark on a grant or for the guard who decides; it never closes a lane."""

    UNIDENTIFIED_EXIT = "unidentified_exit"
    AGAIN_INSIDE = "again_inside"
    RED_EXIT = "red_exit"
    NO_ENTRY_KNOWN = "no_entry_known"
    WITHDRAWN_EXIT = "withdrawn_exit"  # left with a pass that was revoked meanwhile
    ITEM_PASS = "item_pass"  # noqa: S105  # things are carried out: the guard looks at them
    SOFT_KEY = "soft_key"  # the phone could not keep its key well: it may have been copied


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What this gate knows about the pass and the person, besides what the pass says."""

    presence: Presence = Presence.OUTSIDE
    person_inside: bool = False  # by another pass of the same person
    red: bool = False  # the person: by this gate's own record of stays, or by the bundle
    red_device: bool = False  # the phone that the pass is bound to
    red_plate: bool = False  # the car it comes with
    revoked: bool = False  # withdrawn here, or made before a moment that the bundle names
    status: PassStatus = PassStatus.VALID  # by the bundle's status list
    last_shown_at: int | None = None  # newest code time accepted from this pass, Unix seconds
    entries_used: int = 0
    bundle_age_s: float | None = 0.0  # of the newest bundle; None: this gate never got one
    confirmed: bool = (
        False  # a guard of this gate registered this very visit: what a guard is asked is answered
    )

    @property
    def is_red(self) -> bool:
        """RED by any of the ways."""
        return self.red or self.red_device or self.red_plate or self.status is PassStatus.SUSPENDED

    @property
    def is_withdrawn(self) -> bool:
        """Revoked by either of the ways."""
        return self.revoked or self.status is PassStatus.INVALID


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneFacts:
    """Which lane this is: site number, gate number in the site (a bit of the pass), direction."""

    site: int
    gate: int
    direction: Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a site may choose. The defaults are the careful ones, except that old lists alone do not stop residents.

    Bundles younger than ``bundle_fresh_s`` are as good as new. Up to ``bundle_usable_s`` passes without a phone go to
    the guard; beyond it all visitors do.
    """

    zone: ZoneInfo
    static_needs_guard: bool = True
    residents_when_clock_untrusted: bool = False
    residents_when_bundle_stale: bool = True
    bundle_fresh_s: float = 10 * 60
    bundle_usable_s: float = 24 * 3600


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
    notes: tuple[Note, ...] = ()


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


def objection(claims: Claims, *, site: int, zone: ZoneInfo, now: datetime) -> Reason | None:
    """What every entry of this site has against a pass by the pass alone, as of ``now``; None when some would open.

    For whoever has neither gate nor records: an issuer before it signs, and the shell. ``decide`` says the same at a
    gate, and there also what the gate knows of the pass and its person.
    """
    refused = _wrong_place(claims, LaneFacts(site=site, gate=_a_gate_of(claims), direction=Direction.ENTRY))
    return refused or _wrong_paper(claims) or _wrong_time(claims, zone, now)


def _a_gate_of(claims: Claims) -> int:
    return (claims.gates & -claims.gates).bit_length() - 1


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
    refused = _wrong_place(claims, lane) or _wrong_paper(claims) or _wrong_person(standing)
    if refused is None and trust is ClockTrust.TRUSTED:
        refused = _wrong_time(claims, policy.zone, now)
    if refused is None:
        refused = _used(scan, standing)
    if refused is None and standing.bundle_age_s is None and claims.category.colour is Colour.BLUE:
        refused = Reason.BUNDLE_STALE  # without any list a visitor who was withdrawn looks like any other
    if refused is not None:
        return Deny(refused, claims)
    remarks = _remarks(claims)
    doubt = _doubt(scan, standing, policy, trust)
    if doubt is not None:
        return Refer(doubt, claims, remarks)
    again = (Note.AGAIN_INSIDE,) if standing.presence is Presence.INSIDE else ()
    return Grant(claims, again + remarks)


def _remarks(claims: Claims) -> tuple[Note, ...]:
    """What the guard should know of a pass at its entry."""
    found = {
        Note.ITEM_PASS: claims.purpose == PURPOSE_ITEM_PASS,
        Note.SOFT_KEY: claims.holder_key is not None and claims.key_level is KeyLevel.SOFT,
    }
    return tuple(note for note, holds in found.items() if holds)


def _wrong_place(claims: Claims, lane: LaneFacts) -> Reason | None:
    if claims.site != lane.site:
        return Reason.WRONG_SITE
    if not claims.allows_gate(lane.gate):
        return Reason.WRONG_ACCESS_POINT
    if not claims.allows_direction(lane.direction):
        return Reason.WRONG_DIRECTION
    return None


def _wrong_person(standing: Standing) -> Reason | None:
    if standing.is_withdrawn:
        return Reason.REVOKED
    return Reason.RED if standing.is_red else None


def _wrong_time(claims: Claims, zone: ZoneInfo, now: datetime) -> Reason | None:
    moment = now.timestamp()
    if moment < claims.not_before - NOT_BEFORE_LEEWAY.total_seconds():
        return Reason.NOT_YET_VALID
    if moment >= claims.expires_at:
        return Reason.EXPIRED
    if claims.schedule is not None and not claims.schedule.allows(now, zone):
        return Reason.OUTSIDE_HOURS
    end = due_at(rule_of_claim(claims.stay), entered_at=now, zone=zone, pass_end=None)
    return Reason.OUTSIDE_HOURS if end is not None and now >= end else None


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
    used_here = scan.claims.entries and standing.entries_used >= scan.claims.entries
    return Reason.ENTRIES_USED if used_here or standing.status is PassStatus.USED_UP else None


def _doubt(scan: Verified, standing: Standing, policy: Policy, trust: ClockTrust) -> Reason | None:
    """What only a person can settle, the worst first."""
    claims, age_s = scan.claims, standing.bundle_age_s
    visitor, static = claims.category.colour is Colour.BLUE, scan.shown_at is None
    if trust is ClockTrust.UNTRUSTED and (visitor or not policy.residents_when_clock_untrusted):
        return Reason.CLOCK_UNTRUSTED
    if age_s is None or age_s > policy.bundle_usable_s:
        if visitor or not policy.residents_when_bundle_stale:
            return Reason.BUNDLE_STALE
    elif static and age_s >= policy.bundle_fresh_s and not standing.confirmed:
        return Reason.BUNDLE_STALE
    if claims.flags & _GUARD_LOOKS or (static and policy.static_needs_guard and not standing.confirmed):
        return Reason.GUARD_CONFIRM
    return None


def _wrong_paper(claims: Claims) -> Reason | None:
    """What an issuer must have kept to for a pass without a phone's key; the gate checks it again."""
    if claims.holder_key is not None:
        return None
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
    found = {
        Note.NO_ENTRY_KNOWN: standing.presence is Presence.OUTSIDE,
        Note.RED_EXIT: standing.is_red,
        Note.WITHDRAWN_EXIT: standing.is_withdrawn,
        Note.ITEM_PASS: scan.claims.purpose == PURPOSE_ITEM_PASS,
    }
    return Grant(scan.claims, tuple(note for note, holds in found.items() if holds))
