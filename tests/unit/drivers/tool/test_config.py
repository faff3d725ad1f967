"""Gate files: the check and its suggestions, text that keeps its comments, secrets, whole or not at all."""

import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.init import DemoPlan, gate_toml
from drivers.gate.config import GateConfig, load_config
from drivers.tool.config_check import problems_of
from drivers.tool.config_cli import changes
from drivers.tool.config_files import backups_of, write_whole
from drivers.tool.init import note_of
from drivers.tool.masking import MASK, masked, masked_numbers, unmasked
from drivers.tool.toml_text import NotFoundError, parsed_value, to_toml, with_value
from drivers.tool.wiring import consequences, info_of

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def demo() -> str:
    return gate_toml(DemoPlan(folder=Path()))


def content() -> dict[str, Any]:
    return tomllib.loads(demo())


def test_the_demo_gate_is_good_for_the_tool_as_it_is_for_the_daemon() -> None:
    GateConfig.model_validate(content())
    assert problems_of(content()) == []


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("gate", "zone"), "Asia/Nowhere", "gate.zone"),
        (("gate", "id"), "South Gate", "gate.id"),
        (("gate", "site"), 70_000, "gate.site"),
        (("gate", "colour"), "red", "gate.colour"),
        (("broker", "url"), "http://x", "broker.url"),
        (("kiosk", "port"), 0, "kiosk.port"),
        (("policy", "static_needs_guard"), 7, "policy.static_needs_guard"),
        (("stay",), {"food": "8 pm"}, "stay.food"),
        (("board", 0, "protocol"), "lcuss", "board.relays.protocol"),
        (("board", 1, "unit"), 300, "board.inputs.unit"),
        (("board", 1, "name"), "relays", "board.relays"),
        (("lane", 0, "channel"), 0, "lane.entry.channel"),
        (("lane", 0, "pulse_ms"), 2001, "lane.entry.pulse_ms"),
        (("lane", 0, "board"), "relay", "lane.entry.board"),
        (("lane", 0, "name"), "exit", "lane.exit"),
        (("lane", 1, "channel"), 1, "lane.exit.channel"),
        (("lane", 0, "passage"), "assumed", "lane.entry.passage"),
        (("lane", 0, "contact"), {"board": "inputs", "chanel": 1}, "lane.entry.contact.chanel"),
        (("lane", 0, "passage_wait_s"), 1, "lane.entry.passage_wait_s"),
        (("lane", 0, "release"), "energise_to_lock", "lane.entry.release"),
        (("lane", 0, "on_power_loss"), "closed", "lane.entry.on_power_loss"),
        (("lane", 0, "passage"), "counted", "lane.entry.passage"),
        (("lane", 0, "side"), "left", "lane.entry.side"),
        (("lane", 0, "channel"), 9, "lane.entry.channel"),
        (("lane", 1, "on_power_loss"), "as_is", "lane.exit.on_power_loss"),
        (("lane", 0, "tested_by"), "Li", "lane.entry.tested_by"),
        (("lane", 0, "tested_on"), "soon", "lane.entry.tested_on"),
        (("board", 0, "port"), "tcp://192.0.2.7:502", "board.relays.port"),
        (("board", 0, "expect"), {"usb": "CH340"}, "board.relays.expect.usb"),
        (("board", 0, "profile"), "x", "board.relays.profile"),
        (("input",), [{"role": "smoke", "board": "inputs", "channel": 7}], "input.1.role"),
        (("input",), [{"role": "fire", "board": "inputs", "channel": 9}], "input.1.channel"),
        (("lane",), [], "lane"),
        (("gate",), None, "gate"),
        (("lanes",), [], "lanes"),
    ],
)
def test_what_the_daemon_refuses_the_tool_names(path: tuple[Any, ...], value: Any, where: str) -> None:
    wrong = content()
    place = wrong
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    with pytest.raises(ValueError):
        GateConfig.model_validate(wrong)
    assert where in [each.where for each in problems_of(wrong)]


def test_a_typing_error_gets_the_right_key_suggested() -> None:
    wrong = content()
    wrong["lane"][0]["pulse_mss"] = wrong["lane"][0].pop("pulse_ms")
    (problem,) = problems_of(wrong)
    assert (problem.where, problem.remedy.en) == ("lane.entry.pulse_mss", "did you mean 'pulse_ms'?")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["gate", "board", "lane", "name", "contact", "port", "x"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
def test_no_content_makes_the_check_raise(found: Any) -> None:
    problems_of(found if isinstance(found, dict) else {"gate": found, "board": found, "lane": found})


def test_a_value_is_changed_and_everything_else_stays() -> None:
    before = demo()
    after = with_value(before, ["lane", "exit", "pulse_ms"], 400)
    assert [(a, b) for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b] == [
        ("pulse_ms = 300", "pulse_ms = 400")
    ]
    commented = with_value(before, ["lane", "entry", "release"], "pulse_to_open")
    assert commented == before
    longer = with_value(before, ["gate", "number"], 7)
    assert "number = 7                          # this gate's bit in a pass" in longer


def test_a_missing_key_is_added_in_its_table() -> None:
    after = with_value(demo(), ["board", "relays", "outputs"], 4)
    assert tomllib.loads(after)["board"][0]["outputs"] == 4
    assert tomllib.loads(after)["board"][1] == content()["board"][1]
    for path in (["gates", "id"], ["board", "none", "port"], ["lane", "entry", "x", "y"]):
        with pytest.raises(NotFoundError):
            with_value(demo(), path, 1)


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("400", 400),
        ("true", True),
        ('"4"', "4"),
        ("南门", "南门"),
        ("a # b", "a # b"),
        ("[1, 2]", [1, 2]),
        ("", ""),
    ],
)
def test_what_is_typed_is_a_value_or_else_words(typed: str, value: Any) -> None:
    assert parsed_value(typed) == value


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8),
        st.text(max_size=20) | st.integers(-9, 9) | st.booleans(),
        min_size=1,
        max_size=4,
    )
)
def test_what_is_written_reads_back(table: dict[str, Any]) -> None:
    for words in ({"gate": table}, {"lane": [table, table]}):
        assert tomllib.loads(to_toml(words)) == words


