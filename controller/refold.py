"""Folding anew what new passages may change, and no more: a person's thousandth visit costs what the tenth did.

A window opens at the earliest time that a new passage speaks of, and moves back until no stay that it names began
before it. What happened earlier cannot change then: an exit that names no stay looks only at stays that began before
it. So the passages since the window opened are folded on top of the visits that were open at that moment. Of these a
few are enough: exits in the window end at most as many of them as there are exits, the newest first.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, select, text, union_all

from controller import schema
from controller.ledger import EventKey, Passage, Visit, VisitState, fold
from controller.reading import passage_of
from passes.vocabulary import Category, Direction
from sync.messages import Event

_IN_MAX: Final = 400  # values in one IN list
_OWNERS: Final = ("person", "pass_id")


def _passages_where(*where: ColumnElement[bool]) -> Select[Any]:
    event = schema.event.c
    # The plus keeps SQLite from walking through the whole site by the primary key.
    passage_of_site = text("event.kind = 'passage' and +event.site = :site")
    return select(event.gate, event.epoch, event.seq, event.stay_id, event.raw).where(passage_of_site, *where)


def _visits_near(column: str) -> Any:
    """An owner's newest open visits before ``since``, and those that ended or began since."""
    visit = schema.visit.c
    owned = (visit.site == bindparam("site"), visit[column] == bindparam("owner"))
    since = bindparam("since", type_=schema.Moment)
    newest_open = (
        select(schema.visit)
        .where(*owned, visit.left_at.is_(None), visit.entered_at < since)
        .order_by(visit.entered_at.desc(), visit.stay_id.desc())
        .limit(bindparam("most"))
        .subquery()
    )
    return union_all(
        select(newest_open),
        select(schema.visit).where(*owned, visit.left_at >= since),
        select(schema.visit).where(*owned, visit.entered_at >= since),
    )


def _newest_resident(column: str) -> Select[Any]:
    """It alone decides whether an owner's older ones count as heads."""
    visit = schema.visit.c
    return (
        select(schema.visit)
        .where(
            visit.site == bindparam("site"),
            visit[column] == bindparam("owner"),
            visit.category == Category.RESIDENT.code,
            visit.entered_at < bindparam("since", type_=schema.Moment),
            *((visit.person.is_(None),) if column == "pass_id" else ()),
        )
        .order_by(visit.entered_at.desc(), visit.stay_id.desc())
        .limit(1)
    )


_SINCE: Final = schema.event.c.at >= bindparam("since", type_=schema.Moment)
_OF_STAYS: Final = _passages_where(schema.event.c.stay_id.in_(bindparam("stays", expanding=True)))
_OF_STAYS_SINCE: Final = _OF_STAYS.where(_SINCE)
_OF_OWNER_SINCE: Final = {
    column: _passages_where(schema.event.c[column] == bindparam("owner"), _SINCE) for column in _OWNERS
}
_NEAR: Final = {column: _visits_near(column) for column in _OWNERS}
_NEWEST_RESIDENT: Final = {column: _newest_resident(column) for column in _OWNERS}


class Owner(NamedTuple):
    """What ties passages together beside the stay: a person or a pass."""

    column: str
    value: str


def refold(connection: Connection, site: int, touched: Iterable[Passage]) -> list[tuple[Visit, int | None]]:
    """Bring the visits up to date with passages that were stored just now.

    Returns:
        The visits that changed, each with its incident's number where it has one.
    """
    waiting = _Waiting(touched)
    changed: list[tuple[Visit, int | None]] = []
    while (first := waiting.any()) is not None:
        window = _Window(connection, site, first, waiting)
        window.grow()
        changed += _write(connection, site, fold(window.passages.values(), window.seeds.values()))
    return changed


class _Waiting:
    """New passages that no visit shows yet. Who touches an owner or a stay takes along all that wait for it."""

    def __init__(self, touched: Iterable[Passage]) -> None:
        self._left = {passage.key: passage for passage in touched}
        self._tied: dict[Owner, list[Passage]] = {}
        for passage in self._left.values():
            for tie in _ties(passage):
                self._tied.setdefault(tie, []).append(passage)

    def any(self) -> Passage | None:
        """One that still waits, and waits no more."""
        return self._left.pop(next(iter(self._left))) if self._left else None

    def take(self, ties: Iterable[Owner]) -> list[Passage]:
        """All that wait for one of these, and wait no more."""
        tied = [passage for tie in ties for passage in self._tied.pop(tie, ())]
        return [passage for passage in tied if self._left.pop(passage.key, None) is not None]


