"""The tool's commands on OSDP readers. The other end is libosdp's own peripheral, on a pseudo-terminal."""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.devices.osdp_frames import OUTPUT, frames_in
from tests.real.drivers.tool.conftest import Plug
from tests.real.drivers.tool.twins import Twin, run

osdp_sys: Any = pytest.importorskip(
    "osdp_sys", reason="libosdp has no wheel here: the extra osdp is not installed"
)
from simulators.boards.osdp_pd import OsdpReader  # noqa: E402  # needs libosdp

pytestmark = pytest.mark.real
KEY = bytes.fromhex("00112233445566778899aabbccddeeff")
OTHER = bytes.fromhex("ffeeddccbbaa99887766554433221100")
UNIT = 5
GATE = f"""
[gate]
id = "south"
data_dir = "south"
[[board]]
name = "reader"
protocol = "osdp"
port = "line"
unit = {UNIT}
outputs = 2
inputs = 2
key_file = "reader.key"
[[lane]]
name = "entry"
board = "reader"
channel = 1
contact = {{ board = "reader", channel = 1 }}
release = "pulse_to_open"
on_power_loss = "locked"
tested_by = "Li"
tested_on = 2026-11-22
"""


def write_key(path: Path, key: bytes = KEY) -> Path:
    path.write_text(key.hex() + "\n", encoding="ascii")
    path.chmod(0o600)
    return path


@pytest.fixture
def gate(tmp_path: Path) -> tuple[str | Path, ...]:
    """How a command names the reader of the gate's file."""
    file = tmp_path / "gate.toml"
    file.write_text(GATE, encoding="utf-8")
    write_key(tmp_path / "reader.key")
    return ("--board", "reader", "--config", file)


@pytest.fixture
def device() -> OsdpReader:
    return OsdpReader(unit=UNIT, key=KEY)


@pytest.fixture
def twin(plug: Plug, device: OsdpReader) -> Twin:
    return plug(device)


def by_port(twin: Twin, key_file: Path) -> tuple[str | Path, ...]:
    """The same without a gate's file."""
    return (
        "--port",
        twin.link,
        "--protocol",
        "osdp",
        "--unit",
        str(UNIT),
        "--key-file",
        key_file,
    )


def test_a_pulse_opens_once_and_its_figures_are_those_of_the_order(
    twin: Twin, gate: tuple[str | Path, ...], tmp_path: Path
) -> None:
    trace = tmp_path / "trace.jsonl"
    code, out, err = run("pulse", "1", *gate, "--confirm", "entry", "--trace", trace, "--json")
    assert code == 0, err
    row: dict[str, Any] = json.loads(out)
    assert (row["result"], row["grade"], row["timed_by"]) == ("done", "confirmed", "board")
    assert twin.moved() == [("relay_on", 1), ("relay_off", 1)]
    lines = [json.loads(line) for line in trace.read_text("utf-8").splitlines()]
    said = [bytes.fromhex(line["hex"]) for line in lines if line.get("do") == "tx"]
    orders = [frame for each in said for frame in frames_in(each) if frame.code == OUTPUT]
    assert all(frame.encrypted for frame in orders)
    assert len(orders) > 2  # both outputs are opened first, and at the end
    assert 0 <= row["sent_ms"] < row["answered_ms"] < 300


def test_a_pulse_by_port_and_key_works_without_a_file(twin: Twin, tmp_path: Path) -> None:
    key_file = write_key(tmp_path / "a.key")
    code, out, err = run("pulse", "1", *by_port(twin, key_file), "--ms", "200", "--confirm", "entry")
    assert code == 0, err
    assert "relay 1, 200 ms (timed by the board), confirmed" in out
    assert twin.moved() == [("relay_on", 1), ("relay_off", 1)]


def test_a_dry_run_shows_the_orders_and_says_that_the_line_shows_others(
    gate: tuple[str | Path, ...],
) -> None:
    code, out, err = run("pulse", "1", *gate, "--dry-run", "--json")
    assert (code, "the bytes on the line differ each time" in err) == (0, True)
    assert json.loads(out) == [
        {"at_ms": 0, "hex": "68 00 01 00 00", "encrypted": True},
        {"at_ms": 0, "hex": "68 01 01 00 00", "encrypted": True},
        {"at_ms": 0, "hex": "68 00 05 03 00", "encrypted": True},
    ]
    code, out, err = run("off", *gate, "--dry-run", language="zh_CN.UTF-8")
    assert (code, "加密" in err, out.splitlines()[0]) == (0, True, "reader  68 00 01 00 00")


