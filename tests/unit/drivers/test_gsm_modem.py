"""A GSM modem in virtual time: once is once, and what nobody knows is said so."""

from collections.abc import Callable

import pytest

from drivers.devices.gsm_modem import WAITING_MAX, WAITING_S_MAX, GsmModem
from drivers.devices.pdu import encode_submit
from drivers.model import AnyEvent, Certainty, Fault, Identify, Identity, Refusal, Refused, TimedOut
from drivers.peripherals import ModemState, SendSms, SmsReported, SmsSent
from tests.unit.drivers.turns import turn

TO, TEXT = "+8613800138000", "访客到达：1号门"
READY = ModemState(id="", sim="READY", registered=True, signal_dbm=-77)
RECEIPT = "00062A0D91683108108300F0" + "00" * 14 + "00"


class Sim:
    """A modem in its own words: what it answers to each line can be changed."""

    def __init__(self, **answers: str) -> None:
        self.answers = {
            "AT": "OK",
            "ATE0": "OK",
            "AT+CMEE=1": "OK",
            "AT+CMGF=0": "OK",
            "AT+CNMI=2,0,0,1,0": "OK",
            "AT+CPIN?": "+CPIN: READY\r\n\r\nOK",
            "AT+CREG?": "+CREG: 0,1\r\n\r\nOK",
            "AT+CEREG?": "ERROR",
            "AT+CSQ": "+CSQ: 18,99\r\n\r\nOK",
            "AT+CGMI": "Quectel\r\n\r\nOK",
            "AT+CGMM": "EC20\r\n\r\nOK",
            "prompt": "> ",
        }
        self.answers.update(answers)
        self.taken: list[str] = []  # texts, in hexadecimal
        self.reference = 6

    def __call__(self, frame: bytes) -> bytes:
        if frame == b"\x1b\r":
            return b""
        if frame.endswith(b"\x1a"):
            self.taken.append(frame[:-1].decode())
            self.reference += 1
            said = self.answers.get("text", "+CMGS: {}\r\n\r\nOK").format(self.reference)
        else:
            line = frame.decode().removesuffix("\r")
            if line.startswith("AT+CMGS="):
                return self.answers["prompt"].encode()
            said = self.answers.get(line, "ERROR")
        return f"\r\n{said}\r\n".encode() if said else b""


class Bench:
    """A driver and a modem on one virtual clock."""

    def __init__(self, modem: Callable[[bytes], bytes], driver: GsmModem | None = None) -> None:
        self.driver, self.modem, self.now_s = driver or GsmModem(), modem, 10.0
        self.frames: list[bytes] = []
        self.driver.line_up(self.now_s)

    def run(self, seconds: float) -> list[AnyEvent]:
        until_s, told = self.now_s + seconds, []
        while self.now_s <= until_s:
            frames, events = turn(self.driver, self.now_s)
            told += events
            for frame in frames:
                self.frames.append(frame)
                reply = self.modem(frame)
                if reply:
                    self.driver.receive(reply, self.now_s + 0.005)
            due_s = self.driver.next_deadline()
            assert due_s is not None, "a modem is always watched"
            self.now_s = max(due_s, self.now_s + 0.01)
        self.now_s = until_s
        return told + self.driver.take_events()

    def send(self, id_: str = "a", *, to: str = TO, text: str = TEXT) -> None:
        self.driver.submit(SendSms(to=to, text=text, id=id_), self.now_s)

    def texts(self) -> int:
        return sum(frame.endswith(b"\x1a") for frame in self.frames)


@pytest.fixture
def bench() -> Bench:
    bench = Bench(Sim())
    assert bench.run(2.0) == [READY]
    bench.frames.clear()
    return bench


def test_a_modem_is_set_up_in_order_and_its_state_is_told_once() -> None:
    bench = Bench(Sim())
    assert bench.run(120.0) == [READY]
    assert bench.frames[:10] == [
        b"\x1b\r",
        b"AT\r",
        b"ATE0\r",
        b"AT+CMEE=1\r",
        b"AT+CMGF=0\r",
        b"AT+CNMI=2,0,0,1,0\r",
        b"AT+CPIN?\r",
        b"AT+CREG?\r",
        b"AT+CEREG?\r",
        b"AT+CSQ\r",
    ]


