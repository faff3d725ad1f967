"""The installer's tool and the running gate, both real: one holds the port, the other asks it."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from simulators.boards.catalogue import make_board
from simulators.devices.scanner import TextScanner
from tests.real.drivers.stations import Running, on_pty
from tests.real.drivers.tool.test_moving import started
from tests.real.drivers.tool.twins import run
from tests.real.test_gate_boards import (
    GUARD,
    HEAD,
    LANE,
    NUMATO,
    ON_IO,
    ON_NUMATO,
    ON_PAIR,
    ON_TURNSTILE,
    PAIR,
    TURNSTILE,
    WAVESHARE,
    Served,
    on_io,
    serving,
)
from tests.real.test_gate_scanners import fresh, gate_with
from tests.waiting import until

pytestmark = pytest.mark.real
OPEN_AND_SHUT = [("relay_on", 1), ("relay_off", 1)]


def wire(station: Running, relays: Any, relay: int, inputs: Any, channel: int) -> None:
    """Wire a relay of one board to an input of another, or of its own, as a test loop."""
    move = relays.relays._move

    def moved(number: int, *, on: bool, now_s: float) -> None:
        move(number, on=on, now_s=now_s)
        if number == relay:
            inputs.inputs.set(channel, active=on, now_s=now_s)

    station.station.ask(lambda: setattr(relays.relays, "_move", moved))


def seen(gate: Served) -> list[int]:
    """Active inputs of the board with the contact, which is the last one."""
    found: list[int] = gate.ask("watch")["now"]["boards"][-1]["active"]
    return found


def walk(station: Running, inputs: Any, gate: Served) -> None:
    """Whoever was let in goes through, so that the next one may be."""
    station.station.ask(lambda: inputs.inputs.set(1, active=True))
    until(lambda: 1 in seen(gate), what="somebody in the lane")
    station.station.ask(lambda: inputs.inputs.set(1, active=False))
    until(lambda: gate.ask("watch")["now"]["lanes"][0]["state"] == "locked", what="the lane")


@contextmanager
def asked(tmp_path: Path, *argv: str) -> Iterator["subprocess.Popen[str]"]:
    """A command in a process of its own, which a person may stop."""
    board = ["--board", "io", "--config", str(tmp_path / "gate.toml"), "--confirm", "entry", "--by", "李工"]
    with started([argv[0], "1", *board, "--json", *argv[1:]]) as process:
        yield process


def outcome(process: "subprocess.Popen[str]") -> tuple[int, dict[str, Any], str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, json.loads(out), err


def test_the_tool_pulses_and_watches_through_the_gate_that_has_the_port(tmp_path: Path) -> None:
    named = ("--board", "io", "--config", tmp_path / "gate.toml")
    with on_io(tmp_path) as (station, _, gate):
        code, _, said = run("pulse", "1", *named, "--confirm", "exit", "--by", "李工")
        assert (code, station.whats()) == (4, []), said  # another lane's name moves nothing
        code, out, said = run("pulse", "1", *named, "--confirm", "entry", "--by", "李工", "--json")
        assert (code, said) == (0, "")
        assert (json.loads(out)["grade"], json.loads(out)["through"]) == ("confirmed", "daemon")
        until(lambda: station.whats() == [("relay_on", 1), ("relay_off", 1)], what="one pulse")
        code, _, said = run("off", "--all", *named[2:], "--confirm", "entry", "--by", "李工")
        assert code == 0, said
        (pulse, *_) = gate.events("override")
        assert (pulse["act"], pulse["lane"], pulse["by"]) == ("pulse", "entry", "李工")
        code, _, said = run("watch", *named, "--timeout", "0.2", "--json")
        assert code == 0, said
        assert station.whats() == [("relay_on", 1), ("relay_off", 1)]


def test_the_tool_is_refused_by_a_gate_in_an_emergency_where_that_would_shut_a_lane(tmp_path: Path) -> None:
    named = ("--board", "io", "--config", tmp_path / "gate.toml")
    with on_io(tmp_path) as (station, _, gate):
        station.station.ask(lambda: station.station.do("fire_on"))
        until(lambda: gate.status()["emergency"] == "active", what="the emergency")
        code, _, said = run("off", "--all", *named[2:], "--confirm", "entry", "--by", "李工")
        assert code == 4, said
        code, _, said = run("pulse", "1", *named, "--confirm", "entry", "--by", "李工")
        assert code == 0, said  # opening is allowed
        until(lambda: station.whats() == [("relay_on", 1), ("relay_off", 1)], what="one pulse")


def test_watch_through_the_gate_begins_with_how_things_stand(tmp_path: Path) -> None:
    watch = ("watch", "--board", "io", "--config", tmp_path / "gate.toml", "--count", "1", "--timeout", "20")
    with on_io(tmp_path) as (station, board, gate):
        active: Any = board
        station.station.ask(lambda: active.inputs.set(7, active=True))
        until(lambda: 7 in seen(gate), what="the active input")
        code, out, err = run(*watch, "--json")
        row = json.loads(out)
        assert (code, row["channel"], row["active"], row["role"]) == (0, 7, True, "entry exit_button"), err
        assert "Lane entry: works" in err
        gate.ask("hold", lane="entry", seconds=300, **GUARD)
        _, _, err = run(*watch, language="zh_CN.UTF-8")
        assert "通道 entry：常开，还有" in err
        station.station.ask(station.station.unplug)
        until(lambda: gate.ask("watch")["now"]["boards"][0]["line"] == "down", what="the cable")
        _, _, err = run(*watch)
        assert ("Board io does not work" in err, "Lane entry: does not work" in err) == (True, True)


def test_watch_through_the_gate_shows_that_a_code_was_read_and_not_which(tmp_path: Path) -> None:
    watch = (
        "watch",
        "--board",
        "engine",
        "--config",
        tmp_path / "gate.toml",
        "--count",
        "1",
        "--timeout",
        "30",
    )
    shown = fresh(1)
    with gate_with(tmp_path, TextScanner(), 'make = "text"') as (_, lens, _):
        lens.hold(shown, times=100, every_s=2.0)  # each time anew
        code, out, err = run(*watch, "--json")
        row = json.loads(out)
        assert (code, row["kind"], row["bytes"], row["prefix"]) == (0, "scan", len(shown), "GP1:"), err
        code, out, _ = run(*watch, language="zh_CN.UTF-8")
        assert (code, "字节，以 GP1: 开头" in out, shown[8:] in out) == (0, True, False)


# -- a pulse


def test_a_pulse_through_the_gate_shows_commanded_and_observed_as_one_without_it(tmp_path: Path) -> None:
    named = ("--board", "io", "--config", tmp_path / "gate.toml", "--confirm", "entry", "--by", "李工")
    with on_io(tmp_path) as (station, board, gate):
        wire(station, board, 1, board, 2)
        code, out, err = run("pulse", "1", *named, "--ms", "1000", "--expect", "in2", "--json")
        row = json.loads(out)
        assert (code, err, row["through"], row["grade"], row["timed_by"]) == (
            0,
            "",
            "daemon",
            "confirmed",
            "board",
        )
        assert row["observed"]["input"] == "in2"
        assert 0 <= row["observed"]["seen_ms"] < 1000  # while it was closed, on a machine however busy
        assert 500 <= row["observed"]["lasted_ms"] < 3000
        assert 1000 <= row["took_ms"] < 10_000
        walk(station, board, gate)
        _, out, _ = run("pulse", "1", *named, "--expect", "in2", language="zh_CN.UTF-8")
        assert "in2 在 " in out
    with on_pty(tmp_path, make_board("modbus-relay", profile="waveshare-io-8ch")):
        code, out, err = run("pulse", "1", *named[:-2], "--json", "--expect", "in2", "--within", "0.1")
        offline = json.loads(out)
        assert code == 1, err
    assert set(row) == {*offline, "through"}
    assert set(row["observed"]) == set(offline["observed"])


def test_an_input_that_the_gate_did_not_see_is_exit_1_and_one_that_is_active_moves_nothing(
    tmp_path: Path,
) -> None:
    named = ("--board", "io", "--config", tmp_path / "gate.toml", "--confirm", "entry")
    with on_io(tmp_path) as (station, board, gate):
        held: Any = board
        code, out, err = run("pulse", "1", *named, "--expect", "in2", "--within", "0.2", "--json")
        assert (code, json.loads(out)["observed"]["seen_ms"], "in2 did not answer" in err) == (1, None, True)
        assert station.whats() == OPEN_AND_SHUT
        station.station.ask(lambda: held.inputs.set(2, active=True))
        until(lambda: gate.ask("watch")["now"]["boards"][0]["active"] == [2], what="the active input")
        code, out, err = run("pulse", "1", *named, "--expect", "in2", "--within", "0.2", "--json")
        assert (code, out, "active already" in err, station.whats()) == (1, "", True, OPEN_AND_SHUT)
        station.station.ask(station.station.unplug)
        until(lambda: gate.ask("watch")["now"]["boards"][0]["line"] == "down", what="the cable")
        code, out, err = run("pulse", "1", *named, "--expect", "in3", "--json")
        assert (code, out, "cannot be read now" in err) == (3, "", True)


def test_the_expected_input_may_be_on_another_board_of_the_gate(tmp_path: Path) -> None:
    named = ("--board", "relays", "--config", tmp_path / "gate.toml", "--confirm", "entry", "--json")
    relays: Any = make_board("modbus-relay", profile="waveshare-relay-8", unit=1)
    inputs: Any = make_board("modbus-inputs", unit=2)
    with on_pty(tmp_path, relays, inputs) as (station, _), serving(tmp_path, PAIR + ON_PAIR) as gate:
        gate.wait_up()
        wire(station, relays, 1, inputs, 3)
        code, out, err = run("pulse", "1", *named, "--expect", "inputs.in3")
        seen = json.loads(out)["observed"]
        assert (code, seen["input"], seen["seen_ms"] is not None) == (0, "inputs.in3", True), err
        walk(station, inputs, gate)
        code, out, err = run("pulse", "1", *named, "--expect", "contact", "--within", "0.1")
        assert (code, json.loads(out)["observed"]["input"]) == (1, "inputs.in1"), err


def test_an_input_that_the_running_gate_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    named = ("--board", "numato", "--config", tmp_path / "gate.toml", "--confirm", "entry", "--json")
    with (
        on_pty(tmp_path, make_board("numato")) as (station, _),
        serving(tmp_path, NUMATO + ON_NUMATO) as gate,
    ):
        gate.wait_up()
        code, out, err = run("pulse", "1", *named, "--expect", "in2", "--within", "0.1")
        assert (code, out, "does not read this input" in err) == (2, "", True), err
        assert station.whats() == []
        code, out, err = run("pulse", "1", *named, "--expect", "in1", "--within", "0.1")
        assert (code, json.loads(out)["result"]) == (1, "done"), err


@pytest.mark.parametrize("command", ["pulse", "hold", "off"])
def test_a_trace_that_the_gate_cannot_give_is_refused_before_anything_moves(
    tmp_path: Path, command: str
) -> None:
    named = ("--board", "io", "--config", tmp_path / "gate.toml", "--confirm", "entry")
    trace = tmp_path / "trace.jsonl"
    with on_io(tmp_path) as (station, _, gate):
        code, out, err = run(command, *(() if command == "off" else ("1",)), *named, "--trace", trace)
        assert (code, out, "--trace wants the port" in err) == (3, "", True)
        assert (station.whats(), gate.events("override"), trace.exists()) == ([], [], False)


def test_s13_a_relay_that_welds_under_a_pulse_through_the_gate_is_exit_1(tmp_path: Path) -> None:
    named = ("--board", "io", "--config", tmp_path / "gate.toml", "--confirm", "entry", "--json")
    with on_io(tmp_path) as (station, board, gate):
        welding: Any = board
        code, out, err = run("pulse", "1", *named)
        assert (code, json.loads(out)["stays_closed"]) == (0, []), err
        walk(station, board, gate)
        station.station.ask(lambda: welding.relays.weld(1))
        code, out, err = run("pulse", "1", *named)
        assert (code, json.loads(out)["stays_closed"], "Relay 1 STAYS CLOSED" in err) == (1, [1], True)


def test_an_output_that_the_running_gate_has_no_lane_at_opens_no_lane(tmp_path: Path) -> None:
    named = ("--board", "io", "--config", tmp_path / "gate.toml", "--confirm", "entry")
    with on_io(tmp_path) as (station, _, gate):
        code, _, err = run("pulse", "3", *named)
        assert (code, "no lane entry at output 3 of io" in err, station.whats()) == (2, True, [])
        assert gate.events("override") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=lambda one: one.name)
def test_s2_whoever_ends_a_pulse_through_the_gate_is_told_that_it_may_have_opened(
    tmp_path: Path, number: signal.Signals
) -> None:
    with on_io(tmp_path) as (station, _, _), asked(tmp_path, "pulse", "--ms", "2000") as process:
        until(lambda: station.whats() == OPEN_AND_SHUT[:1], what="the relay")
        process.send_signal(number)
        code, row, err = outcome(process)
        assert (code, row["result"], row["maybe_executed"]) == (130, "interrupted", True), err
        assert "MAYBE EXECUTED" in err
        until(lambda: station.whats() == OPEN_AND_SHUT, what="the end of the pulse")


# -- a hold


def release(_: Running, gate: Served) -> None:
    gate.ask("release", lane="entry", by="赵敏", reason="关门")


def everything_off(_: Running, gate: Served) -> None:
    gate.ask("off", by="赵敏", reason="关门")


def fire(station: Running, _: Served) -> None:
    station.station.ask(lambda: station.station.do("fire_on"))


def reboot(station: Running, _: Served) -> None:
    station.station.ask(lambda: station.station.do("reboot"))


def unplug(station: Running, _: Served) -> None:
    station.station.ask(station.station.unplug)


@pytest.mark.parametrize(
    ("happens", "code", "ended", "words"),
    [
        (release, 1, "released_elsewhere", "released by 赵敏"),
        (everything_off, 1, "off", "赵敏 released every relay"),
        (fire, 1, "emergency", "stays open until somebody resets it"),
        (reboot, 3, "board", "lost the hold"),
        (unplug, 3, "board", "lost the hold"),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_a_hold_through_the_gate_ends_with_what_has_ended_it(
    tmp_path: Path, happens: Callable[[Running, Served], None], code: int, ended: str, words: str
) -> None:
    with on_io(tmp_path) as (station, _, gate), asked(tmp_path, "hold", "--minutes", "10") as process:
        until(lambda: ("relay_on", 1) in station.whats(), what="the hold")
        happens(station, gate)
        found, row, err = outcome(process)
        assert (found, row["ended"], words in err) == (code, ended, True), err
        assert row["held_s"] < 60
        assert "LANE entry IS HELD OPEN" in err
        if ended == "emergency":  # nothing is locked again
            assert station.whats() == OPEN_AND_SHUT[:1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_a_hold_through_the_gate_is_released_by_whoever_stops_it(
    tmp_path: Path, number: signal.Signals
) -> None:
    with on_io(tmp_path) as (station, _, gate), asked(tmp_path, "hold", "--minutes", "10") as process:
        until(lambda: ("relay_on", 1) in station.whats(), what="the hold")
        process.send_signal(number)
        code, row, err = outcome(process)
        assert (code, row["ended"]) == (0, "released"), err
        until(lambda: station.whats() == OPEN_AND_SHUT, what="the end of the hold")
        assert [one["act"] for one in gate.events("override")] == ["hold", "release"]


def test_a_hold_through_the_gate_ends_by_its_time_when_the_gate_says_so(tmp_path: Path) -> None:
    with on_io(tmp_path) as (station, _, gate), asked(tmp_path, "hold", "--minutes", "0.02") as process:
        code, row, err = outcome(process)
        assert (code, row["ended"], row["held_s"] >= 1.0) == (0, "time", True), err
        assert station.whats() == OPEN_AND_SHUT
        assert [one["act"] for one in gate.events("override")] == ["hold"]


def test_a_hold_whose_gate_ends_says_so(tmp_path: Path) -> None:
    with ExitStack() as stack:
        with on_io(tmp_path) as (station, _, _):
            process = stack.enter_context(asked(tmp_path, "hold"))
            until(lambda: ("relay_on", 1) in station.whats(), what="the hold")
        code, row, err = outcome(process)
    assert (code, row["ended"] in {"gate", "board"}) == (3, True), err


# -- controllers, and what is refused


def test_a_controller_is_set_to_normal_through_the_gate_and_a_side_is_not_held(tmp_path: Path) -> None:
    controller: Any = make_board("turnstile-7e")
    named = ("--board", "gate", "--config", tmp_path / "gate.toml", "--confirm", "entry")
    with on_pty(tmp_path, controller) as (station, _), serving(tmp_path, TURNSTILE + ON_TURNSTILE) as gate:
        gate.wait_up()
        assert run("hold", "1", *named)[0] == 4
        assert gate.refused("hold", lane="entry", seconds=60, **GUARD) == "unsafe"
        free = bytes.fromhex("7E 00 01 81 00 00 00 FF")
        station.station.ask(lambda: controller.receive(free, 0.0).clear())
        assert controller.is_open("left")
        code, out, err = run("off", *named, "--json")
        assert (code, json.loads(out)[0]["state"]) == (0, "normal_daemon"), err
        until(lambda: not controller.is_open("left"), what="the closed side")
        assert [one["act"] for one in gate.events("override")] == ["off"]


def test_what_the_gate_refuses_is_said_in_the_chosen_language(tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    untested = LANE.replace('tested_by = "李工"\ntested_on = 2026-11-20\n', "")
    on_io_untested = ON_IO.replace(LANE, untested)
    with (
        on_pty(tmp_path, make_board("modbus-relay", profile="waveshare-io-8ch")) as (station, _),
        serving(tmp_path, WAVESHARE + on_io_untested) as gate,
    ):
        gate.wait_up()
        path.write_text(
            HEAD.format(broker=1, kiosk=1) + WAVESHARE + ON_IO, "utf-8"
        )  # not read before a new start
        named = ("--board", "io", "--config", path, "--confirm", "entry")
        code, _, err = run("hold", "1", *named, language="zh_CN.UTF-8")
        assert (code, "没有通道 entry 的接线签名" in err) == (4, True), err
        code, _, err = run("pulse", "1", *named, "--by", "李" * 300)
        assert (code, "by: " in err, "String should" in err) == (2, True, False), err
        assert station.whats() == []
