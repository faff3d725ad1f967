"""Messages about incidents: a durable outbox, sent one by one, each to each person once.

    queued ──► sending ──► accepted | failed | unknown
     │ ▲ ▲        │
     │ │ └────────┤ no answer: again later, same key
     │ │          ▼
     └─┼────► cancelled: the incident was withdrawn first
       └──────────┘ it is open again

A send that was killed on its way is repeated once, with the same key. If that repeat has no clear answer either, the
alert is ``unknown``: it may have arrived never, once or twice, and a person looks. A gateway that was not reached, or
was too busy to look, leaves nothing unclear: that attempt does not count as the repeat.
"""

import hashlib
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, assert_never
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from controller import schema
from controller.sms import Accepted, Answer, Refused, SmsSender, TryAgain
from controller.store import Store
from passes.words import for_category
from shell.clock import Clock
from shell.logs import get_logger

TEXT_MAX: Final = 70  # one SMS in UCS-2: a second part can arrive without the first
FIRST_STEP: Final = 0  # of the escalation; later steps are further rows
BACKOFF_FIRST: Final = timedelta(seconds=2)
BACKOFF_MAX: Final = timedelta(minutes=5)
GIVE_UP_AFTER: Final = timedelta(hours=24)  # an alert this old helps nobody
LOOK_AT_LEAST_EVERY_S: Final = 5.0
WITHDRAWN: Final = "incident withdrawn"
_GATE_MAX: Final = 12
_CATEGORY_MAX: Final = 4


def overstay_text(
    *,
    sign: str,
    category: str | None,
    gate: str,
    due_at: datetime,
    now: datetime,
    zone: ZoneInfo,
    number: int,
) -> str:
    """What a supervisor reads: kind of visitor, gate, time and incident; neither name nor unit.

    Args:
        sign: The signature, without its brackets.
        category: The code from the pass; None when nothing was identified.
        gate: What the gate is called here.
        due_at: When the stay ended.
        now: Decides whether the date must stand beside the time.
        zone: The site's zone.
        number: Of the incident.
    """
    who = for_category(category).zh[:_CATEGORY_MAX] if category else ""
    who = who if who.endswith("访客") else f"{who}访客"
    due, today = due_at.astimezone(zone), now.astimezone(zone)
    when = f"{due:%H:%M}" if due.date() == today.date() else f"{due.month}月{due.day}日{due:%H:%M}"
    text = f"【{sign}】{who}在{gate[:_GATE_MAX]}超时，应于{when}离场，事件#{number}，请处理。"
    assert len(text) <= TEXT_MAX, len(text)
    return text


def double_use_text(*, sign: str, gates: Sequence[str], number: int) -> str:
    """What a supervisor reads when one pass was let in at two gates: neither name nor unit."""
    where = "、".join(gate[:_GATE_MAX] for gate in gates)
    text = f"【{sign}】同一访客码先后用于{where}，前一次未离场，事件#{number}，请核实。"
    assert len(text) <= TEXT_MAX, len(text)
    return text


def alert_key(*, site: int, stay_id: str, step: int, recipient: str, about: str = "overstay") -> str:
    """The idempotency key: from the stay and not from row numbers, so a restored database repeats no message."""
    told = f"{about}/{site}/{stay_id}/{step}/{recipient}"
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def queue(
    connection: Connection,
    *,
    incident_id: int,
    site: int,
    stay_id: str,
    step: int,
    recipients: Iterable[str],
    text: str,
    now: datetime,
    about: str = "overstay",
) -> None:
    """Put one step of an incident into the outbox, inside the caller's transaction."""
    for recipient in recipients:
        connection.execute(
            schema.alert.insert().values(
                incident_id=incident_id,
                step=step,
                recipient=recipient,
                key=alert_key(site=site, stay_id=stay_id, step=step, recipient=recipient, about=about),
                text=text,
                state="queued",
                attempts=0,
                resumed=False,
                created_at=now,
                next_at=now,
            )
        )


def cancel(connection: Connection, *, incident_id: int, now: datetime) -> None:
    """Take back what has not been sent yet of an incident."""
    alert = schema.alert.c
    connection.execute(
        schema.alert.update()
        .where(alert.incident_id == incident_id, alert.state == "queued")
        .values(state="cancelled", ended_at=now, detail=WITHDRAWN)
    )


def queue_again(connection: Connection, *, incident_id: int, now: datetime) -> bool:
    """Put back what ``cancel`` took: the incident is open again, and its day to be told begins anew.

    Returns:
        Whether the incident has any alert at all; one that was over when it was raised has none.
    """
    alert = schema.alert.c
    connection.execute(
        schema.alert.update()
        .where(alert.incident_id == incident_id, alert.state == "cancelled")
        .values(state="queued", created_at=now, next_at=now, ended_at=None, detail="incident open again")
    )
    held = select(alert.id).where(alert.incident_id == incident_id).limit(1)
    return connection.execute(held).first() is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claimed:
    id: int
    incident_id: int
    to: str
    text: str
    key: str
    attempts: int
    resumed: bool
    created_at: datetime


