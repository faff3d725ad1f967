"""Who may talk to a page server: which ``Host`` it answers to, and from which pages it takes commands.

The pages listen on loopback, but every browser on the machine can be told to ask loopback. Two attacks are shut out:

- DNS rebinding: a foreign name that resolves to 127.0.0.1. Only ``localhost``, plain addresses and the names that
  the installer configured are answered; a plain address in ``Host`` cannot come from a rebound name.
- Cross-site commands: another site's form or script that posts to us. Anything but reading must come from our own
  page (``Sec-Fetch-Site``, else ``Origin``), or carry a bearer token, which a browser never adds by itself.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_FETCH_SITES: Final = frozenset({"same-origin", "none"})  # "none": typed by the user, not sent by a page
_HOST: Final = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]/@\s]*))(?::\d*)?")
MISDIRECTED: Final = 421  # RFC 9110, 15.5.20


class HostAllowList:
    """Answers only to its own names.

    Args:
        app: The application behind it.
        hosts: Names besides ``localhost`` and plain addresses, without port, for example ``gate-south.lan``.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._names = frozenset({"localhost", *(host.lower() for host in hosts)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request for a foreign name with 421, pass on the others."""
        if scope["type"] == "http" and not self._is_ours(Headers(scope=scope).get("host", "")):
            text = "This name is not one of this machine's. Open the page by localhost or by its address.\n"
            await PlainTextResponse(text, status_code=MISDIRECTED)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_ours(self, host: str) -> bool:
        name = host_name(host)
        if name in self._names:
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True


class OwnPagesOnly:
    """Takes commands (everything but reading) from our own pages only, or from a caller with a bearer token."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a foreign command with 403, pass on everything else."""
        if scope["type"] == "http" and scope["method"] not in READING and not _is_own(scope):
            text = "Refused: this request did not come from a page of this machine.\n"
            await PlainTextResponse(text, status_code=403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def host_name(host: str) -> str:
    """The name in a ``Host`` header: lower case, without port, without the brackets of IPv6; empty when odd."""
    found = _HOST.fullmatch(host.lower())
    return (found[1] or found[2]).rstrip(".") if found else ""


def _is_own(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in OWN_FETCH_SITES
    origin = headers.get("origin")
    if origin is not None:
        return origin.lower() == f"{scope['scheme']}://{headers.get('host', '')}".lower()
    return headers.get("authorization", "").lower().startswith("bearer ")
