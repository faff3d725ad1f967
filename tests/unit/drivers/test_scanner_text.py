"""Scanners: contents of codes out of a stream, in virtual time."""

import pytest

from drivers.devices.scanner_stream import CODES_KEPT, TEXT_MAX, HoldOff, TextStream, text_of
from drivers.devices.scanner_text import TextScanner
from drivers.model import Garbage, Pulse, Refusal, Refused
from drivers.peripherals import Commission, Scanned
from tests.unit.drivers.turns import run, turn

PASS = b"GP1:6BFOXN"


@pytest.fixture
def scanner() -> TextScanner[None]:
    scanner: TextScanner[None] = TextScanner()
    scanner.line_up(0.0)
    return scanner


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\t"])
def test_a_terminator_ends_a_code_at_once(scanner: TextScanner[None], end: bytes) -> None:
    assert turn(scanner, 1.0, PASS + end) == ([], [Scanned(data=PASS, at_s=1.0)])
    assert run(scanner, 1.0, 9.0) == ([], [])


def test_without_a_terminator_silence_ends_a_code(scanner: TextScanner[None]) -> None:
    assert turn(scanner, 1.0, PASS[:4]) == ([], [])
    assert turn(scanner, 1.03, PASS[4:]) == ([], [])
    due_s = scanner.next_deadline()
    assert due_s is not None
    assert due_s == pytest.approx(1.07)
    assert turn(scanner, due_s) == ([], [Scanned(data=PASS, at_s=due_s)])


def test_silence_that_nobody_ticked_through_still_parts_two_codes(scanner: TextScanner[None]) -> None:
    scanner.receive(b"one", 1.0)
    scanner.receive(b"two\r", 1.5)
    assert [event.data for event in scanner.take_events() if isinstance(event, Scanned)] == [b"one", b"two"]


def test_a_code_that_stays_before_the_lens_is_reported_once(scanner: TextScanner[None]) -> None:
    seen = [event for at in range(20) for event in turn(scanner, 1 + at * 0.3, PASS + b"\r")[1]]
    assert seen == [Scanned(data=PASS, at_s=1.0)]
    assert turn(scanner, 8.0, PASS + b"\r")[1] == [Scanned(data=PASS, at_s=8.0)]


def test_another_code_is_reported_at_once_and_the_first_is_still_known(scanner: TextScanner[None]) -> None:
    assert turn(scanner, 1.0, b"one\rtwo\rone\r")[1] == [
        Scanned(data=b"one", at_s=1.0),
        Scanned(data=b"two", at_s=1.0),
    ]


def test_the_longest_code_passes_and_one_byte_more_is_garbage_up_to_its_end(
    scanner: TextScanner[None],
) -> None:
    assert turn(scanner, 1.0, b"x" * TEXT_MAX + b"\r")[1] == [Scanned(data=b"x" * TEXT_MAX, at_s=1.0)]
    assert turn(scanner, 2.0, b"y" * (TEXT_MAX + 1))[1] == []
    _, events = turn(scanner, 2.0, b"rest\r" + PASS + b"\r")
    assert events == [Scanned(data=PASS, at_s=2.0)]
    assert run(scanner, 2.0, 9.0)[1] == [Garbage(TEXT_MAX + 5)]


def test_bytes_of_a_wrong_speed_are_garbage_and_told_once(scanner: TextScanner[None]) -> None:
    turn(scanner, 1.0, b"\0\xff\0")
    assert run(scanner, 1.1, 9.0)[1] == [Garbage(3)]


def test_half_a_code_of_a_lost_line_is_none() -> None:
    scanner: TextScanner[None] = TextScanner()
    scanner.line_up(0.0)
    scanner.receive(b"GP1:HALF", 1.0)
    scanner.line_lost(1.01)
    scanner.line_up(2.0)
    assert turn(scanner, 2.0, PASS + b"\r")[1][-1] == Scanned(data=PASS, at_s=2.0)


@pytest.mark.parametrize("up", [True, False])
def test_a_scanner_of_no_known_maker_takes_no_orders(up: bool) -> None:
    scanner: TextScanner[None] = TextScanner()
    if up:
        scanner.line_up(0.0)
    scanner.submit(Commission(id="c"), 1.0)
    scanner.submit(Pulse(channel=1, ms=300, id="p", issued_s=1.0), 1.0)
    assert turn(scanner, 1.0) == (
        [],
        [Refused(id="c", why=Refusal.UNSUPPORTED), Refused(id="p", why=Refusal.UNSUPPORTED)],
    )


def test_other_terminators_and_none_at_all() -> None:
    assert TextStream(terminators=b";").feed(b"a\r;b;", 0.0) == [b"a\r", b"b"]
    stream = TextStream(terminators=b"")
    assert stream.feed(b"a\rb", 0.0) == []
    assert stream.flush(0.05) == [b"a\rb"]


def test_the_memory_of_codes_is_bounded() -> None:
    hold_off = HoldOff(1.0)
    assert all(hold_off.is_new(bytes((code,)), 0.0) for code in range(CODES_KEPT + 1))
    assert hold_off.is_new(b"\0", 0.1)  # forgotten: at worst it is reported again
    assert not hold_off.is_new(bytes((CODES_KEPT,)), 0.1)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"GP1:6B", "GP1:6B"),
        ("访客".encode(), "访客"),
        ("访客".encode("gb18030"), "访客"),
        (b"\x80\x80\xff", None),
    ],
)
def test_a_content_is_text_in_one_of_two_ways_or_none(data: bytes, text: str | None) -> None:
    assert text_of(data) == text
