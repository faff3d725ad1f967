"""Keys that an installer types who wants out: no relay waits for a program that is gone, or asleep."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from simulators.boards.catalogue import make_board
from tests.real.drivers.tool.conftest import Plug
from tests.real.drivers.tool.test_moving import gate, hold, relays, started
from tests.waiting import until

pytestmark = pytest.mark.real
ENDS_WITHIN_S = 60.0
ONE = [("relay_on", 1), ("relay_off", 1)]


@pytest.mark.parametrize("what", ["hold", "pulse", "soak", "selftest"])
def test_ctrl_z_leaves_no_relay_closed(plug: Plug, tmp_path: Path, what: str) -> None:
    twin, path = plug(make_board("lcus")), gate(tmp_path, relays())
    where = ["--board", "relays", "--config", str(path), "--confirm", "entry"]
    argv = {
        "hold": [*hold(path), "--minutes", "0.03"],
        "pulse": ["pulse", "1", *where, "--ms", "1500"],
        "soak": ["soak", "1", *where, "--ms", "1500", "--n", "1", "--every", "0"],
        "selftest": ["selftest", "--level", "click", *where, "--out", str(tmp_path / "report")],
    }[what]
    with started(argv) as process:
        until(lambda: ("relay_on", 1) in twin.moved(), within_s=ENDS_WITHIN_S, what="the relay")
        ignored = _ignores(process.pid, signal.SIGTSTP)
        process.send_signal(signal.SIGTSTP)
        _, err = process.communicate(timeout=ENDS_WITHIN_S)
    assert ignored
    assert process.returncode in (0, 1), err  # a busy machine may be late at the relay's edge
    assert twin.moved() == ONE


def test_ctrl_z_still_stops_a_command_that_moves_nothing(plug: Plug) -> None:
    """By what the kernel is told: it stops nobody whose shell is gone, as under CI."""
    twin = plug(make_board("modbus-inputs"))
    with started(["watch", "--port", str(twin.link), "--protocol", "modbus-inputs", "--json"]) as process:
        until(lambda: _started(process), within_s=ENDS_WITHIN_S, what="the program")
        assert not _ignores(process.pid, signal.SIGTSTP)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode in (0, 130)


def test_ctrl_backslash_ends_a_hold_as_ctrl_c_does(plug: Plug, tmp_path: Path) -> None:
    twin = plug(make_board("lcus"))
    with started([*hold(gate(tmp_path, relays())), "--minutes", "10"]) as process:
        until(lambda: ("relay_on", 1) in twin.moved(), within_s=ENDS_WITHIN_S, what="the relay")
        process.send_signal(signal.SIGQUIT)
        out, err = process.communicate(timeout=ENDS_WITHIN_S)
    assert (process.returncode, json.loads(out)["ended"]) == (0, "released"), err
    assert twin.moved() == ONE


@pytest.mark.parametrize("what", ["hold", "pulse"])
def test_ctrl_c_again_and_again_ends_as_the_first_one_does(plug: Plug, tmp_path: Path, what: str) -> None:
    twin, path = plug(make_board("lcus")), gate(tmp_path, relays())
    pulse = ["pulse", "1", "--board", "relays", "--config", str(path), "--confirm", "entry", "--ms", "2000"]
    with started([*hold(path), "--minutes", "10"] if what == "hold" else pulse) as process:
        until(lambda: ("relay_on", 1) in twin.moved(), within_s=ENDS_WITHIN_S, what="the relay")

        def ended() -> bool:
            process.send_signal(signal.SIGINT)
            return process.poll() is not None

        until(ended, within_s=ENDS_WITHIN_S, what="the end")
        _, err = process.communicate(timeout=ENDS_WITHIN_S)
    assert (process.returncode, "Traceback" in err) == (0 if what == "hold" else 130, False), err
    assert twin.moved() == ONE


STARTS = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == "drivers.registry":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupts())
from drivers.cli import main
sys.argv = ["postern-driver", "ports"]
main()
"""


def test_ctrl_c_while_the_program_starts_is_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTS], capture_output=True, text=True, timeout=ENDS_WITHIN_S, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
    whole = STARTS.replace("drivers.registry", "drivers.nobody")
    done = subprocess.run(
        [sys.executable, "-c", whole],
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_S,
        check=False,
        env=os.environ | {"LC_ALL": "C"},
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


def test_a_cable_that_comes_out_of_a_hold_is_told_as_that(plug: Plug, tmp_path: Path) -> None:
    twin = plug(make_board("lcus"))
    with started([*hold(gate(tmp_path, relays())), "--minutes", "10"]) as process:
        until(lambda: ("relay_on", 1) in twin.moved(), within_s=ENDS_WITHIN_S, what="the relay")
        twin.station.ask(twin.station.unplug)
        out, err = process.communicate(timeout=ENDS_WITHIN_S)
    row = json.loads(out)
    assert (process.returncode, row["ended"]) == (3, "cable"), err
    assert f"was held for {row['held_s']:g} s, then the cable was lost" in err
    assert ("take the board's supply off" in err, "second pulse" in err) == (True, False)


def test_a_soak_that_finds_no_port_does_not_say_that_a_lane_will_open(tmp_path: Path) -> None:
    argv = [
        "soak",
        "1",
        "--n",
        "2",
        "--port",
        str(tmp_path / "none"),
        "--protocol",
        "lcus",
        "--confirm",
        "entry",
    ]
    with started(argv) as process:
        _, err = process.communicate(timeout=ENDS_WITHIN_S)
    assert (process.returncode, "WILL OPEN" in err) == (3, False), err


def _started(process: "subprocess.Popen[str]") -> bool:
    """Whether the program obeys signals by handlers of its own: SIGQUIT is caught, so its ``main`` has begun."""
    caught = next(
        line
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
        if line.startswith("SigCgt")
    )
    return bool(int(caught.split()[1], 16) >> (signal.SIGQUIT - 1) & 1)


def _ignores(pid: int, number: int) -> bool:
    """Whether a process has a signal ignored."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    mask = next(line for line in status.splitlines() if line.startswith("SigIgn:")).split()[1]
    return bool(int(mask, 16) >> (number - 1) & 1)
