"""``detect``, ``identify`` and ``modbus scan`` against the virtual devices, on pseudo-terminals."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from drivers.model import LineSettings
from drivers.port import SerialPort
from simulators.boards.catalogue import make_board
from simulators.boards.device import Device
from simulators.boards.knobs import Knobs
from simulators.devices.modem import Modem
from simulators.devices.scanner_gm65 import Gm65
from simulators.devices.scanner_menus import Honeywell, Newland
from simulators.devices.thermometers import Cjmcu90614, Gy614V, Mcu90614
from simulators.devices.voice import Syn6288
from tests.real.drivers.tool.conftest import Plug
from tests.real.drivers.tool.twins import run
from tests.waiting import until

pytestmark = pytest.mark.real
PROBE = ("--confirm", "isolated", "--json")
NUMATO = ("--usb", "2a19:0c05")


def candidates(out: str) -> list[tuple[str | None, dict[str, object], str]]:
    (row,) = json.loads(out)
    return [(each["protocol"], each["options"], each["certainty"]) for each in row["candidates"]]


@pytest.mark.parametrize(
    ("family", "device", "more", "expected"),
    [
        ("devantech", make_board("devantech-usb"), (), ("devantech-usb", {"model": "USB-RLY08"}, "strong")),
        ("numato", make_board("numato"), NUMATO, ("numato", {}, "strong")),
        ("modbus", make_board("modbus-relay"), (), ("modbus-relay", {"unit": 1}, "weak")),
        ("modbus", make_board("modbus-inputs"), (), ("modbus-relay", {"unit": 1}, "weak")),
        ("kmtronic", make_board("kmtronic"), (), ("kmtronic", {"outputs": 8}, "weak")),
        ("lcus", make_board("lcus", profile="text"), (), ("lcus", {}, "weak")),
        ("lcus", make_board("lcus", profile="bytes"), (), ("lcus", {}, "weak")),
        ("turnstile-7e", make_board("turnstile-7e"), (), ("turnstile-7e", {}, "strong")),
        ("gm65", Gm65(), (), ("scanner", {"make": "gm65"}, "strong")),
        ("honeywell", Honeywell(), (), ("scanner", {"make": "honeywell"}, "strong")),
        ("newland", Newland(), (), ("scanner", {"make": "newland"}, "strong")),
        ("thermometer-614v", Gy614V(), (), ("thermometer", {"make": "614v"}, "strong")),
        ("modem", Modem(), (), ("modem", {}, "weak")),
        ("syn6288", Syn6288(), (), ("syn6288", {}, "weak")),
    ],
)
def test_a_probe_names_its_own_family_and_moves_nothing(
    plug: Plug, family: str, device: Device, more: tuple[str, ...], expected: object
) -> None:
    twin = plug(device)
    speed = ("--baud", str(device.speed)) if device.speed else ()
    code, out, err = run("detect", "--port", twin.link, "--probe", family, *speed, *more, *PROBE)
    assert (code, candidates(out)) == (0, [expected]), err
    assert "To be sent to" in err
    assert twin.moved() == []


def test_a_probe_without_the_word_sends_nothing(plug: Plug) -> None:
    twin = plug(make_board("kmtronic"))
    for confirm in ((), ("--confirm", "entry"), ("--confirm", "yes")):
        code, out, err = run("detect", "--port", twin.link, "--probe", "kmtronic", *confirm)
        assert (code, out) == (4, "")
        assert "FF 09 00" in err
        assert "nothing was sent" in err


def test_a_probe_for_another_family_finds_nothing(plug: Plug) -> None:
    twin = plug(make_board("lcus"))
    code, out, _ = run("detect", "--port", twin.link, "--probe", "modbus", *PROBE)
    assert (code, candidates(out), twin.moved()) == (1, [], [])


def test_a_usb_number_keeps_other_families_away(plug: Plug) -> None:
    twin = plug(make_board("devantech-usb"))
    probe = ("detect", "--port", twin.link, "--probe")
    for family, usb, words in (
        ("modbus", "04d8:ffee", "USB number 04d8:ffee is devantech's"),
        ("numato", "1a86:7523", "would switch Devantech"),
        ("devantech", "1a86:7523", "devantech is only asked at USB number 04d8:ffee"),
    ):
        code, _, err = run(*probe, family, "--usb", usb, *PROBE)
        assert (code, words in err) == (4, True), err
    code, _, err = run(*probe, "numato", *PROBE)
    assert (code, "numato is only asked at USB number 2a19" in err) == (4, True)
    assert twin.moved() == []


def test_a_dry_run_shows_the_bytes_and_opens_no_port(tmp_path: Path) -> None:
    code, out, err = run("detect", "--port", tmp_path / "none", "--probe", "lcus", "--dry-run")
    assert code == 0
    assert "FF" in err
    code, out, err = run("detect", "--port", tmp_path / "none", "--probe", "lcsu", "--dry-run")
    assert (code, out, "There is no family 'lcsu'" in err) == (2, "", True)


def test_listening_names_what_streams(plug: Plug) -> None:
    slow = plug(Mcu90614(person_c=36.5), name="slow")
    fast = plug(Cjmcu90614(person_c=36.5), name="fast")
    quiet = plug(make_board("lcus"), name="quiet")
    ports = [option for twin in (slow, fast, quiet) for option in ("--port", str(twin.link))]
    code, out, _ = run("detect", *ports, "--seconds", "0.5", "--json")
    assert code == 0
    found = [
        [(each["protocol"], each["options"].get("make")) for each in row["candidates"]]
        for row in json.loads(out)
    ]
    assert found == [[("thermometer", "mcu90614")], [("thermometer", "cjmcu")], []]
    assert quiet.moved() == []


def test_a_usb_number_is_a_hint_and_no_more() -> None:
    code, out, _ = run("detect", "--port", "/dev/null", "--usb", "1a86:7523", "--seconds", "0", "--json")
    assert code == 0
    assert [(each[0], each[2]) for each in candidates(out)] == [("lcus", "weak"), ("modbus-relay", "weak")]


@pytest.mark.parametrize("language", ["C", "zh_CN.UTF-8"])
def test_the_tables_fit_eighty_columns_in_both_languages(plug: Plug, language: str) -> None:
    twin = plug(Mcu90614(person_c=36.5))
    _, out, err = run("detect", "--port", twin.link, "--seconds", "0.3", language=language)
    wide = max(sum(2 if ord(letter) > 0x2E7F else 1 for letter in line) for line in out.splitlines())
    assert wide <= 80
    assert ("可能是" in out) == (language != "C"), err


def test_identify_says_how_certain_it_is(plug: Plug) -> None:
    twin = plug(make_board("devantech-usb"))
    code, out, _ = run("identify", "--port", twin.link, "--protocol", "devantech-usb", "--json")
    row = json.loads(out)
    assert (code, row["certainty"], row["found"][0]["why"]) == (
        0,
        "strong",
        "says that it is a USB-RLY08, firmware 1",
    )
    assert twin.moved() == []


@pytest.mark.parametrize(
    ("profile", "unit"),
    [
        ("waveshare-io-8ch", 1),
        ("waveshare-relay-8", 7),
        ("eletechsup-r421a08", 1),
        ("kmtronic-modbus-8", 1),
    ],
)
def test_identify_lists_the_profiles_that_fit(plug: Plug, profile: str, unit: int) -> None:
    twin = plug(make_board("modbus-relay", profile=profile, unit=unit))
    asked = ("--port", twin.link, "--protocol", "modbus-relay", "--profile", profile, "--unit", str(unit))
    code, out, err = run("identify", *asked, "--json")
    assert code == 0, err
    assert profile in [each["options"].get("profile") for each in json.loads(out)["found"]]
    assert twin.moved() == []


def test_what_a_profile_is_told_by_is_said_in_one_line_and_in_the_right_number(plug: Plug) -> None:
    twin = plug(make_board("modbus-inputs"))
    asked = ("identify", "--port", twin.link, "--protocol", "modbus-inputs")
    _, out, _ = run(*asked)
    assert "answers its only read, as other" in out
    _, out, _ = run(*asked, language="zh_CN.UTF-8")
    assert "回答了它唯一的读命令" in out


def test_a_unit_whose_number_is_an_order_is_identified_when_isolated(plug: Plug) -> None:
    twin = plug(make_board("modbus-relay", profile="lctech-2ch"))
    asked = ("identify", "--port", twin.link, "--protocol", "modbus-relay", "--profile", "lctech-2ch")
    code, _, err = run(*asked)
    assert (code, "nothing was sent" in err) == (4, True)
    code, out, err = run(*asked, "--confirm", "isolated", "--json")
    assert code == 0, err
    assert "lctech-2ch" in [each["options"].get("profile") for each in json.loads(out)["found"]]
    assert twin.moved() == []


def test_identify_tells_silence_from_a_stranger(plug: Plug) -> None:
    twin = plug(make_board("kmtronic"))
    code, _, err = run("identify", "--port", twin.link, "--protocol", "lcus")
    assert (code, "No answer" in err) == (3, True)
    stranger = plug(Mcu90614(person_c=36.5), name="stranger")
    code, _, err = run("identify", "--port", stranger.link, "--protocol", "lcus")
    assert (code, "does not answer as lcus does" in err) == (1, True)
    assert twin.moved() == []


def test_identify_asks_in_text_only_when_told_that_the_lane_is_isolated(plug: Plug) -> None:
    twin = plug(make_board("numato"))
    asked = ("identify", "--port", twin.link, "--protocol", "numato")
    code, _, err = run(*asked)
    assert (code, "nothing was sent" in err) == (4, True)
    code, out, _ = run(*asked, "--confirm", "isolated", "--json")
    assert (code, json.loads(out)["certainty"]) == (0, "strong")


def test_identify_of_a_modbus_board_needs_no_profile(plug: Plug) -> None:
    twin = plug(make_board("modbus-relay", profile="waveshare-io-8ch"))
    code, out, err = run("identify", "--port", twin.link, "--protocol", "modbus-relay", "--json")
    assert code == 0, err
    some, *fitting = json.loads(out)["found"]
    assert some["why"].endswith("some Modbus device; this does not say which")
    assert "waveshare-io-8ch" in [each["options"].get("profile") for each in fitting]
    assert {each["certainty"] for each in (some, *fitting)} == {"weak"}
    assert twin.moved() == []


@pytest.mark.parametrize(
    ("protocol", "device", "make"),
    [
        ("scanner", Gm65(), "gm65"),
        ("scanner", Honeywell(), "honeywell"),
        ("thermometer", Mcu90614(person_c=36.5), "mcu90614"),
        ("thermometer", Cjmcu90614(person_c=36.5), "cjmcu"),
        ("thermometer", Gy614V(), "614v"),
    ],
    ids=["gm65", "honeywell", "mcu90614", "cjmcu", "614v"],
)
def test_identify_of_a_scanner_or_thermometer_needs_no_make(
    plug: Plug, protocol: str, device: Device, make: str
) -> None:
    twin = plug(device)
    code, out, err = run("identify", "--port", twin.link, "--protocol", protocol, "--json")
    assert code == 0, err
    assert [(each["options"]["make"]) for each in json.loads(out)["found"]] == [make]
    assert twin.moved() == []


def test_a_make_whose_question_is_an_order_to_others_is_asked_only_when_isolated(plug: Plug) -> None:
    twin = plug(Newland())
    asked = ("identify", "--port", twin.link, "--protocol", "scanner", "--json")
    code, _, err = run(*asked)
    assert (code, "newland was not asked" in err) == (3, True)
    code, out, err = run(*asked, "--confirm", "isolated")
    assert (code, [each["options"]["make"] for each in json.loads(out)["found"]]) == (0, ["newland"]), err


def test_a_thermometer_that_streams_is_recognised_and_another_make_is_not_it(plug: Plug) -> None:
    twin = plug(Mcu90614(person_c=36.5))
    asked = ("identify", "--port", twin.link, "--protocol", "thermometer", "--make")
    assert run(*asked, "mcu90614")[0] == 0
    code, _, err = run(*asked, "cjmcu")
    assert (code, "No answer" in err) == (3, True)  # it says nothing at that speed


def test_a_plain_scanner_has_no_question_and_says_what_to_do(tmp_path: Path) -> None:
    code, _, err = run("identify", "--port", tmp_path / "x", "--protocol", "scanner", "--make", "text")
    assert (code, "Hold a code before it" in err) == (2, True)


def test_what_is_said_of_lcus_is_no_more_than_is_known(plug: Plug) -> None:
    asked = ("--protocol", "lcus", "--json")
    for name, profile in (("text", "text"), ("bytes", "bytes")):
        code, out, _ = run(
            "identify", "--port", plug(make_board("lcus", profile=profile), name=name).link, *asked
        )
        row = json.loads(out)
        assert (code, row["certainty"], "others may, too" in row["found"][0]["why"]) == (0, "weak", True)
    code, _, err = run("identify", "--port", plug(make_board("lcus"), name="mute").link, *asked)
    assert (code, "neither that one is there nor that none is" in err) == (3, True)


def test_a_turnstile_that_cannot_be_asked_is_said_to_be_so(plug: Plug) -> None:
    twin = plug(make_board("turnstile-eb"))
    code, _, err = run("identify", "--port", twin.link, "--protocol", "turnstile-eb")
    assert (code, "know no safe question" in err) == (2, True)


def test_modbus_scan_finds_the_units_on_the_line_by_reading(plug: Plug, tmp_path: Path) -> None:
    twin = plug(
        make_board("modbus-relay", unit=3),
        make_board("modbus-inputs", unit=5),
        make_board("modbus-relay", profile="eletechsup-r421a08", unit=6),
    )
    trace = tmp_path / "trace.jsonl"
    scan = ("modbus", "scan", "--port", twin.link, "--units", "2-6")
    code, out, _ = run(*scan, "--trace", trace, "--json")
    assert code == 0
    found = json.loads(out)
    assert [(row["unit"], row["baud"]) for row in found["units"]] == [(3, 9600), (5, 9600), (6, 9600)]
    assert found["passed_over"] == []
    sent = [
        bytes.fromhex(row["hex"])
        for row in map(json.loads, trace.read_text("utf-8").splitlines())
        if row.get("do") == "tx"
    ]
    assert {frame[1] for frame in sent} <= {1, 2, 3}
    assert 0 not in {frame[0] for frame in sent}
    assert twin.moved() == []


def test_modbus_scan_hears_answers_behind_its_own_echo(plug: Plug) -> None:
    twin = plug(make_board("modbus-relay", unit=2), knobs=Knobs(echo=True))
    code, out, _ = run("modbus", "scan", "--port", twin.link, "--units", "1-3", "--json")
    assert (code, [row["unit"] for row in json.loads(out)["units"]]) == (0, [2])


def test_modbus_scan_passes_over_units_whose_number_is_an_order(plug: Plug) -> None:
    twin = plug(make_board("modbus-relay", unit=101))
    scan = ("modbus", "scan", "--port", twin.link, "--units", "101")
    code, out, _ = run(*scan, "--json")
    assert (code, json.loads(out)) == (1, {"units": [], "passed_over": [101]})
    code, out, _ = run(*scan, "--confirm", "isolated", "--json")
    assert (code, [row["unit"] for row in json.loads(out)["units"]]) == (0, [101])


@pytest.mark.parametrize("units", ["0", "0-5", "5-1", "248", "a", ""])
def test_unit_0_and_other_nonsense_are_wrong_usage(tmp_path: Path, units: str) -> None:
    code, _, err = run("modbus", "scan", "--port", tmp_path / "none", "--units", units)
    assert (code, "unit 0 is never asked" in err) == (2, True)


def test_s10_a_port_that_somebody_else_holds_is_named(plug: Plug) -> None:
    twin = plug(make_board("lcus"))
    held = SerialPort(twin.link, LineSettings())
    held.open()
    try:
        code, out, _ = run("detect", "--port", twin.link, "--seconds", "0.2", "--json")
        assert (code, json.loads(out)[0]["skipped"] is not None) == (3, True)
        code, _, err = run("modbus", "scan", "--port", twin.link, "--units", "1")
        assert (code, "is in use by" in err) == (3, True)
    finally:
        held.close()


def test_a_device_that_another_process_plays_is_listened_to(tmp_path: Path) -> None:
    link = tmp_path / "temp"
    command = ["-m", "simulators.cli", "thermometer", "--link", str(link), "--celsius", "36.6"]
    with subprocess.Popen([sys.executable, *command], stdin=subprocess.DEVNULL) as process:
        try:
            until(link.is_symlink, within_s=20, what="the link of the simulator")
            code, out, _ = run("detect", "--port", link, "--seconds", "0.5", "--json")
        finally:
            process.terminate()
    assert (code, candidates(out)) == (0, [("thermometer", {"make": "mcu90614"}, "strong")])
