"""The gate without a journal: nobody is let in, everybody is let out.

A disk that is full or gone at the start must not shut people in. Until the journal can be opened, each code that is
shown at an exit opens it, unrecorded; entries stay shut, and the log says so.
"""

import queue
import threading
from collections.abc import Callable
from typing import Final

from edge.boards import Boards, opening
from edge.camera import Camera, Scan
from edge.config import GateConfig
from edge.hardware import LaneSection
from passes.vocabulary import Direction
from shell.clock import Clock
from shell.logs import get_logger

log = get_logger("exits-only")

TRY_AGAIN_EVERY_S: Final = 5.0


class ExitsOnly:
    """Serves the exits of one gate.

    Args:
        config: The gate.
        clock: Time.
    """

    def __init__(self, config: GateConfig, clock: Clock) -> None:
        self._clock = clock
        self._scans: queue.SimpleQueue[LaneSection] = queue.SimpleQueue()
        exits = [lane for lane in config.lane if lane.direction is Direction.EXIT]
        used = {lane.board for lane in exits}
        # Whoever shares a line with a board that is used is on it: the other boards' outputs open too.
        ports = {board.port for board in config.board if board.name in used}
        on_them = [board for board in config.board if board.port in ports]
        self._boards = Boards(on_them, lambda *_: None)
        self._cameras = [self._camera(lane) for lane in exits]
        self._opened = 0

    def run(self, stop: threading.Event, healed: Callable[[], bool]) -> None:
        """Open exits until ``stop`` is set or ``healed`` says that the journal can be opened; asked now and then."""
        log.error("no journal: entries stay shut, exits open for everyone")
        self._boards.start()
        for camera in self._cameras:
            camera.start()
        try:
            again_s = self._clock.monotonic_s() + TRY_AGAIN_EVERY_S
            while not stop.is_set():
                self._serve()
                if self._clock.monotonic_s() >= again_s:
                    again_s += TRY_AGAIN_EVERY_S
                    if healed():
                        log.info("the journal can be opened again")
                        return
        finally:
            for camera in self._cameras:
                camera.close()
            self._boards.close()

    def _serve(self) -> None:
        try:
            lane = self._scans.get(timeout=0.2)
        except queue.Empty:
            return
        self._opened += 1
        command = opening(lane, f"unrecorded-{self._opened}", issued_s=self._clock.monotonic_s())
        self._boards.submit(lane.board, command)
        log.warning("exit opened without a record", lane=lane.name)

    def _camera(self, lane: LaneSection) -> Camera:
        def seen(_: Scan) -> None:
            self._scans.put(lane)

        return Camera(lane.name, lane.camera, seen, lambda _: None, self._clock)
