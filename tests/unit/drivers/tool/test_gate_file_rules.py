"""A gate's file is good for the installer's tool exactly when the gate starts with it; no program prints a secret."""

import copy
import json
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from controller.init import DemoPlan, gate_toml
from drivers.gate.config import GateConfig, load_config
from drivers.tool.commands import app
from drivers.tool.config_check import problems_of
from edge.cli import app as edge_app
from shell.settings import SettingsError

DEMO: Final = gate_toml(DemoPlan(folder=Path()))
PASSWORD: Final = "geheim77"
TCP_TWINS: Final = """
[[board]]
name = "one"
protocol = "modbus-tcp"
profile = "kmtronic-modbus-8"
port = "tcp://192.0.2.10:502"
[[board]]
name = "two"
protocol = "modbus-tcp"
profile = "kmtronic-modbus-8"
port = "tcp://[::ffff:192.0.2.10]:502"
"""
FIRE: Final = """
[[input]]
role = "fire"
board = "inputs"
channel = {channel}
{more}
"""

Edit = tuple[str, str]
"""What is replaced in the demo's file, and by what; an empty first part means that it is added."""

BROKEN: Final[dict[str, Edit]] = {
    "not TOML": ('id = "', "id = "),
    "a key that nobody knows": ("pulse_ms", "pulse_mss"),
    "a table that nobody knows": ("[kiosk]", "[kioks]"),
    "a missing table": ("[broker]", "[broken]"),
    "a missing key": ("zone = ", "# zone = "),
    "a zone that is none": ("Asia/Shanghai", "Asia/Nowhere"),
    "an id in capitals": ('id = "', 'id = "S'),
    "a number beyond the gates": ("number = 0", "number = 8"),
    "a user and a password": ("mqtt://", f"mqtt://gate:{PASSWORD}@"),
    "a user alone": ("mqtt://", "mqtt://gate@"),
    "a broker without a port": ("mqtt://127.0.0.1:18830", "mqtt://127.0.0.1"),
    "a broker's port that is none": (":18830", ":99999"),
    "a broker with a path": (":18830", ":18830/gate"),
    "a broker by another scheme": ("mqtt://", "amqp://"),
    "a broker elsewhere without TLS": ("mqtt://127.0.0.1:", "mqtt://192.0.2.7:"),
    "a kiosk's port that is none": ("port = 8081", "port = 70000"),
    "a stay that is no time": ("", '\n[stay]\nfood = "8 pm"\n'),
    "a policy that is no yes": ("[policy]\n", '[policy]\nresidents_when_bundle_stale = "perhaps"\n'),
    "an unknown protocol": ('"lcus"', '"lcuss"'),
    "an option of another protocol": ('protocol = "lcus"', 'protocol = "lcus"\nmake = "gm65"'),
    "a unit that is none": ("unit = 1", "unit = 300"),
    "a network port for a serial board": ("dev/relays", "tcp://192.0.2.7:502"),
    "two boards of one name": ('name = "inputs"', 'name = "relays"'),
    "two boards on one port": ("dev/inputs", "dev/relays"),
    "one board of a network, spelled twice": ("", TCP_TWINS),
    "a lane on a board that is not there": ('board = "relays"', 'board = "relay"'),
    "a lane on a board without outputs": ('board = "relays"', 'board = "inputs"'),
    "a channel beyond the board": ("channel = 2\npulse", "channel = 9\npulse"),
    "two lanes on one output": ("channel = 2\npulse", "channel = 1\npulse"),
    "two lanes with one contact": ('"inputs", channel = 2', '"inputs", channel = 1'),
    "a pulse that is too long": ("pulse_ms = 300", "pulse_ms = 2500"),
    "a wait shorter than its pulse": ("passage_wait_s = 5", "passage_wait_s = 1"),
    "a contact for an assumed passage": ('passage = "contact"', 'passage = "assumed"'),
    "a counter without a controller": ('passage = "contact"', 'passage = "counter"'),
    "a camera by an unknown scheme": ("http://", "ftp://"),
    "a lock that current keeps shut": ('release = "pulse_to_open"', 'release = "energise_to_lock"'),
    "an exit that stays as it is": ('on_power_loss = "open"', 'on_power_loss = "as_is"'),
    "a name without a day": ("passage_wait_s = 5", 'passage_wait_s = 5\ntested_by = "Li"'),
    "lamps on a lane's output": (
        "passage_wait_s = 5",
        'passage_wait_s = 5\nlamps = { board = "relays", red = 2 }',
    ),
    "lamps that are none": ("passage_wait_s = 5", 'passage_wait_s = 5\nlamps = { board = "relays" }'),
    "a role that nobody knows": ("", FIRE.format(channel=7, more="").replace("fire", "smoke")),
    "fire for one lane": ("", FIRE.format(channel=7, more='lane = "exit"')),
    "a button without its lane": ("", FIRE.format(channel=7, more="").replace("fire", "exit_button")),
    "a button of no lane here": (
        "",
        FIRE.format(channel=7, more='lane = "x"').replace("fire", "exit_button"),
    ),
    "an input beyond the board": ("", FIRE.format(channel=9, more="")),
    "an input with two meanings": ("", FIRE.format(channel=1, more="")),
    "a profile that is not there": ('dev/relays"', 'dev/relays"\nprofile = "none.toml"'),
}
GOOD: Final[dict[str, Edit]] = {
    "as it was made": ("", ""),
    "a broker elsewhere": ("mqtt://127.0.0.1:18830", "mqtts://broker.example:8883"),
    "numbers as words": ("pulse_ms = 300", 'pulse_ms = "400"'),
    "a whole number with a point": ("pulse_ms = 300", "pulse_ms = 300.0"),
    "a day as words": (
        "passage_wait_s = 5",
        'passage_wait_s = 5\ntested_by = "Li"\ntested_on = "2026-11-22"',
    ),
    "a day": ("passage_wait_s = 5", 'passage_wait_s = 5\ntested_by = "Li"\ntested_on = 2026-11-22'),
    "a yes in words": ("[policy]\n", '[policy]\nresidents_when_bundle_stale = "yes"\n'),
    "a stay in words": ("", '\n[stay]\nfood = "20:00"\n'),
    "a fire input": ("", FIRE.format(channel=7, more='normally = "closed"')),
    "a camera with a password": ("http://", f"http://admin:{PASSWORD}@"),
    "lines that end as on another system": ("\n", "\r\n"),
    "a spare lamp": ("passage_wait_s = 5", 'passage_wait_s = 5\nlamps = { board = "relays", red = 5 }'),
}


