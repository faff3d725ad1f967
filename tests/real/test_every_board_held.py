"""One gate with a board of each remaining kind: the running daemon opens a lane on every one of them."""

from pathlib import Path

import pytest

from shell.control import NotRunningError
from simulators.boards.cable import Cable
from simulators.boards.catalogue import make_board
from simulators.boards.ends import End, PtyEnd, TcpEnd
from simulators.boards.modbus_board import ModbusBoard
from tests.real.drivers.stations import running
from tests.real.test_gate_boards import GUARD, Served, serving
from tests.waiting import until

pytestmark = pytest.mark.real

# By the relay that opens the lane, so that the tape tells whose it was; a controller's left side is its first.
BOARDS: dict[int, tuple[str, str | None]] = {
    1: ("turnstile-eb", None),
    2: ("modbus-relay", "lctech-2ch"),
    3: ("modbus-relay", "generic-0100-4"),
    4: ("modbus-relay", "kmtronic-modbus-8"),
    5: ("kmtronic", None),
    6: ("devantech-usb", None),
    7: ("modbus-tcp", "waveshare-io-8ch"),
    8: ("modbus-relay", "eletechsup-r421a08"),
}
GRADES = {1: "accepted", 3: "accepted"}  # these cannot be read back


def section(number: int, protocol: str, profile: str | None, port: str) -> str:
    named = f'profile = "{profile}"\n' if profile else ""
    opens = 'side = "left"' if protocol.startswith("turnstile") else f"channel = {number}"
    return (
        f'[[board]]\nname = "board{number}"\nprotocol = "{protocol}"\nport = "{port}"\n{named}'
        f'[[lane]]\nname = "lane{number}"\ndirection = "entry"\ncamera = "none"\nboard = "board{number}"\n{opens}\n'
        'pulse_ms = 1000\npassage = "assumed"\nrelease = "pulse_to_open"\non_power_loss = "locked"\n'
    )


def all_work(gate: Served) -> bool:
    try:
        return all(lane["works"] for lane in gate.ask("watch")["now"]["lanes"])
    except NotRunningError:
        return False


def test_the_running_gate_opens_a_lane_on_every_kind_of_board(tmp_path: Path) -> None:
    ends: list[End] = []
    text = ""
    for number, (protocol, profile) in BOARDS.items():
        board, port = make_board(protocol, profile=profile), f"dev/line{number}"
        if protocol == "modbus-tcp":
            assert isinstance(board, ModbusBoard)
            network = TcpEnd(board, host="127.0.0.1", port=0)
            ends.append(network)
            port = "{network}"
        else:
            ends.append(PtyEnd(tmp_path / port, Cable([board], seed=1)))
        text += section(number, protocol, profile, port)
    with running(tmp_path, ends) as station:
        text = text.replace("{network}", f"tcp://127.0.0.1:{network.port}")
        with serving(tmp_path, text) as gate:
            until(lambda: all_work(gate), within_s=30, what="every board")
            assert station.whats() == []
            for number in BOARDS:
                answer = gate.ask("pulse", lane=f"lane{number}", **GUARD)
                assert (answer["outcome"], answer["grade"]) == ("done", GRADES.get(number, "confirmed")), (
                    number
                )
            assert [one for one in station.whats() if one[0] == "relay_on"] == [
                ("relay_on", n) for n in BOARDS
            ]
            recorded = [row["lane"] for row in gate.events("override")]
            assert recorded == [f"lane{number}" for number in BOARDS]
