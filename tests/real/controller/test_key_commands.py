"""``postern-controller site keys`` with the interface on a real socket, and a gate that reads the bundles."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from controller import schema
from controller.issuer_keys import create_private, load_key_set
from controller.key_changes import KeyFiles, rotate
from controller.site_keys import ROOT_FILE, SIGNED_SUFFIX, load_config_key, sign_key_set
from passes.check import Verified, check
from passes.gp1 import SignedPass, from_text, open_body
from passes.vocabulary import Reason
from shell.clock import SystemClock
from tests.brokers import free_port
from tests.real.controller.centre import NOON, SITE
from tests.real.controller.demo import order
from tests.real.controller.hearing import Gate
from tests.real.controller.serving import Served, served_at

pytestmark = pytest.mark.real
WHO = ("--by", "王芳", "--reason", "laptop stolen")
DAY_S = 24 * 3600


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with served_at(tmp_path / "demo") as made:
        made.demo.centre.clock.pass_by(
            (SystemClock().now() - NOON).total_seconds()
        )  # the commands live today
        yield made


def keys(served: Served, *arguments: str) -> dict[str, Any]:
    done = served.run("site", "keys", *arguments, "--json")
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def kid(served: Served, name: str) -> str:
    return next(str(row["kid"]) for row in keys(served, "list")["keys"] if row["name"] == name)


def paper(served: Served) -> str:
    text = served.demo.issuer.issue(order(static=True)).text()
    assert text is not None
    return text


def snapshot(served: Served) -> dict[str, bytes]:
    files = [*(served.folder / "keys").iterdir(), *served.folder.glob("keyset.*")]
    return {path.name: path.read_bytes() for path in files}


def test_the_list_names_each_key_its_state_and_what_it_signed(served: Served) -> None:
    paper(served)
    found = keys(served, "list")
    assert (found["site"], found["seq"], found["signed"]) == (7, 1, True)
    rows = [(row["name"], row["state"], row["private_here"], row["live_passes"]) for row in found["keys"]]
    assert rows == [
        ("resident", "valid", True, 0),
        ("visitor", "valid", True, 1),
        ("status", "valid", True, 0),
        ("config", "valid", True, 0),
        ("root", "valid", True, 0),
    ]
    table = served.run("site", "keys", "list")
    assert table.stdout.count("private key here") == 5
    assert "safe" in table.stderr  # the root key lies beside the others


def test_gates_know_a_rotated_key_before_its_first_use_and_the_old_passes_stay_good(served: Served) -> None:
    gate, old = Gate(served), paper(served)
    assert keys(served, "rotate", "visitor")["seq"] == 2
    gate.hears()
    assert gate.holding.key_set.seq == 2
    before = paper(served)
    assert key_of(before) == key_of(old)
    served.demo.centre.clock.pass_by(DAY_S + 180)
    after = paper(served)
    assert key_of(after) != key_of(old)
    assert [gate.reads(text) for text in (old, before, after)] == [None, None, None]
    served.demo.centre.clock.pass_by(7 * DAY_S)
    assert [gate.reads(text) for text in (old, after)] == [Reason.UNKNOWN_KEY, None]


def key_of(text: str) -> bytes:
    opened = open_body(from_text(text))
    assert isinstance(opened, SignedPass)
    return opened.protected


def test_a_second_rotation_waits_for_the_first(served: Served) -> None:
    keys(served, "rotate", "visitor")
    again = served.run("site", "keys", "rotate", "visitor")
    assert again.exit_code == 4
    assert keys(served, "rotate", "resident")["seq"] == 3


def test_a_gate_refuses_what_a_compromised_key_signed_and_takes_what_its_successor_signs(
    served: Served,
) -> None:
    gate, stolen, old = Gate(served), kid(served, "visitor"), paper(served)
    gate.hears()
    assert gate.reads(old) is None
    done = keys(served, "compromise", stolen, *WHO, "--yes")
    assert done["published"] and stolen not in done["keys"]
    assert "1 visitor passes" in done["consequences"][0]
    gate.hears()
    assert gate.reads(old) is Reason.UNKNOWN_KEY
    assert gate.reads(paper(served)) is None
    assert (served.folder / "keys" / "site-7-visitor.pem.withdrawn").exists()
    with served.demo.centre.store.transaction() as connection:
        noted = connection.execute(
            select(schema.audit.c.actor, schema.audit.c.action, schema.audit.c.detail)
        ).all()
    assert [tuple(row) for row in noted] == [("王芳", "key_set", "laptop stolen")]


def test_a_compromised_status_key_is_replaced_and_gates_follow(served: Served) -> None:
    gate, text = Gate(served), paper(served)
    keys(served, "compromise", kid(served, "status"), *WHO, "--yes")
    gate.hears()
    assert gate.holding.bundle is not None and gate.holding.key_set.seq == 2
    assert gate.reads(text) is None


@pytest.mark.parametrize("command", ["rotate", "compromise"])
def test_a_config_key_is_replaced_at_once_and_no_pass_is_touched(served: Served, command: str) -> None:
    gate, text, old = Gate(served), paper(served), kid(served, "config")
    done = keys(
        served, *(("rotate", "config") if command == "rotate" else ("compromise", old, *WHO, "--yes"))
    )
    assert done["published"] and old not in done["keys"]
    assert kid(served, "config") != old
    held = load_config_key(served.folder / "keys", SITE, load_key_set(served.folder / "keyset.json", SITE))
    assert held is not None and held.key.kid.hex() == kid(served, "config")
    assert (served.folder / "keys" / "site-7-config.pem.withdrawn").exists()
    gate.hears()
    assert (gate.holding.key_set.seq, gate.reads(text)) == (2, None)


def without_config_key(served: Served) -> None:
    """As a site was before there were walk-ins."""
    keyset = served.folder / "keyset.json"
    held = load_key_set(keyset, SITE)
    older = held.model_copy(update={"keys": [entry for entry in held.keys if entry.use != "config"]})
    files = KeyFiles(SITE, served.folder / "keys", keyset, served.folder / "keys" / ROOT_FILE)
    keyset.write_text(older.model_dump_json(), "utf-8")
    files.sign(older, files.load_root(older))
    (served.folder / "keys" / "site-7-config.pem").unlink()


def test_a_site_that_was_made_without_a_config_key_gets_one_by_rotating(served: Served) -> None:
    without_config_key(served)
    before = load_key_set(served.folder / "keyset.json", SITE)
    assert load_config_key(served.folder / "keys", SITE, before) is None
    assert keys(served, "rotate", "config")["seq"] == 2
    after = load_key_set(served.folder / "keyset.json", SITE)
    assert load_config_key(served.folder / "keys", SITE, after) is not None
    assert served.demo.issuer.published == after


def test_a_config_key_of_a_change_that_was_cut_short_is_put_aside(served: Served) -> None:
    without_config_key(served)
    create_private(served.folder / "keys" / "site-7-config.pem")
    held = load_key_set(served.folder / "keyset.json", SITE)
    assert load_config_key(served.folder / "keys", SITE, held) is None
    assert keys(served, "rotate", "config")["published"] is True
    held = load_key_set(served.folder / "keyset.json", SITE)
    assert load_config_key(served.folder / "keys", SITE, held) is not None


def test_with_a_moment_the_key_stays_and_what_it_signed_before_dies(served: Served) -> None:
    gate, misused, old = Gate(served), kid(served, "visitor"), paper(served)
    gate.hears()
    served.demo.centre.clock.pass_by(60)
    moment = served.demo.centre.clock.now().replace(tzinfo=None, microsecond=0)
    tried = served.run("site", "keys", "compromise", misused, "--at", f"{moment:%Y-%m-%dT%H:%M:%S}", *WHO)
    assert tried.exit_code == 0, tried.stderr
    assert "any date" in tried.stderr  # not for a copied key
    gate.hears()
    bundle, young = gate.holding.bundle, paper(served)
    assert bundle is not None
    found = [check(text, gate.holding.keys, now=served.demo.centre.clock.now()) for text in (old, young)]
    assert [isinstance(one, Verified) and bundle.refused_before(one.claims, one.kid) for one in found] == [
        True,
        False,
    ]


def test_the_root_cannot_be_withdrawn_by_what_it_signs(served: Served) -> None:
    before = snapshot(served)
    done = served.run("site", "keys", "compromise", kid(served, "root"), *WHO, "--yes")
    assert (done.exit_code, snapshot(served)) == (4, before)
    assert "docs/keys.md" in done.stderr


@pytest.mark.parametrize(
    "command", [("rotate", "visitor"), ("rotate", "config"), ("publish",), ("compromise", "KEYID", *WHO)]
)
def test_a_dry_run_changes_no_file_and_publishes_nothing(served: Served, command: tuple[str, ...]) -> None:
    before, visitor = snapshot(served), kid(served, "visitor")
    arguments = [visitor if word == "KEYID" else word for word in command]
    assert keys(served, *arguments, "--dry-run")["published"] is False
    assert snapshot(served) == before
    assert served.demo.issuer.published.seq == 1


def test_without_the_root_key_nothing_is_changed(served: Served, tmp_path: Path) -> None:
    root = served.folder / "keys" / ROOT_FILE
    away = root.rename(tmp_path / "stick.pem")
    before = snapshot(served)
    done = served.run("site", "keys", "rotate", "visitor")
    assert (done.exit_code, snapshot(served)) == (2, before)
    assert "--root" in done.stderr
    wrong = served.run(
        "site", "keys", "rotate", "visitor", "--root", str(served.folder / "keys/site-7-visitor.pem")
    )
    assert (wrong.exit_code, snapshot(served)) == (2, before)
    assert keys(served, "rotate", "visitor", "--root", str(away))["published"] is True


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("rotate", "status"), 1),
        (("compromise", "00000000", *WHO, "--yes"), 1),
        (("compromise", "00000000", "--at", "2026-11-22T00:00:00", *WHO, "--yes"), 1),
        (("compromise", "00000000", "--by", "王芳"), 2),
        (("list", "--site", "8"), 2),
    ],
)
def test_what_cannot_be_done_changes_nothing(served: Served, command: tuple[str, ...], code: int) -> None:
    before = snapshot(served)
    assert (served.run("site", "keys", *command).exit_code, snapshot(served)) == (code, before)


def test_a_change_while_the_centre_is_away_is_written_and_published_later(served: Served) -> None:
    toml = served.folder / "centre.toml"
    running = toml.read_text("utf-8")
    port = running.partition("[web]")[2].partition("port = ")[2].partition("\n")[0]
    toml.write_text(running.replace(f"port = {port}", f"port = {free_port()}"), "utf-8")
    away = served.run("site", "keys", "rotate", "visitor", "--json")
    assert away.exit_code == 3
    assert json.loads(away.stdout)["published"] is False
    assert served.demo.issuer.published.seq == 1
    toml.write_text(running, "utf-8")
    assert keys(served, "publish")["published"] is True
    assert served.demo.issuer.published.seq == 2


def test_a_change_that_was_cut_short_between_its_two_files_is_finished(served: Served) -> None:
    held = load_key_set(served.folder / "keyset.json", SITE)
    files = KeyFiles(
        SITE, served.folder / "keys", served.folder / "keyset.json", served.folder / "keys" / ROOT_FILE
    )
    change = rotate(held, "visitor", now=SystemClock().now(), lead=timedelta(hours=1))
    signed = sign_key_set(change.key_set, files.load_root(held))
    (served.folder / "keyset.json").with_suffix(SIGNED_SUFFIX).write_bytes(signed)
    assert keys(served, "publish")["seq"] == 2
    assert load_key_set(served.folder / "keyset.json", SITE) == change.key_set


def test_an_older_key_set_is_not_taken_over(served: Served) -> None:
    first = {name: (served.folder / name).read_bytes() for name in ("keyset.json", "keyset.signed")}
    keys(served, "rotate", "visitor")
    for name, data in first.items():
        (served.folder / name).write_bytes(data)
    done = served.run("site", "keys", "publish")
    assert done.exit_code == 1
    assert served.demo.issuer.published.seq == 2
