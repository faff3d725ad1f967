"""The virtual code engines: printed frames, set-up codes shown by a visitor, and what switches those off."""

import pytest

from simulators.boards.device import Answer
from simulators.devices.scanner import TextScanner
from simulators.devices.scanner_gm65 import Gm65, check_bytes
from simulators.devices.scanner_menus import Honeywell, Newland

DONE = bytes.fromhex("02 00 00 01 00 33 31")


def said(answers: list[Answer]) -> bytes:
    return b"".join(answer.data for answer in answers)


def order(engine: TextScanner, data: bytes | str, now_s: float = 1.0) -> bytes:
    return said(engine.receive(data if isinstance(data, bytes) else bytes.fromhex(data), now_s))


def obeys(engine: TextScanner) -> bool:
    """Whether a printed set-up code changes the engine now."""
    return engine.obeys_setup_codes


@pytest.mark.parametrize(
    ("terminator", "end"), [("cr", b"\r"), ("crlf", b"\r\n"), ("tab", b"\t"), ("none", b"")]
)
def test_a_text_engine_sends_what_it_reads(terminator: str, end: bytes) -> None:
    engine = TextScanner(terminator=terminator)
    assert engine.show("访客 1号", 1.0) == [Answer(data="访客 1号".encode() + end, at_s=1.0)]
    assert said(TextScanner(encoding="gb18030").show("访客", 1.0)) == "访客".encode("gb18030") + b"\r"
    assert order(engine, b"anything") == b""


def test_a_code_that_stays_in_view_is_read_again_and_again() -> None:
    engine = TextScanner()
    engine.hold("A", 1.0, times=3, every_s=0.4)
    assert engine.next_deadline() == 1.0
    assert [answer.at_s for answer in engine.tick(2.0)] == [1.0, 1.4, 1.8]
    engine.repeat(["B", "C"], every_s=5.0)
    engine.tick(10.0)
    assert said(engine.tick(15.0)) + said(engine.tick(16.0)) + said(engine.tick(21.0)) == b"B\rC\r"


@pytest.mark.parametrize("make", [TextScanner, Gm65, Honeywell, Newland])
def test_a_visitor_can_reconfigure_an_engine_that_was_not_commissioned(make: type[TextScanner]) -> None:
    engine = make()
    assert said(engine.show("X", 1.0)) == b"X\r"
    assert engine.show_setup("terminator-none", 2.0) == []
    assert said(engine.show("X", 3.0)) == b"X"
    engine.show_setup("keyboard", 4.0)
    assert said(engine.show("X", 5.0)) == b""
    engine.show_setup("factory", 6.0)
    assert said(engine.show("X", 7.0)) == b"X\r"


def test_gm65_checks_agree_with_the_printed_frames() -> None:
    assert check_bytes(bytes.fromhex("07 01 00 2A 02")) == bytes.fromhex("D8 0F")
    assert check_bytes(bytes.fromhex("09 01 00 00 00")) == bytes.fromhex("DE C8")
    assert check_bytes(bytes.fromhex("08 02 00 2A 39 01")) == bytes.fromhex("A7 EA")
    assert check_bytes(DONE[2:-2]) == DONE[-2:]


def test_gm65_tells_its_speed_and_changes_it() -> None:
    engine = Gm65()
    answer = order(engine, "7E 00 07 01 00 2A 02 D8 0F")
    assert (answer[:6], answer[6:]) == (bytes.fromhex("02 00 00 02 39 01"), check_bytes(answer[2:6]))
    assert engine.speed == 9600
    assert order(engine, "7E 00 08 02 00 2A 1A 00 AB CD") == DONE
    assert engine.speed == 115200


def test_gm65_commissioned_no_longer_obeys_printed_codes_also_after_a_power_cycle() -> None:
    engine = Gm65()
    assert order(engine, "7E 00 08 01 00 03 02 AB CD") == DONE
    engine.reboot(2.0)
    assert obeys(engine)  # it was not saved
    order(engine, "7E 00 08 01 00 03 02 AB CD", 3.0)
    assert order(engine, "7E 00 09 01 00 00 00 DE C8", 4.0) == DONE
    engine.reboot(5.0)
    assert not obeys(engine)
    assert said(engine.show_setup("keyboard", 6.0)) == b"SETUP-KEYBOARD\r"
    assert said(engine.show("X", 7.0)) == b"X\r"


def test_gm65_looks_when_it_is_told_to() -> None:
    engine = Gm65()
    order(engine, "7E 00 08 01 00 00 D5 AB CD")  # command mode
    assert engine.show("X", 2.0) == []
    assert order(engine, "7E 00 08 01 00 02 01 AB CD", 2.2) == DONE + b"X\r"
    assert order(engine, "7E 00 08 01 00 02 01 AB CD", 5.0) == DONE
    assert said(engine.show("Y", 6.0)) == b"Y\r"
    assert engine.show("Z", 7.0) == []
    order(engine, "7E 00 08 01 00 02 01 AB CD", 10.0)
    assert engine.show("Z", 15.5) == []  # five seconds have passed


