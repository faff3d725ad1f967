"""Our drivers against virtual devices that were written from the vendors' documents alone, on real pseudo-terminals."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.model import Admit, Counted, Done, Grade, Identify, Identity, InputEdge, Pulse, Side, TimedOut
from drivers.peripherals import Commission, Measure, Measured, Say, Scanned, SendSms, SetUp, SmsSent
from simulators.boards.catalogue import make_board
from simulators.boards.ends import TcpEnd
from simulators.boards.gate_controller import GateController
from simulators.boards.knobs import Knobs
from simulators.boards.modbus_makes import WaveshareRelay
from simulators.boards.turnstile import Turnstile
from simulators.devices.modem import Modem
from simulators.devices.scanner import TextScanner
from simulators.devices.scanner_gm65 import Gm65
from simulators.devices.scanner_menus import Honeywell, Newland
from simulators.devices.thermometers import Cjmcu90614, Gy614V, Mcu90614, Thermometer
from simulators.devices.voice import Syn6288
from tests.real.drivers.stations import driving, on_pty, running
from tests.waiting import until

pytestmark = pytest.mark.real

BOARDS = [
    ("lcus", None),
    ("modbus-relay", "waveshare-relay-8"),
    ("modbus-relay", "waveshare-io-8ch"),
    ("modbus-relay", "eletechsup-r421a08"),
    ("modbus-relay", "generic-0100-4"),
    ("modbus-relay", "lctech-2ch"),
    ("modbus-relay", "kmtronic-modbus-8"),
    ("numato", None),
    ("kmtronic", None),
    ("devantech-usb", None),
]


def options(profile: str | None) -> dict[str, str]:
    return {} if profile is None else {"profile": profile}


def pulse(ms: int, channel: int = 2) -> Pulse:
    return Pulse(channel=channel, ms=ms, id="a", issued_s=time.monotonic())


@pytest.mark.parametrize(("protocol", "profile"), BOARDS)
def test_a_pulse_closes_one_relay_once_and_opens_it_again(
    tmp_path: Path, protocol: str, profile: str | None
) -> None:
    with on_pty(tmp_path, make_board(protocol, profile=profile)) as (run, link):
        with driving(protocol, link, **options(profile)) as heard:
            heard.wait_up()
            heard.bus.submit(pulse(1000 if profile == "eletechsup-r421a08" else 200))
            assert heard.one(Done).id == "a"
            until(lambda: len(run.whats()) >= 2, what="both edges")
        assert run.whats() == [("relay_on", 2), ("relay_off", 2)]


@pytest.mark.parametrize(("protocol", "profile"), [board for board in BOARDS if board[0] != "lcus"])
def test_a_lost_answer_pulses_once_and_says_that_it_may_have(
    tmp_path: Path, protocol: str, profile: str | None
) -> None:
    with on_pty(tmp_path, make_board(protocol, profile=profile)) as (run, link):
        with driving(protocol, link, **options(profile)) as heard:
            heard.wait_up()
            until(lambda: heard.bus.healthy, what="the board")
            run.station.ask(lambda: run.station.ends[0].turn(Knobs(no_reply=1.0)))
            heard.bus.submit(pulse(1000 if profile == "eletechsup-r421a08" else 200))
            ended = until(lambda: [*heard.all(TimedOut), *heard.all(Done)], what="the end of the pulse")[0]
            if isinstance(ended, TimedOut):
                assert ended.maybe_executed
            else:
                assert ended.grade is Grade.SENT
            until(lambda: ("relay_off", 2) in run.whats(), what="the relay to drop")
        assert run.whats().count(("relay_on", 2)) == 1


@pytest.mark.parametrize("profile", ["waveshare-io-8ch", "lctech-2ch"])
def test_the_inputs_of_a_relay_board_follow_the_person(tmp_path: Path, profile: str) -> None:
    board = make_board("modbus-relay", profile=profile)
    people = Turnstile(lanes=2, seed=7)
    with on_pty(tmp_path, board, people=people) as (run, link):
        with driving("modbus-relay", link, profile=profile) as heard:
            heard.wait_up()
            heard.bus.submit(pulse(200))
            until(lambda: len(heard.all(InputEdge)) >= 2, what="both edges of the passage")
            assert [(edge.channel, edge.active) for edge in heard.all(InputEdge)] == [(2, True), (2, False)]
        assert run.whats("contact") == [("contact_on", 2), ("contact_off", 2)]


@pytest.mark.parametrize("protocol", ["turnstile-7e", "turnstile-eb"])
def test_a_controller_admits_one_person_on_the_side_that_was_named(tmp_path: Path, protocol: str) -> None:
    gate = make_board(protocol)
    assert isinstance(gate, GateController)
    with on_pty(tmp_path, gate, people=Turnstile(lanes=2, seed=3)) as (run, link):
        with driving(protocol, link) as heard:
            heard.wait_up()
            heard.bus.submit(Admit(side=Side.LEFT, id="a", issued_s=time.monotonic()))
            assert heard.one(Done).id == "a"
            until(lambda: run.whats("passage"), what="the passage")
            if protocol == "turnstile-7e":
                until(lambda: any(each.delta for each in heard.all(Counted)), what="the counted passage")
                counted = [each for each in heard.all(Counted) if each.delta]
                assert [(each.side, each.delta) for each in counted] == [(Side.LEFT, 1)]
        assert run.whats("passage") == [("passage", 1)]
        assert gate.counts == {"left": 1, "right": 0}
        assert run.whats("alarm") == []


def test_a_devantech_names_itself(tmp_path: Path) -> None:
    board = make_board("devantech-usb", profile="rly16")
    with on_pty(tmp_path, board) as (_, link), driving("devantech-usb", link, model="USB-RLY16") as heard:
        heard.wait_up()
        heard.bus.submit(Identify(id="i"))
        assert "16" in heard.one(Identity).model


def test_modbus_tcp_pulses_like_the_board_behind_it(tmp_path: Path) -> None:
    board = WaveshareRelay()
    end = TcpEnd(board, host="127.0.0.1", port=0)
    with running(tmp_path, [end]) as run:
        with driving("modbus-tcp", f"tcp://127.0.0.1:{end.port}", profile="waveshare-relay-8") as heard:
            heard.wait_up()
            heard.bus.submit(pulse(200))
            heard.one(Done)
            until(lambda: len(run.whats()) >= 2, what="both edges")
        assert run.whats() == [("relay_on", 2), ("relay_off", 2)]


MAKES: dict[str, Callable[[], TextScanner]] = {
    "text": TextScanner,
    "gm65": Gm65,
    "honeywell": Honeywell,
    "newland": Newland,
}


@pytest.mark.parametrize("make", MAKES)
def test_a_scanner_reads_what_is_shown_to_it(tmp_path: Path, make: str) -> None:
    engine = MAKES[make]()
    with (
        on_pty(tmp_path, engine) as (run, link),
        driving("scanner", link, make=make, baud=engine.speed) as heard,
    ):
        heard.wait_up()
        until(lambda: make == "text" or heard.all(SetUp), what="the question about set-up codes")
        show(run.station.ask, run.station.ends[0], engine, "GP1:访客")
        assert heard.one(Scanned).data.decode() == "GP1:访客"


def test_a_commissioned_gm65_no_longer_obeys_printed_codes(tmp_path: Path) -> None:
    engine = Gm65()
    with on_pty(tmp_path, engine) as (run, link), driving("scanner", link, make="gm65") as heard:
        heard.wait_up()
        heard.bus.submit(Commission(id="c", save=True))
        until(lambda: any(each.id == "c" and each.proved for each in heard.all(SetUp)), what="the proof")
        run.station.ask(lambda: run.station.do("reboot"))
        assert not engine.obeys_setup_codes


@pytest.mark.parametrize("make", ["honeywell", "newland"])
def test_an_engine_whose_tag_for_it_is_not_known_is_never_called_commissioned(
    tmp_path: Path, make: str
) -> None:
    engine = MAKES[make]()
    with (
        on_pty(tmp_path, engine) as (_, link),
        driving("scanner", link, make=make, baud=engine.speed) as heard,
    ):
        heard.wait_up()
        heard.bus.submit(Commission(id="c", save=True))
        [told] = until(lambda: [each for each in heard.all(SetUp) if each.id == "c"], what="the result")
        assert (told.good or told.proved, engine.obeys_setup_codes) == (False, True)


METERS: dict[str, Callable[[], Thermometer]] = {
    "mcu90614": lambda: Mcu90614(person_c=36.5),
    "614v": lambda: Gy614V(person_c=36.5),
    "cjmcu": lambda: Cjmcu90614(person_c=36.5),
}


@pytest.mark.parametrize("make", METERS)
def test_a_thermometer_measures_the_forehead(tmp_path: Path, make: str) -> None:
    device = METERS[make]()
    with (
        on_pty(tmp_path, device) as (_, link),
        driving("thermometer", link, make=make, baud=device.speed) as heard,
    ):
        heard.wait_up()
        heard.bus.submit(Measure(id="m"))
        assert heard.one(Measured).target_c == pytest.approx(36.5, abs=0.02)


def test_a_modem_sends_a_message_in_parts(tmp_path: Path) -> None:
    modem = Modem(sends_in_s=0.05)
    text = "访客到达：1号门。" * 9
    with on_pty(tmp_path, modem) as (_, link):
        with driving("modem", link) as heard:
            heard.wait_up()
            heard.bus.submit(SendSms(to="+8613800138000", text=text, id="s"))
            assert len(heard.one(SmsSent, within_s=20.0).references) == 2
        [message] = modem.network.inbox
        assert (message.to, message.text, message.parts) == ("+8613800138000", text, 2)


def test_a_voice_says_a_text(tmp_path: Path) -> None:
    voice = Syn6288()
    with on_pty(tmp_path, voice) as (_, link):
        with driving("syn6288", link) as heard:
            heard.wait_up()
            heard.bus.submit(Say(text="请进", id="v"))
            assert heard.one(Done).id == "v"
        assert [text.removeprefix("[v5]") for text in voice.said] == ["请进"]


def test_two_boards_on_one_pair_of_wires_are_driven_in_one_process(tmp_path: Path) -> None:
    relays, inputs = make_board("modbus-relay", unit=1), make_board("modbus-inputs", unit=2)
    people = Turnstile(lanes=2, seed=7)
    with (
        on_pty(tmp_path, relays, inputs, people=people) as (run, link),
        driving("modbus-relay", link, profile="waveshare-relay-8", unit=1) as heard,
    ):
        heard.wait_up()
        heard.bus.submit(pulse(200))
        heard.one(Done)
        until(lambda: run.whats("contact") == [("contact_on", 2), ("contact_off", 2)], what="the passage")


def show(ask: Callable[[Callable[[], None]], None], end: object, engine: TextScanner, text: str) -> None:
    """Hold a code to the lens of an engine that hangs on a running station."""
    cable = end.cable  # type: ignore[attr-defined]  # the ends of this module are pseudo-terminals
    ask(lambda: cable.say(engine, engine.show(text, time.monotonic())))
