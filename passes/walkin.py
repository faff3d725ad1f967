"""The delegated walk-in key: a gate's own key, which a certificate lets issue short visitors' passes.

While the centre is away a guard still registers who comes. The centre signs a certificate with the site's ``config``
key, which names the gate, the categories and a time of at most a day, and puts it into the site bundle; every gate that
holds the bundle accepts those passes, and holds each of them to the limits below. A stolen gate can therefore issue
nothing but short visits at its own entry, until its certificate ends or a bundle comes without it.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import cbor2

from passes.claims import UNIT_MAX, Claims
from passes.cose import cut_file, seal_file
from passes.gp1 import Algorithm, MalformedError, Sign, seal
from passes.stay import rule_of_claim
from passes.vocabulary import GATES_MAX, Category

if TYPE_CHECKING:
    from passes.keys import KeyTable  # which holds keys with their delegations, and so imports this module

CERTIFICATE_LIFE_MAX: Final = timedelta(hours=24)
PASS_LIFE_MAX: Final = timedelta(hours=12)
CATEGORIES: Final = frozenset(
    {Category.COURIER, Category.FOOD, Category.RENOVATION, Category.SERVICE, Category.OTHER}
)
"""Who may walk in. Residents and invited guests have their passes from the centre."""
STATUS_INDEX: Final = 0
"""A gate cannot ask for a place in the status list; its passes carry this one, which the centre gives to nobody."""

CERTIFICATE_BYTES_MAX: Final = 256  # today's have about 170

_DOMAIN: Final = b"postern/walkin/1"
_VERSION: Final = 1
_KEY_BYTES: Final = 32
_TIME_MAX: Final = 2**32 - 1
_DEPTH_MAX: Final = 3  # a map with a list is 2


class CertificateError(ValueError):
    """These bytes are no certificate that a gate may believe; the message says why."""


class WalkInError(ValueError):
    """These claims are beyond what a delegated key may sign; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """What a certificate grants: the key of gate ``gate`` of ``site`` issues walk-in passes from ``not_before`` on.

    Both times are aware; the certificate ends just before ``not_after``.
    """

    site: int
    gate: int
    categories: AbstractSet[Category]
    not_before: datetime
    not_after: datetime

    def problem(self) -> str | None:
        """Why no gate may take this certificate, or None when it is within the limits."""
        if not self.categories or not CATEGORIES.issuperset(self.categories):
            return "a walk-in key may issue walk-in categories only"
        if not timedelta(0) < self.not_after - self.not_before <= CERTIFICATE_LIFE_MAX:
            return f"a walk-in certificate lives at most {CERTIFICATE_LIFE_MAX // timedelta(hours=1)} hours"
        return None

    def breach(self, claims: Claims) -> str | None:
        """Which limit a pass of this key breaks, or None. The verifier asks, and so does the gate that issues.

        On a phone or on paper: one entry, at the issuing gate, for a stay that ends. A pass ends within the
        certificate. It may have begun before it: a renewed certificate names the same key, and the passes made under
        the one before it stay good.
        """
        if claims.category not in self.categories:
            return f"{claims.category.code} is not a category of this walk-in key"
        if claims.site != self.site:
            return f"a walk-in pass for site {claims.site}"
        if claims.gates != 1 << self.gate:
            return f"a walk-in pass of gate {self.gate} for the gates {claims.gates:#x}"
        if claims.entries != 1 or claims.schedule is not None:
            return f"a walk-in pass for more than one visit (entries {claims.entries})"
        rule = rule_of_claim(claims.stay)
        if rule.leave_by is None and timedelta(minutes=rule.minutes or 0) > PASS_LIFE_MAX:
            return f"a walk-in stay of {rule.minutes} minutes"
        if claims.expires_at - claims.not_before > PASS_LIFE_MAX.total_seconds():
            return f"a walk-in pass of more than {PASS_LIFE_MAX // timedelta(hours=1)} hours"
        if claims.expires_at > self.not_after.timestamp():
            return "a walk-in pass that outlives its certificate"
        if claims.status != STATUS_INDEX:
            return f"a walk-in pass with place {claims.status} in the status list"
        return None


