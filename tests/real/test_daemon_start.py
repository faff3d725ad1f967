"""How a gate starts: relays open first, then its journal is looked at. A second process does nothing."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.gate.config import load_config
from edge.daemon import EdgeDaemon
from edge.journal import Journal, JournalBusyError
from edge.journal.recovery import open_or_recover
from shell.clock import SystemClock
from simulators.boards.cable import Cable
from simulators.boards.catalogue import make_board
from simulators.boards.ends import PtyEnd
from simulators.devices.scanner import TextScanner
from tests.real.drivers.stations import Running, running
from tests.real.test_gate_boards import write_gate
from tests.real.test_gate_scanners import Lens
from tests.waiting import until

pytestmark = pytest.mark.real
LOOKS = "edge.journal.journal.open_or_recover"
CLOSED = [("relay_on", 1)]
OPENED = [*CLOSED, ("relay_off", 1)]
GATE = """[[board]]
name = "relays"
protocol = "lcus"
port = "dev/line"
[[board]]
name = "engine"
protocol = "scanner"
make = "text"
port = "dev/engine"
[[lane]]
name = "exit"
direction = "exit"
scanner = "engine"
board = "relays"
channel = 1
passage = "assumed"
release = "pulse_to_open"
on_power_loss = "open"
"""
READS_IN, READS_OUT = 'scanner = "engine"', 'camera = "entry"'
ENTRY_BY_SCANNER = (
    GATE[GATE.index("[[lane]]") :].replace('"exit"', '"entry"').replace("channel = 1", "channel = 2")
)
EXIT_BY_CAMERA = GATE.replace(READS_IN, READS_OUT)


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Running]:
    """A board whose relay an earlier run left closed."""
    board = make_board("lcus")
    end = PtyEnd(tmp_path / "dev" / "line", Cable([board], seed=1))

    def left_closed() -> None:
        board.receive(bytes([0xA0, 1, 1, 0xA2]), SystemClock().monotonic_s())

    with running(tmp_path, [end], None) as found:
        found.station.ask(left_closed)
        until(lambda: found.whats() == CLOSED, what="the relay closed")
        yield found


def test_s15_what_an_earlier_run_left_closed_opens_before_the_journal_is_looked_at(
    station: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Event()

    def looks_late(*given: Any, **named: Any) -> Any:
        until(lambda: station.whats() == OPENED, within_s=30, what="all off")
        looked.set()
        return open_or_recover(*given, **named)

    monkeypatch.setattr(LOOKS, looks_late)
    path, stop = write_gate(tmp_path, GATE, code=False), threading.Event()
    daemon = EdgeDaemon(load_config(path), path)
    assert looked.is_set()
    stop.set()
    daemon.run(stop)
    assert station.whats()[:2] == OPENED


def test_a_gate_whose_journal_cannot_be_looked_at_leaves_its_boards_to_the_exits(
    station: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_given: Any, **_named: Any) -> Any:
        raise RuntimeError("an error of ours")

    monkeypatch.setattr(LOOKS, fails)
    path, before = write_gate(tmp_path, GATE, code=False), threading.active_count()
    with pytest.raises(RuntimeError):
        EdgeDaemon(load_config(path), path)
    assert threading.active_count() == before  # the ports are free for whoever serves the exits


def test_a_second_process_in_a_gates_folder_moves_nothing(station: Running, tmp_path: Path) -> None:
    path = write_gate(tmp_path, GATE, code=False)
    config = load_config(path)
    first = Journal(config.gate.data_dir, SystemClock())
    try:
        with pytest.raises(JournalBusyError):
            EdgeDaemon(config, path)
    finally:
        first.close()
    assert station.whats() == CLOSED


@pytest.mark.parametrize("text", [GATE, EXIT_BY_CAMERA + ENTRY_BY_SCANNER], ids=["scanner", "camera"])
def test_i9_while_the_journal_is_looked_at_exits_open_entries_do_not_and_systemd_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    engine = TextScanner()
    line = PtyEnd(tmp_path / "dev" / "engine", Cable([engine], seed=1))
    ends = [PtyEnd(tmp_path / "dev" / "line", Cable([make_board("lcus")], seed=1)), line]
    systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    systemd.bind(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with systemd, running(tmp_path, list(ends), None) as found:
        lens, heard = Lens(found, line, engine), list[bytes]()

        def out() -> bool:
            lens.show("https://example.org/")  # until its line is up
            return ("relay_off", 1) in found.whats()

        def looks_long(*given: Any, **named: Any) -> Any:
            until(out, within_s=40, what="the exit's pulse")
            heard.append(systemd.recv(500))
            return open_or_recover(*given, **named)

        monkeypatch.setattr(LOOKS, looks_long)
        path, stop = write_gate(tmp_path, text, code=True), threading.Event()
        daemon = EdgeDaemon(load_config(path), path)
        stop.set()
        daemon.run(stop)
        assert heard == [b"EXTEND_TIMEOUT_USEC=30000000"]
        assert {channel for _, channel in found.whats()} == {1}
