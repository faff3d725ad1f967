"""Drivers against virtual devices that others wrote from the vendors' documents, in virtual time."""

from collections.abc import Callable

import pytest

from drivers.devices.gsm_modem import GsmModem
from drivers.devices.scanner_gm65 import Gm65Codec
from drivers.devices.scanner_honeywell import HoneywellCodec
from drivers.devices.scanner_newland import NewlandCodec
from drivers.devices.scanner_setup import CHECK_EVERY_S, SILENT, SetUpCodec, SetUpScanner
from drivers.devices.scanner_words import Setting
from drivers.devices.thermometer_614v import Gy614vCodec
from drivers.devices.thermometer_cjmcu import CjmcuCodec
from drivers.devices.thermometer_mcu90614 import Mcu90614Codec
from drivers.devices.thermometer_sampling import Thermometer, ThermometerCodec
from drivers.devices.voice_syn6288 import Syn6288Driver
from drivers.model import Alarm, AnyEvent, Command, Done, Driver, Fault, Grade, Identify, Identity, TimedOut
from drivers.peripherals import (
    Commission,
    Measure,
    Measured,
    ModemState,
    Say,
    Scanned,
    SendSms,
    SetUp,
    SmsReported,
    SmsSent,
)
from simulators.boards.device import Answer, Device
from simulators.devices import thermometers as twins
from simulators.devices.mobile_network import Message
from simulators.devices.modem import Modem
from simulators.devices.scanner import TextScanner as ScannerTwin
from simulators.devices.scanner_gm65 import Gm65
from simulators.devices.scanner_menus import Honeywell, Newland
from simulators.devices.voice import Syn6288
from tests.unit.drivers.turns import turn

STEP_S = 0.005


class Bench:
    """A driver and a device on a line, both in the same virtual time."""

    def __init__(self, driver: Driver, device: Device) -> None:
        self.driver, self.device, self.now_s = driver, device, 50.0
        self.on_the_way: list[Answer] = []
        driver.line_up(self.now_s)

    def submit(self, command: Command) -> None:
        self.driver.submit(command, self.now_s)

    def run(self, seconds: float) -> list[AnyEvent]:
        told: list[AnyEvent] = []
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            self.on_the_way += self.device.tick(self.now_s)
            due = [one for one in self.on_the_way if one.at_s <= self.now_s]
            self.on_the_way = [one for one in self.on_the_way if one.at_s > self.now_s]
            frames, events = turn(self.driver, self.now_s, b"".join(one.data for one in due))
            told += events
            for frame in frames:
                self.on_the_way += self.device.receive(frame, self.now_s)
            self.now_s += STEP_S
        return told

    def skip(self, seconds: float) -> None:
        """Let time pass in which nothing is due."""
        self.now_s += seconds


def stands(id_: str, value: str, *, good: bool, proved: bool = True) -> SetUp:
    return SetUp(id=id_, setting="printed set-up codes", value=value, good=good, proved=proved)


def alarm(*, active: bool) -> Alarm:
    return Alarm(what="printed set-up codes", active=active)


SCANNERS: list[tuple[SetUpCodec, Callable[[], ScannerTwin]]] = [
    (Gm65Codec(), Gm65),
    (HoneywellCodec(Setting(name="MNUENA", locked="0")), Honeywell),
    (NewlandCodec(Setting(name="SETUPE", locked="0")), Newland),
]


@pytest.mark.parametrize(("codec", "make"), SCANNERS)
def test_c12_a_scanner_fresh_from_the_factory_is_locked_and_stays_so(
    codec: SetUpCodec, make: Callable[[], ScannerTwin]
) -> None:
    device = make()
    bench = Bench(SetUpScanner(codec), device)
    assert bench.run(1.0) == [stands("", "on", good=False), alarm(active=True)]
    bench.submit(Commission(id="c"))
    assert bench.run(2.0) == [
        stands("c", "off", good=True),
        alarm(active=False),
        Done(id="c", grade=Grade.CONFIRMED),
    ]
    assert not device.obeys_setup_codes
    bench.on_the_way += device.show_setup("keyboard", bench.now_s)
    told = bench.run(1.0)
    assert [event.data for event in told if isinstance(event, Scanned)] == [b"SETUP-KEYBOARD"]
    assert not device.keyboard


