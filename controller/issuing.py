"""Issuing passes: what is asked for is checked against the site's rules, signed, and remembered.

IssueError            what was asked cannot be issued; names the field and what to write instead
├── StandingError     the person has to settle an earlier visit first
└── OutdatedError     the person was refused after this was ordered
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from sqlalchemy import Connection, select

from controller import people, schema
from controller.aliases import names_of
from controller.config import SiteConfig
from controller.hours import opens_within
from controller.issuer_keys import IssuerKey, signing_key
from controller.store import Store
from controller.withdrawals import refused_before
from passes.claims import (
    FLAG_CRITICAL_TAIL,
    FLAG_GUARD_CONFIRM,
    KEY_LEVEL_SHIFT,
    STAY_MINUTES_MAX,
    UNIT_MAX,
    Claims,
    ClaimsError,
    KeyLevel,
)
from passes.decide import objection
from passes.gp1 import Algorithm, seal, to_text
from passes.keys import KeySetFile
from passes.schedule import Schedule
from passes.stay import MINUTES_WITH_LEAVE_BY_MAX, StayFacts, claim_of_rule, is_red
from passes.vocabulary import GATES_MAX, Category, ClockTrust, Colour, PassId, PersonId
from shell.clock import Clock
from shell.person_secret import PersonSecret

STATIC_LIFE_MAX: Final = timedelta(hours=12)
SOFT_LIFE_MAX: Final = timedelta(hours=12)  # a key that can be copied is trusted as long as paper is
LIFE_MAX: Final = {Colour.BLUE: timedelta(days=7), Colour.GREEN: timedelta(days=90)}
STATUS_INDEX_BYTES: Final = 2  # the status list has 65,536 places
STATUS_OF_WALK_INS: Final = 0  # gates give it to the passes that they issue; no other pass has it
_BOTH_WAYS: Final = 3
_TRIES: Final = 32
_FIELD_OF_CLAIM: Final = {"expires_at": "valid_minutes", "stay": "stay_minutes", "schedule": "hours"}


class IssueError(ValueError):
    """The order cannot be carried out."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field, self.problem = field, problem


class StandingError(IssueError):
    """The person is RED at the centre."""


