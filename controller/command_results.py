"""What gates say of the commands that they were sent: quickly on a topic, and for good in their journals.

The journal's word counts: it comes once, in order, and stays. The quick one only ends a command that is still open.
"""

from datetime import datetime
from typing import Final

from pydantic import ValidationError
from sqlalchemy import Connection

from controller import schema
from controller.reading import kept
from sync.commands import CommandResult
from sync.messages import CommandData, Event

OPEN: Final = ("waiting", "sent")
NO_ANSWER: Final = "no_answer"
"""Why the centre itself ended a command: nobody has said anything in time. A gate's word still takes its place."""
_OF_A_COPY: Final = frozenset({"replayed", "retained", "wrong_gate", "too_many"})
"""Said of a message and not of the command: the same command may have come another way, and been done."""


def remember(connection: Connection, *, site: int, gate: str, event: Event) -> bool:
    """Take over what a journal says; False when it cannot be read."""
    try:
        data, at = CommandData.model_validate(event.data), kept(event.at)
    except (ValidationError, OverflowError):
        return False
    if data.id is not None and data.why not in _OF_A_COPY:
        _end(connection, site, gate, data.id, state=data.state, why=data.why, detail=data.detail, at=at)
    return True


def hear(connection: Connection, result: CommandResult, now: datetime) -> bool:
    """Take over a quick result; False when the command is none of this gate's, or has ended already."""
    return _end(
        connection,
        result.site,
        result.gate,
        result.id,
        state=result.state,
        why=result.why,
        detail=result.detail,
        at=now,
        only_open=True,
    )


def _end(
    connection: Connection,
    site: int,
    gate: str,
    id_: str,
    *,
    state: str,
    why: str | None,
    detail: str,
    at: datetime,
    only_open: bool = False,
) -> bool:
    table = schema.command
    where = [table.c.site == site, table.c.gate == gate, table.c.id == id_]
    if only_open:
        where.append(table.c.state.in_(OPEN) | (table.c.why == NO_ANSWER))
    values = {"state": state, "why": why, "detail": detail, "ended_at": at}
    return bool(connection.execute(table.update().where(*where).values(**values)).rowcount)
