"""``ports``, ``doctor``, ``init``, ``config`` and ``report`` as an installer uses them."""

import hashlib
import json
import os
import pty
import select
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from controller.init import DemoPlan, gate_toml
from drivers.gate.config import load_config
from simulators.boards.catalogue import make_board
from tests.real.drivers.tool.conftest import Plug
from tests.real.drivers.tool.twins import run

pytestmark = pytest.mark.real

SIGNED = 'tested_by = "王强"\ntested_on = 2026-11-22\n'


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    file = tmp_path / "gate.toml"
    file.write_text(gate_toml(DemoPlan(folder=tmp_path)), encoding="utf-8")
    return file


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    file = tmp_path / "answers.toml"
    file.write_text(
        gate_toml(DemoPlan(folder=tmp_path)).replace("[[lane]]\n", f"[[lane]]\n{SIGNED}"), encoding="utf-8"
    )
    return file


def test_ports_shows_a_virtual_port_without_opening_it(plug: Plug, tmp_path: Path) -> None:
    twin = plug(make_board("lcus"))
    code, out, _ = run("ports", "--also", twin.link, "--also", tmp_path / "none", "--json")
    rows = {row["path"]: row for row in json.loads(out)}
    assert code == 0
    row = rows[str(twin.link)]
    assert (row["driver"], row["usable"], row["claims"], row["clone"]) == ("virtual", True, [], False)
    assert rows[str(tmp_path / "none")]["access"] == "not there"
    assert twin.moved() == []


def test_init_writes_what_the_daemon_accepts_and_keeps_the_old_file(answers: Path, tmp_path: Path) -> None:
    file = tmp_path / "new.toml"
    code, _, err = run("init", "--answers", answers, "--config", file)
    assert code == 0, err
    assert [lane.name for lane in load_config(file).lane] == ["entry", "exit"]
    assert 'tested_by = "王强"\ntested_on = 2026-11-22' in file.read_text("utf-8")
    assert "in mid-pulse the relay stays closed" in " ".join(err.split())
    first = file.read_text("utf-8")
    code, _, err = run("init", "--answers", answers, "--config", file)
    (kept,) = tmp_path.glob("new.toml.bak-*")
    assert (code, kept.read_text("utf-8")) == (0, first)


def test_a_dry_run_of_init_shows_the_file_and_writes_none(answers: Path, tmp_path: Path) -> None:
    file = tmp_path / "new.toml"
    code, out, err = run("init", "--answers", answers, "--config", file, "--dry-run")
    assert (code, file.exists(), "Nothing was written" in err) == (0, False, True)
    assert [lane["tested_by"] for lane in tomllib.loads(out)["lane"]] == ["王强", "王强"]
    code, out, _ = run("init", "--answers", answers, "--config", file, "--dry-run", "--json")
    found = json.loads(out)
    assert {row["when"] for row in found["consequences"]} == {
        "start",
        "stop",
        "crash",
        "unplug",
        "power loss",
    }


def test_init_writes_nothing_that_nobody_tested_or_that_is_wrong(answers: Path, tmp_path: Path) -> None:
    file = tmp_path / "new.toml"
    good = answers.read_text("utf-8")
    for wrong, exit_code, words in (
        (good.replace(SIGNED, "", 1), 4, "Nobody has signed for the wiring of entry"),
        (good.replace(SIGNED, ""), 4, "entry, exit"),
        (good.replace('tested_by = "王强"\n', "", 1), 2, "belong together"),
        (good.replace("tested_on = 2026-11-22", 'tested_on = "soon"'), 2, "write: 2026-11-22"),
        (good.replace("pulse_ms", "puls_ms"), 2, "did you mean 'pulse_ms'?"),
        (good.replace("pulse_to_open", "energise_to_lock"), 2, "is not driven: if this program dies"),
        ("[gate", 2, "is not TOML"),
    ):
        answers.write_text(wrong, encoding="utf-8")
        code, _, err = run("init", "--answers", answers, "--config", file)
        assert (code, words in err, file.exists()) == (exit_code, True, False), err
    code, _, err = run("init", "--config", file)
    assert (code, "--answers FILE" in err) == (2, True)


def typed(command: list[str], lines: list[str], *, within_s: float = 60.0) -> tuple[int, str]:
    """A command at a terminal of 80 columns, whose questions get these answers; exit code and all it showed."""
    master, terminal = pty.openpty()
    environment = os.environ | {"LC_ALL": "zh_CN.UTF-8", "TERM": "dumb", "COLUMNS": "80"}
    with subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment
    ) as process:
        os.close(terminal)
        shown, until_s = b"", time.monotonic() + within_s
        for line in lines:
            os.write(master, line.encode() + b"\n")
        while time.monotonic() < until_s:
            if not select.select([master], [], [], 0.2)[0]:
                if process.poll() is not None:
                    break
                continue
            try:
                shown += os.read(master, 4096)
            except OSError:
                break  # the command has closed its terminal
        process.wait(10)
    os.close(master)
    return process.returncode, shown.decode("utf-8", "replace")


