"""What a process that grabs pictures may say, and what is not believed of it."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.vision.capture_messages import (
    SLOT_BYTES,
    SLOTS,
    BadCaptureError,
    Ended,
    Failed,
    Opened,
    Taken,
    pack_ask,
    pack_capture,
    unpack_ask,
    unpack_capture,
)
from edge.vision.shot import Pixels
from edge.vision.source_words import Trouble
from passes.words import Pair

PICTURE = Taken(slot=2, pixels=Pixels.BGR, length=24, width=4, height=2, at_s=12.5)


@pytest.mark.parametrize(
    "answer",
    [
        Opened(),
        Opened((Pair("曝光不行", "exposure = 5: no"), Pair("对焦不行", "focus = 3: no"))),
        PICTURE,
        Taken(slot=0, pixels=Pixels.JPEG, length=9, width=0, height=0, at_s=0.0),
        Taken(slot=1, pixels=Pixels.GREY, length=8, width=4, height=2, at_s=1.0),
        Ended(),
        Failed(Trouble.STREAM_SHUT),
    ],
)
def test_answers_come_back_as_they_were(answer: Opened | Taken | Ended | Failed) -> None:
    assert unpack_capture(pack_capture(answer)) == answer


def test_a_request_comes_back_as_it_was() -> None:
    assert unpack_ask(pack_ask(12.25)) == 12.25


def packed(**changed: float) -> bytes:
    values = {"slot": 2, "kind": 2, "length": 24, "width": 4, "height": 2, "at_s": 12.5} | changed
    return struct.pack("<BBBIIId", 1, *(int(values[name]) for name in list(values)[:5]), values["at_s"])


def test_the_packed_picture_of_these_tests_is_a_good_one() -> None:
    assert unpack_capture(packed()) == PICTURE


@pytest.mark.parametrize(
    "changed",
    [
        {"slot": SLOTS},
        {"kind": 3},
        {"length": 0},
        {"length": 23},
        {"length": SLOT_BYTES + 1},
        {"width": 70_000, "height": 0},
        {"at_s": math.nan},
        {"at_s": math.inf},
    ],
)
def test_a_picture_beyond_the_ring_is_refused(changed: dict[str, float]) -> None:
    with pytest.raises(BadCaptureError):
        unpack_capture(packed(**changed))


@pytest.mark.parametrize(
    "data",
    [b"", b"\x02more", b"\x03no such trouble", b"\x03", b"\x00one language", b"\x09", b"\x01", bytes(5000)],
)
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(BadCaptureError):
        unpack_capture(data)


@given(st.binary(max_size=200))
def test_whatever_comes_is_an_answer_in_print_or_refused(data: bytes) -> None:
    try:
        answer = unpack_capture(data)
    except BadCaptureError:
        return
    if isinstance(answer, Opened):
        assert all((pair.zh + pair.en).isprintable() for pair in answer.refused)
