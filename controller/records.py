"""Recording what gates send: events, cursors and visits change together, in the caller's one transaction.

An event is (site, gate, epoch, seq). Storing one twice changes nothing; two events under one key are a conflict, and
both are kept for a person to look at while the first stands. So is an event that does not continue the one before it.
Either shows that two journals write under one epoch: both are told to begin another, and send again what is not
acknowledged. A gate restored from a copy sends rows again under another
epoch, with their ids: what is known by its id is passed over. What cannot be read, or not be folded into visits, is
kept as a dead letter and counts as applied: one bad row must never stop a gate.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Connection, select
from sqlalchemy import text as statement
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from controller import audit, command_results, double_use, overstay, registrations, schema
from controller.ledger import Passage
from controller.reading import is_kept, kept, passage_of, subject_of
from controller.refold import chunks, refold
from controller.streams import Stream
from shell.logs import get_logger
from sync.messages import Event, GapData, Kind, utc_text
from sync.received import ReceivedRow
from sync.topics import up

WHY_MAX: Final = 300
CURSOR_STEP: Final = 1_000  # rows looked at in one go when a cursor moves
NOTHING_BEFORE: Final = "0" * 64  # what a journal's first row names as the hash before it
_STREAM: Final = "site = :site and gate = :gate and epoch = :epoch"
# Text, not expressions: it is asked for every row that comes alone, and building expressions took most of that time.
_PASSABLE: Final = statement(
    f"select seq as first, seq as last from event where {_STREAM} and seq > :after and seq <= :upto"  # noqa: S608
    f" union all select seq, seq from dead_letter where {_STREAM} and seq > :after and seq <= :upto"
    f" union all select first, last from gap where {_STREAM} and last > :after and first <= :upto"
)
_IN_MAX: Final = 400  # values in one IN list
_COLUMNS: Final = tuple(column.name for column in schema.event.columns)
log = get_logger("records")


def record(
    connection: Connection, stream: Stream, rows: Sequence[ReceivedRow], *, received_at: datetime
) -> int:
    """Store rows of one journal, fold the visits that they touch, and move the cursor.

    Returns:
        The cursor: every row up to it is stored, or known to be unreadable or lost.
    """
    try:
        with connection.begin_nested():
            _apply(connection, stream, rows, received_at)
    except Exception as error:
        if not _is_poison(error):
            raise
        log.exception("rows cannot be recorded together, trying them one by one", gate=stream.gate)
        _apply_singly(connection, stream, rows, received_at)
    return advance(connection, stream, stored=[row.seq for row in rows])


def _apply(
    connection: Connection, stream: Stream, rows: Sequence[ReceivedRow], received_at: datetime
) -> None:
    touched = _store(connection, stream, rows, received_at)
    if touched:
        changed = refold(connection, stream.site, touched)
        overstay.review(connection, stream.site, changed, received_at)
        double_use.review(connection, stream.site, changed, received_at)


def _apply_singly(
    connection: Connection, stream: Stream, rows: Sequence[ReceivedRow], received_at: datetime
) -> None:
    """Each row by itself, so that the one which fails is found; it leaves nothing behind but its dead letter."""
    for row in rows:
        try:
            with connection.begin_nested():
                _apply(connection, stream, [row], received_at)
        except Exception as error:
            if not _is_poison(error):
                raise
            _bury_row(connection, stream, row, f"cannot be recorded: {type(error).__name__}", received_at)


def _is_poison(error: Exception) -> bool:
    """Whether the same rows would fail again; a full disk or a closed file is not their fault."""
    if isinstance(error, StatementError):
        return not isinstance(error, DBAPIError) or isinstance(error, IntegrityError | DataError)
    return not isinstance(error, OSError | MemoryError | SQLAlchemyError)


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


def hash_of(connection: Connection, stream: Stream, seq: int) -> str | None:
    """The hash in a recorded row; None when it is not recorded as an event of this journal."""
    event = schema.event
    raw = connection.execute(select(event.c.raw).where(*_of(event, stream), event.c.seq == seq)).scalar()
    return None if raw is None else str(json.loads(raw)["hash"])


def note_gap(
    connection: Connection, stream: Stream, first: int, last: int, why: Literal["lost", "known"] = "lost"
) -> None:
    """Let the cursor pass rows ``first`` to ``last``: gone for good, or known already from another epoch."""
    gap = schema.gap
    where = (*_of(gap, stream), gap.c.why == why, gap.c.first == first)
    found = connection.execute(select(gap.c.last).where(*where)).scalar()
    if found is None:
        connection.execute(gap.insert().values(**stream._asdict(), why=why, first=first, last=last))
    elif found < last:
        connection.execute(gap.update().where(*where).values(last=last))


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
    held = _held(connection, stream, sorted(row.seq for row in rows))
    elsewhere = _known_elsewhere(connection, stream, rows)
    fresh: dict[int, ReceivedRow] = {}
    values, passages, known, received = [], [], [], utc_text(received_at)
    for row in rows:
        if row.event is None:
            _bury_row(connection, stream, row, row.why or "unreadable", received_at)
            continue
        before = held.get(row.seq)
        if before is None and row.seq in fresh:
            before = _as_held(fresh[row.seq], received_at)
        if before is not None:
            if before.id != row.event.id:
                _conflict(connection, stream, before, row, received_at)
            continue
        if row.event.id in elsewhere:
            known.append(row.seq)
            continue
        try:
            of_row, passage = _read(stream, row.event, row.text, received)
        except OverflowError:  # a moment that no calendar holds once it is in UTC
            _bury_row(connection, stream, row, "at: outside the calendar", received_at)
            continue
        values.append(of_row)
        fresh[row.seq] = row
        if passage is not None:
            passages.append(passage)
        why = _heed(connection, stream, row.event, passage)
        if why is not None:
            _bury_row(connection, stream, row, why, received_at)
    if fresh:
        _insert(connection, values)
        _check_chain(connection, stream, tuple(fresh.values()), received_at)
    for first, last in _runs(sorted(known)):
        note_gap(connection, stream, first, last, "known")
    return passages


class _Held(NamedTuple):
    """What a row under this key says already."""

    id: str
    raw: str
    received_at: datetime


def _as_held(row: ReceivedRow, received_at: datetime) -> _Held:
    assert row.event is not None
    return _Held(row.event.id, row.text, received_at)


def _insert(connection: Connection, values: list[tuple[Any, ...]]) -> None:
    """Rows as ``_read`` gives them, by the driver's own way for many: this is what a backlog is made of."""
    statement = schema.event.insert().compile(dialect=connection.dialect)
    if statement.positiontup is None:
        connection.exec_driver_sql(str(statement), [dict(zip(_COLUMNS, row, strict=True)) for row in values])
        return
    assert tuple(statement.positiontup) == _COLUMNS
    connection.exec_driver_sql(str(statement), values)


