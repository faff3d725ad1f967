"""Walk-ins as gates registered them: whom a pass belongs to that this centre never issued.

A registration may arrive before or after the passages of its pass; nothing waits for it. The page and other readers
join it by the pass.
"""

from pydantic import ValidationError
from sqlalchemy import Connection, select

from controller import schema
from controller.reading import kept
from controller.store import Store
from sync.messages import Event, RegistrationData


def remember(connection: Connection, *, site: int, gate: str, event: Event) -> bool:
    """Keep a registration; of one pass the first stands. False when its data cannot be read, or names no pass."""
    try:
        data = RegistrationData.model_validate(event.data)
        at, pass_end = kept(event.at), kept(data.pass_end)
    except (ValidationError, OverflowError):
        return False
    if data.pass_id is None:
        return False
    table = schema.registration
    where = (table.c.site == site, table.c.pass_id == data.pass_id)
    if connection.execute(select(table.c.pass_id).where(*where)).first() is None:
        connection.execute(
            table.insert().values(
                site=site,
                pass_id=data.pass_id,
                gate=gate,
                person=data.person,
                category=data.category,
                unit=data.unit,
                phone_last4=data.phone_last4,
                by=data.by,
                reason=data.reason,
                at=at,
                pass_end=pass_end,
            )
        )
    return True


def holder_of(store: Store, site: int, pass_id: str) -> str | None:
    """The person who holds a pass, issued here or registered at a gate; None when neither is known."""
    issued, registered = schema.pass_issued.c, schema.registration.c
    with store.transaction() as connection:
        for table in (issued, registered):
            found: str | None = connection.execute(
                select(table.person).where(table.site == site, table.pass_id == pass_id)
            ).scalar()
            if found is not None:
                return found
    return None
