"""``/api/v1/…/gate-identities`` for operators, and ``/enroll/gate`` for gates that come in by a code.

A gate sends its code as a bearer token: no browser does that by itself, and no log keeps it.
"""

import secrets
from collections.abc import Callable
from typing import Annotated, Final, Literal

from cryptography import x509
from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from controller.api import BODY_BYTES_MAX, Moment
from controller.bundles_api import Name, RevokeRequest
from controller.certificates import CertificateError, read_request
from controller.gate_registry import CodeRefusedError, GateIdentityError, GateRegistry, Identity
from controller.phone.guarding import WrongCounter, bearer, bounded, guarded
from shell.clock import Clock
from shell.names import GateId

REQUEST_MAX: Final = 4096
BEARER: Final = "bearer "
CODE_MAX: Final = 64

Csr = Annotated[str, StringConstraints(min_length=1, max_length=REQUEST_MAX)]
Site = Annotated[int, Field(strict=True)]


class CodeRequest(BaseModel):
    """Body of ``POST /api/v1/sites/{site}/gate-codes``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gate: GateId
    replace: Annotated[bool, Field(strict=True)] = False
    by: Name


class CodeAnswer(BaseModel):
    """The code, told once."""

    site: int
    gate: str
    code: str
    expires_at: Moment
    authority: str


class CertifyRequest(BaseModel):
    """Body of ``POST /api/v1/sites/{site}/gate-identities``: a request that was carried in a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gate: GateId
    csr: Csr
    replace: Annotated[bool, Field(strict=True)] = False
    by: Name


class EnrolGateRequest(BaseModel):
    """Body of ``POST /enroll/gate``; the code is the bearer token."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    site: Site
    gate: GateId
    csr: Csr


class RenewRequest(BaseModel):
    """Body of ``POST /enroll/gate/renew``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    csr: Csr


class Granted(BaseModel):
    """What a gate installs; also as a file."""

    v: int = 1
    site: int
    gate: str
    certificate: str
    ca: str
    broker_url: str


class IdentityAnswer(BaseModel):
    """One certificate."""

    site: int
    gate: str
    serial: str
    uri: str
    state: Literal["valid", "expired", "revoked"]
    issued_at: Moment
    issued_by: str
    not_after: Moment
    revoked_at: Moment | None
    revoked_by: str | None
    revoked_reason: str | None


class IdentitiesAnswer(BaseModel):
    """All certificates that were ever given out."""

    gates: list[IdentityAnswer]


def identity_routers(*, token: str, registry: GateRegistry, clock: Clock, broker_url: str) -> list[APIRouter]:
    """The routes for operators and for gates.

    Args:
        token: What operators' programs must send as ``Authorization: Bearer …``.
        registry: What they ask for and change.
        clock: For the state of a certificate, and for how often an address was wrong.
        broker_url: Where gates find the broker.
    """
    return [_for_operators(token, registry, clock, broker_url), _for_gates(registry, clock, broker_url)]


