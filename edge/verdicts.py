"""One answer of the gate as the screen shows it."""

from collections.abc import Callable
from datetime import datetime

from drivers.gate.hardware import LaneSection
from edge.kiosk.view import Verdict
from edge.screen import TAIL
from passes.claims import Claims
from passes.decide import Deny, Grant, Policy, Refer
from passes.stay import due_at, rule_of_claim
from passes.vocabulary import Colour, Direction
from sync.messages import Outcome

Answer = Grant | Refer | Deny


def verdict_of(
    answer: Answer,
    section: LaneSection,
    *,
    policy: Policy,
    room: Callable[[int], str | None],
    at: datetime,
    seq: int,
) -> Verdict:
    """What the kiosk says to one answer.

    Args:
        answer: The decision.
        section: The lane where it fell.
        policy: For stays that end at a local time.
        room: What the guard calls a unit.
        at: When it fell.
        seq: Its row in the journal.
    """
    claims = answer.claims
    begins = claims is not None and isinstance(answer, Grant) and section.direction is Direction.ENTRY
    return Verdict(
        seq=seq,
        at=at,
        lane=section.name,
        direction=section.direction,
        outcome=_outcome(answer),
        colour=claims.category.colour if claims else None,
        reason=None if isinstance(answer, Grant) else answer.reason.value,
        category=claims.category.code if claims else None,
        room=room(claims.unit) if claims else None,
        due_at=_end(claims, policy, at) if claims and begins else None,
        stay_minutes=rule_of_claim(claims.stay).minutes if claims and begins else None,
        pass_tail=claims.pass_id[-TAIL:] if claims else None,
        notes=() if isinstance(answer, Deny) else answer.notes,
    )


def _outcome(answer: Answer) -> Outcome:
    if isinstance(answer, Grant):
        return Outcome.GRANT
    return Outcome.REFER if isinstance(answer, Refer) else Outcome.DENY


def _end(claims: Claims, policy: Policy, entered_at: datetime) -> datetime | None:
    if claims.category.colour is not Colour.BLUE:
        return None
    pass_end = datetime.fromtimestamp(claims.expires_at, entered_at.tzinfo)
    return due_at(rule_of_claim(claims.stay), entered_at=entered_at, zone=policy.zone, pass_end=pass_end)