def test_a_message_is_announced_by_its_length_and_sent_as_octets(bench: Bench) -> None:
    (pdu,) = encode_submit(TO, TEXT)
    bench.send()
    assert bench.run(1.0) == [SmsSent(id="a", references=(7,))]
    assert bench.frames == [f"AT+CMGS={pdu.length}\r".encode(), pdu.hex.encode() + b"\x1a"]


def test_parts_go_out_in_order_and_each_has_its_reference(bench: Bench) -> None:
    assert isinstance(bench.modem, Sim)
    bench.send(text="访" * 150)
    assert bench.run(1.0) == [SmsSent(id="a", references=(7, 8, 9))]
    headers = [text[text.index("050003") + 8 :][:4] for text in bench.modem.taken]
    assert headers == ["0301", "0302", "0303"]


def test_an_id_is_sent_once_and_two_messages_go_one_after_the_other(bench: Bench) -> None:
    bench.send("a")
    bench.send("a")
    bench.send("b")
    assert bench.run(1.0) == [SmsSent(id="a", references=(7,)), SmsSent(id="b", references=(8,))]
    assert bench.texts() == 2


def test_s7_an_answer_that_is_missing_is_doubt_and_the_text_is_never_written_again(bench: Bench) -> None:
    assert isinstance(bench.modem, Sim)
    bench.modem.answers["text"] = ""
    bench.send()
    assert bench.run(59.0) == []
    told = bench.run(300.0)
    assert [event for event in told if not isinstance(event, Fault | ModemState)] == [
        TimedOut(id="a", maybe_executed=True)
    ]
    assert bench.texts() == 1


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        ("+CMS ERROR: 38", Refused(id="a", why=Refusal.DENIED)),
        ("ERROR", Refused(id="a", why=Refusal.DENIED)),
        ("+CMS ERROR: 332", TimedOut(id="a", maybe_executed=True)),
        ("+CMS ERROR: 500", TimedOut(id="a", maybe_executed=True)),
        ("OK", TimedOut(id="a", maybe_executed=True)),
        ("+CMGS: 999\r\n\r\nOK", TimedOut(id="a", maybe_executed=True)),
    ],
)
def test_a_refusal_is_a_refusal_and_a_doubt_a_doubt(bench: Bench, error: str, ends: AnyEvent) -> None:
    assert isinstance(bench.modem, Sim)
    bench.modem.answers["text"] = error
    bench.send()
    assert bench.run(1.0) == [ends]
    assert bench.texts() == 1
    bench.modem.answers["text"] = "+CMGS: 9\r\n\r\nOK"
    bench.send("b")
    assert bench.run(1.0) == [SmsSent(id="b", references=(9,))]


def test_a_refused_second_part_is_doubt_for_the_first_is_out(bench: Bench) -> None:
    sim = bench.modem
    assert isinstance(sim, Sim)
    texts = iter([b"\r\n+CMGS: 7\r\n\r\nOK\r\n", b"\r\n+CMS ERROR: 38\r\n"])
    bench.modem = lambda frame: next(texts) if frame.endswith(b"\x1a") else sim(frame)
    bench.send(text="访" * 100)
    assert bench.run(1.0) == [TimedOut(id="a", maybe_executed=True)]


def test_a_prompt_that_does_not_come_is_left_and_nothing_was_sent(bench: Bench) -> None:
    assert isinstance(bench.modem, Sim)
    bench.modem.answers["prompt"] = ""
    bench.send()
    told = bench.run(5.5)
    assert Refused(id="a", why=Refusal.LINE_DOWN) in told
    assert (bench.frames[1], bench.texts()) == (b"\x1b\r", 0)
    bench.driver.receive(b"\r\n> ", bench.now_s)  # late
    bench.run(5.0)
    assert bench.texts() == 0


def test_an_older_answer_where_the_prompt_should_be_sends_nothing(bench: Bench) -> None:
    assert isinstance(bench.modem, Sim)
    bench.modem.answers["prompt"] = "\r\nOK\r\n\r\n> "
    bench.send()
    assert bench.run(1.0) == [Refused(id="a", why=Refusal.DENIED)]
    assert (bench.frames[1:], bench.texts()) == ([b"\x1b\r"], 0)


