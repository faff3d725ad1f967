"""``off``, ``hold`` and ``term`` where a board says nothing, or where the running gate has it."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.tool.target import find_target
from shell.control import ControlServer
from simulators.boards.catalogue import make_board
from simulators.boards.device import Answer
from simulators.boards.knobs import Knobs
from simulators.boards.modbus_makes import WaveshareRelay
from tests.real.drivers.tool.conftest import Plug
from tests.real.drivers.tool.test_moving import gate, hold, relays, started
from tests.real.drivers.tool.twins import run
from tests.waiting import until

pytestmark = pytest.mark.real


@pytest.fixture
def gate_file(tmp_path: Path) -> Path:
    path = tmp_path / "gate.toml"
    board = '[[board]]\nname = "relays"\nprotocol = "kmtronic"\nport = "line"\n'
    path.write_text(f'[gate]\ndata_dir = "data"\n{board}', encoding="utf-8")
    (tmp_path / "data").mkdir()
    return path


@pytest.fixture
def daemon(gate_file: Path) -> Iterator[None]:
    target = find_target(port=None, protocol=None, board="relays", config=gate_file)
    assert target.gate is not None
    server = ControlServer(target.gate.control_socket, {})
    server.start()
    yield
    server.stop()


@pytest.mark.parametrize(("no_reply", "state", "code"), [(1.0, "fault", 1), (0.0, "accepted", 0)])
def test_off_at_a_board_that_does_not_answer_is_no_success(
    plug: Plug, no_reply: float, state: str, code: int
) -> None:
    twin = plug(make_board("modbus-relay", profile="generic-0100-4"), knobs=Knobs(no_reply=no_reply))
    more = ("--protocol", "modbus-relay", "--profile", "generic-0100-4", "--confirm", "entry", "--json")
    ended, out, err = run("off", "--port", twin.link, *more)
    assert (ended, json.loads(out)[0]["state"]) == (code, state), err


def test_s10_bytes_by_hand_are_refused_at_a_port_of_the_running_gate(
    plug: Plug, gate_file: Path, daemon: None
) -> None:
    """Through any name of the port; a port that is not the gate's is no matter of its."""
    own, other = plug(make_board("kmtronic")), plug(make_board("kmtronic"), name="other")
    link = gate_file.with_name("by-path")
    link.symlink_to(own.link)
    for port in (own.link, link):
        code, out, err = run("term", "--port", port, "--config", gate_file, stdin="FF 09 00\n")
        assert (code, "->" in out, "systemctl stop postern-edge" in err) == (3, False, True)
    code, out, err = run("term", "--port", other.link, "--config", gate_file, stdin="FF 09 00\n")
    assert (code, "-> FF 09 00" in out, "<- 00 00 00 00" in out) == (0, True, True), err


def test_bytes_by_hand_go_to_a_port_of_a_gate_that_does_not_run(plug: Plug, gate_file: Path) -> None:
    code, out, err = run(
        "term", "--port", plug(make_board("kmtronic")).link, "--config", gate_file, stdin="FF 09 00\n"
    )
    assert (code, "-> FF 09 00" in out) == (0, True), err


class Unsaid(WaveshareRelay):
    """Obeys, and says nothing while it is ``mute``."""

    mute = False

    def receive(self, data: bytes, now_s: float) -> list[Answer]:
        said = super().receive(data, now_s)
        return [] if self.mute else said


@pytest.mark.parametrize("mute", [True, False])
def test_ctrl_c_at_a_held_board_that_does_not_take_the_release_ends_in_doubt(
    plug: Plug, tmp_path: Path, mute: bool
) -> None:
    board = Unsaid()
    twin = plug(board)
    named = relays(protocol='protocol = "modbus-relay"\nprofile = "waveshare-relay-8"')
    with started([*hold(gate(tmp_path, named)), "--minutes", "10"]) as process:
        assert process.stderr is not None
        until(lambda: ("relay_on", 1) in twin.moved(), what="the relay")
        twin.station.ask(lambda: setattr(board, "mute", mute))
        assert "IS HELD OPEN" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    ended = json.loads(out)["ended"]
    assert (process.returncode, ended) == ((3, "unknown") if mute else (0, "released")), err
    assert ("MAY STILL STAND OPEN" in err) is mute
    assert "second pulse" not in err
