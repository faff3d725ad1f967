"""Gates that may issue walk-in passes while the centre is away: whose key, for which categories, and until when.

A person enrols a gate's key; from then on each bundle carries a certificate for it, signed by the site's config key and
renewed long before it ends. Taking the enrolment back leaves the certificate out of the next bundle.

GateKeyError        the key cannot be enrolled or withdrawn; ``field`` says because of what
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, Row, select

from controller import audit, schema
from controller.site_keys import ConfigKey
from controller.store import Store
from passes.bundle import WALK_IN_MAX
from passes.keys import KeySetFile, key_id
from passes.trust import CONFIG_USE
from passes.vocabulary import GATES_MAX, Category
from passes.walkin import CATEGORIES, CERTIFICATE_LIFE_MAX, Certificate, Delegation, seal_certificate
from shell.clock import Clock

KEYS_OF_A_GATE_MAX: Final = WALK_IN_MAX // GATES_MAX  # the box at work, and the one that replaces it
RENEW_BELOW: Final = timedelta(hours=18)
EARLY: Final = timedelta(minutes=10)  # a gate whose clock is a little slow issues at once
RENEWAL_GAINS: Final = timedelta(minutes=30)  # less is not worth a signature: the config key itself ends
CENTRE: Final = "centre"  # who renews, in the audit


class GateKeyError(Exception):
    """It cannot be done; ``field`` of what was asked is why."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field, self.problem = field, problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What is asked for: the gate with this number and name issues these categories with this key (32 bytes)."""

    number: int
    name: str
    public: bytes
    categories: AbstractSet[Category]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateKey:
    """One enrolled key. ``certified_until`` is None until a bundle carried its first certificate."""

    site: int
    kid: str
    public: str
    number: int
    name: str
    categories: tuple[str, ...]
    enrolled_at: datetime
    enrolled_by: str
    certified_until: datetime | None
    withdrawn_at: datetime | None
    withdrawn_by: str | None
    withdrawn_reason: str | None

    @property
    def state(self) -> Literal["waits", "certified", "withdrawn"]:
        """Whether its passes open gates: it waits for its first certificate, has one, or is out for good."""
        if self.withdrawn_at is not None:
            return "withdrawn"
        return "waits" if self.certified_until is None else "certified"


