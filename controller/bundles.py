"""The site bundle at the centre: what the records say of passes and people, signed, numbered and handed to the link.

A change reaches the gates within a second, and a fresh copy every 30 seconds tells them that there was none. Numbers
rise for ever, also after a restart and after an older database was restored: they are never below the Unix time.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import CompoundSelect, Connection, Row, Select, null, select, text

from controller import schema
from controller.aliases import names_of
from controller.gate_keys import certificates
from controller.site_keys import (
    ConfigKey,
    SiteKey,
    load_config_key,
    load_signed_key_set,
    load_status_key,
    sign_bundle,
)
from controller.store import Store
from controller.withdrawals import PASS_LIFE_MAX, unix_before
from passes.bundle import Before, Bundle, Red, RedCause, device_key, pack_statuses
from passes.keys import KeySetFile
from passes.stay import StayFacts, is_red
from passes.vocabulary import ClockTrust, PassStatus
from shell.clock import Clock
from shell.logs import get_logger
from sync.topics import site_bundle

TTL_S: Final = 60
LIFE: Final = timedelta(hours=24)
AGAIN_EVERY_S: Final = 30.0
GAP_S: Final = (
    0.2  # at least so long between two looks: a busy minute at the gates is not a minute of bundles
)
RED_MAX: Final = 10_000  # keys; with more, the newest: the file stays within one message
BEFORE_MAX: Final = 2_000  # likewise; issuer keys first, since each stands for many passes
_SECONDS_MAX: Final = 2**32 - 1  # what a bundle can say
_IN_MAX: Final = 400
# As in the partial indexes, word for word: with values bound to it the database would not use them.
_TOLD: Final = "incident.kind = 'overstay' and incident.state in ('open', 'left_late')"
_NOT_TOLD: Final = "visit.state = 'inside' and visit.incident_id is null and visit.due_at is not null"
log = get_logger("bundles")


@dataclass(frozen=True, slots=True)
class Content:
    """What a bundle says, without its number and date."""

    statuses: bytes
    red: tuple[Red, ...]
    before: tuple[Before, ...]
    walkin: tuple[bytes, ...] = ()


def content_of(connection: Connection, site: int, now: datetime, *, timed: bool = True) -> Content:
    """What the records say of one site; certificates come apart, since making one takes a key.

    Args:
        connection: An open transaction.
        site: Which.
        now: When.
        timed: False while ``now`` is in doubt: then nobody turns RED who was not before.
    """
    stays = [row for row in connection.execute(_red_stays(now, site)) if _keeps_out(row, now, timed=timed)]
    passes = _passes(connection, site, sorted({row.pass_id for row in stays if row.pass_id is not None}))
    statuses = {row.status_index: PassStatus.SUSPENDED for row in passes.values() if row.expires_at > now}
    statuses |= dict.fromkeys(connection.execute(_used_up(now, site)).scalars(), PassStatus.USED_UP)
    gone = select(schema.revocation.c.status_index).where(
        schema.revocation.c.site == site, schema.revocation.c.expires_at > now
    )
    statuses |= dict.fromkeys(connection.execute(gone).scalars(), PassStatus.INVALID)
    return Content(
        statuses=pack_statuses(statuses),
        red=_red_keys(stays, passes, names_of(connection, site, {row.person for row in stays if row.person})),
        before=_before_rules(connection, site, now),
    )


def _before_rules(connection: Connection, site: int, now: datetime) -> tuple[Before, ...]:
    rules = schema.before_rule.c
    living = select(rules.key, rules.moment).where(rules.site == site, rules.moment > now - PASS_LIFE_MAX)
    found = [
        Before(bytes.fromhex(key), _in_range(unix_before(moment)))
        for key, moment in connection.execute(living)
    ]
    if len(found) > BEFORE_MAX:
        log.error("more is withdrawn than a bundle holds; the newest is in it", most=BEFORE_MAX)
    found.sort(key=lambda rule: (-len(rule.key), rule.moment), reverse=True)
    return tuple(sorted(found[:BEFORE_MAX]))


def _red_stays(now: datetime, site: int) -> CompoundSelect[Any]:
    """Stays that may keep somebody out: those with an unsettled incident, and those due that have none yet."""
    visit, incident = schema.visit.c, schema.incident.c
    columns = (visit.person, visit.pass_id, visit.due_at, visit.left_at)
    same = (visit.site == incident.site) & (visit.stay_id == incident.stay_id)
    told = (
        select(*columns, incident.state)
        .select_from(schema.incident.join(schema.visit, same))
        .where(incident.site == site, text(_TOLD))
    )
    due = select(*columns, null().label("state")).where(
        visit.site == site, visit.due_at <= now, text(_NOT_TOLD)
    )
    return told.union_all(due)


def _keeps_out(row: Row[Any], now: datetime, *, timed: bool) -> bool:
    if row.state is None and not timed:
        return False
    return is_red(StayFacts(due_at=row.due_at, exited_at=row.left_at), now) or not timed


def _used_up(now: datetime, site: int) -> Select[Any]:
    """Status indexes of living passes that are good for one entry (paper, soft keys) and were walked with."""
    issued, visit = schema.pass_issued.c, schema.visit.c
    same = (visit.site == issued.site) & (visit.person == issued.person) & (visit.pass_id == issued.pass_id)
    return (
        select(issued.status_index)
        .distinct()
        .select_from(schema.pass_issued.join(schema.visit, same))
        .where(text("pass_issued.one_entry"), issued.site == site, issued.expires_at > now)
    )


def _passes(connection: Connection, site: int, ids: Sequence[str]) -> dict[str, Row[Any]]:
    issued = schema.pass_issued.c
    wanted = (issued.pass_id, issued.status_index, issued.holder_key, issued.expires_at)
    found: dict[str, Row[Any]] = {}
    for start in range(0, len(ids), _IN_MAX):
        some = ids[start : start + _IN_MAX]
        rows = connection.execute(select(*wanted).where(issued.site == site, issued.pass_id.in_(some)))
        found |= {row.pass_id: row for row in rows}
    return found


def _red_keys(
    stays: Sequence[Row[Any]], passes: Mapping[str, Row[Any]], names: Mapping[str, frozenset[str]]
) -> tuple[Red, ...]:
    """Persons under all their names and their phones, each once, RED since the earliest of their stays."""
    keys: dict[bytes, Red] = {}
    for row in sorted(stays, key=lambda row: row.due_at, reverse=True):
        cause = RedCause.OVERSTAY if row.left_at is None else RedCause.LEFT_LATE
        issued = passes.get(row.pass_id)
        phone = device_key(bytes.fromhex(issued.holder_key)) if issued and issued.holder_key else None
        persons = map(bytes.fromhex, names[row.person]) if row.person else ()
        for key in filter(None, (*persons, phone)):
            keys[key] = Red(key, _in_range(_unix(row.due_at)), cause)
    if len(keys) > RED_MAX:
        log.error("more are RED than a bundle holds; the newest are in it", red=len(keys), most=RED_MAX)
    newest = sorted(keys.values(), key=lambda red: red.since, reverse=True)[:RED_MAX]
    return tuple(sorted(newest))


def _unix(moment: datetime) -> int:
    return int(moment.timestamp())


def _in_range(second: int) -> int:
    """The nearest that a bundle can say: gates send what their clocks say, and some began in 1950."""
    return min(max(second, 0), _SECONDS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSigner:
    """With what the bundles of one site are signed, and the signed key set that travels in front of them.

    ``config`` signs the certificates in them; a site that was made without one has no walk-ins.
    """

    site: int
    status: SiteKey
    key_set: bytes
    keyset_seq: int
    config: ConfigKey | None = None


def load_signer(keys_dir: Path, keyset: Path, published: KeySetFile) -> SiteSigner:
    """The keys of one site from its files; raises ``IssuerKeyError`` when one cannot be used.

    Args:
        keys_dir: The folder of private keys.
        keyset: The file of the key set; its signed copy lies beside it.
        published: What it says.
    """
    return SiteSigner(
        site=published.site,
        status=load_status_key(keys_dir, published.site, published),
        key_set=load_signed_key_set(keyset, published),
        keyset_seq=published.seq,
        config=load_config_key(keys_dir, published.site, published),
    )


class BundlePublisher:
    """Makes and publishes the bundles of all sites of one centre.

    Args:
        store: The database.
        clock: Wall time.
        signers: One for each site.
        hold: Hands a topic and its retained message to the link (``sync.intake.Intake.hold``).
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        signers: Sequence[SiteSigner],
        hold: Callable[[str, bytes], None],
    ) -> None:
        self._store, self._clock, self._signers, self._hold = store, clock, tuple(signers), hold
        self._said: dict[int, tuple[Content, float, SiteSigner]] = {}
        self._newest: dict[int, bytes] = {}
        self.wake = threading.Event()

    def newest(self, site: int) -> bytes | None:
        """The file that was published last, for a USB stick; None for a site that is not here."""
        return self._newest.get(site)

    def take_over(self, signer: SiteSigner) -> None:
        """Sign the bundles of one site with these keys from now on, beginning with one at once."""
        self._signers = tuple(signer if one.site == signer.site else one for one in self._signers)
        self.wake.set()

    def run(self, stop: threading.Event) -> None:
        """Publish until ``stop`` is set; ``wake`` makes it look for changes now."""
        while not stop.is_set():
            self.wake.clear()
            self.look()
            if not stop.wait(GAP_S):
                self.wake.wait(AGAIN_EVERY_S - GAP_S)

    def look(self) -> int:
        """Publish what changed, and what was said too long ago; returns how many bundles that were.

        What is wrong with one site costs the others nothing: their gates hear what there is, and this one's go on
        with what they hold and say when it is old.
        """
        published = 0
        for signer in self._signers:
            try:
                published += self._look_at(signer)
            except Exception:
                log.exception("no bundle could be published", site=signer.site)
        return published

    def _look_at(self, signer: SiteSigner) -> bool:
        now, now_s = self._clock.now(), self._clock.monotonic_s()
        timed = self._clock.trust() is ClockTrust.TRUSTED
        said = self._said.get(signer.site)
        with self._store.transaction() as connection:
            granted = certificates(connection, signer.site, signer.config, now, timed=timed)
            content = replace(content_of(connection, signer.site, now, timed=timed), walkin=granted)
            same = said is not None and said[0] == content and said[2] is signer
            if said is not None and same and now_s - said[1] < AGAIN_EVERY_S - GAP_S:
                return False
            seq = _next_seq(connection, signer.site, now)
        bundle = Bundle(
            site=signer.site,
            seq=seq,
            issued_at=_unix(now),
            ttl_s=TTL_S,
            expires_at=_unix(now + LIFE),
            keyset_seq=signer.keyset_seq,
            statuses=content.statuses,
            red=content.red,
            before=content.before,
            walkin=content.walkin,
        )
        data = sign_bundle(bundle, signer.status, signer.key_set)
        self._newest[signer.site] = data
        self._hold(site_bundle(signer.site), data)
        self._said[signer.site] = (content, now_s, signer)
        return True


def _next_seq(connection: Connection, site: int, now: datetime) -> int:
    held = schema.bundle_number
    where = held.c.site == site
    last = connection.execute(select(held.c.seq).where(where)).scalar()
    if last is None:
        connection.execute(held.insert().values(site=site, seq=_unix(now)))
        return _unix(now)
    seq = max(int(last) + 1, _unix(now))
    connection.execute(held.update().where(where).values(seq=seq))
    return seq
