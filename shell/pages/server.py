"""A page server in a thread of a daemon: binds first, starts, stops within a second with streams open.

Errors::

    PageServerError
    ├── PortTakenError   another program listens there
    └── AddressError     the address cannot be used at all: no such address, or not allowed
"""

import asyncio
import errno
import socket
import threading
from typing import Final

import uvicorn
from fastapi import FastAPI

from shell.pages.stream import EventHub

LOOPBACK: Final = "127.0.0.1"
START_WITHIN_S: Final = 10.0
CUT_OFF_AFTER_S: Final = 0.4  # connections that are still open this long after stop() are cut
GIVE_UP_AFTER_S: Final = 5.0


class PageServerError(Exception):
    """The pages of a daemon cannot be served."""


class PortTakenError(PageServerError):
    """Another program listens on the wanted port."""

    def __init__(self, *, host: str, port: int, setting: str) -> None:
        super().__init__(
            f"Port {port} on {host} is taken by another program. "
            f"Stop that program, or set {setting} to a free port."
        )
        self.host, self.port, self.setting = host, port, setting


class AddressError(PageServerError):
    """The wanted address cannot be listened on."""

    def __init__(self, *, host: str, port: int, setting: str, why: str) -> None:
        super().__init__(
            f"Cannot listen on {host} port {port}: {why}. Check the host beside {setting}; "
            f"use {LOOPBACK} for pages on this machine alone and a port above 1023."
        )
        self.host, self.port, self.setting, self.why = host, port, setting, why


class PageServer:
    """Serves one application from a thread of its own.

    Args:
        app: Made by ``shell.pages.app.page_app``: its event hub is closed on stopping, so it is served once.
        host: Address to listen on; loopback unless the installer says otherwise.
        port: Port to listen on; 0 takes any free one.
        setting: The setting to change when the port is taken, for example ``[kiosk] port in gate.toml``.

    Raises:
        PortTakenError: Somebody else listens there.
        AddressError: The address does not exist here, or is not allowed.
    """

    def __init__(self, app: FastAPI, *, host: str = LOOPBACK, port: int, setting: str) -> None:
        self._socket = _bind(host=host, port=port, setting=setting)
        self.host, self.port = host, int(self._socket.getsockname()[1])
        hub = app.state.hub
        assert isinstance(hub, EventHub) and not hub.closed, "an application is served once"
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            ws="none",
            lifespan="on",
            timeout_graceful_shutdown=1,
        )
        self._server = _StreamingServer(config, hub)
        self._thread = threading.Thread(target=self._serve, name=f"pages-{self.port}", daemon=True)

    @property
    def url(self) -> str:
        """Address for a browser on this machine."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{'localhost' if shown in {LOOPBACK, '0.0.0.0', '[::]'} else shown}:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether it serves, or is about to; False once its thread has ended, for whatever reason."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start serving; returns when pages are answered."""
        self._thread.start()
        if not self._server.ready.wait(START_WITHIN_S) or not self._server.started:
            self.stop()
            raise PageServerError(f"The pages on port {self.port} did not start; the log above says why.")

    def stop(self) -> None:
        """Stop serving and free the port; open streams end at once. Safe to call twice."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(GIVE_UP_AFTER_S)
            if self._thread.is_alive():
                raise PageServerError(f"The pages on port {self.port} did not stop.")
        self._socket.close()

    def _serve(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except SystemExit:  # uvicorn's word for "the application refused to start"; start() tells the caller
            pass
        finally:
            self._server.ready.set()


class _StreamingServer(uvicorn.Server):
    """uvicorn, which would wait for open streams: here they are ended, and what stays open is cut."""

    def __init__(self, config: uvicorn.Config, hub: EventHub) -> None:
        super().__init__(config)
        self._hub = hub
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._hub.close()
        cut = asyncio.get_running_loop().call_later(CUT_OFF_AFTER_S, self._cut_connections)
        await super().shutdown(sockets)
        cut.cancel()

    def _cut_connections(self) -> None:
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()


def _bind(*, host: str, port: int, setting: str) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (
        OSError,
        UnicodeError,
    ) as error:  # a name that cannot be written as DNS has it, for example "10.0..5"
        raise AddressError(host=host, port=port, setting=setting, why=str(error)) from error
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(128)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(host=host, port=port, setting=setting) from error
        raise AddressError(host=host, port=port, setting=setting, why=error.strerror or str(error)) from error
    return bound