def test_a_hold_stays_open_until_its_time_is_over(twin: Twin, gate: tuple[str | Path, ...]) -> None:
    code, out, err = run("hold", "1", *gate, "--minutes", "0.01", "--confirm", "entry", "--json")
    assert code == 0, err
    assert (json.loads(out)["ended"], twin.moved()) == ("time", [("relay_on", 1), ("relay_off", 1)])


def test_off_opens_what_is_closed(twin: Twin, device: OsdpReader, gate: tuple[str | Path, ...]) -> None:
    twin.station.ask(lambda: device.relays.switch(1, on=True, now_s=0.0))
    code, out, err = run("off", *gate, "--confirm", "entry", "--json")
    assert code == 0, err
    assert [(row["board"], row["state"]) for row in json.loads(out)] == [("reader", "accepted")]
    assert twin.moved() == [("relay_on", 1), ("relay_off", 1)]


def test_a_soak_has_the_latency_of_each(twin: Twin, gate: tuple[str | Path, ...]) -> None:
    more = ("--n", "3", "--every", "0", "--ms", "100", "--confirm", "entry", "--json")
    code, out, err = run("soak", "1", *gate, *more)
    assert code == 0, err
    row = json.loads(out)
    assert (row["openings"], row["done"], row["missed"]) == (3, 3, 0)
    assert 0 < row["p50_ms"] <= row["p99_ms"] < 300
    assert twin.moved() == [("relay_on", 1), ("relay_off", 1)] * 3


def befall(device: OsdpReader) -> None:
    """Somebody holds a card before it, and an input closes."""
    device.show(b"CARD-1")
    device.inputs.set(2, active=True)


def test_watch_shows_codes_and_inputs_and_moves_nothing(
    twin: Twin, device: OsdpReader, gate: tuple[str | Path, ...]
) -> None:
    twin.station.ask(lambda: device.relays.switch(1, on=True, now_s=0.0))
    before = len(device.orders)
    twin.station.ask(lambda: device.inputs.set(1, active=True))
    code, out, err = run("watch", *gate, "--count", "1", "--timeout", "20", "--json")
    assert code == 0, err
    row = json.loads(out.splitlines()[0])
    assert (row["kind"], row["channel"], row["role"]) == ("input", 1, "entry contact")
    assert [order for order in device.orders[before:] if order["command"] != osdp_sys.CMD_STATUS] == []
    assert twin.moved() == [("relay_on", 1)]  # who watches opens nothing, and closes nothing


def test_a_selftest_has_real_steps_and_a_report(
    twin: Twin, gate: tuple[str | Path, ...], tmp_path: Path
) -> None:
    out_file = tmp_path / "report"
    code, out, err = run(
        "selftest",
        "--config",
        gate[-1],
        "--level",
        "click",
        "--confirm",
        "entry",
        "--out",
        out_file,
        "--json",
    )
    assert code == 0, (out, err)
    document = json.loads(out)
    verdicts = {step["code"]: step["verdict"] for step in document["steps"]}
    assert verdicts | {"not_clicked": "SKIP"} == {
        "port": "PASS",
        "listen": "PASS",
        "identity": "PASS",
        "reads": "SKIP",
        "inputs": "PASS",
        "line": "PASS",
        "not_clicked": "SKIP",
        "click_1": "PASS",
    }
    (identity,) = [step for step in document["steps"] if step["code"] == "identity"]
    assert identity["what"] == "says that it is cafe01 2.1 1.2.3"
    assert json.loads(out_file.with_suffix(".json").read_text("utf-8"))["sha256"] == document["sha256"]
    assert twin.moved() == [("relay_on", 1), ("relay_off", 1)]


def test_a_wrong_key_moves_nothing_and_is_named_by_each_command(
    plug: Plug, gate: tuple[str | Path, ...], tmp_path: Path
) -> None:
    device = OsdpReader(unit=UNIT, key=OTHER)
    twin = plug(device)
    for command in (("pulse", "1"), ("off",), ("soak", "1", "--n", "1")):
        code, _, err = run(*command, *gate, "--confirm", "entry")
        assert (code, "no secure channel with our key" in err) == (3, True), err
    code, out, _ = run("selftest", "--config", gate[-1], "--out", tmp_path / "r", "--json")
    steps = {step["code"]: step for step in json.loads(out)["steps"]}
    assert (code, steps["identity"]["verdict"], steps["line"]["verdict"]) == (3, "FAIL", "FAIL")
    assert "no secure channel with our key" in steps["line"]["what"]
    assert (tmp_path / "r.txt").exists()
    assert (device.orders, twin.moved()) == ([], [])
