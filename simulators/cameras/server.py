"""Several rendered cameras in one process, served as MJPEG on this machine only.

``GET /entry.mjpg`` is the stream, ``GET /entry.jpg`` one frame, ``POST /show`` holds a code up to a camera,
``POST /clear`` takes it down. Frames are made only while somebody watches.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Any, Final, TypeVar

import cv2
import typer
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shell.supervision import stop_event
from simulators.cameras.feed import Feed
from simulators.cameras.look import Colour, Difficulty, Ink, Look, Medium
from simulators.cameras.rtsp import RtspServer
from simulators.cameras.scene import backgrounds
from simulators.cameras.stage import Stage

Server = TypeVar("Server")

FRAMES_PER_S: Final = 10.0
BOUNDARY: Final = "postern-frame"
BODY_BYTES_MAX: Final = 64 * 1024
SECONDS_MAX: Final = 600.0
_SENT_WITHIN_S: Final = 5.0  # a viewer that takes no data for so long is dropped
_VIEWER_ENDS_WITHIN_S: Final = 1.0


class LookForm(BaseModel):
    """The look of a ``/show`` request."""

    model_config = ConfigDict(extra="forbid")

    medium: Medium = Medium.PHONE
    ink: Ink = Ink.BLACK
    colour: Colour = Colour.GREEN
    inverted: bool = False
    difficulty: Difficulty = Difficulty.TYPICAL

    def to_domain(self) -> Look:
        """The look as the renderer takes it."""
        return Look(
            medium=self.medium,
            ink=self.ink,
            colour=self.colour,
            inverted=self.inverted,
            difficulty=self.difficulty,
        )


class ShowForm(BaseModel):
    """A ``/show`` request: which text, to which camera, for how long, how."""

    model_config = ConfigDict(extra="forbid")

    camera: str
    text: str = Field(min_length=1, max_length=1000)
    seconds: float = Field(gt=0, le=SECONDS_MAX)
    look: LookForm = LookForm()


class ClearForm(BaseModel):
    """A ``/clear`` request: which camera."""

    model_config = ConfigDict(extra="forbid")

    camera: str


class CameraServer(ThreadingHTTPServer):
    """The web server of the rendered cameras; ``start`` and ``close`` it.

    Args:
        port: Port on the loopback interface; 0 picks a free one, then see ``port``.
        names: Names of the cameras.
        seed: All variation comes from it.
        frames_per_s: Rate of the streams.

    Raises:
        OSError: The port is taken.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 32

    def __init__(self, *, port: int, names: list[str], seed: int, frames_per_s: float = FRAMES_PER_S) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        photographs = backgrounds()
        self.stop = threading.Event()
        self._viewers: set[threading.Thread] = set()
        self.feeds = {
            name: Feed(
                Stage(photographs[(seed + number) % len(photographs)], seed * 1000 + number, time.monotonic),
                frames_per_s,
            )
            for number, name in enumerate(names)
        }
        self._thread = threading.Thread(
            target=partial(self.serve_forever, poll_interval=0.1), name="cameras", daemon=True
        )

    def handle_error(self, request: object, client_address: object) -> None:
        """A viewer that goes in the middle of an answer is no error; anything else is printed."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self.server_address[1]

    def start(self) -> None:
        """Serve from a thread."""
        self._thread.start()

    def close(self) -> None:
        """End the streams and give the port back."""
        self.stop.set()
        self.shutdown()
        self.server_close()
        self._thread.join()
        for viewer in list(self._viewers):  # a thread inside OpenCV would abort the ending interpreter
            viewer.join(_VIEWER_ENDS_WITHIN_S)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection, and be known while doing so."""
        viewer = threading.current_thread()
        self._viewers.add(viewer)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._viewers.discard(viewer)


