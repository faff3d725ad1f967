"""What tools are told of the codes that a reader read: that there was one, and never which."""

import json

import pytest

from drivers.peripherals import Scanned
from edge.feed import Feed

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