def _for_operators(token: str, registry: GateRegistry, clock: Clock, broker_url: str) -> APIRouter:
    def look(request: Request) -> None:
        bearer(request, token)
        bounded(request, bytes_max=BODY_BYTES_MAX)

    router = APIRouter(prefix="/api/v1", route_class=guarded(look))

    @router.get("/gate-identities")
    def identities() -> IdentitiesAnswer:
        """Every certificate of every site."""
        return IdentitiesAnswer(gates=[_answer(one, clock) for one in registry.all()])

    @router.post("/sites/{site}/gate-codes", status_code=201)
    def make_code(site: int, wanted: CodeRequest) -> CodeAnswer:
        """Make a code by which a gate comes in."""
        _at_home(registry, site)
        try:
            code = registry.new_code(
                site, wanted.gate, replace=wanted.replace, by=wanted.by, random_bytes=secrets.token_bytes
            )
            authority = registry.authority().fingerprint
        except (GateIdentityError, CertificateError) as error:
            raise _refused(error) from error
        return CodeAnswer(
            site=site, gate=wanted.gate, code=code.text, expires_at=code.expires_at, authority=authority
        )

    @router.post("/sites/{site}/gate-identities", status_code=201)
    def certify(site: int, wanted: CertifyRequest) -> Granted:
        """Sign a request that was carried here."""
        _at_home(registry, site)
        try:
            request = read_request(wanted.csr)
            done = registry.certify(site, wanted.gate, request, replace=wanted.replace, by=wanted.by)
            return _granted(registry, done, broker_url)
        except (GateIdentityError, CertificateError) as error:
            raise _refused(error) from error

    @router.post("/sites/{site}/gate-identities/{gate}/revoke")
    def revoke(site: int, gate: GateId, wanted: RevokeRequest) -> IdentitiesAnswer:
        """Let a gate in no more; answers with its certificates that were good."""
        _at_home(registry, site)
        gone = registry.revoke(site, gate, by=wanted.by, reason=wanted.reason)
        return IdentitiesAnswer(gates=[_answer(one, clock) for one in gone])

    return router


def _for_gates(registry: GateRegistry, clock: Clock, broker_url: str) -> APIRouter:
    wrong = WrongCounter(clock.monotonic_s)

    def look(request: Request) -> None:
        bounded(request, bytes_max=BODY_BYTES_MAX)
        if wrong.is_over(_address(request)):
            raise HTTPException(429, "too many wrong codes or requests from this address; wait a minute")

    router = APIRouter(prefix="/enroll", include_in_schema=False, route_class=guarded(look))

    def let_in(
        request: Request, csr: str, use: Callable[[x509.CertificateSigningRequest], Identity]
    ) -> Granted:
        try:
            return _granted(registry, use(read_request(csr)), broker_url)
        except CodeRefusedError as error:
            wrong.count(_address(request))
            raise HTTPException(403, {"field": error.field, "problem": error.problem}) from error
        except (GateIdentityError, CertificateError) as error:
            wrong.count(_address(request))
            raise _refused(error) from error

    @router.post("/gate", status_code=201)
    def enrol(request: Request, wanted: EnrolGateRequest) -> Granted:
        """Let a gate in by its code."""
        code = request.headers.get("authorization", "")[len(BEARER) : len(BEARER) + CODE_MAX]
        return let_in(request, wanted.csr, lambda csr: registry.redeem(wanted.site, wanted.gate, code, csr))

    @router.post("/gate/renew", status_code=201)
    def renew(request: Request, wanted: RenewRequest) -> Granted:
        """A later certificate for a gate that is in."""
        return let_in(request, wanted.csr, registry.renew)

    return router


def _granted(registry: GateRegistry, identity: Identity, broker_url: str) -> Granted:
    return Granted(
        site=identity.site,
        gate=identity.gate,
        certificate=identity.pem,
        ca=registry.authority().pem,
        broker_url=broker_url,
    )


def _refused(error: GateIdentityError | CertificateError) -> HTTPException:
    if isinstance(error, CertificateError):
        return HTTPException(422, {"field": "csr", "problem": str(error)})
    status = 422 if error.field == "gate" else 409
    return HTTPException(status, {"field": error.field, "problem": error.problem})


def _at_home(registry: GateRegistry, site: int) -> None:
    if not registry.has(site):
        raise HTTPException(404, "no such site at this centre")


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _answer(one: Identity, clock: Clock) -> IdentityAnswer:
    return IdentityAnswer(
        site=one.site,
        gate=one.gate,
        serial=one.serial,
        uri=one.uri,
        state=one.state(clock.now()),
        issued_at=one.issued_at,
        issued_by=one.issued_by,
        not_after=one.not_after,
        revoked_at=one.revoked_at,
        revoked_by=one.revoked_by,
        revoked_reason=one.revoked_reason,
    )
