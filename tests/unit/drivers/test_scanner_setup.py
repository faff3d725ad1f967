"""Printed set-up codes: switched off, read back, watched (C12); and no code shown to the lens can forge the answer."""

from collections.abc import Callable

import pytest

from drivers.devices.scanner_gm65 import SAVE, Gm65Codec, crc_ccitt, read_zone, write_zone
from drivers.devices.scanner_honeywell import HoneywellCodec
from drivers.devices.scanner_newland import NewlandCodec
from drivers.devices.scanner_setup import CHECK_AGAIN_S, CHECK_EVERY_S, SILENT, SetUpCodec, SetUpScanner
from drivers.devices.scanner_words import Setting
from drivers.model import Alarm, AnyEvent, Done, Fault, Garbage, Grade, Refusal, Refused, TimedOut
from drivers.peripherals import Commission, Scanned, SetUp
from tests.unit.drivers.turns import run, turn

LOCK = Setting(name="MNUENA", locked="0")
CLOSED, OPEN = bytes.fromhex("02 00 00 01 02"), bytes.fromhex("02 00 00 01 00")
FAULT = Fault(active=True, why=SILENT)
ALARM, ALL_CLEAR = (Alarm(what="printed set-up codes", active=active) for active in (True, False))


def sealed(answer: bytes) -> bytes:
    return answer + crc_ccitt(answer[2:])


def stands(id_: str, value: str, *, good: bool = False, proved: bool = False) -> SetUp:
    return SetUp(id=id_, setting="printed set-up codes", value=value, good=good, proved=proved)


def done(id_: str) -> Done:
    return Done(id=id_, grade=Grade.CONFIRMED)


OFF, ON = stands("", "off", good=True, proved=True), stands("", "on", proved=True)


class Bench:
    """A scanner and whoever answers it, on one virtual clock."""

    def __init__(self, codec: SetUpCodec, answer: Callable[[bytes], bytes], *, lock: bool = False) -> None:
        self.scanner, self.answer = SetUpScanner(codec, lock=lock), answer
        self.now_s = 100.0
        self.frames: list[bytes] = []
        self.scanner.line_up(self.now_s)

    def run(self, seconds: float) -> list[AnyEvent]:
        until_s, told = self.now_s + seconds, []
        while self.now_s <= until_s:
            frames, events = turn(self.scanner, self.now_s)
            told += events
            for frame in frames:
                self.frames.append(frame)
                reply = self.answer(frame)
                if reply:
                    self.scanner.receive(reply, self.now_s + 0.01)
            due_s = self.scanner.next_deadline()
            assert due_s is not None, "a scanner always has its next check"
            self.now_s = max(due_s, self.now_s + 0.01)
        self.now_s = until_s
        return told


class Gm65:
    """A zone byte, in memory that lasts and memory that does not."""

    def __init__(self, zone: int = 0) -> None:
        self.zone = self.saved = zone

    def __call__(self, frame: bytes) -> bytes:
        if frame == SAVE:
            self.saved = self.zone
            return sealed(OPEN)
        if frame[2] == 0x08:
            self.zone = frame[6]
            return sealed(OPEN)
        return sealed(OPEN[:4] + bytes((self.zone,)))


@pytest.mark.parametrize(
    ("body", "check"),
    [
        ("07 01 00 2A 02", "D8 0F"),
        ("09 01 00 00 00", "DE C8"),
        ("00 01 00", "33 31"),
    ],
)
def test_the_check_is_that_of_the_printed_frames(body: str, check: str) -> None:
    assert crc_ccitt(bytes.fromhex(body)) == bytes.fromhex(check)


def test_orders_to_a_gm65_are_the_printed_ones() -> None:
    assert write_zone(0x0002, 1) == bytes.fromhex("7E 00 08 01 00 02 01 AB CD")
    assert read_zone(0x0003) == bytes.fromhex("7E 00 07 01 00 03 01 AB CD")
    assert bytes.fromhex("7E 00 09 01 00 00 00 DE C8") == SAVE
    assert sealed(OPEN) == bytes.fromhex("02 00 00 01 00 33 31")


