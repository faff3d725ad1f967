"""Enrolment: a one-time link becomes a pass that is bound to the key of the first phone that opens it.

Of a link only the SHA-256 of its secret is kept, and of the order behind it nothing once the pass is out or the link
is dead. Claiming a link, issuing its pass and recording that are three transactions: a centre that dies in between
has claimed the link for one key, and that key alone may ask again and gets the pass; one that was issued and never
recorded is withdrawn then.
"""

import base64
import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import Row, and_, or_, select

from controller import audit, schema
from controller.api import PassRequest
from controller.issuing import (
    SOFT_LIFE_MAX,
    IssuedPass,
    IssueError,
    Issuer,
    Order,
    OutdatedError,
    StandingError,
)
from controller.store import Store
from passes.claims import KeyLevel, decode_claims
from passes.gp1 import SignedPass, open_body
from passes.keys import holder_verifies
from passes.schedule import Schedule
from passes.vocabulary import Category, PassId
from shell.clock import Clock
from shell.logs import get_logger

SECRET_BYTES: Final = 16
CHALLENGE_BYTES: Final = 32
KEPT_AFTER_END: Final = timedelta(days=30)  # so long a second phone is told "already enrolled"
CLAIM_KEPT: Final = timedelta(hours=1)  # after the link's end, for a claim that has no pass yet
_PROOF_DOMAIN: Final = b"GP1/enrol\x00"
_DEVICE_MAX: Final = 40
log = get_logger("enrolment")


class Refusal(StrEnum):
    """Why a link gave no pass."""

    UNKNOWN = "unknown"  # wrong, expired or withdrawn: one answer for all
    USED = "used"
    NOT_PROVEN = "not_proven"
    RED = "red"
    LATER = "later"


class TakenError(Exception):
    """A phone took this link: ``pass_id`` is to be withdrawn instead."""

    def __init__(self, pass_id: PassId) -> None:
        super().__init__(
            f"a phone took this link; withdraw its pass: postern-controller pass revoke {pass_id}"
        )
        self.pass_id = pass_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A new link: ``secret`` is told once, here, and goes into the fragment."""

    id: str
    secret: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What a phone is told before it makes a key."""

    challenge: bytes
    site: int
    category: Category
    schedule: Schedule | None
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A pass for the phone that proved its key, and what it says that people have to know."""

    sealed: bytes
    pass_id: PassId
    site: int
    category: Category
    schedule: Schedule | None
    entries: int
    key_level: KeyLevel
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """What the issuer of a link may know about it; ``open`` while a phone may still take it."""

    id: str
    site: int
    open: bool
    expires_at: datetime
    used_at: datetime | None
    device: str | None
    key_level: KeyLevel | None
    pass_id: PassId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A phone's key: its compressed point, its signature over ``proof_message``, and how it says that it keeps it.

    A page can claim to keep its key well and lie, so ``level`` never stands for more than "normal": whoever wrote that
    page holds the key anyway, and what is above normal will be proven, not claimed.
    """

    public_key: bytes
    signature: bytes
    level: KeyLevel
    device: str


def proof_message(challenge: bytes, public_key: bytes) -> bytes:
    """What the phone signs to show that it holds the key; its own domain, so it is never a code."""
    return _PROOF_DOMAIN + challenge + public_key


