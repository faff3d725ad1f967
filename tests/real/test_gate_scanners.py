"""From a code before a scanner engine to an opened lane: the whole gate daemon, the engine behind a pseudo-terminal."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from drivers.gate.config import load_config
from edge.daemon import EdgeDaemon
from edge.exits_only import ExitsOnly
from edge.walkin_cli import encode
from shell.clock import SystemClock
from simulators.boards.cable import Cable
from simulators.boards.catalogue import make_board
from simulators.boards.device import Answer
from simulators.boards.ends import PtyEnd
from simulators.boards.turnstile import Turnstile
from simulators.devices.scanner import SETUP_TEXTS, TextScanner
from simulators.devices.scanner_gm65 import Gm65
from simulators.devices.scanner_menus import Honeywell, Newland
from tests.minting import Mint
from tests.real.drivers.stations import Running, running
from tests.real.test_gate_boards import ON_IO, WAVESHARE, Served, write_gate
from tests.waiting import until

pytestmark = pytest.mark.real
SETUP_ZONE = 0x0003
READS = ON_IO.replace('camera = "entry"', 'scanner = "engine"')
READS_BOTH = ON_IO.replace('camera = "entry"', 'camera = "entry"\nscanner = "engine"')
READS_OUT = READS.replace('"entry"', '"exit"')
LANE_BY_CAMERA = ON_IO.replace(
    'contact = { board = "io", channel = 1 }', 'contact = { board = "io", channel = 3 }'
)
BOARD_OF_EXIT = WAVESHARE.replace('"entry"', '"exit"')
SCANNER_ALARM = "scanner"


def engine_section(more: str) -> str:
    return f'[[board]]\nname = "engine"\nprotocol = "scanner"\nport = "dev/engine"\n{more}\n'


def fresh(number: int = 1) -> str:
    """A rotating code that is shown now."""
    unix = int(SystemClock().now().timestamp())
    return Mint().phone(
        number, shown_at=unix, not_before=unix - 600, issued_at=unix - 600, expires_at=unix + 3600
    )


class Lens:
    """An engine on its own cable, and people before it."""

    def __init__(self, station: Running, end: PtyEnd, engine: TextScanner) -> None:
        self.station, self._end, self.engine = station, end, engine

    def do(self, act: Callable[[float], list[Answer] | None]) -> None:
        def answer() -> None:
            self._end.cable.say(self.engine, act(SystemClock().monotonic_s()) or [])

        self.station.station.ask(answer)

    def show(self, text: str) -> None:
        self.do(lambda now_s: self.engine.show(text, now_s))

    def hold(self, text: str, *, times: int, every_s: float = 0.2) -> None:
        self.do(lambda now_s: self.engine.hold(text, now_s, times=times, every_s=every_s))

    def send(self, data: bytes) -> None:
        self.do(lambda now_s: [Answer(data=data, at_s=now_s)])

    def show_setup(self, name: str) -> None:
        self.do(lambda now_s: self.engine.show_setup(name, now_s))

    def pull(self) -> None:
        self.do(self._end.unplug)

    def plug(self) -> None:
        self.do(self._end.plug)


@contextmanager
def devices(folder: Path, engine: TextScanner) -> Iterator[tuple[Running, Lens]]:
    """A board with relays and an engine, each at its own port."""
    board = make_board("modbus-relay", profile="waveshare-io-8ch")
    end = PtyEnd(folder / "dev" / "engine", Cable([engine], seed=1))
    ends = [PtyEnd(folder / "dev" / "line", Cable([board], seed=1)), end]
    with running(folder, list(ends), Turnstile(lanes=1, seed=7)) as station:
        yield station, Lens(station, end, engine)


@contextmanager
def gate_with(
    folder: Path,
    engine: TextScanner,
    more: str,
    *,
    board: str = WAVESHARE,
    lane: str = READS,
    picture: str = "",
) -> Iterator[tuple[Running, Lens, Served]]:
    """The gate; its camera, if it has one, sees ``picture`` after two seconds."""
    with devices(folder, engine) as (station, lens):
        path = write_gate(folder, engine_section(more) + board + lane, code=False)
        if picture:
            dark = np.kron(np.asarray(encode(picture, "m")), np.ones((6, 6)))
            shown = np.where(dark > 0, 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / "entry" / "2.png"), np.pad(shown, 40, constant_values=255))
        daemon, stop = EdgeDaemon(load_config(path), path), threading.Event()
        thread = threading.Thread(target=daemon.run, args=(stop,))
        thread.start()
        try:
            gate = Served(daemon, folder)
            gate.wait_up()
            yield station, lens, gate
        finally:
            stop.set()
            thread.join()


def reader_is(gate: Served, *, ok: bool) -> dict[str, Any]:
    """The lane, once its readers are so."""

    def so() -> dict[str, Any] | None:
        lane: dict[str, Any] = gate.status()["lanes"][0]
        return lane if lane["camera_ok"] is ok else None

    return until(so, within_s=20, what=f"readers that are {ok}")


def alarms(gate: Served) -> list[str]:
    return [alarm["what"] for alarm in gate.status()["alarms"]]


def answers(gate: Served, count: int) -> list[tuple[str, str]]:
    """Outcome and pass of each decision, once there are so many."""
    rows = until(
        lambda: found if len(found := gate.events("decision")) >= count else None,
        within_s=20,
        what=f"{count} decisions",
    )
    return [(row["outcome"], str(row.get("pass_id"))) for row in rows]


def granted(number: int) -> tuple[str, str]:
    return "grant", f"{number:016x}"


@pytest.mark.parametrize(
    ("make", "more"),
    [
        (TextScanner, 'make = "text"'),
        (Gm65, 'make = "gm65"\nlock = true'),
        (Honeywell, 'make = "honeywell"\nbaud = 115200\nsetting = "MNUENA=0"\nlock = true'),
        (Newland, 'make = "newland"\nsetting = "SETUPE=0"\nlock = true'),
    ],
    ids=["text", "gm65", "honeywell", "newland"],
)
def test_c7_a_pass_held_before_the_engine_opens_the_lane_once_and_its_walk_is_the_passage(
    tmp_path: Path, make: Callable[[], TextScanner], more: str
) -> None:
    with gate_with(tmp_path, make(), more) as (station, lens, gate):
        reader_is(gate, ok=True)
        if "lock" in more:
            until(lambda: not lens.engine.obeys_setup_codes, what="an engine that is locked")
            until(lambda: SCANNER_ALARM not in alarms(gate), what="its proof")
        lens.hold(fresh(1), times=12)
        (passage,) = until(lambda: gate.events("passage"), within_s=20, what="the passage")
        assert (passage["direction"], passage["assumed"], passage["pass_id"]) == ("entry", False, f"{1:016x}")
        until(lambda: ("relay_off", 1) in station.whats(), what="the end of the opening")
        until(lambda: lens.engine.next_deadline() is None, what="the end of the holding")
        lens.hold(fresh(2), times=20)  # whoever comes while somebody walks is asked for again
        assert answers(gate, 2) == [granted(1), granted(2)]
        until(lambda: len(gate.events("passage")) == 2, what="the second passage")
        until(lambda: len(station.whats()) == 4, what="the end of the second opening")
        assert station.whats() == [("relay_on", 1), ("relay_off", 1)] * 2


def test_noise_long_lines_half_codes_and_foreign_ones_open_nothing_and_the_next_pass_does(
    tmp_path: Path,
) -> None:
    engine = TextScanner(terminator="none")
    with gate_with(tmp_path, engine, 'make = "text"') as (station, lens, gate):
        reader_is(gate, ok=True)
        for data in (
            b"\xff\x00\xfe\x80\xff\r",
            b"U",
            b"GP1:" + b"A" * 6_000 + b"\r",
            b"\x1b[2J\x07\r",
            b"https://example.org/\r",
            fresh(9).encode()[:40],  # and silence
        ):
            lens.send(data)
        assert answers(gate, 1) == [("deny", "None")]  # the half one is meant as a pass
        until(lambda: gate.status()["counts"].get("unreadable_codes", 0) >= 2, what="the count")
        until(lambda: gate.status()["counts"].get("garbage_bytes"), what="the long one, as garbage")
        assert station.whats() == []
        lens.show(fresh(1))  # ended by silence alone
        assert answers(gate, 2)[1:] == [granted(1)]
        until(lambda: len(station.whats()) == 2, what="the opening")
        assert reader_is(gate, ok=True)["detail"] == ""


def test_p13_a_pulled_engine_is_a_fault_of_the_lanes_reader_and_reads_again_when_it_is_back(
    tmp_path: Path,
) -> None:
    engine = Gm65()
    engine.receive(
        bytes.fromhex("7E 00 08 01 00 03 02 AB CD 7E 00 09 01 00 00 00 DE C8"), 0.0
    )  # locked, and saved
    with gate_with(tmp_path, engine, 'make = "gm65"') as (station, lens, gate):
        reader_is(gate, ok=True)
        lens.pull()
        lane = reader_is(gate, ok=False)
        assert lane["board_ok"]
        assert "engine" in lane["detail"]
        lens.plug()
        reader_is(gate, ok=True)
        lens.show(fresh(1))
        assert answers(gate, 1) == [granted(1)]
        until(lambda: len(station.whats()) == 2, what="the opening")
        states = [row["state"] for row in gate.events("device") if row["device"] == "engine"]
        assert states[:2] == ["fault", "recovered"]


def test_an_engine_that_reads_and_does_not_answer_is_a_fault_and_its_passes_count(tmp_path: Path) -> None:
    with gate_with(tmp_path, TextScanner(), 'make = "gm65"') as (station, lens, gate):
        lane = reader_is(gate, ok=False)
        assert "does not answer when it is asked about its set-up codes" in lane["detail"]
        lens.show(fresh(1))
        assert answers(gate, 1) == [granted(1)]
        until(lambda: len(station.whats()) == 2, what="the opening")


def test_c12_an_engine_that_obeys_set_up_codes_is_an_alarm_and_nothing_is_written_to_it(
    tmp_path: Path,
) -> None:
    engine = Gm65()
    with gate_with(tmp_path, engine, 'make = "gm65"') as (_, lens, gate):
        until(lambda: SCANNER_ALARM in alarms(gate), what="the alarm")
        rows = [(row["device"], row["state"], row["detail"]) for row in gate.events("device")]
        assert ("engine", "fault", "alarm: printed set-up codes") in rows
        assert engine.obeys_setup_codes
        assert [row for row in lens.station.rows() if row["what"] == "setting"] == []


def test_c12_a_locked_engine_reads_a_set_up_code_as_any_code_and_what_is_lost_with_its_supply_is_noticed(
    tmp_path: Path,
) -> None:
    engine = Gm65()
    engine.zones[SETUP_ZONE] = 0x02  # and not saved
    with gate_with(tmp_path, engine, 'make = "gm65"') as (_, lens, gate):
        reader_is(gate, ok=True)
        for name in SETUP_TEXTS:
            lens.show_setup(name)
        until(lambda: gate.status()["counts"].get("foreign_codes", 0) >= 1, what="the set-up codes, as texts")
        lens.show(fresh(1))
        assert answers(gate, 1) == [granted(1)]
        assert SCANNER_ALARM not in alarms(gate)
        lens.pull()
        reader_is(gate, ok=False)
        lens.plug()
        until(lambda: SCANNER_ALARM in alarms(gate), what="the alarm")
        assert engine.obeys_setup_codes


def test_a_pass_that_camera_and_engine_read_within_a_second_is_one_admission(tmp_path: Path) -> None:
    text = fresh(1)
    with gate_with(tmp_path, TextScanner(), 'make = "text"', lane=READS_BOTH, picture=text) as (
        station,
        lens,
        gate,
    ):
        assert answers(gate, 1) == [granted(1)]  # by the camera
        lens.hold(text, times=3)
        until(lambda: len(gate.events("passage")) == 1, what="the passage")
        until(lambda: lens.engine.next_deadline() is None, what="the end of the holding")
        lens.hold(fresh(2), times=20)  # whoever comes while somebody walks is asked for again
        assert answers(gate, 2) == [granted(1), granted(2)]
        until(lambda: len(station.whats()) == 4, what="the second opening")
        lane = reader_is(gate, ok=False)  # the pictures have come to their end; the engine reads on
        assert "come to its end" in lane["detail"]


def test_an_exit_opens_for_a_foreign_code_and_a_flood_of_lines_opens_it_once(tmp_path: Path) -> None:
    with gate_with(tmp_path, TextScanner(), 'make = "text"', board=BOARD_OF_EXIT, lane=READS_OUT) as (
        station,
        lens,
        gate,
    ):
        reader_is(gate, ok=True)
        lens.send(b"BEGIN:VCARD\r\nFN:Somebody\r\nTEL:13800138000\r\nEND:VCARD\r\n")
        until(lambda: len(station.whats()) == 2, what="the opening")
        until(lambda: gate.status()["counts"].get("unreadable_codes") == 3, what="the other lines")
        assert len(gate.events("decision")) == 1


def test_d14_without_a_journal_an_engine_opens_its_exit_and_no_entry(tmp_path: Path) -> None:
    lanes = READS_OUT.replace("channel = 1", "channel = 2") + LANE_BY_CAMERA
    with devices(tmp_path, TextScanner()) as (station, lens):
        path = write_gate(tmp_path, engine_section('make = "text"') + BOARD_OF_EXIT + lanes, code=False)
        exits, stop = ExitsOnly(load_config(path), SystemClock(), try_again_every_s=60.0), threading.Event()
        thread = threading.Thread(target=exits.run, args=(stop, lambda: False))
        thread.start()

        def opened() -> bool:
            lens.show("https://example.org/")  # until the line is up
            return ("relay_off", 2) in station.whats()

        try:
            until(opened, within_s=20, what="the exit's relay")
            assert {channel for _, channel in station.whats()} == {2}
        finally:
            stop.set()
            thread.join(10)
        assert not thread.is_alive()
