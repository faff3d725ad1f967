"""The application behind a set of pages: headers, names it answers to, static files, one event hub."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles

from shell.logs import get_logger
from shell.pages.headers import SECURITY_HEADERS, SecurityHeaders
from shell.pages.origin import HostAllowList, OwnPagesOnly
from shell.pages.stream import EventHub
from shell.pages.templates import KIT_STATIC

FAULT_TEXT: Final = "页面出错，已记录。The page failed; the fault is in the log.\n"


def page_app(
    *,
    title: str,
    static: Path,
    hub: EventHub,
    follow: Callable[[], Callable[[], None]],
    hosts: Iterable[str] = (),
    routers: Iterable[APIRouter] = (),
) -> FastAPI:
    """Build the application that ``PageServer`` serves.

    Args:
        title: Name in the API description.
        static: Folder served under ``/static/own``; the kit's is under ``/static/kit``.
        hub: Pushes events to open pages; kept as ``app.state.hub``.
        follow: Called when serving starts: subscribes to the daemon, returns how to unsubscribe.
        hosts: Names, besides localhost and plain addresses, by which the pages may be opened.
        routers: Further routes, such as the API of the daemon.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        unfollow = follow()
        try:
            yield
        finally:
            unfollow()

    # The interactive API pages load scripts from outside; the description itself stays.
    app = FastAPI(
        title=title, lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json"
    )
    app.state.hub = hub
    app.add_middleware(OwnPagesOnly)
    app.add_middleware(HostAllowList, hosts=tuple(hosts))
    app.add_middleware(SecurityHeaders)
    app.add_exception_handler(Exception, _fault)
    app.add_exception_handler(RequestValidationError, _refused_form)
    app.mount("/static/kit", StaticFiles(directory=KIT_STATIC))
    app.mount("/static/own", StaticFiles(directory=static))
    for router in routers:
        app.include_router(router)
    return app


def _refused_form(_: Request, error: Exception) -> JSONResponse:
    """Where a request is wrong, and why; never what was sent, which may be personal or not even writable as JSON."""
    assert isinstance(error, RequestValidationError)
    detail = [{"loc": [str(part)[:100] for part in one["loc"]], "msg": one["msg"]} for one in error.errors()]
    return JSONResponse({"detail": detail}, status_code=422, headers=dict(SECURITY_HEADERS))


def _fault(request: Request, error: Exception) -> PlainTextResponse:
    """One line without the error's words, which may quote a form; its traceback follows, masked, from uvicorn."""
    get_logger("pages").error("page failed", path=request.url.path, error=type(error).__name__)
    return PlainTextResponse(FAULT_TEXT, status_code=500, headers=dict(SECURITY_HEADERS))
