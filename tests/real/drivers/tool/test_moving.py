"""``pulse``, ``hold``, ``off`` and ``watch`` against the virtual boards: what moves, and what never does."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from simulators.boards.catalogue import make_board
from simulators.boards.device import Answer
from simulators.boards.first_boards import LcusDevice
from simulators.boards.modbus_makes import WaveshareRelay
from tests.real.drivers.tool.conftest import Plug
from tests.real.drivers.tool.twins import Twin, run
from tests.waiting import until

pytestmark = pytest.mark.real
ENDINGS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]
SIGNED = 'release = "pulse_to_open"\non_power_loss = "locked"\ntested_by = "Li"\ntested_on = 2026-11-22\n'


def gate(folder: Path, *boards: str, lane: str = SIGNED) -> Path:
    """A gate's file: one lane "entry" on output 1 of the first board, its contact on input 2 of the last."""
    named = "".join(f"[[board]]\n{board}\n" for board in boards)
    first, last = (board.split('"')[1] for board in (boards[0], boards[-1]))
    contact = f'contact = {{ board = "{last}", channel = 2 }}\n'
    path = folder / "gate.toml"
    path.write_text(
        f'[gate]\nid = "g"\n{named}[[lane]]\nname = "entry"\nboard = "{first}"\nchannel = 1\n{contact}{lane}',
        encoding="utf-8",
    )
    return path


def relays(path: str = "line", protocol: str = 'protocol = "lcus"') -> str:
    return f'name = "relays"\nport = "{path}"\n{protocol}'


def shut(twin: Twin, mask: int) -> None:
    """Close relays behind the tool's back."""
    board: Any = twin.devices[0]
    if isinstance(board, LcusDevice):
        frames = b"".join(bytes((0xA0, n, 1, (0xA1 + n) & 0xFF)) for n in (1, 2) if mask >> n - 1 & 1)
        twin.station.ask(lambda: board.receive(frames, 0.0).clear())
    else:
        twin.station.ask(lambda: board.relays.set_mask(mask, 0.0))


def wire(twin: Twin, relay: int, channel: int) -> None:
    """Wire a relay to an input of the same board, as a test loop."""
    board: Any = twin.devices[0]
    move = board.relays._move

    def moved(number: int, *, on: bool, now_s: float) -> None:
        move(number, on=on, now_s=now_s)
        if number == relay:
            board.inputs.set(channel, active=on, now_s=now_s)

    twin.station.ask(lambda: setattr(board.relays, "_move", moved))


def test_a_pulse_shows_commanded_and_observed(plug: Plug) -> None:
    twin = plug(make_board("modbus-relay", profile="waveshare-io-8ch"))
    wire(twin, 1, 2)
    where = ("--port", twin.link, "--protocol", "modbus-relay", "--profile", "waveshare-io-8ch")
    code, out, err = run("pulse", "1", *where, "--expect", "in2", "--confirm", "entry", "--json")
    row = json.loads(out)
    assert (code, err, row["grade"], row["timed_by"], row["ms"]) == (0, "", "confirmed", "board", 300)
    seen = row["observed"]
    assert seen["input"] == "in2"
    assert 0 <= seen["seen_ms"] < 300
    assert 200 <= seen["lasted_ms"] < 500
    assert 0 <= row["sent_ms"] <= row["answered_ms"] < 300
    assert twin.moved() == [("relay_on", 1), ("relay_off", 1)]


def test_an_input_that_does_not_answer_is_exit_1_and_one_that_is_active_moves_nothing(plug: Plug) -> None:
    twin = plug(make_board("modbus-relay", profile="waveshare-io-8ch"))
    where = ("--port", twin.link, "--protocol", "modbus-relay", "--profile", "waveshare-io-8ch")
    expect = ("--expect", "in2", "--within", "0.2", "--confirm", "entry")
    code, _, err = run("pulse", "1", *where, *expect)
    assert (code, "in2 did not answer" in err) == (1, True)
    before = twin.moved()
    board: Any = twin.devices[0]
    twin.station.ask(lambda: board.inputs.set(2, active=True))
    code, out, err = run("pulse", "1", *where, *expect)
    assert (code, out, "active already" in err, twin.moved()) == (1, "", True, before)


