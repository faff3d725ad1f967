"""``/api/v1/sites/{site}/gate-keys``: which gates may issue walk-in passes while the centre is away."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from controller.api import BODY_BYTES_MAX, Moment
from controller.bundles_api import Name, RevokeRequest
from controller.gate_keys import Enrolment, GateKey, GateKeyError, GateKeys
from controller.issuer_keys import IssuerKeyError
from controller.person_secrets import PersonSecrets
from controller.phone.guarding import bearer, bounded, guarded
from passes.vocabulary import Category
from shell.names import GateId
from shell.person_secret import PersonSecret

Kid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]


class EnrolRequest(BaseModel):
    """Body of ``POST /api/v1/sites/{site}/gate-keys``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: Annotated[int, Field(strict=True)]
    name: GateId
    public: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$")]
    categories: Annotated[list[str], Field(min_length=1, max_length=16)]
    by: Name

    def to_domain(self) -> Enrolment:
        """What is asked for; raises ``GateKeyError``."""
        try:
            categories = frozenset(map(Category.from_code, self.categories))
        except KeyError as error:
            raise GateKeyError("categories", f"{str(error.args[0]).lower()} is not known") from None
        return Enrolment(
            number=self.number, name=self.name, public=bytes.fromhex(self.public), categories=categories
        )


class SecretRequest(BaseModel):
    """Body of ``POST /api/v1/sites/{site}/person-secret``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Name


class SecretAnswer(BaseModel):
    """Which secret a site has; never the secret itself, which is handed on in a file."""

    site: int
    fingerprint: str
    made: bool


class GateKeyAnswer(BaseModel):
    """One enrolled key."""

    model_config = ConfigDict(from_attributes=True)

    kid: str
    state: str
    public: str
    number: int
    name: str
    categories: list[str]
    enrolled_at: Moment
    enrolled_by: str
    certified_until: Moment | None
    withdrawn_at: Moment | None
    withdrawn_by: str | None
    withdrawn_reason: str | None


class GateKeysAnswer(BaseModel):
    """All keys that were ever enrolled at a site."""

    site: int
    gates: list[GateKeyAnswer]


def gate_router(*, token: str, gates: GateKeys, secrets: PersonSecrets) -> APIRouter:
    """The routes.

    Args:
        token: What callers must send as ``Authorization: Bearer …``.
        gates: What they ask for and change.
        secrets: The sites' person secrets; the first gate that is enrolled brings one.
    """

    def look(request: Request) -> None:
        bearer(request, token)
        bounded(request, bytes_max=BODY_BYTES_MAX)

    router = APIRouter(prefix="/api/v1", route_class=guarded(look))

    @router.get("/sites/{site}/gate-keys")
    def enrolled(site: int) -> GateKeysAnswer:
        """Which keys are enrolled, and which were."""
        _known(gates, site)
        return GateKeysAnswer(site=site, gates=[_answer(one) for one in gates.all(site)])

    @router.post("/sites/{site}/gate-keys", status_code=201)
    def enrol(site: int, wanted: EnrolRequest) -> GateKeyAnswer:
        """Let a gate issue walk-in passes."""
        _known(gates, site)
        try:
            done = gates.enrol(site, wanted.to_domain(), by=wanted.by)
        except GateKeyError as error:
            raise HTTPException(409, {"field": error.field, "problem": error.problem}) from error
        _demanded(secrets, site, by=wanted.by)
        return _answer(done)

    @router.post("/sites/{site}/person-secret")
    def person_secret(site: int, wanted: SecretRequest) -> SecretAnswer:
        """Make the site's person secret where there is none."""
        _known(gates, site)
        secret, made = _demanded(secrets, site, by=wanted.by)
        return SecretAnswer(site=site, fingerprint=secret.fingerprint, made=made)

    @router.post("/sites/{site}/gate-keys/{kid}/withdraw")
    def withdraw(site: int, kid: Kid, wanted: RevokeRequest) -> GateKeyAnswer:
        """Take it back."""
        _known(gates, site)
        done = gates.withdraw(site, kid, by=wanted.by, reason=wanted.reason)
        if done is None:
            raise HTTPException(404, f"no gate with the key {kid} is enrolled here")
        return _answer(done)

    return router


def _known(gates: GateKeys, site: int) -> None:
    if not gates.has(site):
        raise HTTPException(404, "no such site at this centre")


def _demanded(secrets: PersonSecrets, site: int, *, by: str) -> tuple[PersonSecret, bool]:
    try:
        return secrets.demand(site, by=by)
    except (IssuerKeyError, OSError) as error:
        problem = (
            f"the site's person secret cannot be used or made ({error}); then: postern-controller gate secret"
        )
        raise HTTPException(500, problem) from error


def _answer(found: GateKey) -> GateKeyAnswer:
    return GateKeyAnswer.model_validate(found)