def _check_chain(
    connection: Connection, stream: Stream, new: Sequence[ReceivedRow], received_at: datetime
) -> None:
    """Look whether new rows continue what was there before them, and are continued by what was there after them."""
    runs = _runs(sorted(row.seq for row in new))
    there = _links(connection, stream, {edge for first, last in runs for edge in (first - 1, last + 1)})
    last_seq, last_own = 0, ""
    for row in sorted(new, key=itemgetter(0)):
        assert row.event is not None
        seq, prev, own = row.seq, row.event.prev, row.event.hash
        fits = seq != last_seq + 1 or prev in (last_own, NOTHING_BEFORE)
        if seq - 1 in there:
            fits = fits and prev in (there[seq - 1].own, NOTHING_BEFORE)
        if seq + 1 in there:
            fits = fits and there[seq + 1].prev in (own, NOTHING_BEFORE)
        if not fits:
            _shelve_conflict(connection, stream, seq, [_as_held(row, received_at)])
        last_seq, last_own = seq, own


class _Link(NamedTuple):
    """The hash that a row names as the one before it, and its own."""

    prev: str
    own: str


def _links(connection: Connection, stream: Stream, seqs: set[int]) -> dict[int, _Link]:
    """The links of those of these rows that are there."""
    event = schema.event.c
    links = {}
    for some in chunks(sorted(seqs - {0}), _IN_MAX):
        asked = (*_of(schema.event, stream), event.seq.in_(some))
        for seq, raw in connection.execute(select(event.seq, event.raw).where(*asked)):
            said = json.loads(raw)
            links[seq] = _Link(said["prev"], said["hash"])
    return links


def is_doubled(connection: Connection, stream: Stream) -> bool:
    """Whether rows of two histories came under this epoch."""
    shelf = schema.conflict
    return connection.execute(select(shelf.c.seq).where(*_of(shelf, stream)).limit(1)).first() is not None


def _heed(connection: Connection, stream: Stream, event: Event, passage: Passage | None) -> str | None:
    """Do what an event asks for beside being kept; what is wrong with it, or None."""
    match event.kind:
        case Kind.PASSAGE if passage is None:
            return "a passage whose data cannot be read"
        case Kind.REGISTRATION:
            taken = registrations.remember(connection, site=stream.site, gate=stream.gate, event=event)
            return None if taken else "a registration whose data cannot be read"
        case Kind.COMMAND:
            if not command_results.remember(connection, site=stream.site, gate=stream.gate, event=event):
                return "a command whose data cannot be read"
        case Kind.GAP:
            _read_gap(connection, stream, event)
    return None