class OutdatedError(IssueError):
    """The person's passes were refused before a moment after this order was made."""

    def __init__(self) -> None:
        super().__init__("phone", "this person was refused after the pass was ordered: order it again")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A pass that somebody asks for.

    ``holder_key`` is None exactly for a static pass (paper, feature phone), whose ``key_level`` counts for nothing.
    ``schedule`` is for repeat visitors: when they may enter. ``ordered_at`` is for an order that waited in a link.
    """

    name: str
    phone: str
    category: Category
    unit: int
    purpose: int
    valid: timedelta
    gates: frozenset[int]
    stay_minutes: int | None = None
    holder_key: bytes | None = None
    static: bool = False
    key_level: KeyLevel = KeyLevel.KEPT
    schedule: Schedule | None = None
    ordered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class IssuedPass:
    """A signed pass: ``sealed`` goes to a phone with a key, ``text()`` of a static one onto paper."""

    claims: Claims
    sealed: bytes

    def text(self) -> str | None:
        """The QR text, or None when only the phone that holds the key can make one."""
        return to_text(self.sealed) if self.claims.holder_key is None else None


class Issuer:
    """Issues the passes of one site.

    Args:
        site: Its rules.
        keys: The private keys of each colour; the newest that gates take signs.
        published: The key set that the gates trust.
        pepper: The centre's secret behind pseudonyms.
        store: Where issued passes and people are kept.
        clock: Wall time; nothing is issued while it is untrusted.
        random_bytes: Unpredictable bytes, such as ``secrets.token_bytes``.
        person_secret: The site's person secret, asked for at each pass; None while there is none.
    """

    def __init__(
        self,
        *,
        site: SiteConfig,
        keys: Sequence[IssuerKey],
        published: KeySetFile,
        pepper: bytes,
        store: Store,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        person_secret: Callable[[], PersonSecret | None] = lambda: None,
    ) -> None:
        self._site, self._pepper, self._person_secret = site, pepper, person_secret
        self._in_force = (tuple(keys), published)  # replaced as a whole: whoever issues needs no lock
        self._store, self._clock, self._random_bytes = store, clock, random_bytes

    @property
    def published(self) -> KeySetFile:
        """The key set that the gates are told to trust."""
        return self._in_force[1]

    def take_over(self, keys: Sequence[IssuerKey], published: KeySetFile) -> None:
        """Sign with these keys from now on."""
        self._in_force = (tuple(keys), published)

    def check(self, order: Order) -> None:
        """Judge an order that a phone's key will complete; raises ``IssueError`` when no key could."""
        _check(order)
        self._stay(order)

    def is_outdated(self, order: Order) -> bool:
        """Whether the person's passes were refused since this was ordered."""
        person, now = people.pseudonym(self._pepper, people.canonical_phone(order.phone)), self._clock.now()
        with self._store.transaction() as connection:
            return _is_outdated(connection, self._site.id, person, order, now)

    def issue(self, order: Order) -> IssuedPass:
        """Sign one pass and remember it.

        Raises:
            IssueError: Something asked for is outside the rules.
            StandingError: The person has an overdue or unsettled visit; only visitors' passes are refused for it.
            OutdatedError: The person was refused since this was ordered.
        """
        now = self._clock.now()
        if self._clock.trust() is ClockTrust.UNTRUSTED:
            raise IssueError("clock", "the centre's clock cannot be trusted; set it before issuing")
        _check(order)
        _check_holder(order)
        try:
            phone = people.canonical_phone(order.phone)
            shown_name = people.masked_name(order.name)
        except people.PersonError as error:
            field, _, problem = str(error).partition(": ")
            raise IssueError(field, problem) from error
        person = people.pseudonym(self._pepper, phone)
        key = self._key(order, now)
        claims = Claims(
            pass_id=PassId(self._random_bytes(8).hex()),
            person=person,
            site=self._site.id,
            category=order.category,
            unit=order.unit,
            purpose=order.purpose,
            gates=sum(1 << gate for gate in order.gates),
            directions=_BOTH_WAYS,
            entries=1 if _level(order) < KeyLevel.KEPT else 0,
            stay=self._stay(order),
            status=STATUS_OF_WALK_INS,  # until a place is found
            flags=self._flags(order),
            not_before=int(now.timestamp()),
            expires_at=int((now + order.valid).timestamp()),
            issued_at=int(now.timestamp()),
            holder_key=order.holder_key,
            schedule=order.schedule,
        )
        self._demand_an_opening(claims, now, now + order.valid)
        with self._store.transaction() as connection:
            people.remember(  # before RED is asked for: it may be RED of a walk-in with this number
                connection,
                site=self._site.id,
                person=person,
                shown_name=shown_name,
                phone=phone,
                now=now,
                secret=self._person_secret(),
            )
            if order.category.colour is Colour.BLUE and is_person_red(connection, self._site.id, person, now):
                raise StandingError(
                    "phone", "this person is RED: an earlier visit is overdue. Settle it, then issue again"
                )
            if _is_outdated(connection, self._site.id, person, order, now):
                raise OutdatedError
            rule = refused_before(connection, self._site.id, (person, key.kid.hex()), now)
            issued = _sealed(
                replace(
                    claims,
                    status=self._free_status_index(connection, now),
                    issued_at=_issued_at(now, after=rule),
                ),
                key,
                says_when=rule is not None,
            )
            self._remember(connection, issued.claims, key, now, now + order.valid)
        return issued

    def _key(self, order: Order, now: datetime) -> IssuerKey:
        key = signing_key(*self._in_force, order.category, now, expires_at=now + order.valid)
        if key is not None:
            return key
        if signing_key(*self._in_force, order.category, now, expires_at=now) is not None:
            raise IssueError(
                "valid_minutes",
                f"the key that signs {order.category.code} passes ends before this one would: give fewer minutes, or "
                "make the next key first (postern-controller site keys rotate)",
            )
        raise IssueError(
            "category", f"no valid key in the site's key set may sign {order.category.code} passes"
        )

    def _demand_an_opening(self, claims: Claims, start: datetime, end: datetime) -> None:
        """Refuse an order whose pass no gate would ever open for, by the gates' own rule."""

        def opens(now: datetime) -> bool:
            return objection(claims, site=self._site.id, zone=self._site.zone, now=now) is None

        if opens_within(opens, start, end):
            return
        if claims.schedule is not None:
            raise IssueError(
                "hours", "no window opens while the pass is valid: give more minutes or other hours"
            )
        leave_by = self._site.stays[claims.category].leave_by
        raise IssueError(
            "valid_minutes",
            f"{claims.category.code} leaves by {leave_by:%H:%M} here, and the pass ends before the next day: "
            "give more minutes, or issue it tomorrow",
        )

    def _flags(self, order: Order) -> int:
        flags = _level(order) << KEY_LEVEL_SHIFT
        if order.static and self._site.static_needs_guard:
            flags |= FLAG_GUARD_CONFIRM
        return flags | FLAG_CRITICAL_TAIL if order.schedule is not None else flags

    def _stay(self, order: Order) -> int:
        """The stay claim: the site's rule, or fewer minutes of it; an invitation may also ask for more.

        A time to leave by stays in force beside the minutes that were asked for: the earlier ends the stay.
        """
        if order.category is Category.RESIDENT:
            if order.stay_minutes is not None:
                raise IssueError("stay_minutes", "a resident's stay has no limit; leave it out")
            return 0
        rule = self._site.stays[order.category]
        if order.stay_minutes is None:
            return claim_of_rule(rule)
        longer = rule.minutes is not None and order.stay_minutes > rule.minutes
        if longer and order.category is not Category.INVITED:
            raise IssueError(
                "stay_minutes", f"{order.category.code} stays at most {rule.minutes} minutes here"
            )
        if rule.leave_by is not None and order.stay_minutes > MINUTES_WITH_LEAVE_BY_MAX:
            raise IssueError(
                "stay_minutes",
                f"{order.category.code} leaves by {rule.leave_by:%H:%M} here; beside that a pass has room for"
                f" {MINUTES_WITH_LEAVE_BY_MAX} minutes: give fewer, or leave it out",
            )
        return claim_of_rule(replace(rule, minutes=order.stay_minutes))

    def _free_status_index(self, connection: Connection, now: datetime) -> int:
        taken = schema.pass_issued.c
        for _ in range(_TRIES):
            index = int.from_bytes(self._random_bytes(STATUS_INDEX_BYTES), "big")
            if index == STATUS_OF_WALK_INS:
                continue
            held = select(taken.pass_id).where(
                taken.site == self._site.id, taken.status_index == index, taken.expires_at > now
            )
            if connection.execute(held).first() is None:
                return index
        raise IssueError("status", "this site has nearly 65,536 live passes; let old ones expire first")

    def _remember(
        self, connection: Connection, claims: Claims, key: IssuerKey, now: datetime, expires_at: datetime
    ) -> None:
        connection.execute(
            schema.pass_issued.insert().values(
                site=claims.site,
                pass_id=claims.pass_id,
                person=claims.person,
                category=claims.category.code,
                unit=claims.unit,
                purpose=claims.purpose,
                gates=claims.gates,
                stay=claims.stay,
                status_index=claims.status,
                key_id=key.kid.hex(),
                holder_key=claims.holder_key.hex() if claims.holder_key else None,
                one_entry=claims.entries == 1,
                issued_at=now,
                expires_at=expires_at,
            )
        )


