"""The simulated SMS gateway over real HTTP."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from random import Random
from typing import Any

import pytest

from shell.clock import SystemClock
from simulators import sms_gateway
from simulators.sms_gateway import Outage, SmsGateway, SmsServer, parse_outage
from tests.brokers import free_port
from tests.waiting import until

pytestmark = pytest.mark.real
GOOD = {"to": "+8613800138000", "text": "【阳光物业】快递员超时未离开", "key": "incident-1/step-0/p-1"}


@contextmanager
def running(gateway: SmsGateway) -> Iterator[int]:
    server = SmsServer(gateway, 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def port() -> Iterator[int]:
    with running(SmsGateway(clock=SystemClock(), rng=Random(7))) as number:
        yield number


def ask(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def send(port: int, value: Any) -> tuple[int, Any]:
    status, text = ask(port, "POST", "/api/send", json.dumps(value).encode())
    return status, json.loads(text)


def inbox(port: int) -> list[dict[str, str]]:
    status, text = ask(port, "GET", "/api/inbox")
    assert status == 200
    found: list[dict[str, str]] = json.loads(text)
    return found


def test_a_message_is_accepted_and_listed(port: int) -> None:
    assert send(port, GOOD) == (200, {"id": "sms-000001", "accepted": True})
    (listed,) = inbox(port)
    assert {name: listed[name] for name in GOOD} == GOOD
    assert listed["id"] == "sms-000001"
    assert listed["at"].endswith("Z")


def test_a_repeated_key_is_the_same_message_and_another_key_is_not(port: int) -> None:
    first, again, other = (
        send(port, GOOD),
        send(port, GOOD),
        send(port, {**GOOD, "key": "incident-1/step-1/p-1"}),
    )
    assert first == again
    assert [sms["id"] for sms in inbox(port)] == [other[1]["id"], first[1]["id"]]


@pytest.mark.parametrize(
    "wrong",
    [
        {**GOOD, "to": "13800138000"},
        {**GOOD, "to": 8613800138000},
        {**GOOD, "text": ""},
        {**GOOD, "text": "x" * 1001},
        {**GOOD, "key": ""},
        {"to": "+8613800138000"},
        [],
        None,
    ],
)
def test_a_wrong_message_is_refused_for_good_with_the_reason(port: int, wrong: Any) -> None:
    status, answer = send(port, wrong)
    assert (status, answer["accepted"]) == (422, False)
    assert answer["error"]
    assert inbox(port) == []


def test_bodies_are_bounded_and_other_paths_do_not_exist(port: int) -> None:
    assert ask(port, "POST", "/api/send", b"", **{"Content-Length": "99999999"})[0] == 413
    assert ask(port, "POST", "/api/send", None, **{"Content-Length": "many"})[0] == 411
    assert ask(port, "POST", "/api/send", b"\xff{")[0] == 422
    assert ask(port, "POST", "/else", b"{}")[0] == 404
    assert ask(port, "GET", "/else")[0] == 404


def test_the_page_shows_the_newest_first_and_escapes_what_it_shows(port: int) -> None:
    assert "No messages yet" in ask(port, "GET", "/")[1]
    send(port, GOOD)
    send(port, {**GOOD, "key": "<i>", "text": "<script>alert(1)</script>"})
    page = ask(port, "GET", "/")[1]
    assert "<script" not in page
    assert "<i>" not in page
    assert page.index("&lt;script&gt;alert(1)&lt;/script&gt;") < page.index(GOOD["text"])


def test_the_inbox_forgets_the_oldest_beyond_its_bound(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setattr(sms_gateway, "INBOX_MAX", 3)
    for number in range(5):
        send(port, {**GOOD, "key": str(number)})
    assert [sms["key"] for sms in inbox(port)] == ["4", "3", "2"]


def test_faults_follow_the_seed_and_a_patient_sender_gets_every_message_through_once() -> None:
    def run() -> list[int]:
        statuses = []
        with running(SmsGateway(clock=SystemClock(), rng=Random(7), fail_rate=0.5)) as port:
            for number in range(20):
                status = 0
                while status != 200:
                    status, answer = send(port, {**GOOD, "key": str(number)})
                    statuses.append(status)
                    assert answer["accepted"] is (status == 200)
            assert sorted(int(sms["key"]) for sms in inbox(port)) == list(range(20))
        return statuses

    first = run()
    assert set(first) == {200, 503}
    assert run() == first


def test_an_outage_ends() -> None:
    class Hand(SystemClock):
        at_s = 0.0

        def monotonic_s(self) -> float:
            return self.at_s

    clock = Hand()
    gateway = SmsGateway(clock=clock, rng=Random(7), outages=(Outage(from_s=20, to_s=50),))
    with running(gateway) as port:
        seen = []
        for clock.at_s in (0.0, 20.0, 49.0, 50.0):
            seen.append(send(port, GOOD)[0])
    assert seen == [200, 503, 503, 200]


def test_an_outage_is_written_as_a_range_of_seconds() -> None:
    assert parse_outage("20-50.5") == Outage(from_s=20, to_s=50.5)
    for wrong in ("", "20", "50-20", "a-b", "5-5"):
        with pytest.raises(ValueError, match="20-50"):
            parse_outage(wrong)


def test_it_runs_as_a_process_and_sigterm_ends_it_in_order() -> None:
    port = free_port()
    argv = [sys.executable, "-m", "simulators.sms_gateway", "--port", str(port)]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == f"SMS inbox: http://127.0.0.1:{port}/\n"
        until(lambda: send(port, GOOD)[0] == 200)
        taken = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20)
        assert (taken.returncode, "--port" in taken.stderr) == (1, True)
        process.terminate()
        assert process.wait(10) == 0
