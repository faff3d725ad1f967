"""The files of the phone's page below ``/p``: they hold no visitor's data and stay the same while the centre runs.

A service worker keeps them on the phone, so that a pass can be shown without the network. The worker carries the
version of all of them in its own text, so a browser that asks for it again notices any change.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response

from shell.pages.templates import KIT_STATIC, assets_version

PAGE_PATH: Final = "/p"
STATIC: Final = Path(__file__).parent / "static"
_PAGE: Final = "pass.html"
_WORKER: Final = "worker.js"
_VERSION_MARK: Final = b"@version@"
_TYPES: Final = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".md": "text/plain"}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    media_type: str
    headers: dict[str, str]


def page_router() -> APIRouter:
    """The page at ``/p`` and each of its files below it."""
    router = APIRouter(prefix=PAGE_PATH, include_in_schema=False)
    for path, file in _read_files().items():
        router.add_api_route(path, partial(_answer, file), methods=["GET"], response_class=Response)
    return router


def _read_files() -> dict[str, _File]:
    """Every file of the page by its path below ``/p``, read once."""
    version = assets_version(STATIC, KIT_STATIC).encode("ascii")
    files = {}
    for path in sorted(STATIC.rglob("*")):
        if path.suffix not in _TYPES:
            continue
        content, headers = path.read_bytes(), {"cache-control": "no-cache"}
        if path.name == _WORKER:
            assert _VERSION_MARK in content
            content = content.replace(_VERSION_MARK, version)
            headers["service-worker-allowed"] = PAGE_PATH
        name = path.relative_to(STATIC).as_posix()
        files["" if name == _PAGE else f"/{name}"] = _File(content, _TYPES[path.suffix], headers)
    return files


def _answer(file: _File) -> Response:
    return Response(file.content, media_type=file.media_type, headers=file.headers)