def is_person_red(connection: Connection, site: int, person: PersonId, now: datetime) -> bool:
    """Whether an earlier visit keeps this person out, under any name, by the one rule in ``passes.stay``."""
    visit, incident = schema.visit.c, schema.incident.c
    names = names_of(connection, site, {person})[person]
    rows = connection.execute(
        select(visit.due_at, visit.left_at, incident.state)
        .select_from(schema.visit.outerjoin(schema.incident, visit.incident_id == incident.id))
        .where(visit.site == site, visit.person.in_(names), visit.due_at.is_not(None))
    )
    return any(
        is_red(StayFacts(due_at=due_at, exited_at=left_at, settled=state == "settled"), now)
        for due_at, left_at, state in rows
    )


def _is_outdated(connection: Connection, site: int, person: PersonId, order: Order, now: datetime) -> bool:
    if order.ordered_at is None:
        return False
    rule = refused_before(connection, site, names_of(connection, site, {person})[person], now)
    return rule is not None and order.ordered_at.timestamp() < rule


def _level(order: Order) -> KeyLevel:
    return KeyLevel.NONE if order.static else order.key_level


def _issued_at(now: datetime, *, after: int | None) -> int:
    """When a pass that is made now says it was made; in the second of a "before T" it says T, being made after it."""
    second = int(now.timestamp())
    if after is None or after <= second:
        return second
    if after > second + 1:
        raise IssueError(
            "clock", "passes of this person or key that are made now are refused; try in a minute"
        )
    return after


