"""From a code before the camera to an opened lane: the whole gate daemon on virtual boards behind pseudo-terminals."""

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import structlog

from drivers.gate.config import load_config
from edge.control import SOCKET
from edge.daemon import EdgeDaemon
from edge.exits_only import ExitsOnly
from edge.walkin_cli import encode
from shell.clock import SystemClock
from shell.control import NotRunningError, RefusedError, ask
from simulators.boards.catalogue import make_board
from simulators.boards.device import Device
from simulators.boards.modbus_board import ModbusBoard
from simulators.boards.numato import Numato
from simulators.boards.turnstile import Turnstile
from simulators.site import free_ports
from sync.messages import utc_text
from tests.minting import Mint
from tests.real.drivers.stations import Running, on_pty
from tests.waiting import until

pytestmark = pytest.mark.real
GUARD = {"by": "李工", "reason": "验收测试"}

HEAD = """[gate]
id = "south"
site = 7
number = 0
name = "南门"
zone = "Asia/Shanghai"
data_dir = "south"
keys = "keyset.json"
units = "units.json"
[broker]
url = "mqtt://127.0.0.1:{broker}"
[kiosk]
port = {kiosk}
[policy]
static_needs_guard = false
bundle_required = false
"""
LANE = """[[lane]]
name = "entry"
direction = "entry"
camera = "entry"
release = "pulse_to_open"
on_power_loss = "locked"
tested_by = "李工"
tested_on = 2026-11-20
"""
WAVESHARE = """[[board]]
name = "io"
protocol = "modbus-relay"
profile = "waveshare-io-8ch"
port = "dev/line"
[[input]]
role = "fire"
board = "io"
channel = 8
[[input]]
role = "exit_button"
board = "io"
channel = 7
lane = "entry"
"""
ON_IO = LANE + 'board = "io"\nchannel = 1\npassage = "contact"\ncontact = { board = "io", channel = 1 }\n'
NUMATO = """[[board]]
name = "numato"
protocol = "numato"
port = "dev/line"
inputs = 8
"""
ON_NUMATO = ON_IO.replace('"io"', '"numato"')
TURNSTILE = """[[board]]
name = "gate"
protocol = "turnstile-7e"
port = "dev/line"
"""
ON_TURNSTILE = LANE + 'board = "gate"\nside = "left"\npassage = "counter"\n'
PAIR = """[[board]]
name = "relays"
protocol = "modbus-relay"
profile = "waveshare-relay-8"
port = "dev/line"
unit = 1
[[board]]
name = "inputs"
protocol = "modbus-inputs"
port = "dev/line"
unit = 2
"""
ON_PAIR = ON_IO.replace('board = "io"\nchannel', 'board = "relays"\nchannel').replace('"io"', '"inputs"')


def write_gate(folder: Path, text: str, *, code: bool) -> Path:
    """A gate's files, with a camera that sees nothing for two seconds and then, if asked for, a good pass."""
    now, ports = SystemClock().now(), free_ports()
    (folder / "south").mkdir(mode=0o700)
    (folder / "entry").mkdir()
    key = Mint().trusted
    entry = {
        "kid": key.kid.hex(),
        "alg": "ed25519",
        "public": key.public.hex(),
        "use": "pass",
        "categories": [category.code for category in key.categories],
        "not_before": utc_text(now - timedelta(days=1)),
        "not_after": utc_text(now + timedelta(days=1)),
    }
    (folder / "keyset.json").write_text(json.dumps({"v": 1, "site": 7, "seq": 1, "keys": [entry]}))
    (folder / "units.json").write_text('{"v":1,"units":{"12":"3-1202"}}')
    for number, grey in enumerate((200, 210)):
        cv2.imwrite(str(folder / "entry" / f"{number}.png"), np.full((300, 300), grey, np.uint8))
    if code:
        unix = int(now.timestamp())
        text_of_pass = Mint().phone(
            shown_at=unix + 3, not_before=unix - 600, issued_at=unix - 600, expires_at=unix + 3600
        )
        dark = np.asarray(encode(text_of_pass, "m"))
        shown = np.pad(
            np.where(np.kron(dark, np.ones((6, 6))) > 0, 0, 255).astype(np.uint8), 40, constant_values=255
        )
        cv2.imwrite(str(folder / "entry" / "2.png"), shown)
    path = folder / "gate.toml"
    path.write_text(HEAD.format(broker=ports.broker, kiosk=ports.kiosk) + text, "utf-8")
    return path


