"""``/api/v1/enrolments``: issuers make links for phones, and ask what became of them."""

from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, Field, model_validator

from controller.api import BODY_BYTES_MAX, PassRequest
from controller.bundles_api import RevokeRequest
from controller.issuing import IssueError
from controller.people import PersonError, canonical_phone, masked_name
from controller.phone.enrolment import Enrolment, LinkState, TakenError
from controller.phone.guarding import bearer, bounded, guarded
from passes.claims import UNIT_MAX
from passes.vocabulary import GATES_MAX
from sync.messages import utc_text

LINK_MINUTES_MAX: Final = 7 * 24 * 60
LINK_MINUTES: Final = 24 * 60
Gate = Annotated[int, Field(strict=True, ge=0, lt=GATES_MAX)]


class EnrolmentRequest(PassRequest):
    """Body of ``POST /api/v1/enrolments``: a pass whose holder key is still to come, and how long the link lives."""

    unit: Annotated[int, Field(strict=True, ge=0, le=UNIT_MAX)]
    purpose: Annotated[int, Field(strict=True, ge=0, le=UNIT_MAX)] = 0
    gates: Annotated[list[Gate], Field(min_length=1, max_length=GATES_MAX)]
    link_minutes: Annotated[int, Field(strict=True, ge=1, le=LINK_MINUTES_MAX)] = LINK_MINUTES

    @model_validator(mode="after")
    def _for_a_phone(self) -> "EnrolmentRequest":
        if self.holder_key is not None or self.static:
            raise ValueError("leave holder_key and static out: the phone that opens the link makes the key")
        try:
            canonical_phone(self.phone)
            masked_name(self.name)
        except PersonError as error:
            raise ValueError(str(error)) from error
        return self

    def order(self) -> PassRequest:
        """The pass alone."""
        return PassRequest(**self.model_dump(exclude={"link_minutes"}))


class LinkAnswer(BaseModel):
    """A new link. ``link`` is a path of this server with the secret behind ``#``; it is told once.

    ``url`` is the whole of it, where the centre knows by which address phones reach it.
    """

    id: str
    link: str
    url: str | None
    expires_at: str


class LinkStateAnswer(BaseModel):
    """What became of a link: whether it is open, ``used_at`` and the words for the device, for the host's notice."""

    id: str
    site: int
    open: bool
    expires_at: str
    used_at: str | None
    device: str | None
    key_level: int | None
    pass_id: str | None


def offers_router(
    *, token: str, enrolment: Enrolment, page_path: str, public_url: str | None = None
) -> APIRouter:
    """The routes for issuers.

    Args:
        token: What callers must send as ``Authorization: Bearer …``.
        enrolment: Makes the links.
        page_path: Where the phone's page is.
        public_url: By which address phones reach this server, without a path; None when nobody said.
    """

    def look(request: Request) -> None:
        bearer(request, token)
        bounded(request, bytes_max=BODY_BYTES_MAX)

    router = APIRouter(prefix="/api/v1", route_class=guarded(look))

    @router.post("/enrolments", status_code=201)
    def make_link(wanted: EnrolmentRequest) -> LinkAnswer:
        """Make a one-time link for one phone."""
        site = wanted.site if wanted.site is not None else enrolment.sites[0]
        if site not in enrolment.sites or (wanted.site is None and len(enrolment.sites) > 1):
            sites = ", ".join(map(str, enrolment.sites))
            raise HTTPException(422, {"field": "site", "problem": f"name one of the sites here: {sites}"})
        try:
            link = enrolment.offer(wanted.order(), site=site, life=timedelta(minutes=wanted.link_minutes))
        except IssueError as error:
            raise HTTPException(422, {"field": error.field, "problem": error.problem}) from error
        path = f"{page_path}#{link.secret}"
        return LinkAnswer(
            id=link.id,
            link=path,
            url=None if public_url is None else f"{public_url}{path}",
            expires_at=utc_text(link.expires_at),
        )

    @router.get("/enrolments/{link_id}")
    def link_state(link_id: str) -> LinkStateAnswer:
        """What became of one link."""
        return _answer(enrolment.state(link_id))

    @router.post("/enrolments/{link_id}/revoke")
    def revoke_link(link_id: str, wanted: RevokeRequest) -> LinkStateAnswer:
        """End one link that no phone has taken."""
        try:
            return _answer(enrolment.withdraw(link_id, by=wanted.by, reason=wanted.reason))
        except TakenError as error:
            raise HTTPException(409, str(error)) from error

    return router


def _answer(state: LinkState | None) -> LinkStateAnswer:
    if state is None:
        raise HTTPException(404, "no such link; a link is forgotten 30 days after its end")
    return LinkStateAnswer(
        id=state.id,
        site=state.site,
        open=state.open,
        expires_at=utc_text(state.expires_at),
        used_at=None if state.used_at is None else utc_text(state.used_at),
        device=state.device,
        key_level=state.key_level,
        pass_id=state.pass_id,
    )
