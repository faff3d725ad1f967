"""``expect`` and ``echo`` of a board in the gate's file hold for every command of the tool, as for the gate."""

import json
from pathlib import Path

import pytest

from simulators.boards.catalogue import make_board
from simulators.boards.device import Answer
from simulators.boards.knobs import Knobs
from tests.real.drivers.tool.conftest import Plug
from tests.real.drivers.tool.test_moving import gate
from tests.real.drivers.tool.twins import run

pytestmark = pytest.mark.real
BOARD = 'name = "relays"\nport = "{}"\nprotocol = "modbus-relay"\nprofile = "waveshare-io-8ch"\n{}'
ELSEWHERE = 'expect = { socket = "1-1:1.0", usb = "1a86:7523" }'
COMMANDS = {
    "pulse": ("pulse", "1", "--confirm", "entry"),
    "hold": ("hold", "1", "--confirm", "entry", "--minutes", "0.01"),
    "off": ("off", "--confirm", "entry"),
    "soak": ("soak", "1", "--n", "1", "--confirm", "entry"),
    "watch": ("watch", "--timeout", "0.1"),
    "identify": ("identify",),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))
def test_another_adapter_than_the_file_expects_is_exit_4_and_hears_nothing(
    plug: Plug, tmp_path: Path, command: tuple[str, ...]
) -> None:
    twin = plug(make_board("modbus-relay", profile="waveshare-io-8ch"))
    heard: list[bytes] = []

    def notes(data: bytes, now_s: float) -> list[Answer]:
        heard.append(data)
        return []

    twin.station.ask(lambda: setattr(twin.devices[0], "receive", notes))
    path = gate(tmp_path, BOARD.format(twin.link, ELSEWHERE))
    code, out, err = run(*command, "--board", "relays", "--config", path)
    assert (code, out) == (4, ""), err
    assert "the gate's file expects socket 1-1:1.0, usb 1a86:7523; nothing was sent" in " ".join(err.split())
    assert heard == []


def test_a_self_test_says_what_is_there_and_what_should_be(plug: Plug, tmp_path: Path) -> None:
    twin = plug(make_board("modbus-relay", profile="waveshare-io-8ch"))
    path = gate(tmp_path, BOARD.format(twin.link, ELSEWHERE))
    named = ("--board", "relays", "--config", path, "--out", tmp_path / "found")
    code, out, err = run("selftest", *named, "--level", "read", "--json")
    assert code == 3, err
    (step,) = [each for each in json.loads(out)["steps"] if each["code"] == "expect"]
    assert (step["verdict"], step["what"]) == (
        "FAIL",
        "the port is no USB device, and the gate's file expects socket 1-1:1.0, usb 1a86:7523",
    )


def test_what_fits_is_used_and_what_nobody_understands_is_exit_2_and_a_missing_port_exit_3(
    plug: Plug, tmp_path: Path
) -> None:
    twin = plug(make_board("modbus-relay", profile="waveshare-io-8ch"))
    command = (*COMMANDS["pulse"], "--board", "relays", "--config")
    code, _, err = run(*command, gate(tmp_path, BOARD.format(twin.link, 'expect = { socket = "" }')))
    assert (code, twin.moved()) == (0, [("relay_on", 1), ("relay_off", 1)]), err
    for expect in ('expect = { sokcet = "1-1:1.0" }', 'expect = "1-1:1.0"', "expect = { usb = 6790 }"):
        code, _, err = run(*command, gate(tmp_path, BOARD.format(twin.link, expect)))
        assert (code, "expect of relays cannot be read" in err) == (2, True), err
    code, _, err = run(*command, gate(tmp_path, BOARD.format(tmp_path / "gone", ELSEWHERE)))
    assert code == 3, err
    assert twin.moved() == [("relay_on", 1), ("relay_off", 1)]


def test_an_adapter_that_echoes_is_told_from_the_board(plug: Plug, tmp_path: Path) -> None:
    twin = plug(make_board("modbus-relay", profile="waveshare-io-8ch"), knobs=Knobs(echo=True))
    command = (*COMMANDS["pulse"], "--json", "--board", "relays", "--config")
    code, out, err = run(*command, gate(tmp_path, BOARD.format(twin.link, "echo = true")))
    assert (code, json.loads(out)["grade"], err) == (0, "confirmed", "")
    assert twin.moved() == [("relay_on", 1), ("relay_off", 1)]
    twin.station.ask(lambda: twin.devices[0].power_off(0.0))
    code, out, err = run(*command, tmp_path / "gate.toml")
    assert (code, out, "othing else was sent" in err) == (1, "", True), err  # its own words came back
