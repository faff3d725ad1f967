"""``--no-input`` and ``--offline``, before any command: nobody is asked, and nothing goes through the running gate."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from drivers.tool.gate_file import read_gate_file
from shell.control import ControlServer
from simulators.boards.catalogue import make_board
from tests.real.drivers.tool.conftest import Plug
from tests.real.drivers.tool.test_moving import SIGNED, TOOL, gate, relays
from tests.real.drivers.tool.twins import run

pytestmark = pytest.mark.real
ENDS_WITHIN_S = 60
DIRECT = ("--port", "line", "--protocol", "lcus")
BOARD = ("--board", "relays", "--config", "gate.toml")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gate's file with a board "relays" at the port "line", in the folder of the test."""
    gate(tmp_path, relays(), lane=SIGNED)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def at_a_terminal(*argv: str, folder: Path) -> tuple[int, str]:
    """Exit code and messages of a command whose terminal nobody types at."""
    master, slave = pty.openpty()
    environment = os.environ | {"LC_ALL": "C", "PYTHONPATH": os.pathsep.join(sys.path)}
    try:
        done = subprocess.run(
            [sys.executable, "-c", TOOL, *argv],
            stdin=slave,
            capture_output=True,
            text=True,
            env=environment,
            cwd=folder,
            timeout=ENDS_WITHIN_S,
            check=False,
        )
    finally:
        os.close(master)
        os.close(slave)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("argv", "give"),
    [
        (("pulse", "1", *DIRECT), "--confirm LANE"),
        (("hold", "1", *BOARD), "--confirm LANE"),
        (("off", *DIRECT), "--confirm LANE"),
        (("soak", "1", "--n", "1", *DIRECT), "--confirm LANE"),
        (("selftest", "--level", "click", *BOARD), "--confirm LANE"),
        (("detect", "--port", "line", "--probe", "lcus", "--seconds", "0"), "--confirm isolated"),
        (("init",), "--answers FILE"),
    ],
    ids=lambda one: one[0] if isinstance(one, tuple) else "",
)
def test_a_command_that_would_ask_says_what_to_give_instead(
    plug: Plug, folder: Path, argv: tuple[str, ...], give: str
) -> None:
    twin = plug(make_board("lcus"))
    code, err = at_a_terminal("--no-input", *argv, folder=folder)
    assert (code, give in " ".join(err.split()), twin.moved()) == (4, True, []), err


def test_what_was_given_is_done_without_asking(plug: Plug, folder: Path) -> None:
    twin = plug(make_board("lcus"))
    code, err = at_a_terminal("--no-input", "pulse", "1", *BOARD, "--confirm", "entry", folder=folder)
    assert (code, twin.moved()) == (0, [("relay_on", 1), ("relay_off", 1)]), err


@pytest.fixture
def requests(folder: Path) -> Iterator[list[Mapping[str, Any]]]:
    """What a running gate is asked to do."""
    seen: list[Mapping[str, Any]] = []

    def take(request: Mapping[str, Any]) -> Mapping[str, Any]:
        seen.append(request)
        return {}

    server = ControlServer(
        read_gate_file(folder / "gate.toml").control_socket,
        dict.fromkeys(("watch", "pulse", "hold", "off", "release"), take),
    )
    server.start()
    yield seen
    server.stop()


@pytest.mark.parametrize(
    "argv",
    [
        ("pulse", "1", *BOARD, "--confirm", "entry"),
        ("off", *BOARD, "--confirm", "entry"),
        ("soak", "1", "--n", "1", *BOARD, "--confirm", "entry"),
        ("identify", *BOARD),
        ("selftest", "--level", "read", *BOARD),
    ],
    ids=lambda one: one[0],
)
@pytest.mark.parametrize("language", ["C", "zh_CN.UTF-8"])
def test_offline_ends_with_a_clear_word_where_the_gate_runs(
    plug: Plug, requests: list[Mapping[str, Any]], argv: tuple[str, ...], language: str
) -> None:
    twin = plug(make_board("lcus"))
    code, _, err = run("--offline", *argv, language=language)
    assert (code, requests, twin.moved()) == (3, [], []), err
    assert ("--offline" in err, "systemctl stop postern-edge" in err) == (True, True), err


def test_offline_holds_nothing_through_the_running_gate(
    plug: Plug, folder: Path, requests: list[Mapping[str, Any]]
) -> None:
    twin = plug(make_board("lcus"))
    code, err = at_a_terminal("--offline", "hold", "1", *BOARD, "--confirm", "entry", folder=folder)
    assert (code, requests, twin.moved(), "systemctl stop postern-edge" in err) == (3, [], [], True), err


def test_offline_does_it_by_itself_where_no_gate_runs(plug: Plug, folder: Path) -> None:
    twin = plug(make_board("lcus"))
    code, _, err = run("--offline", "pulse", "1", *BOARD, "--confirm", "entry")
    assert (code, twin.moved()) == (0, [("relay_on", 1), ("relay_off", 1)]), err


def test_without_offline_the_running_gate_is_asked(plug: Plug, requests: list[Mapping[str, Any]]) -> None:
    twin = plug(make_board("lcus"))
    run("off", *BOARD, "--confirm", "entry")
    assert ([one["do"] for one in requests], twin.moved()) == (["off"], [])
