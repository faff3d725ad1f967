"""Commands and the running daemon: through its control socket, or a clear word."""

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer

from drivers.tool.daemon import ask_daemon
from drivers.tool.target import Target, find_target
from shell.control import ControlServer, RequestError
from simulators.boards.catalogue import make_board
from tests.real.drivers.tool.conftest import Plug
from tests.real.drivers.tool.twins import run

pytestmark = pytest.mark.real


@pytest.fixture
def target(tmp_path: Path) -> Target:
    (tmp_path / "gate.toml").write_text(
        '[gate]\ndata_dir = "data"\n[[board]]\nname = "relays"\nprotocol = "kmtronic"\nport = "line"\n',
        "utf-8",
    )
    (tmp_path / "data").mkdir()
    return find_target(port=None, protocol=None, board="relays", config=tmp_path / "gate.toml")


@pytest.fixture
def daemon(target: Target) -> Iterator[None]:
    def read(request: Mapping[str, Any]) -> Mapping[str, Any]:
        if request.get("board") != "relays":
            raise RequestError("unsafe", "not that one")
        return {"bits": 5}

    assert target.gate is not None
    server = ControlServer(target.gate.control_socket, {"outputs": read})
    server.start()
    yield
    server.stop()


def ended(target: Target, request: Mapping[str, Any]) -> int:
    with pytest.raises(typer.Exit) as exit_:
        ask_daemon(target, request)
    return exit_.value.exit_code


def test_a_running_daemon_is_asked(target: Target, daemon: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask_daemon(target, {"do": "outputs", "board": "relays"}) == {"bits": 5}
    assert ended(target, {"do": "outputs", "board": "other"}) == 4
    assert "not that one" in capsys.readouterr().err
    assert ended(target, {"do": "sing"}) == 3
    assert "systemctl stop postern-edge" in capsys.readouterr().err


def test_without_a_daemon_there_is_nobody_to_ask(target: Target) -> None:
    assert ask_daemon(target, {"do": "outputs"}) is None


def test_s10_a_board_of_the_running_daemon_is_left_to_it(
    target: Target, daemon: None, plug: Plug, tmp_path: Path
) -> None:
    twin = plug(make_board("kmtronic"))
    code, _, err = run("identify", "--board", "relays", "--config", tmp_path / "gate.toml")
    assert (code, "systemctl stop postern-edge" in err) == (3, True)
    assert run("identify", "--port", twin.link, "--protocol", "kmtronic")[0] == 0


def test_a_socket_that_a_killed_daemon_left_behind_locks_nobody_out(
    target: Target, plug: Plug, tmp_path: Path
) -> None:
    assert target.gate is not None
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(target.gate.control_socket))
    assert target.gate.control_socket.is_socket()
    twin = plug(make_board("kmtronic"))
    where = ("--board", "relays", "--config", tmp_path / "gate.toml")
    assert run("identify", *where)[0] == 0
    code, _, err = run("off", *where, "--confirm", "relays")
    assert (code, err, twin.moved()) == (0, "", [])


def test_a_daemon_that_is_stuck_still_has_its_boards(
    target: Target, plug: Plug, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.tool.daemon._GREETED_WITHIN_S", 0.1)
    plug(make_board("kmtronic"))
    assert target.gate is not None
    with socket.socket(socket.AF_UNIX) as stuck:
        stuck.bind(str(target.gate.control_socket))
        stuck.listen()
        code, _, err = run("identify", "--board", "relays", "--config", tmp_path / "gate.toml")
    assert (code, "systemctl stop postern-edge" in err) == (3, True)
