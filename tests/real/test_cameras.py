"""Cameras on real sources: folders, films, streams over sockets, servers that die and come back."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.vision.camera import CameraState
from edge.vision.frames import SourceMissingError, shown
from edge.vision.nursery import Nursery
from edge.vision.sources import open_source
from shell.clock import SystemClock
from simulators.cameras.server import CameraServer
from tests.waiting import until
from tests.watching import EASY, Seen, card, part, ready, stream

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with ready() as made:
        yield made


@pytest.fixture
def server() -> Iterator[CameraServer]:
    cameras = CameraServer(port=0, names=["entry", "exit"], seed=3)
    cameras.start()
    yield cameras
    cameras.close()


def test_a_folder_of_pictures_gives_a_scan_each_and_then_ends(tmp_path: Path, nursery: Nursery) -> None:
    for name in ("b", "a"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), card(name.upper()))
    (tmp_path / "aa.png").write_bytes(b"damaged")
    (tmp_path / "notes.txt").write_text("no picture")
    seen = Seen(nursery)
    with seen.watching(str(tmp_path)):
        until(lambda: len(seen.health) == 2, what="the end of the folder")
    assert seen.texts() == [("A",), ("B",)]
    assert seen.states() == [CameraState.OK, CameraState.FAULT]
    assert seen.health[-1].words.en == f"{tmp_path} has come to its end"


def test_a_film_is_played_at_its_pace_and_gives_its_scans(tmp_path: Path, nursery: Nursery) -> None:
    path = tmp_path / "film.avi"
    film = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (640, 480))
    for number in range(20):
        film.write(card("FIRST" if number < 10 else "SECOND", shade=255 - number))
    film.release()
    seen = Seen(nursery)
    with seen.watching(str(path)):
        until(lambda: len(seen.health) == 2, what="the end of the film")
    assert seen.texts() == [("FIRST",), ("SECOND",)]
    assert 0.3 < seen.scans[1].at_s - seen.scans[0].at_s < 0.9
    assert 0.4 < seen.health[1].at_s - seen.health[0].at_s < 2  # a second, less what a busy machine drops


def test_a_stream_gives_one_scan_for_a_held_code_and_another_when_it_comes_back(
    server: CameraServer, nursery: Nursery
) -> None:
    seen = Seen(nursery)
    stage = server.feeds["entry"].stage
    with seen.watching(f"http://127.0.0.1:{server.port}/entry.mjpg"):
        until(lambda: seen.health, what="the first frame")
        assert seen.texts() == []
        stage.show("PASS", EASY, 60)
        until(lambda: seen.scans, what="the scan")
        held_from_s = seen.scans[0].at_s
        until(lambda: time.monotonic() - held_from_s > 0.5, what="a while of holding")
        stage.clear()
        gone_s = time.monotonic()
        until(lambda: time.monotonic() - gone_s > 1.7, what="a while away")
        assert seen.texts() == [("PASS",)]
        stage.show("PASS", EASY, 60)
        until(lambda: len(seen.scans) == 2, what="the second scan")
    assert seen.texts() == [("PASS",), ("PASS",)]
    assert seen.states() == [CameraState.OK]


def test_a_killed_camera_is_reported_once_and_read_again_when_it_is_back(nursery: Nursery) -> None:
    seen = Seen(nursery)
    port, process = start_cameras(0)
    try:
        with seen.watching(f"http://127.0.0.1:{port}/entry.mjpg"):
            until(lambda: seen.states() == [CameraState.OK], what="the first frame")
            process.kill()
            process.communicate()
            until(lambda: len(seen.health) == 2, what="the fault")
            gone_s = time.monotonic()
            until(lambda: time.monotonic() - gone_s > 0.8, what="some tries in vain")
            _, process = start_cameras(port)
            until(lambda: len(seen.health) == 3, what="the recovery")
        assert seen.states() == [CameraState.OK, CameraState.FAULT, CameraState.OK]
    finally:
        process.terminate()
        assert process.communicate()[1] == ""
    assert process.returncode == 0


def start_cameras(port: int) -> tuple[int, "subprocess.Popen[str]"]:
    argv = [
        sys.executable,
        "-m",
        "simulators.cameras.server",
        "--port",
        str(port),
        "--names",
        "entry",
        "--seed",
        "5",
    ]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline()
    return int(address.split(":")[2].split("/")[0]), process


def test_a_camera_that_is_missing_at_the_start_heals_when_it_appears(
    tmp_path: Path, nursery: Nursery
) -> None:
    seen = Seen(nursery)
    folder = tmp_path / "pictures"
    with seen.watching(str(folder)):
        until(lambda: seen.states() == [CameraState.FAULT], what="the fault")
        (tmp_path / "new").mkdir()
        cv2.imwrite(str(tmp_path / "new" / "a.png"), card("HERE"))
        (tmp_path / "new").rename(folder)
        until(lambda: seen.scans, what="the scan")
    assert seen.states()[:2] == [CameraState.FAULT, CameraState.OK]
    assert "does not exist" in seen.health[0].detail


def test_c1_a_frozen_picture_gives_no_second_scan_and_a_fault_and_heals_when_it_moves(
    nursery: Nursery,
) -> None:
    moves = threading.Event()
    frozen, moved = part(card("PASS")), part(card("OTHER", shade=250))

    def send(line: socket.socket, stop: threading.Event) -> None:
        while not stop.wait(0.05):
            line.sendall(moved if moves.is_set() else frozen)

    seen = Seen(nursery)
    with stream(send) as address, seen.watching(address):
        until(lambda: len(seen.health) == 2, what="the fault")
        fault_s = time.monotonic()
        until(lambda: time.monotonic() - fault_s > 0.5, what="more frozen frames")
        assert seen.texts() == [("PASS",)]
        moves.set()
        until(lambda: len(seen.scans) == 2, what="the scan after")
    assert seen.states() == [CameraState.OK, CameraState.FAULT, CameraState.OK]
    assert "frozen" in seen.health[1].detail
    assert seen.texts() == [("PASS",), ("OTHER",)]


def test_a_camera_that_goes_silent_is_a_fault_within_three_seconds(nursery: Nursery) -> None:
    def send(line: socket.socket, stop: threading.Event) -> None:
        line.sendall(part(card("PASS")) + part(card("PASS"))[:500])
        stop.wait(5)

    seen = Seen(nursery)
    with stream(send) as address, seen.watching(address):
        until(lambda: seen.states() == [CameraState.OK], what="the first frame")
        until(lambda: len(seen.health) == 2, what="the fault")
    assert seen.texts() == [("PASS",)]
    assert 1.5 < seen.health[1].at_s - seen.health[0].at_s < 3.5


def test_of_a_flood_of_frames_the_newest_is_read(nursery: Nursery) -> None:
    sent: list[float] = []

    def send(line: socket.socket, stop: threading.Event) -> None:
        blank = part(np.full((480, 640, 3), 200, np.uint8))
        until_s = time.monotonic() + 1
        while time.monotonic() < until_s and not stop.is_set():
            line.sendall(blank * 5)
        sent.append(time.monotonic())
        while not stop.wait(0.02):
            line.sendall(part(card("PASS", shade=int(time.monotonic() * 50) % 50 + 200)))

    seen = Seen(nursery)
    with stream(send) as address, seen.watching(address):
        until(lambda: seen.scans, what="the scan")
    assert seen.scans[0].at_s - sent[0] < 0.7
    assert seen.health[0].at_s < sent[0] - 0.3, "frames of the flood are read too"


def test_damaged_frames_in_a_stream_are_passed_over(nursery: Nursery) -> None:
    def send(line: socket.socket, stop: threading.Event) -> None:
        line.sendall(b"--x\r\nContent-Length: 9\r\n\r\n\xff\xd8\xff broken\r\n")
        shade = 200
        while not stop.wait(0.05):
            shade = 200 + (shade + 1) % 50
            line.sendall(b"noise " * 100 + part(card("PASS", shade=shade)))

    seen = Seen(nursery)
    with stream(send) as address, seen.watching(address):
        until(lambda: seen.scans, what="the scan")
    assert seen.texts() == [("PASS",)]


def test_sources_that_cannot_be_opened_say_what_and_what_to_do(
    tmp_path: Path, server: CameraServer, nursery: Nursery
) -> None:
    (tmp_path / "film.mp4").write_bytes(b"no film")
    (tmp_path / "empty").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for spec, why in {
        str(tmp_path / "film.mp4"): "is neither a picture nor a video",
        str(tmp_path / "empty"): "holds no picture",
        str(tmp_path / "nothing"): "does not exist",
        "/dev/video77": "is not there",
        f"http://127.0.0.1:{port}/x.mjpg": "is not reachable",
        f"http://127.0.0.1:{server.port}/other.mjpg": "answered 404",
        f"http://127.0.0.1:{server.port}/entry.jpg": "answers one picture, not a stream",
        "http://127.0.0.1:notaport/": "is not reachable",
        f"rtsp://127.0.0.1:{port}/": "did not open",
    }.items():
        with pytest.raises(SourceMissingError, match=why):
            source = open_source(spec, SystemClock(), nursery)
            try:
                source.read(0.0)
            finally:
                source.close()


def test_a_password_is_not_shown() -> None:
    assert shown("rtsp://admin:secret@10.0.0.5:554/ch1") == "rtsp://***@10.0.0.5:554/ch1"
    assert shown("rtsp://admin:sec@ret/1@10.0.0.5/ch1") == "rtsp://***@10.0.0.5/ch1"
    assert shown("http://10.0.0.5/v?user=a&password=secret") == "http://10.0.0.5/v?user=a&password=***"
    assert shown("/dev/video0") == "/dev/video0"


def test_basic_passwords_are_sent(nursery: Nursery) -> None:
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        line, _ = listener.accept()
        with line:
            heard.append(line.recv(4096))
            line.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    with pytest.raises(SourceMissingError):
        open_source(
            f"http://admin:pa%40ss@127.0.0.1:{listener.getsockname()[1]}/a?b=1", SystemClock(), nursery
        )
    thread.join()
    listener.close()
    assert heard[0].startswith(b"GET /a?b=1 HTTP/1.1\r\n")
    assert b"Authorization: Basic YWRtaW46cGFAc3M=\r\n" in heard[0]
