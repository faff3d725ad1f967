"""A camera under watch: what it reports, and streams over sockets that tests write by hand."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import cv2
import numpy as np
import segno

from edge.vision.camera import About, Camera, CameraHealth, CameraSettings, CameraState, Scan
from edge.vision.eye import Eye
from edge.vision.nursery import KINDS, Nursery
from edge.vision.shot import EyeError, Pixels, Shot
from shell.clock import SystemClock
from simulators.cameras.look import Difficulty, Look
from simulators.cameras.pixels import Picture
from simulators.cameras.scene import jpeg
from tests.waiting import until

EASY = Look(difficulty=Difficulty.EASY)


def card(text: str, *, shade: int = 255) -> Picture:
    """A picture of 640 x 480 with one code."""
    modules = np.array([[bool(one) for one in row] for row in segno.make_qr(text).matrix])
    modules = np.pad(modules, 4).repeat(8, axis=0).repeat(8, axis=1)
    picture = np.full((480, 640), shade, np.uint8)
    picture[20 : 20 + modules.shape[0], 20 : 20 + modules.shape[1]] = np.where(modules, 0, shade)
    return cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR).astype(np.uint8)


@contextmanager
def ready(kinds: Mapping[str, str] = KINDS) -> Iterator[Nursery]:
    """A nursery that has started."""
    nursery = Nursery(SystemClock(), kinds)
    eye = Eye("first", nursery, SystemClock())
    try:
        until(lambda: _opens(eye), within_s=30, what="the first eye")
        yield nursery
    finally:
        eye.close()
        nursery.close()


def _opens(eye: Eye) -> bool:
    try:
        eye.look(Shot(Pixels.GREY, bytes(64 * 64), 0.0, 64, 64))
    except EyeError as error:
        assert "starting" in str(error), error
        return False
    return True


class Seen:
    """What a camera reported."""

    def __init__(self, nursery: Nursery) -> None:
        self.scans: list[Scan] = []
        self.health: list[CameraHealth] = []
        self.notes: list[CameraHealth] = []
        self.looked: list[float] = []
        self._nursery = nursery

    def texts(self) -> list[tuple[str, ...]]:
        return [scan.texts for scan in self.scans]

    def states(self) -> list[CameraState]:
        return [health.state for health in self.health]

    @contextmanager
    def watching(
        self, spec: str, settings: CameraSettings | None = None, *, eye: str = "eye"
    ) -> Iterator[Camera]:
        camera = Camera(
            "entry",
            spec,
            self.scans.append,
            lambda health: (self.health if health.about is About.CAMERA else self.notes).append(health),
            SystemClock(),
            nursery=self._nursery,
            settings=settings,
            on_seen=lambda seen: self.looked.append(seen.at_s),
            eye=eye,
        )
        camera.start()
        try:
            yield camera
        finally:
            before_s = time.monotonic()
            camera.close()
            assert time.monotonic() - before_s < 3, "a stop is quick, on a busy machine too"


@contextmanager
def stream(send: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """An HTTP server that answers each request with a multipart stream that ``send`` writes."""
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while not stop.is_set():
            line, _ = listener.accept()
            with line:
                line.recv(4096)
                line.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=x\r\n\r\n")
                try:
                    if not stop.is_set():
                        send(line, stop)
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/video"
    finally:
        stop.set()
        with socket.create_connection(listener.getsockname()) as last:
            last.sendall(b"GET / HTTP/1.0\r\n\r\n")
            thread.join()
        listener.close()


def part(picture: Picture) -> bytes:
    data = jpeg(picture)
    return b"--x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(data), data)
