"""The rules of ``doctor`` on made-up machines."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.ports import PortRow
from drivers.tool.doctor import as_row, examine
from drivers.tool.findings import Level
from drivers.tool.gate_file import GateFile, read_gate_file
from drivers.tool.host import Host, free_bytes
from edge.set_aside import FILE
from passes.vocabulary import ClockTrust

ROW = PortRow(
    path="/dev/ttyUSB0",
    by_path="/dev/serial/by-path/pci-0-usb-0:1:1.0-port0",
    usb="1a86:7523",
    socket="1-1:1.0",
    serial=None,
    driver="ch341-uart",
    access="root dialout rw-rw----",
    usable=True,
    holder=None,
)


class _Clock:
    """A clock that says what it is told."""

    def __init__(self, trust: ClockTrust = ClockTrust.TRUSTED) -> None:
        self._trust = trust

    def monotonic_s(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC)

    def trust(self) -> ClockTrust:
        return self._trust


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine without a fault."""
    root = tmp_path / "machine"
    for name, text in {
        "dev/watchdog": "",
        "etc/systemd/system.conf": "[Manager]\nRuntimeWatchdogSec=60\n",
        "run/systemd/timesync/synchronized": "",
        "proc/1/comm": "systemd\n",
        "sys/devices/usb1/1-1/idVendor": "1a86\n",
        "sys/devices/usb1/1-1/dev": "189:5\n",
        "sys/devices/usb1/1-1/power/control": "on\n",
        "sys/devices/usb1/1-1/1-1:1.0/ttyUSB0/x": "",
        "sys/class/tty/ttyUSB0/dev": "188:0\n",
    }.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (root / "sys/class/tty/ttyUSB0/device").symlink_to(root / "sys/devices/usb1/1-1/1-1:1.0/ttyUSB0")
    return root


def codes(
    machine: Path, *rows: PortRow, gate: GateFile | None = None, trust: ClockTrust = ClockTrust.TRUSTED
) -> list[tuple[str, Level]]:
    found = examine(gate, rows or (ROW,), Host(machine), _Clock(trust))
    for each in found:
        assert as_row(each)["what"]
        assert as_row(each)["remedy"], f"{each.code} says no remedy"
    return [(each.code, each.level) for each in found if each.code != "disk_full"]


def test_a_machine_without_a_fault_has_no_finding(machine: Path) -> None:
    assert codes(machine) == []


def test_missing_rights_name_the_group(machine: Path) -> None:
    row = replace(ROW, usable=False)
    assert codes(machine, row) == [("no_rights", Level.FAIL)]
    (found,) = (each for each in examine(None, [row], Host(machine), _Clock()) if each.code == "no_rights")
    assert "usermod -aG dialout" in found.remedy.en


def test_modem_manager_is_named_with_the_rule_that_keeps_it_away(machine: Path) -> None:
    (machine / "proc/7").mkdir()
    (machine / "proc/7/comm").write_text("ModemManager\n")
    assert codes(machine) == [("modem_manager", Level.FAIL)]
    found = examine(None, [ROW], Host(machine), _Clock())
    rule = next(each.remedy.en for each in found if each.code == "modem_manager")
    assert 'ATTRS{idVendor}=="1a86", ATTRS{idProduct}=="7523", ENV{ID_MM_DEVICE_IGNORE}="1"' in rule
    told = machine / "run/udev/data/c189:5"
    told.parent.mkdir(parents=True)
    told.write_text("E:ID_MM_DEVICE_IGNORE=1\n")
    assert codes(machine) == []


def test_brltty_is_named_until_its_rules_are_switched_off(machine: Path) -> None:
    rules = machine / "usr/lib/udev/rules.d/85-brltty.rules"
    rules.parent.mkdir(parents=True)
    rules.write_text("")
    assert codes(machine) == [("brltty", Level.FAIL)]
    assert codes(machine, replace(ROW, usb="2a19:0c05")) == []
    own = machine / "etc/udev/rules.d/85-brltty.rules"
    own.parent.mkdir(parents=True)
    own.write_text("")
    assert codes(machine) == []


def test_an_adapter_that_may_sleep_is_named(machine: Path) -> None:
    (machine / "sys/devices/usb1/1-1/power/control").write_text("auto\n")
    assert codes(machine) == [("usb_autosuspend", Level.WARN)]


