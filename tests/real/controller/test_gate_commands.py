"""``postern-controller gate``: enrolled on a real socket, certified in the bundle, believed by a gate's own code."""

import json
import re
import shlex
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from controller import gate_cli, keys_cli, schema
from controller.bundles import BundlePublisher, load_signer
from controller.commands_cli import COMMANDS
from controller.gate_keys import Enrolment
from controller.issuer_keys import load_key_set, load_private
from passes.bundle import BUNDLE_BYTES_MAX
from passes.gp1 import to_text
from passes.keys import ed25519_public, key_id
from passes.vocabulary import Category, ClockTrust, Reason
from passes.walkin import CATEGORIES
from shell.clock import SystemClock
from tests.brokers import free_port
from tests.minting import Mint, claims
from tests.real.controller.centre import NOON, SITE
from tests.real.controller.demo import order
from tests.real.controller.hearing import Gate
from tests.real.controller.serving import Served, served_at

pytestmark = pytest.mark.real
BOX = Mint(secret=b"\x71" * 32)
SPARE = Mint(secret=b"\x72" * 32)
WHO = ("--by", "王芳")
WHY = (*WHO, "--reason", "box stolen")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with served_at(tmp_path / "demo") as made:
        made.demo.centre.clock.pass_by((SystemClock().now() - NOON).total_seconds())
        yield made


def kid(mint: Mint) -> str:
    return key_id(mint.public).hex()


def enrol(served: Served, mint: Mint = BOX, *more: str, categories: str = "food,courier") -> dict[str, Any]:
    done = served.run(*asked(mint, categories), *more, "--json")
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def asked(mint: Mint = BOX, categories: str = "food,courier") -> tuple[str, ...]:
    named = ("--number", "0", "--name", "south", "--key", mint.public.hex())
    return ("gate", "enroll", *named, "--categories", categories, *WHO)


def listed(served: Served) -> list[dict[str, Any]]:
    done = served.run("gate", "list", "--json")
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["site"] == SITE
    return list(found["gates"])


def slip(served: Served, mint: Mint = BOX, **changes: Any) -> str:
    """A walk-in pass that this gate key signed now."""
    now = int(served.demo.centre.clock.now().timestamp())
    fitting = {"gates": 1, "status": 0, "entries": 1, "not_before": now, "expires_at": now + 3600}
    return to_text(mint.sealed(claims(**fitting | changes)))


def deeds(served: Served) -> list[tuple[str, str]]:
    return [(actor, action) for actor, action in served.demo.centre.rows(schema.audit, "actor", "action")]


def ends(served: Served) -> datetime:
    return datetime.fromisoformat(listed(served)[0]["certified_until"])


def test_a_gate_that_was_enrolled_issues_what_every_gate_accepts(served: Served) -> None:
    gate = Gate(served)
    gate.hears()
    assert gate.reads(slip(served)) is Reason.UNKNOWN_KEY
    done = enrol(served)
    assert (done["kid"], done["state"], done["certified_until"]) == (kid(BOX), "waits", None)
    gate.hears()
    assert gate.reads(slip(served)) is None
    assert gate.reads(slip(served, category=Category.SERVICE)) is Reason.UNKNOWN_KEY
    assert gate.reads(slip(served, SPARE)) is Reason.UNKNOWN_KEY
    assert deeds(served) == [("王芳", "gate_enrolled"), ("centre", "gate_certified")]


def test_the_list_names_gate_key_categories_and_the_end_of_the_certificate(served: Served) -> None:
    assert listed(served) == []
    assert "no gate" in served.run("gate", "list").stderr
    enrol(served)
    assert "no certificate yet" in served.run("gate", "list").stdout
    served.publisher.look()
    (row,) = listed(served)
    assert (row["kid"], row["number"], row["name"], row["enrolled_by"]) == (kid(BOX), 0, "south", "王芳")
    assert row["state"] == "certified"
    assert row["categories"] == ["courier", "food"]
    left = ends(served) - served.demo.centre.clock.now()
    assert timedelta(hours=23, minutes=49) < left < timedelta(hours=24)
    assert f"certified until {row['certified_until']}" in served.run("gate", "list").stdout


