"""What the centre knows of one pass, issued here or registered at a gate: for ``pass show`` and scripts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from controller import schema
from controller.store import Store
from passes.claims import KeyLevel
from passes.vocabulary import GATES_MAX, Category
from shell.clock import Clock
from shell.pages.masking import mask_phone

VISITS_MAX: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PassVisit:
    """One stay on a pass."""

    state: str
    entry_gate: str
    entered_at: datetime
    due_at: datetime | None
    left_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PassRecord:
    """A pass as it was issued and what became of it. The signed text is not kept, so it is not here."""

    pass_id: str
    site: int
    person: str
    name: str | None
    phone: str | None
    category: str
    colour: str
    kind: str
    state: str
    unit: int
    purpose: int
    gates: tuple[int, ...]
    key_level: int | None  # None: bound to a key that did not come through a link
    key_id: str
    issued_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    revoked_by: str | None
    revoked_reason: str | None
    visits: tuple[PassVisit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkInRecord:
    """A pass that a gate issued: whom a guard registered, and what became of it."""

    pass_id: str
    site: int
    gate: str
    person: str | None
    category: str | None
    phone_last4: str | None
    state: str
    unit: int | None
    issued_at: datetime
    by: str
    reason: str
    expires_at: datetime
    visits: tuple[PassVisit, ...]


def find_walk_in(store: Store, clock: Clock, pass_id: str) -> WalkInRecord | None:
    """The pass with this id, if a gate's registration of it has come."""
    table = schema.registration
    with store.transaction() as connection:
        row = connection.execute(select(table).where(table.c.pass_id == pass_id)).first()
        if row is None:
            return None
        visits = _visits(connection, row)
    over = row.pass_end <= clock.now()
    return WalkInRecord(
        pass_id=row.pass_id,
        site=row.site,
        gate=row.gate,
        person=row.person,
        category=row.category,
        phone_last4=row.phone_last4,
        state="expired" if over else "used_up" if visits else "valid",
        unit=row.unit,
        issued_at=row.at,
        by=row.by,
        reason=row.reason,
        expires_at=row.pass_end,
        visits=visits,
    )


def find_pass(store: Store, clock: Clock, pass_id: str) -> PassRecord | None:
    """The pass with this id, its holder masked; None when this centre issued no such pass."""
    issued, person, phone, gone = schema.pass_issued, schema.person, schema.phone, schema.revocation
    link = schema.enrolment
    with store.transaction() as connection:
        row = connection.execute(
            select(
                issued,
                person.c.shown_name,
                phone.c.phone,
                gone.c.at.label("revoked_at"),
                gone.c.by.label("revoked_by"),
                gone.c.reason.label("revoked_reason"),
                link.c.key_level,
            )
            .outerjoin(person, (person.c.site == issued.c.site) & (person.c.person == issued.c.person))
            .outerjoin(phone, (phone.c.site == issued.c.site) & (phone.c.person == issued.c.person))
            .outerjoin(gone, (gone.c.site == issued.c.site) & (gone.c.pass_id == issued.c.pass_id))
            .outerjoin(link, (link.c.site == issued.c.site) & (link.c.pass_id == issued.c.pass_id))
            .where(issued.c.pass_id == pass_id)
        ).first()
        if row is None:
            return None
        visits = _visits(connection, row)
    level = KeyLevel.NONE if row.holder_key is None else row.key_level
    used_up = level in {KeyLevel.NONE, KeyLevel.SOFT} and bool(visits)
    return PassRecord(
        pass_id=row.pass_id,
        site=row.site,
        person=row.person,
        name=row.shown_name,
        phone=mask_phone(row.phone) if row.phone else None,
        category=row.category,
        colour=Category.from_code(row.category).colour.value,
        kind="phone" if row.holder_key else "paper",
        state=_state(row, clock.now(), used_up=used_up),
        unit=row.unit,
        purpose=row.purpose,
        gates=tuple(number for number in range(GATES_MAX) if row.gates >> number & 1),
        key_level=level,
        key_id=row.key_id,
        issued_at=row.issued_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        revoked_by=row.revoked_by,
        revoked_reason=row.revoked_reason,
        visits=visits,
    )


def _visits(connection: Connection, row: Row[Any]) -> tuple[PassVisit, ...]:
    visit = schema.visit.c
    found = connection.execute(
        select(visit.state, visit.entry_gate, visit.entered_at, visit.due_at, visit.left_at)
        .where(visit.site == row.site, visit.pass_id == row.pass_id)
        .order_by(visit.entered_at.desc())
        .limit(VISITS_MAX)
    )
    return tuple(PassVisit(**one._asdict()) for one in found)


def _state(row: Row[Any], now: datetime, *, used_up: bool) -> str:
    if row.revoked_at is not None:
        return "revoked"
    if row.expires_at <= now:
        return "expired"
    return "used_up" if used_up else "valid"
