"""Which gates there are: each with the certificate by which the broker knows it.

A gate comes in by a code that an operator had made and somebody types at the gate, once, within a day; or by a request
that is carried in a file. A gate that comes again with another key is new hardware: the operator says so beforehand,
and the certificate of the old box is revoked in the transaction that records the new one.

Ids of gates are unique over all sites, because a certificate names nothing else.

GateIdentityError           it cannot be done; ``field`` says because of what
└── CodeRefusedError        the code is wrong, used, too old, or of another gate: one answer for all
"""

import hashlib
import hmac
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from cryptography import x509
from sqlalchemy import Connection, Row, delete, select

from controller import audit, schema
from controller.certificates import CertificateError, GateCa, Issued, named_in, public_der
from controller.store import Store
from passes.vocabulary import ClockTrust
from shell.clock import Clock

CODE_LIVES: Final = timedelta(hours=24)
SIGNS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: none is taken for another
CODE_SIGNS: Final = 12  # of 5 bits
GROUP: Final = 4
_MISREAD: Final = str.maketrans("OIL", "011")
_DOMAIN: Final = b"postern/gate-code/1\0"
RENEW_BELOW: Final = timedelta(days=182)  # with more left, a renewal answers with what there is
RESERVED: Final = ("centre-", "site-")  # the names of other parties on the broker
_GATE_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
ALL: Final = "all"  # a topic for every gate of a site


class GateIdentityError(Exception):
    """It cannot be done; ``field`` of what was asked is why."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field, self.problem = field, problem


class CodeRefusedError(GateIdentityError):
    """No gate comes in by this code."""

    def __init__(self) -> None:
        super().__init__(
            "code", "is not one for this gate, or was used, or is older than a day. Ask for a new one"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One certificate of a gate."""

    site: int
    gate: str
    serial: str
    uri: str
    pem: str
    public: str  # SHA-256 of its key
    issued_at: datetime
    issued_by: str
    not_after: datetime
    revoked_at: datetime | None
    revoked_by: str | None
    revoked_reason: str | None

    def state(self, now: datetime) -> Literal["valid", "expired", "revoked"]:
        """Whether the broker takes it."""
        if self.revoked_at is not None:
            return "revoked"
        return "valid" if now < self.not_after else "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A new code, told once, here; only its hash is kept."""

    text: str
    expires_at: datetime


