"""``postern-controller pass`` against the centre's interface on a real socket."""

import json
import re
import shlex
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import httpx2
import numpy as np
import pytest
from typer.testing import CliRunner

from controller import pass_cli, schema
from controller.cli import app
from controller.figures import figures
from controller.gate_keys import Enrolment
from controller.hours import read_hours
from controller.issuer_keys import load_keys
from controller.phone.enrolment import proof_message
from edge.vision.reader import Reader
from passes.check import Verified, check
from passes.claims import Claims, decode_claims
from passes.gp1 import SignedPass, open_body, to_text
from passes.keys import p256_public, p256_signer
from passes.vocabulary import PURPOSE_ITEM_PASS, Category
from tests.brokers import free_port
from tests.minting import Mint, claims
from tests.real.controller.centre import NOON, SITE, Journal
from tests.real.controller.demo import HOLDER, PHONE_KEY
from tests.real.controller.serving import Served, served_at

pytestmark = pytest.mark.real
CLEANER = ("--category", "service", "--name", "王阿姨", "--phone", "13800138002", "--unit", "12")
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


def judged(served: Served, text: str, *, at: datetime = NOON, more: tuple[str, ...] = ()) -> Any:
    done = served.run("pass", "verify", text, "--at", at.strftime("%Y-%m-%dT%H:%M:%S"), "--json", *more)
    assert done.exit_code in {0, 1}, done.stderr
    found = json.loads(done.stdout)
    return found["reason"] or found["verdict"]


def test_verify_says_what_every_entry_says_of_leaving_times_and_of_paper(served: Served) -> None:
    builder = issued(served, "--static", "--category", "renovation", "--minutes", "720")["text"]
    evening = NOON + timedelta(hours=8, minutes=30)  # renovation leaves by 20:00
    assert [judged(served, builder, at=at) for at in (NOON, evening)] == ["valid", "outside_hours"]
    _, visitor = load_keys(served.demo.config.keys_dir, SITE)
    mint = Mint(secret=visitor.private.private_bytes_raw())
    when = {"not_before": int(NOON.timestamp()), "expires_at": int(NOON.timestamp()) + 3600}
    papers = [to_text(mint.sealed(claims(**when, entries=entries))) for entries in (1, 0)]
    assert [judged(served, paper) for paper in papers] == ["valid", "malformed"]


def test_verify_knows_the_walk_in_passes_of_a_gate_by_a_bundle_file(served: Served, tmp_path: Path) -> None:
    gate = Mint(secret=b"\x07" * 32)
    asked = Enrolment(number=0, name="south", public=gate.public, categories=frozenset({Category.FOOD}))
    served.gates.enrol(SITE, asked, by="Wang")
    served.publisher.look()
    file = tmp_path / "site.bundle"
    file.write_bytes(served.sent[-1])
    when = {"not_before": int(NOON.timestamp()), "expires_at": int(NOON.timestamp()) + 3600}
    walk_in = to_text(
        gate.sealed(claims(category=Category.FOOD, entries=1, gates=1, stay=30, status=0, **when))
    )
    bundle = ("--bundle", str(file))
    assert judged(served, walk_in) == "unknown_key"
    assert judged(served, walk_in, more=bundle) == "valid"
    assert judged(served, issued(served)["text"], more=bundle) == "valid"
    file.write_bytes(served.sent[-1][:-1] + b"x")
    broken = served.run("pass", "verify", walk_in, *bundle)
    assert broken.exit_code == 2
    assert "--bundle" in broken.stderr


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_pass_whose_file_cannot_be_written_is_printed_and_not_lost(
    served: Served, tmp_path: Path, force: tuple[str, ...]
) -> None:
    out = tmp_path / "pass.txt"
    out.symlink_to(tmp_path / "nowhere" / "pass.txt")  # looks free, and cannot be opened
    for more in ((), ("--json",)):
        done = served.run("pass", "issue", *ORDER, "--static", "--out", str(out), *force, *more)
        assert done.exit_code == 1
        assert "was issued" in done.stderr
        if more:
            text = json.loads(done.stdout)["text"]
        else:
            facts = dict(line.split(None, 1) for line in done.stdout.splitlines())
            text = facts["text"].strip()
            assert facts["pass"] == claims_of(served, text).pass_id
        assert claims_of(served, text).unit == 12


