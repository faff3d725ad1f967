"""OSDP readers on a real line. The other end is libosdp's own peripheral, which we did not write."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers.devices import osdp_panel
from drivers.devices.osdp_bench import KeySettingError, Trouble, set_key
from drivers.devices.osdp_key import DEFAULT_KEY
from drivers.model import (
    Admit,
    Alarm,
    AllOff,
    Command,
    Done,
    Fault,
    Grade,
    Hold,
    Identify,
    Identity,
    InputEdge,
    Line,
    LineSettings,
    Pulse,
    ReadOutputs,
    Refusal,
    Refused,
    Release,
    Side,
    TimedOut,
)
from drivers.peripherals import Scanned, Show, Signal
from drivers.port import PortLostError, SerialPort
from tests.real.drivers.stations import Heard, Running, driving, on_pty
from tests.waiting import until

osdp_sys = pytest.importorskip(
    "osdp_sys", reason="libosdp has no wheel here: the extra osdp is not installed"
)
from simulators.boards.osdp_pd import OsdpReader  # noqa: E402  # needs libosdp

pytestmark = pytest.mark.real
KEY = bytes.fromhex("00112233445566778899aabbccddeeff")
OTHER = bytes.fromhex("ffeeddccbbaa99887766554433221100")
UNIT = 5


class Reader:
    """A virtual reader, and a started bus on it."""

    def __init__(self, run: Running, device: OsdpReader, heard: Heard) -> None:
        self.run, self.device, self.heard = run, device, heard

    def do(self, action: Callable[[], Any]) -> None:
        """Something befalls the reader, in its own thread."""
        self.run.station.ask(action)

    def silent(self, *, silent: bool = True) -> None:
        self.do(lambda: setattr(self.device, "silent", silent))

    def ask(self, command: Command) -> None:
        assert self.heard.bus.submit(command)

    def pulse(self, id_: str, *, channel: int = 1, ms: int = 300, age_s: float = 0.0) -> None:
        self.ask(Pulse(channel=channel, ms=ms, id=id_, issued_s=time.monotonic() - age_s))

    def outcome(self, id_: str, within_s: float = 5.0) -> Any:
        """The one outcome of a command."""
        kinds = (Done, Refused, TimedOut)
        until(
            lambda: [each for each in self.heard.all(kinds) if each.id == id_],  # type: ignore[arg-type]
            within_s=within_s,
            what=f"the outcome of {id_} among {self.heard.events}",
        )
        (only,) = [each for each in self.heard.all(kinds) if each.id == id_]  # type: ignore[arg-type]
        return only

    def recovered(self, since_s: float) -> float:
        """Seconds until it is healthy again."""
        until(lambda: self.heard.bus.healthy and self.device.secure, within_s=5.0, what="a healthy reader")
        return time.monotonic() - since_s

    def closings(self) -> int:
        """How often the reader was told to close an output."""
        return sum(
            order["command"] == osdp_sys.CMD_OUTPUT and order["control_code"] != 1
            for order in self.device.orders
        )


def key_file(folder: Path, key: bytes = KEY) -> Path:
    path = folder / "reader.key"
    path.write_text(key.hex() + "\n", encoding="ascii")
    path.chmod(0o600)
    return path


@contextmanager
def reader(folder: Path, *, device: OsdpReader | None = None, **options: Any) -> Iterator[Reader]:
    device = device or OsdpReader(unit=UNIT, key=KEY)
    options = {"unit": UNIT, "outputs": 2, "inputs": 2, **options}
    if "key_file" not in options:
        options["key_file"] = key_file(folder)
    with on_pty(folder, device) as (run, link), driving("osdp", link, **options) as heard:
        yield Reader(run, device, heard)


@contextmanager
def secure_reader(folder: Path, **options: Any) -> Iterator[Reader]:
    with reader(folder, **options) as one:
        until(lambda: one.heard.all(Identity) and one.heard.bus.healthy, what="a secure channel")
        # It denies two questions at first, which costs the channel each time.
        until(lambda: settled(one), what="a reader that was asked everything")
        yield one


def falls_silent_at(device: OsdpReader, command: int) -> None:
    """It obeys the next such command, and its answer does not come through; nor does any after it."""
    obey, left = device._obey, [command]

    def obey_silently(order: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
        if order["command"] in left:
            left.clear()
            device.silent = True
        return obey(order)

    device._pd.set_command_callback(obey_silently)


def settled(one: Reader) -> bool:
    """It denied its three questions, each of which cost a channel, and opened both outputs in the fourth."""
    openings = [order for order in one.device.orders if order.get("control_code") == 1]
    return len(openings) >= 8 and one.device.secure and one.heard.bus.healthy


def test_a_reader_comes_up_secure_names_itself_and_has_its_outputs_opened(tmp_path: Path) -> None:
    with reader(tmp_path) as one:
        line = one.heard.one(Line)
        identity = one.heard.one(Identity)
        assert (line.up, identity.maker, identity.firmware, identity.serial) == (
            True,
            "cafe01",
            "1.2.3",
            "12345678",
        )
        switched = [order for order in one.device.orders if order["command"] == osdp_sys.CMD_OUTPUT]
        assert [(order["output_no"], order["control_code"]) for order in switched[:2]] == [(0, 1), (1, 1)]
        until(lambda: settled(one), what="what it was asked at first")
        assert one.heard.all(Fault) == []
        assert len(one.heard.all(Identity)) == 1


def test_a_pulse_is_carried_out_once_and_timed_by_the_reader(tmp_path: Path) -> None:
    with secure_reader(tmp_path) as one:
        one.pulse("p", ms=300)
        one.pulse("p", ms=300)
        assert one.outcome("p") == Done(id="p", grade=Grade.CONFIRMED)
        assert one.run.whats() == [("relay_on", 1), ("relay_off", 1)]
        on, off = [row["mono"] for row in one.run.rows() if row["what"].startswith("relay")]
        assert 0.29 <= off - on <= 0.35
        (order,) = [order for order in one.device.orders if order.get("control_code") == 5]
        assert (order["output_no"], order["timer_count"]) == (0, 3)


def test_s_what_cannot_be_done_is_refused_and_moves_nothing(tmp_path: Path) -> None:
    with secure_reader(tmp_path) as one:
        one.pulse("old", age_s=2.1)
        one.pulse("output", channel=3)
        one.pulse("none", channel=0)
        one.pulse("short", ms=50)
        one.pulse("step", ms=250)
        one.pulse("long", ms=2100)
        one.ask(Hold(channel=1, seconds=float("inf"), id="ever", issued_s=time.monotonic()))
        one.ask(Admit(side=Side.LEFT, id="admit", issued_s=time.monotonic()))
        one.ask(Release(channel=9, id="release"))
        one.ask(ReadOutputs(id="read"))
        whys = {
            "old": Refusal.TOO_OLD,
            "output": Refusal.BAD_CHANNEL,
            "none": Refusal.BAD_CHANNEL,
            "short": Refusal.BAD_LENGTH,
            "step": Refusal.BAD_LENGTH,
            "long": Refusal.BAD_LENGTH,
            "ever": Refusal.BAD_LENGTH,
            "admit": Refusal.UNSUPPORTED,
            "release": Refusal.BAD_CHANNEL,
            "read": Refusal.UNSUPPORTED,
        }
        assert {id_: one.outcome(id_) for id_ in whys} == {
            id_: Refused(id=id_, why=why) for id_, why in whys.items()
        }
        one.pulse("first", ms=500)
        one.pulse("second", ms=500)
        assert one.outcome("second") == Refused(id="second", why=Refusal.BUSY)
        assert isinstance(one.outcome("first"), Done)
        assert one.closings() == 1


def test_codes_inputs_and_tamper_are_reported_and_signals_shown(tmp_path: Path) -> None:
    with secure_reader(tmp_path) as one:
        one.do(lambda: one.device.show(b"GP1:HELLO"))
        assert one.heard.one(Scanned).data == b"GP1:HELLO"
        one.do(lambda: one.device.inputs.set(2, active=True))
        one.do(lambda: one.device.inputs.set(8, active=True))  # is not configured
        one.do(lambda: setattr(one.device, "tampered", True))
        assert one.heard.one(Alarm) == Alarm(what="tamper", active=True)
        one.do(lambda: one.device.inputs.set(2, active=False))
        until(lambda: len(one.heard.all(InputEdge)) == 2, what="both edges")
        assert [(edge.channel, edge.active) for edge in one.heard.all(InputEdge)] == [(2, True), (2, False)]
        one.ask(Show(signal=Signal.STOP, id="s"))
        assert one.outcome("s") == Done(id="s", grade=Grade.ACCEPTED)
        lamp, buzzer = [
            order
            for order in one.device.orders
            if order["command"] in {osdp_sys.CMD_LED, osdp_sys.CMD_BUZZER}
        ]
        assert (lamp["on_color"], buzzer["rep_count"]) == (osdp_sys.LED_COLOR_RED, 2)
        one.ask(Identify(id="i"))
        until(lambda: [each for each in one.heard.all(Identity) if each.id == "i"], what="its name")


def test_a_hold_ends_when_it_is_released_and_by_itself_and_all_off_overtakes(tmp_path: Path) -> None:
    with secure_reader(tmp_path) as one:
        one.ask(Hold(channel=1, seconds=60, id="h", issued_s=time.monotonic()))
        until(lambda: ("relay_on", 1) in one.run.whats(), what="the hold")
        one.ask(Release(channel=1, id="r"))
        assert [one.outcome(id_) for id_ in ("h", "r")] == [
            Done(id=id_, grade=Grade.ACCEPTED) for id_ in ("h", "r")
        ]
        (order,) = [order for order in one.device.orders if order.get("control_code") == 5]
        assert order["timer_count"] == 200  # 20 s: so it opens if this program dies
        one.ask(Hold(channel=2, seconds=0.4, id="short", issued_s=time.monotonic()))
        assert isinstance(one.outcome("short"), Done)
        one.ask(Hold(channel=1, seconds=60, id="cut", issued_s=time.monotonic()))
        until(lambda: one.run.whats().count(("relay_on", 1)) == 2, what="the second hold")
        one.ask(AllOff())
        assert one.outcome("cut") == TimedOut(id="cut", maybe_executed=True)
        until(lambda: one.run.whats().count(("relay_off", 1)) == 2, what="the opening")


@pytest.mark.parametrize("theirs", [OTHER, None], ids=["another key", "as from the factory"])
def test_with_a_wrong_key_nothing_is_sent_and_the_fault_says_so(tmp_path: Path, theirs: bytes | None) -> None:
    device = OsdpReader(unit=UNIT, key=theirs)
    with reader(tmp_path, device=device) as one:
        fault = one.heard.one(Fault)
        assert fault.active
        assert "no secure channel with our key" in fault.why
        one.pulse("p")
        assert one.outcome("p") == Refused(id="p", why=Refusal.LINE_DOWN)
        assert (device.orders, one.run.whats(), one.heard.bus.healthy) == ([], [], False)


def test_the_published_key_is_not_used_even_if_the_reader_takes_it(tmp_path: Path) -> None:
    device = OsdpReader(unit=UNIT, key=None)
    with reader(tmp_path, device=device, key_file=key_file(tmp_path, DEFAULT_KEY)) as one:
        assert "is the published default key" in one.heard.one(Fault).why
        one.pulse("p")
        assert one.outcome("p") == Refused(id="p", why=Refusal.LINE_DOWN)
        assert device.orders == []


def test_a_missing_key_is_named_and_taken_when_it_is_there(tmp_path: Path) -> None:
    with reader(tmp_path, key_file=tmp_path / "later.key") as one:
        assert "cannot be read (No such file or directory)" in one.heard.one(Fault).why
        key_file(tmp_path).rename(tmp_path / "later.key")
        assert one.recovered(time.monotonic()) < 4.0


def test_a_pulse_whose_answer_is_lost_is_in_doubt_and_never_repeated(tmp_path: Path) -> None:
    with secure_reader(tmp_path) as one:
        one.do(lambda: falls_silent_at(one.device, osdp_sys.CMD_OUTPUT))  # it hears and obeys
        one.pulse("p")
        assert one.outcome("p") == TimedOut(id="p", maybe_executed=True)
        one.silent(silent=False)
        assert one.recovered(time.monotonic()) < 1.5
        one.pulse("next", channel=2)
        assert isinstance(one.outcome("next"), Done)
        assert [channel for what, channel in one.run.whats() if what == "relay_on"] == [1, 2]


def test_three_seconds_of_silence_are_survived_and_ten_do_not_cost_three_hundred(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with secure_reader(tmp_path / "a") as short, secure_reader(tmp_path / "b") as long:
        began_s = time.monotonic()
        short.silent()
        long.silent()
        for one, silent_s in ((short, 3.0), (long, 9.5)):
            until(lambda: not one.heard.bus.healthy, within_s=3.0, what="the fault")  # noqa: B023  # used at once
            one.pulse("while silent")
            assert one.outcome("while silent") == Refused(id="while silent", why=Refusal.LINE_DOWN)
            until(lambda: time.monotonic() - began_s > silent_s, what="the end of the silence")  # noqa: B023
            one.silent(silent=False)
            assert one.recovered(time.monotonic()) < 1.5
            one.pulse("after")
            assert isinstance(one.outcome("after"), Done)
            assert one.closings() == 1


def test_what_libosdp_gives_up_after_is_begun_again_at_once(tmp_path: Path) -> None:
    """A denial sends it to sleep for 300 s; this reader denies every question for its states."""
    with reader(tmp_path) as one:
        began_s = time.monotonic()
        until(lambda: settled(one), what="three denials")
        assert time.monotonic() - began_s < 2.5
        asked = [order["type"] for order in one.device.orders if order["command"] == osdp_sys.CMD_STATUS]
        assert len(asked) == len(set(asked)) == 3  # each once


def test_s2_a_cable_pulled_in_mid_pulse_leaves_a_doubt_and_comes_back(tmp_path: Path) -> None:
    with secure_reader(tmp_path) as one:
        one.pulse("p", ms=2000)
        until(lambda: ("relay_on", 1) in one.run.whats(), what="the pulse")
        one.do(one.run.station.unplug)
        assert one.outcome("p") == TimedOut(id="p", maybe_executed=True)
        until(lambda: [line.up for line in one.heard.all(Line)] == [True, False], what="the loss")
        one.do(one.run.station.plug)
        assert one.recovered(time.monotonic()) < 2.5
        one.pulse("again")
        assert isinstance(one.outcome("again"), Done)
        assert [line.up for line in one.heard.all(Line)] == [True, False, True]


def test_a_library_that_fails_in_itself_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the usual wrapper one exception ends the library's thread for good."""
    with secure_reader(tmp_path) as one:
        failed = []

        def fail(_panel: osdp_panel.Panel) -> None:
            failed.append(1)
            raise osdp_panel.PanelBrokenError

        with monkeypatch.context() as patch:
            patch.setattr(osdp_panel.Panel, "turn", fail)
            until(lambda: len(failed) >= 3, what="three failures")
        assert one.recovered(time.monotonic()) < 1.5
        one.pulse("p")
        assert isinstance(one.outcome("p"), Done)


