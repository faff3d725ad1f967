"""Who stayed too long: an incident and its first alerts, once, when a stay is due; and what an exit makes of them.

The work is proportional to what is due: one index holds exactly the open, limited stays without an incident. The
limit itself was computed by the gate with ``passes.stay`` and travels in the event.
"""

import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, Select, select

from controller import alerts, double_use, schema
from controller.config import SiteConfig, SmsConfig
from controller.ledger import Visit, VisitState
from controller.store import Store
from passes.stay import StayFacts, is_red
from passes.vocabulary import ClockTrust
from shell.clock import Clock
from shell.logs import get_logger

KIND: Final = "overstay"
AT_ONCE_MAX: Final = 100  # rows in one transaction; the rest follows at once
LOOK_AT_LEAST_EVERY_S: Final = 5.0


def due_visits(now: datetime, limit: int) -> Select[Any]:
    """The query behind the monitor: open stays whose limit has come and that nobody was told about."""
    visit = schema.visit.c
    return (
        select(schema.visit)
        .where(
            visit.state == "inside",
            visit.incident_id.is_(None),
            visit.due_at.is_not(None),
            visit.due_at <= now,
        )
        .order_by(visit.due_at)
        .limit(limit)
    )


class OverstayMonitor:
    """Raises an incident for each stay that is due, and queues who is told.

    Args:
        store: The database.
        clock: Wall time; while it is untrusted nothing is raised.
        zone: The zone in which messages name times.
        sites: The sites, for what their gates are called.
        sms: Who is told; None tells nobody, and the pages still show the incident.
        raised: Called after new alerts were committed.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        zone: ZoneInfo,
        sites: dict[int, SiteConfig],
        sms: SmsConfig | None,
        raised: Callable[[], None] = lambda: None,
    ) -> None:
        self._store, self._clock, self._zone = store, clock, zone
        self._sites, self._sms, self._raised = sites, sms, raised
        self._log = get_logger("overstay")
        self._doubted = False
        self.wake = threading.Event()

    def tick(self) -> int:
        """Raise what is due now; returns how many incidents were raised."""
        if not self._clock_is_good():
            return 0
        self._look_for_double_use()
        total = 0
        while True:
            now = self._clock.now()
            with self._store.transaction() as connection:
                due = connection.execute(due_visits(now, AT_ONCE_MAX)).all()
                for visit in due:
                    self._raise(connection, visit, now)
            total += len(due)
            if due:
                self._raised()
            if len(due) < AT_ONCE_MAX:
                return total

    def seconds_to_next(self) -> float:
        """How long until the next stay is due; at most ``LOOK_AT_LEAST_EVERY_S``."""
        visit = schema.visit.c
        with self._store.transaction() as connection:
            due_at: datetime | None = connection.execute(
                select(visit.due_at)
                .where(visit.state == "inside", visit.incident_id.is_(None), visit.due_at.is_not(None))
                .order_by(visit.due_at)
                .limit(1)
            ).scalar()
        if due_at is None or self._doubted:
            return LOOK_AT_LEAST_EVERY_S
        return min(max((due_at - self._clock.now()).total_seconds(), 0.0), LOOK_AT_LEAST_EVERY_S)

    def run(self, stop: threading.Event) -> None:
        """Watch until ``stop`` is set; ``wake`` cuts the waiting short when new visits came in."""
        while not stop.is_set():
            self.wake.clear()
            self.tick()
            self.wake.wait(self.seconds_to_next())

    def _look_for_double_use(self) -> None:
        with self._store.transaction() as connection:
            raised = double_use.raise_seen(connection, self._clock.now(), sites=self._sites, sms=self._sms)
        if raised:
            self._raised()

    def _clock_is_good(self) -> bool:
        doubted = self._clock.trust() is ClockTrust.UNTRUSTED
        if doubted != self._doubted:
            self._doubted = doubted
            if doubted:
                self._log.error("clock untrusted: no overstay is raised until it is set")
            else:
                self._log.info("clock trusted again")
        return not doubted

    def _raise(self, connection: Connection, visit: Row[Any], now: datetime) -> None:
        number = _new_incident(connection, visit, state="open", now=now)
        self._log.warning("overstay", incident=number, gate=visit.entry_gate, category=visit.category)
        if self._sms is None:
            return
        site = self._sites.get(visit.site)
        gate_name = site.gate_names.get(visit.entry_gate, visit.entry_gate) if site else visit.entry_gate
        alerts.queue(
            connection,
            incident_id=number,
            site=visit.site,
            stay_id=visit.stay_id,
            step=alerts.FIRST_STEP,
            recipients=self._sms.supervisors,
            text=alerts.overstay_text(
                sign=self._sms.sign,
                category=visit.category,
                gate=gate_name,
                due_at=visit.due_at,
                now=now,
                zone=self._zone,
                number=number,
            ),
            now=now,
        )


def review(
    connection: Connection, site: int, visits: Iterable[tuple[Visit, int | None]], now: datetime
) -> None:
    """After visits were folded anew: bring their incidents into line, inside the same transaction.

    An exit in time withdraws an incident and cites itself, however late it arrives; an exit within the grace leaves a
    warning; a later one leaves the person RED until it is settled. A stay that ended late before anybody was told
    gets its incident too, so that it can be settled, but no message: there is nobody left to look for.

    Args:
        connection: The transaction in which the visits were written.
        site: Their site.
        visits: Those that changed, each with its incident's number where it has one.
        now: When the centre learned of it.
    """
    for visit, number in visits:
        if visit.due_at is None:
            continue
        state = _incident_state(visit)
        if number is not None:
            _update_incident(connection, number, visit, state, now)
        elif state == "left_late":
            stay = (schema.visit.c.site == site, schema.visit.c.stay_id == visit.stay_id)
            row = connection.execute(select(schema.visit).where(*stay)).one()
            _update_incident(
                connection, _new_incident(connection, row, state=state, now=now), visit, state, now
            )


def _incident_state(visit: Visit) -> str:
    if visit.state is not VisitState.LEFT:
        return "open"
    if visit.left_in_time():
        return "withdrawn"
    assert visit.left_at is not None
    # ``now`` plays no part once there is an exit.
    late = is_red(StayFacts(due_at=visit.due_at, exited_at=visit.left_at), visit.left_at)
    return "left_late" if late else "warned"


def _new_incident(connection: Connection, visit: Row[Any], *, state: str, now: datetime) -> int:
    result = connection.execute(
        schema.incident.insert().values(
            site=visit.site,
            kind=KIND,
            stay_id=visit.stay_id,
            person=visit.person,
            state=state,
            raised_at=now,
            due_at=visit.due_at,
        )
    )
    assert result.inserted_primary_key is not None
    number = int(result.inserted_primary_key[0])
    connection.execute(
        schema.visit.update()
        .where(schema.visit.c.site == visit.site, schema.visit.c.stay_id == visit.stay_id)
        .values(incident_id=number)
    )
    return number


def _update_incident(connection: Connection, number: int, visit: Visit, state: str, now: datetime) -> None:
    incident = schema.incident.c
    cites = "/".join(map(str, visit.exit_event)) if visit.exit_event else None
    changed = connection.execute(
        schema.incident.update()
        .where(incident.id == number, incident.state != "settled", incident.state != state)
        .values(state=state, ended_at=None if state == "open" else now)
    )
    if changed.rowcount or cites:
        connection.execute(
            schema.incident.update().where(incident.id == number, incident.state == state).values(cites=cites)
        )
    if changed.rowcount and state == "withdrawn":
        alerts.cancel(connection, incident_id=number, now=now)
    if (
        changed.rowcount
        and state == "open"
        and not alerts.queue_again(connection, incident_id=number, now=now)
    ):
        _forget(connection, number)


def _forget(connection: Connection, number: int) -> None:
    """Take back an incident of a stay that seemed over and told nobody: the monitor raises it like any other."""
    connection.execute(
        schema.visit.update().where(schema.visit.c.incident_id == number).values(incident_id=None)
    )
    connection.execute(schema.incident.delete().where(schema.incident.c.id == number))