class GateRegistry:
    """The gates of all sites of a centre.

    Args:
        store: The database.
        clock: For what ends when.
        keys_dir: Where the authority lies; it is made for the first gate.
        sites: The sites of this centre.
        strict: Whether gates come by TLS. On the loopback broker of one machine nobody has a certificate, and every
            gate of a site here is known.
    """

    def __init__(
        self, store: Store, clock: Clock, *, keys_dir: Path, sites: Mapping[int, object], strict: bool
    ) -> None:
        self._store, self._clock, self._keys_dir, self._sites = store, clock, keys_dir, sites
        self._strict, self._lock = strict, threading.Lock()
        self._known: frozenset[tuple[int, str]] = frozenset()
        self._learn()

    def has(self, site: int) -> bool:
        """Whether this site is at this centre."""
        return site in self._sites

    def known(self, site: int, gate: str) -> bool:
        """Whether words of this gate are to be listened to; from any thread, without the database."""
        return (site, gate) in self._known if self._strict else self.has(site)

    def authority(self) -> GateCa:
        """The authority; raises ``CertificateError``."""
        return GateCa(self._keys_dir, self._clock.now())

    def new_code(
        self, site: int, gate: str, *, replace: bool, by: str, random_bytes: Callable[[int], bytes]
    ) -> Code:
        """A code by which this gate comes in, in place of any earlier one.

        Raises:
            GateIdentityError: The name is not to be had, or the gate is there and ``replace`` was not said.
        """
        self._demand_time()
        bits = int.from_bytes(random_bytes(8), "big")
        signs = "".join(SIGNS[bits >> 5 * place & 31] for place in range(CODE_SIGNS))
        now = self._clock.now()
        expires_at = now + CODE_LIVES
        table = schema.gate_code
        with self._store.transaction() as connection:
            self._check_name(connection, site, gate)
            _check_replaced(_living(connection, site, gate), replace=replace)
            connection.execute(delete(table).where(table.c.gate == gate))
            connection.execute(delete(table).where(table.c.expires_at <= now))
            values = {"code_hash": _hash(gate, signs), "expires_at": expires_at, "by": by}
            connection.execute(table.insert().values(site=site, gate=gate, **values))
            self._note(
                connection, site, by, "gate_code_made", gate, "replaces a box" if replace else "new gate"
            )
        groups = [signs[place : place + GROUP] for place in range(0, CODE_SIGNS, GROUP)]
        return Code(text="-".join(groups), expires_at=expires_at)

    def redeem(self, site: int, gate: str, code: str, request: x509.CertificateSigningRequest) -> Identity:
        """Let a gate in by its code; the same box that asks again is given the same certificate.

        Raises:
            CodeRefusedError: Whatever is wrong with the code.
            GateIdentityError: The request names another gate, or the centre's clock is in doubt.
        """
        self._demand_time()
        _demand_named(request, gate)
        public, table = _digest(request), schema.gate_code
        with self._store.transaction() as connection:
            row = connection.execute(select(table).where(table.c.site == site, table.c.gate == gate)).first()
            fits = hmac.compare_digest(_hash(gate, plain_code(code)), row.code_hash if row else "0" * 64)
            if row is None or not fits or row.expires_at <= self._clock.now():
                raise CodeRefusedError
            if row.used_by is not None:
                held = [one for one in _living(connection, site, gate) if one.public == public]
                if row.used_by != public or not held:
                    raise CodeRefusedError
                return _identity(held[-1])
            self._check_name(connection, site, gate)  # it may have come in at another site since
            connection.execute(
                table.update().where(table.c.site == site, table.c.gate == gate).values(used_by=public)
            )
            identity = self._admit(connection, site, gate, request, by=row.by)
        self._learn()
        return identity

    def certify(
        self, site: int, gate: str, request: x509.CertificateSigningRequest, *, replace: bool, by: str
    ) -> Identity:
        """Let in the gate that a carried request names; raises ``GateIdentityError``."""
        self._demand_time()
        _demand_named(request, gate)
        with self._store.transaction() as connection:
            self._check_name(connection, site, gate)
            others = [one for one in _living(connection, site, gate) if one.public != _digest(request)]
            _check_replaced(others, replace=replace)
            codes = schema.gate_code
            connection.execute(delete(codes).where(codes.c.gate == gate, codes.c.used_by.is_(None)))
            identity = self._admit(connection, site, gate, request, by=by)
        self._learn()
        return identity

    def renew(self, request: x509.CertificateSigningRequest) -> Identity:
        """A later certificate for a key that has a good one; the request proves that the key is at hand.

        Raises:
            GateIdentityError: No gate comes in with this key now.
        """
        self._demand_time()
        now, public, gate = self._clock.now(), _digest(request), named_in(request)
        table = schema.gate_identity
        with self._store.transaction() as connection:
            row = connection.execute(
                select(table)
                .where(table.c.public == public, table.c.gate == gate, table.c.revoked_at.is_(None))
                .order_by(table.c.not_after.desc())
            ).first()
            if row is None or row.not_after <= now:
                raise GateIdentityError(
                    "csr", "no certificate that is good now has this key. Enrol the gate with a code"
                )
            if row.not_after - now > RENEW_BELOW:
                return _identity(row)
            return self._add(connection, row.site, gate, request, by=gate)

    def revoke(self, site: int, gate: str, *, by: str, reason: str) -> list[Identity]:
        """Take back every certificate of a gate and its code; answers with those that were good."""
        with self._store.transaction() as connection:
            table = schema.gate_code
            connection.execute(delete(table).where(table.c.site == site, table.c.gate == gate))
            gone = [_identity(row) for row in _living(connection, site, gate)]
            self._revoke(connection, site, gate, by=by, reason=reason)
        self._learn()
        return gone

    def all(self) -> list[Identity]:
        """Every certificate that was ever given out, by gate and the newest first."""
        table = schema.gate_identity
        order = (table.c.site, table.c.gate, table.c.issued_at.desc(), table.c.serial)
        with self._store.transaction() as connection:
            return [_identity(row) for row in connection.execute(select(table).order_by(*order))]

    def _admit(
        self,
        connection: Connection,
        site: int,
        gate: str,
        request: x509.CertificateSigningRequest,
        *,
        by: str,
    ) -> Identity:
        self._revoke(connection, site, gate, by=by, reason="replaced", keep=_digest(request))
        return self._add(connection, site, gate, request, by=by)

    def _add(
        self,
        connection: Connection,
        site: int,
        gate: str,
        request: x509.CertificateSigningRequest,
        *,
        by: str,
    ) -> Identity:
        issued = self._sign(request, gate)
        identity = Identity(
            site=site,
            gate=gate,
            serial=issued.serial,
            uri=issued.uri,
            pem=issued.pem,
            public=hashlib.sha256(issued.public).hexdigest(),
            issued_at=self._clock.now(),
            issued_by=by,
            not_after=issued.not_after,
            revoked_at=None,
            revoked_by=None,
            revoked_reason=None,
        )
        values = {name: getattr(identity, name) for name in Identity.__slots__}
        connection.execute(schema.gate_identity.insert().values(**values))
        self._note(connection, site, by, "gate_certified_tls", gate, f"certificate {issued.serial}")
        return identity

    def _sign(self, request: x509.CertificateSigningRequest, gate: str) -> Issued:
        try:
            return self.authority().sign_request(request, gate, self._clock.now())
        except CertificateError as error:
            raise GateIdentityError("keys_dir", str(error)) from error

    def _revoke(
        self, connection: Connection, site: int, gate: str, *, by: str, reason: str, keep: str = ""
    ) -> None:
        table = schema.gate_identity
        for row in _living(connection, site, gate):
            if row.public != keep:
                gone = {"revoked_at": self._clock.now(), "revoked_by": by, "revoked_reason": reason}
                connection.execute(table.update().where(table.c.serial == row.serial).values(**gone))
                detail = f"certificate {row.serial}: {reason}"[:300]
                self._note(connection, site, by, "gate_revoked_tls", gate, detail)

    def _check_name(self, connection: Connection, site: int, gate: str) -> None:
        """Refuse a name that is no gate's, another party's on the broker, or taken at another site."""
        if not _GATE_ID.fullmatch(gate):
            raise GateIdentityError("gate", "an id has 1 to 32 of a-z, 0-9 and -, and does not begin with -")
        if gate == ALL or gate.startswith(RESERVED):
            raise GateIdentityError("gate", f"{gate} is the name of another party on the broker")
        table = schema.gate_identity
        other = connection.execute(
            select(table.c.site).where(
                table.c.gate == gate, table.c.site != site, table.c.revoked_at.is_(None)
            )
        ).first()
        if other is not None:
            raise GateIdentityError(
                "gate", f"{gate} is a gate of site {other.site}; ids are unique over all sites"
            )

    def _demand_time(self) -> None:
        if self._clock.trust() is not ClockTrust.TRUSTED:
            raise GateIdentityError(
                "clock", "the centre doubts its own clock and signs nothing until it is set"
            )

    def _note(  # noqa: PLR0917  # as the columns of the audit
        self, connection: Connection, site: int, by: str, action: str, gate: str, detail: str
    ) -> None:
        audit.note(
            connection,
            at=self._clock.now(),
            site=site,
            actor=by[:60],
            action=action,
            subject=gate,
            detail=detail,
        )

    def _learn(self) -> None:
        table = schema.gate_identity
        query = select(table.c.site, table.c.gate).where(table.c.revoked_at.is_(None)).distinct()
        with self._lock, self._store.transaction() as connection:
            self._known = frozenset((row.site, row.gate) for row in connection.execute(query))


