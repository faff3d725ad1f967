"""What a wrong ``gate.toml`` tells the installer: file, line, key, and what to write instead."""

from pathlib import Path

import pytest

from controller.init import DemoPlan, gate_toml
from drivers.gate.config import load_config
from edge.files import load_key_set, load_units
from passes.vocabulary import Direction
from shell.settings import SettingsError


@pytest.fixture
def text(tmp_path: Path) -> str:
    return gate_toml(DemoPlan(folder=tmp_path))


def refusal(tmp_path: Path, text: str) -> str:
    path = tmp_path / "gate.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError) as caught:
        load_config(path)
    return str(caught.value).removeprefix(str(path))


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), start=1) if part in line)


def test_the_file_that_the_centre_writes_is_read_by_the_gate(tmp_path: Path, text: str) -> None:
    path = tmp_path / "gate.toml"
    path.write_text(text, "utf-8")
    config = load_config(path)
    assert [(lane.name, lane.direction, lane.channel) for lane in config.lane] == [
        ("entry", Direction.ENTRY, 1),
        ("exit", Direction.EXIT, 2),
    ]
    assert config.gate.keys == tmp_path / "keyset.json"
    assert config.board[0].port == str(tmp_path / "dev" / "relays")
    assert (config.lane[0].camera or "").startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("old", "new", "at", "says"),
    [
        (
            "pulse_ms = 300",
            "pulse_mss = 300",
            "pulse_mss",
            "unknown key. Allowed here: board, camera, channel",
        ),
        ("pulse_ms = 300", "pulse_ms = 5000", "pulse_ms = 5000", "less than or equal to 2000 (got 5000)"),
        ('direction = "entry"', 'direction = "in"', 'direction = "in"', "'entry' or 'exit' (got 'in')"),
        (
            'passage = "contact"',
            'passage = "beam"',
            'passage = "beam"',
            "'contact', 'counter', 'assumed' or 'presence'",
        ),
        (
            'protocol = "lcus"',
            'protocol = "magic"',
            'protocol = "magic"',
            "Use one of: devantech-usb, kmtronic, lcus",
        ),
        ('zone = "Asia/Shanghai"', 'zone = "Mars/Olympus"', 'zone = "Mars/Olympus"', "time zone"),
        ('id = "south"', 'id = "South Gate"', 'id = "South Gate"', "pattern"),
        ("number = 0", "number = 8", "number = 8", "less than 8"),
        ('url = "mqtt://', 'url = "http://', 'url = "http://', "pattern"),
        (":18830", ":99999", ":99999", "99999"),
        ('camera = "http://', 'camera = "ftp://', 'camera = "ftp://', "rtsp://"),
        ('host = "127.0.0.1"', 'host = "192.168..5"', 'host = "192.168..5"', "look for a dot too many"),
    ],
)
def test_a_wrong_value_is_named_with_its_line_and_what_is_allowed(
    tmp_path: Path, text: str, old: str, new: str, at: str, says: str
) -> None:
    assert old in text
    wrong = text.replace(old, new, 1)
    found = refusal(tmp_path, wrong)
    assert found.startswith(f":{line_of(wrong, at)}: ")
    assert says in found


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("channel = 2\npulse", "channel = 1\npulse", "two lanes share one output"),
        ('board = "relays"', 'board = "inputs"', "is not a relay board of this file"),
        ('board = "inputs", channel = 1', 'board = "relays", channel = 1', "has no inputs"),
        ('name = "exit"', 'name = "entry"', "have the same name"),
        (
            'board = "inputs", channel = 2',
            'board = "inputs", channel = 1',
            "two lanes share one passage contact",
        ),
        ('port = "dev/inputs"', 'port = "dev/relays"', "share one port: lcus (relays) has no address there"),
        ("passage_wait_s = 5", "passage_wait_s = 1", "at least one second longer than pulse_ms"),
        ('release = "pulse_to_open"', 'release = "energise_to_lock"', "is not driven: if this program dies"),
        ('contact = { board = "inputs", channel = 1 }\n', "", "needs contact"),
    ],
)
def test_facts_that_do_not_fit_together_are_refused(
    tmp_path: Path, text: str, old: str, new: str, says: str
) -> None:
    assert old in text
    assert says in refusal(tmp_path, text.replace(old, new, 1))


def test_a_missing_key_and_a_missing_table_are_named(tmp_path: Path, text: str) -> None:
    assert "gate.zone: this key is missing" in refusal(tmp_path, text.replace('zone = "Asia/Shanghai"\n', ""))
    assert "board: this key is missing" in refusal(tmp_path, text.replace("[[board]]", "[[bord]]"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[gate\n", "is not TOML"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b"#" * 1_000_001, "is larger than"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_configuration_is_said_to_be_none(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    path = tmp_path / "gate.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=says):
        load_config(path)


def test_a_key_set_of_another_site_and_a_broken_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "keyset.json"
    path.write_text('{"v":1,"site":9,"seq":1,"keys":[]}')
    with pytest.raises(SettingsError, match="key set of site 9, and this gate stands at site 7"):
        load_key_set(path, 7)
    assert load_key_set(path, 9).keys == []
    path.write_text('{"v":1,"site":7,"seq":1,"keys":[{"kid":"zz"}]}')
    with pytest.raises(SettingsError, match=r"keys\.0\.kid"):
        load_key_set(path, 7)


def test_a_unit_directory_is_read_and_a_broken_one_named(tmp_path: Path) -> None:
    path = tmp_path / "units.json"
    path.write_text('{"v":1,"units":{"12":"3-1202"}}')
    assert load_units(path) == {12: "3-1202"}
    for key in ("twelve", "65536", "-1"):
        path.write_text(f'{{"v":1,"units":{{"{key}":"3-1202"}}}}')
        with pytest.raises(SettingsError, match=f"units.{key}"):
            load_units(path)
    path.write_text('{"v":1,"units":{"65535":"3-1202"}}')
    assert load_units(path) == {65_535: "3-1202"}