def test_k13_a_withdrawn_gate_is_out_with_the_next_bundle_and_never_comes_back(served: Served) -> None:
    gate = Gate(served)
    enrol(served)
    enrol(served, SPARE)
    gate.hears()
    assert [gate.reads(slip(served, mint)) for mint in (BOX, SPARE)] == [None, None]
    done = served.run("gate", "withdraw", kid(BOX), *WHY, "--json")
    assert done.exit_code == 0, done.stderr
    gate.hears()
    assert [gate.reads(slip(served, mint)) for mint in (BOX, SPARE)] == [Reason.UNKNOWN_KEY, None]
    again = served.run("gate", "withdraw", kid(BOX), "--by", "李雷", "--reason", "again", "--json")
    assert json.loads(again.stdout)["withdrawn_by"] == "王芳"
    assert [row["state"] for row in listed(served)] == ["certified", "withdrawn"]
    assert served.run(*asked()).exit_code == 1
    assert "withdrawn" in served.run("gate", "list").stdout
    assert deeds(served).count(("王芳", "gate_withdrawn")) == 1


def test_a_certificate_is_renewed_below_eighteen_hours_and_lives_a_day_at_most(served: Served) -> None:
    gate, clock = Gate(served), served.demo.centre.clock
    enrol(served)
    gate.hears()
    first, old = ends(served), slip(served)
    clock.pass_by(5 * 3600)
    gate.hears()
    assert ends(served) == first
    assert gate.reads(slip(served)) is None
    clock.pass_by(3600)
    gate.hears()
    assert ends(served) - first == timedelta(hours=6)
    later = int(first.timestamp()) + 60  # beyond the first certificate
    assert gate.reads(slip(served, not_before=later - 3600, expires_at=later)) is None
    assert gate.reads(old) is None  # its key is the same
    assert deeds(served).count(("centre", "gate_certified")) == 2


def test_a_gate_without_news_believes_a_walk_in_key_until_its_certificate_ends(served: Served) -> None:
    gate = Gate(served)
    enrol(served)
    gate.hears()
    served.demo.centre.clock.pass_by((ends(served) - served.demo.centre.clock.now()).total_seconds() - 1)
    assert gate.reads(slip(served)) is Reason.UNKNOWN_KEY  # it would outlive the certificate
    end = int(ends(served).timestamp())
    last: dict[str, Any] = {"expires_at": end, "not_before": end - 60}
    assert gate.reads(slip(served, **last)) is None
    served.demo.centre.clock.pass_by(1)
    assert gate.reads(slip(served, **last)) is Reason.UNKNOWN_KEY


def test_a_certificate_survives_a_restart(served: Served) -> None:
    gate, centre = Gate(served), served.demo.centre
    enrol(served)
    gate.hears()
    assert gate.holding.bundle is not None
    held = gate.holding.bundle.walkin
    centre.store.close()
    centre.reopen()
    site = served.demo.config.sites[SITE]
    signer = load_signer(served.demo.config.keys_dir, site.keyset, load_key_set(site.keyset, SITE))
    served.publisher = BundlePublisher(
        centre.store, centre.clock, [signer], lambda _topic, data: served.sent.append(data)
    )
    gate.hears()
    assert gate.holding.bundle.walkin == held
    assert len(held) == 1
    assert deeds(served).count(("centre", "gate_certified")) == 1


def test_while_the_centre_doubts_its_clock_it_signs_nothing_and_keeps_what_there_is(served: Served) -> None:
    gate, clock = Gate(served), served.demo.centre.clock
    enrol(served)
    gate.hears()
    clock.trusted = ClockTrust.UNTRUSTED
    enrol(served, SPARE)
    clock.pass_by(7 * 3600)
    gate.hears()
    assert [gate.reads(slip(served, mint)) for mint in (BOX, SPARE)] == [None, Reason.UNKNOWN_KEY]
    clock.trusted = ClockTrust.TRUSTED
    clock.pass_by(1)
    gate.hears()
    assert [gate.reads(slip(served, mint)) for mint in (BOX, SPARE)] == [None, None]