def _sealed(claims: Claims, key: IssuerKey, *, says_when: bool) -> IssuedPass:
    """Sign, and where the longest values leave no room, without the time of issue, unless the pass needs it."""
    size = "pass" if claims.schedule is None else "hours"
    try:
        return IssuedPass(claims, seal(claims, algorithm=Algorithm.ED25519, kid=key.kid, sign=key.sign))
    except ClaimsError:
        shorter = replace(claims, issued_at=None)
    try:
        issued = IssuedPass(shorter, seal(shorter, algorithm=Algorithm.ED25519, kid=key.kid, sign=key.sign))
    except ClaimsError as error:
        claim = str(error).partition(" ")[0]
        field = _FIELD_OF_CLAIM.get(claim, claim if claim in Claims.__slots__ else size)
        raise IssueError(field, str(error)) from error
    if says_when:
        raise IssueError(
            size,
            "no room is left for the time of issue, without which gates refuse the pass: earlier passes of this "
            "person or key are withdrawn. Give fewer windows",
        )
    return issued


def _check(order: Order) -> None:
    """Whatever can be judged without the site's records and before a phone has made its key."""
    if not 0 <= order.unit <= UNIT_MAX:
        raise IssueError("unit", f"must be 0 to {UNIT_MAX}")
    if not 0 <= order.purpose <= UNIT_MAX:
        raise IssueError("purpose", f"must be 0 to {UNIT_MAX}")
    if not order.gates or not all(0 <= gate < GATES_MAX for gate in order.gates):
        raise IssueError("gates", f"name at least one gate, each 0 to {GATES_MAX - 1}")
    if order.stay_minutes is not None and not 1 <= order.stay_minutes <= min(24 * 60, STAY_MINUTES_MAX):
        raise IssueError("stay_minutes", "must be 1 to 1440")
    life_max = _life_max(order)
    if not timedelta(minutes=1) <= order.valid <= life_max:
        minutes = int(life_max.total_seconds() // 60)
        raise IssueError("valid_minutes", f"must be 1 to {minutes} for this kind of pass")


def _life_max(order: Order) -> timedelta:
    if order.static:
        return STATIC_LIFE_MAX
    return SOFT_LIFE_MAX if order.key_level is KeyLevel.SOFT else LIFE_MAX[order.category.colour]


def _check_holder(order: Order) -> None:
    if order.static:
        _check_static(order)
    elif order.holder_key is None:
        raise IssueError("holder_key", "give the phone's key (33 bytes), or ask for a static pass")
    elif not _is_point(order.holder_key):
        raise IssueError("holder_key", "is not a compressed P-256 point of 33 bytes")
    elif order.key_level not in {KeyLevel.SOFT, KeyLevel.KEPT}:
        raise IssueError("key_level", "must be 1 (soft) or 2; 3 takes a passkey, which nobody can show yet")


def _check_static(order: Order) -> None:
    if order.holder_key is not None:
        raise IssueError("static", "a static pass has no holder key; leave one of the two out")
    if order.category.colour is not Colour.BLUE:
        raise IssueError("static", "residents' passes live on a phone with a key")
    if len(order.gates) != 1:
        raise IssueError("gates", "a static pass has exactly one entry gate")


def _is_point(public: bytes) -> bool:
    if len(public) != 33 or public[0] not in {2, 3}:
        return False
    try:
        EllipticCurvePublicKey.from_encoded_point(SECP256R1(), public)
    except ValueError:
        return False
    return True
