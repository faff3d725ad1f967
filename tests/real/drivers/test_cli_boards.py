"""``postern-driver`` against the virtual boards."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from drivers.model import LineSettings
from drivers.port import SerialPort
from drivers.tool.commands import app
from tests.real.drivers.rig import Rig
from tests.waiting import until

pytestmark = pytest.mark.real


def run(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def pulse(rig: Rig, *more: str) -> tuple[int, str, str]:
    return run("pulse", "--port", rig.relays, "--protocol", "lcus", "--channel", "1", "--ms", "100", *more)


def test_a_confirmed_pulse_moves_the_relay_and_says_how_sure_it_is(rig: Rig) -> None:
    code, out, err = pulse(rig, "--confirm", "entry", "--json")
    assert (code, err) == (0, "")
    row = json.loads(out)
    assert 99 < row.pop("took_ms") < 1000
    assert 0 <= row.pop("sent_ms") < 100
    assert row == {
        "lane": "entry",
        "port": str(rig.relays),
        "protocol": "lcus",
        "channel": 1,
        "ms": 100,
        "timed_by": "host",
        "stays_closed": [],
        "result": "done",
        "grade": "sent",
        "answered_ms": None,
    }
    until(lambda: len(rig.tape("relay")) == 2, what="both relay edges")


def test_a_pulse_that_nobody_confirmed_moves_nothing(rig: Rig) -> None:
    for more in ([], ["--confirm", " "]):
        code, out, err = pulse(rig, *more)
        assert (code, out) == (4, "")
        assert "nothing was sent" in err
    pulse(rig, "--channel", "2", "--confirm", "exit")
    until(lambda: len(rig.tape("relay")) == 2, what="both relay edges")
    assert {row["channel"] for row in rig.tape("relay")} == {2}


def test_a_dry_run_prints_the_frames_and_opens_nothing(tmp_path: Path) -> None:
    code, out, err = run(
        *("pulse", "--port", tmp_path / "none", "--protocol", "lcus", "--channel", "2", "--dry-run", "--json")
    )
    assert (code, err) == (0, "")
    rows = json.loads(out)
    assert rows[0] == {"at_ms": 0, "hex": "A0 01 00 A1"}
    assert rows[-2:] == [{"at_ms": 0, "hex": "A0 02 01 A3"}, {"at_ms": 300, "hex": "A0 02 00 A2"}]


def test_a_port_out_of_reach_is_exit_3_and_named(rig: Rig, tmp_path: Path) -> None:
    code, _, err = run(
        *("pulse", "--port", tmp_path / "none", "--protocol", "lcus", "--channel", "1", "--confirm", "entry")
    )
    assert (code, f"{tmp_path / 'none'} is not there" in err) == (3, True)
    held = SerialPort(rig.relays, LineSettings())
    held.open()
    code, _, err = pulse(rig, "--confirm", "entry")
    held.close()
    assert (code, "is in use by" in err) == (3, True)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--channel", "9"], "--channel 9 is not on this board. Use 1 to 8"),
        (["--ms", "5000"], "--ms 5000 is out of range. Use 100 to 2000"),
        (["--protocol", "lcu"], "Use one of: devantech-usb, kmtronic, lcus"),
        (["--protocol", "modbus-inputs"], "have no relay to pulse"),
    ],
)
def test_wrong_usage_is_exit_2_and_says_what_is_allowed(rig: Rig, more: list[str], words: str) -> None:
    code, out, err = pulse(rig, "--confirm", "entry", *more)
    assert (code, out) == (2, "")
    assert words in err
    assert rig.tape() == []


def test_watch_prints_edges_until_it_has_enough(rig: Rig) -> None:
    rig.boards.ask(lambda: rig.boards.inputs.set_input(3, active=True))
    watch = ("watch", "--port", rig.inputs, "--protocol", "modbus-inputs")
    code, out, _ = run(*watch, "--count", "1", "--timeout", "5", "--json")
    row = json.loads(out)
    assert (code, row["channel"], row["active"]) == (0, 3, True)
    code, out, _ = run(*watch, "--count", "1", "--timeout", "5")
    assert (code, out.split()[-3:]) == (0, ["input", "3", "active"])


def test_watch_tells_too_few_edges_from_a_silent_board(rig: Rig) -> None:
    watch = ("watch", "--port", rig.inputs, "--protocol", "modbus-inputs")
    code, out, err = run(*watch, "--count", "1", "--timeout", "0.2")
    assert (code, out, err) == (1, "", "0 of 1 edges came within 0.2 s\n")
    assert run(*watch, "--timeout", "0.2") == (0, "", "")
    rig.boards.inputs.silent = True
    code, out, err = run(*watch, "--timeout", "1.2")
    assert (code, out) == (3, "")
    assert "the board does not answer" in err


def test_ports_shows_a_virtual_port_without_opening_it(rig: Rig, tmp_path: Path) -> None:
    code, out, _ = run("ports", "--also", rig.relays, "--also", tmp_path / "none", "--json")
    rows = {row["path"]: row for row in json.loads(out)}
    assert code == 0
    row = rows[str(rig.relays)]
    assert (row["driver"], row["usable"], row["by_path"], row["usb"]) == ("virtual", True, None, None)
    missing = rows[str(tmp_path / "none")]
    assert (missing["access"], missing["usable"]) == ("not there", False)
    code, out, _ = run("ports", "--also", rig.relays)
    assert (code, "who may open it" in out) == (0, True)


def test_at_a_terminal_the_lane_name_is_asked_for(rig: Rig) -> None:
    master, terminal = pty.openpty()
    argv = [sys.executable, "-m", "drivers.cli", "pulse", "--port", str(rig.relays), "--protocol", "lcus"]
    argv += ["--channel", "1", "--ms", "100", "--json"]
    try:
        with subprocess.Popen(
            argv, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            os.write(master, b"entry\n")
            out, err = process.communicate(timeout=20)
    finally:
        os.close(master)
        os.close(terminal)
    assert process.returncode == 0, err
    assert json.loads(out)["lane"] == "entry"
    assert b"Type the lane's name" in err


def test_a_language_that_nobody_speaks_here_is_wrong_usage(rig: Rig) -> None:
    assert run("--lang", "fr", "ports", "--also", rig.relays)[0] == 2
    code, out, _ = run("--lang", "zh", "ports", "--also", rig.relays)
    assert (code, "谁可打开" in out) == (0, True)


def test_a_board_is_found_by_its_name_and_only_its_own_lane_confirms(rig: Rig, tmp_path: Path) -> None:
    gate = tmp_path / "gate.toml"
    gate.write_text(
        '[gate]\ndata_dir = "data"\n[[board]]\nname = "relays"\nprotocol = "lcus"\nport = "relays"\n'
        '[[lane]]\nname = "entry"\nboard = "relays"\nchannel = 1\n',
        encoding="utf-8",
    )
    named = ("pulse", "--board", "relays", "--config", gate, "--channel", "1", "--ms", "100")
    code, _, err = run(*named, "--confirm", "exit")
    assert (code, "lane entry here, not 'exit'" in err, rig.tape()) == (4, True, [])
    trace = tmp_path / "trace.jsonl"
    assert run(*named, "--confirm", "entry", "--trace", trace)[0] == 0
    until(lambda: len(rig.tape("relay")) == 2, what="both relay edges")
    rows = [json.loads(line) for line in trace.read_text("utf-8").splitlines()]
    assert rows[0] == {"trace": 1, "protocol": "lcus", "port": str(rig.relays), "baud": 9600}
    assert [row["frames"] for row in rows if row.get("hex") == "A0 01 01 A2"] == [["relay 1 on"]]
    assert [rows[1]["do"], rows[-1]["do"]] == ["open", "close"]
