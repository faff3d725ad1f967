"""Cameras on the network that mean harm, or are only badly made; and a camera's thread that nothing ends."""

import io
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import pytest
import structlog

from edge.vision import frames, sources_http
from edge.vision.camera import Camera, CameraHealth, CameraState
from edge.vision.frames import SourceError, SourceLostError, SourceMissingError
from edge.vision.nursery import Nursery
from edge.vision.sources import open_source
from shell.clock import SystemClock
from shell.logs import set_up_logs
from tests.waiting import until
from tests.watching import Seen, card, part, ready, stream

pytestmark = pytest.mark.real

MULTIPART = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=x\r\n"


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with ready() as made:
        yield made


@contextmanager
def answering(answer: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A server that hears one request at a time and then does what ``answer`` does; its address."""
    stop, listener = threading.Event(), socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while not stop.is_set():
            line, _ = listener.accept()
            with line:
                try:
                    line.recv(4096)
                    if not stop.is_set():
                        answer(line, stop)
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


def refusal(spec: str, nursery: Nursery) -> SourceError:
    """How a source fails that must not give a picture."""
    with pytest.raises(SourceError) as caught:
        source = open_source(spec, SystemClock(), nursery)
        try:
            source.read(0.0)
        finally:
            source.close()
    return caught.value


def drip(line: socket.socket, stop: threading.Event, piece: bytes) -> None:
    """Send a piece now and then, sooner than any time-out of a single read."""
    while not stop.wait(0.05):
        line.sendall(piece)


@pytest.mark.parametrize(
    ("begin", "piece"),
    [(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"), (b"HTTP/1.1 200 OK\r\nX-A: ", b"a"), (b"", b"H")],
    ids=["lines", "one line", "no HTTP"],
)
def test_a_server_of_endless_headers_is_given_up(
    begin: bytes, piece: bytes, nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources_http, "OPEN_WITHIN_S", 0.5)

    def answer(line: socket.socket, stop: threading.Event) -> None:
        line.sendall(begin)
        drip(line, stop, piece)

    with answering(answer) as spec:
        error = refusal(spec, nursery)
    assert isinstance(error, SourceMissingError)
    assert "gave no answer to HTTP" in str(error)


def test_a_flood_of_headers_is_given_up(nursery: Nursery) -> None:
    def answer(line: socket.socket, stop: threading.Event) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\n")
        while not stop.is_set():
            line.sendall(b"X-A: b\r\n" * 1000)

    with answering(answer) as spec:
        assert "gave no answer to HTTP (got more than 100 headers)" in str(refusal(spec, nursery))


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"Transfer-Encoding: chunked\r\n\r\n", b"0"),  # the length of a chunk, for ever
        (b"\r\n--x\r\n", b"X"),
        (b"\r\n--x\r\nContent-Length: 100000\r\n\r\n", b"\xff\xd8\xff"),
    ],
    ids=["chunk", "head", "picture"],
)
def test_c2_a_stream_that_drips_and_never_gives_a_picture_is_silent_after_two_seconds(
    begin: bytes, piece: bytes, nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources_http, "FRAME_WITHIN_S", 0.5)

    def answer(line: socket.socket, stop: threading.Event) -> None:
        line.sendall(MULTIPART + begin)
        drip(line, stop, piece)

    with answering(answer) as spec:
        error = refusal(spec, nursery)
    assert isinstance(error, SourceLostError)
    assert "sent no frame for" in str(error) or "sends no whole pictures" in str(error)


@pytest.mark.parametrize("scheme", ["file://", "concat:", "crypto:file://", "subfile,,start,0,end,9,,:"])
def test_an_address_that_leads_on_to_a_file_of_this_machine_opens_nothing(
    scheme: str, tmp_path: Path, nursery: Nursery
) -> None:
    """A film that would be read, were it opened."""
    film = tmp_path / "film.avi"
    write_film(film)
    answered: list[bytes] = []

    def answer(line: socket.socket, _: threading.Event) -> None:
        answered.append(b"")
        line.sendall(
            b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            % f"{scheme}{film}".encode()
        )

    with answering(answer) as spec:
        assert "did not open" in str(refusal(spec, nursery))
    assert len(answered) >= 2, "somebody else followed it"
    source = open_source(str(film), SystemClock(), nursery)
    assert source.read(0.0) is not None, "the film itself is a good one"
    source.close()


def write_film(path: Path) -> None:
    film = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (640, 480))
    for number in range(20):
        film.write(card("SECRET", shade=255 - number))
    film.release()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>",
            "answers text/html, which is no stream",
        ),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", "refused the login (401). Check user and password"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "refused the login (403)"),
        (b"HTTP/1.1 503 Busy\r\n\r\n", "answered 503"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "gave no answer to HTTP"),
        (b"", "gave no answer to HTTP"),
    ],
    ids=["page", "401", "403", "503", "ssh", "silence"],
)
def test_a_server_that_is_no_camera_is_told_in_words(answer: bytes, words: str, nursery: Nursery) -> None:
    with answering(lambda line, _: line.sendall(answer)) as spec:
        error = refusal(spec, nursery)
    assert words in str(error)
    assert error.words.zh
    assert "\x1b" not in str(error)


def test_words_of_a_server_do_not_drive_a_terminal(nursery: Nursery) -> None:
    with answering(lambda line, _: line.sendall(b"HTTP/1.1 \x1b[2J\r\n\r\n")) as spec:
        assert str(refusal(spec, nursery)).isprintable()


def test_a_camera_that_comes_and_goes_is_told_ever_more_seldom(nursery: Nursery) -> None:
    """One picture for each opening: no flood of events, of log lines or of openings."""

    def send(line: socket.socket, stop: threading.Event) -> None:
        line.sendall(part(card("PASS")))
        stop.wait(0.02)

    seen = Seen(nursery)
    began_s = time.monotonic()
    with stream(send) as address, seen.watching(address):
        until(lambda: time.monotonic() - began_s > 3, within_s=20, what="three seconds")
    assert 2 <= len(seen.health) <= 12, "openings after 0.1, 0.2, 0.4, 0.8, 1.6 s, and two reports of each"
    assert seen.texts()[0] == ("PASS",)


class Broken(io.StringIO):
    """A stream that is closed, as stderr is when whoever read it has gone."""

    def write(self, _: str) -> int:
        raise ValueError("I/O operation on closed file")

    def flush(self) -> None:
        raise BrokenPipeError


@pytest.fixture
def unwritable_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "stderr", Broken())
    set_up_logs("postern-edge")
    try:
        yield
    finally:
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()


def moving(line: socket.socket, stop: threading.Event) -> None:
    """A camera that shows a pass."""
    number = 0
    while not stop.wait(0.05):
        number += 1
        line.sendall(part(card("PASS", shade=200 + number % 50)))


@pytest.mark.usefixtures("unwritable_log")
def test_a_log_that_cannot_be_written_blinds_no_lane(nursery: Nursery) -> None:
    cut = threading.Event()

    def send(line: socket.socket, stop: threading.Event) -> None:
        if not cut.is_set():
            cut.set()
            return  # the first opening is lost at once: a fault to be logged
        moving(line, stop)

    seen = Seen(nursery)
    with stream(send) as address, seen.watching(address):
        until(lambda: seen.scans, what="a scan")
    assert seen.states() == [CameraState.FAULT, CameraState.OK]


def test_nothing_that_listens_to_a_camera_can_end_its_thread(nursery: Nursery) -> None:
    """Its reports fail three times, also while a failure is reported; then they are heard."""
    told: list[CameraHealth] = []
    failures = iter([RuntimeError("first"), KeyError("second"), OSError("third")])
    scans: list[tuple[str, ...]] = []

    def heard(health: CameraHealth) -> None:
        failure = next(failures, None)
        if failure is not None:
            raise failure
        told.append(health)

    with stream(moving) as address:
        camera = Camera(
            "entry", address, lambda scan: scans.append(scan.texts), heard, SystemClock(), nursery=nursery
        )
        camera.start()
        until(lambda: scans, what="a scan")
        camera.close()
    assert told[-1].state is CameraState.OK
    assert scans[0] == ("PASS",)


def test_the_limits_of_a_source_are_those_of_the_table() -> None:
    assert (frames.OPEN_WITHIN_S, frames.FRAME_WITHIN_S) == (4.0, 2.0)
