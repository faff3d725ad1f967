"""Passes made and withdrawn with the real command, shown to the real gate by the demo's cameras."""

import json
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from threading import Event
from typing import Any

import pytest

from edge.bundles import FILE as BUNDLE_FILE
from passes.bundle import Bundle, open_state, split_bundle
from passes.claims import decode_claims
from passes.gp1 import SignedPass, from_text, open_body
from passes.keys import KeySetFile
from passes.trust import STATUS_USE, keys_for
from passes.vocabulary import ClockTrust, PassStatus
from shell.clock import SystemClock
from simulators.phone import Phone
from simulators.site import Site, free_ports
from tests.waiting import until

pytestmark = pytest.mark.real

SEED = 41
UP_S = 8.0  # held up until it was answered; the camera is cleared by the next code
LOOK = {"medium": "phone", "ink": "black", "colour": "blue", "difficulty": "easy"}
PAPER = {"medium": "paper", "ink": "black", "colour": "blue", "difficulty": "easy"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("shell") / "demo", ports=free_ports(), seed=SEED, embedded="amqtt")
    try:
        made.prepare()
        made.start_all(Event())
        yield made
    finally:
        made.stop()


def controller(site: Site, *arguments: str) -> dict[str, Any]:
    """What ``postern-controller pass`` says with ``--json``."""
    command = [sys.executable, "-m", "controller.cli", "pass", *arguments]
    command += ["--config", str(site.folder / "centre.toml"), "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 0, ended.stderr
    said: dict[str, Any] = json.loads(ended.stdout)
    return said


def issue(site: Site, number: int, *, category: str = "courier", key: bytes | None = None) -> dict[str, Any]:
    """One pass of a new person: on paper, or for the phone that has ``key``."""
    person = ["--name", "李雷", "--phone", f"1380013{number:04d}", "--unit", "12"]
    kind = ["--static"] if key is None else ["--holder-key", key.hex()]
    return controller(site, "issue", "--category", category, *person, *kind)


def events(site: Site, kind: str, pass_id: str) -> list[dict[str, Any]]:
    """What the gate's journal says of this pass."""
    with closing(sqlite3.connect(site.folder / "south" / "journal.db")) as journal:
        rows = journal.execute("select body from event where kind = ? order by seq", (kind,)).fetchall()
    found = [json.loads(body)["data"] for (body,) in rows]
    return [data for data in found if data.get("pass_id") == pass_id]


def answer(site: Site, pass_id: str, text: str, *, lane: str = "entry", look: dict[str, Any]) -> Any:
    """Hold the code up at a lane that is free; the gate's new decision about this pass."""
    until(lambda: lane_state(site, lane) == "ready", what=f"a free lane {lane}")
    before = len(events(site, "decision", pass_id))
    site.show(lane, text, UP_S, look)
    decision = until(lambda: events(site, "decision", pass_id)[before:], what="a decision")[0]
    return decision["outcome"], decision.get("reason")


def lane_state(site: Site, lane: str) -> str | None:
    status = site.gate_status()
    return next((one["state"] for one in status["lanes"] if one["name"] == lane), None) if status else None


def bundle(site: Site) -> Bundle:
    """What the gate keeps on its disk."""
    data = (site.folder / "south" / BUNDLE_FILE).read_bytes()
    parts = split_bundle(data)
    assert isinstance(parts, tuple)
    keys = KeySetFile.model_validate_json((site.folder / "keyset.json").read_text("utf-8"))
    now = SystemClock().now()
    opened = open_state(parts.state, keys_for(STATUS_USE, keys), now=now, trust=ClockTrust.TRUSTED)
    assert isinstance(opened, Bundle)
    return opened


def revoke_and_tell(site: Site, issued: dict[str, Any]) -> None:
    """Withdraw a pass, and wait until the gate keeps a bundle that says so; no bundle made since then may not."""
    body, before = open_body(from_text(issued["text"])), bundle(site)
    assert isinstance(body, SignedPass)
    index = decode_claims(body.payload).status
    assert before.status_of(index) is PassStatus.VALID
    why = ["--by", "王芳", "--reason", "host cancelled", "--yes"]
    at = datetime.fromisoformat(controller(site, "revoke", issued["pass_id"], *why)["at"])
    seen = {before.seq: before}

    def told() -> bool:
        held = bundle(site)
        return seen.setdefault(held.seq, held).status_of(index) is PassStatus.INVALID

    until(told, what="the bundle")
    late = [one for one in seen.values() if one.issued_at > at.timestamp()]
    assert all(one.status_of(index) is PassStatus.INVALID for one in late)


def walked(site: Site, pass_id: str) -> list[str]:
    return [passage["direction"] for passage in events(site, "passage", pass_id)]


def test_passes_of_the_shell_open_the_demos_lanes_and_a_revoked_one_is_refused_within_one_bundle(
    site: Site,
) -> None:
    phone = Phone()
    with ThreadPoolExecutor(max_workers=2) as pool:  # each command takes a second to start
        orders = [
            pool.submit(issue, site, 1),
            pool.submit(issue, site, 2, category="invited", key=phone.public_key),
            pool.submit(issue, site, 3),
        ]
        used, bound, lost = (order.result() for order in orders)
    phone.keep(bytes.fromhex(bound["pass_hex"]))

    # Paper and phone open the lane, and somebody walks through.
    assert answer(site, used["pass_id"], used["text"], look=PAPER) == ("grant", None)
    until(lambda: walked(site, used["pass_id"]) == ["entry"], what="the passage")
    assert answer(site, bound["pass_id"], phone.code(int(time.time())), look=LOOK) == ("grant", None)
    until(lambda: walked(site, bound["pass_id"]) == ["entry"], what="the passage")
    assert answer(site, used["pass_id"], used["text"], lane="exit", look=PAPER) == ("grant", None)

    # A pass that nobody used yet is withdrawn: the first bundle after that says so, and the lane stays shut.
    revoke_and_tell(site, lost)
    assert answer(site, lost["pass_id"], lost["text"], look=PAPER) == ("deny", "revoked")
    assert walked(site, lost["pass_id"]) == []

    # The centre has it all.
    visits = until(
        lambda: controller(site, "show", used["pass_id"])["visits"], what="the visit at the centre"
    )
    assert [visit["entry_gate"] for visit in visits] == ["south"]


def test_nobody_else_on_the_machine_reads_the_data_of_gate_and_centre(site: Site) -> None:
    folders = [site.folder / "south", site.folder / "centre"]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}
    databases = [path for folder in folders for path in folder.glob("*.db*")]
    assert len(databases) >= 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in databases} == {0o600}
