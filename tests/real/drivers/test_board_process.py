"""The virtual boards as the process that the demo starts."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from drivers.model import Done, InputEdge
from tests.real.drivers.conftest import Listen
from tests.waiting import until

pytestmark = pytest.mark.real


def start(*options: str) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-m", "simulators.boards.process", "lcus", *options]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


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