@pytest.mark.parametrize("expect", [(), ("--expect", "in2", "--within", "0.2")])
def test_a_pulse_whose_relay_welds_has_failed(plug: Plug, expect: tuple[str, ...]) -> None:
    board: Any = make_board("modbus-relay", profile="waveshare-io-8ch")
    twin = plug(board)
    where = ("--port", twin.link, "--protocol", "modbus-relay", "--profile", "waveshare-io-8ch")
    code, out, err = run("pulse", "1", *where, "--confirm", "entry", "--json")
    assert (code, json.loads(out)["stays_closed"]) == (0, []), err
    wire(twin, 1, 2)
    twin.station.ask(lambda: board.relays.weld(1))
    code, out, err = run("pulse", "1", *where, *expect, "--confirm", "entry", "--json")
    assert (code, json.loads(out)["stays_closed"]) == (1, [1]), err
    assert "Relay 1 STAYS CLOSED" in err
    assert board.relays.mask() == 1


def test_the_contact_of_the_lane_may_be_on_another_board(plug: Plug, tmp_path: Path) -> None:
    plug(make_board("lcus"), name="line")
    inputs = plug(make_board("modbus-inputs"), name="inputs")
    path = gate(tmp_path, relays(), 'name = "inputs"\nport = "inputs"\nprotocol = "modbus-inputs"')
    pulse = ("pulse", "1", "--board", "relays", "--config", path, "--confirm", "entry", "--within", "0.2")
    code, _, err = run(*pulse, "--expect", "contact")
    assert (code, "inputs.in2 did not answer" in err) == (1, True)
    assert run(*pulse, "--expect", "in2")[0] == 2  # this board has no inputs
    assert run(*pulse, "--expect", "doors.in2")[0] == 2
    assert run(*pulse, "--expect", "two")[0] == 2
    assert inputs.moved() == []


class Forgetful(WaveshareRelay):
    """Obeys, and its answers to pulses are lost."""

    def receive(self, data: bytes, now_s: float) -> list[Answer]:
        answers = super().receive(data, now_s)
        return [] if data[1:3] == b"\x05\x02" else answers


def test_s7_a_lost_answer_is_maybe_executed_and_one_pulse(plug: Plug) -> None:
    twin = plug(Forgetful())
    where = ("--port", twin.link, "--protocol", "modbus-relay", "--profile", "waveshare-relay-8")
    for language, words in (("C", "MAYBE EXECUTED"), ("zh_CN.UTF-8", "可能已执行")):
        before = len([one for one in twin.moved() if one == ("relay_on", 1)])
        code, out, err = run("pulse", "1", *where, "--confirm", "entry", "--json", language=language)
        row = json.loads(out)
        assert (code, row["result"], row["maybe_executed"], words in err) == (3, "timed_out", True, True)
        assert len([one for one in twin.moved() if one == ("relay_on", 1)]) - before == 1


def test_s2_a_cable_pulled_in_mid_pulse_is_maybe_executed(plug: Plug) -> None:
    twin = plug(make_board("lcus"))
    argv = [
        "pulse",
        "1",
        "--port",
        str(twin.link),
        "--protocol",
        "lcus",
        "--ms",
        "2000",
        "--confirm",
        "entry",
    ]
    with started(argv) as process:
        until(lambda: ("relay_on", 1) in twin.moved(), within_s=30.0, what="the relay")
        twin.station.ask(twin.station.unplug)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, "MAYBE EXECUTED" in err) == (3, "", True)


# A signal that whoever runs the tests ignores (nohup, a job in the background) would be ignored by the tool, too.
TOOL = """
import signal
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
from drivers.cli import main
main()
"""


@contextmanager
def started(argv: list[str]) -> "Iterator[subprocess.Popen[str]]":
    """The tool as a process that every signal reaches; it ends with the block at the latest."""
    with subprocess.Popen(
        [sys.executable, "-c", TOOL, *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ, LC_ALL="C", COLUMNS="80"),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=lambda one: one.name)
def test_s2_whoever_ends_a_pulse_in_its_middle_is_told_that_it_may_have_opened(
    plug: Plug, number: signal.Signals
) -> None:
    twin = plug(make_board("lcus"))
    where = ["--port", str(twin.link), "--protocol", "lcus", "--ms", "2000", "--confirm", "entry", "--json"]
    with started(["pulse", "1", *where]) as process:
        until(lambda: ("relay_on", 1) in twin.moved(), within_s=30.0, what="the relay")
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    row = json.loads(out)
    assert (process.returncode, row["result"], row["maybe_executed"]) == (130, "interrupted", True), err
    assert "MAYBE EXECUTED" in err
    assert twin.moved() == [("relay_on", 1), ("relay_off", 1)]