@pytest.mark.parametrize(("codec", "make"), SCANNERS)
@pytest.mark.parametrize("save", [True, False])
def test_c12_what_was_not_saved_is_an_alarm_after_a_power_cut(
    codec: SetUpCodec, make: Callable[[], ScannerTwin], save: bool
) -> None:
    device = make()
    bench = Bench(SetUpScanner(codec), device)
    bench.submit(Commission(id="c", save=save))
    assert Done(id="c", grade=Grade.CONFIRMED) in bench.run(3.0)
    device.reboot(bench.now_s)
    bench.skip(CHECK_EVERY_S)
    assert bench.run(2.0) == ([] if save else [stands("", "on", good=False), alarm(active=True)])
    assert device.obeys_setup_codes != save


def test_c12_a_code_that_puts_the_scanner_into_keyboard_mode_is_found_by_the_check() -> None:
    device = Gm65()
    bench = Bench(SetUpScanner(Gm65Codec()), device)
    bench.submit(Commission(id="c", save=True))
    bench.run(3.0)
    device.silent = True
    bench.skip(CHECK_EVERY_S)
    unproved = stands("", "no answer", good=False, proved=False)
    assert bench.run(5.0) == [unproved, alarm(active=True), Fault(active=True, why=SILENT)]


@pytest.mark.parametrize("terminator", ["cr", "lf", "crlf", "tab", "none"])
def test_codes_of_any_terminator_are_read_while_questions_are_open(terminator: str) -> None:
    device = Gm65()
    bench = Bench(SetUpScanner(Gm65Codec()), device)
    bench.run(1.0)
    device.terminator = terminator
    bench.on_the_way += device.show("GP1:访客", bench.now_s)
    told = bench.run(1.0)
    assert [event.data for event in told if isinstance(event, Scanned)] == ["GP1:访客".encode()]


THERMOMETERS: list[tuple[ThermometerCodec, Callable[..., twins.Thermometer], float | None]] = [
    (Mcu90614Codec(), twins.Mcu90614, None),
    (Gy614vCodec(), twins.Gy614V, 35.3),
    (CjmcuCodec(), twins.Cjmcu90614, None),
]


@pytest.mark.parametrize(("codec", "make", "body_c"), THERMOMETERS)
def test_a_person_is_measured_and_a_wall_is_not(
    codec: ThermometerCodec, make: Callable[..., twins.Thermometer], body_c: float | None
) -> None:
    device = make(person_c=34.3)
    bench = Bench(Thermometer(codec), device)
    bench.run(1.0)
    bench.submit(Measure(id="a"))
    assert bench.run(1.0) == [Measured(id="a", target_c=34.3, body_c=body_c, ambient_c=25.0, samples=5)]
    device.person_c = None
    bench.submit(Measure(id="b"))
    assert bench.run(2.5) == [Measured(id="b", target_c=None, body_c=None, ambient_c=25.0, samples=0)]


@pytest.mark.parametrize(("codec", "make", "body_c"), THERMOMETERS[:2])
def test_a_module_that_does_not_stream_is_asked(
    codec: ThermometerCodec, make: Callable[..., twins.Thermometer], body_c: float | None
) -> None:
    device = make(person_c=34.3)
    device.streams = False
    bench = Bench(Thermometer(codec), device)
    bench.submit(Measure(id="a"))
    assert bench.run(2.0) == [Measured(id="a", target_c=34.3, body_c=body_c, ambient_c=25.0, samples=5)]


def test_the_newer_module_with_a_longer_frame_is_measured() -> None:
    bench = Bench(Thermometer(Mcu90614Codec()), twins.Mcu90614(person_c=34.3, body=True, noise_c=0.4))
    bench.submit(Measure(id="a"))
    (measured,) = bench.run(1.0)
    assert isinstance(measured, Measured)
    assert measured.target_c == pytest.approx(34.3, abs=0.4)


@pytest.fixture
def modem() -> Bench:
    bench = Bench(GsmModem(), Modem())
    assert bench.run(2.0) == [ModemState(id="", sim="READY", registered=True, signal_dbm=-71)]
    return bench


def network(bench: Bench) -> list[Message]:
    assert isinstance(bench.device, Modem)
    return bench.device.network.inbox


@pytest.mark.parametrize(("text", "parts"), [("访客到达：1号门", 1), ("访" * 70, 1), ("访客😀" * 60, 4)])
def test_a_message_reaches_the_phone_as_it_was_written_and_its_receipts_come_back(
    modem: Bench, text: str, parts: int
) -> None:
    modem.submit(SendSms(to="+8613800138000", text=text, id="a"))
    told = modem.run(10.0)
    references = tuple(range(1, parts + 1))
    assert SmsSent(id="a", references=references) in told
    assert [event for event in told if isinstance(event, SmsReported)] == [
        SmsReported(reference=reference, delivered=True) for reference in references
    ]
    (message,) = network(modem)
    assert (message.to, message.text, message.parts) == ("+8613800138000", text, parts)