def test_a_certificate_from_a_clock_that_was_ahead_is_replaced(served: Served) -> None:
    gate, clock = Gate(served), served.demo.centre.clock
    enrol(served)
    clock.pass_by(3 * 24 * 3600)
    served.publisher.look()
    ahead = ends(served)
    clock.pass_by(-3 * 24 * 3600)
    gate.hears()
    assert ends(served) < ahead
    assert gate.reads(slip(served)) is None


def test_after_the_config_key_changed_the_next_bundle_has_certificates_by_the_new_one(served: Served) -> None:
    gate = Gate(served)
    enrol(served)
    gate.hears()
    old, before = slip(served), served.demo.centre.rows(schema.gate_key, "signed_by")
    assert served.run("site", "keys", "rotate", "config", "--json").exit_code == 0
    gate.hears()
    assert gate.holding.key_set.seq == 2
    assert gate.reads(old) is None
    assert served.demo.centre.rows(schema.gate_key, "signed_by") != before


def test_without_categories_a_gate_may_issue_all_walk_ins_and_no_other_pass(served: Served) -> None:
    gate = Gate(served)
    named = ("--number", "0", "--name", "south", "--key", BOX.public.hex())
    assert served.run("gate", "enroll", *named, *WHO).exit_code == 0
    gate.hears()
    taken = {category for category in Category if gate.reads(slip(served, category=category)) is None}
    assert taken == CATEGORIES


def test_other_words_for_a_living_key_change_what_it_may_issue(served: Served) -> None:
    gate = Gate(served)
    enrol(served, categories="food,courier")
    gate.hears()
    enrol(served, categories="courier")
    gate.hears()
    food = slip(served, category=Category.FOOD)
    assert [gate.reads(text) for text in (slip(served), food)] == [None, Reason.UNKNOWN_KEY]


def test_a_third_key_of_one_gate_waits_until_one_is_withdrawn(served: Served) -> None:
    third = Mint(secret=b"\x73" * 32)
    enrol(served)
    enrol(served, SPARE)
    refused = served.run(*asked(third))
    assert refused.exit_code == 1
    assert kid(BOX) in refused.stderr
    assert served.run("gate", "withdraw", kid(BOX), *WHY).exit_code == 0
    assert enrol(served, third)["kid"] == kid(third)


def test_eight_gates_with_two_keys_each_fit_a_bundle(served: Served) -> None:
    for number in range(8):
        for turn in range(2):
            public = Mint(secret=bytes([0x80 + 2 * number + turn]) * 32).public
            asked_for = Enrolment(number=number, name="south", public=public, categories=CATEGORIES)
            served.gates.enrol(SITE, asked_for, by="王芳")
    gate = Gate(served)
    gate.hears()
    assert gate.holding.bundle is not None
    assert len(gate.holding.bundle.walkin) == 16
    assert len(served.sent[-1]) < 8192 < BUNDLE_BYTES_MAX


@pytest.mark.parametrize("name", ["visitor", "status", "config"])
def test_k13_a_key_of_the_key_set_is_never_enrolled(served: Served, name: str) -> None:
    public = ed25519_public(load_private(served.folder / "keys" / f"site-7-{name}.pem"))
    named = ("--number", "0", "--name", "south", "--key", public.hex(), "--categories", "food")
    done = served.run("gate", "enroll", *named, *WHO)
    assert done.exit_code == 1
    assert "key set" in done.stderr
    assert listed(served) == []


WRONG: list[tuple[tuple[str, ...], int]] = [
    (asked(categories="food,resident"), 2),
    (asked(categories="invited"), 2),
    (asked(categories=","), 2),
    ((*asked(), "--key", "ab"), 2),
    ((*asked(), "--name", "South Gate"), 2),
    ((*asked(), "--number", "8"), 2),
    ((*asked(), "--site", "8"), 2),
    (asked()[:-2], 2),
    (("gate", "withdraw", "00000000", *WHY), 1),
    (("gate", "withdraw", "nonsense", *WHY), 2),
    (("gate", "withdraw", "00000000", *WHO), 2),
    (("gate", "list", "--site", "8"), 2),
]


