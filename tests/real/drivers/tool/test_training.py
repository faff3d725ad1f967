"""``postern-sim up``: the installer's tool against a gate that is only a file."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from controller.init import DemoPlan, gate_toml
from simulators.cli import app
from tests.real.drivers.tool.twins import run
from tests.waiting import until

pytestmark = pytest.mark.real
BIG = """
[gate]
id = "south"
site = 7
number = 0
name = "南门"
zone = "Asia/Shanghai"
data_dir = "/var/lib/postern"
keys = "keyset.json"
units = "units.json"
[broker]
url = "mqtt://127.0.0.1:1883"

[[board]]
name = "relays"                      # on the same wires as the inputs
protocol = "modbus-relay"
profile = "waveshare-relay-8"
port = "/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0"
expect = { usb = "1a86:7523" }
[[board]]
name = "inputs"
protocol = "modbus-inputs"
port = "/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0"
unit = 2
[[board]]
name = "flap"
protocol = "turnstile-7e"
port = "/dev/ttyUSB1"
[[board]]
name = "far"
protocol = "modbus-tcp"
profile = "waveshare-io-8ch"
port = "tcp://192.0.2.1:502"
[[board]]
name = "reader"
protocol = "scanner"
make = "text"
port = "dev/reader"
[[board]]
name = "warm"
protocol = "thermometer"
make = "mcu90614"
port = "dev/warm"

[[lane]]
name = "side_door"
direction = "entry"
camera = "pictures"
board = "relays"
channel = 3
passage = "contact"
contact = { board = "inputs", channel = 6 }
release = "pulse_to_open"
on_power_loss = "open"
[[lane]]
name = "flap_out"
direction = "exit"
camera = "pictures"
board = "flap"
side = "right"
passage = "counter"
release = "pulse_to_open"
on_power_loss = "open"

