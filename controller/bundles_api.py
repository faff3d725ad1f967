"""``/api/v1``: taking passes back, and the newest bundle as a file for gates without a network."""

from collections.abc import Callable
from typing import Annotated, Final, Self

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, model_validator

from controller.api import BODY_BYTES_MAX
from controller.bundles import BundlePublisher
from controller.phone.guarding import bearer, bounded, guarded
from controller.withdrawals import MomentError, Withdrawals
from shell.text import OneLine
from sync.messages import Hex16, utc_text

FILE_TYPE: Final = "application/octet-stream"
Said = Annotated[OneLine, StringConstraints(max_length=200)]
Name = Annotated[OneLine, StringConstraints(max_length=60)]
Key = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{8}|[0-9a-f]{16})$")]


class RevokeRequest(BaseModel):
    """Body of ``POST /api/v1/passes/{pass_id}/revoke``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Name
    reason: Said


class BeforeRequest(RevokeRequest):
    """Body of ``POST /api/v1/sites/{site}/refuse-before``.

    ``key`` is a person or an issuer key's id; ``pass_id`` stands for the person who holds that pass.
    """

    key: Key | None = None
    pass_id: Hex16 | None = None
    before: AwareDatetime

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.key is None) == (self.pass_id is None):
            raise ValueError("name either key or pass_id")
        return self


class RevokedAnswer(BaseModel):
    """A pass that was taken back, now or before."""

    pass_id: str
    at: str
    by: str
    reason: str


def bundles_router(
    *,
    token: str,
    withdrawals: Withdrawals,
    publisher: BundlePublisher,
    holder: Callable[[int, str], str | None] = lambda _site, _pass_id: None,
) -> APIRouter:
    """The routes.

    Args:
        token: What callers must send as ``Authorization: Bearer …``.
        withdrawals: Takes passes back.
        publisher: Has the newest bundle of each site.
        holder: Who holds a pass, by site and pass; None when nobody knows.
    """

    def look(request: Request) -> None:
        bearer(request, token)
        bounded(request, bytes_max=BODY_BYTES_MAX)

    router = APIRouter(prefix="/api/v1", route_class=guarded(look))

    @router.post("/passes/{pass_id}/revoke")
    def revoke(pass_id: Hex16, wanted: RevokeRequest) -> RevokedAnswer:
        """Take one pass back."""
        done = withdrawals.revoke(pass_id, by=wanted.by, reason=wanted.reason)
        if done is None:
            raise HTTPException(404, "this centre issued no such pass")
        return RevokedAnswer(pass_id=pass_id, at=utc_text(done.at), by=done.by, reason=done.reason)

    @router.post("/sites/{site}/refuse-before")
    def refuse_before(site: int, wanted: BeforeRequest) -> dict[str, str]:
        """Refuse everything of a person or an issuer key that was issued before a moment."""
        _known(publisher, site)
        key = wanted.key or holder(site, wanted.pass_id or "")
        if key is None:
            raise HTTPException(404, "this centre knows no such pass, or not whose it is")
        try:
            moment = withdrawals.refuse_before(site, key, wanted.before, by=wanted.by, reason=wanted.reason)
        except MomentError as error:
            raise HTTPException(422, str(error)) from error
        return {"key": key, "before": utc_text(moment)}

    @router.get("/sites/{site}/bundle")
    def newest(site: int) -> Response:
        """The newest bundle, for ``postern-edge bundle import``."""
        name = f'attachment; filename="site-{site}.bundle"'
        return Response(_known(publisher, site), media_type=FILE_TYPE, headers={"Content-Disposition": name})

    return router


def _known(publisher: BundlePublisher, site: int) -> bytes:
    data = publisher.newest(site)
    if data is None:
        raise HTTPException(404, "no such site at this centre, or no bundle of it yet")
    return data
