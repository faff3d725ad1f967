"""``postern-edge walkin`` and a running gate whose centre is away: real daemon, cameras, boards and socket."""

import json
import shlex
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from controller.cli import app as centre_app
from edge.cli import app
from edge.control import SOCKET
from edge.vision.reader import Reader
from shell.control import RefusedError, ask
from simulators.site import Site, free_ports
from tests.waiting import until

pytestmark = pytest.mark.real
WHO = ("--category", "food", "--unit", "3-1202", "--by", "王强", "--reason", "已致电业主")
LOOK = {"medium": "paper", "ink": "black", "colour": "blue", "difficulty": "easy"}
FIELDS = {
    *("pass_id", "category", "colour", "unit", "room", "gates", "issued_at", "expires_at", "stay_minutes"),
    *("leave_by", "phone_last4", "by", "reason", "certificate_until", "red_known", "text"),
}


def edge(site: Site, *arguments: str | Path) -> Result:
    """The command in this process: the gate that it asks is another one."""
    return asked(site.folder / "gate.toml", *arguments)


def asked(config: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments), "--config", str(config)], color=True)


class Story(NamedTuple):
    """A site whose centre has gone away, the pass that was issued before, and what the centre's status was last."""

    site: Site
    issued: dict[str, Any]
    centre: dict[str, Any]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A gate that was enrolled and certified before its centre went away; its guard confirms printed passes."""
    made = Site(tmp_path_factory.mktemp("walkin") / "demo", ports=free_ports(), seed=5, embedded="amqtt")
    made.prepare()
    config = made.folder / "gate.toml"
    text = config.read_text("utf-8").replace("static_needs_guard = false", "static_needs_guard = true")
    config.write_text(text, "utf-8")
    try:
        for part in ("cameras", "boards", "centre", "gate"):
            made.start(part)
        until(lambda: made.centre_status() is not None, within_s=40, what="the centre")
        enrolled = json.loads(edge(made, "enroll", "--json").stdout)
        command = shlex.split(enrolled["command"])[1:-1]  # without its first word, and the name to fill in
        carried = str(tmp_path_factory.mktemp("stick") / "site-7-walkin.secret")
        command = [carried if word == "site-7-walkin.secret" else word for word in command]
        done = CliRunner().invoke(
            centre_app, [*command, "王芳", "--yes", "--config", str(made.folder / "centre.toml")]
        )
        assert done.exit_code == 0, done.stderr
        may = lambda: edge(made, "walkin", "issue", *WHO, "--dry-run").exit_code == 0  # noqa: E731
        until(may, within_s=40, what="the certificate at the gate")
        until(lambda: lane_state(made) == {"entry": "ready", "exit": "ready"}, within_s=20, what="the lanes")
        issued = json.loads(edge(made, "walkin", "issue", *WHO, "--json").stdout)
        status = until(lambda: centre_with_all_rows(made), within_s=40, what="the centre's receipt")
        made.kill("centre")
        yield Story(made, issued, status)
    finally:
        made.stop()


@pytest.fixture
def site(story: Story) -> Site:
    return story.site


def centre_with_all_rows(site: Site) -> dict[str, Any] | None:
    """The centre's status, once it has receipted the gate's newest row."""
    with closing(sqlite3.connect(site.folder / "south" / "journal.db")) as journal:
        (newest,) = journal.execute("select max(seq) from event").fetchone()
    status = site.centre_status()
    return status if status and [one["upto"] for one in status["journals"]] == [newest] else None


def lane_state(site: Site) -> dict[str, str] | None:
    status = site.gate_status()
    return {one["name"]: one["state"] for one in status["lanes"]} if status else None


def rows(site: Site, pass_id: str) -> list[tuple[str, dict[str, Any]]]:
    """What the journal says of this pass, in order."""
    with closing(sqlite3.connect(site.folder / "south" / "journal.db")) as journal:
        found = journal.execute("select kind, body from event order by seq").fetchall()
    events = [(kind, json.loads(body)["data"]) for kind, body in found]
    return [(kind, data) for kind, data in events if data.get("pass_id") == pass_id]


def kinds(site: Site, pass_id: str) -> list[str]:
    return [kind for kind, _ in rows(site, pass_id)]


def last_row(site: Site) -> int:
    with closing(sqlite3.connect(site.folder / "south" / "journal.db")) as journal:
        (found,) = journal.execute("select max(seq) from event where kind <> 'device'").fetchone()
    return int(found)


def test_the_centre_took_the_registration_as_an_event_like_others(story: Story) -> None:
    assert kinds(story.site, story.issued["pass_id"]) == ["registration"]
    assert (story.centre["dead_letters"], story.centre["conflicts"]) == (0, 0)


def test_issued_by_the_command_shown_to_the_camera_the_lane_opens_and_all_of_it_is_recorded(
    site: Site, tmp_path: Path
) -> None:
    slip = tmp_path / "slip.png"
    command = [sys.executable, "-m", "edge.cli", "walkin", "issue", *WHO, "--phone", "138 0013 8001"]
    command += ["--out", str(slip), "--json", "--config", str(site.folder / "gate.toml")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    assert set(said) == FIELDS
    assert (said["room"], said["unit"], said["colour"], said["gates"]) == ("3-1202", 12, "blue", [0])
    assert (said["phone_last4"], said["by"], said["stay_minutes"]) == ("8001", "王强", 30)
    assert said["red_known"] == "gate" and "RED of this number is known at this gate alone" in ended.stderr
    image = cv2.imread(str(slip))
    assert image is not None
    (code,) = Reader().read(np.asarray(image, dtype=np.uint8))
    assert code.text == said["text"]

    site.show("entry", code.text, 8.0, LOOK)
    until(lambda: kinds(site, said["pass_id"])[1:] == ["decision", "passage"], what="decision and passage")
    (_, registration), (_, decision), (_, passage) = rows(site, said["pass_id"])
    assert (registration["by"], registration["phone_last4"]) == ("王强", "8001")
    assert (decision["outcome"], decision["lane"]) == ("grant", "entry")
    assert passage["direction"] == "entry"

    until(lambda: lane_state(site) == {"entry": "ready", "exit": "ready"}, what="free lanes")
    site.show("exit", code.text, 8.0, LOOK)
    until(lambda: kinds(site, said["pass_id"])[3:] == ["decision", "passage"], what="the way out")
    (_, left) = rows(site, said["pass_id"])[-1]
    assert (left["direction"], left["stay_id"]) == ("exit", passage["stay_id"])


def test_without_out_the_code_stands_in_the_terminal_and_the_words_below_it(site: Site) -> None:
    ended = edge(site, "walkin", "issue", *WHO)
    assert ended.exit_code == 0, ended.stderr
    assert "\x1b[38;5;16;48;5;231m" in ended.stdout
    facts = dict(line.split("  ", 1) for line in ended.stdout.splitlines() if not line.startswith("\x1b"))
    assert (facts["unit"].strip(), facts["category"].strip()) == ("3-1202", "外卖 Food delivery")
    assert facts["text"].strip().startswith("GP1:")


@pytest.mark.parametrize("kind", [".svg", ".png", ".txt"])
def test_a_slip_is_the_owners_alone_names_nobody_and_is_not_written_over(
    site: Site, tmp_path: Path, kind: str
) -> None:
    slip = tmp_path / f"slip{kind}"
    assert edge(site, "walkin", "issue", *WHO, "--out", slip).exit_code == 0
    data = slip.read_bytes()
    assert stat.S_IMODE(slip.stat().st_mode) == 0o600
    assert not any(word.encode() in data for word in ("3-1202", "王强", "业主", "south"))
    if kind == ".svg":
        shown = ("蓝码 BLUE", "阳光花园 · 南门 South gate", "外卖 Food delivery", "有效至 Valid until")
        assert all(word.encode() in data for word in shown)
    before = last_row(site)
    again = edge(site, "walkin", "issue", *WHO, "--out", slip)
    assert (again.exit_code, slip.read_bytes(), last_row(site)) == (4, data, before)
    assert "--force" in again.stderr
    assert edge(site, "walkin", "issue", *WHO, "--out", slip, "--force").exit_code == 0
    assert slip.read_bytes() != data


def test_a_dry_run_records_nothing(site: Site) -> None:
    before = last_row(site)
    ended = edge(site, "walkin", "issue", *WHO, "--dry-run", "--json")
    said = json.loads(ended.stdout)
    assert (ended.exit_code, said["text"], last_row(site)) == (0, None, before)
    assert said["red_known"] is None and "known at this gate alone" not in ended.stderr
    assert datetime.fromisoformat(said["expires_at"]) > datetime.fromisoformat(said["issued_at"])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (("--category", "resident"), "category: 写下列之一 write one of: courier, food"),
        (("--unit", "9-9999"), "unit: 本门房号表中没有 the directory of this gate"),
        (("--phone", "12345"), "phone: 写手机号，如 13800138000"),
        (("--stay", "0"), "stay_minutes: "),
        (("--by", " "), "by: 写保安姓名"),
        (("--reason", "two\nlines"), "reason: 写登记原因，一行，最多 200 字 write why, on one line"),
    ],
)
def test_wrong_words_end_with_2_name_the_field_and_record_nothing(
    site: Site, wrong: tuple[str, ...], says: str
) -> None:
    before = last_row(site)
    ended = edge(site, "walkin", "issue", *WHO, *wrong, "--json")
    assert ended.exit_code == 2
    assert says in ended.stderr and "12345" not in ended.stderr and "\\x" not in ended.stderr
    assert json.loads(ended.stdout)["error"] == "bad_request"
    assert last_row(site) == before


def test_a_refusal_ends_with_1_and_says_what_to_do(site: Site) -> None:
    ended = edge(site, "walkin", "issue", *WHO, "--stay", "31", "--json")
    assert ended.exit_code == 1
    assert json.loads(ended.stdout) == {
        "error": "stay_too_long",
        "problem": "停留时间超出小区规定 The stay is longer than the site's rule: 外卖 Food delivery, 30 分钟 minutes",
        "next": "不写 --stay，或写短一些 Leave --stay out, or ask for less",
    }


def test_a_unit_is_found_by_its_index_too(site: Site) -> None:
    ended = edge(site, "walkin", "issue", *WHO, "--unit", "12", "--dry-run", "--json")
    assert json.loads(ended.stdout)["room"] == "3-1202"


def test_programs_ask_the_socket_themselves(site: Site) -> None:
    path = site.folder / "south" / SOCKET
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    order = {"do": "walkin_issue", "category": "courier", "unit": 12, "by": "王强", "reason": "快递"}
    assert set(ask(path, order, within_s=10)) == FIELDS
    before = last_row(site)
    for field, value in (
        ("colour", "green"),
        ("unit", 12.5),
        ("unit", ["12"]),
        ("by", "王\u202e强"),
        ("by", "\ud800"),
        ("reason", "x" * 201),
        ("phone", 13800138001),
        ("phone", "1" * 41),
        ("stay_minutes", "10"),
        ("stay_minutes", True),
        ("dry_run", 1),
    ):
        with pytest.raises(RefusedError, match=field) as refused:
            ask(path, order | {field: value}, within_s=10)
        assert refused.value.code == "bad_request"
    assert last_row(site) == before


def test_without_a_gate_it_ends_with_3_and_says_how_to_start_one(tmp_path: Path, site: Site) -> None:
    config = tmp_path / "gate.toml"
    text = (site.folder / "gate.toml").read_text("utf-8").replace('data_dir = "south"', 'data_dir = "none"')
    config.write_text(text, "utf-8")
    ended = asked(config, "walkin", "issue", *WHO)
    assert ended.exit_code == 3
    assert "postern-edge run" in ended.stderr
