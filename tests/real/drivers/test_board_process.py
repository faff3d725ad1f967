"""Virtual boards and devices as processes: the demo's, and ``postern-sim board``, ``scanner`` and the others."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import serial
from pymodbus.client import ModbusTcpClient
from typer.testing import CliRunner

from drivers.model import Done, InputEdge
from simulators.boards.catalogue import PROFILES, PROTOCOLS, make_board
from simulators.boards.keyboard import HELP
from simulators.boards.knobs import Knobs
from simulators.boards.plan import NAMES
from simulators.cli import app
from tests.real.drivers.conftest import Listen
from tests.real.drivers.stations import on_pty
from tests.waiting import until

pytestmark = pytest.mark.real


def start(*options: str) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-m", "simulators.boards.process", "lcus", *options]
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def test_the_board_process_serves_a_pulse_and_the_person_behind_it(tmp_path: Path, listen: Listen) -> None:
    relays, inputs, tape = tmp_path / "dev" / "relays", tmp_path / "dev" / "inputs", tmp_path / "tape"
    with start(
        "--link", str(relays), "--inputs-link", str(inputs), "--tape", str(tape), "--seed", "3"
    ) as process:
        try:
            until(inputs.is_symlink, what="the links")
            listener, contacts = listen("lcus", relays), listen("modbus-inputs", inputs)
            listener.wait_up()
            listener.pulse(ms=100)
            listener.wait(Done)
            contacts.wait(InputEdge, 2)
        finally:
            process.terminate()
        screen, _ = process.communicate(timeout=5)
    assert process.returncode == 0
    rows = [json.loads(row) for row in tape.read_text(encoding="utf-8").splitlines()]
    whats = ["relay_on", "relay_off", "contact_on", "contact_off"]
    assert [(row["what"], row["channel"]) for row in rows] == [(what, 1) for what in whats]
    assert [row.split()[1] for row in screen.splitlines()] == whats


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_board_process_ends_cleanly_and_takes_its_links_away(
    tmp_path: Path, number: signal.Signals
) -> None:
    relays, inputs = tmp_path / "dev" / "relays", tmp_path / "dev" / "inputs"
    with start("--link", str(relays), "--inputs-link", str(inputs)) as process:
        until(inputs.is_symlink, what="the links")
        process.send_signal(number)
        assert process.wait(5) == 0
    assert list(relays.parent.iterdir()) == []


def test_a_file_in_the_way_of_a_link_is_kept_and_named(tmp_path: Path) -> None:
    taken = tmp_path / "relays"
    taken.write_text("mine", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "simulators.boards.process", "lcus", "--link", str(taken)],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert (done.returncode, str(taken) in done.stderr) == (2, True)
    assert taken.read_text(encoding="utf-8") == "mine"


SIM = [sys.executable, "-m", "simulators.cli"]
QUIET: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
SERIAL = [name for name in PROTOCOLS if name != "modbus-tcp"]
DEVICES = ("scanner", "thermometer", "modem", "voice")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def help_of(command: str) -> str:
    done = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "80"}, terminal_width=80)
    assert done.exit_code == 0
    return done.output


@pytest.mark.parametrize("command", ["board", *DEVICES])
def test_the_help_fits_eighty_columns_and_its_examples_work_when_pasted(tmp_path: Path, command: str) -> None:
    text = help_of(command)
    assert max(map(len, text.splitlines())) <= 80
    examples = [line.split() for line in text.splitlines() if line.strip().startswith("postern-sim ")]
    assert len(examples) >= 2
    running = []
    try:
        for count, words in enumerate(examples):
            folder = tmp_path / str(count)
            folder.mkdir()
            argv = [word.replace("5020", str(free_port())) for word in words[1:]]
            running.append((folder, subprocess.Popen([*SIM, *argv], cwd=folder, **QUIET)))
        for folder, process in running:
            words = [str(word) for word in process.args]  # type: ignore[union-attr]  # a list, as above
            if "--listen" in words:
                address = words[words.index("--listen") + 1].split(":")
                until(lambda: answers(*address), within_s=30.0, what="the server")  # noqa: B023  # used at once
            else:
                links = [folder / word for word in words if word.startswith("dev/")]
                until(lambda: all(link.is_symlink() for link in links), within_s=30.0, what=str(words))  # noqa: B023
    finally:
        for _, process in running:
            process.terminate()
        ended = [process.wait(10) for _, process in running]
    assert ended == [0] * len(examples)


def answers(host: str, port: str) -> bool:
    with socket.socket() as call:
        return call.connect_ex((host, int(port))) == 0


def test_the_help_names_every_board_profile_and_knob() -> None:
    text = help_of("board")
    names = [*PROTOCOLS, *PROFILES, *(field.name for field in fields(Knobs)), *NAMES]
    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["board", "nothing", "--link", "x"], "there is no board 'nothing'"),
        (["board", "lcus"], "say where with --link"),
        (["board", "lcus", "--link", "x", "--knob", "speed=9"], "there is no knob 'speed=9'"),
        (["board", "modbus-relay", "--link", "x", "--profile", "abc"], "there is no profile 'abc'"),
        (["board", "modbus-tcp", "--listen", "nowhere"], "--listen HOST:PORT"),
        (["board", "lcus", "--link", "x", "--also", "modbus-inputs:x"], "a neighbour is PROTOCOL"),
        (["scanner", "--link", "x", "--terminator", "abc"], "there is no terminator 'abc'"),
        (["voice", "--link", "x", "--knob", "drop=7"], "drop lies between 0 and 1"),
    ],
)
def test_what_cannot_be_is_named_with_what_can(arguments: list[str], why: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, why in done.stderr) == (2, True), done.stderr


def test_lines_typed_on_stdin_befall_the_boards(tmp_path: Path) -> None:
    link, tape = tmp_path / "io", tmp_path / "tape"
    argv = [
        *SIM,
        "board",
        "modbus-relay",
        "--profile",
        "waveshare-io-8ch",
        "--link",
        str(link),
        "--tape",
        str(tape),
    ]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        until(link.is_symlink, within_s=30.0, what="the link")
        process.stdin.write("walk 1\nunplug\n\nplug\nreboot\nweld 1\ninput 3 on\nknob drop=7\nwhat?\n")
        process.stdin.flush()
        until(lambda: tape.read_text(encoding="utf-8").count("power_on") == 2, what="the reboot")
        until(lambda: "contact_off" in tape.read_text(encoding="utf-8"), what="the person")
        process.terminate()
        _, err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert err.splitlines() == ["drop lies between 0 and 1, not at 7", HELP]


def test_a_code_typed_on_stdin_is_read_and_an_independent_client_asks_over_tcp(tmp_path: Path) -> None:
    link, port = tmp_path / "scanner", free_port()
    scanner = subprocess.Popen([*SIM, "scanner", "--link", str(link)], stdin=subprocess.PIPE, text=True)
    server = subprocess.Popen([*SIM, "board", "modbus-tcp", "--listen", f"127.0.0.1:{port}"], **QUIET)
    try:
        assert scanner.stdin is not None
        until(link.is_symlink, within_s=30.0, what="the link")
        with serial.Serial(str(link), 9600, timeout=10) as host:
            scanner.stdin.write("访客 1\n")
            scanner.stdin.flush()
            assert host.read_until(b"\r") == "访客 1\r".encode()
        until(lambda: answers("127.0.0.1", str(port)), within_s=30.0, what="the server")
        client = ModbusTcpClient("127.0.0.1", port=port, retries=0)
        try:
            assert client.connect()  # type: ignore[no-untyped-call]  # pymodbus has no types there
            assert not client.write_coil(2, value=True, device_id=1).isError()
            assert client.read_coils(0, count=8, device_id=1).bits == [place == 2 for place in range(8)]
        finally:
            client.close()  # type: ignore[no-untyped-call]
    finally:
        for process in (scanner, server):
            process.terminate()
            process.communicate(timeout=10)
    assert (scanner.returncode, server.returncode) == (0, 0)


@pytest.mark.parametrize("protocol", SERIAL)
def test_every_board_runs_in_a_station(tmp_path: Path, protocol: str) -> None:
    with on_pty(tmp_path, make_board(protocol), knobs=Knobs(latency_ms=5, split=3)) as (run, link):
        assert link.is_symlink()
        run.station.ask(lambda: run.station.do("unplug"))
        assert not link.is_symlink()
        run.station.ask(lambda: run.station.do("plug"))
        assert link.is_symlink()
    assert not link.is_symlink()
    assert run.whats("power") == [("power_off", 0), ("power_on", 0)]


def test_fire_and_button_come_in_as_contacts(tmp_path: Path) -> None:
    board = make_board("modbus-inputs")
    with on_pty(tmp_path, board) as (run, link), serial.Serial(str(link), 9600, timeout=5) as host:
        for deed, wanted in (("fire_on", 0x80), ("button_on", 0xC0), ("fire_off", 0x40), ("button_off", 0)):
            run.station.ask(lambda deed=deed: run.station.do(deed))  # type: ignore[misc]  # mypy and defaults
            host.write(bytes.fromhex("01 02 00 00 00 08 79 CC"))
            assert host.read(6)[3] == wanted
            threading.Event().wait(0.03)  # the silence that ends a Modbus frame
