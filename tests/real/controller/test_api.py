import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from controller.api import BODY_BYTES_MAX, api_router
from controller.console import Console
from controller.units import load_units
from controller.web.app import create_console
from passes.check import Verified, check
from shell.pages.server import PageServer
from tests.real.controller.centre import NOON, Journal
from tests.real.controller.demo import HOLDER, Demo, demo_at

pytestmark = pytest.mark.real
TOKEN = "t" * 43
PASS = {
    "name": "李雷",
    "phone": "13800138001",
    "category": "courier",
    "unit": 12,
    "valid_minutes": 60,
    "gates": [0],
}


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    with demo_at(tmp_path / "demo") as made:
        yield made


@pytest.fixture
def client(demo: Demo) -> Iterator[httpx2.Client]:
    store, clock = demo.centre.store, demo.centre.clock
    units = {site.id: load_units(site.units) for site in demo.config.sites.values()}
    console = Console(store=store, clock=clock, config=demo.config, units=units)
    router = api_router(
        token=TOKEN, store=store, clock=clock, issuers={7: demo.issuer}, changed=console.changed
    )
    server = PageServer(create_console(console, clock=clock, routers=[router]), port=0, setting="none")
    server.start()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    try:
        with httpx2.Client(base_url=server.url, headers=headers, trust_env=False) as made:
            yield made
    finally:
        server.stop()


def test_a_static_pass_comes_as_text_and_a_phones_pass_as_bytes(client: httpx2.Client, demo: Demo) -> None:
    paper = client.post("/api/v1/passes", json={**PASS, "static": True})
    assert paper.status_code == 201
    answer = paper.json()
    checked = check(answer["text"], demo.keys, now=NOON)
    assert isinstance(checked, Verified)
    assert answer == {
        "pass_id": checked.claims.pass_id,
        "person": checked.claims.person,
        "colour": "blue",
        "expires_at": "2026-11-22T05:00:00.000Z",
        "text": answer["text"],
    }
    phone = client.post("/api/v1/passes", json={**PASS, "holder_key": HOLDER.hex()}).json()
    assert set(phone) == {"pass_id", "person", "colour", "expires_at", "pass_hex"}
    assert bytes.fromhex(phone["pass_hex"])[0] == 0x84


@pytest.mark.parametrize(
    (
        "header",
        "to_a_post",
    ),  # one without any bearer token is taken for a foreign page's, and refused as such
    [({}, 403), ({"Authorization": "Bearer wrong"}, 401), ({"Authorization": TOKEN}, 403)],
)
def test_without_the_token_nothing_is_answered_nor_read(
    client: httpx2.Client, header: dict[str, str], to_a_post: int
) -> None:
    del client.headers["Authorization"]
    assert client.get("/api/v1/status", headers=header).status_code == 401
    refused = client.post("/api/v1/passes", content=b"x" * 10_000, headers=header)
    assert refused.status_code == to_a_post


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"static": True, "unit": 65_536}, 422),
        ({"static": True, "colour": "green"}, 422),
        ({"static": True, "category": "burglar"}, 422),
        ({"static": True, "valid_minutes": 721}, 422),
        ({"static": True, "unit": "12"}, 422),
        ({"static": True, "site": 8}, 422),
        ({"holder_key": "02"}, 422),
        ({}, 422),
        ({"name": "x" * BODY_BYTES_MAX}, 413),
    ],
)
def test_a_bad_order_is_refused(client: httpx2.Client, changed: dict[str, Any], status: int) -> None:
    assert client.post("/api/v1/passes", json={**PASS, **changed}).status_code == status


def test_the_body_needs_a_length(client: httpx2.Client) -> None:
    assert client.post("/api/v1/passes", content=iter([b"{}"])).status_code == 411


def test_chunks_beside_a_small_length_are_not_read(client: httpx2.Client) -> None:
    head = (
        "POST /api/v1/passes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: {client.headers['Authorization']}\r\nContent-Length: 2\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=5) as sent:
        sent.sendall(head.encode() + b"8000\r\n" + b" " * 0x8000)  # and never an end
        assert sent.recv(64).startswith((b"HTTP/1.1 411", b"HTTP/1.1 400"))


def test_a_person_who_is_red_is_a_conflict(client: httpx2.Client, demo: Demo) -> None:
    person = client.post("/api/v1/passes", json={**PASS, "static": True}).json()["person"]
    journal = Journal()
    journal.entry(NOON, minutes=1, person=person)
    demo.centre.receive(journal.sent())
    demo.centre.clock.pass_by(90)
    refused = client.post("/api/v1/passes", json={**PASS, "static": True})
    assert (refused.status_code, refused.json()["detail"]["field"]) == (409, "phone")


def test_the_status_counts_what_is_there(client: httpx2.Client, demo: Demo) -> None:
    journal = Journal()
    journal.entry(NOON)
    journal.rows.append("poison")
    demo.centre.receive(journal.sent())
    assert client.get("/api/v1/status").json() == {
        "events": 1,
        "journals": [{"site": 7, "gate": "south", "epoch": "e" * 16, "upto": 2}],
        "visits": 1,
        "inside": 1,
        "overstays": 0,
        "overstays_open": 0,
        "passes": 0,
        "sms_accepted": 0,
        "sms_waiting": 0,
        "dead_letters": 1,
        "conflicts": 0,
    }


@pytest.mark.parametrize("body", ['{"name": 1e999}', '{"name": "\\ud800"}', '{"phone": {"a": [1e400]}}', "["])
def test_a_body_that_cannot_even_be_quoted_is_refused_like_any_other(
    client: httpx2.Client, body: str
) -> None:
    answer = client.post(
        "/api/v1/passes",
        content=body,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 422
    assert "input" not in answer.json()["detail"][0]