class GateKeys:
    """The enrolled keys of all sites of a centre.

    Args:
        store: The database.
        clock: For the time of a deed.
        key_sets: The key set in force at each site, asked for at each deed.
        changed: Called after a deed: gates are to know within a second.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        key_sets: Callable[[], Mapping[int, KeySetFile]],
        changed: Callable[[], None],
    ) -> None:
        self._store, self._clock, self._key_sets, self._changed = store, clock, key_sets, changed

    def has(self, site: int) -> bool:
        """Whether this site is at this centre."""
        return site in self._key_sets()

    def enrol(self, site: int, asked: Enrolment, *, by: str) -> GateKey:
        """Let a gate issue walk-in passes; asked again with other words, the key stays and the words change.

        Raises:
            GateKeyError: Not a key, in use for something else, withdrawn before, or beyond what gates may issue.
        """
        kid = _kid_of(asked, self._key_sets()[site])
        now = self._clock.now()
        with self._store.transaction() as connection:
            held = _living_and_gone(connection, site)
            _check_against(held, kid, asked)
            words = {
                "number": asked.number,
                "name": asked.name,
                "categories": ",".join(sorted(category.code for category in asked.categories)),
            }
            table = schema.gate_key
            if kid in held:
                words |= {"certificate": None, "signed_by": None, "ends_at": None}  # they are in it
                connection.execute(table.update().where(*_at(site, kid)).values(**words))
            else:
                values = {"public": asked.public.hex(), "enrolled_at": now, "enrolled_by": by}
                connection.execute(table.insert().values(site=site, kid=kid, **words, **values))
            audit.note(
                connection,
                at=now,
                site=site,
                actor=by,
                action="gate_enrolled",
                subject=kid,
                detail=f"gate {asked.number} {asked.name}: {words['categories']}",
            )
            row = connection.execute(select(table).where(*_at(site, kid))).one()
        self._changed()
        return _gate_key(row)

    def all(self, site: int) -> tuple[GateKey, ...]:
        """Every key that was ever enrolled at this site: by gate, those that count first, then the newest."""
        table = schema.gate_key
        order = (table.c.number, table.c.withdrawn_at.is_not(None), table.c.enrolled_at.desc(), table.c.kid)
        query = select(table).where(table.c.site == site).order_by(*order)
        with self._store.transaction() as connection:
            return tuple(_gate_key(row) for row in connection.execute(query))

    def withdraw(self, site: int, kid: str, *, by: str, reason: str) -> GateKey | None:
        """Take an enrolment back for good; None when there is none. Done twice, the first time stands."""
        table, now = schema.gate_key, self._clock.now()
        gone = {"withdrawn_at": now, "withdrawn_by": by, "withdrawn_reason": reason, "certificate": None}
        with self._store.transaction() as connection:
            changed = connection.execute(
                table.update().where(*_at(site, kid), table.c.withdrawn_at.is_(None)).values(**gone)
            ).rowcount
            row = connection.execute(select(table).where(*_at(site, kid))).first()
            if changed:
                audit.note(
                    connection,
                    at=now,
                    site=site,
                    actor=by,
                    action="gate_withdrawn",
                    subject=kid,
                    detail=reason,
                )
        if changed:
            self._changed()
        return None if row is None else _gate_key(row)


def certificates(
    connection: Connection, site: int, config: ConfigKey | None, now: datetime, *, timed: bool
) -> tuple[bytes, ...]:
    """The certificates that belong into a bundle now; those that end soon are renewed and kept.

    Args:
        connection: An open transaction.
        site: Which.
        config: The key that signs; without one no gate issues.
        now: When.
        timed: False while ``now`` is in doubt: then nothing is signed, and what is held stays in the bundle.
    """
    if config is None:
        return ()
    table = schema.gate_key
    living = connection.execute(
        select(table)
        .where(table.c.site == site, table.c.withdrawn_at.is_(None))
        .order_by(table.c.number, table.c.kid)
        .limit(WALK_IN_MAX)
    ).all()
    found = []
    for row in living:
        held = row.certificate if row.signed_by == config.key.kid.hex() else None
        if timed:
            if held is not None and row.ends_at <= now:
                held = None
            held = _renewed(connection, row, config, now, held) or held
        if held is not None:
            found.append(held)
    return tuple(found)


def _renewed(
    connection: Connection, row: Row[Any], config: ConfigKey, now: datetime, held: bytes | None
) -> bytes | None:
    """A new certificate, kept in its row, where one is wanted and can be had."""
    begins = max(now - EARLY, config.not_before)
    ends = min(begins + CERTIFICATE_LIFE_MAX, config.not_after)
    begins, ends = (moment.replace(microsecond=0) for moment in (begins, ends))
    if held is not None:
        left = row.ends_at - now
        if RENEW_BELOW <= left <= CERTIFICATE_LIFE_MAX:
            return None
        if left < RENEW_BELOW and ends - row.ends_at < RENEWAL_GAINS:
            return None
    if not begins <= now < ends:
        return None  # the config key is over, or does not count yet
    granted = Delegation(
        site=row.site,
        gate=row.number,
        categories=frozenset(map(Category.from_code, row.categories.split(","))),
        not_before=begins,
        not_after=ends,
    )
    certificate = Certificate(granted, bytes.fromhex(row.public))
    data = seal_certificate(certificate, kid=config.key.kid, sign=config.key.private.sign)
    connection.execute(
        schema.gate_key.update()
        .where(*_at(row.site, row.kid))
        .values(certificate=data, signed_by=config.key.kid.hex(), ends_at=ends)
    )
    audit.note(
        connection,
        at=now,
        site=row.site,
        actor=CENTRE,
        action="gate_certified",
        subject=row.kid,
        detail=f"gate {row.number} {row.name} until {ends:%Y-%m-%d %H:%M:%S} UTC",
    )
    return data


def _kid_of(asked: Enrolment, published: KeySetFile) -> str:
    """The key's id, once all is checked that needs no records."""
    if not 0 <= asked.number < GATES_MAX:
        raise GateKeyError("number", f"must be 0 to {GATES_MAX - 1}")
    if not asked.categories or not CATEGORIES.issuperset(asked.categories):
        allowed = ", ".join(sorted(category.code for category in CATEGORIES))
        raise GateKeyError("categories", f"a gate may issue {allowed}; name one or more of these")
    try:
        Ed25519PublicKey.from_public_bytes(asked.public)
    except ValueError:
        raise GateKeyError("public", "is not an Ed25519 public key of 32 bytes") from None
    kid = key_id(asked.public).hex()
    if not any(entry.use == CONFIG_USE for entry in published.keys):
        raise GateKeyError(
            "site", "has no config key yet; make one with: postern-controller site keys rotate config"
        )
    other = next((entry for entry in published.keys if entry.kid == kid), None)
    if other is not None:
        raise GateKeyError(
            "public", f"{kid} is a key of the site's key set ({other.use}); no gate may have it"
        )
    return kid


def _check_against(held: Mapping[str, Row[Any]], kid: str, asked: Enrolment) -> None:
    same = held.get(kid)
    if same is not None and same.withdrawn_at is not None:
        raise GateKeyError("public", f"key {kid} was withdrawn; make a new key at the gate")
    if same is not None and same.public != asked.public.hex():
        raise GateKeyError("public", f"another key has the id {kid}; make a new key at the gate")
    others = [
        row
        for row in held.values()
        if row.number == asked.number and row.withdrawn_at is None and row.kid != kid
    ]
    if len(others) >= KEYS_OF_A_GATE_MAX:
        named = ", ".join(row.kid for row in others)
        raise GateKeyError("number", f"gate {asked.number} has the keys {named}; withdraw one first")


def _living_and_gone(connection: Connection, site: int) -> dict[str, Row[Any]]:
    table = schema.gate_key
    return {row.kid: row for row in connection.execute(select(table).where(table.c.site == site))}


def _at(site: int, kid: str) -> tuple[Any, ...]:
    table = schema.gate_key.c
    return (table.site == site, table.kid == kid)


def _gate_key(row: Row[Any]) -> GateKey:
    return GateKey(
        site=row.site,
        kid=row.kid,
        public=row.public,
        number=row.number,
        name=row.name,
        categories=tuple(row.categories.split(",")),
        enrolled_at=row.enrolled_at,
        enrolled_by=row.enrolled_by,
        certified_until=None if row.withdrawn_at else row.ends_at,
        withdrawn_at=row.withdrawn_at,
        withdrawn_by=row.withdrawn_by,
        withdrawn_reason=row.withdrawn_reason,
    )
