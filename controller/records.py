"""Recording what gates send: events, cursors and visits change together, in the caller's one transaction.

An event is (site, gate, epoch, seq). Storing one twice changes nothing; two events under one key are a conflict, and
both are kept for a person to look at while the first stands. What cannot be read is kept as a dead letter and counts as
applied: one bad row must never stop a gate.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Connection, Select, select

from controller import overstay, schema
from controller.ledger import Passage, Visit, fold
from passes.vocabulary import ClockTrust
from shell.logs import get_logger
from sync.messages import Event, GapData, Kind, PassageData, Subject
from sync.received import ReceivedRow
from sync.topics import up

WHY_MAX: Final = 300
CURSOR_STEP: Final = 1_000  # rows looked at in one go when a cursor moves
_IN_MAX: Final = 400  # values in one IN list
log = get_logger("records")


class Stream(NamedTuple):
    """One journal of one gate."""

    site: int
    gate: str
    epoch: str


def record(
    connection: Connection, stream: Stream, rows: Sequence[ReceivedRow], *, received_at: datetime
) -> int:
    """Store rows of one journal, fold the visits that they touch, and move the cursor.

    Returns:
        The cursor: every row up to it is stored, or known to be unreadable or lost.
    """
    touched = _store(connection, stream, rows, received_at)
    if touched:
        overstay.review(connection, stream.site, _refold(connection, stream.site, touched), received_at)
    return advance(connection, stream)


def cursor_of(connection: Connection, stream: Stream) -> int:
    """How far this journal is recorded without a hole; 0 when nothing is."""
    found = connection.execute(select(schema.cursor.c.upto).where(*_of(schema.cursor, stream))).scalar()
    return int(found or 0)


def bury(connection: Connection, *, topic: str, payload: bytes, why: str, at: datetime) -> None:
    """Keep a message that could not be read at all, cut to a bound."""
    connection.execute(
        schema.dead_letter.insert().values(
            topic=_clean(topic, 200),
            payload=payload[: schema.DEAD_LETTER_BYTES_MAX],
            payload_bytes=len(payload),
            why=_clean(why, WHY_MAX),
            at=at,
        )
    )


def note_gap(connection: Connection, stream: Stream, first: int, last: int) -> None:
    """Remember that rows ``first`` to ``last`` are gone for good, so that the cursor may pass them."""
    gap = schema.gap
    found = connection.execute(select(gap.c.last).where(*_of(gap, stream), gap.c.first == first)).scalar()
    if found is None:
        connection.execute(gap.insert().values(**stream._asdict(), first=first, last=last))
    elif found < last:
        connection.execute(gap.update().where(*_of(gap, stream), gap.c.first == first).values(last=last))


def _bury_row(
    connection: Connection, stream: Stream, row: ReceivedRow, why: str, received_at: datetime
) -> None:
    """Keep one unreadable row of a journal, once however often it is sent."""
    letter = schema.dead_letter
    held = select(letter.c.id).where(*_of(letter, stream), letter.c.seq == row.seq)
    if connection.execute(held).first() is not None:
        return
    payload = row.text.encode()
    connection.execute(
        letter.insert().values(
            topic=up(stream.site, stream.gate, "ev"),
            payload=payload[: schema.DEAD_LETTER_BYTES_MAX],
            payload_bytes=len(payload),
            why=_clean(why, WHY_MAX),
            at=received_at,
            **stream._asdict(),
            seq=row.seq,
        )
    )
    log.error("unreadable row", gate=stream.gate, epoch=stream.epoch, seq=row.seq, why=why)


def _store(
    connection: Connection, stream: Stream, rows: Sequence[ReceivedRow], received_at: datetime
) -> list[Passage]:
    """Insert what is new; returns the passages among it."""
    held = _held(connection, stream, [row.seq for row in rows])
    new, passages = [], []
    for row in rows:
        if row.event is None:
            _bury_row(connection, stream, row, row.why or "unreadable", received_at)
            continue
        before = held.get(row.seq)
        if before is not None:
            if before["id"] != row.event.id:
                _conflict(connection, stream, before, row, received_at)
            continue
        try:
            values, passage = _read(stream, row.event, row.text, received_at)
        except OverflowError:  # a moment that no calendar holds once it is in UTC
            _bury_row(connection, stream, row, "at: outside the calendar", received_at)
            continue
        new.append(values)
        held[row.seq] = values
        if passage is not None:
            passages.append(passage)
        elif row.event.kind == Kind.PASSAGE:
            _bury_row(connection, stream, row, "a passage whose data cannot be read", received_at)
        if row.event.kind == Kind.GAP:
            _read_gap(connection, stream, row.event)
    if new:
        connection.execute(schema.event.insert(), new)
    return passages


def _held(connection: Connection, stream: Stream, seqs: Sequence[int]) -> dict[int, dict[str, Any]]:
    event = schema.event.c
    columns = (event.seq, event.id, event.raw, event.received_at)
    held: dict[int, dict[str, Any]] = {}
    for some in _chunks(seqs):
        found = connection.execute(select(*columns).where(*_of(schema.event, stream), event.seq.in_(some)))
        held |= {row.seq: row._asdict() for row in found}
    return held


def _read(
    stream: Stream, event: Event, text: str, received_at: datetime
) -> tuple[dict[str, Any], Passage | None]:
    passage = _passage(stream.gate, stream.epoch, event) if event.kind == Kind.PASSAGE else None
    subject = _subject(event)
    row = {
        **stream._asdict(),
        "seq": event.seq,
        "id": event.id,
        "kind": event.kind,
        "at": _utc(event.at),
        "received_at": received_at,
        "person": subject.person,
        "pass_id": subject.pass_id,
        "stay_id": passage.stay_id if passage else None,
        "raw": text,
    }
    return row, passage


def _subject(event: Event) -> Subject:
    try:
        return Subject.model_validate(event.data)
    except ValidationError:
        return Subject()


def _passage(gate: str, epoch: str, event: Event) -> Passage | None:
    """The passage in an event, or None when its data cannot be read."""
    try:
        data = PassageData.model_validate(event.data)
        entered_at = _utc(data.entered_at) if data.entered_at else None
        due_at = _utc(data.due_at) if data.due_at else None
    except (ValidationError, OverflowError):
        return None
    return Passage(
        key=(gate, epoch, event.seq),
        id=event.id,
        at=_utc(event.at),
        clock_trusted=event.trust is ClockTrust.TRUSTED,
        direction=data.direction,
        person=data.person,
        pass_id=data.pass_id,
        category=data.category,
        unit=data.unit,
        stay_id=data.stay_id,
        entered_at=entered_at,
        due_at=due_at,
        assumed=data.assumed,
    )


def _utc(moment: datetime) -> datetime:
    """In UTC and to the millisecond, as it is kept: what is read back must equal what was read first."""
    return moment.astimezone(UTC).replace(microsecond=moment.microsecond // 1000 * 1000)


def _conflict(
    connection: Connection, stream: Stream, before: dict[str, Any], row: ReceivedRow, received_at: datetime
) -> None:
    """Put both sides on the shelf; the one that came first keeps its place and its effect."""
    assert row.event is not None
    shelf = schema.conflict
    for event_id, text, at in (
        (before["id"], before["raw"], before["received_at"]),
        (row.event.id, row.text, received_at),
    ):
        held = select(shelf.c.id).where(*_of(shelf, stream), shelf.c.seq == row.seq, shelf.c.id == event_id)
        if connection.execute(held).first() is None:
            connection.execute(
                shelf.insert().values(**stream._asdict(), seq=row.seq, id=event_id, raw=text, at=at)
            )
            log.error("two events under one key", gate=stream.gate, epoch=stream.epoch, seq=row.seq)


def _read_gap(connection: Connection, stream: Stream, event: Event) -> None:
    try:
        data = GapData.model_validate(event.data)
    except ValidationError:
        return
    # A gate can only declare lost what lies before the declaration itself.
    if data.first <= data.last < event.seq:
        note_gap(connection, stream, data.first, data.last)
        log.error("a gate declared rows lost", gate=stream.gate, first=data.first, last=data.last)


def advance(connection: Connection, stream: Stream) -> int:
    """Move the cursor over the prefix without a hole."""
    before = upto = cursor_of(connection, stream)
    while True:
        reached = _next_gap_end(connection, stream, upto)
        for seq in _recorded_after(connection, stream, reached):
            if seq > reached + 1:
                break
            reached = max(reached, seq)
        if reached == upto:
            break
        upto = reached
    if upto != before:
        where = _of(schema.cursor, stream)
        if before == 0 and connection.execute(select(schema.cursor.c.upto).where(*where)).first() is None:
            connection.execute(schema.cursor.insert().values(**stream._asdict(), upto=upto))
        else:
            connection.execute(schema.cursor.update().where(*where).values(upto=upto))
    return upto


def _next_gap_end(connection: Connection, stream: Stream, upto: int) -> int:
    gap = schema.gap.c
    found = connection.execute(
        select(gap.last)
        .where(*_of(schema.gap, stream), gap.first <= upto + 1, gap.last > upto)
        .order_by(gap.last.desc())
        .limit(1)
    ).scalar()
    return upto if found is None else int(found)


def _recorded_after(connection: Connection, stream: Stream, upto: int) -> list[int]:
    """Recorded or unreadable row numbers after ``upto``, ascending; a bounded number of them."""
    seqs: list[int] = []
    for table in (schema.event, schema.dead_letter):
        rows = connection.execute(
            select(table.c.seq)
            .where(*_of(table, stream), table.c.seq > upto, table.c.seq <= upto + CURSOR_STEP)
            .order_by(table.c.seq)
        )
        seqs += rows.scalars()
    return sorted(seqs)


def _refold(connection: Connection, site: int, touched: Iterable[Passage]) -> list[tuple[Visit, int | None]]:
    """Fold anew everything that hangs together with these passages.

    Returns:
        The visits that changed, each with its incident's number where it has one.
    """
    visits = fold(_connected(connection, site, touched))
    table = schema.visit
    held: dict[str, dict[str, Any]] = {}
    for some in _chunks([visit.stay_id for visit in visits]):
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


def _connected(connection: Connection, site: int, touched: Iterable[Passage]) -> list[Passage]:
    """All stored passages that share a person, a pass or a stay with these, directly or through others."""
    passages: dict[tuple[str, str, int], Passage] = {}
    seen: set[tuple[str, str]] = set()
    frontier = {key for passage in touched for key in _ties(passage)}
    while frontier:
        seen |= frontier
        fresh: set[tuple[str, str]] = set()
        for column in ("person", "pass_id", "stay_id"):
            for some in _chunks([value for name, value in frontier if name == column]):
                for row in connection.execute(_passages_where(site, column, some)):
                    key = (row.gate, row.epoch, row.seq)
                    if key not in passages:
                        passage = _passage(row.gate, row.epoch, Event.model_validate_json(row.raw))
                        assert passage is not None  # it was read when it was stored
                        passages[key] = passage
                        fresh.update(_ties(passage))
        frontier = fresh - seen
    return list(passages.values())


def _passages_where(site: int, column: str, values: Sequence[str]) -> Select[Any]:
    event = schema.event.c
    return select(event.gate, event.epoch, event.seq, event.raw).where(
        event.site == site, event.kind == Kind.PASSAGE.value, event[column].in_(values)
    )


def _ties(passage: Passage) -> list[tuple[str, str]]:
    named = (("person", passage.person), ("pass_id", passage.pass_id), ("stay_id", passage.stay_id))
    return [(name, value) for name, value in named if value is not None]


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


def _of(table: Any, stream: Stream) -> tuple[ColumnElement[bool], ...]:
    return (table.c.site == stream.site, table.c.gate == stream.gate, table.c.epoch == stream.epoch)


def _chunks(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (values[start : start + _IN_MAX] for start in range(0, len(values), _IN_MAX))


def _clean(text: str, limit: int) -> str:
    return text.encode("utf-8", "backslashreplace").decode()[:limit].replace("\x00", "\\x00")
