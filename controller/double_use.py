"""One visitor's pass that two gates let in: seen when their passages are compared, an incident when no gate is behind.

Gates that cannot hear each other may both let a pass in. Their rows come here at their own pace, so what looks like
two people may be one whose exit is still on its way: nobody is told before every gate of the site has sent what it had,
or a day has passed. What is seen depends on the visits alone, not on the order in which they became known.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import Connection, Row, select

from controller import alerts, schema
from controller.config import SiteConfig, SmsConfig
from controller.ledger import Visit
from passes.vocabulary import Category
from shell.logs import get_logger
from sync.messages import Health

KIND: Final = "double_use"
TOLD_AFTER: Final = timedelta(days=1)  # a gate that is away for longer keeps nobody from being told
AT_ONCE_MAX: Final = 50
DEPTH_MAX: Final = 20  # rows that wait at a gate which is not behind: those of this moment
_VISITS_MAX: Final = 50  # of one pass, the newest
log = get_logger("double_use")


def review(
    connection: Connection, site: int, visits: Iterable[tuple[Visit, int | None]], now: datetime
) -> None:
    """After visits were folded anew: note which of them share their pass with another gate, inside the transaction.

    Args:
        connection: The transaction in which the visits were written.
        site: Their site.
        visits: Those that changed, each with its incident's number where it has one.
        now: When the centre learned of it.
    """
    passes = {
        visit.pass_id
        for visit, _ in visits
        if visit.pass_id is not None and visit.category != Category.RESIDENT.code
    }
    for pass_id in sorted(passes):
        _review_pass(connection, site, pass_id, now)


def raise_seen(
    connection: Connection,
    now: datetime,
    *,
    sites: dict[int, SiteConfig],
    sms: SmsConfig | None,
) -> int:
    """Make incidents of what was seen and can no longer be explained by rows on their way; returns how many."""
    seen = schema.double_use
    waiting = connection.execute(
        select(seen).where(seen.c.incident_id.is_(None)).order_by(seen.c.seen_at).limit(AT_ONCE_MAX)
    ).all()
    ready = [row for row in waiting if now - row.seen_at >= TOLD_AFTER or _all_sent(connection, row)]
    for row in ready:
        _raise(connection, row, now, sites, sms)
    return len(ready)


def _review_pass(connection: Connection, site: int, pass_id: str, now: datetime) -> None:
    visit, seen = schema.visit.c, schema.double_use
    rows = connection.execute(
        select(visit.stay_id, visit.entry_gate, visit.entered_at, visit.left_at)
        .where(visit.site == site, visit.pass_id == pass_id)
        .order_by(visit.entered_at.desc(), visit.stay_id.desc())
        .limit(_VISITS_MAX)
    ).all()
    pairs = _overlapping(rows[::-1])
    known = {
        row.stay_id: row
        for row in connection.execute(
            select(seen).where(seen.c.site == site, seen.c.stay_id.in_([row.stay_id for row in rows]))
        )
    }
    for stay_id in pairs.keys() - known.keys():
        values = {"site": site, "stay_id": stay_id, "other_stay": pairs[stay_id], "seen_at": now}
        connection.execute(seen.insert().values(values))
    for stay_id in known.keys() - pairs.keys():
        connection.execute(seen.delete().where(seen.c.site == site, seen.c.stay_id == stay_id))
        if known[stay_id].incident_id is not None:
            _withdraw(connection, known[stay_id].incident_id, now)


def _overlapping(rows: Sequence[Any]) -> dict[str, str]:
    """Stays that began at another gate while an earlier one of the same pass was not over: by id, the earlier one."""
    pairs: dict[str, str] = {}
    for place, later in enumerate(rows):
        for earlier in rows[:place]:
            over = earlier.left_at is not None and earlier.left_at <= later.entered_at
            if not over and earlier.entry_gate != later.entry_gate:
                pairs[later.stay_id] = earlier.stay_id
    return pairs


def _all_sent(connection: Connection, seen: Row[Any]) -> bool:
    """Whether every gate of the site has said since that no backlog waits there."""
    gates = connection.execute(select(schema.gate).where(schema.gate.c.site == seen.site)).all()
    return all(row.health is not None and _sent_all(row, seen.seen_at) for row in gates)


def _sent_all(gate: Row[Any], since: datetime) -> bool:
    try:
        health = Health.model_validate_json(gate.health)
    except ValidationError:
        return False
    return gate.last_heard is not None and gate.last_heard > since and health.outbox_depth <= DEPTH_MAX


def _raise(
    connection: Connection, seen: Row[Any], now: datetime, sites: dict[int, SiteConfig], sms: SmsConfig | None
) -> None:
    visit = schema.visit.c
    stays = {
        row.stay_id: row
        for row in connection.execute(
            select(schema.visit).where(
                visit.site == seen.site, visit.stay_id.in_([seen.stay_id, seen.other_stay])
            )
        )
    }
    later, earlier = stays[seen.stay_id], stays[seen.other_stay]
    result = connection.execute(
        schema.incident.insert().values(
            site=seen.site,
            kind=KIND,
            stay_id=seen.stay_id,
            person=later.person,
            state="open",
            raised_at=now,
            due_at=later.entered_at,
        )
    )
    assert result.inserted_primary_key is not None
    number = int(result.inserted_primary_key[0])
    connection.execute(
        schema.double_use.update()
        .where(schema.double_use.c.site == seen.site, schema.double_use.c.stay_id == seen.stay_id)
        .values(incident_id=number)
    )
    log.warning("one pass at two gates", incident=number, gates=[earlier.entry_gate, later.entry_gate])
    if sms is None:
        return
    names = sites[seen.site].gate_names if seen.site in sites else {}
    alerts.queue(
        connection,
        incident_id=number,
        site=seen.site,
        stay_id=seen.stay_id,
        step=alerts.FIRST_STEP,
        recipients=sms.supervisors,
        text=alerts.double_use_text(
            sign=sms.sign,
            gates=[names.get(gate, gate) for gate in (earlier.entry_gate, later.entry_gate)],
            number=number,
        ),
        now=now,
        about=KIND,
    )


def _withdraw(connection: Connection, number: int, now: datetime) -> None:
    incident = schema.incident.c
    changed = connection.execute(
        schema.incident.update()
        .where(incident.id == number, incident.state == "open")
        .values(state="withdrawn", ended_at=now)
    )
    if changed.rowcount:
        alerts.cancel(connection, incident_id=number, now=now)