def test_what_was_kept_with_control_characters_does_not_reach_the_terminal(served: Served) -> None:
    pass_id = issued(served)["pass_id"]
    assert served.run("pass", "revoke", pass_id, "--by", "Li", "--reason", "lost", "--yes").exit_code == 0
    with served.demo.centre.store.transaction() as connection:
        connection.execute(schema.revocation.update().values(reason="\x1b]0;owned\x07lost\nstate  valid"))
    done = served.run("pass", "show", pass_id)
    assert done.exit_code == 0, done.stderr
    assert not set("\x1b\x07") & set(done.stdout)
    assert [line for line in done.stdout.splitlines() if line.startswith("state")] == ["state        revoked"]


def test_a_phones_pass_comes_as_bytes(served: Served) -> None:
    answer = issued(served, "--holder-key", HOLDER.hex())
    assert bytes.fromhex(answer["pass_hex"])[0] == 0x84
    assert "text" not in answer


def test_a_phones_link_is_printed_with_its_code_and_becomes_a_repeat_pass(tmp_path: Path) -> None:
    public = "https://gate.example.com"
    with served_at(tmp_path / "demo", public_url=public) as served:
        done = served.run("pass", "issue", *CLEANER, "--hours", "mon-fri 09:00-12:00", "--phone-link")
        assert (done.exit_code, done.stderr) == (0, "")
        facts = facts_of(done.stdout)
        assert facts["link"].startswith(f"{public}/p#")
        assert read_terminal(done.stdout) == [facts["link"]]
        assert facts["holder"] == "王** 138****8002"
        assert facts["hours"] == "mon-fri 09:00-12:00"
        assert facts["valid for"].startswith("10080 minutes")
        assert served.run("pass", "link", facts["id"]).stdout.count("not yet") == 1
        pass_id, claims = taken(served, facts["link"], level=2)
        assert claims.schedule == read_hours(["mon-fri 09:00-12:00"])
        assert claims.expires_at == (NOON + timedelta(days=7)).timestamp()
        became = served.run("pass", "link", facts["id"])
        assert facts_of(became.stdout)["pass"] == pass_id
        assert facts_of(became.stdout)["key level"] == "2, kept by the phone"


def test_without_a_public_address_the_link_is_for_this_machine_and_the_command_says_so(
    served: Served,
) -> None:
    done = served.run("pass", "issue", *CLEANER, "--phone-link", "--json", "--link-minutes", "30")
    assert done.exit_code == 0
    assert "public_url" in done.stderr and "this machine alone" in done.stderr
    answer = json.loads(done.stdout)
    assert answer["expires_at"] == "2026-11-22T04:30:00.000Z"
    assert answer["url"].startswith("http://127.0.0.1:") and answer["url"].endswith(answer["link"])
    assert taken(served, answer["url"])[1].schedule is None
    state = json.loads(served.run("pass", "link", answer["id"], "--json").stdout)
    assert (state["used_at"], state["key_level"]) == ("2026-11-22T04:00:00.000Z", 1)
    assert served.run("pass", "link", NOBODY).exit_code == 1


def test_a_soft_keys_pass_is_used_up_by_its_first_visit(served: Served) -> None:
    answer = json.loads(served.run("pass", "issue", *CLEANER, "--phone-link", "--json").stdout)
    pass_id, claims = taken(served, answer["url"])
    assert (shown(served, pass_id)["state"], shown(served, pass_id)["key_level"]) == ("valid", 1)
    journal = Journal()
    journal.passage("entry", NOON, person=claims.person, pass_id=pass_id)
    served.demo.centre.receive(journal.sent())
    assert shown(served, pass_id)["state"] == "used_up"


def taken(served: Served, url: str, *, level: int = 1) -> tuple[str, Claims]:
    """A phone opens the link; its key is a soft one unless said otherwise."""
    own = {"Sec-Fetch-Site": "same-origin"}
    secret = url.partition("#")[2]
    with httpx2.Client(base_url=served.url, headers=own, trust_env=False) as client:
        challenge = client.post("/p/look", json={"secret": secret}).json()["challenge"]
        point = p256_public(PHONE_KEY)
        proof = p256_signer(PHONE_KEY)(proof_message(bytes.fromhex(challenge), point))
        enrol = {"secret": secret, "public_key": point.hex(), "proof": proof.hex(), "key_level": level}
        answer = client.post("/p/enrol", json=enrol).json()
    opened = open_body(bytes.fromhex(answer["pass_hex"]))
    assert isinstance(opened, SignedPass)
    return answer["pass_id"], decode_claims(opened.payload)