def test_what_cannot_be_done_changes_nothing(served: Served) -> None:
    for arguments, code in WRONG:
        done = served.run(*arguments)
        assert done.exit_code == code, (arguments, done.stderr)
    assert (listed(served), deeds(served)) == ([], [])


def test_the_interface_refuses_other_categories_too(served: Served) -> None:
    """The command is not the only way in."""
    gates = served.gates
    assert gates.has(SITE) and not gates.has(8)
    for words in ({"categories": ["resident"]}, {"categories": ["nobody"]}, {"number": 8}):
        assert served.post("/sites/7/gate-keys", enrolment() | words) == 409
    assert served.post("/sites/7/gate-keys", enrolment() | {"more": 1}) == 422
    assert served.post("/sites/8/gate-keys", enrolment()) == 404
    assert served.post("/sites/7/gate-keys", enrolment(), token="x" * 43) == 401
    assert served.post("/sites/7/gate-keys", enrolment()) == 201


def enrolment() -> dict[str, Any]:
    named = {"number": 0, "name": "south", "public": BOX.public.hex()}
    return {**named, "categories": ["food"], "by": "王芳"}


def test_a_dry_run_enrols_and_withdraws_nobody(served: Served) -> None:
    assert enrol(served, BOX, "--dry-run")["enrolled"] is False
    assert listed(served) == []
    enrol(served)
    done = served.run("gate", "withdraw", kid(BOX), *WHY, "--dry-run", "--json")
    assert json.loads(done.stdout) == {"kid": kid(BOX), "withdrawn": False}
    assert listed(served)[0]["withdrawn_at"] is None


def test_without_a_centre_the_command_says_so(served: Served) -> None:
    toml = served.folder / "centre.toml"
    running = toml.read_text("utf-8")
    port = running.partition("[web]")[2].partition("port = ")[2].partition("\n")[0]
    toml.write_text(running.replace(f"port = {port}", f"port = {free_port()}"), "utf-8")
    assert served.run(*asked()).exit_code == 3


def examples() -> list[list[str]]:
    """Each command of this kind that help and manual tell people to type, split as a shell does."""
    commands = [
        command  # those to a gate want one that runs, and are pasted in ``tests.real.test_commands_live``
        for command in (*gate_cli.app.registered_commands, *keys_cli.site_app.registered_commands)
        if command.callback not in COMMANDS.values()
    ]
    pages = [str(gate_cli.app.info.help), *(str(command.callback.__doc__) for command in commands)]
    manual = (Path(__file__).parents[3] / "docs" / "keys.md").read_text("utf-8")
    pages += manual.splitlines()
    typed = re.compile(
        r"postern-controller ((?:gate|site refuse-before) .+?)(?=\n\n|\n *Example:|\s*$)", re.DOTALL
    )
    return [shlex.split(" ".join(found.split())) for page in pages for found in typed.findall(page)]


def test_every_example_in_help_and_manual_works_when_it_is_pasted(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    served.publisher.look()
    pasted = examples()
    assert {example[1] for example in pasted if example[0] == "gate"} == {
        "enroll",
        "identities",
        "list",
        "revoke",
        "secret",
        "withdraw",
    }
    assert any(example[0] == "site" for example in pasted)
    passes = served.demo.issuer.issue(order(static=True)).claims.pass_id
    own = {
        "GATE": "west",
        "HEX": BOX.public.hex(),
        "KEYID": kid(BOX),
        "1a2b3c4d": kid(BOX),
        "0123456789abcdef": passes,
    }
    enrols = [example for example in pasted if example[:2] == ["gate", "enroll"]]
    for example in [*enrols, *(example for example in pasted if example not in enrols)]:
        words = [own.get(word, word) for word in example]
        if "--config" in words:
            del words[words.index("--config") : words.index("--config") + 2]
        done = served.run(*words)
        assert done.exit_code == 0, (example, done.stderr)
