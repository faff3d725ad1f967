"""The camera's picture of each lane, for the guard's page: by HTTP, one picture a request.

Personal data: off unless the site wants it, kept nowhere, and shown on this machine alone, for the page asks nobody
who they are.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final, Protocol

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from edge.vision.preview import Still
from passes.words import Pair

AGE_HEADER: Final = "x-picture-age-ms"
_OFF: Final = Pair("本门不提供摄像头画面", "This gate shows no camera pictures")
_ELSEWHERE: Final = Pair("画面只在本机显示", "Pictures are shown on the gate's own machine only")
_NONE: Final = Pair("摄像头没有画面", "No picture from the camera")


class Looks(Protocol):
    """The newest picture of one camera."""

    def look(self) -> Still | None:
        """The picture as it is now, or None; may wait for a second."""


def camera_router(previews: Mapping[str, Looks]) -> APIRouter:
    """The route of the pictures.

    Args:
        previews: By lane; empty when the site wants none.
    """
    router = APIRouter()

    @router.get("/camera/{lane}.jpg", include_in_schema=False)
    def picture(lane: str, request: Request) -> Response:
        if lane not in previews:
            return _words(404, _OFF)
        if request.client is None or not _is_here(request.client.host):
            return _words(403, _ELSEWHERE)
        still = previews[lane].look()
        if still is None:
            return _words(503, _NONE)
        age_ms = str(round(still.age_s * 1000))
        return Response(
            still.jpeg, media_type="image/jpeg", headers={AGE_HEADER: age_ms, "cache-control": "no-store"}
        )

    return router


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _words(status: int, pair: Pair) -> Response:
    headers = {"cache-control": "no-store"} | ({"retry-after": "1"} if status == 503 else {})
    return PlainTextResponse(f"{pair.zh} {pair.en}\n", status_code=status, headers=headers)
