"""The control socket: what it answers, whom it serves, what hostile clients can do to it, and how it ends."""

import json
import os
import random
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from shell.control import (
    CONNECTIONS_MAX,
    LINE_BYTES_MAX,
    ControlError,
    ControlServer,
    NoAnswerError,
    NotRunningError,
    RefusedError,
    RequestError,
    SocketTakenError,
    ask,
    may_ask,
)
from tests.waiting import until

pytestmark = pytest.mark.real
WITHIN_S = 5.0


def double(request: Mapping[str, Any]) -> dict[str, Any]:
    number = request.get("number")
    if not isinstance(number, int):
        raise RequestError("bad_request", "number: must be whole", field="number")
    return {"number": 2 * number}


def fail(_: Mapping[str, Any]) -> dict[str, Any]:
    raise KeyError("a mistake of ours")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def server(path: Path) -> Iterator[ControlServer]:
    served = ControlServer(path, {"double": double, "fail": fail}, within_s=WITHIN_S)
    served.start()
    yield served
    served.stop()


def raw(path: Path, data: bytes, *, end: bool = True) -> dict[str, Any]:
    """What the server answers to these bytes, sent by a client that does not care for rules."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(WITHIN_S)
        client.connect(str(path))
        try:
            client.sendall(data)
            if end:
                client.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        with client.makefile("rb") as answers:
            answer = answers.readline()
    parsed = json.loads(answer)
    assert isinstance(parsed, dict)
    return parsed


def test_a_request_is_answered_by_the_handler_of_its_name(server: ControlServer, path: Path) -> None:
    assert ask(path, {"do": "double", "number": 21}, within_s=WITHIN_S) == {"number": 42}


def test_a_refusal_comes_with_its_code_its_sentence_and_its_details(
    server: ControlServer, path: Path
) -> None:
    with pytest.raises(RefusedError) as refused:
        ask(path, {"do": "double", "number": "x"}, within_s=WITHIN_S)
    assert (refused.value.code, str(refused.value)) == ("bad_request", "number: must be whole")
    assert refused.value.details == {"field": "number"}


def test_an_unknown_name_is_told_which_there_are(server: ControlServer, path: Path) -> None:
    with pytest.raises(RefusedError, match="double, fail") as refused:
        ask(path, {"do": "open_sesame"}, within_s=WITHIN_S)
    assert refused.value.code == "unknown_request"


def test_a_mistake_in_a_handler_is_an_answer_and_not_the_end(server: ControlServer, path: Path) -> None:
    with pytest.raises(RefusedError) as refused:
        ask(path, {"do": "fail"}, within_s=WITHIN_S)
    assert refused.value.code == "internal"
    assert "mistake" not in str(refused.value)
    assert ask(path, {"do": "double", "number": 1}, within_s=WITHIN_S) == {"number": 2}


def test_only_its_user_may_use_the_file_and_only_root_besides_is_served(
    server: ControlServer, path: Path
) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [may_ask(uid, 1000) for uid in (1000, 0, 1001)] == [True, True, False]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_refused_even_when_the_file_lets_him_in() -> None:
    script = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        "sys.stdout.write(s.makefile().readline())"
    )
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    with tempfile.TemporaryDirectory() as folder:  # the folders of pytest are closed to others
        Path(folder).chmod(0o711)
        served = ControlServer(Path(folder) / "control.sock", {"double": double})
        served.start()
        served.path.chmod(0o666)
        try:
            command = [python, "-c", script, str(served.path)]
            ended = subprocess.run(
                command, capture_output=True, timeout=30, check=False, user=65_534, cwd="/"
            )
        finally:
            served.stop()
    assert ended.stderr == b""
    assert json.loads(ended.stdout)["error"] == "not_allowed"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not_whole"),
        (b'{"do": "double"', "not_whole"),
        (b"\n", "not_json"),
        (b"\xff\xfe\x00\n", "not_json"),
        (b"[1, 2]\n", "not_json"),
        (b"null\n", "not_json"),
        (b"[" * 50_000 + b"\n", "not_json"),
        (b'{"do": ' + b"9" * 10_000 + b"}\n", "not_json"),
        (b'{"do": ["double"]}\n', "unknown_request"),
        (b'{"do": "\\ud800"}\n', "unknown_request"),
        (b"GET / HTTP/1.1\r\n\r\n", "not_json"),
        (b"x" * (LINE_BYTES_MAX - 1) + b"\n", "not_json"),
        (b"x" * LINE_BYTES_MAX + b"\n", "too_large"),
        (b"x" * 1_000_000, "too_large"),
    ],
)
def test_hostile_bytes_get_a_clear_answer_and_the_next_client_is_served(
    server: ControlServer, path: Path, data: bytes, code: str
) -> None:
    answer = raw(path, data)
    assert (answer["ok"], answer["error"]) == (False, code)
    assert ask(path, {"do": "double", "number": 2}, within_s=WITHIN_S) == {"number": 4}


def test_random_bytes_never_end_the_server(server: ControlServer, path: Path) -> None:
    rng = random.Random(20)
    for _ in range(200):
        assert raw(path, rng.randbytes(rng.randrange(200)) + b"\n")["ok"] is False
    assert ask(path, {"do": "double", "number": 3}, within_s=WITHIN_S) == {"number": 6}


def test_a_client_that_sends_too_slowly_is_told_and_dropped(path: Path) -> None:
    served = ControlServer(path, {"double": double}, within_s=0.2)
    served.start()
    try:
        assert raw(path, b'{"do": ', end=False)["error"] == "too_slow"
    finally:
        served.stop()


def test_more_clients_than_it_serves_are_told_busy_and_served_later(
    server: ControlServer, path: Path
) -> None:
    waiting = [socket.socket(socket.AF_UNIX) for _ in range(CONNECTIONS_MAX)]
    for client in waiting:
        client.connect(str(path))
    assert raw(path, b"", end=False)["error"] == "busy"
    for client in waiting:
        client.close()
    answer = until(
        lambda: (found := raw(path, b'{"do": "double", "number": 4}\n'))["ok"] and found, what="a place"
    )
    assert answer["number"] == 8


def test_clients_beside_each_other_each_get_their_own_answer(server: ControlServer, path: Path) -> None:
    found: dict[int, int] = {}

    def one(number: int) -> None:
        found[number] = ask(path, {"do": "double", "number": number}, within_s=WITHIN_S)["number"]

    threads = [threading.Thread(target=one, args=(number,)) for number in range(CONNECTIONS_MAX)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: 2 * number for number in range(CONNECTIONS_MAX)}


def test_stopping_leaves_a_file_that_another_process_put_in_its_place(path: Path) -> None:
    served = ControlServer(path, {"double": double})
    served.start()
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        served.stop()
        assert stat.S_ISSOCK(path.stat().st_mode)


def test_a_daemon_whose_queue_is_full_was_not_asked(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as deaf, socket.socket(socket.AF_UNIX) as first:
        deaf.bind(str(path))
        deaf.listen(0)
        first.connect(str(path))
        with pytest.raises(RefusedError, match="nothing was done") as refused:
            ask(path, {"do": "double", "number": 1}, within_s=0.2)
    assert refused.value.code == "busy"


def test_a_file_that_no_daemon_can_be_asked_at_says_that_nothing_was_done(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(path))
        with pytest.raises(ControlError, match="nothing was done") as failed:
            ask(path, {"do": "double", "number": 1}, within_s=0.2)
    assert not isinstance(failed.value, NoAnswerError)


def test_a_refusal_of_any_length_is_told_in_one_line(path: Path) -> None:
    def refuse(request: Mapping[str, Any]) -> dict[str, Any]:
        raise RequestError("bad_request", "\u4e00\U0001f600" * 20_000)

    served = ControlServer(path, {"refuse": refuse})
    served.start()
    try:
        with pytest.raises(RefusedError, match="\u4e00") as refused:
            ask(path, {"do": "refuse"}, within_s=WITHIN_S)
    finally:
        served.stop()
    assert refused.value.code == "bad_request"


def test_stopping_removes_the_file_and_waits_for_no_idle_client(path: Path) -> None:
    served = ControlServer(path, {"double": double}, within_s=60)
    served.start()
    with socket.socket(socket.AF_UNIX) as idle:
        idle.connect(str(path))
        served.stop()
    assert not path.exists()
    with pytest.raises(NotRunningError, match="start the daemon"):
        ask(path, {"do": "double", "number": 1}, within_s=1)


def test_a_request_that_is_being_handled_when_it_stops_is_answered(path: Path) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slow(_: Mapping[str, Any]) -> dict[str, Any]:
        entered.set()
        assert go_on.wait(WITHIN_S)
        return {"done": True}

    served = ControlServer(path, {"slow": slow})
    served.start()
    found: list[dict[str, Any]] = []
    asking = threading.Thread(target=lambda: found.append(ask(path, {"do": "slow"}, within_s=WITHIN_S)))
    asking.start()
    assert entered.wait(WITHIN_S)
    stopping = threading.Thread(target=served.stop)
    stopping.start()
    go_on.set()
    stopping.join()
    asking.join()
    assert found == [{"done": True}]


def test_no_answer_in_time_is_told_apart_from_no_daemon(path: Path) -> None:
    go_on = threading.Event()

    def slow(_: Mapping[str, Any]) -> dict[str, Any]:
        go_on.wait(WITHIN_S)
        return {}

    served = ControlServer(path, {"slow": slow})
    served.start()
    try:
        with pytest.raises(NoAnswerError, match=r"within 0\.1 s"):
            ask(path, {"do": "slow"}, within_s=0.1)
    finally:
        go_on.set()
        served.stop()


def test_the_file_that_a_killed_daemon_left_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    served = ControlServer(path, {"double": double})
    served.start()
    try:
        assert ask(path, {"do": "double", "number": 5}, within_s=WITHIN_S) == {"number": 10}
    finally:
        served.stop()


def test_a_living_daemon_is_not_pushed_aside(server: ControlServer, path: Path) -> None:
    second = ControlServer(path, {})
    with pytest.raises(SocketTakenError, match="Another process answers"):
        second.start()
    second.stop()
    assert ask(path, {"do": "double", "number": 6}, within_s=WITHIN_S) == {"number": 12}


def test_a_file_that_is_no_socket_is_left_as_it_is(path: Path) -> None:
    path.write_text("the guard's notes")
    second = ControlServer(path, {})
    with pytest.raises(SocketTakenError, match="is not a socket"):
        second.start()
    second.stop()
    assert path.read_text() == "the guard's notes"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    served = ControlServer(tmp_path / "none" / "control.sock", {})
    with pytest.raises(ControlError, match=r"none/control\.sock cannot be made"):
        served.start()
    served.stop()


def test_a_path_longer_than_the_kernel_takes_works_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    served = ControlServer(folder / "control.sock", {"double": double})
    served.start()
    try:
        assert ask(folder / "control.sock", {"do": "double", "number": 7}, within_s=WITHIN_S) == {
            "number": 14
        }
    finally:
        served.stop()
    assert list(folder.iterdir()) == []