def test_s4_adapters_that_look_alike_are_named(machine: Path) -> None:
    other = replace(ROW, path="/dev/ttyUSB1")
    assert codes(machine, ROW, other) == [("duplicate_usb_ids", Level.WARN)]
    assert codes(machine, replace(ROW, serial="A1"), replace(other, serial="A2")) == []


def test_clock_and_watchdog(machine: Path) -> None:
    assert codes(machine, trust=ClockTrust.UNTRUSTED) == [("clock_wrong", Level.FAIL)]
    (machine / "run/systemd/timesync/synchronized").unlink()
    assert codes(machine) == [("clock_not_synchronised", Level.WARN)]
    (machine / "etc/systemd/system.conf").write_text("#RuntimeWatchdogSec=60\nRuntimeWatchdogSec=off\n")
    assert codes(machine)[1:] == [("watchdog_unused", Level.WARN)]
    (machine / "dev/watchdog").unlink()
    assert codes(machine)[1:] == [("no_watchdog", Level.WARN)]


def gate(folder: Path, board: str, more: str = "") -> GateFile:
    file = folder / "gate.toml"
    file.write_text(f'[[board]]\nname = "relays"\n{board}\n{more}', encoding="utf-8")
    return read_gate_file(file)


def of_boards(machine: Path, found: GateFile, row: PortRow = ROW) -> list[tuple[str, Level]]:
    return [each for each in codes(machine, row, gate=found) if each[0] != "config"]


def test_net11_a_network_relay_without_authentication_is_refused(machine: Path, tmp_path: Path) -> None:
    found = gate(tmp_path, 'protocol = "modbus-tcp"\nport = "tcp://192.0.2.7:502"')
    assert of_boards(machine, found) == [("network_relay_unauthenticated", Level.FAIL)]
    (told,) = (
        each for each in examine(found, [ROW], Host(machine), _Clock()) if each.code.startswith("network")
    )
    assert "NET11" in told.what.en


def test_s4_a_board_bound_to_a_number_gets_its_link_suggested(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = gate(tmp_path, 'protocol = "lcus"\nport = "/dev/ttyUSB0"')
    monkeypatch.setattr(Path, "exists", lambda _self: True)
    assert ("bound_by_number", Level.FAIL) in of_boards(machine, found)
    (told,) = (
        each for each in examine(found, [ROW], Host(machine), _Clock()) if each.code == "bound_by_number"
    )
    assert told.remedy.en == f"postern-driver config set board.relays.port {ROW.by_path}"


def test_s10_a_board_that_another_program_holds_is_named(machine: Path, tmp_path: Path) -> None:
    port = tmp_path / "port"
    port.write_text("")
    found = gate(tmp_path, 'protocol = "lcus"\nport = "port"')
    held = replace(ROW, path=str(port), usb=None, holder="minicom (7)")
    assert of_boards(machine, found, held) == [("port_held", Level.FAIL)]
    assert of_boards(machine, found, replace(held, holder=None)) == []


def test_a_board_that_is_not_plugged_in_and_a_wrong_key_are_named(machine: Path, tmp_path: Path) -> None:
    found = gate(tmp_path, 'protocol = "lcus"\nport = "none"', "[gates]\n")
    assert of_boards(machine, found) == [("port_missing", Level.FAIL)]
    config = [each for each in examine(found, [ROW], Host(machine), _Clock()) if each.code == "config"]
    assert any(each.remedy.en == "did you mean 'gate'?" for each in config)


def test_i8_rows_that_the_journal_never_took_are_named_until_somebody_took_them_away(
    machine: Path, tmp_path: Path
) -> None:
    found = gate(tmp_path, 'port = "/dev/null"')
    said = [each.code for each in examine(found, [ROW], Host(machine), _Clock())]
    assert "rows_set_aside" not in said
    assert found.refused_rows == found.data_dir / FILE  # as the gate calls it
    found.data_dir.mkdir(exist_ok=True)
    found.refused_rows.write_text("{}\n", "utf-8")
    (finding,) = (
        each for each in examine(found, [ROW], Host(machine), _Clock()) if each.code == "rows_set_aside"
    )
    assert finding.level is Level.FAIL
    assert str(found.refused_rows) in finding.what.en


def test_free_space_is_that_of_the_nearest_folder(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "yet") is not None
    assert (free_bytes(tmp_path) or 0) > 0