def write(tmp_path: Path, edit: Edit) -> Path:
    old, new = edit
    assert old in DEMO
    path = tmp_path / "gate.toml"
    path.write_bytes((DEMO.replace(old, new, -1 if old == "\n" else 1) if old else DEMO + new).encode())
    return path


def validated(path: Path, *more: str) -> tuple[int, str]:
    ran = CliRunner().invoke(app, ["config", "validate", "--config", str(path), *more])
    return ran.exit_code, ran.output


@pytest.mark.parametrize("name", BROKEN)
def test_what_the_gate_refuses_the_tool_refuses(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, BROKEN[name])
    with pytest.raises(SettingsError) as caught:
        load_config(path)
    code, said = validated(path)
    assert (code, bool(said.strip())) == (2 if name == "not TOML" else 1, True)
    assert PASSWORD not in said + str(caught.value)


@pytest.mark.parametrize("name", GOOD)
def test_what_the_gate_takes_the_tool_takes(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, GOOD[name])
    load_config(path)
    assert validated(path, "--json") == (0, "[]\n")


def test_a_password_for_the_broker_is_refused_masked_and_in_both_places(tmp_path: Path) -> None:
    path = write(tmp_path, BROKEN["a user and a password"])
    code, said = validated(path, "--json")
    assert code == 1
    (problem,) = json.loads(said)
    assert problem["where"] == "broker.url"
    assert "mqtt://***@127.0.0.1:18830" in problem["what"]
    gate = CliRunner().invoke(edge_app, ["run", "--config", str(path)])
    assert gate.exit_code == 2
    assert "mqtt://***@127.0.0.1:18830" in gate.output
    assert PASSWORD not in gate.output + said


@pytest.mark.parametrize(
    "url",
    [
        f"mqtt://:{PASSWORD}@h:1883",
        f"mqtt://gate:{PASSWORD}/@h:1883",
        f"mqtt://gate:with space {PASSWORD}@h:1883",
        f"mqtt://gate:{PASSWORD}@@h:x",
        f"gate:{PASSWORD}@h:1883",
        f"mqtt://gate:{PASSWORD}@[h:1883",
        f"mqtt://h:1883/?password={PASSWORD}",
    ],
)
def test_no_form_of_a_password_is_ever_printed(tmp_path: Path, url: str) -> None:
    path = tmp_path / "gate.toml"
    path.write_text(DEMO.replace("mqtt://127.0.0.1:18830", url), "utf-8")
    with pytest.raises(SettingsError) as caught:
        load_config(path)
    said = [str(caught.value)]
    runner, file = CliRunner(), ["--config", str(path)]
    said += [runner.invoke(app, ["config", *words, *file]).output for words in (["validate"], ["show"])]
    said.append(runner.invoke(app, ["config", "export", *file]).output)
    good = tmp_path / "good.toml"
    good.write_text(DEMO, "utf-8")
    setting = runner.invoke(app, ["config", "set", "broker.url", url, "--config", str(good)])
    assert setting.exit_code == 2
    said.append(setting.output)
    assert [each for each in said if PASSWORD in each] == []
    assert all("***" in each for each in said)


def test_a_pin_of_the_wrong_kind_is_not_printed_either(tmp_path: Path) -> None:
    path = write(tmp_path, ('protocol = "lcus"', 'protocol = "modem"\npin = 7319'))
    with pytest.raises(SettingsError) as caught:
        load_config(path)
    _, said = validated(path)
    assert "***" in str(caught.value)
    assert "7319" not in said + str(caught.value)


VALUES: Final = (
    st.none()
    | st.booleans()
    | st.integers(-1, 70_000)
    | st.floats()
    | st.dates()
    | st.sampled_from(["", "5", "entry", "exit", "relays", "inputs", "tcp://192.0.2.7:502", "open", "left"])
    | st.lists(st.integers(), max_size=2)
)


def places(found: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    inner = [place for key, value in steps for place in places(value, (*above, key))]
    return [above, *inner] if above else inner


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(places(tomllib.loads(DEMO))), VALUES), min_size=1, max_size=2))
def test_whatever_is_changed_both_say_the_same(edits: list[tuple[tuple[Any, ...], Any]]) -> None:
    content: Any = copy.deepcopy(tomllib.loads(DEMO))
    for path, value in edits:
        place = content
        try:
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = value
        except (TypeError, LookupError):
            continue  # an earlier edit took this place away
    try:
        GateConfig.model_validate(content)
    except ValueError:
        assert problems_of(content)
    else:
        assert problems_of(content) == []
