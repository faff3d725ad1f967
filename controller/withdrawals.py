"""Taking passes back: one by its id, or all of a person or an issuer key that were made before a moment."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, func, select

from controller import audit, schema
from controller.store import Store
from shell.clock import Clock

PASS_LIFE_MAX: Final = timedelta(days=90)  # an older "before T" meets no living pass any more
CLOCKS_APART: Final = timedelta(minutes=1)  # between whoever names a moment and the centre


class MomentError(ValueError):
    """A "before T" that lies in the future would refuse passes that are still to be issued."""

    def __init__(self, moment: datetime, now: datetime) -> None:
        super().__init__(
            f"before: {moment:%Y-%m-%d %H:%M:%S} UTC is in the future (it is {now:%Y-%m-%d %H:%M:%S} UTC here),"
            " and such a moment never falls; name one that is over"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """A pass that was taken back, by whom and why."""

    site: int
    pass_id: str
    at: datetime
    by: str
    reason: str


class Withdrawals:
    """What no gate may open for any more.

    Args:
        store: The database.
        clock: For the time of the deed.
        changed: Called after something was withdrawn: gates are to know within a second.
    """

    def __init__(self, store: Store, clock: Clock, changed: Callable[[], None]) -> None:
        self._store, self._clock, self._changed = store, clock, changed

    def revoke(self, pass_id: str, *, by: str, reason: str) -> Revocation | None:
        """Take one pass back for good; None when nobody issued it. Done twice, the first time stands."""
        with self._store.transaction() as connection:
            held = schema.revocation
            found = connection.execute(select(held).where(held.c.pass_id == pass_id)).first()
            if found is None and not self._revoke(connection, pass_id, by, reason):
                return None
            row = connection.execute(select(held).where(held.c.pass_id == pass_id)).one()
        if found is None:
            self._changed()
        return Revocation(site=row.site, pass_id=pass_id, at=row.at, by=row.by, reason=row.reason)

    def _revoke(self, connection: Connection, pass_id: str, by: str, reason: str) -> bool:
        issued = schema.pass_issued.c
        found = connection.execute(
            select(issued.site, issued.status_index, issued.expires_at).where(issued.pass_id == pass_id)
        ).first()
        if found is None:
            return False
        now = self._clock.now()
        values = {**found._asdict(), "pass_id": pass_id, "at": now, "by": by, "reason": reason}
        connection.execute(schema.revocation.insert().values(**values))
        audit.note(
            connection,
            at=now,
            site=found.site,
            actor=by,
            action="pass_revoked",
            subject=pass_id,
            detail=reason,
        )
        return True

    def refuse_before(self, site: int, key: str, moment: datetime, *, by: str, reason: str) -> datetime:
        """Refuse all passes of ``key`` that were issued before ``moment``; a moment never falls.

        Args:
            site: Whose gates.
            key: A person (16 hex digits) or the id of an issuer key (8).
            moment: The T of "everything before T".
            by: Who decides it.
            reason: For the audit.

        Returns:
            The moment in force.

        Raises:
            MomentError: The moment is still to come.
        """
        rule = schema.before_rule
        where = (rule.c.site == site, rule.c.key == key)
        now = self._clock.now()
        if moment > now + CLOCKS_APART:
            raise MomentError(moment.astimezone(UTC), now)
        with self._store.transaction() as connection:
            held: datetime | None = connection.execute(select(rule.c.moment).where(*where)).scalar()
            if held is not None and held >= moment:
                return held
            if held is None:
                connection.execute(rule.insert().values(site=site, key=key, moment=moment))
            else:
                connection.execute(rule.update().where(*where).values(moment=moment))
            audit.note(
                connection,
                at=now,
                site=site,
                actor=by,
                action="refused_before",
                subject=key,
                detail=f"{moment.isoformat()}: {reason}",
            )
        self._changed()
        return moment


def refused_before(connection: Connection, site: int, keys: Iterable[str], now: datetime) -> int | None:
    """Before which Unix second passes of these keys are refused, None when there is no rule.

    Args:
        connection: An open transaction.
        site: Whose gates.
        keys: A person and the id of an issuer key, for one pass.
        now: When.
    """
    rule = schema.before_rule.c
    living = (rule.site == site, rule.key.in_(list(keys)), rule.moment > now - PASS_LIFE_MAX)
    newest: datetime | None = connection.execute(select(func.max(rule.moment)).where(*living)).scalar()
    return None if newest is None else unix_before(newest)


def unix_before(moment: datetime) -> int:
    """The T of "everything before T" in whole seconds: a pass of the second in which T lies is refused as well."""
    return math.ceil(moment.timestamp())