class _Window:
    """The passages since some moment that hang together with the first, and the visits that were open then."""

    def __init__(self, connection: Connection, site: int, first: Passage, waiting: _Waiting) -> None:
        self._connection, self._site, self._waiting = connection, site, waiting
        self.since = first.at
        self.passages: dict[EventKey, Passage] = {}
        self.seeds: dict[str, Visit] = {}
        self._owners: set[Owner] = set()
        self._stays: set[str] = set()  # named by a passage of the window
        self._stays_read: set[str] = set()
        self._owners_read: dict[Owner, datetime] = {}  # since when
        self._visits_read: tuple[Any, ...] | None = None
        self._new(first)

    def grow(self) -> None:
        """Read until nothing more is found; what was read once is not read again."""
        size = None
        while size != (size := (self.since, len(self._owners), len(self._stays), len(self.passages))):
            self._read_stays()
            self._read_owners()
            self._read_visits()

    def _new(self, passage: Passage) -> None:
        self.since = min(self.since, passage.at, passage.entered_at or passage.at)
        self._add(passage)

    def _add(self, passage: Passage) -> None:
        if passage.key in self.passages:
            return
        self.passages[passage.key] = passage
        ties = _ties(passage)
        self._stays |= {tie.value for tie in ties if tie.column == "stay_id"}
        self._own(tie for tie in ties if tie.column != "stay_id")
        for other in self._waiting.take(ties):
            self._new(other)

    def _own(self, owners: Iterable[Owner]) -> None:
        new = set(owners) - self._owners
        self._owners |= new
        for other in self._waiting.take(new):
            self._new(other)

    def _read_stays(self) -> None:
        """All that names one of the stays, however old: the window opens before it."""
        new = sorted(self._stays - self._stays_read)
        self._stays_read |= self._stays
        for some in chunks(new, _IN_MAX):
            for passage in self._passages(_OF_STAYS, stays=some):
                self.since = min(self.since, passage.at)
                self._add(passage)

    def _read_owners(self) -> None:
        """What the owners did since the window opened."""
        for owner in sorted(self._owners):
            if self._owners_read.get(owner) != self.since:
                self._owners_read[owner] = since = self.since
                for passage in self._passages(_OF_OWNER_SINCE[owner.column], owner=owner.value, since=since):
                    self._add(passage)

    def _passages(self, query: Select[Any], **values: Any) -> list[Passage]:
        found = []
        for row in self._connection.execute(query, {"site": self._site, **values}):
            if (row.gate, row.epoch, row.seq) in self.passages:
                continue
            passage = passage_of(row.gate, row.epoch, Event.model_validate_json(row.raw))
            if passage is not None:  # else it is on the dead-letter shelf
                found.append(passage)
        return found

    def _read_visits(self) -> None:
        """The visits that the window begins with, and stays that began in it by the word of an earlier passage."""
        exits = sum(passage.direction is Direction.EXIT for passage in self.passages.values())
        wanted = (self.since, len(self._owners), len(self._stays), exits)
        if wanted == self._visits_read:
            return
        self._visits_read = wanted
        self.seeds = {}
        asked = {"site": self._site, "since": self.since, "most": exits + 1}
        for owner in sorted(self._owners):
            self._seed(self._connection.execute(_NEAR[owner.column], {**asked, "owner": owner.value}))
        for owner in sorted(self._residents()):
            query = _NEWEST_RESIDENT[owner.column]
            self._seed(self._connection.execute(query, {**asked, "owner": owner.value}))
        self._look_for_late_names()

    def _residents(self) -> set[Owner]:
        """Whose visits replace each other, as the ledger sees it."""
        owners: set[Owner] = set()
        found: list[Passage | Visit] = [*self.passages.values(), *self.seeds.values()]
        for one in found:
            if one.category == Category.RESIDENT.code and one.person is not None:
                owners.add(Owner("person", one.person))
            elif one.category == Category.RESIDENT.code and one.pass_id is not None:
                owners.add(Owner("pass_id", one.pass_id))
        return owners

    def _seed(self, rows: Iterable[Row[Any]]) -> None:
        for row in rows:
            if row.stay_id in self._stays or row.stay_id in self.seeds:
                continue
            found = visit_of(row)
            if found.entered_at >= self.since:
                self._stays.add(found.stay_id)
            else:
                self.seeds[found.stay_id] = _as_of(found, self.since)
            owners = (Owner("person", row.person or ""), Owner("pass_id", row.pass_id or ""))
            self._own(owner for owner in owners if owner.value)

    def _look_for_late_names(self) -> None:
        """A seed that a passage of somebody else names in the window is no seed: its whole stay belongs to it."""
        for some in chunks(sorted(self.seeds), _IN_MAX):
            asked = {"site": self._site, "stays": some, "since": self.since}
            for row in self._connection.execute(_OF_STAYS_SINCE, asked):
                self._stays.add(row.stay_id)
                self.seeds.pop(row.stay_id, None)


