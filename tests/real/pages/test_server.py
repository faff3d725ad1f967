"""The page server over real sockets."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI
from structlog.testing import capture_logs

from edge.kiosk.app import create_kiosk
from shell.pages.app import page_app
from shell.pages.server import AddressError, PageServer, PageServerError, PortTakenError
from shell.pages.stream import EventHub
from shell.pages.templates import KIT_STATIC
from simulators import staged_pages as staged
from tests.real.pages.conftest import Serves
from tests.waiting import until

pytestmark = pytest.mark.real


def kiosk() -> tuple[FastAPI, staged.StagedKiosk]:
    source = staged.StagedKiosk(staged.busy_gate())
    return create_kiosk(source, clock=staged.StillClock()), source


@contextmanager
def open_stream(server: PageServer, *, last: int | None = None) -> Iterator[http.client.HTTPResponse]:
    with closing(http.client.HTTPConnection("localhost", server.port, timeout=5)) as connection:
        connection.request(
            "GET", "/events?after=0", headers={} if last is None else {"Last-Event-ID": str(last)}
        )
        with connection.getresponse() as answer:
            assert answer.status == 200
            yield answer


def read_until(answer: http.client.HTTPResponse, text: str) -> list[str]:
    lines: list[str] = []
    while not any(text in line for line in lines):
        line = answer.readline()
        assert line, f"the stream ended before {text!r}"
        lines.append(line.decode().rstrip("\n"))
    return lines


def test_a_taken_port_is_named_with_the_setting_to_change(serves: Serves) -> None:
    first = serves(kiosk()[0])
    with pytest.raises(PortTakenError) as caught:
        PageServer(kiosk()[0], port=first.port, setting="[kiosk] port in gate.toml")
    assert f"Port {first.port} on 127.0.0.1 is taken" in str(caught.value)
    assert "set [kiosk] port in gate.toml to a free port" in str(caught.value)


def test_an_address_of_another_machine_is_refused_by_name() -> None:
    with pytest.raises(AddressError, match=r"192\.0\.2\.1 port 0"):
        PageServer(kiosk()[0], host="192.0.2.1", port=0, setting="[web] port")


def test_it_stops_within_a_second_with_streams_open_and_frees_the_port(serves: Serves) -> None:
    app, source = kiosk()
    server = serves(app)
    with ExitStack() as stack:
        streams = [stack.enter_context(open_stream(server)) for _ in range(3)]
        until(lambda: app.state.hub.open_pages == 3, what="three open streams")
        stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))  # says nothing at all
        began_s = time.monotonic()
        server.stop()
        assert time.monotonic() - began_s < 1.0
        assert [stream.read()[:11] for stream in streams] == [b"retry: 1000"] * 3
    assert not [thread for thread in threading.enumerate() if thread.name == f"pages-{server.port}"]
    serves(kiosk()[0], port=server.port)
    source.push(staged.green())  # the gate goes on without its screen


def test_a_stream_continues_behind_the_event_that_the_page_names(serves: Serves) -> None:
    app, source = kiosk()
    server = serves(app)
    for verdict in (staged.green(), staged.blue(), staged.red()):
        source.push(verdict)  # 513, 514, 515
    with open_stream(server, last=513) as stream:
        lines = read_until(stream, "id: 515")
        assert [line for line in lines if line.startswith("id: ")] == ["id: 514", "id: 515"]
        source.push(staged.refused())
        assert "id: 516" in read_until(stream, "id: 516")


def test_a_page_that_is_ahead_of_a_journal_begun_anew_still_gets_verdicts(serves: Serves) -> None:
    app, source = kiosk()
    server = serves(app)
    with open_stream(server, last=99_999) as stream:
        read_until(stream, "hello")
        source.push(staged.green())
        lines = read_until(stream, "id: 513")
    data = json.loads(next(line for line in lines if line.startswith('data: {"seq"'))[6:])
    assert (data["seq"], data["age_s"], "请通行" in data["card"]) == (513, 0.0, True)


def test_a_page_that_does_not_read_is_cut_off_and_the_server_still_stops_at_once(serves: Serves) -> None:
    app, source = kiosk()
    server = serves(app)
    with socket.create_connection(("127.0.0.1", server.port)) as deaf:
        deaf.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: app.state.hub.open_pages == 1, what="an open stream")
        long = replace(staged.refused(), room="房" * 100_000)

        def push_until_dropped() -> bool:
            source.push(long)
            return bool(app.state.hub.open_pages == 0)

        until(push_until_dropped, what="the page that does not read being dropped")
        began_s = time.monotonic()
        server.stop()
        assert time.monotonic() - began_s < 1.0


def test_an_application_that_cannot_start_says_so() -> None:
    def follow() -> None:
        raise LookupError("no gate")

    app = page_app(title="broken", static=KIT_STATIC, hub=EventHub(dict), follow=follow)  # type: ignore[arg-type]
    server = PageServer(app, port=0, setting="[kiosk] port")
    with pytest.raises(PageServerError, match=f"The pages on port {server.port} did not start"):
        server.start()


def test_i17_a_page_that_fails_is_logged_without_what_the_error_quotes(
    serves: Serves, tmp_path: Path
) -> None:
    router = APIRouter()

    @router.get("/broken")
    def broken() -> None:
        raise ValueError("+442071838750")

    app = page_app(
        title="x", static=tmp_path, hub=EventHub(dict), follow=lambda: lambda: None, routers=[router]
    )
    with capture_logs() as lines:
        server = serves(app)
        with closing(http.client.HTTPConnection("localhost", server.port, timeout=5)) as connection:
            connection.request("GET", "/broken")
            assert connection.getresponse().status == 500
    assert [line for line in lines if line["event"] == "page failed"] == [
        {
            "part": "pages",
            "event": "page failed",
            "path": "/broken",
            "error": "ValueError",
            "log_level": "error",
        }
    ]
