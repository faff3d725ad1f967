"""The kiosk page of a gate, which is not vital: a port that is taken costs the page, and keeps no exit shut.

The first attempt binds at once, so that whoever connects waits for the page; later ones come from a thread.
"""

import threading
from collections.abc import Callable
from typing import Final

from fastapi import FastAPI

from shell.logs import get_logger
from shell.pages.server import PageServer, PageServerError
from sync.messages import DeviceData

log = get_logger("kiosk")

TRY_AGAIN_EVERY_S: Final = 10.0
CLOSE_WITHIN_S: Final = 5.0
DEVICE: Final = "kiosk"


class KioskPage:
    """Serves the page, and tries again for as long as it cannot.

    Args:
        make_app: Makes the application anew for each attempt: one is served once.
        host: Where it listens.
        port: Likewise.
        report: Gets a fault once, and its end; any thread.
        try_again_every_s: How often it tries.
    """

    def __init__(
        self,
        make_app: Callable[[], FastAPI],
        *,
        host: str,
        port: int,
        report: Callable[[DeviceData], None],
        try_again_every_s: float = TRY_AGAIN_EVERY_S,
    ) -> None:
        self._make_app, self._host, self._port = make_app, host, port
        self._report, self._try_again_every_s = report, try_again_every_s
        self._server: PageServer | None = None
        self._failed = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kiosk-page", daemon=True)

    @property
    def url(self) -> str:
        """Address for a browser on this machine, once the page is served."""
        server = self._server
        return server.url if server else f"http://{self._host}:{self._port}"

    def start(self) -> None:
        """Begin; never raises for a page that cannot be served."""
        self._bind()
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and trying."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_WITHIN_S)
        if self._server is not None:
            self._server.stop()

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._server is None:
                self._bind()
            if self._server is not None and self._serves(self._server):
                return
            self._stop.wait(self._try_again_every_s)

    def _bind(self) -> None:
        try:
            self._server = PageServer(
                self._make_app(), host=self._host, port=self._port, setting="[kiosk] port in gate.toml"
            )
        except PageServerError as error:
            self._fault(error)

    def _serves(self, server: PageServer) -> bool:
        try:
            server.start()
        except PageServerError as error:
            self._server = None
            self._fault(error)
            return False
        if self._failed:
            self._failed = False
            log.info("the page is served", kiosk=self.url)
            self._report(DeviceData(device=DEVICE, state="recovered", detail=""))
        return True

    def _fault(self, error: PageServerError) -> None:
        if not self._failed:
            self._failed = True
            log.error("the page cannot be served; the gate goes on without it", error=str(error))
            self._report(DeviceData(device=DEVICE, state="fault", detail=str(error)[:200]))