def test_whoever_stops_waiting_for_the_input_is_told_that_the_pulse_is_done(plug: Plug) -> None:
    twin = plug(make_board("modbus-relay", profile="waveshare-io-8ch"))
    where = ["--port", str(twin.link), "--protocol", "modbus-relay", "--profile", "waveshare-io-8ch"]
    more = ["--expect", "in2", "--within", "60", "--confirm", "entry", "--json"]
    with started(["pulse", "1", *where, *more]) as process:
        until(lambda: ("relay_off", 1) in twin.moved(), what="the end of the pulse")
        read_back_s = time.monotonic() + 1.0
        until(lambda: time.monotonic() > read_back_s, what="its end read back")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    row = json.loads(out)
    assert process.returncode == 130, err
    if row["result"] == "done":  # on a machine that is very slow it is not known yet
        assert (row["grade"], row["observed"]["seen_ms"]) == ("confirmed", None)
        assert "the pulse is done" in err
    else:
        assert row["maybe_executed"], err


def hold(path: Path, *more: str) -> list[str]:
    return ["hold", "1", "--board", "relays", "--config", str(path), "--confirm", "entry", "--json", *more]


@pytest.mark.parametrize("number", ENDINGS, ids=lambda one: one.name)
@pytest.mark.parametrize("what", ["hold", "pulse"])
def test_a_dropped_session_leaves_no_relay_closed(
    plug: Plug, tmp_path: Path, what: str, number: signal.Signals
) -> None:
    twin, path = plug(make_board("lcus")), gate(tmp_path, relays())
    pulse = ["pulse", "1", "--board", "relays", "--config", str(path), "--confirm", "entry", "--ms", "2000"]
    with started([*hold(path), "--minutes", "10"] if what == "hold" else pulse) as process:
        until(lambda: ("relay_on", 1) in twin.moved(), within_s=30.0, what="the relay")
        process.send_signal(number)
        process.communicate(timeout=20)
    assert twin.moved() == [("relay_on", 1), ("relay_off", 1)]


@pytest.mark.parametrize(
    ("protocol", "why"),
    [("turnstile-7e", "takes back the permit"), ("turnstile-eb", "frees both sides at once")],
)
def test_a_side_of_a_controller_is_not_held_and_it_is_said_why(
    plug: Plug, tmp_path: Path, protocol: str, why: str
) -> None:
    twin = plug(make_board(protocol))
    path = gate(tmp_path, f'name = "tripod"\nport = "relays"\nprotocol = "{protocol}"')
    ends = ("--board", "tripod", "--config", path, "--confirm", "entry")
    code, _, said = run("hold", "1", *ends)
    assert (code, "nothing moved" in said, why in said, twin.moved()) == (4, True, True, []), said


@pytest.mark.parametrize("ends", ["ctrl-c", "time"])
def test_a_hold_ends_by_ctrl_c_or_by_its_time(plug: Plug, tmp_path: Path, ends: str) -> None:
    twin = plug(make_board("lcus"))
    minutes = "10" if ends == "ctrl-c" else "0.01"
    with started(hold(gate(tmp_path, relays()), "--minutes", minutes)) as process:
        until(lambda: ("relay_on", 1) in twin.moved(), within_s=30.0, what="the relay")
        if ends == "ctrl-c":
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, json.loads(out)["ended"]) == (
        0,
        "released" if ends == "ctrl-c" else "time",
    ), err
    assert "LANE entry IS HELD OPEN" in err
    assert twin.moved() == [("relay_on", 1), ("relay_off", 1)]


@pytest.mark.parametrize("missing", ["release", "on_power_loss", "tested_by", "tested_on"])
def test_a_hold_without_a_wiring_fact_is_refused(plug: Plug, tmp_path: Path, missing: str) -> None:
    twin = plug(make_board("lcus"))
    lane = "".join(f"{line}\n" for line in SIGNED.splitlines() if not line.startswith(missing))
    code, out, err = run(*hold(gate(tmp_path, relays(), lane=lane)))
    assert (code, out, missing in err, twin.moved()) == (4, "", True, [])