def test_the_wizard_makes_a_gate_from_its_questions(tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    gate = ["south", "7", "0", "南门", "", "", "", "", ""]
    boards = ["relays", "lcus", "dev/relays", "inputs", "modbus-inputs", "dev/inputs", "1", ""]
    entry = ["entry", "sideways", "entry", "/dev/video0", "relays", "1", "300"]
    facts = ["contact", "inputs", "1", "pulse_to_open", "locked", "王强", "2026-11-22"]
    command = [sys.executable, "-m", "drivers.cli", "init", "--config", str(file)]
    code, shown = typed(command, [*gate, *boards, *entry, *facts, "", "fire", "inputs", "8", "", "", "是"])
    assert code == 0, shown
    config = load_config(file)
    (lane,) = config.lane
    assert (config.gate.name, lane.direction.value, lane.on_power_loss) == ("南门", "entry", "locked")
    assert lane.contact is not None
    assert "不能是 'sideways'" in shown
    assert "断电时通道锁闭" in shown
    assert (lane.tested_by, str(lane.tested_on)) == ("王强", "2026-11-22")
    (fire,) = config.input
    assert (fire.role, fire.place, fire.normally) == ("fire", ("inputs", 8), "closed")


@pytest.mark.parametrize(
    ("answers", "scanner", "camera"),
    [
        (["", "-"], "engine", None),
        (["-", ""], None, "/dev/video0"),
        (["x", "engine", "rtsp://h/1"], "engine", "rtsp://h/1"),
    ],
    ids=["a scanner", "a camera", "both"],
)
def test_the_wizard_asks_which_scanner_reads_for_a_lane(
    tmp_path: Path, answers: list[str], scanner: str | None, camera: str | None
) -> None:
    file = tmp_path / "gate.toml"
    gate = ["south", "7", "0", "南门", "", "", "", "", ""]
    boards = ["relays", "lcus", "dev/relays", "engine", "scanner", "dev/engine", "gm65", ""]
    lane = ["entry", "entry", *answers, "relays", "1", "300"]
    facts = ["assumed", "pulse_to_open", "locked", "王强", "2026-11-22", ""]
    command = [sys.executable, "-m", "drivers.cli", "init", "--config", str(file)]
    code, shown = typed(command, [*gate, *boards, *lane, *facts, "是"])
    assert code == 0, shown
    (made,) = load_config(file).lane
    assert (made.scanner, made.camera) == (scanner, camera)


def test_the_wizard_writes_nothing_without_a_yes(tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    gate = ["south", "7", "0", "南门", "", "", "", "", ""]
    boards = ["relays", "lcus", "dev/relays", ""]
    lane = ["entry", "entry", "", "relays", "1", "300", "assumed", "pulse_to_open", "open", "Li", "", ""]
    command = [sys.executable, "-m", "drivers.cli", "init", "--config", str(file)]
    code, shown = typed(command, [*gate, *boards, *lane, "no"])
    assert (code, file.exists()) == (4, False), shown


@pytest.mark.parametrize("protocol", ["turnstile-7e", "turnstile-eb"])
def test_the_wizard_says_what_a_turnstile_will_do_before_it_writes(tmp_path: Path, protocol: str) -> None:
    file = tmp_path / "gate.toml"
    gate = ["south", "7", "0", "南门", "", "", "", "", ""]
    boards = ["tripod", protocol, "dev/tripod", "1", ""]
    lane = ["entry", "entry", "", "tripod", "left", "300", "assumed", "pulse_to_open", "open", "Li", "", ""]
    command = [sys.executable, "-m", "drivers.cli", "init", "--config", str(file)]
    code, shown = typed(command, [*gate, *boards, *lane, "no"])
    assert (code, file.exists()) == (4, False), shown
    said = "".join(shown.split())
    for words in ("保持原来的模式", "常开的仍常开", "不会重发", "进出都不再放行", "断电时通道打开"):
        assert words in said
        assert said.index(words) < said.index("照此写入")


def test_config_validate_names_key_and_suggestion(gate: Path) -> None:
    assert run("config", "validate", "--config", gate)[:2] == (0, "")
    gate.write_text(gate.read_text("utf-8").replace("pulse_ms", "pulse_sm"), encoding="utf-8")
    code, out, _ = run("config", "validate", "--config", gate)
    assert (code, out.splitlines()[0]) == (
        1,
        "gate.toml: lane.entry.pulse_sm: 'pulse_sm' is unknown — did you mean 'pulse_ms'?",
    )
    code, out, _ = run("config", "validate", "--config", gate, "--json", language="zh_CN.UTF-8")
    assert json.loads(out)[0]["remedy"] == "是不是 'pulse_ms'？"


def test_config_set_changes_one_value_and_shows_it(gate: Path) -> None:
    set_ms = ("config", "set", "lane.entry.pulse_ms", "400", "--config", gate)
    before = gate.read_text("utf-8")
    code, out, err = run(*set_ms, "--dry-run", "--json")
    assert (code, json.loads(out)) == (0, [{"key": "lane.entry.pulse_ms", "before": 300, "after": 400}])
    assert gate.read_text("utf-8") == before
    code, _, err = run(*set_ms)
    assert (code, load_config(gate).lane[0].pulse_ms) == (0, 400), err
    assert "# 100 to 2000" in gate.read_text("utf-8")
    code, out, _ = run("config", "diff", "--config", gate, "--json")
    assert (code, [row["key"] for row in json.loads(out)]) == (1, ["lane.entry.pulse_ms"])


def test_config_set_refuses_what_the_daemon_would(gate: Path) -> None:
    before = gate.read_text("utf-8")
    for key, value, words in (
        ("lane.entry.pulse_ms", "9000", "write: 100 … 2000"),
        ("lane.entry.pulse", "300", "'pulse' is unknown"),
        ("lane.none.pulse_ms", "300", "has no lane.none"),
        ("pulse_ms", "300", "Write the key as"),
    ):
        code, _, err = run("config", "set", key, value, "--config", gate)
        assert (code, words in err, gate.read_text("utf-8") == before) == (2, True, True), err
    assert run("config", "set", "lane.entry.pulse_ms", "9000", "--config", gate, "--force")[0] == 0


def test_config_travels_without_its_secrets_and_keeps_those_that_are_there(
    gate: Path, tmp_path: Path
) -> None:
    camera = "rtsp://admin:geheim@192.0.2.9/1"
    assert run("config", "set", "lane.entry.camera", camera, "--config", gate)[0] == 0
    for command in ("show", "export"):
        code, out, _ = run("config", command, "--config", gate)
        assert (code, "geheim" in out, "rtsp://***@192.0.2.9/1" in out) == (0, False, True)
    exported = tmp_path / "gate.json"
    assert run("config", "export", "--config", gate, "--out", exported)[0] == 0
    before = tomllib.loads(gate.read_text("utf-8"))
    code, _, err = run("config", "import", exported, "--config", gate)
    assert (code, tomllib.loads(gate.read_text("utf-8"))) == (0, before), err
    exported.write_text(exported.read_text("utf-8").replace('"pulse_ms": 300', '"pulse_ms": 500'))
    code, out, err = run("config", "import", exported, "--config", gate)
    assert (code, load_config(gate).lane[0].pulse_ms, load_config(gate).lane[0].camera) == (0, 500, camera), (
        err
    )
    exported.write_text("{}")
    assert run("config", "import", exported, "--config", gate)[0] == 2


def test_doctor_names_the_boards_that_are_not_there(gate: Path) -> None:
    code, out, _ = run("doctor", "--config", gate, "--json")
    found = json.loads(out)
    assert code == 1
    assert [each["what"].split(":")[0] for each in found if each["code"] == "port_missing"] == [
        "board relays",
        "board inputs",
    ]
    code, out, _ = run("doctor", "--config", gate, language="zh_CN.UTF-8")
    assert (code, "插好设备" in out) == (1, True)


def test_a_report_is_complete_masked_and_signable(gate: Path, tmp_path: Path) -> None:
    run("config", "set", "lane.entry.camera", "rtsp://admin:geheim@192.0.2.9/1", "--config", gate)
    (tmp_path / "selftest-1.json").write_text('{"result": "pass", "to": "+8613800138000"}', encoding="utf-8")
    (tmp_path / "trace-1.jsonl").write_text('{"trace": 1}\n{"ms": 1, "do": "tx"}\n', encoding="utf-8")
    code, out, _ = run("report", "--config", gate, "--installer", "王强", "--json")
    document = json.loads(out)
    assert code == 0
    assert set(document) == {
        *("report", "at", "installer", "machine", "versions", "config", "problems", "lanes", "ports"),
        *("findings", "selftest", "set_aside", "trace", "sha256"),
    }
    assert "geheim" not in out
    assert "138001" not in out
    assert document["selftest"] == {"result": "pass", "to": "***8000"}
    assert document["trace"][-1] == '{"ms": 1, "do": "tx"}'
    said = document.pop("sha256")
    plain = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(plain.encode()).hexdigest() == said
    code, _, err = run("report", "--config", gate, "--out", tmp_path / "visit")
    assert (code, json.loads((tmp_path / "visit.json").read_text("utf-8"))["sha256"] in err) == (0, True)
    assert "== Wiring of the lanes ==" in (tmp_path / "visit.txt").read_text("utf-8")


def test_the_text_of_a_report_never_drives_a_terminal(gate: Path, tmp_path: Path) -> None:
    said = '{"ms": 1, "do": "rx", "frames": ["A\x9b2J\u202eB"]}'
    (tmp_path / "trace-1.jsonl").write_text(
        '{"trace": 1, "protocol": "lcus"}\n' + said + "\n", encoding="utf-8"
    )
    code, _, err = run("report", "--config", gate, "--installer", "\x1b]0;X\x07", "--out", tmp_path / "visit")
    assert code == 0
    readable, document = ((tmp_path / f"visit.{end}").read_text("utf-8") for end in ("txt", "json"))
    assert [each for each in readable + document + err if each in "\x1b\x07\x9b\u202e"] == []
    assert r"A\x9b2J\u202eB" in readable
    assert r"\x1b]0;X\x07" in readable
    assert json.loads(document)["installer"] == "\x1b]0;X\x07"
