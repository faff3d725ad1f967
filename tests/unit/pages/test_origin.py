"""Whom a page server answers, and from whom it takes commands."""

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from controller.web.app import create_console
from shell.pages.headers import SECURITY_HEADERS
from shell.pages.origin import host_name
from simulators import staged_pages as staged


def app_with_a_command() -> FastAPI:
    router = APIRouter()

    @router.post("/api/v1/open")
    def open_gate() -> dict[str, bool]:
        return {"opened": True}

    source = staged.StagedConsole(staged.busy_centre())
    return create_console(source, clock=staged.StillClock(), hosts=["gate-south.lan"], routers=[router])


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(app_with_a_command(), base_url="http://localhost:8080")


@pytest.mark.parametrize(
    "host", ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "192.168.1.7", "Gate-South.LAN:80"]
)
def test_its_own_names_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:8080", "", "127.0.0.1.nip.example", "[::1].evil"]
)
def test_a_foreign_name_is_refused_so_rebinding_reads_nothing(client: TestClient, host: str) -> None:
    answer = client.get("/", headers={"host": host})
    assert (answer.status_code, "Sunny Garden" in answer.text) == (421, False)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "same-origin"},
        {"origin": "http://localhost:8080"},
        {"authorization": "Bearer 0123456789abcdef"},
    ],
    ids=["own page", "own page of an old browser", "script with a token"],
)
def test_a_command_from_an_own_page_or_with_a_token_is_taken(
    client: TestClient, headers: dict[str, str]
) -> None:
    assert client.post("/api/v1/open", headers=headers).json() == {"opened": True}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://localhost:8080"},
        {"sec-fetch-site": "cross-site", "authorization": "Bearer 0123456789abcdef"},
        {"origin": "http://evil.example"},
        {"origin": "http://localhost:9999"},
        {"origin": "null"},
    ],
)
def test_a_command_from_anywhere_else_is_refused(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.post("/api/v1/open", headers=headers)
    assert (answer.status_code, "opened" in answer.text) == (403, False)


def test_every_answer_carries_the_security_headers(client: TestClient) -> None:
    for path, code in (("/", 200), ("/static/kit/tokens.css", 200), ("/nothing", 404)):
        answer = client.get(path)
        assert answer.status_code == code
        assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    refused = client.get("/", headers={"host": "evil.example"})
    assert {name: refused.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS


def test_pages_are_never_stored_and_static_files_are_checked_each_time(client: TestClient) -> None:
    assert client.get("/").headers["cache-control"] == "no-store"
    assert client.get("/static/own/console.css").headers["cache-control"] == "no-cache"


def test_no_page_asks_for_anything_from_outside(client: TestClient) -> None:
    text = client.get("/").text
    assert "http://" not in text and "https://" not in text
    assert "<style" not in text and " style=" not in text and "onclick" not in text
    assert text.count("<script") == 1 and 'src="/static/own/console.js' in text


def test_a_host_is_read_without_port_and_brackets() -> None:
    assert [host_name(host) for host in ("A.b:80", "[::1]:80", "a.", "", "[::1].evil", "a@b")] == [
        "a.b",
        "::1",
        "a",
        "",
        "",
        "",
    ]