def test_c12_an_open_scanner_is_an_alarm_at_start_and_commissioning_proves_that_it_is_closed() -> None:
    device = Gm65(zone=0x01)
    bench = Bench(Gm65Codec(), device)
    assert bench.run(1.0) == [ON, ALARM]
    bench.scanner.submit(Commission(id="c"), bench.now_s)
    assert bench.run(1.0) == [stands("c", "off", good=True, proved=True), ALL_CLEAR, done("c")]
    assert (device.zone, device.saved) == (0x03, 0x01)  # the other bit stays; nothing is worn out
    bench.scanner.submit(Commission(id="d", save=True), bench.now_s)
    assert bench.run(1.0) == [stands("d", "off", good=True, proved=True), done("d")]
    assert device.saved == 0x03


def test_c12_a_set_up_code_that_was_obeyed_is_an_alarm_within_the_hour_and_said_once() -> None:
    device = Gm65(zone=0x02)
    bench = Bench(Gm65Codec(), device)
    assert bench.run(1.0) == [OFF]
    assert bench.run(3 * CHECK_EVERY_S) == []
    device.zone = 0
    assert bench.run(3 * CHECK_EVERY_S) == [ON, ALARM]
    device.zone = 2
    assert bench.run(CHECK_EVERY_S) == [OFF, ALL_CLEAR]


def test_c12_a_closed_scanner_that_no_longer_answers_is_an_alarm() -> None:
    device = Gm65(zone=0x02)
    bench = Bench(Gm65Codec(), device)
    assert bench.run(1.0) == [OFF]
    bench.answer = lambda _frame: b""
    assert bench.run(CHECK_EVERY_S + 5) == [stands("", "no answer"), ALARM, FAULT]


def test_c12_a_scanner_that_is_silent_is_in_fault_and_asked_again_every_minute_until_it_answers() -> None:
    bench = Bench(Gm65Codec(), lambda _frame: b"")
    assert bench.run(5.0) == [stands("", "no answer"), FAULT]
    assert bench.run(2 * CHECK_AGAIN_S) == []
    assert bench.frames == [read_zone(3)] * 9
    bench.answer = Gm65(zone=0x02)
    assert bench.run(CHECK_AGAIN_S + 5) == [Fault(active=False, why=f"over: {SILENT}"), OFF]
    assert bench.run(CHECK_EVERY_S - 60) == []
    assert len(bench.frames) == 10


def test_c12_a_scanner_that_is_to_be_locked_is_whenever_its_set_up_codes_are_found_on_and_never_saved() -> (
    None
):
    device = Gm65(zone=0x05)
    bench = Bench(Gm65Codec(), device, lock=True)
    locked = [ON, ALARM, stands("lock-1", "off", good=True, proved=True), ALL_CLEAR, done("lock-1")]
    assert bench.run(5.0) == locked
    assert device.zone == 0x07
    assert bench.run(3 * CHECK_EVERY_S) == []
    device.zone = 0x05  # it lost its supply
    again = [ON, ALARM, stands("lock-2", "off", good=True, proved=True), ALL_CLEAR, done("lock-2")]
    assert bench.run(CHECK_EVERY_S) == again
    assert SAVE not in bench.frames
    assert bench.frames.count(write_zone(3, 7)) == 2


def test_c12_a_lock_that_is_not_obeyed_stays_an_alarm_and_is_tried_once_a_check() -> None:
    bench = Bench(Gm65Codec(), lambda _frame: sealed(OPEN), lock=True)
    asked = stands("lock-1", "on", proved=True)
    assert bench.run(5.0) == [ON, ALARM, asked, Refused(id="lock-1", why=Refusal.DENIED)]
    bench.run(CHECK_EVERY_S)
    assert bench.frames.count(write_zone(3, 2)) == 2


def test_a_scanner_that_never_answers_scans_all_the_same() -> None:
    bench = Bench(Gm65Codec(), lambda _frame: b"")
    assert bench.run(5.0) == [stands("", "no answer"), FAULT]
    assert bench.frames == [read_zone(3)] * 3
    assert turn(bench.scanner, bench.now_s, b"GP1:A\r")[1] == [Scanned(data=b"GP1:A", at_s=bench.now_s)]
    bench.scanner.submit(Commission(id="c"), bench.now_s)
    assert bench.run(5.0) == [stands("c", "no answer"), TimedOut(id="c", maybe_executed=False)]