def _as_of(visit: Visit, moment: datetime) -> Visit:
    """The visit as it stood then: open, unless it had ended."""
    if visit.left_at is not None and visit.left_at < moment:
        return visit
    return visit.reopened()


def _write(connection: Connection, site: int, visits: Iterable[Visit]) -> list[tuple[Visit, int | None]]:
    """Write what differs from what is there."""
    table = schema.visit
    held: dict[str, dict[str, Any]] = {}
    visits = tuple(visits)
    for some in chunks([visit.stay_id for visit in visits], _IN_MAX):
        rows = connection.execute(select(table).where(table.c.site == site, table.c.stay_id.in_(some)))
        held |= {row.stay_id: row._asdict() for row in rows}
    changed: list[tuple[Visit, int | None]] = []
    new = []
    for visit in visits:
        values, before = _values_of(visit), held.get(visit.stay_id)
        if before is None:
            new.append({"site": site, **values})
            changed.append((visit, None))
        elif not values.items() <= before.items():
            where = (table.c.site == site, table.c.stay_id == visit.stay_id)
            connection.execute(table.update().where(*where).values(**values))
            changed.append((visit, before["incident_id"]))
    if new:
        connection.execute(table.insert(), new)
    return changed


def _ties(passage: Passage) -> list[Owner]:
    named = (("person", passage.person), ("pass_id", passage.pass_id), ("stay_id", passage.stay_key))
    return [Owner(column, value) for column, value in named if value is not None]


def _values_of(visit: Visit) -> dict[str, Any]:
    return {
        "stay_id": visit.stay_id,
        "person": visit.person,
        "pass_id": visit.pass_id,
        "category": visit.category,
        "unit": visit.unit,
        "state": visit.state.value,
        "entry_gate": visit.entry_gate,
        "entered_at": visit.entered_at,
        "entry_assumed": visit.entry_assumed,
        "due_at": visit.due_at,
        "clock_doubted": visit.clock_doubted,
        "exit_gate": visit.exit_gate,
        "left_at": visit.left_at,
        "exit_assumed": visit.exit_assumed,
        "exit_doubted": visit.exit_doubted,
        "exit_event": "/".join(map(str, visit.exit_event)) if visit.exit_event else None,
    }


def visit_of(row: Row[Any]) -> Visit:
    """The visit in a row of its table."""
    gate, epoch, seq = row.exit_event.split("/") if row.exit_event else ("", "", 0)
    return Visit(
        stay_id=row.stay_id,
        person=row.person,
        pass_id=row.pass_id,
        category=row.category,
        unit=row.unit,
        state=VisitState(row.state),
        entry_gate=row.entry_gate,
        entered_at=row.entered_at,
        entry_assumed=row.entry_assumed,
        due_at=row.due_at,
        clock_doubted=row.clock_doubted,
        exit_gate=row.exit_gate,
        left_at=row.left_at,
        exit_assumed=row.exit_assumed,
        exit_doubted=row.exit_doubted,
        exit_event=(gate, epoch, int(seq)) if gate else None,
    )


def chunks(values: Sequence[Any], most: int) -> Iterable[Sequence[Any]]:
    """The values in runs of at most ``most``."""
    return (values[start : start + most] for start in range(0, len(values), most))