def test_a_hold_of_an_unknown_lane_or_one_that_current_locks_is_refused(plug: Plug, tmp_path: Path) -> None:
    twin = plug(make_board("lcus"))
    code, _, _ = run("hold", "1", "--port", twin.link, "--protocol", "lcus", "--confirm", "entry")
    assert code == 4
    path = gate(tmp_path, relays(), lane=SIGNED.replace("pulse_to_open", "energise_to_lock"))
    code, _, err = run(*hold(path))
    assert (code, "locked by current" in err, twin.moved()) == (4, True, [])


@pytest.mark.parametrize(
    ("protocol", "profile", "state"),
    [
        ("lcus", None, "told"),
        ("kmtronic", None, "open"),
        ("devantech-usb", None, "open"),
        ("modbus-relay", "generic-0100-4", "accepted"),
        ("modbus-relay", "eletechsup-r421a08", "open"),
    ],
)
def test_off_opens_every_relay_and_says_how_it_knows(
    plug: Plug, protocol: str, profile: str | None, state: str
) -> None:
    board: Any = make_board(protocol, profile=profile)
    twin = plug(board)
    shut(twin, 0b11)
    more = () if profile is None else ("--profile", profile)
    off: tuple[str | Path, ...] = ("off", "--port", twin.link, "--protocol", protocol, *more)
    assert run(*off)[0] == 4
    assert board.relays.mask() == 0b11
    code, out, err = run(*off, "--confirm", "entry", "--json")
    assert (code, json.loads(out)[0]["state"]) == (0, state), err
    until(lambda: board.relays.mask() == 0, what="open relays")


@pytest.mark.parametrize(
    ("protocol", "free", "state", "frames"),
    [
        (
            "turnstile-7e",
            "7E 00 01 81 00 00 00 FF",
            "normal_told",
            ["7E 00 01 8F 00 00 00 F1", "7E 00 01 84 00 00 00 FC"],
        ),
        ("turnstile-eb", "EB 01 42 00 A8", "normal", ["EB 01 4B 00 A1", "EB 01 43 00 A9"]),
    ],
)
def test_off_sets_a_controller_that_was_left_free_to_normal(
    plug: Plug, protocol: str, free: str, state: str, frames: list[str]
) -> None:
    controller: Any = make_board(protocol)
    twin = plug(controller)
    twin.station.ask(lambda: controller.receive(bytes.fromhex(free), 0.0).clear())
    assert controller.is_open("left")
    off: tuple[str | Path, ...] = ("off", "--port", twin.link, "--protocol", protocol)
    code, out, _ = run(*off, "--dry-run", "--json")
    assert (code, [row["hex"] for row in json.loads(out)]) == (0, frames)
    code, _, err = run(*off)
    assert (code, "Look for people first" in err, controller.is_open("left")) == (4, True, True)
    code, out, err = run(*off, "--confirm", "entry", "--json")
    assert (code, json.loads(out)[0]["state"]) == (0, state), err
    until(lambda: not controller.is_open("left"), what="a closed side")


def test_off_at_a_controller_that_does_not_answer_has_failed(plug: Plug) -> None:
    controller: Any = make_board("turnstile-eb", unit=9)
    twin = plug(controller)
    code, out, err = run(
        "off", "--port", twin.link, "--protocol", "turnstile-eb", "--confirm", "entry", "--json"
    )
    assert (code, json.loads(out)[0]["state"], json.loads(out)[0]["why"]) == (1, "fault", "timed_out"), err


def test_off_names_a_welded_relay(plug: Plug) -> None:
    board: Any = make_board("kmtronic")
    twin = plug(board)
    twin.station.ask(lambda: board.relays.set_mask(0b10, 0.0))
    twin.station.ask(lambda: board.relays.weld(2))
    code, out, err = run("off", "--port", twin.link, "--protocol", "kmtronic", "--confirm", "entry", "--json")
    assert (code, json.loads(out)[0]["closed"], "welded" in err) == (1, [2], True)


def test_off_all_is_every_board_of_the_gate(plug: Plug, tmp_path: Path) -> None:
    boards: list[Any] = [make_board("lcus"), make_board("kmtronic")]
    twins = [plug(boards[0]), plug(boards[1], name="more")]
    for twin in twins:
        shut(twin, 0b1)
    path = gate(tmp_path, relays(), 'name = "more"\nport = "more"\nprotocol = "kmtronic"')
    assert run("off", "--all", "--config", path, "--confirm", "exit")[0] == 4
    code, out, _ = run("off", "--all", "--config", path, "--confirm", "entry")
    assert code == 0
    until(lambda: not any(board.relays.mask() for board in boards), what="open relays")
    assert ("all relays off, read back" in out, "this board says nothing" in out) == (True, True)


