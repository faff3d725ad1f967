"""The rendered cameras over HTTP: what they take, what they refuse, how they end."""

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise

import pytest

from edge.vision.picture import decode
from edge.vision.reader import Reader
from simulators.cameras.server import CameraServer

pytestmark = pytest.mark.real


@pytest.fixture
def server() -> Iterator[CameraServer]:
    cameras = CameraServer(port=0, names=["entry", "exit"], seed=3)
    cameras.start()
    yield cameras
    cameras.close()


def ask(server: CameraServer, method: str, path: str, body: object = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def texts(server: CameraServer, name: str) -> set[str]:
    status, data = ask(server, "GET", f"/{name}.jpg")
    assert status == 200
    return {code.text for code in Reader(deep=True).read(decode(data))}


def test_a_shown_code_is_seen_by_its_camera_alone_until_it_is_cleared(server: CameraServer) -> None:
    show = {
        "camera": "entry",
        "text": "PASS",
        "seconds": 60,
        "look": {"medium": "paper", "difficulty": "easy"},
    }
    assert texts(server, "entry") == set()
    assert ask(server, "POST", "/show", show) == (200, b'{"camera": "entry", "seconds": 60.0}')
    assert (texts(server, "entry"), texts(server, "exit")) == ({"PASS"}, set())
    assert ask(server, "POST", "/show", show | {"text": "OTHER"})[0] == 200
    assert texts(server, "entry") == {"OTHER"}
    assert ask(server, "POST", "/clear", {"camera": "entry"})[0] == 200
    assert texts(server, "entry") == set()


def test_the_same_seed_shows_the_same_and_no_two_frames_are_alike(server: CameraServer) -> None:
    frames = [ask(server, "GET", "/entry.jpg")[1] for _ in range(12)]
    assert all(before != after for before, after in pairwise(frames))
    twin = CameraServer(port=0, names=["entry", "exit"], seed=3)
    twin.start()
    try:
        assert [ask(twin, "GET", "/entry.jpg")[1] for _ in range(12)] == frames
    finally:
        twin.close()


@pytest.mark.parametrize(
    ("path", "body", "status", "why"),
    [
        ("/show", {"camera": "back", "text": "A", "seconds": 1}, 404, "no camera 'back'"),
        ("/clear", {"camera": "back"}, 404, "no camera 'back'"),
        ("/show", {"camera": "entry", "text": "A", "seconds": 0}, 400, "seconds"),
        ("/show", {"camera": "entry", "text": "", "seconds": 1}, 400, "text"),
        ("/show", {"camera": "entry", "text": "A", "seconds": 1, "look": {"ink": "pink"}}, 400, "look.ink"),
        ("/show", {"camera": "entry", "text": "A", "seconds": 1, "extra": 1}, 400, "extra"),
        ("/show", "no object", 400, "object"),
        ("/other", {}, 404, "/show or /clear"),
    ],
)
def test_a_wrong_request_is_refused_with_what_is_wrong(
    server: CameraServer, path: str, body: object, status: int, why: str
) -> None:
    answer, error = ask(server, "POST", path, body)
    assert answer == status
    assert why in json.loads(error)["error"]


def test_an_unknown_camera_names_those_that_exist(server: CameraServer) -> None:
    assert ask(server, "GET", "/back.mjpg") == (404, b'{"error": "cameras here: entry, exit"}')


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_ends_cleanly_while_somebody_watches(number: signal.Signals) -> None:
    argv = [sys.executable, "-m", "simulators.cameras.server", "--port", "0", "--names", "entry"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().split(":")[2].split("/")[0])
        with socket.create_connection(("127.0.0.1", port)) as viewer:
            viewer.sendall(b"GET /entry.mjpg HTTP/1.1\r\nHost: x\r\n\r\n")
            assert viewer.recv(100).startswith(b"HTTP/1.1 200 OK")
            process.send_signal(number)
            assert process.wait(3) == 0
        assert process.communicate() == ("", "")


def test_a_taken_port_says_which_and_what_to_do(server: CameraServer) -> None:
    argv = [sys.executable, "-m", "simulators.cameras.server", "--port", str(server.port)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 3
    assert done.stderr.startswith(f"Port {server.port} on 127.0.0.1 is taken")
    assert "--port" in done.stderr


def test_the_process_serves_rtsp_too_and_says_where() -> None:
    argv = [sys.executable, "-m", "simulators.cameras.server", "--port", "0", "--names", "entry"]
    with subprocess.Popen(
        [*argv, "--rtsp-port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(2)]
        port = int(lines[1].split(":")[2].split("/")[0])
        with socket.create_connection(("127.0.0.1", port)) as viewer:
            viewer.sendall(f"DESCRIBE {lines[1]} RTSP/1.0\r\nCSeq: 2\r\n\r\n".encode())
            answer = viewer.recv(1000).decode()
            assert answer.startswith("RTSP/1.0 200 OK\r\nCSeq: 2\r\n")
            assert "a=rtpmap:26 JPEG/90000" in answer
            viewer.sendall(f"DESCRIBE {lines[1]}x RTSP/1.0\r\nCSeq: 3\r\n\r\n".encode())
            assert viewer.recv(1000).startswith(b"RTSP/1.0 404")
            udp = "Transport: RTP/AVP;unicast;client_port=5000-5001"
            viewer.sendall(f"SETUP {lines[1]}/track1 RTSP/1.0\r\nCSeq: 4\r\n{udp}\r\n\r\n".encode())
            assert viewer.recv(1000).startswith(b"RTSP/1.0 461")
            process.terminate()
            assert process.wait(3) == 0
        assert process.communicate() == ("", "")