class AlertOutbox:
    """Sends what is due, one message at a time.

    Args:
        store: The database.
        sender: The gateway.
        clock: Decides what is due.
        random: Uniform in [0, 1), for the jitter.
        changed: Called after an answer was recorded.
    """

    def __init__(
        self,
        *,
        store: Store,
        sender: SmsSender,
        clock: Clock,
        random: Callable[[], float],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store, self._sender, self._clock, self._random = store, sender, clock, random
        self._changed = changed
        self._log = get_logger("alerts")
        self.wake = threading.Event()

    def recover(self) -> None:
        """At start, before the first send: see to the messages that a kill caught on their way."""
        alert, now = schema.alert.c, self._clock.now()
        with self._store.transaction() as connection:
            connection.execute(
                schema.alert.update()
                .where(alert.state == "sending", alert.resumed.is_(True))
                .values(state="unknown", ended_at=now, detail="stopped twice on its way")
            )
            connection.execute(
                schema.alert.update()
                .where(alert.state == "sending")
                .values(state="queued", resumed=True, next_at=now, detail="stopped on its way: repeated once")
            )

    def send_next(self) -> bool:
        """Send one message that is due; False when none is.

        The claim is committed before the message leaves, and the answer after: never both in one transaction.
        """
        claimed = self._claim()
        if claimed is None:
            return False
        answer = self._sender.send(to=claimed.to, text=claimed.text, key=claimed.key)
        self._settle(claimed, answer)
        return True

    def seconds_to_next(self) -> float:
        """How long until the next message is due; at most ``LOOK_AT_LEAST_EVERY_S``."""
        alert = schema.alert.c
        with self._store.transaction() as connection:
            next_at: datetime | None = connection.execute(
                select(alert.next_at).where(alert.state == "queued").order_by(alert.next_at).limit(1)
            ).scalar()
        if next_at is None:
            return LOOK_AT_LEAST_EVERY_S
        return min(max((next_at - self._clock.now()).total_seconds(), 0.0), LOOK_AT_LEAST_EVERY_S)

    def run(self, stop: threading.Event) -> None:
        """Send until ``stop`` is set; ``wake`` cuts the waiting short."""
        while not stop.is_set():
            self.wake.clear()
            if not self.send_next():
                self.wake.wait(self.seconds_to_next())

    def _claim(self) -> _Claimed | None:
        alert, now = schema.alert.c, self._clock.now()
        with self._store.transaction() as connection:
            row = connection.execute(
                select(schema.alert)
                .where(alert.state == "queued", alert.next_at <= now)
                .order_by(alert.next_at, alert.id)
                .limit(1)
            ).first()
            if row is None:
                return None
            connection.execute(
                schema.alert.update()
                .where(alert.id == row.id)
                .values(state="sending", attempts=row.attempts + 1)
            )
        return _Claimed(
            id=row.id,
            incident_id=row.incident_id,
            to=row.recipient,
            text=row.text,
            key=row.key,
            attempts=row.attempts + 1,
            resumed=row.resumed,
            created_at=row.created_at,
        )

    def _settle(self, claimed: _Claimed, answer: Answer) -> None:
        now = self._clock.now()
        values: dict[str, object]
        match answer:
            case Accepted():
                values = {"state": "accepted", "ended_at": now, "gateway_id": answer.gateway_id}
            case Refused():
                values = {"state": "failed", "ended_at": now, "detail": answer.why}
            case TryAgain():
                values = self._after_silence(claimed, answer, now)
            case _:
                assert_never(answer)
        with self._store.transaction() as connection:
            if values["state"] == "queued" and _is_withdrawn(connection, claimed.incident_id):
                values = {"state": "cancelled", "ended_at": now, "detail": WITHDRAWN}
            connection.execute(schema.alert.update().where(schema.alert.c.id == claimed.id).values(**values))
        self._changed()
        self._report(claimed, values)

    def _report(self, claimed: _Claimed, values: dict[str, object]) -> None:
        """One line when a message is through or given up, and one when it first has to wait; none between."""
        if values["state"] == "queued":
            if claimed.attempts == 1:
                self._log.warning("sms has to wait", alert=claimed.id, why=values["detail"])
        else:
            detail = values.get("detail", "")
            self._log.info(
                "sms", alert=claimed.id, state=values["state"], why=detail, attempts=claimed.attempts
            )

    def _after_silence(self, claimed: _Claimed, answer: TryAgain, now: datetime) -> dict[str, object]:
        if claimed.resumed and not answer.not_taken:
            return {"state": "unknown", "ended_at": now, "detail": f"repeated once, then: {answer.why}"}
        if now - claimed.created_at >= GIVE_UP_AFTER:
            return {"state": "failed", "ended_at": now, "detail": f"given up: {answer.why}"}
        doublings = min(claimed.attempts - 1, 10)
        wait = min(BACKOFF_FIRST * 2**doublings, BACKOFF_MAX) * (0.5 + 0.5 * self._random())
        return {"state": "queued", "next_at": now + wait, "detail": answer.why}


def _is_withdrawn(connection: Connection, incident_id: int) -> bool:
    incident = schema.incident.c
    return (
        connection.execute(select(incident.state).where(incident.id == incident_id)).scalar() == "withdrawn"
    )