@pytest.mark.parametrize(
    ("protocol", "more"),
    [
        ("modbus-relay", ("--profile", "waveshare-io-8ch")),
        ("numato", ("--confirm", "isolated")),
        ("kmtronic", ()),
        ("devantech-usb", ()),
    ],
)
def test_watch_switches_nothing_on_a_board_whose_relays_are_closed(
    plug: Plug, protocol: str, more: tuple[str, ...]
) -> None:
    profile = "waveshare-io-8ch" if protocol == "modbus-relay" else None
    board: Any = make_board(protocol, profile=profile)
    twin = plug(board)
    twin.station.ask(lambda: board.relays.set_mask(0b101, 0.0))
    before = twin.moved()
    ends = ("--timeout", "3", "--count", "1")
    code, out, err = run("watch", "--port", twin.link, "--protocol", protocol, *more, *ends, "--json")
    row = json.loads(out)
    assert (code, row["kind"], row["bits"]) == (0, "outputs", 0b101), err
    assert twin.moved() == before


def test_watch_says_nothing_to_a_stranger_that_would_obey(plug: Plug) -> None:
    strangers: list[tuple[str, str, tuple[str, ...]]] = [
        ("numato", "devantech-usb", ()),
        ("modbus-relay", "kmtronic", ("--profile", "lctech-2ch")),
        ("modbus-inputs", "devantech-usb", ("--unit", "100")),
        ("turnstile-7e", "devantech-usb", ()),
    ]
    for protocol, board, more in strangers:
        twin = plug(make_board(board), name=f"{protocol}-{board}")
        code, out, err = run("watch", "--port", twin.link, "--protocol", protocol, *more, "--timeout", "1")
        assert (code, out, "nothing was sent" in err, twin.moved()) == (4, "", True, []), protocol


def test_watch_names_inputs_by_their_roles(plug: Plug, tmp_path: Path) -> None:
    board: Any = make_board("modbus-inputs")
    plug(board, name="inputs")
    path = gate(tmp_path, relays(), 'name = "inputs"\nport = "inputs"\nprotocol = "modbus-inputs"')
    path.write_text(
        path.read_text("utf-8") + '[[input]]\nrole = "fire"\nboard = "inputs"\nchannel = 8\n', "utf-8"
    )
    for channel, role in ((2, "entry contact"), (8, "fire")):
        board.inputs.set(channel, active=True)
        watch = ("watch", "--board", "inputs", "--config", path, "--count", "1", "--timeout", "3")
        _, out, _ = run(*watch, "--json")
        assert json.loads(out)["role"] == role
        board.inputs.set(channel, active=False)


@pytest.mark.parametrize(("protocol", "grade"), [("turnstile-7e", "sent"), ("turnstile-eb", "accepted")])
def test_a_controller_admits_one_person_on_a_side(plug: Plug, protocol: str, grade: str) -> None:
    twin = plug(make_board(protocol))
    where = ("--port", twin.link, "--protocol", protocol)
    code, out, err = run("pulse", "2", *where, "--confirm", "exit", "--json")
    assert (code, json.loads(out)["grade"]) == (0, grade), err
    assert [one for one in twin.moved() if one[0] == "relay_on"] == [("relay_on", 2)]
    assert run("pulse", "3", *where, "--confirm", "exit")[0] == 2


@pytest.mark.parametrize(
    ("more", "opening", "end"),
    [
        (("--protocol", "lcus"), "A0 01 01 A2", "A0 01 00 A1"),
        (("--protocol", "kmtronic"), "FF 01 01", "FF 01 00"),
        (("--protocol", "modbus-relay", "--profile", "waveshare-relay-8"), "01 05 02 00 00 03 8C 73", None),
        (("--protocol", "turnstile-eb"), "EB 01 40 00 AA", None),
    ],
)
def test_a_dry_run_shows_the_frame_that_opens(more: tuple[str, ...], opening: str, end: str | None) -> None:
    code, out, _ = run("pulse", "1", "--port", "/dev/none", *more, "--dry-run")
    rows = out.splitlines()
    assert code == 0
    assert [row for row in rows if "THE LANE OPENS" in row and opening in row]
    assert [row.split()[0] for row in rows if end and row.endswith("end") and end in row] == (
        ["300"] if end else []
    )