def test_a_reader_in_another_process_does_it_all_too(tmp_path: Path) -> None:
    link, tape = tmp_path / "reader", tmp_path / "tape.jsonl"
    argv = ["-m", "simulators.boards.process", "osdp", "--link", str(link), "--unit", str(UNIT)]
    argv += ["--profile", KEY.hex(), "--lanes", "0", "--tape", str(tape)]
    process = subprocess.Popen([sys.executable, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        with driving("osdp", link, unit=UNIT, key_file=key_file(tmp_path)) as heard:
            until(lambda: heard.all(Identity) and heard.bus.healthy, within_s=20.0, what="the reader")
            heard.bus.submit(Pulse(channel=1, ms=200, id="p", issued_s=time.monotonic()))
            until(lambda: [done for done in heard.all(Done) if done.id == "p"], what="the pulse")
    finally:
        process.terminate()
        assert process.wait(10) == 0
    assert tape.read_text(encoding="utf-8").count("relay_on") == 1


def bench(folder: Path, link: Path, **options: Any) -> Identity:
    return set_key(
        SerialPort(link, LineSettings()), unit=UNIT, key_file=folder / "bench.key", within_s=1.0, **options
    )


def test_a_key_is_set_on_a_bench_and_changed_anywhere(tmp_path: Path) -> None:
    device = OsdpReader(unit=UNIT, key=None)
    path = tmp_path / "bench.key"
    with on_pty(tmp_path, device) as (_, link):
        with pytest.raises(KeySettingError, match="published default key"):
            bench(tmp_path, link)
        assert (device.key, list(tmp_path.glob("bench*"))) == (None, [])
        assert bench(tmp_path, link, on_a_bench=True).serial == "12345678"
        first = device.key
        assert first is not None
        assert (path.read_text().strip(), path.stat().st_mode & 0o777) == (first.hex(), 0o600)
        assert first not in {DEFAULT_KEY, bytes(16)}
        bench(tmp_path, link)
        assert device.key != first
        assert path.read_text().strip() == (device.key or b"").hex()
        assert list(tmp_path.glob("bench*")) == [path]


def test_a_reader_with_another_key_gets_none_and_no_key_is_lost(tmp_path: Path) -> None:
    device = OsdpReader(unit=UNIT, key=OTHER)
    path = tmp_path / "bench.key"
    with on_pty(tmp_path, device) as (run, link):
        with pytest.raises(KeySettingError, match="has a key already"):
            bench(tmp_path, link, on_a_bench=True)
        key_file(tmp_path).rename(path)
        with pytest.raises(KeySettingError, match="no secure channel with the key that we have"):
            bench(tmp_path, link)
        assert (device.key, path.read_text().strip()) == (OTHER, KEY.hex())
        assert not list(tmp_path.glob("bench.key.new"))
        path.unlink()
        run.station.ask(lambda: device.power_off(time.monotonic()))
        with pytest.raises(KeySettingError, match="does not answer"):
            bench(tmp_path, link, on_a_bench=True)
        assert not list(tmp_path.glob("bench*"))


class Pulled(SerialPort):
    """A cable that comes out once the reader has its new key."""

    def __init__(self, link: Path, device: OsdpReader) -> None:
        super().__init__(link, LineSettings())
        self._device, self._before = device, device.key

    def read(self) -> bytes:
        if self._device.key != self._before:
            raise PortLostError(str(self.path), "unplugged")
        return super().read()


def test_s2_a_cable_that_comes_out_while_a_key_is_given_costs_no_key(tmp_path: Path) -> None:
    device = OsdpReader(unit=UNIT, key=KEY)
    with on_pty(tmp_path, device) as (_, link):
        path = key_file(tmp_path)
        with pytest.raises(KeySettingError, match="the reader may have the key in it") as lost:
            set_key(Pulled(link, device), unit=UNIT, key_file=path)
        pending = lost.value.pending
        assert (lost.value.trouble, pending) == (Trouble.LINE_LOST, tmp_path / "reader.key.new")
        assert pending is not None
        assert pending.read_text().strip() == (device.key or b"").hex()
        assert path.read_text().strip() == KEY.hex()


def test_a_key_that_may_have_arrived_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = OsdpReader(unit=UNIT, key=KEY)
    with on_pty(tmp_path, device) as (_, link):
        key_file(tmp_path).rename(tmp_path / "bench.key")
        falls_silent_at(device, osdp_sys.CMD_KEYSET)
        with pytest.raises(KeySettingError, match="the reader may have the key in it") as refused:
            bench(tmp_path, link)
        pending = refused.value.pending
        assert pending is not None
        assert device.key == bytes.fromhex(pending.read_text().strip())
        assert (tmp_path / "bench.key").read_text().strip() == KEY.hex()
        assert pending.stat().st_mode & 0o777 == 0o600