def test_an_order_that_is_not_answered_is_not_repeated_and_proves_nothing() -> None:
    bench = Bench(Gm65Codec(), lambda frame: b"" if frame[2] == 8 else sealed(OPEN))
    bench.run(1.0)
    bench.frames.clear()
    bench.scanner.submit(Commission(id="c"), bench.now_s)
    assert bench.run(5.0) == [stands("c", "no answer"), TimedOut(id="c", maybe_executed=True)]
    assert bench.frames == [read_zone(3), write_zone(3, 2)]


def test_an_order_that_is_taken_and_not_obeyed_is_told() -> None:
    bench = Bench(Gm65Codec(), lambda _frame: sealed(OPEN))
    bench.run(1.0)
    bench.scanner.submit(Commission(id="c"), bench.now_s)
    assert bench.run(5.0) == [stands("c", "on", proved=True), Refused(id="c", why=Refusal.DENIED)]


def test_a_code_read_while_the_answer_comes_is_reported_and_the_answer_counts() -> None:
    bench = Bench(Gm65Codec(), lambda _frame: b"GP1:A\r" + sealed(CLOSED))
    scanned, stood = bench.run(1.0)
    assert isinstance(scanned, Scanned)
    assert (scanned.data, stood) == (b"GP1:A", OFF)


@pytest.mark.parametrize("before", [b"", b"GP1:A\r"])
def test_a_code_right_behind_the_answer_is_read_clean_and_the_question_is_asked_again(before: bytes) -> None:
    answers = iter([before + sealed(CLOSED) + b"GP1:B\r", sealed(CLOSED)])
    bench = Bench(Gm65Codec(), lambda _frame: next(answers))
    told = bench.run(3.0)
    codes = [event.data for event in told if isinstance(event, Scanned)]
    assert codes == [b"GP1:A", b"GP1:B"][not before :]
    assert OFF in told
    assert Garbage(7) in told


@pytest.mark.parametrize("around", [(b"", b"\r"), (b"x", b"\r"), (b"x", b""), (b"a\r", b"\r")])
def test_c12_a_code_that_holds_the_bytes_of_an_answer_proves_nothing(around: tuple[bytes, bytes]) -> None:
    bench = Bench(Gm65Codec(), lambda _frame: around[0] + sealed(CLOSED) + around[1])
    assert OFF not in bench.run(5.0)


def test_an_answer_with_a_wrong_check_proves_nothing() -> None:
    bench = Bench(Gm65Codec(), lambda _frame: CLOSED + b"\x33\x31")
    assert OFF not in bench.run(5.0)


def test_a_late_answer_is_no_code() -> None:
    bench = Bench(Gm65Codec(), lambda _frame: b"")
    bench.run(5.0)
    bench.scanner.receive(sealed(CLOSED), bench.now_s)
    assert [event for event in bench.run(0.5) if isinstance(event, Scanned | SetUp)] == []


def test_no_question_is_asked_in_the_middle_of_a_code() -> None:
    scanner = SetUpScanner(Gm65Codec())
    scanner.line_up(1.0)
    scanner.receive(b"GP1:", 1.0)
    assert turn(scanner, 1.0) == ([], [])
    assert turn(scanner, 1.02, b"A\r") == ([read_zone(3)], [Scanned(data=b"GP1:A", at_s=1.02)])


def test_a_line_lost_in_the_middle_ends_a_commissioning_without_proof() -> None:
    bench = Bench(Gm65Codec(), lambda frame: sealed(OPEN) if frame[2] == 7 else b"")
    bench.run(1.0)
    bench.scanner.submit(Commission(id="c"), bench.now_s)
    bench.run(0.2)
    bench.scanner.line_lost(bench.now_s)
    assert stands("c", "no answer") in bench.scanner.take_events()
    bench.scanner.line_up(bench.now_s + 1)
    assert turn(bench.scanner, bench.now_s + 1)[0] == [read_zone(3)]


class Words:
    """A scanner of words: one setting, and what it says."""

    def __init__(self, *, head: bytes, answer_head: bytes, tails: tuple[bytes, bytes], ask: bytes) -> None:
        self.head, self.answer_head, self.tails, self.ask = head, answer_head, tails, ask
        self.value, self.status = b"1", b"\x06"

    def __call__(self, frame: bytes) -> bytes:
        memory, name = b"", frame.removeprefix(self.head)
        if name[:1] in {b"@", b"#"}:
            memory, name = name[:1], name[1:]
        rest, tail = name[6:], b";\x03" if name.endswith(b";\x03") else name[-1:]
        said = rest.removesuffix(tail)
        if said != self.ask and self.status == b"\x06":
            self.value = said
        return self.answer_head + memory + name[:6] + self.value + self.status + tail


