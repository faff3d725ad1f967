"""The fold of passages into visits: pure, blind to the order of arrival and to repetition.

Gates send late, twice and in any order; so a visit is never edited by an event. Whenever a passage of a person turns
up, the passages that it may concern are folded again, in the order in which they happened.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from passes.vocabulary import Category, Direction

EventKey = tuple[str, str, int]
"""Gate, epoch and sequence number."""


class VisitState(StrEnum):
    """Where a visit stands. Only ``inside`` counts as a head."""

    INSIDE = "inside"
    LEFT = "left"
    REPLACED = "replaced"  # a resident came in again without an exit: left by the button, as residents may


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One passage as its gate recorded it. ``key`` and ``id`` name the event; times are aware."""

    key: EventKey
    id: str
    at: datetime
    clock_trusted: bool
    direction: Direction
    person: str | None
    pass_id: str | None
    category: str | None
    unit: int | None
    stay_id: str | None
    entered_at: datetime | None
    due_at: datetime | None
    assumed: bool

    @property
    def order(self) -> tuple[datetime, str]:
        """When it happened. The id decides between equal times: the key changes when a gate is restored."""
        return self.at, self.id

    @property
    def stay_key(self) -> str | None:
        """The stay that it names; an entry that names none begins one under its own id."""
        return self.id if self.stay_id is None and self.direction is Direction.ENTRY else self.stay_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One stay. A passage that no contact confirmed is flagged; so is a time from a gate that doubted its clock.

    A doubted entry has no ``due_at``: nobody is reported for overstaying by a clock that its own gate doubts.
    """

    stay_id: str
    person: str | None
    pass_id: str | None
    category: str | None
    unit: int | None
    state: VisitState
    entry_gate: str
    entered_at: datetime
    entry_assumed: bool
    due_at: datetime | None
    clock_doubted: bool
    exit_gate: str | None = None
    left_at: datetime | None = None
    exit_assumed: bool = False
    exit_doubted: bool = False
    exit_event: EventKey | None = None

    def left_in_time(self) -> bool:
        """Whether a believable exit shows that this stay ended by its limit."""
        return (
            self.left_at is not None
            and not self.exit_doubted
            and self.due_at is not None
            and self.left_at <= self.due_at
        )

    def reopened(self) -> "Visit":
        """The visit before anything ended it."""
        return replace(
            self,
            state=VisitState.INSIDE,
            exit_gate=None,
            left_at=None,
            exit_assumed=False,
            exit_doubted=False,
            exit_event=None,
        )


def fold(passages: Iterable[Passage], earlier: Iterable[Visit] = ()) -> tuple[Visit, ...]:
    """The visits that these passages make, in the order of entry.

    An exit ends the stay that it names, whatever a doubted clock says of its time; else the newest open stay of its
    pass that began before it; else of its person. An exit that fits nothing ends nothing. An exit that names a stay
    whose entry never came, and says when it began, stands for both. Of two exits that name one stay the first counts,
    but a believable one before a doubted one.

    Args:
        passages: All passages of one person (or pass, where no person is known), in any order, with any repetition.
        earlier: Visits that stand for passages before all of these, open unless such a passage ended them.
    """
    ordered = sorted({passage.key: passage for passage in passages}.values(), key=lambda found: found.order)
    entries = [passage for passage in ordered if passage.direction is Direction.ENTRY]
    exits = [passage for passage in ordered if passage.direction is Direction.EXIT]
    stays = {visit.stay_id: visit for visit in earlier} | _begin(entries)
    strays = []
    for found in sorted(exits, key=lambda found: not found.clock_trusted):
        if found.stay_id is None:
            strays.append(found)
        elif found.stay_id in stays:
            if stays[found.stay_id].left_at is None:
                stays[found.stay_id] = _end(stays[found.stay_id], found)
        elif found.entered_at is not None:
            stays[found.stay_id] = _end(_begun_unseen(found, found.entered_at), found)
        else:
            strays.append(found)
    if strays:
        _end_by_owner(sorted(strays, key=lambda found: found.order), stays)
    return tuple(
        _replace_residents(sorted(stays.values(), key=lambda visit: (visit.entered_at, visit.stay_id)))
    )


def _begin(entries: Sequence[Passage]) -> dict[str, Visit]:
    stays: dict[str, Visit] = {}
    for entry in entries:
        stay_id = entry.stay_key or entry.id
        if stay_id in stays:
            # The gate saw the same entry twice (assumed after a crash, then by contact): one stay, from the first.
            stays[stay_id] = replace(
                stays[stay_id], entry_assumed=stays[stay_id].entry_assumed and entry.assumed
            )
            continue
        stays[stay_id] = Visit(
            stay_id=stay_id,
            person=entry.person,
            pass_id=entry.pass_id,
            category=entry.category,
            unit=entry.unit,
            state=VisitState.INSIDE,
            entry_gate=entry.key[0],
            entered_at=entry.at,
            entry_assumed=entry.assumed,
            due_at=entry.due_at if entry.clock_trusted else None,
            clock_doubted=not entry.clock_trusted,
        )
    return stays


def _begun_unseen(found: Passage, entered_at: datetime) -> Visit:
    assert found.stay_id is not None
    return Visit(
        stay_id=found.stay_id,
        person=found.person,
        pass_id=found.pass_id,
        category=found.category,
        unit=found.unit,
        state=VisitState.INSIDE,
        entry_gate=found.key[0],
        entered_at=entered_at,
        entry_assumed=True,
        due_at=found.due_at if found.clock_trusted else None,
        clock_doubted=not found.clock_trusted,
    )


def _end(visit: Visit, found: Passage) -> Visit:
    return replace(
        visit,
        state=VisitState.LEFT,
        exit_gate=found.key[0],
        left_at=found.at,
        exit_assumed=found.assumed,
        exit_doubted=not found.clock_trusted,
        exit_event=found.key,
    )


def _end_by_owner(strays: Sequence[Passage], stays: dict[str, Visit]) -> None:
    """Let each exit that names no known stay end the newest open one of its pass, else of its person."""
    owned: dict[tuple[str, str], list[str]] = {}
    for visit in sorted(stays.values(), key=lambda visit: (visit.entered_at, visit.stay_id)):
        for owner in (("pass", visit.pass_id), ("person", visit.person)):
            if owner[1] is not None:
                owned.setdefault((owner[0], owner[1]), []).append(visit.stay_id)
    for found in strays:
        by_pass = owned.get(("pass", found.pass_id or ""), [])
        by_person = owned.get(("person", found.person or ""), [])
        for stay_id in (*reversed(by_pass), *reversed(by_person)):
            if stays[stay_id].left_at is None and stays[stay_id].entered_at <= found.at:
                stays[stay_id] = _end(stays[stay_id], found)
                break


def _replace_residents(visits: Sequence[Visit]) -> list[Visit]:
    resident = Category.RESIDENT.code
    result, later_entry = [], set[str]()
    for visit in reversed(visits):
        owner = visit.person or visit.pass_id
        if visit.category == resident and owner is not None:
            if visit.state is VisitState.INSIDE and owner in later_entry:
                visit = replace(visit, state=VisitState.REPLACED)  # noqa: PLW2901
            later_entry.add(owner)
        result.append(visit)
    return result[::-1]