def test_receipts_are_told_even_in_the_middle_of_an_answer(bench: Bench) -> None:
    sim = bench.modem
    bench.modem = lambda frame: (
        b"\r\n+CMGS: 7\r\n\r\n+CDS: 26\r\n" + RECEIPT.encode() + b"\r\nOK\r\n"
        if frame.endswith(b"\x1a")
        else sim(frame)
    )
    bench.send()
    assert bench.run(1.0) == [
        SmsReported(reference=0x2A, delivered=True),
        SmsSent(id="a", references=(7,)),
    ]
    bench.driver.receive(b"\r\n+CDS: 26\r\n" + RECEIPT[:-2].encode() + b"46\r\n", bench.now_s)
    assert bench.run(0.1) == [SmsReported(reference=0x2A, delivered=False)]
    bench.driver.receive(b"\r\n+CMT: ,26\r\n" + RECEIPT[:40].encode() + b"\r\n", bench.now_s)
    assert bench.run(0.1) == []


def test_a_message_waits_for_the_network_and_no_longer_than_a_minute() -> None:
    sim = Sim()
    sim.answers["AT+CREG?"] = "+CREG: 0,2\r\n\r\nOK"
    bench = Bench(sim)
    fault = Fault(active=True, why="the modem is not registered with a network: check antenna and contract")
    bench.send("a")
    told = bench.run(10.0)
    assert told == [ModemState(id="", sim="READY", registered=False, signal_dbm=-77), fault]
    sim.answers["AT+CREG?"] = "+CREG: 0,5\r\n\r\nOK"
    told = bench.run(5.0)
    assert [type(event) for event in told] == [SmsSent, ModemState, Fault]
    sim.answers["AT+CREG?"] = "+CREG: 0,3\r\n\r\nOK"
    bench.run(40.0)
    bench.send("b")
    assert bench.run(WAITING_S_MAX + 1) == [Refused(id="b", why=Refusal.TOO_OLD)]
    assert len(sim.taken) == 1


def test_news_about_the_network_count_at_once(bench: Bench) -> None:
    bench.driver.receive(b"\r\n+CREG: 0\r\n", bench.now_s)
    told = bench.run(0.1)
    assert ModemState(id="", sim="READY", registered=False, signal_dbm=-77) in told
    bench.driver.receive(b"\r\n+CREG: 1\r\n", bench.now_s)
    assert READY in bench.run(0.1)


@pytest.mark.parametrize(
    ("answer", "sim"),
    [("+CME ERROR: 10", "NOT INSERTED"), ("+CPIN: SIM PUK\r\n\r\nOK", "SIM PUK"), ("ERROR", "UNKNOWN")],
)
def test_without_a_usable_sim_messages_are_refused(answer: str, sim: str) -> None:
    device = Sim()
    device.answers["AT+CPIN?"] = answer
    bench = Bench(device)
    bench.send()
    told = bench.run(5.0)
    why = f"the SIM is not ready ({sim}): check that it is in, and its PIN"
    assert told == [
        ModemState(id="", sim=sim, registered=True, signal_dbm=-77),
        Fault(active=True, why=why),
        Refused(id="a", why=Refusal.DENIED),
    ]


def test_a_pin_is_entered_and_a_wrong_one_is_not_tried_again() -> None:
    sim = Sim(**{"AT+CPIN=1234": "+CME ERROR: 16"})
    sim.answers["AT+CPIN?"] = "+CPIN: SIM PIN\r\n\r\nOK"
    bench = Bench(sim, GsmModem(pin="1234"))
    bench.run(600.0)
    bench.driver.line_lost(bench.now_s)
    bench.driver.line_up(bench.now_s)
    bench.run(60.0)
    assert bench.frames.count(b"AT+CPIN=1234\r") == 1


def test_a_right_pin_opens_the_sim_again_after_a_power_cut() -> None:
    sim = Sim()

    def modem(frame: bytes) -> bytes:
        if frame == b"AT+CPIN=1234\r":
            sim.answers["AT+CPIN?"] = "+CPIN: READY\r\n\r\nOK"
            return b"\r\nOK\r\n"
        return sim(frame)

    bench = Bench(modem, GsmModem(pin="1234"))
    for count in (1, 2):
        sim.answers["AT+CPIN?"] = "+CPIN: SIM PIN\r\n\r\nOK"
        assert bench.run(5.0)[-1] == READY
        assert bench.frames.count(b"AT+CPIN=1234\r") == count
        bench.driver.line_lost(bench.now_s)
        bench.driver.line_up(bench.now_s)