class _Handler(BaseHTTPRequestHandler):
    server: CameraServer
    protocol_version = "HTTP/1.1"
    timeout = _SENT_WITHIN_S

    def do_GET(self) -> None:
        """A stream or one frame."""
        name, _, kind = self.path.lstrip("/").partition("?")[0].rpartition(".")
        feed = self.server.feeds.get(name)
        if feed is None or kind not in {"mjpg", "jpg"}:
            self._answer(HTTPStatus.NOT_FOUND, {"error": f"cameras here: {', '.join(self.server.feeds)}"})
        elif kind == "jpg":
            self._send(HTTPStatus.OK, "image/jpeg", feed.stage.next_jpeg())
        else:
            self._stream(feed)

    def do_POST(self) -> None:
        """Hold a code up, or take it down."""
        try:
            length = int(self.headers.get("Content-Length", ""))
        except ValueError:
            length = -1
        if not 0 <= length <= BODY_BYTES_MAX:
            self.close_connection = True
            self._answer(HTTPStatus.BAD_REQUEST, {"error": "a JSON body of at most 64 kB is needed"})
            return
        body = self.rfile.read(length)
        try:
            match self.path:
                case "/show":
                    self._show(ShowForm.model_validate_json(body))
                case "/clear":
                    self._clear(ClearForm.model_validate_json(body))
                case _:
                    self._answer(HTTPStatus.NOT_FOUND, {"error": "POST /show or /clear"})
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            self._answer(HTTPStatus.BAD_REQUEST, {"error": wrong})
        except ValueError as error:  # a text too long for any code
            self._answer(HTTPStatus.BAD_REQUEST, {"error": str(error)})

    def _show(self, form: ShowForm) -> None:
        feed = self.server.feeds.get(form.camera)
        if feed is None:
            self._answer(HTTPStatus.NOT_FOUND, {"error": f"no camera {form.camera!r}"})
            return
        feed.stage.show(form.text, form.look.to_domain(), form.seconds)
        self._answer(HTTPStatus.OK, {"camera": form.camera, "seconds": form.seconds})

    def _clear(self, form: ClearForm) -> None:
        feed = self.server.feeds.get(form.camera)
        if feed is None:
            self._answer(HTTPStatus.NOT_FOUND, {"error": f"no camera {form.camera!r}"})
            return
        feed.stage.clear()
        self._answer(HTTPStatus.OK, {"camera": form.camera})

    def _stream(self, feed: Feed) -> None:
        self.close_connection = True
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        number = feed.newest  # a viewer starts with the next frame, never with one from before it came
        try:
            while not self.server.stop.is_set():
                number, frame = feed.wait_for(number, self.server.stop)
                head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(frame)}\r\n\r\n"
                self.wfile.write(head.encode("ascii") + frame + b"\r\n")
        except OSError:  # the viewer has gone
            return

    def _answer(self, status: HTTPStatus, body: dict[str, object]) -> None:
        self._send(status, "application/json", json.dumps(body, ensure_ascii=False).encode())

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: a stream is one request for hours, and shows come by the second."""


def camera(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 picks a free one.")] = 8090,
    names: Annotated[str, typer.Option(help="Names of the cameras, with commas.")] = "entry,exit",
    seed: Annotated[int, typer.Option(help="All variation comes from it.")] = 1,
    rtsp_port: Annotated[
        int | None, typer.Option(help="Serve RTSP there, too; 0 picks a free port.", min=0, max=65_535)
    ] = None,
    frames_per_s: Annotated[
        float, typer.Option("--fps", min=0.5, max=60, help="Frames a second.")
    ] = FRAMES_PER_S,
) -> None:
    """Serve rendered cameras until stopped, over HTTP and, with --rtsp-port, over RTSP.

    Examples:

    postern-sim camera --port 8090 --names entry,exit --seed 7

    postern-sim camera --port 8090 --rtsp-port 8554
    """
    cv2.setNumThreads(1)
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise typer.BadParameter("name at least one camera", param_hint="--names")
    stop = stop_event()
    server = _on(
        port, "--port", lambda: CameraServer(port=port, names=wanted, seed=seed, frames_per_s=frames_per_s)
    )
    with ExitStack() as rest:
        rest.callback(server.close)
        server.start()
        addresses = [f"http://127.0.0.1:{server.port}/{name}.mjpg" for name in wanted]
        if rtsp_port is not None:
            streams = _on(rtsp_port, "--rtsp-port", lambda: RtspServer(port=rtsp_port, feeds=server.feeds))
            rest.callback(streams.close)
            streams.start()
            addresses += [f"rtsp://127.0.0.1:{streams.port}/{name}" for name in wanted]
        for address in addresses:
            typer.echo(address)
        stop.wait()


def _on(port: int, option: str, make: Callable[[], Server]) -> Server:
    """A server on that port; says which option to change when it is taken."""
    try:
        return make()
    except OSError as error:
        typer.echo(
            f"Port {port} on 127.0.0.1 is taken ({error.strerror}). Choose another with {option}.", err=True
        )
        raise typer.Exit(3) from error


if __name__ == "__main__":
    typer.run(camera)
