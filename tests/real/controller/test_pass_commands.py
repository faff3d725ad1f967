"""``postern-controller pass`` against the centre's interface on a real socket."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from controller.figures import figures
from edge.reader import Reader
from passes.check import Verified, check
from passes.claims import Claims
from passes.vocabulary import Category
from tests.brokers import free_port
from tests.minting import Mint
from tests.real.controller.centre import NOON, Journal
from tests.real.controller.demo import HOLDER
from tests.real.controller.serving import Served, served_at

pytestmark = pytest.mark.real
ORDER = ("--category", "courier", "--name", "李雷", "--phone", "13800138001", "--unit", "12")
AT = NOON.strftime("%Y-%m-%dT%H:%M:%S")
NOBODY = "0123456789abcdef"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with served_at(tmp_path / "demo") as made:
        yield made


def issued(served: Served, *more: str) -> dict[str, Any]:
    done = served.run("pass", "issue", *ORDER, "--json", *(more or ("--static",)))
    assert done.exit_code == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def claims_of(served: Served, text: str) -> Claims:
    checked = check(text, served.demo.keys, now=NOON)
    assert isinstance(checked, Verified)
    return checked.claims


def test_an_issued_pass_is_printed_with_its_code_and_a_masked_holder(served: Served) -> None:
    done = served.run("pass", "issue", *ORDER, "--static", "--minutes", "30")
    assert done.exit_code == 0, done.stderr
    facts = dict(line.split(None, 1) for line in done.stdout.splitlines() if line[:1].isalpha())
    claims = claims_of(served, facts["text"].strip())
    assert claims.category is Category.COURIER and claims.expires_at == NOON.timestamp() + 30 * 60
    assert facts["pass"] == claims.pass_id
    assert facts["holder"] == "李* 138****8001"
    assert "李雷" not in done.stdout and "13800138001" not in done.stdout
    assert done.stdout.count("\x1b[38;5;16;48;5;231m") == 27  # 45 modules and the quiet zone, in half lines


def test_a_png_is_read_by_the_gates_reader_and_verifies(served: Served, tmp_path: Path) -> None:
    out = tmp_path / "pass.png"
    answer = issued(served, "--static", "--out", str(out))
    image = cv2.imread(str(out))
    assert image is not None
    (code,) = Reader().read(image)  # type: ignore[arg-type]
    assert code.text == answer["text"]
    assert out.stat().st_mode & 0o077 == 0
    assert served.run("pass", "verify", code.text, "--at", AT).exit_code == 0


@pytest.mark.parametrize("name", ["pass.svg", "pass.txt"])
def test_a_file_that_is_there_is_left_alone_without_force(served: Served, tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    issued(served, "--static", "--out", str(out))
    first = out.read_bytes()
    again = served.run("pass", "issue", *ORDER, "--static", "--out", str(out))
    assert (again.exit_code, out.read_bytes()) == (4, first)
    issued(served, "--static", "--out", str(out), "--force")
    assert out.read_bytes() != first


def test_a_phones_pass_comes_as_bytes(served: Served) -> None:
    answer = issued(served, "--holder-key", HOLDER.hex())
    assert bytes.fromhex(answer["pass_hex"])[0] == 0x84
    assert "text" not in answer


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("--static", "--holder-key", HOLDER.hex()), 2),
        (("--holder-key", HOLDER.hex(), "--out", "pass.svg"), 2),
        (("--static", "--out", "pass.gif"), 2),
        (("--static", "--minutes", "721"), 2),
        (("--static", "--gate", "8"), 2),
        (("--static", "--site", "8"), 2),
    ],
)
def test_a_wrong_order_is_wrong_usage(served: Served, arguments: tuple[str, ...], code: int) -> None:
    done = served.run("pass", "issue", *ORDER, *arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr.strip()


def test_a_person_who_is_red_gets_no_pass(served: Served) -> None:
    person = issued(served)["person"]
    journal = Journal()
    journal.entry(NOON, minutes=1, person=person)
    served.demo.centre.receive(journal.sent())
    served.demo.centre.clock.pass_by(90)
    done = served.run("pass", "issue", *ORDER, "--static")
    assert done.exit_code == 1
    assert "RED" in done.stderr


def test_a_dry_run_issues_nothing(served: Served) -> None:
    done = served.run("pass", "issue", *ORDER, "--static", "--dry-run")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["phone"] == "138****8001"
    assert passes(served) == 0
    issued(served)
    assert passes(served) == 1


def passes(served: Served) -> int:
    return figures(served.demo.centre.store).passes


def test_show_tells_state_holder_and_visits(served: Served) -> None:
    answer = issued(served)
    record = shown(served, answer["pass_id"])
    assert record == {
        "pass_id": answer["pass_id"],
        "site": 7,
        "state": "valid",
        "kind": "paper",
        "colour": "blue",
        "category": "courier",
        "person": answer["person"],
        "name": "李*",
        "phone": "138****8001",
        "unit": 12,
        "purpose": 0,
        "gates": [0],
        "key_id": record["key_id"],
        "issued_at": "2026-11-22T04:00:00.000Z",
        "expires_at": "2026-11-22T06:00:00.000Z",
        "visits": [],
    }
    journal = Journal()
    journal.passage("entry", NOON, person=answer["person"], pass_id=answer["pass_id"])
    served.demo.centre.receive(journal.sent())
    used = shown(served, answer["pass_id"])
    assert used["state"] == "used_up"
    assert [(one["state"], one["entered_at"]) for one in used["visits"]] == [
        ("inside", "2026-11-22T04:00:00.000Z")
    ]
    served.demo.centre.clock.pass_by(7200)
    assert shown(served, answer["pass_id"])["state"] == "expired"
    table = served.run("pass", "show", answer["pass_id"])
    assert "李* 138****8001" in table.stdout


def shown(served: Served, pass_id: str) -> dict[str, Any]:
    done = served.run("pass", "show", pass_id, "--json")
    assert done.exit_code == 0, done.stderr
    record: dict[str, Any] = json.loads(done.stdout)
    return record


def test_a_pass_that_nobody_issued_is_a_failure(served: Served) -> None:
    assert served.run("pass", "show", NOBODY).exit_code == 1
    assert served.run("pass", "show", "../status").exit_code in {1, 2}
    assert served.run("pass", "revoke", NOBODY, "--by", "王芳", "--reason", "x").exit_code == 1


def test_a_withdrawn_pass_says_by_whom_and_why_and_stands_in_the_next_bundle(served: Served) -> None:
    answer = issued(served)
    assert served.publisher.look() == 1 and served.publisher.look() == 0
    done = served.run(
        "pass", "revoke", answer["pass_id"], "--by", "王芳", "--reason", "host cancelled", "--json"
    )
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["by"] == "王芳"
    record = shown(served, answer["pass_id"])
    assert (record["state"], record["revoked_by"], record["revoked_reason"]) == (
        "revoked",
        "王芳",
        "host cancelled",
    )
    assert served.publisher.look() == 1


def test_withdrawing_wants_who_and_why_and_a_dry_run_withdraws_nothing(served: Served) -> None:
    pass_id = issued(served)["pass_id"]
    assert served.run("pass", "revoke", pass_id, "--reason", "x").exit_code == 2
    assert served.run("pass", "revoke", pass_id, "--by", "王芳").exit_code == 2
    tried = served.run("pass", "revoke", pass_id, "--by", "王芳", "--reason", "x", "--dry-run")
    assert tried.exit_code == 0
    assert shown(served, pass_id)["state"] == "valid"
    done = served.run("pass", "revoke", pass_id, "--by", "王芳", "--reason", "x")
    assert done.exit_code == 0, done.stderr
    assert "王芳" in done.stdout
    assert shown(served, pass_id)["state"] == "revoked"


def test_verify_says_valid_without_a_centre_and_names_every_claim(served: Served, tmp_path: Path) -> None:
    text = issued(served)["text"]
    toml = served.folder / "centre.toml"
    toml.write_text(toml.read_text("utf-8").replace("127.0.0.1", "127.0.0.2"), "utf-8")  # nobody is there
    slip = tmp_path / "slip.txt"
    slip.write_text(f"{text}\n")
    for given in (text, str(slip)):
        done = served.run("pass", "verify", given, "--at", AT, "--json")
        assert done.exit_code == 0, done.stderr
        verdict = json.loads(done.stdout)
        assert (verdict["verdict"], verdict["reason"]) == ("valid", None)
        assert verdict["claims"]["pass_id"] == claims_of(served, text).pass_id


@pytest.mark.parametrize(
    ("at", "reason", "zh"),
    [
        ("2026-11-22T03:58:59", "not_yet_valid", "未到生效时间"),
        ("2026-11-22T06:00:00", "expired", "通行码已过期"),
        ("2028-11-22T06:00:00", "unknown_key", "通行码不是本小区签发"),
    ],
)
def test_verify_says_why_not_in_both_languages(served: Served, at: str, reason: str, zh: str) -> None:
    done = served.run("pass", "verify", issued(served)["text"], "--at", at)
    assert done.exit_code == 1
    assert reason in done.stdout and zh in done.stdout


@pytest.mark.parametrize(
    ("text", "verdict", "reason"),
    [
        (Mint().paper(), "refused", "unknown_key"),
        ("GP1:ABC", "refused", "malformed"),
        ("https://example.com", "foreign", None),
        ("x" * 5000, "foreign", None),
    ],
)
def test_what_is_no_pass_of_this_site_is_not_valid(
    served: Served, text: str, verdict: str, reason: str | None
) -> None:
    done = served.run("pass", "verify", text, "--at", AT, "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert (found["verdict"], found["reason"], found["claims"]) == (verdict, reason, None)


def test_without_a_centre_the_commands_end_with_3(served: Served) -> None:
    toml = served.folder / "centre.toml"
    port = toml.read_text("utf-8").partition("[web]")[2].partition("port = ")[2].partition("\n")[0]
    toml.write_text(toml.read_text("utf-8").replace(f"port = {port}", f"port = {free_port()}"), "utf-8")
    for command in (
        ("issue", *ORDER, "--static"),
        ("show", NOBODY),
        ("revoke", NOBODY, "--by", "a", "--reason", "b"),
    ):
        done = served.run("pass", *command)
        assert done.exit_code == 3
        assert "does not answer" in done.stderr


def test_a_wrong_token_is_wrong_usage(served: Served) -> None:
    token = served.folder / "keys" / "api.token"
    token.write_text("w" * 43)
    done = served.run("pass", "show", NOBODY)
    assert done.exit_code == 2
    assert "token" in done.stderr
    assert "w" * 43 not in done.stderr