[[input]]
role = "fire"
board = "inputs"
channel = 8
normally = "closed"
"""


class Up:
    """A running ``postern-sim up``, its keyboard and its tape."""

    def __init__(self, folder: Path, process: "subprocess.Popen[str]") -> None:
        self.copy, self._tape, self._process = folder / "training" / "gate.toml", folder / "tape", process

    def tape(self) -> list[tuple[str, int, str]]:
        text = self._tape.read_text("utf-8") if self._tape.exists() else ""
        rows = [json.loads(line) for line in text.splitlines()]
        return [(row["what"], row["channel"], row.get("text", "")) for row in rows]

    def type(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


@contextmanager
def up(folder: Path, content: str, *more: str) -> Iterator[Up]:
    (folder / "gate.toml").write_text(content, "utf-8")
    argv = [sys.executable, "-m", "simulators.cli", "up", "gate.toml", "--tape", "tape", *more]
    with subprocess.Popen(
        argv, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        made = Up(folder, process)
        try:
            until(made.copy.exists, within_s=30.0, what="the copy")
            boards = tomllib.loads(made.copy.read_text("utf-8"))["board"]
            links = [Path(each["port"]) for each in boards if not each["port"].startswith("tcp")]
            until(lambda: all(link.is_symlink() for link in links), within_s=30.0, what="the links")
            yield made
        finally:
            process.terminate()
            assert process.wait(20) == 0
    assert not any(link.is_symlink() for link in links)


def test_the_demo_gate_is_practised_on_without_hardware(tmp_path: Path) -> None:
    with up(tmp_path, gate_toml(DemoPlan(folder=tmp_path))) as gate:
        named = ("--config", gate.copy, "--board", "relays")
        code, out, err = run(
            "pulse", "2", *named, "--expect", "contact", "--confirm", "exit", "--within", "20", "--json"
        )
        assert (code, json.loads(out)["result"]) == (0, "done"), err
        assert ("relay_on", 2, "relays") in gate.tape()
        code, out, err = run(
            "selftest", "--level", "read", "--config", gate.copy, "--out", tmp_path / "st", "--json"
        )
        assert code == 0, err
        assert {step["verdict"] for step in json.loads(out)["steps"]} <= {"PASS", "WARN", "SKIP"}


def test_every_board_is_played_and_wired_as_the_file_says(tmp_path: Path) -> None:
    with up(tmp_path, BIG, "--knob", "latency_ms=1") as gate:
        content = tomllib.loads(gate.copy.read_text("utf-8"))
        ports = {each["name"]: each["port"] for each in content["board"]}
        assert ports["relays"] == ports["inputs"]
        assert all(port.startswith((str(tmp_path), "tcp://127.0.0.1:")) for port in ports.values()), ports
        assert content["gate"]["data_dir"] == "data"  # where no real gate listens
        assert content["gate"]["keys"] == str(tmp_path / "keyset.json")
        assert "# on the same wires as the inputs" in gate.copy.read_text("utf-8")
        for number, board, lane in ((3, "relays", "side_door"), (2, "flap", "flap_out")):
            more = ("--config", gate.copy, "--board", board, "--confirm", lane, "--json")
            code, _, err = run("pulse", str(number), *more)
            assert code == 0, err
        until(lambda: ("passage", 2, "flap right") in gate.tape(), what="the person at the flap")
        until(lambda: ("contact_off", 1, "") in gate.tape(), what="the person at the side door")
        options = ("--count", "1", "--timeout", "30", "--json")
        code, out, err = run("watch", "--config", gate.copy, "--board", "inputs", *options)
        row = json.loads(out.splitlines()[0])  # the fire relay's contact is closed while all is well
        assert (row["channel"], row["active"], row["role"]) == (8, True, "fire"), err
        gate.type("celsius 36.5")
        code, out, err = run("temp", "--config", gate.copy, "--board", "warm", "--json")
        assert (code, round(json.loads(out)["target_c"])) == (0, 36), err
        code, _, err = run("pulse", "1", "--config", gate.copy, "--board", "far", "--confirm", "x", "--json")
        assert (code, ("relay_on", 1, "far") in gate.tape()) == (0, True), err


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('profile = "waveshare-relay-8"', 'profile = "own.toml"', "board 'relays': there is no profile"),
        ('protocol = "turnstile-7e"', 'protocol = "magic"', "board 'flap': there is no board 'magic'"),
        (
            'board = "inputs", channel = 6',
            'board = "inputs", channel = 9',
            "the contact of lane 'side_door' is input 9",
        ),
        ('board = "flap"', 'board = "flop"', "lane 'flap_out' names no board"),
        ('make = "text"', 'make = "abc"', "there are text, gm65"),
        ("tcp://192.0.2.1:502", "tcp://192.0.2.1", "write tcp://HOST:PORT"),
        ("[gate]", "[gate", "is not TOML"),
    ],
)
def test_what_cannot_be_played_is_named(tmp_path: Path, old: str, new: str, why: str) -> None:
    assert old in BIG
    (tmp_path / "gate.toml").write_text(BIG.replace(old, new), "utf-8")
    done = CliRunner().invoke(app, ["up", str(tmp_path / "gate.toml"), "--dir", str(tmp_path / "t")])
    assert (done.exit_code, why in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("port", ["/dev/ttyUSB9", "taken"])
def test_in_place_never_takes_a_real_port(tmp_path: Path, port: str) -> None:
    (tmp_path / "taken").write_text("mine", "utf-8")
    content = gate_toml(DemoPlan(folder=tmp_path)).replace("dev/relays", port)
    (tmp_path / "gate.toml").write_text(content, "utf-8")
    done = CliRunner().invoke(app, ["up", str(tmp_path / "gate.toml"), "--in-place"])
    assert (done.exit_code, "is a real port" in done.stderr) == (2, True), done.stderr
    assert (tmp_path / "taken").read_text("utf-8") == "mine"


def test_a_copy_never_replaces_its_original(tmp_path: Path) -> None:
    content: Any = gate_toml(DemoPlan(folder=tmp_path))
    (tmp_path / "gate.toml").write_text(content, "utf-8")
    done = CliRunner().invoke(app, ["up", str(tmp_path / "gate.toml"), "--dir", str(tmp_path)])
    assert (done.exit_code, "name another folder" in done.stderr) == (2, True)
    assert (tmp_path / "gate.toml").read_text("utf-8") == content


@pytest.mark.parametrize("command", ["up", "replay"])
def test_the_help_fits_eighty_columns_and_has_examples(command: str) -> None:
    done = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "80"}, terminal_width=80)
    lines = done.output.splitlines()
    assert (done.exit_code, max(map(len, lines)) <= 80) == (0, True)
    assert len([line for line in lines if line.strip().startswith(f"postern-sim {command} ")]) >= 2


def test_in_place_plays_at_the_ports_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "gate.toml").write_text(gate_toml(DemoPlan(folder=tmp_path)), "utf-8")
    argv = [sys.executable, "-m", "simulators.cli", "up", "gate.toml", "--in-place"]
    quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    with subprocess.Popen(argv, cwd=tmp_path, **quiet) as process:
        links = [tmp_path / "dev" / name for name in ("relays", "inputs")]
        until(lambda: all(link.is_symlink() for link in links), within_s=30.0, what="the links")
        pulse = ("pulse", "1", "--config", tmp_path / "gate.toml", "--board", "relays", "--confirm", "entry")
        code, _, err = run(*pulse)
        process.terminate()
        assert (code, process.wait(20)) == (0, 0), err
    assert not (tmp_path / "training").exists()