def seal_walk_in(
    claims: Claims, delegation: Delegation, *, algorithm: Algorithm, kid: bytes, sign: Sign
) -> bytes:
    """Sign a walk-in pass with a gate's delegated key.

    Raises:
        WalkInError: Some gate would refuse it.
        ClaimsError: A value is out of range.
    """
    breach = delegation.problem() or delegation.breach(claims)
    if breach is not None:
        raise WalkInError(breach)
    return seal(claims, algorithm=algorithm, kid=kid, sign=sign)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the centre grants, and the Ed25519 key (32 bytes) of the gate that it grants it to."""

    delegation: Delegation
    public: bytes


def seal_certificate(certificate: Certificate, *, kid: bytes, sign: Sign) -> bytes:
    """Sign a certificate with the site's ``config`` key, an Ed25519 key. Times lose what is less than a second.

    Raises:
        CertificateError: No gate would take it.
    """
    granted = certificate.delegation
    table = {
        "v": _VERSION,
        "site": granted.site,
        "gate": granted.gate,
        "key": certificate.public,
        "cats": sorted(int(category) for category in granted.categories),
        "nbf": int(granted.not_before.timestamp()),
        "exp": int(granted.not_after.timestamp()),
    }
    payload = cbor2.dumps(table, canonical=True)
    _decode(payload)
    return seal_file(payload, domain=_DOMAIN, algorithm=Algorithm.ED25519, kid=kid, sign=sign)


def open_certificate(data: bytes, keys: "KeyTable", *, site: int) -> Certificate:
    """Verify and read one certificate. Whether it is valid now is asked with each pass that its key signed.

    Args:
        data: One element of ``walkin`` in the site bundle.
        keys: The ``config`` keys of the key set in force, and no others.
        site: Whose gates ask.

    Raises:
        CertificateError: Any other bytes, another signer, another site, beyond the limits, or beyond the dates of the
            key that signed it.
    """
    if len(data) > CERTIFICATE_BYTES_MAX:
        raise CertificateError(f"{len(data)} bytes are too many for a certificate")
    try:
        signed = cut_file(data)
    except MalformedError as error:
        raise CertificateError(str(error)) from None
    key = keys.find(signed.protected)
    if key is None:
        raise CertificateError(f"no config key for header {signed.protected.hex()}")
    if not key.verifies(signed.to_be_signed(_DOMAIN), signed.signature):
        raise CertificateError(f"config key {key.kid.hex()} did not sign this")
    certificate = _decode(signed.payload)
    granted = certificate.delegation
    if granted.site != site:
        raise CertificateError(f"the certificate is of site {granted.site}, and this is site {site}")
    if not key.not_before <= granted.not_before < granted.not_after <= key.not_after:
        raise CertificateError(f"the certificate lies outside the dates of config key {key.kid.hex()}")
    return certificate


def _decode(payload: bytes) -> Certificate:
    try:
        table = cbor2.loads(payload, max_depth=_DEPTH_MAX)
        canonical = cbor2.dumps(table, canonical=True)
    except Exception as error:  # noqa: BLE001  # the library raises many kinds; none may pass this line
        raise CertificateError(f"not CBOR: {type(error).__name__}") from None
    if canonical != payload or not isinstance(table, dict):
        raise CertificateError("not the canonical encoding of a map")
    if _number(table, "v", 0, _TIME_MAX) != _VERSION:
        raise CertificateError("the certificate is of another version")
    public = table.get("key")
    if type(public) is not bytes or len(public) != _KEY_BYTES:
        raise CertificateError(f"key is not a byte string of {_KEY_BYTES} bytes")
    delegation = Delegation(
        site=_number(table, "site", 0, UNIT_MAX),
        gate=_number(table, "gate", 0, GATES_MAX - 1),
        categories=_categories(table.get("cats")),
        not_before=datetime.fromtimestamp(_number(table, "nbf", 0, _TIME_MAX), UTC),
        not_after=datetime.fromtimestamp(_number(table, "exp", 0, _TIME_MAX), UTC),
    )
    problem = delegation.problem()
    if problem is not None:
        raise CertificateError(problem)
    return Certificate(delegation, public)


def _number(table: dict[Any, Any], name: str, least: int, most: int) -> int:
    value = table.get(name)
    if type(value) is not int or not least <= value <= most:
        raise CertificateError(f"{name} is not a whole number of {least} to {most}")
    return value


def _categories(found: object) -> frozenset[Category]:
    if not isinstance(found, list) or not all(type(number) is int for number in found):
        raise CertificateError("cats is not a list of numbers")
    if found != sorted(set(found)):
        raise CertificateError("cats is not sorted, or names a category twice")
    try:
        return frozenset(map(Category, found))
    except ValueError as error:
        raise CertificateError(f"a category is not known: {error}") from None