def test_secrets_are_masked_and_come_back_where_they_were() -> None:
    held = content()
    held["lane"][0]["camera"] = "rtsp://admin:geheim@192.0.2.9/1"
    held["board"].append({"name": "modem", "protocol": "modem", "port": "dev/modem", "pin": "1234"})
    shown = masked(held)
    assert "geheim" not in str(shown)
    assert "1234" not in str(shown)
    assert shown["lane"][0]["camera"] == f"rtsp://{MASK}@192.0.2.9/1"
    assert unmasked(shown, held) == held
    moved = masked(held)
    moved["lane"].reverse()
    assert unmasked(moved, held)["lane"][1]["camera"] == "rtsp://admin:geheim@192.0.2.9/1"
    assert masked_numbers("to +8613800138000: 2026-11-22") == f"to {MASK}8000: 2026-11-22"


def test_a_change_of_a_secret_is_seen_and_not_shown() -> None:
    before, after = content(), content()
    before["board"].append({"name": "m", "pin": "1234"})
    after["board"].append({"name": "m", "pin": "9999"})
    assert changes(before, after) == [{"key": "board.m.pin", "before": MASK, "after": MASK}]


def test_a_file_is_replaced_whole_and_the_old_one_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    assert write_whole(file, "a = 1\n", now=NOW) is None
    file.chmod(0o600)
    kept = [write_whole(file, f"a = {number}\n", now=NOW) for number in (2, 3)]
    assert [path.read_text() for path in kept if path] == ["a = 1\n", "a = 2\n"]
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("a = 3\n", 0o600)
    assert {path.stat().st_mode & 0o777 for path in backups_of(file)} == {0o600}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["gate.toml", *(path.name for path in kept if path)]
    )


def test_a_file_that_cannot_be_written_is_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "none" / "gate.toml"
    with pytest.raises(OSError):
        write_whole(file, "a = 1\n", now=NOW)
    assert not file.exists()


def test_what_init_writes_is_what_the_daemon_reads(tmp_path: Path) -> None:
    answers = content()
    for lane in answers["lane"]:
        lane |= {"tested_by": "王强", "tested_on": date(2026, 11, 22)}
    assert problems_of(answers) == []
    file = tmp_path / "gate.toml"
    file.write_text(to_toml(answers, notes=note_of(NOW)), encoding="utf-8")
    config = load_config(file)
    assert [lane.name for lane in config.lane] == ["entry", "exit"]
    assert {(lane.tested_by, lane.tested_on) for lane in config.lane} == {("王强", date(2026, 11, 22))}
    assert file.read_text("utf-8").startswith("# Made by postern-driver init, 2026-11-22 12:00 UTC")


@pytest.mark.parametrize(
    ("protocol", "counted"),
    [("turnstile-7e", "counted afterwards"), ("turnstile-eb", "counted at the next admission")],
)
def test_a_turnstile_controller_stays_as_it_is_when_the_gate_is_gone(protocol: str, counted: str) -> None:
    info = info_of({"protocol": protocol})
    found = consequences(release="pulse_to_open", on_power_loss="open", info=info)
    then = {each.when.en: each.then.en for each in found}
    assert list(then) == ["start", "stop", "crash", "unplug", "power loss"]
    assert "stays in its mode" in then["start"]
    assert "free stays free" in then["stop"]
    assert "not sent again" in then["crash"]
    assert counted in then["crash"]
    assert counted in then["unplug"]
    assert not [words for words in then.values() if "relay" in words]
    assert [each.when.en for each in found if each.danger] == ["unplug"]


def test_consequences_follow_from_wiring_and_board() -> None:
    host_timed, board_timed = (
        info_of({"protocol": "lcus"}),
        info_of({"protocol": "modbus-relay", "profile": "waveshare-io-8ch"}),
    )
    latching = info_of({"protocol": "devantech-usb", "model": "USB-RLY16L"})
    assert info_of({"protocol": "modbus-relay"}) is None

    def then(when: str, **facts: Any) -> tuple[str, bool]:
        found = {each.when.en: each for each in consequences(**facts)}
        return found[when].then.en, found[when].danger

    pulse = {"release": "pulse_to_open", "on_power_loss": "locked"}
    assert then("crash", info=host_timed, **pulse)[1]
    assert then("crash", info=board_timed, **pulse) == (
        "the board ends a running pulse by itself; a lane that is held open stays open until the restart",
        False,
    )
    assert then("start", info=host_timed, **pulse) == ("all relays open; the lane stays shut", False)
    assert then("unplug", info=latching, **pulse) == ("latching relays: they stay as they are", True)
    locked = {"release": "energise_to_lock", "on_power_loss": "open"}
    assert "unlocks" in then("stop", info=host_timed, **locked)[0]
    assert then("power loss", info=host_timed, **locked) == ("without power the lane is open", False)
    assert [each.when.en for each in consequences(info=None, **pulse)] == [
        "start",
        "stop",
        "crash",
        "unplug",
        "power loss",
    ]