class Enrolment:
    """Makes links and turns each into one pass.

    Args:
        store: The centre's database.
        issuers: The issuer of each site.
        clock: Wall time.
        random_bytes: Unpredictable bytes, such as ``secrets.token_bytes``.
        changed: Called when a phone has enrolled.
        take_back: Takes a pass back that was issued and reached nobody.
    """

    def __init__(
        self,
        *,
        store: Store,
        issuers: Mapping[int, Issuer],
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        changed: Callable[[], None] = lambda: None,
        take_back: Callable[[PassId], object] = lambda _pass_id: None,
    ) -> None:
        self._store, self._issuers, self._clock = store, issuers, clock
        self._take_back = take_back
        self._random_bytes, self._changed = random_bytes, changed
        self._one_at_a_time = threading.Lock()

    @property
    def sites(self) -> tuple[int, ...]:
        """The sites that passes can be issued for."""
        return tuple(self._issuers)

    def offer(self, order: PassRequest, *, site: int, life: timedelta) -> Link:
        """Make a link for a pass that the phone's key will complete.

        Args:
            order: What the pass is to say; without a holder key, and not static.
            site: Whose pass; one of ``sites``.
            life: How long the link may be opened.

        Raises:
            IssueError: No phone's key could make this a pass.
        """
        assert order.holder_key is None and not order.static and site in self._issuers
        self._issuers[site].check(order.to_domain())
        now = self._clock.now()
        secret = _base64url(self._random_bytes(SECRET_BYTES))
        link = Link(id=self._random_bytes(8).hex(), secret=secret, expires_at=now + life)
        table = schema.enrolment
        with self._store.transaction() as connection:
            connection.execute(
                table.insert().values(
                    id=link.id,
                    secret_hash=_hashed(secret),
                    challenge=self._random_bytes(CHALLENGE_BYTES).hex(),
                    site=site,
                    category=order.category,
                    ordered=order.model_dump_json(),
                    created_at=now,
                    expires_at=link.expires_at,
                )
            )
        return link

    def forget(self) -> int:
        """Drop the orders of dead links, with names and numbers, and links that are long over; returns how many.

        Call it now and then. A phone whose claim was cut short may still ask for its pass for a while.
        """
        table, now = schema.enrolment, self._clock.now()
        never_claimed = and_(table.c.used_at.is_(None), table.c.expires_at <= now)
        dead = or_(never_claimed, table.c.expires_at <= now - CLAIM_KEPT)
        with self._store.transaction() as connection:
            gone = connection.execute(table.delete().where(table.c.expires_at < now - KEPT_AFTER_END))
            emptied = connection.execute(
                table.update().where(dead, table.c.ordered.is_not(None)).values(ordered=None)
            )
        return gone.rowcount + emptied.rowcount

    def state(self, link_id: str) -> LinkState | None:
        """What became of a link, for its issuer."""
        table = schema.enrolment
        with self._store.transaction() as connection:
            row = connection.execute(select(table).where(table.c.id == link_id)).one_or_none()
        if row is None:
            return None
        return LinkState(
            id=row.id,
            site=row.site,
            open=row.used_at is None and row.site in self._issuers and not self._is_over(row),
            expires_at=row.expires_at,
            used_at=row.used_at,
            device=row.device,
            key_level=None if row.key_level is None else KeyLevel(row.key_level),
            pass_id=None if row.pass_id is None else PassId(row.pass_id),
        )

    def withdraw(self, link_id: str, *, by: str, reason: str) -> LinkState | None:
        """End a link that no phone has a pass from, for good; None when there is none. Its order is forgotten.

        Raises:
            TakenError: A phone has its pass already.
        """
        table, now = schema.enrolment, self._clock.now()
        gone = {"ordered": None, "used_at": None, "holder_key": None, "key_level": None, "device": None}
        with self._one_at_a_time:
            with self._store.transaction() as connection:
                row = connection.execute(select(table).where(table.c.id == link_id)).one_or_none()
                if row is None:
                    return None
                if row.sealed is not None:
                    raise TakenError(PassId(row.pass_id))
                if row.ordered is not None:
                    ends = min(row.expires_at, now)
                    connection.execute(
                        table.update().where(table.c.id == link_id).values(expires_at=ends, **gone)
                    )
                    audit.note(
                        connection,
                        at=now,
                        site=row.site,
                        actor=by,
                        action="link_revoked",
                        subject=link_id,
                        detail=reason,
                    )
            lost = self._never_recorded(row) if row.used_at is not None else []
            for pass_id in lost:
                self._take_back(pass_id)
        return self.state(link_id)

    def look(self, secret: str) -> Offered | Refusal:
        """What the link offers; nothing is used up by looking."""
        row = self._find(secret)
        if row is None:
            return Refusal.UNKNOWN
        if row.used_at is not None:
            return Refusal.USED
        return Offered(
            challenge=bytes.fromhex(row.challenge),
            site=row.site,
            category=Category.from_code(row.category),
            schedule=None if row.ordered is None else _ordered(row).schedule,
            expires_at=row.expires_at,
        )

    def enrol(self, secret: str, proof: Proof) -> Enrolled | Refusal:
        """Give the link's pass to the first key that is proven; the same key may ask again and gets the same pass."""
        with self._one_at_a_time:
            row = self._find(secret)
            if row is None:
                return Refusal.UNKNOWN
            if row.used_at is not None and row.holder_key != proof.public_key.hex():
                return Refusal.USED
            message = proof_message(bytes.fromhex(row.challenge), proof.public_key)
            if not holder_verifies(proof.public_key, message, proof.signature):
                return Refusal.NOT_PROVEN
            if row.sealed is not None:
                return _enrolled(row)
            if row.used_at is not None:
                for lost in self._never_recorded(row):
                    self._take_back(lost)
            self._claim(row.id, proof)
            issued = self._issue(row, proof)
            if isinstance(issued, Refusal):
                self._release(row.id)
                return issued
            self._record(row.id, issued)
            found = self._find(secret)
        assert found is not None and found.sealed is not None
        self._changed()
        return _enrolled(found)

    def _find(self, secret: str) -> Row[tuple[object, ...]] | None:
        """The link with this secret, while it can be opened or tells that it was."""
        table = schema.enrolment
        with self._store.transaction() as connection:
            row = connection.execute(
                select(table).where(table.c.secret_hash == _hashed(secret))
            ).one_or_none()
        if row is None or row.site not in self._issuers:
            return None
        return None if row.sealed is None and self._is_over(row) else row

    def _is_over(self, row: Row[tuple[object, ...]]) -> bool:
        """Whether no phone gets a pass from this link any more, unless one has its word already."""
        if row.used_at is None and row.expires_at <= self._clock.now():
            return True
        return row.ordered is not None and self._issuers[row.site].is_outdated(_ordered(row))

    def _never_recorded(self, row: Row[tuple[object, ...]]) -> list[PassId]:
        """Passes for the key that claimed this link which no link knows: the centre died between two transactions."""
        issued, links = schema.pass_issued.c, schema.enrolment.c
        known = select(links.pass_id).where(links.pass_id.is_not(None))
        lost = select(issued.pass_id).where(
            issued.site == row.site,
            issued.holder_key == row.holder_key,
            issued.issued_at >= row.used_at,
            issued.pass_id.not_in(known),
        )
        with self._store.transaction() as connection:
            return [PassId(found) for found in connection.execute(lost).scalars()]

    def _claim(self, link_id: str, proof: Proof) -> None:
        self._update(
            link_id,
            used_at=self._clock.now(),
            holder_key=proof.public_key.hex(),
            key_level=int(proof.level),
            device=proof.device[:_DEVICE_MAX],
        )

    def _release(self, link_id: str) -> None:
        self._update(link_id, used_at=None, holder_key=None, key_level=None, device=None)

    def _record(self, link_id: str, issued: IssuedPass) -> None:
        ends = datetime.fromtimestamp(issued.claims.expires_at, self._clock.now().tzinfo)
        self._update(
            link_id,
            ordered=None,
            sealed=issued.sealed,
            pass_id=issued.claims.pass_id,
            pass_expires_at=ends,
        )

    def _update(self, link_id: str, **values: object) -> None:
        table = schema.enrolment
        with self._store.transaction() as connection:
            connection.execute(table.update().where(table.c.id == link_id).values(**values))

    def _issue(self, row: Row[tuple[object, ...]], proof: Proof) -> IssuedPass | Refusal:
        if row.ordered is None:  # claimed, and then the link's time ran out before the pass was recorded
            return Refusal.UNKNOWN
        order = _ordered(row)
        valid = min(order.valid, SOFT_LIFE_MAX) if proof.level is KeyLevel.SOFT else order.valid
        bound = replace(order, holder_key=proof.public_key, key_level=proof.level, valid=valid)
        try:
            return self._issuers[row.site].issue(bound)
        except StandingError:
            return Refusal.RED
        except OutdatedError:
            return Refusal.UNKNOWN
        except IssueError as error:
            log.error("a link's pass cannot be issued", link=row.id, field=error.field, problem=error.problem)
            return Refusal.LATER


def _ordered(row: Row[tuple[object, ...]]) -> Order:
    return replace(PassRequest.model_validate_json(row.ordered).to_domain(), ordered_at=row.created_at)


def _enrolled(row: Row[tuple[object, ...]]) -> Enrolled:
    opened = open_body(row.sealed)
    assert isinstance(opened, SignedPass), "what is recorded is what was sealed here"
    claims = decode_claims(opened.payload)
    return Enrolled(
        sealed=row.sealed,
        pass_id=PassId(row.pass_id),
        site=row.site,
        category=Category.from_code(row.category),
        schedule=claims.schedule,
        entries=claims.entries,
        key_level=claims.key_level,
        expires_at=row.pass_expires_at,
    )


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
