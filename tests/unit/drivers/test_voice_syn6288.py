"""SYN6288: frames, character sets, and one text at a time."""

from functools import reduce
from operator import xor

import pytest

from drivers.devices.voice_syn6288 import (
    GB2312,
    GBK,
    QUERY,
    Syn6288Driver,
    UnspeakableError,
    frame,
    spoken,
)
from drivers.model import AnyEvent, Done, Garbage, Grade, Refusal, Refused, TimedOut
from drivers.peripherals import Say
from tests.unit.drivers.turns import run, turn

ASK = frame(QUERY)


@pytest.fixture
def voice() -> Syn6288Driver:
    voice = Syn6288Driver()
    voice.line_up(0.0)
    return voice


def said(text: str) -> bytes:
    return frame(1, b"\0" + text.encode("gb2312"))


def test_a_frame_is_as_long_as_its_text_and_three_and_ends_in_the_xor() -> None:
    data = "请通行".encode("gb2312")
    built = frame(1, b"\0" + data)
    assert built[:5] == bytes((0xFD, 0, len(data) + 3, 1, 0))
    assert built[5:-1] == data
    assert reduce(xor, built) == 0
    assert bytes.fromhex("FD 00 02 21 DE") == ASK


@pytest.mark.parametrize(
    ("text", "parameter", "data"),
    [
        ("请通行", GB2312, "请通行".encode("gb2312")),
        ("朱镕基", GBK, "朱镕基".encode("gbk")),
        ("[v16]张三\r\n", GB2312, b"v16 " + "张三".encode("gb2312")),
    ],
)
def test_a_text_is_put_into_the_smallest_set_that_has_it(text: str, parameter: int, data: bytes) -> None:
    assert spoken(text) == (parameter, data)


def test_a_character_that_it_cannot_say_is_named() -> None:
    with pytest.raises(UnspeakableError, match=r"'😀' \(U\+1F600\)") as caught:
        spoken("你好😀")
    assert caught.value.character == "😀"


def test_a_text_is_spoken_taken_and_over(voice: Syn6288Driver) -> None:
    voice.submit(Say(text="请通行", id="a"), 1.0)
    assert turn(voice, 1.0) == ([said("请通行")], [])
    assert turn(voice, 1.05, b"\x41") == ([], [])
    assert turn(voice, 1.6) == ([ASK], [])
    assert turn(voice, 1.65, b"\x4e") == ([], [])
    assert turn(voice, 2.2, b"") == ([ASK], [])
    assert turn(voice, 2.25, b"\x4f") == ([], [Done(id="a", grade=Grade.ACCEPTED)])
    assert turn(voice, 2.4) == ([], [])  # the line has rested: others may speak
    assert voice.next_deadline() is None


def test_a_module_that_says_by_itself_that_it_has_finished_is_believed(voice: Syn6288Driver) -> None:
    voice.submit(Say(text="请", id="a"), 1.0)
    turn(voice, 1.0)
    turn(voice, 1.05, b"\x41")
    assert turn(voice, 1.3, b"\x4f")[1] == [Done(id="a", grade=Grade.ACCEPTED)]


def test_an_idle_that_is_older_than_the_text_does_not_end_it(voice: Syn6288Driver) -> None:
    voice.submit(Say(text="请", id="a"), 1.0)
    turn(voice, 1.0)
    assert turn(voice, 1.02, b"\x4f")[1] == []
    assert turn(voice, 1.05, b"\x41")[1] == []
    assert turn(voice, 1.3, b"\x4f")[1] == [Done(id="a", grade=Grade.ACCEPTED)]


def test_a_module_that_says_nothing_is_given_the_time_that_the_text_takes(voice: Syn6288Driver) -> None:
    voice.submit(Say(text="请通行", id="a"), 1.0)
    frames, events = run(voice, 1.0, 30.0)
    assert frames == [said("请通行"), ASK]  # asked once, and not again: it says nothing
    assert events == [Done(id="a", grade=Grade.SENT)]


def test_the_newest_text_replaces_the_one_that_waits(voice: Syn6288Driver) -> None:
    for id_, text in (("a", "一"), ("b", "二"), ("c", "三")):
        voice.submit(Say(text=text, id=id_), 1.0)
    assert turn(voice, 1.0) == ([said("一")], [Refused(id="b", why=Refusal.OVERTAKEN)])
    turn(voice, 1.05, b"\x41")
    assert turn(voice, 1.2, b"\x4f") == ([said("三")], [Done(id="a", grade=Grade.ACCEPTED)])


def test_a_text_that_is_not_understood_is_refused_and_the_next_is_said(voice: Syn6288Driver) -> None:
    voice.submit(Say(text="一", id="a"), 1.0)
    voice.submit(Say(text="二", id="b"), 1.0)
    turn(voice, 1.0)
    assert turn(voice, 1.05, b"\x45")[1] == [Refused(id="a", why=Refusal.DENIED)]
    assert turn(voice, 1.1)[0] == [said("二")]


@pytest.mark.parametrize(
    ("text", "why"),
    [("你好😀", Refusal.UNSUPPORTED), ("", Refusal.BAD_LENGTH), ("长" * 101, Refusal.BAD_LENGTH)],
)
def test_what_it_cannot_say_is_refused(voice: Syn6288Driver, text: str, why: Refusal) -> None:
    voice.submit(Say(text=text, id="a"), 1.0)
    assert run(voice, 1.0, 60.0) == ([], [Refused(id="a", why=why)])


def test_a_volume_is_the_drivers_order_and_not_the_texts() -> None:
    voice = Syn6288Driver(volume=5)
    voice.line_up(0.0)
    voice.submit(Say(text="[v0]请", id="a"), 1.0)
    assert turn(voice, 1.0)[0] == [frame(1, b"\0[v5]v0 " + "请".encode("gb2312"))]


@pytest.mark.parametrize("written", [True, False])
def test_a_line_that_goes_ends_what_was_said_and_what_waited(voice: Syn6288Driver, written: bool) -> None:
    voice.submit(Say(text="一", id="a"), 1.0)
    voice.submit(Say(text="二", id="b"), 1.0)
    if written:
        turn(voice, 1.0)
    voice.line_lost(1.1)
    events: list[AnyEvent] = [
        TimedOut(id="a", maybe_executed=written),
        Refused(id="b", why=Refusal.LINE_DOWN),
    ]
    assert voice.take_events() == events
    voice.line_up(2.0)
    assert run(voice, 2.0, 60.0) == ([], [])  # nothing is kept for later


def test_other_bytes_are_garbage(voice: Syn6288Driver) -> None:
    turn(voice, 1.0, b"\x00\x13\x41\x4f")
    assert turn(voice, 3.0)[1] == [Garbage(2)]