def _demand_named(request: x509.CertificateSigningRequest, gate: str) -> None:
    if named_in(request) != gate:
        raise GateIdentityError("csr", f"it does not name gate {gate}, as [gate] id in gate.toml does")


def plain_code(text: str) -> str:
    """A code as it was typed, in its one spelling."""
    return "".join(text.upper().split()).replace("-", "").translate(_MISREAD)


def _hash(gate: str, signs: str) -> str:
    """60 random bits for one day: whoever steals the database finds no code in that time."""
    return hashlib.sha256(_DOMAIN + gate.encode() + b"\0" + signs.encode()).hexdigest()


def _digest(request: x509.CertificateSigningRequest) -> str:
    return hashlib.sha256(public_der(request.public_key())).hexdigest()


def _living(connection: Connection, site: int, gate: str) -> list[Row[Any]]:
    table = schema.gate_identity
    query = select(table).where(table.c.site == site, table.c.gate == gate, table.c.revoked_at.is_(None))
    return list(connection.execute(query.order_by(table.c.issued_at, table.c.serial)))


def _check_replaced(living: list[Row[Any]], *, replace: bool) -> None:
    if living and not replace:
        raise GateIdentityError(
            "replace",
            f"gate {living[0].gate} is enrolled since {living[0].issued_at:%Y-%m-%d}. Is this new hardware for it? "
            "Say so with --replace: the certificate of the old box is revoked",
        )


def _identity(row: Row[Any]) -> Identity:
    return Identity(**{name: getattr(row, name) for name in Identity.__slots__})
