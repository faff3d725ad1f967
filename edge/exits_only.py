"""The gate without what it decides with: nobody is let in, everybody is let out.

A disk that is full or gone at the start, or a key set that cannot be read, must not shut people in. Until it can be
used, each code that is shown at an exit opens it, unrecorded; entries stay shut, and the log says so.
"""

import queue
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from drivers.gate.config import GateConfig
from drivers.gate.hardware import LaneSection
from drivers.gate.view import ViewSection
from drivers.model import AnyEvent
from drivers.peripherals import Scanned
from edge.boards import Boards, opening
from edge.scanners import Scanners
from edge.vision.camera import Camera, CameraSettings, Scan
from edge.vision.nursery import Nursery
from passes.vocabulary import Direction
from shell.clock import Clock
from shell.logs import get_logger
from shell.systemd import Systemd

log = get_logger("exits-only")

TRY_AGAIN_EVERY_S: Final = 5.0
TURN_S: Final = 0.2
SCANS_WAITING_MAX: Final = 16
SCAN_AGE_MAX_S: Final = 2.0  # who was seen before that is asked for again, and does not open for the next one
CLOSE_WITHIN_S: Final = 2.0


class ExitsOnly:
    """Serves the exits of one gate.

    Args:
        config: The gate.
        clock: Time.
        try_again_every_s: How often it is asked whether the whole gate can run again.
    """

    def __init__(
        self, config: GateConfig, clock: Clock, *, try_again_every_s: float = TRY_AGAIN_EVERY_S
    ) -> None:
        self._clock, self._try_again_every_s = clock, try_again_every_s
        self._systemd = Systemd(clock.monotonic_s)
        self._scans: queue.Queue[tuple[LaneSection, float]] = queue.Queue(SCANS_WAITING_MAX)
        # All boards, for a relay that an earlier run left closed is told to open when its board is there; no input
        # means anything here.
        self._boards = Boards(config.board, self._heard, used={})
        exits = {lane.name: lane for lane in config.lane if lane.direction is Direction.EXIT}
        self._exits = exits
        self._nursery = Nursery(clock)
        self._cameras = {
            lane.name: self._camera(lane.name, lane.camera, lane.view)
            for lane in exits.values()
            if lane.camera
        }
        self._scanners = Scanners(exits.values(), self._seen, dropped=lambda: None)
        self._opened = 0

    def run(self, stop: threading.Event, healed: Callable[[], bool]) -> None:
        """Open exits until ``stop`` is set or ``healed`` says that the gate can run again.

        ``healed`` is asked now and then, from a thread of its own: a disk that hangs keeps nobody inside.
        """
        log.error("the gate cannot run: entries stay shut, exits open for everyone")
        ended, whole = threading.Event(), threading.Event()
        asking = threading.Thread(
            target=self._ask, args=(healed, ended, whole), name="exits-only-healed", daemon=True
        )
        with ExitStack() as rest:
            asking.start()
            rest.callback(asking.join, CLOSE_WITHIN_S)
            rest.callback(ended.set)
            rest.callback(self._boards.close)
            self._boards.start()
            rest.callback(self._nursery.close)
            for camera in self._cameras.values():
                rest.callback(camera.close)
                camera.start()
            self._systemd.ready("in trouble: entries stay shut, exits open for everyone")
            while not stop.is_set() and not whole.is_set():
                self._serve()
                self._systemd.alive()
            if not whole.is_set():
                self._systemd.stopping()
        if whole.is_set():
            log.info("the gate can run again")

    def _ask(self, healed: Callable[[], bool], ended: threading.Event, whole: threading.Event) -> None:
        while not ended.wait(self._try_again_every_s):
            try:
                if healed():
                    whole.set()
                    return
            except Exception:
                log.exception("it cannot be told whether the gate can run again")

    def _serve(self) -> None:
        try:
            lane, at_s = self._scans.get(timeout=TURN_S)
        except queue.Empty:
            return
        now_s = self._clock.monotonic_s()
        if now_s - at_s > SCAN_AGE_MAX_S:
            self._look_again(lane.name)
            return
        self._opened += 1
        if self._boards.submit(lane.board, opening(lane, f"unrecorded-{self._opened}", issued_s=now_s)):
            log.warning("exit opened without a record", lane=lane.name)
        else:
            log.error("exit could not be opened", lane=lane.name)
            self._look_again(lane.name)

    def _seen(self, lane: str, _texts: tuple[str, ...], at_s: float) -> None:
        try:
            self._scans.put_nowait((self._exits[lane], at_s))
        except queue.Full:
            self._look_again(lane)

    def _look_again(self, lane: str) -> None:
        if lane in self._cameras:
            self._cameras[lane].look_again()
        self._scanners.look_again(lane)

    def _heard(self, board: str, event: AnyEvent) -> None:
        if isinstance(event, Scanned):
            self._scanners.read(board, event)

    def _camera(self, lane: str, spec: str, view: ViewSection | None) -> Camera:
        def seen(scan: Scan) -> None:
            self._seen(lane, scan.texts, scan.at_s)

        settings = CameraSettings.of(view)
        return Camera(lane, spec, seen, lambda _: None, self._clock, nursery=self._nursery, settings=settings)
