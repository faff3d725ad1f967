"""The centre as a process gives out links and serves the page that opens them."""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from controller.api import PassRequest
from controller.config import load_centre
from controller.init import DemoPlan, create_demo
from controller.issuer_keys import load_key_set, load_keys
from controller.issuing import Issuer
from controller.phone.enrolment import Enrolment
from tests.brokers import free_port
from tests.real.controller.centre import SITE, centre_at
from tests.real.controller.test_daemon import running
from tests.real.phone.test_enrolment import ORDER, body

pytestmark = pytest.mark.real


def test_a_running_centre_turns_a_link_into_a_pass(tmp_path: Path) -> None:
    plan = DemoPlan(folder=tmp_path / "demo", web_port=free_port(), broker_port=free_port())
    create_demo(plan, now=datetime.now(UTC))
    toml = plan.folder / "centre.toml"
    named = '[web]\npublic_url = "https://gate.example.com"\n'
    toml.write_text(toml.read_text("utf-8").replace("[web]\n", named), "utf-8")
    token = (plan.folder / "keys" / "api.token").read_text()
    with (
        running(plan),
        httpx2.Client(base_url=f"http://127.0.0.1:{plan.web_port}", trust_env=False) as client,
    ):
        assert "/p/pass.js" in client.get("/p").text
        bearer = {"Authorization": f"Bearer {token}"}
        made = client.post("/api/v1/enrolments", json=ORDER, headers=bearer).json()
        link = made["link"]
        assert made["url"] == f"https://gate.example.com{link}"
        hosts = ("gate.example.com", "gate.example.com:443", "other.example.com")
        assert [client.get("/p", headers={"Host": host}).status_code for host in hosts] == [200, 200, 421]
        secret, own = link.partition("#")[2], {"Sec-Fetch-Site": "same-origin"}
        challenge = client.post("/p/look", json={"secret": secret}, headers=own).json()["challenge"]
        taken = client.post("/p/enrol", json=body(secret, challenge), headers=own)
        assert (taken.status_code, taken.json()["pass_hex"][:2]) == (200, "84")


def test_a_running_centre_forgets_the_orders_of_links_that_are_over(tmp_path: Path) -> None:
    plan = DemoPlan(folder=tmp_path / "demo", web_port=free_port(), broker_port=free_port())
    create_demo(plan, now=datetime.now(UTC))
    config = load_centre(plan.folder / "centre.toml")
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    with centre_at(config.database_path) as centre:
        centre.clock.time = long_ago
        issuer = Issuer(
            site=config.sites[SITE],
            keys=load_keys(config.keys_dir, SITE),
            published=load_key_set(config.sites[SITE].keyset, SITE),
            pepper=b"p" * 32,
            store=centre.store,
            clock=centre.clock,
            random_bytes=os.urandom,
        )
        links = Enrolment(
            store=centre.store, issuers={SITE: issuer}, clock=centre.clock, random_bytes=os.urandom
        )
        links.offer(PassRequest(**ORDER), site=SITE, life=timedelta(minutes=1))
        links.offer(PassRequest(**ORDER), site=SITE, life=timedelta(hours=2))

    def names_kept() -> int:
        with closing(sqlite3.connect(config.database_path)) as database:
            (count,) = database.execute(
                "select count(*) from enrolment where ordered like '%李雷%'"
            ).fetchone()
            return int(count)

    assert names_kept() == 2
    with running(plan):
        pass  # it was forgotten before the centre served, or as it stopped
    assert names_kept() == 1
