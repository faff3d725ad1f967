"""``/api/v1``: taking passes back, and the newest bundle as a file for gates without a network."""

from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from controller.api import BODY_BYTES_MAX
from controller.bundles import BundlePublisher
from controller.phone.guarding import bearer, bounded, guarded
from controller.withdrawals import Withdrawals
from sync.messages import Hex16, utc_text

FILE_TYPE: Final = "application/octet-stream"
Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
Key = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{8}|[0-9a-f]{16})$")]


class RevokeRequest(BaseModel):
    """Body of ``POST /api/v1/passes/{pass_id}/revoke``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Name
    reason: Said


class BeforeRequest(RevokeRequest):
    """Body of ``POST /api/v1/sites/{site}/refuse-before``; ``key`` is a person or an issuer key's id."""

    key: Key
    before: AwareDatetime


class RevokedAnswer(BaseModel):
    """A pass that was taken back, now or before."""

    pass_id: str
    at: str
    by: str
    reason: str


def bundles_router(*, token: str, withdrawals: Withdrawals, publisher: BundlePublisher) -> APIRouter:
    """The routes.

    Args:
        token: What callers must send as ``Authorization: Bearer …``.
        withdrawals: Takes passes back.
        publisher: Has the newest bundle of each site.
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
        moment = withdrawals.refuse_before(
            site, wanted.key, wanted.before, by=wanted.by, reason=wanted.reason
        )
        return {"key": wanted.key, "before": utc_text(moment)}

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
