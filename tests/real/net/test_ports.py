"""What a gate listens on, and what its neighbours on the network can do to its lanes."""

import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from simulators.boards.catalogue import make_board
from tests.real.drivers.stations import on_pty
from tests.real.test_gate_boards import ON_IO, WAVESHARE, serving
from tests.waiting import until

pytestmark = pytest.mark.real

LISTENING = "0A"
SOCKETS = 300


def listening() -> set[tuple[str, int]]:
    """Addresses and ports, as the kernel shows them, where this process listens; of UDP all that are bound."""
    inodes = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for table, state in (("tcp", LISTENING), ("tcp6", LISTENING), ("udp", None), ("udp6", None)):
        for line in Path(f"/proc/self/net/{table}").read_text("ascii").splitlines()[1:]:
            parts = line.split()
            if parts[9] in inodes and (state is None or parts[3] == state):
                address, port = parts[1].split(":")
                found.add((address, int(port, 16)))
    return found


def test_net10_a_gate_listens_on_its_kiosks_port_of_this_machine_and_nowhere_else(tmp_path: Path) -> None:
    before = listening()
    with (
        on_pty(tmp_path, make_board("modbus-relay", profile="waveshare-io-8ch")),
        serving(tmp_path, WAVESHARE + ON_IO) as gate,
    ):
        gate.wait_up()
        until(lambda: listening() - before, what="the kiosk's port")
        gate.status()
        port = int(gate.daemon.url.rpartition(":")[2])
        assert listening() - before == {("0100007F", port)}


def test_net10_three_hundred_silent_neighbours_keep_no_lane_from_opening(tmp_path: Path) -> None:
    with (
        on_pty(tmp_path, make_board("modbus-relay", profile="waveshare-io-8ch")) as (station, _),
        serving(tmp_path, WAVESHARE + ON_IO) as gate,
        ExitStack() as neighbours,
    ):
        gate.wait_up()
        port = int(gate.daemon.url.rpartition(":")[2])
        for _ in range(SOCKETS):
            neighbours.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
        began_s = time.monotonic()
        gate.ask("pulse", lane="entry", by="李工", reason="试开")
        until(lambda: ("relay_on", 1) in station.whats(), what="the opening")
        assert time.monotonic() - began_s < 10