def test_gm65_is_silent_to_a_wrong_check_and_finds_the_next_frame() -> None:
    engine = Gm65()
    assert order(engine, "7E 00 08 01 00 03 02 12 34") == b""
    assert obeys(engine)
    assert order(engine, "7E 7E 00 08 01 00 03 02 AB CD") == DONE


@pytest.mark.parametrize(("value", "end"), [("21", b"\r\n"), ("41", b"\t"), ("00", b""), ("01", b"\r")])
def test_gm65_ends_its_codes_as_zone_0060_says(value: str, end: bytes) -> None:
    engine = Gm65()
    order(engine, f"7E 00 08 01 00 60 {value} AB CD")
    assert said(engine.show("X", 2.0)) == b"X" + end


def test_honeywell_answers_each_menu_command_with_its_fate() -> None:
    engine = Honeywell()
    assert engine.speed == 115200
    assert order(engine, b"\x16M\r232BAD5.") == b"232BAD5\x06."
    assert engine.speed == 9600
    assert order(engine, b"\x16M\r232BAD?.") == b"232BAD5\x06."
    assert order(engine, b"\x16M\r232BAD^.") == b"232BAD9\x06."
    assert order(engine, b"\x16M\r232BADX!") == b"232BADX\x15!"
    assert order(engine, b"\x16M\rNOSUCH1!") == b"NOSUCH1\x05!"
    assert order(engine, b"\x16M\r232BAD9,ACK1;TRGMOD3.") == b"232BAD9\x06,ACK1\x06;TRGMOD3\x06."


def test_honeywell_keeps_only_what_ends_in_a_full_stop() -> None:
    engine = Honeywell()
    order(engine, b"\x16M\rMNUENA0!")
    assert not obeys(engine)
    engine.reboot(2.0)
    assert obeys(engine)
    order(engine, b"\x16M\rMNUENA0.", 3.0)
    engine.reboot(4.0)
    assert not obeys(engine)
    assert said(engine.show_setup("mute", 5.0)) == b"SETUP-MUTE\r"


def test_honeywell_sends_a_code_again_until_it_is_acknowledged() -> None:
    engine = Honeywell()
    order(engine, b"\x16M\r232ACK1!")
    engine.show("X", 1.0)
    assert order(engine, b"\x15", 1.1) == b"X\r"
    assert order(engine, b"\x15", 1.2) == b"X\r"
    assert order(engine, b"\x06\x15", 1.3) == b""


def test_honeywell_looks_and_stops() -> None:
    engine = Honeywell()
    order(engine, b"\x16M\rTRGMOD0!")
    assert engine.show("X", 2.0) == []
    assert order(engine, b"\x16T\r", 5.0) == b""
    assert said(engine.show("Y", 6.0)) == b"Y\r"
    order(engine, b"\x16T\r\x16U\r", 7.0)
    assert engine.show("Z", 8.0) == []


def test_newland_answers_as_its_guide_shows() -> None:
    engine = Newland()
    asked = bytes.fromhex("7E 01 30 30 30 30 40 31 32 38 45 4E 41 2A 3B 03")
    answered = bytes.fromhex("02 01 30 30 30 30 40 31 32 38 45 4E 41 31 06 3B 03")
    assert order(engine, asked) == answered
    assert order(engine, b"\x7e\x010000#SETUPE0;\x03") == b"\x02\x010000#SETUPE0\x06;\x03"
    assert not obeys(engine)
    engine.reboot(2.0)
    assert obeys(engine)
    order(engine, b"\x7e\x010000@SETUPE0;\x03", 3.0)
    engine.reboot(4.0)
    assert not obeys(engine)


def test_newland_knows_capitals_only_and_names_what_it_knows_not() -> None:
    engine = Newland()
    assert order(engine, b"\x7e\x010000@setupe0;\x03") == b"\x02\x010000@setupe0\x05;\x03"
    assert order(engine, b"\x7e\x010000@SCNMOD9;\x03") == b"\x02\x010000@SCNMOD9\x15;\x03"
    assert order(engine, b"\x7e\x010000@TSUENA1,SET0D0A;\x03") == b"\x02\x010000@TSUENA1\x06,SET0D0A\x06;\x03"
    assert said(engine.show("X", 2.0)) == b"X\r\n"


def test_newland_looks_when_it_is_told_to() -> None:
    engine = Newland()
    order(engine, b"\x7e\x010000#SCNMOD0;\x03")
    assert engine.show("X", 2.0) == []
    assert order(engine, b"\x7e\x010000#SCNTRG1;\x03", 2.1) == b"\x02\x010000#SCNTRG1\x06;\x03X\r"
