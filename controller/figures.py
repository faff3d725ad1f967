"""Counts of the centre for scripts and checks: what arrived, who is inside, what was told."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, func, select

from controller import schema
from controller.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFigure:
    """How far one journal of one gate is recorded without a hole."""

    site: int
    gate: str
    epoch: str
    upto: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Counts over all sites. ``overstays`` are incidents ever raised and not withdrawn."""

    events: int
    journals: tuple[JournalFigure, ...]
    visits: int
    inside: int
    overstays: int
    overstays_open: int
    passes: int
    sms_accepted: int
    sms_waiting: int
    dead_letters: int
    conflicts: int


def figures(store: Store) -> Figures:
    """All counts at one moment."""
    visit, incident, alert, cursor = schema.visit, schema.incident, schema.alert, schema.cursor
    with store.transaction() as connection:
        return Figures(
            events=_count(connection, schema.event),
            journals=tuple(
                JournalFigure(site=row.site, gate=row.gate, epoch=row.epoch, upto=row.upto)
                for row in connection.execute(
                    select(cursor).order_by(cursor.c.site, cursor.c.gate, cursor.c.epoch)
                )
            ),
            visits=_count(connection, visit),
            inside=_count(connection, visit, visit.c.state == "inside"),
            overstays=_count(
                connection, incident, incident.c.kind == "overstay", incident.c.state != "withdrawn"
            ),
            overstays_open=_count(
                connection, incident, incident.c.kind == "overstay", incident.c.state == "open"
            ),
            passes=_count(connection, schema.pass_issued),
            sms_accepted=_count(connection, alert, alert.c.state == "accepted"),
            sms_waiting=_count(connection, alert, alert.c.state.in_(("queued", "sending"))),
            dead_letters=_count(connection, schema.dead_letter),
            conflicts=_count_conflicts(connection),
        )


def _count(connection: Connection, table: Table, *where: Any) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one())


def _count_conflicts(connection: Connection) -> int:
    """Keys in conflict; each has two or more rows on the shelf."""
    shelf = schema.conflict.c
    keys = select(shelf.site, shelf.gate, shelf.epoch, shelf.seq).distinct().subquery()
    return int(connection.execute(select(func.count()).select_from(keys)).scalar_one())