class Served:
    """A running daemon, and what a person, a tool and its journal say of it."""

    def __init__(self, daemon: EdgeDaemon, folder: Path) -> None:
        self.daemon, self._socket = daemon, folder / "south" / SOCKET

    def events(self, kind: str) -> list[dict[str, Any]]:
        rows = self.daemon.journal.read("select body from event where kind = ? order by seq", (kind,))
        return [json.loads(body)["data"] for (body,) in rows]

    def status(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.daemon.url}/api/v1/status", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def ask(self, do: str, **content: Any) -> dict[str, Any]:
        return ask(self._socket, {"do": do, **content}, within_s=20)

    def refused(self, do: str, **content: Any) -> str:
        with pytest.raises(RefusedError) as refused:
            self.ask(do, **content)
        return refused.value.code

    def wait_up(self) -> None:
        until(self._first_lane_works, what="the boards of the lane")

    def _first_lane_works(self) -> bool:
        try:
            return bool(self.ask("watch")["now"]["lanes"][0]["works"])
        except NotRunningError:
            return False  # its socket is not made yet, or made and not listened at


@contextmanager
def serving(folder: Path, text: str, *, code: bool = False) -> Iterator[Served]:
    path = write_gate(folder, text, code=code)
    # Its threads log; a command that a test runs meanwhile in this process has stdout for itself.
    factory = structlog.get_config()["logger_factory"]
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))
    daemon, stop = EdgeDaemon(load_config(path), path), threading.Event()
    thread = threading.Thread(target=daemon.run, args=(stop,))
    thread.start()
    try:
        yield Served(daemon, folder)
    finally:
        stop.set()
        thread.join()
        structlog.configure(logger_factory=factory)


@pytest.mark.parametrize(
    ("devices", "text"),
    [
        (lambda: [make_board("modbus-relay", profile="waveshare-io-8ch")], WAVESHARE + ON_IO),
        (lambda: [make_board("numato")], NUMATO + ON_NUMATO),
        (lambda: [make_board("turnstile-7e")], TURNSTILE + ON_TURNSTILE),
        (
            lambda: [
                make_board("modbus-relay", profile="waveshare-relay-8", unit=1),
                make_board("modbus-inputs", unit=2),
            ],
            PAIR + ON_PAIR,
        ),
    ],
    ids=["waveshare-io-8ch", "numato", "turnstile-7e-counters", "relays-and-inputs-on-one-pair"],
)
def test_a_code_before_the_camera_opens_the_lane_once_and_its_walk_is_the_passage(
    tmp_path: Path, devices: Any, text: str
) -> None:
    people = Turnstile(lanes=1, seed=7)
    with (
        on_pty(tmp_path, *devices(), people=people) as (station, _),
        serving(tmp_path, text, code=True) as gate,
    ):
        (passage,) = until(lambda: gate.events("passage"), within_s=20, what="the passage")
        assert (passage["direction"], passage["assumed"], passage["pass_id"]) == ("entry", False, f"{1:016x}")
        (decision,) = gate.events("decision")
        assert (decision["outcome"], decision["lane"]) == ("grant", "entry")
        until(lambda: ("relay_off", 1) in station.whats(), what="the end of the opening")
        assert station.whats() == [("relay_on", 1), ("relay_off", 1)]
        until(lambda: gate.status()["inside"] == 1, what="somebody inside")
        assert gate.events("forced") == gate.events("tailgate") == gate.events("no_show") == []


