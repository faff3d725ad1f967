"""``passes.decide`` against its model: every pair of circumstances, and seeded handfuls of more."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import combinations, product
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from passes.check import Foreign, Rejected, Verified
from passes.decide import Decision, Deny, Grant, Ignore, LaneFacts, Policy, Presence, Refer, Standing, decide
from passes.schedule import Hours, Schedule
from passes.vocabulary import Category, ClockTrust, Direction, PassStatus, Reason
from tests.minting import NOW, NOW_UNIX, SITE, claims
from tests.property.decide_model import GRAVEST_FIRST, Expected, expected

PHONE = b"\x02" + b"\x05" * 32
OPEN_NOW = Schedule((Hours(days=0b100_0000, start=17 * 6, end=18 * 6),))  # it is Sunday, 17:30
OPEN_OVERNIGHT = Schedule((Hours(days=0b010_0000, start=18 * 6, end=17 * 6 + 4),))  # since Saturday, 18:00
SHUT_NOW = Schedule((Hours(days=0b011_1111, start=0, end=144), Hours(days=127, start=143, end=105)))

STANDING_WORDS = ("person_inside", "red", "red_device", "red_plate", "revoked", "confirmed")

Change = tuple[str, str, Any]
CIRCUMSTANCES: list[Change] = [
    *(("claims", "category", category) for category in (Category.RESIDENT, Category.FOOD)),
    *(("claims", "site", site) for site in (8,)),
    *(("claims", "gates", gates) for gates in (2, 3, 255)),
    *(("claims", "directions", directions) for directions in (1, 2)),
    *(("claims", "entries", entries) for entries in (1, 2)),
    *(("claims", "stay", stay) for stay in (0, 1, -105, -106, -144, -144 * 30 - 105, -144 * 30 - 106)),
    *(("claims", "flags", flags) for flags in (1, 2, 4, 128, 0x30)),
    *(("claims", "purpose", purpose) for purpose in (16, 17)),
    *(("claims", "not_before", NOW_UNIX + seconds) for seconds in (60, 61)),
    *(("claims", "expires_at", NOW_UNIX + seconds) for seconds in (0, 1, 12 * 3600 - 600, 12 * 3600 - 599)),
    *(("claims", "schedule", schedule) for schedule in (OPEN_NOW, OPEN_OVERNIGHT, SHUT_NOW)),
    ("scan", "paper", True),
    *(("standing", "presence", presence) for presence in (Presence.INSIDE, Presence.PENDING)),
    *(("standing", name, True) for name in STANDING_WORDS),
    *(("standing", "status", status) for status in PassStatus if status),
    *(("standing", "last_shown_at", NOW_UNIX + seconds) for seconds in (-1, 0, 1)),
    *(("standing", "entries_used", used) for used in (1, 2)),
    *(("standing", "bundle_age_s", age_s) for age_s in (None, 599.0, 600.0, 86_400.0, 86_401.0)),
    *(("lane", "gate", gate) for gate in (1,)),
    ("policy", "static_needs_guard", False),
    ("policy", "residents_when_clock_untrusted", True),
    ("policy", "residents_when_bundle_stale", False),
    ("clock", "trust", ClockTrust.UNTRUSTED),
    *(("clock", "later_s", seconds) for seconds in (-3600, 1799, 1800)),
]


@dataclass(frozen=True)
class Scene:
    """One scan, as it is without any circumstance: a courier's phone at gate 0, known to nobody, all lists new."""

    changes: tuple[Change, ...] = ()
    direction: Direction = Direction.ENTRY
    scan: Foreign | Rejected | None = None

    def answers(self) -> tuple[Decision, Expected]:
        of = {
            part: {name: value for where, name, value in self.changes if where == part}
            for part in ("claims", "scan", "standing", "lane", "policy", "clock")
        }
        paper = of["scan"].get("paper", False)
        kind = {"entries": 1} if paper else {"holder_key": PHONE}
        content = claims(**kind | of["claims"])
        scan = self.scan or Verified(content, None if paper else NOW_UNIX)
        standing = replace(Standing(), **of["standing"])
        lane = replace(LaneFacts(site=SITE, gate=0, direction=self.direction), **of["lane"])
        policy = replace(Policy(zone=ZoneInfo("Asia/Shanghai")), **of["policy"])
        now = NOW + timedelta(seconds=of["clock"].get("later_s", 0))
        trust = of["clock"].get("trust", ClockTrust.TRUSTED)
        return (
            decide(scan, standing, lane, policy, now=now, trust=trust),
            expected(scan, standing, lane, policy, now=now, trust=trust),
        )


def as_expected(answer: Decision) -> Expected:
    match answer:
        case Grant():
            assert len(set(answer.notes)) == len(answer.notes)
            return Expected("grant", identified=answer.claims is not None, notes=frozenset(answer.notes))
        case Refer():
            return Expected("refer", answer.reason, answer.claims is not None, frozenset(answer.notes))
        case Deny():
            return Expected("deny", answer.reason, answer.claims is not None)
        case Ignore():
            return Expected("ignore")


def test_every_pair_of_circumstances_is_answered_as_the_model_says_and_reaches_every_answer() -> None:
    reached = Counter[tuple[str, Reason | None]]()
    changes: list[tuple[Change, ...]] = [(), *((one,) for one in CIRCUMSTANCES)]
    changes += combinations(CIRCUMSTANCES, 2)
    for chosen, direction in product(changes, Direction):
        answer, wanted = Scene(chosen, direction).answers()
        assert as_expected(answer) == wanted, (chosen, direction)
        if direction is Direction.ENTRY:
            reached[wanted.outcome, wanted.reason] += 1
        else:
            assert wanted.outcome == "grant"
    objections: set[tuple[str, Reason | None]] = {(kind.split()[0], reason) for kind, reason in GRAVEST_FIRST}
    assert set(reached) == objections | {("grant", None)}
    assert min(reached.values()) > 1


@settings(max_examples=600, deadline=None)
@given(
    changes=st.lists(st.sampled_from(CIRCUMSTANCES), min_size=3, max_size=8).map(tuple),
    direction=st.sampled_from([Direction.ENTRY, Direction.ENTRY, Direction.EXIT]),
    scan=st.none() | st.none() | st.just(Foreign()) | st.sampled_from(Reason).map(lambda r: Rejected(r, "")),
)
def test_handfuls_of_circumstances_are_answered_as_the_model_says(
    changes: tuple[Change, ...], direction: Direction, scan: Foreign | Rejected | None
) -> None:
    answer, wanted = Scene(changes, direction, scan).answers()
    assert as_expected(answer) == wanted