def _known_elsewhere(connection: Connection, stream: Stream, rows: Sequence[ReceivedRow]) -> set[str]:
    """The ids of the rows that other epochs of this gate have of these moments; a row keeps its id and its time."""
    event = schema.event.c
    of_gate = (event.site == stream.site, event.gate == stream.gate)
    others = (
        select(event.seq).where(*of_gate, other).limit(1)
        for other in (event.epoch < stream.epoch, event.epoch > stream.epoch)  # so that the key answers
    )
    if all(connection.execute(other).first() is None for other in others):
        return set()
    moments = {kept(row.event.at) for row in rows if row.event and is_kept(row.event.at)}
    found: set[str] = set()
    for some in chunks(sorted(moments), _IN_MAX):
        asked = (*of_gate, event.at.in_(some), event.epoch != stream.epoch)
        found.update(connection.execute(select(event.id).where(*asked)).scalars())
    return found


def _runs(seqs: Iterable[int]) -> list[tuple[int, int]]:
    """First and last of each run without a hole; the numbers come in order."""
    runs: list[tuple[int, int]] = []
    first = last = None
    for seq in seqs:
        if last is not None and seq <= last + 1:
            last = seq
            continue
        if first is not None and last is not None:
            runs.append((first, last))
        first = last = seq
    if first is not None and last is not None:
        runs.append((first, last))
    return runs


def _held(connection: Connection, stream: Stream, seqs: Sequence[int]) -> dict[int, _Held]:
    event = schema.event.c
    columns = (event.seq, event.id, event.raw, event.received_at)
    held: dict[int, _Held] = {}
    for first, last in _runs(seqs):
        found = connection.execute(
            select(*columns).where(*_of(schema.event, stream), event.seq >= first, event.seq <= last)
        )
        held |= {seq: _Held(*said) for seq, *said in found}
    return held


def _read(stream: Stream, event: Event, text: str, received: str) -> tuple[tuple[Any, ...], Passage | None]:
    """The row as it is kept, in the order of ``_COLUMNS``, and the passage if it is a readable one."""
    passage = passage_of(stream.gate, stream.epoch, event) if event.kind == Kind.PASSAGE else None
    subject = subject_of(event)
    return (
        stream.site,
        stream.gate,
        stream.epoch,
        event.seq,
        event.id,
        event.kind,
        utc_text(kept(event.at)),
        received,
        subject.person,
        subject.pass_id,
        passage.stay_key if passage else None,
        text,
    ), passage


def _conflict(
    connection: Connection, stream: Stream, before: _Held, row: ReceivedRow, received_at: datetime
) -> None:
    """Put both sides on the shelf; the one that came first keeps its place and its effect."""
    _shelve_conflict(connection, stream, row.seq, [before, _as_held(row, received_at)])


def _shelve_conflict(connection: Connection, stream: Stream, seq: int, sides: Sequence[_Held]) -> None:
    """Keep what does not fit together, once; the first of an epoch is an alarm."""
    if not is_doubled(connection, stream):
        log.error("two journals under one epoch", site=stream.site, gate=stream.gate, epoch=stream.epoch)
        audit.note(
            connection,
            at=max(at for _, _, at in sides),
            site=stream.site,
            actor=f"gate {stream.gate}",
            action="two journals, one epoch",
            subject=stream.epoch,
            detail=f"first seen at row {seq}: a clone lives, or a restored copy wrote other rows",
        )
    shelf = schema.conflict
    for event_id, text, at in sides:
        held = select(shelf.c.id).where(*_of(shelf, stream), shelf.c.seq == seq, shelf.c.id == event_id)
        if connection.execute(held).first() is None:
            connection.execute(
                shelf.insert().values(**stream._asdict(), seq=seq, id=event_id, raw=text, at=at)
            )


def _read_gap(connection: Connection, stream: Stream, event: Event) -> None:
    try:
        data = GapData.model_validate(event.data)
    except ValidationError:
        return
    # A gate can only declare lost what lies before the declaration itself.
    if data.first <= data.last < event.seq:
        note_gap(connection, stream, data.first, data.last)
        log.error("a gate declared rows lost", gate=stream.gate, first=data.first, last=data.last)


def advance(connection: Connection, stream: Stream, *, stored: Sequence[int] = ()) -> int:
    """Move the cursor over the prefix without a hole; rows ``stored`` need not be looked for."""
    before = upto = cursor_of(connection, stream)
    for first, last in _runs(sorted(stored)):
        if first <= upto + 1:
            upto = max(upto, last)
    while True:
        reached = upto
        for first, last in _passable_after(connection, stream, upto):
            if first > reached + 1:
                break
            reached = max(reached, last)
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


def _passable_after(connection: Connection, stream: Stream, upto: int) -> list[tuple[int, int]]:
    """Stretches that the cursor may pass, in order: rows recorded or unreadable, and gaps; a bounded number."""
    where = {**stream._asdict(), "after": upto, "upto": upto + CURSOR_STEP}
    return sorted((row.first, row.last) for row in connection.execute(_PASSABLE, where))


def _of(table: Any, stream: Stream) -> tuple[ColumnElement[bool], ...]:
    return (table.c.site == stream.site, table.c.gate == stream.gate, table.c.epoch == stream.epoch)


def _clean(text: str, limit: int) -> str:
    return text.encode("utf-8", "backslashreplace").decode()[:limit].replace("\x00", "\\x00")