class Attentive(Numato):
    """A module that keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def _obey(self, line: str, now_s: float) -> str | None:
        self.asked.append(line)
        return super()._obey(line, now_s)


def test_only_inputs_that_mean_something_are_asked_about_and_none_while_only_exits_are_served(
    tmp_path: Path,
) -> None:
    module = Attentive()
    text = NUMATO + ON_NUMATO + '[[input]]\nrole = "tamper"\nboard = "numato"\nchannel = 3\n'
    with on_pty(tmp_path, module):
        with serving(tmp_path, text) as gate:
            gate.wait_up()
            until(lambda: module.asked.count("gpio read 2") > 3, what="turns of the inputs")
        assert {line for line in module.asked if line.startswith("gpio")} == {"gpio read 0", "gpio read 2"}
        module.asked.clear()
        stop = threading.Event()
        exits = ExitsOnly(load_config(tmp_path / "gate.toml"), SystemClock(), try_again_every_s=60)
        thread = threading.Thread(target=exits.run, args=(stop, bool))
        thread.start()
        try:
            until(lambda: module.asked.count("relay read 0") > 1, what="two looks at the outputs")
        finally:
            stop.set()
            thread.join()
        assert [line for line in module.asked if line.startswith("gpio")] == []


@contextmanager
def on_io(tmp_path: Path, people: Turnstile | None = None) -> Iterator[tuple[Running, Device, Served]]:
    """A gate on a Waveshare board that can be asked, its camera seeing nobody."""
    board = make_board("modbus-relay", profile="waveshare-io-8ch")
    with (
        on_pty(tmp_path, board, people=people) as (station, _),
        serving(tmp_path, WAVESHARE + ON_IO) as gate,
    ):
        gate.wait_up()
        yield station, board, gate


def fire_reset(folder: Path, *more: str) -> tuple[int, dict[str, Any]]:
    """What the command says, and its exit code."""
    command = [sys.executable, "-m", "edge.cli", "fire-reset", "--by", "李工", "--reason", "误报"]
    ran = subprocess.run(
        [*command, "--config", str(folder / "gate.toml"), "--json", *more],
        capture_output=True,
        check=False,
        timeout=60,
    )
    answer: dict[str, Any] = json.loads(ran.stdout)
    return ran.returncode, answer


def test_fire_is_read_shown_and_ended_only_by_a_reset_at_this_gate(tmp_path: Path) -> None:
    with on_io(tmp_path) as (station, _, gate):
        station.station.ask(lambda: station.station.do("fire_on"))
        until(lambda: gate.status()["emergency"] == "active", what="the emergency")
        assert gate.status()["lanes"][0]["state"] == "emergency"
        assert gate.refused("fire_reset", **GUARD) == "not_clear"
        assert gate.refused("off", **GUARD) == "unsafe"
        station.station.ask(lambda: station.station.do("fire_off"))
        until(lambda: gate.status()["emergency"] == "clear", what="the clear input")
        assert fire_reset(tmp_path, "--dry-run") == (0, {"emergency": "clear"})
        assert fire_reset(tmp_path) == (0, {"emergency": "none"})
        assert gate.refused("fire_reset", **GUARD) == "not_clear"  # there is none any more
        assert [row["state"] for row in gate.events("emergency")] == ["began", "input_clear", "reset"]
        assert gate.events("emergency")[-1]["by"] == "李工"
        assert gate.status()["emergency"] == ""
        assert station.whats() == []  # nothing was moved


def test_who_leaves_by_the_button_is_no_alarm(tmp_path: Path) -> None:
    with on_io(tmp_path, Turnstile(lanes=1, seed=7)) as (station, _, gate):
        station.station.ask(lambda: station.station.do("button_on"))
        until(lambda: gate.ask("watch", since=0)["events"][-1].get("channel") == 7, what="the button")
        station.station.ask(lambda: station.station.do("walk", 1))
        (passage,) = until(lambda: gate.events("passage"), what="the way out")
        assert (passage["direction"], passage.get("pass_id")) == ("exit", None)
        assert gate.events("forced") == []
        assert station.whats() == []


def test_the_installers_tool_opens_holds_and_releases_through_the_gate(tmp_path: Path) -> None:
    with on_io(tmp_path) as (station, _, gate):
        assert gate.refused("pulse", lane="entry", by="李工") == "bad_request"
        assert gate.refused("pulse", lane="side", **GUARD) == "unknown_lane"
        assert gate.refused("hold", lane="entry", seconds=901, **GUARD) == "bad_request"
        assert station.whats() == []
        began_s = time.monotonic()
        pulsed = gate.ask("pulse", lane="entry", **GUARD)
        assert began_s <= pulsed.pop("issued_s") <= time.monotonic()
        assert pulsed == {"lane": "entry", "outcome": "done", "grade": "confirmed"}
        held = gate.ask("hold", lane="entry", seconds=1.0, **GUARD)
        assert (held["outcome"], held["seconds"]) == ("held", 1.0)
        until(lambda: gate.status()["lanes"][0]["state"] == "kept_open", what="the hold on the screen")
        until(lambda: gate.status()["lanes"][0]["state"] != "kept_open", what="its end")
        gate.ask("hold", lane="entry", seconds=300, **GUARD)
        assert gate.ask("release", lane="entry", **GUARD)["outcome"] == "done"
        until(lambda: len(station.whats()) == 6, what="the relay open")
        assert station.whats() == [("relay_on", 1), ("relay_off", 1)] * 3
        assert [row["act"] for row in gate.events("override")] == ["pulse", "hold", "hold", "release"]
        assert gate.ask("off", **GUARD) == {"boards": {"io": True}}


def test_the_tool_sees_who_is_there_and_what_happens(tmp_path: Path) -> None:
    with on_io(tmp_path) as (station, _, gate):
        (io,) = gate.ask("devices")["boards"]
        assert (io["name"], io["protocol"], io["line"], io["fault"]) == ("io", "modbus-relay", "up", "")
        seq = gate.ask("watch")["seq"]
        began_s = time.monotonic()
        assert gate.ask("watch", since=seq, wait_s=0.3)["events"] == []
        assert time.monotonic() - began_s >= 0.3
        station.station.ask(lambda: station.station.do("button_on"))
        seen = gate.ask("watch", since=seq, wait_s=10)["events"][0]
        assert (seen["board"], seen["event"], seen["channel"], seen["active"]) == (
            "io",
            "input_edge",
            7,
            True,
        )


def test_s13_after_a_relay_has_welded_nobody_is_let_in(tmp_path: Path) -> None:
    with on_io(tmp_path) as (station, board, gate):
        assert isinstance(board, ModbusBoard)
        station.station.ask(lambda: board.relays.weld(1))
        gate.ask("pulse", lane="entry", **GUARD)
        until(lambda: gate.status()["lanes"][0]["state"] == "fault", what="the fault")
        assert gate.refused("pulse", lane="entry", **GUARD) == "board_fault"
        assert "clos" in gate.ask("devices")["boards"][0]["fault"]


def test_p13_a_board_that_lost_its_supply_is_an_alarm_and_its_hold_is_not_asserted_again(
    tmp_path: Path,
) -> None:
    with on_io(tmp_path) as (station, _, gate):
        assert gate.ask("hold", lane="entry", seconds=300, **GUARD)["outcome"] == "held"
        until(lambda: ("relay_on", 1) in station.whats(), what="the hold")
        station.station.ask(lambda: station.station.do("reboot"))
        until(lambda: any(row["device"] == "io" for row in gate.events("device")), what="the alarm")
        until(lambda: gate.ask("watch")["now"]["lanes"][0]["held_s"] is None, what="the end of the hold")
        until(lambda: gate.status()["lanes"][0]["state"] == "ready", what="the healed lane")
        assert [what for what, _ in station.whats()].count("relay_on") == 1
