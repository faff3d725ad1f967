"""Every reason can be met: each by a text that is checked and decided, or named as one that only the gate gives."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from passes.check import check
from passes.claims import FLAG_CRITICAL_TAIL
from passes.decide import Decision, Deny, Grant, LaneFacts, Note, Policy, Presence, Refer, Standing, decide
from passes.gp1 import from_text, to_text
from passes.schedule import Hours, Schedule
from passes.vocabulary import PURPOSE_ITEM_PASS, ClockTrust, Direction, PassStatus, Reason
from tests.minting import NOW, NOW_UNIX, SITE, Mint

MINT = Mint()
OF_THE_GATE: Final = frozenset(
    {
        Reason.SEVERAL_CODES,
        Reason.LANE_FAULT,
        Reason.LANE_BLOCKED,
        Reason.NO_VEHICLE,
        Reason.EMERGENCY,
        Reason.INTERNAL_ERROR,
    }
)
"""About the view, the lane and the machine: ``edge.gate`` gives these, from what no pass can tell."""
WEEKDAYS: Final = Schedule((Hours(days=0b011_1111, start=0, end=144),))  # and it is Sunday


@dataclass(frozen=True, kw_only=True)
class Scene:
    text: Callable[[], str] = MINT.phone
    standing: Standing = field(default_factory=Standing)
    outcome: type[Deny | Refer] = Deny
    later_s: float = 0
    gate: int = 0
    trust: ClockTrust = ClockTrust.TRUSTED
    direction: Direction = Direction.ENTRY

    def answer(self) -> Decision:
        now = NOW + timedelta(seconds=self.later_s)
        return decide(
            check(self.text(), MINT.table, now=now, trust=self.trust),
            self.standing,
            LaneFacts(site=SITE, gate=self.gate, direction=self.direction),
            Policy(zone=ZoneInfo("Asia/Shanghai")),
            now=now,
            trust=self.trust,
        )


def forged() -> str:
    body = from_text(MINT.paper())
    return to_text(body[:-1] + bytes([body[-1] ^ 1]))


SCENES: Final[dict[Reason, Scene]] = {
    Reason.MALFORMED: Scene(text=lambda: MINT.paper()[:-1]),
    Reason.BAD_SIGNATURE: Scene(text=forged),
    Reason.UNKNOWN_KEY: Scene(text=Mint(secret=b"\x22" * 32).phone),
    Reason.STALE_CODE: Scene(later_s=31),
    Reason.UNKNOWN_PASS: Scene(text=MINT.short),
    Reason.WRONG_SITE: Scene(text=lambda: MINT.phone(site=8)),
    Reason.WRONG_ACCESS_POINT: Scene(gate=3),
    Reason.WRONG_DIRECTION: Scene(text=lambda: MINT.phone(directions=2)),
    Reason.REVOKED: Scene(standing=Standing(status=PassStatus.INVALID)),
    Reason.RED: Scene(standing=Standing(red_device=True)),
    Reason.NOT_YET_VALID: Scene(text=lambda: MINT.phone(not_before=NOW_UNIX + 90)),
    Reason.EXPIRED: Scene(text=lambda: MINT.phone(expires_at=NOW_UNIX)),
    Reason.OUTSIDE_HOURS: Scene(text=lambda: MINT.phone(schedule=WEEKDAYS, flags=FLAG_CRITICAL_TAIL)),
    Reason.REPLAYED: Scene(standing=Standing(last_shown_at=NOW_UNIX)),
    Reason.ALREADY_INSIDE: Scene(standing=Standing(presence=Presence.INSIDE)),
    Reason.OPEN_STAY: Scene(standing=Standing(person_inside=True)),
    Reason.ENTRIES_USED: Scene(standing=Standing(status=PassStatus.USED_UP)),
    Reason.CLOCK_UNTRUSTED: Scene(trust=ClockTrust.UNTRUSTED, outcome=Refer),
    Reason.BUNDLE_STALE: Scene(standing=Standing(bundle_age_s=None)),
    Reason.GUARD_CONFIRM: Scene(text=MINT.paper, outcome=Refer),
}


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_met_by_a_scan_or_is_the_gates_own(reason: Reason) -> None:
    if reason in OF_THE_GATE:
        assert reason not in SCENES
        return
    scene = SCENES[reason]
    answer = scene.answer()
    assert isinstance(answer, scene.outcome)
    assert answer.reason is reason


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_whatever_the_reason_at_an_entry_the_exit_opens(scene: Scene) -> None:
    leaving = Scene(
        text=scene.text,
        standing=scene.standing,
        later_s=scene.later_s,
        gate=scene.gate,
        trust=scene.trust,
        direction=Direction.EXIT,
    )
    assert isinstance(leaving.answer(), Grant)


def test_without_any_of_this_the_same_scan_is_granted() -> None:
    assert isinstance(Scene().answer(), Grant)


def test_an_item_pass_is_noted_going_out_coming_in_and_when_the_guard_is_asked() -> None:
    carries = {"purpose": PURPOSE_ITEM_PASS}
    out = Scene(
        text=lambda: MINT.phone(**carries),
        standing=Standing(presence=Presence.INSIDE),
        direction=Direction.EXIT,
    )
    notes = []
    for scene in (
        out,
        Scene(text=lambda: MINT.phone(**carries)),
        Scene(text=lambda: MINT.paper(**carries)),
        Scene(),
    ):
        answer = scene.answer()
        assert isinstance(answer, Grant | Refer)
        notes.append(answer.notes)
    assert notes == [(Note.ITEM_PASS,), (Note.ITEM_PASS,), (Note.ITEM_PASS,), ()]


def test_a_withdrawn_pass_at_an_exit_is_noted_and_opens() -> None:
    inside = Standing(presence=Presence.INSIDE, status=PassStatus.INVALID, red_plate=True)
    answer = Scene(standing=inside, direction=Direction.EXIT).answer()
    assert isinstance(answer, Grant)
    assert answer.notes == (Note.RED_EXIT, Note.WITHDRAWN_EXIT)