@pytest.mark.parametrize("asked", [False, True])
def test_a_modem_that_starts_again_is_set_up_again_before_it_gets_a_message(
    bench: Bench, asked: bool
) -> None:
    if asked:  # in the middle of a round of questions
        bench.now_s += 30.0
        assert turn(bench.driver, bench.now_s)[0] == [b"AT+CPIN?\r"]
        bench.driver.receive(b"\r\nRDY\r\n\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n", bench.now_s)
    else:
        bench.driver.receive(b"\r\nRDY\r\n", bench.now_s)
    bench.send()
    assert bench.run(2.0) == [SmsSent(id="a", references=(7,)), READY]
    assert bench.frames[0] == b"AT\r"
    assert bench.frames.index(b"AT+CMGF=0\r") < bench.frames.index(b"AT+CMGS=30\r")


def test_a_silent_port_is_one_fault_and_is_asked_seldom() -> None:
    bench = Bench(lambda _frame: b"")
    told = bench.run(60.0)
    assert told == [Fault(active=True, why="the modem does not answer: is this its command port?")]
    assert len(bench.frames) < 12
    bench.modem = Sim()
    told = bench.run(10.0)
    assert [type(event) for event in told] == [Fault, ModemState]


@pytest.mark.parametrize("to", ["", "138\r\nATD110;\r", '+86"', "+86138001380001234"])
def test_a_number_that_is_none_never_reaches_the_line(bench: Bench, to: str) -> None:
    bench.send(to=to)
    assert bench.run(1.0) == [Refused(id="a", why=Refusal.BAD_LENGTH)]
    assert bench.frames == []


def test_a_text_of_commands_is_a_text(bench: Bench) -> None:
    bench.send(text='\x1a\r\nATD110;\r\n\x1b> OK\r\n+CMGS: 1"')
    assert bench.run(1.0) == [SmsSent(id="a", references=(7,))]
    assert len(bench.frames) == 2
    assert set(bench.frames[1][:-1]) <= set(b"0123456789ABCDEF")


def test_too_many_messages_are_refused_and_not_kept(bench: Bench) -> None:
    for at in range(WAITING_MAX + 2):
        bench.send(str(at))
    assert bench.driver.take_events() == [Refused(id=str(WAITING_MAX + 1), why=Refusal.FULL)]
    assert len([event for event in bench.run(10.0) if isinstance(event, SmsSent)]) == WAITING_MAX + 1


@pytest.mark.parametrize(
    ("frames", "ends"),
    [
        (0, Refused(id="a", why=Refusal.LINE_DOWN)),
        (1, Refused(id="a", why=Refusal.LINE_DOWN)),
        (2, TimedOut(id="a", maybe_executed=True)),
    ],
)
def test_s2_a_line_that_goes_says_what_is_known_and_keeps_nothing(
    bench: Bench, frames: int, ends: AnyEvent
) -> None:
    sim = bench.modem
    bench.modem = lambda frame: b"" if frame.endswith(b"\x1a") or frames == 1 else sim(frame)
    for id_ in ("a", "b", "c"):
        bench.send(id_)
    if frames:
        bench.run(0.2)
    bench.driver.line_lost(bench.now_s)
    unsent: list[AnyEvent] = [Refused(id=id_, why=Refusal.LINE_DOWN) for id_ in ("b", "c")]
    assert bench.driver.take_events() == [ends, *unsent]
    bench.frames.clear()
    bench.driver.line_up(bench.now_s)
    bench.run(5.0)
    assert not any(frame.startswith(b"AT+CMGS") for frame in bench.frames)


def test_a_modem_says_who_it_is(bench: Bench) -> None:
    bench.driver.submit(Identify(id="i"), bench.now_s)
    assert bench.run(1.0) == [Identity(id="i", maker="Quectel", model="EC20", certainty=Certainty.WEAK)]
    bench.modem = lambda _frame: b""
    bench.driver.submit(Identify(id="j"), bench.now_s)
    assert TimedOut(id="j", maybe_executed=False) in bench.run(11.0)


def test_no_number_and_no_text_is_in_anything_that_is_reported_or_shown() -> None:
    device = Sim(text="ERROR")
    bench = Bench(device)
    shown = [repr(event) for event in bench.run(2.0)]
    bench.send()
    for _ in range(20):
        shown += [repr(bench.driver._exchange.open), repr(bench.driver._sending), repr(bench.run(0.05))]
    assert any("DENIED" in words or "denied" in words for words in shown)
    assert not any("138001" in words or "31081083" in words or "访客" in words for words in shown)
