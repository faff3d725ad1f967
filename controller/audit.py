"""Who did what at the centre: rows that are added and never changed, in the transaction of the deed itself."""

from datetime import datetime

from sqlalchemy import Connection

from controller import schema


def note(
    connection: Connection, *, at: datetime, site: int, actor: str, action: str, subject: str, detail: str
) -> None:
    """Add one row. ``actor`` is a person or a program by name, ``subject`` what was acted on, by its id."""
    connection.execute(
        schema.audit.insert().values(
            at=at, site=site, actor=actor, action=action, subject=subject, detail=detail
        )
    )
