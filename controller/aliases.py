"""One person under several names: by the centre's pepper, and as a walk-in by the person secret of the site.

Each name is kept beside the other for everybody whose number is known here, so that whoever is RED under one is RED
under both. Names by earlier secrets stay: a stay that began under one may still be open.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Final

from sqlalchemy import Connection, select

from controller import schema
from controller.store import Store
from shell.person_secret import PersonSecret

FILL_MAX: Final = 1_000  # people in one transaction: gates wait no longer than for that
_IN_MAX: Final = 400


def remember(connection: Connection, *, site: int, person: str, phone: str, secret: PersonSecret) -> None:
    """Keep who this number is as a walk-in."""
    connection.execute(schema.alias.insert().values(_row(site, person, phone, secret)))


def fill(store: Store, site: int, secret: PersonSecret) -> int:
    """Keep the walk-in names of all whose number is known and whose name by this secret is not; returns how many."""
    phone, alias = schema.phone.c, schema.alias.c
    same = (alias.site == phone.site) & (alias.person == phone.person) & (alias.secret == secret.fingerprint)
    lacking = (
        select(phone.person, phone.phone)
        .select_from(schema.phone.outerjoin(schema.alias, same))
        .where(phone.site == site, alias.person.is_(None))
        .order_by(phone.person)
        .limit(FILL_MAX)
    )
    added, last = 0, ""
    while True:
        with store.transaction() as connection:
            rows = connection.execute(lacking.where(phone.person > last)).all()
            if not rows:
                return added
            connection.execute(
                schema.alias.insert(), [_row(site, row.person, row.phone, secret) for row in rows]
            )
        added, last = added + len(rows), rows[-1].person


def names_of(connection: Connection, site: int, persons: Collection[str]) -> Mapping[str, frozenset[str]]:
    """All names of each of these persons, also the one that was given: as much work as there are persons asked for."""
    table = schema.alias.c
    owners: dict[str, set[str]] = defaultdict(set)
    for some in _batches(persons):
        query = select(table.alias, table.person).where(table.site == site, table.alias.in_(some))
        for alias, person in connection.execute(query):
            owners[alias].add(person)
    aliases: dict[str, set[str]] = defaultdict(set)
    for some in _batches(set(persons).union(*owners.values())):
        query = select(table.person, table.alias).where(table.site == site, table.person.in_(some))
        for person, alias in connection.execute(query):
            aliases[person].add(alias)
    return {
        given: frozenset({given}.union(*({one} | aliases[one] for one in {given, *owners[given]})))
        for given in persons
    }


def _row(site: int, person: str, phone: str, secret: PersonSecret) -> dict[str, str | int]:
    return {
        "site": site,
        "person": person,
        "secret": secret.fingerprint,
        "alias": secret.person(phone),
    }


def _batches(values: Collection[str]) -> Iterator[list[str]]:
    left = iter(sorted(values))
    while some := list(islice(left, _IN_MAX)):
        yield some
