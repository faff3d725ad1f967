"""What tools that watch are told: no codes of readers, and no more at a time than one line of an answer holds."""

import json

import pytest

from drivers.model import Identity, InputEdge
from drivers.peripherals import Scanned
from edge.feed import KEPT, PAGE, Feed
from shell.control import LINE_BYTES_MAX

PASS = b"GP1:6BF+70OD7N0IWE3ND$MG*/E2IUH7DWM+6C"


def test_of_a_code_length_and_beginning_are_told_once_while_it_is_held_up() -> None:
    feed = Feed()
    for at_s in (1.0, 1.2, 1.4, 2.8, 5.0):
        feed.scanned("engine", Scanned(data=PASS, at_s=at_s))
    feed.scanned("other", Scanned(data=PASS, at_s=5.1))
    seq, told = feed.after(0, 0.0)
    assert seq == 3
    code = {"event": "scanned", "bytes": len(PASS), "prefix": "GP1:"}
    assert told == [
        {"seq": 1, "board": "engine", "at_s": 1.0, **code},
        {"seq": 2, "board": "engine", "at_s": 5.0, **code},
        {"seq": 3, "board": "other", "at_s": 5.1, **code},
    ]


@pytest.mark.parametrize("data", [b"", b"13800138000", b"\xff" * 40, "粤B".encode() * 10, b"\x1b[2J" + PASS])
def test_short_codes_and_what_is_no_plain_text_tell_nothing_of_themselves(data: bytes) -> None:
    feed = Feed()
    feed.scanned("engine", Scanned(data=data, at_s=1.0))
    _, (told,) = feed.after(0, 0.0)
    assert (told["bytes"], told["prefix"]) == (len(data), "")
    json.dumps(told)


@pytest.mark.parametrize("letter", ["中", "😀", "e"])
def test_n6_an_answer_full_of_long_texts_fits_into_its_line_and_none_is_left_out(letter: str) -> None:
    feed, text = Feed(), letter * 500
    named = Identity(id="", maker=text, model=text, firmware=text, serial=text)
    for _ in range(KEPT):
        feed.board("relays", named)
    seq, told = 0, list[int]()
    while (page := feed.after(seq, 0.0))[1]:
        seq, events = page
        assert len(json.dumps(events)) < LINE_BYTES_MAX * 3 / 4
        told += [one["seq"] for one in events]
    assert told == list(range(1, KEPT + 1))


def test_a_happening_longer_than_any_page_is_told_alone() -> None:
    feed = Feed()
    feed.put({"event": "long", "names": ["x" * LINE_BYTES_MAX]})
    feed.put({"event": "short"})
    seq, (first,) = feed.after(0, 0.0)
    assert (seq, first["event"]) == (1, "long")
    assert [one["event"] for one in feed.after(seq, 0.0)[1]] == ["short"]


def test_a_page_of_short_happenings_is_full() -> None:
    feed = Feed()
    for channel in range(PAGE + 1):
        feed.board("inputs", InputEdge(channel=channel, active=True, at_s=1.0))
    assert [len(feed.after(seq, 0.0)[1]) for seq in (0, PAGE)] == [PAGE, 1]
