"""What ``passes.decide`` should answer, written slowly and by another plan: collect every objection, take the gravest.

It shares no code with the real one beyond the values that go in and the words that come out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from passes.check import Checked, Foreign, Rejected, Verified
from passes.claims import Claims
from passes.decide import LaneFacts, Note, Policy, Presence, Standing
from passes.vocabulary import Category, ClockTrust, Direction, PassStatus, Reason

GRAVEST_FIRST = (
    ("deny", Reason.WRONG_SITE),
    ("deny", Reason.WRONG_ACCESS_POINT),
    ("deny", Reason.WRONG_DIRECTION),
    ("deny", Reason.MALFORMED),
    ("deny", Reason.REVOKED),
    ("deny", Reason.RED),
    ("deny", Reason.NOT_YET_VALID),
    ("deny", Reason.EXPIRED),
    ("deny", Reason.OUTSIDE_HOURS),
    ("deny now", Reason.ALREADY_INSIDE),
    ("deny", Reason.REPLAYED),
    ("deny", Reason.ALREADY_INSIDE),
    ("deny", Reason.OPEN_STAY),
    ("deny", Reason.ENTRIES_USED),
    ("deny", Reason.BUNDLE_STALE),
    ("refer", Reason.CLOCK_UNTRUSTED),
    ("refer", Reason.BUNDLE_STALE),
    ("refer", Reason.GUARD_CONFIRM),
)


@dataclass(frozen=True)
class Expected:
    outcome: str  # grant, refer, deny, ignore
    reason: Reason | None = None
    identified: bool = False
    notes: frozenset[Note] = frozenset()


def expected(
    scan: Checked, standing: Standing, lane: LaneFacts, policy: Policy, *, now: datetime, trust: ClockTrust
) -> Expected:
    if lane.direction is Direction.EXIT:
        return _leaving(scan, standing, lane)
    if isinstance(scan, Foreign):
        return Expected("ignore")
    if isinstance(scan, Rejected):
        return Expected("deny", scan.reason)
    found = set(_objections(scan, standing, lane, policy, now, trust))
    assert found <= set(GRAVEST_FIRST)
    notes = {Note.ITEM_PASS} if scan.claims.purpose == 16 else set()
    if scan.claims.holder_key and scan.claims.flags & 0x30 == 0x10:
        notes.add(Note.SOFT_KEY)
    for objection in GRAVEST_FIRST:
        if objection in found:
            kind, reason = objection
            if kind == "refer":
                return Expected("refer", reason, identified=True, notes=frozenset(notes))
            return Expected("deny", reason, identified=True)
    if standing.presence is Presence.INSIDE:
        notes.add(Note.AGAIN_INSIDE)
    return Expected("grant", identified=True, notes=frozenset(notes))


def _leaving(scan: Checked, standing: Standing, lane: LaneFacts) -> Expected:
    unknown = Expected("grant", notes=frozenset({Note.UNIDENTIFIED_EXIT}))
    if not isinstance(scan, Verified) or scan.claims.site != lane.site or _shown_before(scan, standing):
        return unknown
    notes = set()
    if standing.presence is Presence.OUTSIDE:
        notes.add(Note.NO_ENTRY_KNOWN)
    if _red(standing):
        notes.add(Note.RED_EXIT)
    if standing.revoked or standing.status is PassStatus.INVALID:
        notes.add(Note.WITHDRAWN_EXIT)
    if scan.claims.purpose == 16:
        notes.add(Note.ITEM_PASS)
    return Expected("grant", identified=True, notes=frozenset(notes))


def _objections(
    scan: Verified, standing: Standing, lane: LaneFacts, policy: Policy, now: datetime, trust: ClockTrust
) -> Iterator[tuple[str, Reason]]:
    claims = scan.claims
    resident = claims.category is Category.RESIDENT
    paper = scan.shown_at is None
    if claims.site != lane.site:
        yield "deny", Reason.WRONG_SITE
    if f"{claims.gates:08b}"[7 - lane.gate] == "0":
        yield "deny", Reason.WRONG_ACCESS_POINT
    if claims.directions == 2:
        yield "deny", Reason.WRONG_DIRECTION
    if paper:
        yield from _objections_to_paper(claims)
    if standing.revoked or standing.status is PassStatus.INVALID:
        yield "deny", Reason.REVOKED
    if _red(standing):
        yield "deny", Reason.RED
    if trust is ClockTrust.TRUSTED:
        yield from _objections_of_time(claims, policy, now)
    elif not (resident and policy.residents_when_clock_untrusted):
        yield "refer", Reason.CLOCK_UNTRUSTED
    yield from _objections_of_use(scan, standing, resident=resident)
    trustworthy = not paper or standing.confirmed
    yield from _objections_of_the_lists(standing, policy, resident=resident, paper=not trustworthy)
    if claims.flags % 8 or (policy.static_needs_guard and not trustworthy):
        yield "refer", Reason.GUARD_CONFIRM


def _objections_to_paper(claims: Claims) -> Iterator[tuple[str, Reason]]:
    hours = (claims.expires_at - claims.not_before) / 3600
    one_gate = f"{claims.gates:b}".count("1") == 1
    if claims.category is Category.RESIDENT or claims.entries != 1 or hours > 12 or not one_gate:
        yield "deny", Reason.MALFORMED


def _objections_of_use(scan: Verified, standing: Standing, *, resident: bool) -> Iterator[tuple[str, Reason]]:
    if standing.presence is Presence.PENDING:
        yield "deny now", Reason.ALREADY_INSIDE
    if _shown_before(scan, standing):
        yield "deny", Reason.REPLAYED
    if not resident and standing.presence is Presence.INSIDE:
        yield "deny", Reason.ALREADY_INSIDE
    if not resident and standing.person_inside:
        yield "deny", Reason.OPEN_STAY
    if scan.claims.entries > 0 and standing.entries_used >= scan.claims.entries:
        yield "deny", Reason.ENTRIES_USED
    if standing.status is PassStatus.USED_UP:
        yield "deny", Reason.ENTRIES_USED


def _objections_of_time(claims: Claims, policy: Policy, now: datetime) -> Iterator[tuple[str, Reason]]:
    if now + timedelta(minutes=1) < datetime.fromtimestamp(claims.not_before, UTC):
        yield "deny", Reason.NOT_YET_VALID
    if now >= datetime.fromtimestamp(claims.expires_at, UTC):
        yield "deny", Reason.EXPIRED
    wall = now.astimezone(policy.zone)
    if claims.stay < 0:
        mark = -claims.stay % 144 or 144
        if wall.hour * 60 + wall.minute >= mark * 10:
            yield "deny", Reason.OUTSIDE_HOURS
    if claims.schedule is not None:
        open_minutes = set()
        for window in claims.schedule.windows:
            length = (window.end - window.start) % 144 * 10 or 24 * 60
            for day in range(7):
                if window.days & 2**day:
                    first = day * 24 * 60 + window.start * 10
                    open_minutes |= {(first + minute) % (7 * 24 * 60) for minute in range(length)}
        if wall.weekday() * 24 * 60 + wall.hour * 60 + wall.minute not in open_minutes:
            yield "deny", Reason.OUTSIDE_HOURS


def _objections_of_the_lists(
    standing: Standing, policy: Policy, *, resident: bool, paper: bool
) -> Iterator[tuple[str, Reason]]:
    age_s = standing.bundle_age_s
    if age_s is None and not resident:
        yield "deny", Reason.BUNDLE_STALE
    hopeless = age_s is None or age_s > policy.bundle_usable_s
    if hopeless and not (resident and policy.residents_when_bundle_stale):
        yield "refer", Reason.BUNDLE_STALE
    if not hopeless and age_s is not None and age_s >= policy.bundle_fresh_s and paper:
        yield "refer", Reason.BUNDLE_STALE


def _red(standing: Standing) -> bool:
    ways = [standing.red, standing.red_device, standing.red_plate, standing.status is PassStatus.SUSPENDED]
    return any(ways)


def _shown_before(scan: Verified, standing: Standing) -> bool:
    if scan.shown_at is None or standing.last_shown_at is None:
        return False
    return scan.shown_at <= standing.last_shown_at
