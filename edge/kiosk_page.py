"""The kiosk page of a gate, which is not vital: whatever is wrong with it costs the page, and keeps no exit shut.

The first attempt binds at once, so that whoever connects waits for the page; later ones come from a thread, which also
starts it anew when it ends: at once the first time, then less and less often. A fault is told once, and its end
when the page has stood for a while, so that one that dies again and again is one fault.
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
FIRST_PAUSE_S: Final = 0.5
SETTLED_AFTER_S: Final = 5.0
LOOK_EVERY_S: Final = 0.5  # how late an end is noticed
CLOSE_WITHIN_S: Final = 5.0
DEVICE: Final = "kiosk"


class KioskPage:
    """Serves the page, and tries again for as long as it cannot.

    Args:
        make_app: Makes the application anew for each attempt: one is served once.
        host: Where it listens.
        port: Likewise.
        report: Gets a fault once, and its end; any thread.
        try_again_every_s: How often it tries, at last.
        settled_after_s: How long it must serve until a fault is over.
    """

    def __init__(
        self,
        make_app: Callable[[], FastAPI],
        *,
        host: str,
        port: int,
        report: Callable[[DeviceData], None],
        try_again_every_s: float = TRY_AGAIN_EVERY_S,
        settled_after_s: float = SETTLED_AFTER_S,
    ) -> None:
        self._make_app, self._host, self._port = make_app, host, port
        self._report = report
        self._try_again_every_s, self._settled_after_s = try_again_every_s, settled_after_s
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
        first_pause_s = min(FIRST_PAUSE_S, self._try_again_every_s)
        pause_s = first_pause_s
        while not self._stop.is_set():
            if self._server is None:
                self._bind()
            if self._server is not None and self._serves(self._server):
                pause_s = first_pause_s if self._watch(self._server) else pause_s
                if self._stop.is_set():
                    return  # whoever stops it has the server
                self._end(self._server)
            self._stop.wait(pause_s)
            pause_s = min(2 * pause_s, self._try_again_every_s)

    def _bind(self) -> None:
        try:
            self._server = PageServer(
                self._make_app(), host=self._host, port=self._port, setting="[kiosk] port in gate.toml"
            )
        except PageServerError as error:
            self._fault(str(error))
        except Exception as error:
            log.exception("the page cannot be made")
            self._broken(error)

    def _serves(self, server: PageServer) -> bool:
        try:
            server.start()
        except PageServerError as error:
            self._server = None
            self._fault(str(error))
            return False
        except Exception as error:
            self._let_go(server)
            log.exception("the page cannot be made")
            self._broken(error)
            return False
        return True

    def _watch(self, server: PageServer) -> bool:
        """Return when it has ended, or is to be stopped: whether it had served for long enough to be trusted."""
        look_s, left_s = min(LOOK_EVERY_S, self._settled_after_s), self._settled_after_s
        while server.alive and not self._stop.wait(look_s):
            left_s -= look_s
            if left_s <= 0 and server.alive:
                self._is_well()
        return left_s <= 0

    def _end(self, server: PageServer) -> None:
        """It has ended by itself: let go of its port, and say so."""
        self._let_go(server)
        self._fault("the page's server has ended; the log says why. It is started again")

    def _let_go(self, server: PageServer) -> None:
        self._server = None
        try:
            server.stop()
        except Exception:
            log.exception("what is left of the page does not go")

    def _broken(self, error: Exception) -> None:
        """An error that nobody foresaw: a page that cannot even be made ends no gate."""
        self._fault(f"the page cannot be made ({type(error).__name__}); the log says why. It is tried again")

    def _is_well(self) -> None:
        if self._failed:
            self._failed = False
            log.info("the page is served", kiosk=self.url)
            self._report(DeviceData(device=DEVICE, state="recovered", detail=""))

    def _fault(self, words: str) -> None:
        if not self._failed:
            self._failed = True
            log.error("the page cannot be served; the gate goes on without it", error=words)
            self._report(DeviceData(device=DEVICE, state="fault", detail=words[:200]))
