"""S4: commands that only read move no relay of any modelled board, whatever is claimed to be at the port.

``tests/unit/drivers/tool/test_probe_safety.py`` has every claim against every board in virtual time; here the commands
themselves run, on a line where all boards that are something else hear every byte.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from simulators.boards.device import Device
from simulators.boards.modbus_board import ModbusBoard
from simulators.boards.probing import BOARDS, HOPELESS
from tests.real.drivers.tool.conftest import Plug
from tests.real.drivers.tool.twins import run

pytestmark = pytest.mark.real


def strangers(*own: str) -> list[Device]:
    """Every board of the table that is not of this kind, and that can be saved at all."""
    made = {name: make() for name, make in BOARDS.items() if name not in HOPELESS}
    return [
        device
        for name, device in made.items()
        if name not in own and not ("modbus" in own and isinstance(device, ModbusBoard))
    ]


@pytest.mark.parametrize(
    ("claim", "own"),
    [
        ('protocol = "numato"', ("numato",)),
        ('protocol = "modbus-relay"\nprofile = "eletechsup-r421a08"\nunit = 1', ("modbus",)),
        ('protocol = "modbus-relay"\nprofile = "lctech-2ch"', ("modbus",)),
        ('protocol = "kmtronic"', ("kmtronic", "kmtronic-2")),
        ('protocol = "turnstile-7e"', ("turnstile-7e",)),
        ('protocol = "modbus-inputs"\nunit = 100', ("modbus",)),
    ],
)
def test_no_command_that_reads_moves_a_stranger(
    plug: Plug, tmp_path: Path, claim: str, own: Sequence[str]
) -> None:
    twin = plug(*strangers(*own))
    path = tmp_path / "gate.toml"
    path.write_text(
        f'[[board]]\nname = "b"\nport = "line"\n{claim}\n[[lane]]\nname = "entry"\nboard = "b"\nchannel = 1\n',
        encoding="utf-8",
    )
    of_file = ("--board", "b", "--config", path)
    codes = {
        "watch": run("watch", *of_file, "--timeout", "0.5")[0],
        "selftest": run("selftest", "--config", path, "--out", tmp_path / "t")[0],
        "identify": run("identify", *of_file)[0],
    }
    assert twin.moved() == [], codes
    assert codes["watch"] in {1, 3, 4}, codes
    assert codes["identify"] in {1, 3, 4}, codes


def test_no_command_about_a_port_moves_any_board(plug: Plug, tmp_path: Path) -> None:
    twin = plug(*strangers())
    port = ("--port", twin.link)
    commands = (
        ("ports", "--also", twin.link),
        ("doctor",),
        ("detect", *port, "--seconds", "0.1"),
        ("modbus", "scan", *port, "--units", "1-4"),
        ("temp", *port, "--make", "614v"),
        ("scan", *port, "--timeout", "0.1"),
        ("watch", *port, "--protocol", "scanner", "--make", "gm65", "--timeout", "0.3"),
        ("selftest", *port, "--protocol", "numato", "--level", "passive", "--out", tmp_path / "t"),
    )
    for command in commands:
        code, _, err = run(*command)
        assert (code in {0, 1, 3}, twin.moved()) == (True, []), (command, err)


def test_the_line_of_strangers_does_obey_whoever_means_them(plug: Plug) -> None:
    """What the tests above would see if they had something to see."""
    twin = plug(*strangers())
    code, _, _ = run(
        "pulse", "1", "--port", twin.link, "--protocol", "lcus", "--ms", "100", "--confirm", "entry"
    )
    assert (code, ("relay_on", 1) in twin.moved()) == (0, True)
