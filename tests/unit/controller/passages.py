"""Passages for ledger tests, with everything filled in that a test does not care about."""

from datetime import UTC, datetime, timedelta
from typing import Final

from controller.ledger import Passage
from passes.vocabulary import Direction

NOON: Final = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai
EPOCH: Final = "e" * 16


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def passage(
    seq: int,
    direction: Direction,
    minutes: float,
    *,
    gate: str = "south",
    epoch: str = EPOCH,
    person: str | None = "aa" * 8,
    pass_id: str | None = "01" * 8,
    category: str | None = "courier",
    stay_id: str | None = None,
    due_minutes: float | None = None,
    entered_minutes: float | None = None,
    assumed: bool = False,
    clock_trusted: bool = True,
) -> Passage:
    return Passage(
        key=(gate, epoch, seq),
        id=f"{seq:016x}",
        at=at(minutes),
        clock_trusted=clock_trusted,
        direction=direction,
        person=person,
        pass_id=pass_id,
        category=category,
        unit=12,
        stay_id=stay_id,
        entered_at=None if entered_minutes is None else at(entered_minutes),
        due_at=None if due_minutes is None else at(due_minutes),
        assumed=assumed,
    )


def entry(
    seq: int,
    minutes: float,
    *,
    stay_id: str | None = None,
    due_minutes: float | None = 60,
    person: str | None = "aa" * 8,
    pass_id: str | None = "01" * 8,
    category: str | None = "courier",
    assumed: bool = False,
    clock_trusted: bool = True,
) -> Passage:
    return passage(
        seq,
        Direction.ENTRY,
        minutes,
        stay_id=stay_id,
        due_minutes=due_minutes,
        person=person,
        pass_id=pass_id,
        category=category,
        assumed=assumed,
        clock_trusted=clock_trusted,
    )


def leaving(
    seq: int,
    minutes: float,
    *,
    gate: str = "south",
    stay_id: str | None = None,
    entered_minutes: float | None = None,
    due_minutes: float | None = None,
    person: str | None = "aa" * 8,
    pass_id: str | None = "01" * 8,
    assumed: bool = False,
    clock_trusted: bool = True,
) -> Passage:
    return passage(
        seq,
        Direction.EXIT,
        minutes,
        gate=gate,
        stay_id=stay_id,
        entered_minutes=entered_minutes,
        due_minutes=due_minutes,
        person=person,
        pass_id=pass_id,
        assumed=assumed,
        clock_trusted=clock_trusted,
    )
