"""What crosses the border between a daemon and the process that looks: round trips, and hostile answers."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.vision.eye_messages import (
    ANSWER_MAX,
    CODES_MAX,
    CORNER_MAX,
    TEXT_MAX,
    Answer,
    BadAnswerError,
    Hello,
    Refusal,
    Request,
    pack_answer,
    pack_request,
    unpack_answer,
    unpack_request,
)
from edge.vision.shot import Decoded, Pixels, Region, Seen, Wanted

CORNERS = ((1.5, 2.0), (30.0, 2.0), (30.0, 40.0), (1.5, -4.0))
SEEN = Seen(
    at_s=0.0,
    codes=(Decoded("GP1:A\0B\n门", CORNERS, "first"), Decoded("x" * TEXT_MAX, CORNERS, "late gamma 3")),
    located=(CORNERS, CORNERS[:3]),
    width=1280,
    height=720,
    digest=(1 << 64) - 1,
    light=127.25,
    contrast=200.0,
    quiet=True,
    cpu_ms=7.5,
    measured={"sharpness": 812.5, "clipped_white": 0.25},
)


def test_requests_come_back_as_they_were() -> None:
    for pixels in Pixels:
        wanted = Wanted(read=False, preview_px=640, measure=True, region=Region(0.1, 0.2, 0.8, 0.9))
        request = Request(number=7, pixels=pixels, at_s=12.5, length=9, width=1280, height=720, wanted=wanted)
        assert unpack_request(pack_request(request)) == request


@pytest.mark.parametrize(
    "answer",
    [
        Hello(network=True, calls=False),
        Refusal(8, "damaged picture"),
        Answer(9, SEEN, 1234),
        Answer(0, Seen(at_s=0)),
    ],
)
def test_answers_come_back_as_they_were(answer: Hello | Refusal | Answer) -> None:
    assert unpack_answer(pack_answer(answer)) == answer


def test_what_is_beyond_the_bounds_is_left_out_and_the_rest_arrives() -> None:
    codes = tuple(Decoded(text, CORNERS, "x") for text in ("", "y" * (TEXT_MAX + 1), "half \ud800", "good"))
    codes += tuple(Decoded(f"{number}{'门' * 4000}", CORNERS, "x" * 99) for number in range(CODES_MAX))
    packed = pack_answer(Answer(1, Seen(at_s=0, codes=codes, located=(CORNERS * 9, CORNERS))))
    assert len(packed) <= ANSWER_MAX
    answer = unpack_answer(packed)
    assert isinstance(answer, Answer)
    assert answer.seen.codes[0].text == "good"
    assert 5 < len(answer.seen.codes) < CODES_MAX
    assert answer.seen.located == (CORNERS,)


def test_an_answer_cut_anywhere_or_with_more_behind_it_is_refused() -> None:
    whole = pack_answer(Answer(9, SEEN, 0))
    for length in (*range(200), len(whole) - 1):
        with pytest.raises(BadAnswerError):
            unpack_answer(whole[:length])
    with pytest.raises(BadAnswerError):
        unpack_answer(whole + b"\0")


def judged(data: bytes) -> None:
    """Either refused, or within every bound."""
    try:
        answer = unpack_answer(data)
    except BadAnswerError:
        return
    match answer:
        case Hello():
            return
        case Refusal():
            assert answer.reason.isascii()
            assert answer.reason.isprintable()
        case Answer(seen=seen):
            points = [point for code in seen.codes for point in code.corners]
            points += [point for corners in seen.located for point in corners]
            assert all(abs(x) <= CORNER_MAX and abs(y) <= CORNER_MAX for x, y in points)
            assert all(map(math.isfinite, (seen.light, seen.contrast, seen.cpu_ms, *seen.measured.values())))
            assert len(seen.codes) <= CODES_MAX
            assert all(0 < len(code.text) <= TEXT_MAX and code.how.isprintable() for code in seen.codes)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_bounded(data: bytes) -> None:
    judged(data)


@given(st.integers(0, 1 << 32))
def test_any_damage_is_refused_or_bounded(seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(pack_answer(Answer(9, SEEN, 0)))
    for _ in range(rng.choice((1, 3, 30))):
        data[rng.randrange(min(len(data), 300))] = rng.randrange(256)
    judged(bytes(data))