def test_a_message_that_a_phone_never_got_is_reported_so(modem: Bench) -> None:
    assert isinstance(modem.device, Modem)
    modem.device.delivers = False
    modem.submit(SendSms(to="+8613800138000", text="你好", id="a"))
    assert modem.run(5.0) == [
        SmsSent(id="a", references=(1,)),
        SmsReported(reference=1, delivered=False),
    ]


def test_lines_that_nobody_asked_for_spoil_no_answer() -> None:
    device = Modem()
    device.interrupt = ["RING", "+CREG: 1", "^RSSI: 18", '+CMTI: "SM",3', "RING", "RING"]
    bench = Bench(GsmModem(), device)
    bench.submit(SendSms(to="+8613800138000", text="你好", id="a"))
    told = bench.run(5.0)
    assert SmsSent(id="a", references=(1,)) in told
    assert not [event for event in told if isinstance(event, Fault)]


def test_s7_a_lost_answer_is_doubt_and_the_phone_got_it_once(modem: Bench) -> None:
    modem.submit(SendSms(to="+8613800138000", text="你好", id="a"))
    told = modem.run(0.3)  # announced and written
    modem.device.silent = True
    told += modem.run(70.0)
    assert TimedOut(id="a", maybe_executed=True) in told
    modem.device.silent = False
    told = modem.run(20.0)
    assert len(network(modem)) == 1
    modem.submit(SendSms(to="+8613800138000", text="再见", id="b"))
    assert SmsSent(id="b", references=(2,)) in modem.run(5.0)
    assert [message.text for message in network(modem)] == ["你好", "再见"]


def test_a_modem_that_was_left_in_the_middle_of_a_text_is_freed() -> None:
    device = Modem()
    for line in (b"AT+CMGF=0\r", b"AT+CMGS=20\r"):
        device.receive(line, 49.0)
    bench = Bench(GsmModem(), device)
    assert bench.run(3.0) == [ModemState(id="", sim="READY", registered=True, signal_dbm=-71)]
    assert network(bench) == []


def test_a_modem_that_loses_its_supply_in_the_middle_of_a_message_is_used_again(modem: Bench) -> None:
    modem.submit(SendSms(to="+8613800138000", text="你好", id="a"))
    modem.run(0.1)
    modem.device.power_off(modem.now_s)
    modem.on_the_way.clear()
    told = modem.run(70.0)
    modem.on_the_way += modem.device.power_on(modem.now_s)
    told += modem.run(10.0)
    ends = [event for event in told if isinstance(event, TimedOut | SmsSent)]
    assert ends == [TimedOut(id="a", maybe_executed=True)]
    modem.submit(SendSms(to="+8613800138000", text="再见", id="b"))
    assert SmsSent(id="b", references=(2,)) in modem.run(10.0)


def test_a_pin_opens_the_twins_sim() -> None:
    device = Modem()
    device.sim = "SIM PIN"
    bench = Bench(GsmModem(pin="1234"), device)
    assert bench.run(3.0)[-1] == ModemState(id="", sim="READY", registered=True, signal_dbm=-71)


def test_the_twin_says_who_it_is(modem: Bench) -> None:
    modem.submit(Identify(id="i"))
    (identity,) = modem.run(1.0)
    assert isinstance(identity, Identity)
    assert (identity.maker, identity.model) == ("SIMULATED", "SIM-800")


def test_the_voice_says_what_is_newest_and_each_text_once() -> None:
    device = Syn6288()
    bench = Bench(Syn6288Driver(), device)
    for id_, text in (("a", "请通行"), ("b", "请稍候"), ("c", "朱镕基")):
        bench.submit(Say(text=text, id=id_))
    told = bench.run(5.0)
    assert [event for event in told if isinstance(event, Done)] == [
        Done(id="a", grade=Grade.ACCEPTED),
        Done(id="c", grade=Grade.ACCEPTED),
    ]
    assert device.said == ["请通行", "朱镕基"]
    device.silent = True
    bench.submit(Say(text="再见", id="d"))
    assert bench.run(10.0) == [Done(id="d", grade=Grade.SENT)]
    assert device.said[2:] == ["再见"]
