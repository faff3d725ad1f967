"""From ``detect`` to ``selftest`` for each family of boards on its virtual twin, and ``soak``."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from drivers.model import LineSettings
from drivers.port import SerialPort
from drivers.tool.report import signable_hash
from simulators.boards.catalogue import make_board
from simulators.boards.device import Device
from simulators.boards.modbus_makes import WaveshareIo
from simulators.devices.modem import Modem
from simulators.devices.scanner_gm65 import Gm65
from simulators.devices.thermometers import Mcu90614
from tests.real.drivers.tool.conftest import Plug
from tests.real.drivers.tool.test_moving import started, wire
from tests.real.drivers.tool.twins import run
from tests.waiting import until

pytestmark = pytest.mark.real


def verdicts(document: dict[str, Any]) -> dict[str, str]:
    return {step["code"]: step["verdict"] for step in document["steps"]}


def figures(document: dict[str, Any], code: str) -> dict[str, Any]:
    found: dict[str, Any] = next(step["figures"] for step in document["steps"] if step["code"] == code)
    return found


def examined(folder: Path, *arguments: str | Path) -> tuple[int, dict[str, Any], str]:
    code, out, err = run("selftest", *arguments, "--out", folder / "test", "--installer", "Li", "--json")
    document: dict[str, Any] = json.loads(out)
    return code, document, err


WALK = [
    ("lcus", "lcus", None, "WARN"),  # it says nothing: bytes out is all that is known
    ("modbus", "modbus-relay", "waveshare-relay-8", "PASS"),
    ("modbus", "modbus-relay", "waveshare-io-8ch", "PASS"),
    ("modbus", "modbus-relay", "eletechsup-r421a08", "PASS"),
    ("modbus", "modbus-relay", "generic-0100-4", "PASS"),
    (None, "modbus-relay", "lctech-2ch", "PASS"),  # at unit 255, which no probe asks
    ("modbus", "modbus-relay", "kmtronic-modbus-8", "PASS"),
    ("numato", "numato", None, "PASS"),
    ("kmtronic", "kmtronic", None, "PASS"),
    ("devantech", "devantech-usb", None, "PASS"),
    ("turnstile-7e", "turnstile-7e", None, "WARN"),  # its states come by themselves, and confirm nothing
    (None, "turnstile-eb", None, "PASS"),
    ("modbus", "modbus-inputs", None, None),
]
SILENT = {"lcus": 3, "turnstile-eb": 2}  # with what identify ends where nobody can be asked


@pytest.mark.parametrize(("family", "protocol", "profile", "click"), WALK)
def test_each_board_from_detect_to_click(
    plug: Plug, tmp_path: Path, family: str | None, protocol: str, profile: str | None, click: str | None
) -> None:
    twin = plug(make_board(protocol, profile=profile))
    heard = run("detect", "--port", twin.link, "--seconds", "0.05", "--json")
    assert (heard[0], json.loads(heard[1])[0]["sent"]) == (0, []), heard[2]
    if family is not None:
        usb = ("--usb", "2a19:0c05") if family == "numato" else ()
        probe = ("detect", "--port", twin.link, "--probe", family, "--confirm", "isolated", "--json", *usb)
        code, out, err = run(*probe)
        found = bool(json.loads(out)[0]["candidates"])
        assert (code, found) == ((1, False) if family == "lcus" else (0, True)), err
    more = () if profile is None else ("--profile", profile)
    where = ("--port", twin.link, "--protocol", protocol, *more)
    code, out, err = run("identify", *where, "--confirm", "isolated", "--json")
    assert code == SILENT.get(protocol, 0), err
    code, document, err = examined(tmp_path, *where, "--isolated", "--level", "read")
    assert (code, document["count"]["FAIL"], twin.moved()) == (0, 0, []), (document, err)
    code, out, err = run("selftest", *where, "--level", "click", "--out", tmp_path / "no")
    assert (code, twin.moved()) == (2 if click is None else 4, []), err
    if click is None:
        return
    code, document, err = examined(tmp_path, *where, "--level", "click", "--confirm", "entry")
    late = figures(document, "click_1")["edge_ms"] > 300  # of this machine
    fails = document["count"]["FAIL"]
    assert (code, verdicts(document)["click_1"], fails) == ((1, "FAIL", 1) if late else (0, click, 0)), (
        document,
        err,
    )
    until(lambda: ("relay_off", 1) in twin.moved() or protocol.startswith("turnstile"), what="the end of it")
    assert [one for one in twin.moved() if one[0] == "relay_on"] == [("relay_on", 1)]


@pytest.mark.parametrize(
    ("protocol", "profile", "click"),
    [
        ("lcus", None, True),
        ("modbus-relay", "waveshare-io-8ch", True),
        ("turnstile-7e", None, True),
        ("modbus-inputs", None, False),
    ],
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_selftest_is_words_of_its_language_that_fit_the_console(
    plug: Plug, tmp_path: Path, protocol: str, profile: str | None, *, click: bool, language: str
) -> None:
    twin = plug(make_board(protocol, profile=profile), name="board-of-the-north-gate")
    more = () if profile is None else ("--profile", profile)
    level = ("--level", "click", "--confirm", "entry") if click else ("--level", "read")
    where = ("--port", twin.link, "--protocol", protocol, *more, *level, "--out", tmp_path / "t")
    _, out, err = run("--lang", language, "selftest", *where)
    rows = out.splitlines()
    assert [row for row in rows if cell_len(row) > 80] == [], err
    grades = ("confirmed", "accepted", "sent", "listened", "closed")
    if language == "zh":
        assert [row for row in rows if any(grade in row for grade in grades)] == []
    assert rows[-1].startswith("sha256 ")


def test_the_report_is_signable_and_names_the_installer(plug: Plug, tmp_path: Path) -> None:
    twin = plug(make_board("kmtronic"))
    code, document, _ = examined(tmp_path, "--port", twin.link, "--protocol", "kmtronic")
    written = json.loads((tmp_path / "test.json").read_text("utf-8"))
    assert (code, written, written["installer"]) == (0, document, "Li")
    assert written["sha256"] == signable_hash(written)
    page = (tmp_path / "test.txt").read_text("utf-8")
    assert (written["sha256"] in page, "Li" in page, "Signed" in page) == (True, True, True)
    assert [step["n"] for step in written["steps"]] == list(range(1, len(written["steps"]) + 1))
    assert figures(document, "reads")["p99_ms"] >= figures(document, "reads")["p50_ms"]


def test_passive_sends_nothing_and_a_missing_port_is_exit_3(plug: Plug, tmp_path: Path) -> None:
    twin = plug(make_board("devantech-usb"))
    where = ("--protocol", "numato", "--level", "passive")  # letters would switch it
    code, document, _ = examined(tmp_path, "--port", twin.link, *where)
    assert (code, verdicts(document), twin.moved()) == (0, {"port": "PASS", "listen": "PASS"}, [])
    code, document, _ = examined(tmp_path, "--port", tmp_path / "none", *where)
    assert (code, verdicts(document)) == (3, {"port": "FAIL"})


def test_a_board_that_another_process_plays_is_tested_unless_somebody_else_has_it(tmp_path: Path) -> None:
    link = tmp_path / "board"
    command = [sys.executable, "-m", "simulators.cli", "board", "kmtronic", "--link", str(link)]
    where = ("--port", link, "--protocol", "kmtronic")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            until(link.is_symlink, within_s=20, what="the link of the simulator")
            code, document, err = examined(tmp_path, *where)
            assert (code, document["count"]["FAIL"], verdicts(document)["reads"]) == (0, 0, "PASS"), err
            held = SerialPort(str(link), LineSettings())
            held.open()
            try:
                code, document, err = examined(tmp_path, *where)
            finally:
                held.close()
            assert (code, verdicts(document)["listen"], "is in use by" in err) == (3, "FAIL", True)
        finally:
            process.terminate()


def test_reading_asks_no_stranger(plug: Plug, tmp_path: Path) -> None:
    twin = plug(make_board("devantech-usb"))
    code, document, _ = examined(tmp_path, "--port", twin.link, "--protocol", "numato")
    assert (code, verdicts(document)["proof"], twin.moved()) == (0, "SKIP", [])
    code, document, _ = examined(tmp_path, "--port", twin.link, "--protocol", "kmtronic")
    assert (code, verdicts(document)["line"], twin.moved()) == (
        3,
        "FAIL",
        [],
    )  # harmless: asked, and no answer


def test_a_click_without_a_lane_moves_nothing(plug: Plug, tmp_path: Path) -> None:
    twin = plug(make_board("lcus"))
    click = (
        "selftest",
        "--port",
        twin.link,
        "--protocol",
        "lcus",
        "--level",
        "click",
        "--out",
        tmp_path / "t",
    )
    assert (run(*click)[0], twin.moved()) == (4, [])


def test_an_input_that_drives_an_output_by_itself_is_found(plug: Plug, tmp_path: Path) -> None:
    board = WaveshareIo()
    board.modes[2] = 1
    where = ("--port", plug(board).link, "--protocol", "modbus-relay", "--profile", "waveshare-io-8ch")
    code, document, _ = examined(tmp_path, *where, "--level", "click", "--confirm", "entry")
    assert (code, verdicts(document)["settings"]) == (1, "FAIL")


@pytest.mark.parametrize(
    ("protocol", "make", "device", "code"),
    [
        ("scanner", "gm65", Gm65(), "set_up_codes"),
        ("thermometer", "mcu90614", Mcu90614(person_c=36.5), "temperature"),
        ("modem", None, Modem(), "modem"),
    ],
)
def test_small_devices_have_steps_of_their_own(
    plug: Plug, tmp_path: Path, protocol: str, make: str | None, device: Device, code: str
) -> None:
    more = () if make is None else ("--make", make)
    ended, document, err = examined(tmp_path, "--port", plug(device).link, "--protocol", protocol, *more)
    expected = "WARN" if protocol == "scanner" else "PASS"
    assert (ended, verdicts(document).get(code)) == (0, expected), (document, err)


def test_a_gate_is_tested_board_by_board_and_only_confirmed_lanes_move(plug: Plug, tmp_path: Path) -> None:
    relays = plug(make_board("kmtronic"))
    plug(make_board("modbus-inputs"), name="inputs")
    path = tmp_path / "gate.toml"
    path.write_text(
        '[[board]]\nname = "relays"\nprotocol = "kmtronic"\nport = "line"\n'
        '[[board]]\nname = "inputs"\nprotocol = "modbus-inputs"\nport = "inputs"\n'
        '[[lane]]\nname = "entry"\nboard = "relays"\nchannel = 1\n'
        '[[lane]]\nname = "exit"\nboard = "relays"\nchannel = 2\n',
        encoding="utf-8",
    )
    code, document, err = examined(tmp_path, "--config", path, "--level", "click", "--confirm", "exit")
    assert (code, verdicts(document)["not_clicked"], verdicts(document)["click_2"]) == (0, "SKIP", "PASS"), (
        err
    )
    assert relays.moved() == [("relay_on", 2), ("relay_off", 2)]
    assert is_refused(path, "north")


def is_refused(path: Path, lane: str) -> bool:
    return run("selftest", "--config", path, "--level", "click", "--confirm", lane)[0] == 4


def test_soak_counts_what_was_missed(plug: Plug) -> None:
    twin = plug(make_board("kmtronic"))
    where = ("--port", twin.link, "--protocol", "kmtronic", "--ms", "100", "--every", "0")
    code, out, err = run("soak", "1", "--n", "5", *where, "--confirm", "entry", "--json")
    row = json.loads(out)
    assert (code, row["openings"], row["done"], row["missed"], row["replugs"]) == (0, 5, 5, 0, 0)
    assert row["stays_closed"] == []
    assert 0 <= row["p50_ms"] <= row["p99_ms"] < 300
    assert "WILL OPEN 5 TIMES" in err
    assert twin.moved().count(("relay_on", 1)) == 5
    assert run("soak", "1", "--n", "5", *where)[0] == 4


def test_soak_stops_at_a_relay_that_stays_closed(plug: Plug) -> None:
    board: Any = make_board("kmtronic")
    twin = plug(board)
    twin.station.ask(lambda: board.relays.weld(1))
    where = ("--port", twin.link, "--protocol", "kmtronic", "--ms", "100", "--every", "0")
    code, out, err = run("soak", "1", "--n", "5", *where, "--confirm", "entry", "--json")
    row = json.loads(out)
    assert (code, row["openings"], row["done"], row["missed"], row["stays_closed"]) == (1, 1, 0, 1, [1]), err
    assert "Relay 1 STAYS CLOSED" in err
    assert twin.moved().count(("relay_on", 1)) == 1


@pytest.mark.parametrize("expect", [False, True], ids=["answered", "seen"])
def test_soak_survives_a_cable_that_is_pulled_and_put_back(plug: Plug, *, expect: bool) -> None:
    protocol, profile = ["lcus"], None
    if expect:
        profile = "waveshare-io-8ch"
        protocol = ["modbus-relay", "--profile", profile, "--expect", "in2"]
    twin = plug(make_board(protocol[0], profile=profile))
    if expect:
        wire(twin, 1, 2)
    argv = [
        "soak",
        "1",
        "--n",
        "8",
        "--ms",
        "200",
        "--every",
        "0",
        "--port",
        str(twin.link),
        "--protocol",
        *protocol,
    ]
    with started([*argv, "--confirm", "entry", "--json"]) as process:
        until(lambda: twin.moved().count(("relay_on", 1)) >= 2, what="two openings")
        twin.station.ask(twin.station.unplug)
        twin.station.ask(twin.station.plug)
        out, err = process.communicate(timeout=40)
    row = json.loads(out)
    assert (row["openings"], row["replugs"], row["done"] + row["missed"]) == (8, 1, 8), err
    assert row["missed"] <= 1, err  # the one that was cut
    assert process.returncode == (1 if row["missed"] else 0)