def facts_of(printed: str) -> dict[str, str]:
    lines = (line.split("  ", 1) for line in printed.splitlines() if line[:1].isalpha() and "  " in line)
    return {name: value.strip() for name, value in lines}


def read_terminal(printed: str) -> list[str]:
    """What a reader makes of the half blocks in a terminal."""
    halves = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}
    lines = [re.sub("\x1b[^m]*m", "", line) for line in printed.splitlines() if line.startswith("\x1b[38;")]
    rows = [[halves[half][part] for half in line] for line in lines for part in (0, 1)]
    image = 255 - np.kron(np.array(rows, np.uint8), np.full((8, 8), 255, np.uint8))
    return [code.text for code in Reader().read(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR).astype(np.uint8))]


def test_an_item_pass_says_so_and_wants_the_guards_look_at_the_gate(served: Served) -> None:
    done = served.run("pass", "issue", *ORDER, "--static", "--item-pass")
    facts = facts_of(done.stdout)
    assert facts["purpose"] == "16, 出门条 item pass: the guard looks at what is carried out"
    assert claims_of(served, facts["text"]).purpose == PURPOSE_ITEM_PASS
    record = served.run("pass", "show", facts["pass"])
    assert "出门条" in record.stdout
    assert served.run("pass", "issue", *ORDER, "--static", "--item-pass", "--purpose", "3").exit_code == 2


def test_verify_names_the_hours_and_judges_by_them(served: Served) -> None:
    text = issued(served, "--static", "--hours", "sun 09:00-12:30")["text"]
    inside = served.run("pass", "verify", text, "--at", AT)  # Sunday, 12:00 in Shanghai
    assert (inside.exit_code, facts_of(inside.stdout)["hours"]) == (0, "sun 09:00-12:30")
    late = served.run("pass", "verify", text, "--at", "2026-11-22T04:30:00")
    assert late.exit_code == 1 and "outside_hours" in late.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("--static", "--phone-link"), 2),
        (("--phone-link", "--out", "pass.svg"), 2),
        (("--phone-link", "--minutes", "10081"), 2),
        (("--phone-link", "--link-minutes", "0"), 2),
        (("--phone-link", "--hours", "weekends"), 2),
        (("--static", "--hours", "mon 09:00-09:00"), 2),
        (("--static", "--holder-key", HOLDER.hex()), 2),
        (("--holder-key", HOLDER.hex(), "--out", "pass.svg"), 2),
        (("--static", "--out", "pass.gif"), 2),
        (("--static", "--minutes", "721"), 2),
        (("--static", "--minutes", "0"), 2),
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
        "key_level": 0,
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


def examples() -> list[list[str]]:
    """Each command that help and manual tell people to type, split as a shell does."""
    commands = pass_cli.app.registered_commands
    pages = [str(pass_cli.app.info.help), *(str(command.callback.__doc__) for command in commands)]
    manual = (Path(__file__).parents[3] / "docs" / "keys.md").read_text("utf-8")
    pages += [line for line in manual.splitlines() if line.startswith("    postern-controller pass ")]
    typed = re.compile(r"postern-controller (pass .+?)(?=\n\n|\n *Example:|\s*$)", re.DOTALL)
    return [shlex.split(" ".join(found.split())) for page in pages for found in typed.findall(page)]


def test_every_example_in_help_and_manual_works_when_it_is_pasted(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pasted = examples()
    assert {example[1] for example in pasted} == {"issue", "link", "show", "revoke", "revoke-link", "verify"}
    text = issued(served, "--static", "--out", "pass.txt")
    link = json.loads(served.run("pass", "issue", *CLEANER, "--phone-link", "--json").stdout)["id"]
    for example in pasted:
        own = link if example[1] in {"link", "revoke-link"} else text["pass_id"]
        words = [own if word == NOBODY else word for word in example]
        if words[1] == "verify":
            words += ["--at", AT]
        if "--out" in words:
            words += ["--force"]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, (words, done.stderr)
