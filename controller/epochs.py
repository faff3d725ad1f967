"""Which journals a gate has had: a new one, or an old one that speaks again, is on record.

A gate has one journal at a time. It begins another epoch when its disk was replaced, restored from a copy, or made
anew; whoever runs the site wants to know that, and what the journal before may have held back. When a journal that was
succeeded speaks again, two boxes live under one identity.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from controller import audit, schema
from controller.streams import Stream
from shell.logs import get_logger

SUCCEEDED: Final = "a new journal"
RETURNED: Final = "two journals live"
log = get_logger("epochs")


def greet(connection: Connection, stream: Stream, *, said_last: int | None, at: datetime) -> None:
    """Note a journal that speaks for the first time, or that had been succeeded.

    Args:
        connection: The transaction.
        stream: Who says hello.
        said_last: Up to which row the journal before it was said to go, if that is known.
        at: When it did.
    """
    cursor = schema.cursor
    where = (cursor.c.site == stream.site, cursor.c.gate == stream.gate)
    known = {
        row.epoch: row.upto for row in connection.execute(select(cursor.c.epoch, cursor.c.upto).where(*where))
    }
    newest = _newest(connection, stream) or (next(iter(known)) if len(known) == 1 else None)
    if stream.epoch not in known:
        connection.execute(cursor.insert().values(**stream._asdict(), upto=0))
        if known:
            _note(connection, stream, SUCCEEDED, at, _before(newest, known, said_last))
    elif newest is not None and newest != stream.epoch and not _noted(connection, stream, RETURNED):
        _note(connection, stream, RETURNED, at, f"{stream.epoch} speaks again after {newest}: a clone lives")


def _before(newest: str | None, known: dict[str, int], said_last: int | None) -> str:
    if newest is None:
        return f"it has had {len(known)} before"
    upto = known[newest]
    held_back = f", and said to go to {said_last}" if said_last is not None and said_last > upto else ""
    return f"the one before, {newest}, is recorded up to row {upto}{held_back}; rows after that may be lost"


def _newest(connection: Connection, stream: Stream) -> str | None:
    """The journal that this gate began last, as noted."""
    table = schema.audit
    return connection.execute(
        select(table.c.subject)
        .where(table.c.site == stream.site, table.c.actor == _actor(stream), table.c.action == SUCCEEDED)
        .order_by(table.c.id.desc())
        .limit(1)
    ).scalar()


def _noted(connection: Connection, stream: Stream, action: str) -> bool:
    table = schema.audit
    where = (table.c.site == stream.site, table.c.actor == _actor(stream), table.c.action == action)
    return (
        connection.execute(select(table.c.id).where(*where, table.c.subject == stream.epoch)).first()
        is not None
    )


def _note(connection: Connection, stream: Stream, action: str, at: datetime, detail: str) -> None:
    log.error(action, site=stream.site, gate=stream.gate, epoch=stream.epoch, detail=detail)
    audit.note(
        connection,
        at=at,
        site=stream.site,
        actor=_actor(stream),
        action=action,
        subject=stream.epoch,
        detail=detail,
    )


def _actor(stream: Stream) -> str:
    return f"gate {stream.gate}"