def honeywell() -> Words:
    return Words(head=b"\x16M\r", answer_head=b"", tails=(b"!", b"."), ask=b"?")


def newland() -> Words:
    return Words(head=b"\x7e\x010000", answer_head=b"\x02\x010000", tails=(b";\x03", b";\x03"), ask=b"*")


@pytest.mark.parametrize(
    ("codec", "device", "frames", "kept"),
    [
        (
            HoneywellCodec(LOCK),
            honeywell(),
            [b"\x16M\rMNUENA?.", b"\x16M\rMNUENA0!", b"\x16M\rMNUENA?."],
            b"\x16M\rMNUENA0.",
        ),
        (
            NewlandCodec(LOCK),
            newland(),
            [b"\x7e\x010000#MNUENA*;\x03", b"\x7e\x010000#MNUENA0;\x03", b"\x7e\x010000#MNUENA*;\x03"],
            b"\x7e\x010000@MNUENA0;\x03",
        ),
    ],
)
def test_scanners_of_words_are_locked_in_memory_that_forgets_unless_it_is_to_last(
    codec: SetUpCodec, device: Words, frames: list[bytes], kept: bytes
) -> None:
    bench = Bench(codec, device)
    assert bench.run(1.0) == [ON, ALARM]
    bench.frames.clear()
    bench.scanner.submit(Commission(id="c"), bench.now_s)
    assert bench.run(1.0) == [stands("c", "off", good=True, proved=True), ALL_CLEAR, done("c")]
    assert bench.frames == frames
    bench.scanner.submit(Commission(id="d", save=True), bench.now_s)
    assert bench.run(1.0) == [stands("d", "off", good=True, proved=True), done("d")]
    assert bench.frames[-2] == kept


@pytest.mark.parametrize(
    ("status", "words"),
    [(b"\x05", "the scanner does not know this setting"), (b"\x15", "the scanner refuses this value")],
)
def test_a_setting_that_the_scanner_does_not_know_is_told_in_words(status: bytes, words: str) -> None:
    for codec, device in ((HoneywellCodec(LOCK), honeywell()), (NewlandCodec(LOCK), newland())):
        device.status = status
        bench = Bench(codec, device)
        assert bench.run(1.0) == [stands("", words)]
        bench.scanner.submit(Commission(id="c"), bench.now_s)
        assert bench.run(1.0) == [stands("c", words), Refused(id="c", why=Refusal.DENIED)]


@pytest.mark.parametrize("codec", [HoneywellCodec(), NewlandCodec()])
def test_without_the_settings_name_nothing_is_written_and_nothing_is_proved(codec: SetUpCodec) -> None:
    bench = Bench(codec, lambda _frame: b"")
    assert bench.run(2.0) == [stands("", "unknown")]
    bench.scanner.submit(Commission(id="c", save=True), bench.now_s)
    assert bench.run(2.0) == [stands("c", "unknown"), Refused(id="c", why=Refusal.UNSUPPORTED)]
    assert bench.frames == []


@pytest.mark.parametrize(
    ("name", "locked"),
    [("MNUEN", "0"), ("MNUENA", ""), ("mnuena", "0"), ("MNUEN!", "0"), ("MNUENA", "0.232BAD9")],
)
def test_a_setting_that_could_hold_a_second_order_is_none(name: str, locked: str) -> None:
    with pytest.raises(ValueError, match="is not a setting"):
        Setting(name=name, locked=locked)


def test_words_of_newland_are_the_printed_ones() -> None:
    codec = NewlandCodec(Setting(name="C11ENA", locked="0"))
    question = codec.ask()
    assert question is not None
    assert question.startswith(bytes.fromhex("7E 01 30 30 30 30"))
    assert question.endswith(bytes.fromhex("2A 3B 03"))


def test_an_id_is_commissioned_once() -> None:
    bench = Bench(Gm65Codec(), Gm65(zone=2))
    bench.run(1.0)
    for _ in range(2):
        bench.scanner.submit(Commission(id="c"), bench.now_s)
    assert bench.run(1.0) == [stands("c", "off", good=True, proved=True), done("c")]
    assert run(bench.scanner, bench.now_s, bench.now_s + 10) == ([], [])
