"""What the centre's page shows, read from the database in one transaction; see ``controller.web.view``."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Table, func, select

from controller import schema
from controller.config import CentreConfig
from controller.store import Store
from controller.web.view import (
    GateLane,
    GateRow,
    GateState,
    InsideRow,
    Now,
    OverstayRow,
    SmsRow,
    SmsState,
)
from shell.clock import Clock
from sync.messages import Health

ROWS_MAX: Final = 500  # of visits and incidents; a page with more is read by nobody
SMS_MAX: Final = 20
SILENT_AFTER: Final = timedelta(seconds=90)  # a gate reports each 30 s: three missed reports are a lost gate

_SMS_STATES: Final[dict[str, SmsState]] = {
    "queued": "waiting",
    "sending": "waiting",
    "accepted": "accepted",
    "failed": "failed",
    "unknown": "unknown",
}
_GATE_STATES: Final[dict[str | None, GateState]] = {
    "online": "online",
    "stopping": "stopping",
    "lost": "lost",
}


class Console:
    """The source behind the page, and the bell that tells open pages to look again.

    Args:
        store: The database.
        clock: For what counts as today, and as silent.
        config: Names, zone and sites.
        units: Doors by unit number, for each site.
    """

    def __init__(
        self, *, store: Store, clock: Clock, config: CentreConfig, units: dict[int, dict[int, str]]
    ) -> None:
        self._store, self._clock, self._config, self._units = store, clock, config, units
        self._listeners: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` at every change from now on; returns how to end that."""
        with self._lock:
            self._listeners.append(listener)

        def end() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return end

    def changed(self) -> None:
        """Tell every open page that something changed."""
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def now(self) -> Now:
        """The page as it is now."""
        now = self._clock.now()
        with self._store.transaction() as connection:
            return Now(
                centre=self._config.name,
                sites=tuple(site.name for site in self._config.sites.values()),
                zone=self._config.zone.key,
                inside=self._inside(connection),
                overstays=self._overstays(connection),
                sms=self._sms(connection),
                sms_today=self._sms_today(connection, now),
                gates=self._gates(connection, now),
                dead_letters=_count(connection, select(func.count()).select_from(schema.dead_letter)),
                counts={
                    "inside": _count(
                        connection,
                        select(func.count())
                        .select_from(schema.visit)
                        .where(schema.visit.c.state == "inside"),
                    ),
                    "visits": _count(connection, select(func.count()).select_from(schema.visit)),
                    "conflicts": _count(connection, select(func.count()).select_from(schema.conflict)),
                },
            )

    def _inside(self, connection: Connection) -> tuple[InsideRow, ...]:
        visit, person, registered = schema.visit, schema.person, schema.registration
        rows = connection.execute(
            select(visit, person.c.shown_name, registered.c.phone_last4)
            .outerjoin(person, (person.c.site == visit.c.site) & (person.c.person == visit.c.person))
            .outerjoin(registered, _registered(visit))
            .where(visit.c.state == "inside")
            .order_by(visit.c.entered_at.desc())
            .limit(ROWS_MAX)
        )
        return tuple(
            InsideRow(
                category=row.category or "",
                person=row.shown_name,
                last4=row.phone_last4,
                room=self._room(row),
                gate=self._gate_name(row.site, row.entry_gate),
                entered_at=row.entered_at,
                due_at=row.due_at,
            )
            for row in rows
        )

    def _overstays(self, connection: Connection) -> tuple[OverstayRow, ...]:
        visit, person, incident, alert = schema.visit, schema.person, schema.incident, schema.alert
        registered = schema.registration
        newest = (
            select(alert.c.state)
            .where(alert.c.incident_id == incident.c.id, alert.c.state != "cancelled")
            .order_by(alert.c.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        rows = connection.execute(
            select(
                incident.c.id,
                incident.c.due_at,
                visit.c.site,
                visit.c.category,
                visit.c.unit,
                visit.c.entry_gate,
                person.c.shown_name,
                registered.c.phone_last4,
                newest.label("sms"),
            )
            .join(visit, visit.c.incident_id == incident.c.id)
            .outerjoin(person, (person.c.site == visit.c.site) & (person.c.person == visit.c.person))
            .outerjoin(registered, _registered(visit))
            .where(incident.c.state == "open")
            .order_by(incident.c.due_at)
            .limit(ROWS_MAX)
        )
        return tuple(
            OverstayRow(
                incident=row.id,
                since=row.due_at,
                category=row.category or "",
                person=row.shown_name,
                last4=row.phone_last4,
                room=self._room(row),
                gate=self._gate_name(row.site, row.entry_gate),
                sms=_SMS_STATES[row.sms] if row.sms else None,
            )
            for row in rows
        )

    def _sms(self, connection: Connection) -> tuple[SmsRow, ...]:
        alert = schema.alert.c
        rows = connection.execute(
            select(schema.alert).where(alert.state != "cancelled").order_by(alert.id.desc()).limit(SMS_MAX)
        )
        return tuple(
            SmsRow(at=row.created_at, to=row.recipient, text=row.text, state=_SMS_STATES[row.state])
            for row in rows
        )

    def _sms_today(self, connection: Connection, now: datetime) -> int:
        midnight = now.astimezone(self._config.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        alert = schema.alert.c
        return _count(
            connection,
            select(func.count())
            .select_from(schema.alert)
            .where(alert.created_at >= midnight, alert.state != "cancelled"),
        )

    def _gates(self, connection: Connection, now: datetime) -> tuple[GateRow, ...]:
        gates: dict[tuple[int, str], GateRow] = {
            (site.id, gate): GateRow(id=gate, name=name, state="unheard")
            for site in self._config.sites.values()
            for gate, name in site.gate_names.items()
        }
        for row in connection.execute(select(schema.gate)):
            gates[row.site, row.gate] = self._gate(row, now)
        return tuple(gates[key] for key in sorted(gates))

    def _gate(self, row: Row[Any], now: datetime) -> GateRow:
        state = _GATE_STATES.get(row.state, "unheard")
        if state == "online" and (row.last_heard is None or now - row.last_heard > SILENT_AFTER):
            state = "lost"
        health = Health.model_validate_json(row.health) if row.health else None
        return GateRow(
            id=row.gate,
            name=self._gate_name(row.site, row.gate),
            state=state,
            heard_at=row.last_heard,
            outbox_depth=health.outbox_depth if health else None,
            clock_trust=health.trust if health else None,
            software=health.software if health else None,
            lanes=tuple(
                GateLane(
                    name=lane.name,
                    direction=lane.direction,
                    state=lane.state,
                    camera_ok=lane.camera == "ok",
                    board_ok=lane.board == "ok",
                )
                for lane in (health.lanes if health else ())
            ),
        )

    def _room(self, row: Any) -> str | None:
        if row.unit is None:
            return None
        return self._units.get(row.site, {}).get(row.unit, f"#{row.unit}")

    def _gate_name(self, site: int, gate: str) -> str:
        known = self._config.sites.get(site)
        return known.gate_names.get(gate, gate) if known else gate


def _registered(visit: Table) -> ColumnElement[bool]:
    """The registration of a walk-in: it names the pass, which no centre issued."""
    held = schema.registration.c
    return (held.site == visit.c.site) & (held.pass_id == visit.c.pass_id)


def _count(connection: Connection, statement: Any) -> int:
    return int(connection.execute(statement).scalar_one())
