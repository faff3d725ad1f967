"""One eye and its real child: what it sees, what it survives, how soon it sees again, what it leaves behind."""

import random
import struct
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest

from edge.vision.eye import PICTURE_BYTES, Eye, ShotError
from edge.vision.eye_messages import Answer, Hello, pack_answer
from edge.vision.nursery import Nursery
from edge.vision.shot import Decoded, EyeError, Pixels, Region, Seen, Shot, Wanted
from shell.clock import SystemClock
from tests.eyes.children import AS_IT_IS, CORNERS, KINDS, TWICE
from tests.eyes.opening import opened, texts
from tests.eyes.pictures import (
    card,
    grey_shot,
    jpeg,
    jpeg_of_size,
    png,
    png_header,
    shot,
)
from tests.waiting import until

pytestmark = pytest.mark.real

STALL_MAX_S = 1.0  # what a lane may lose by one picture
AGAIN_WITHIN_S = 1.0
SEED = 20261122


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    made = Nursery(SystemClock(), KINDS)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def eye(nursery: Nursery) -> Iterator[Eye]:
    made = opened(nursery)
    yield made
    made.close()


@pytest.fixture
def faulty(nursery: Nursery) -> Iterator[Eye]:
    made = opened(nursery, "faulty")
    yield made
    made.close()


def test_a_jpeg_is_read_and_described(eye: Eye) -> None:
    picture = card("a pass", at=(60, 40))
    picture[:, 240:] = 20
    seen = eye.look(shot(jpeg(picture), at_s=17.25))
    assert texts(seen) == ["a pass"]
    assert (seen.at_s, seen.width, seen.height) == (17.25, 320, 240)
    assert seen.light == pytest.approx(picture.mean(), abs=20)
    assert seen.contrast == pytest.approx(215, abs=5)
    assert 0 < seen.cpu_ms < 1000
    assert (seen.preview, seen.measured) == (None, {})
    (code,) = seen.codes
    for corner, expected in zip(code.corners, ((72, 52), (135, 52), (135, 115), (72, 115)), strict=True):
        assert corner == pytest.approx(expected, abs=3)


def test_raw_pixels_and_other_codings_show_the_same(eye: Eye) -> None:
    picture = card("a pass")
    colour = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    shots = [
        grey_shot(picture),
        Shot(Pixels.BGR, memoryview(colour.tobytes()), 1.0, 320, 240),
        shot(png(picture)),
        shot(png(np.asarray(colour, np.uint8))),
    ]
    seen = [eye.look(each) for each in shots]
    assert [texts(each) for each in seen] == [["a pass"]] * 4
    assert len({each.digest for each in seen}) == 1


def test_equal_digests_mean_equal_pixels(eye: Eye) -> None:
    picture = card("a pass")
    first = eye.look(grey_shot(picture))
    assert eye.look(grey_shot(picture)).digest == first.digest
    rng = random.Random(SEED)
    digests = {first.digest}
    for _ in range(20):
        other = picture.copy()
        other[rng.randrange(240), rng.randrange(320)] ^= 1 << rng.randrange(8)
        digests.add(eye.look(grey_shot(other), Wanted(read=False)).digest)
    digests.add(eye.look(grey_shot(picture.reshape(320, 240)), Wanted(read=False)).digest)
    assert len(digests) == 22


def test_only_the_region_is_read_and_corners_are_of_the_whole_picture(eye: Eye) -> None:
    picture = card("left", width=640)
    picture[:, 320:] = card("right")
    whole = eye.look(shot(jpeg(picture)))
    assert texts(whole) == ["left", "right"]
    right = eye.look(shot(jpeg(picture)), Wanted(region=Region(left=0.5)))
    assert texts(right) == ["right"]
    assert min(x for x, _ in right.codes[0].corners) > 340
    assert (right.width, right.height) == (640, 240)
    assert texts(eye.look(shot(jpeg(picture)), Wanted(region=Region(0.5, 0.5, 0.5, 0.5)))) == []


def test_coloured_ink_is_read_from_a_jpeg_within_a_few_frames(eye: Eye) -> None:
    """Green ink on paper that is as light: without its colour there is nothing to see."""
    paper = np.full((480, 640, 3), 150, np.uint8)
    paper[card("green").repeat(2, axis=0).repeat(2, axis=1) < 128] = (0, 255, 0)
    data = bytes(cv2.imencode(".jpg", paper)[1].tobytes())
    seen: list[str] = []
    for number in range(30):
        seen += texts(eye.look(shot(data, at_s=number / 25)))
    assert set(seen) == {"green"}


def test_preview_and_figures_come_when_asked_for(eye: Eye) -> None:
    colour = np.zeros((480, 640, 3), np.uint8)
    colour[:, 320:] = (30, 200, 90)
    data = bytes(cv2.imencode(".jpg", colour)[1].tobytes())
    seen = eye.look(shot(data), Wanted(read=False, preview_px=160, measure=True))
    assert seen.preview
    small = cv2.imdecode(np.frombuffer(seen.preview, np.uint8), cv2.IMREAD_COLOR)
    assert small is not None
    assert small.shape == (120, 160, 3)
    assert small[60, 120].tolist() == pytest.approx([30, 200, 90], abs=8)
    assert seen.measured["clipped_black"] == pytest.approx(0.5, abs=0.02)
    assert seen.measured["clipped_white"] == 0
    sharp = eye.look(grey_shot(card("a pass")), Wanted(measure=True)).measured["sharpness"]
    soft = cv2.GaussianBlur(card("a pass"), (0, 0), 2)
    assert (
        eye.look(grey_shot(np.asarray(soft, np.uint8)), Wanted(measure=True)).measured["sharpness"]
        < sharp / 4
    )


def test_a_preview_outlines_what_was_read_in_the_same_frame(eye: Eye) -> None:
    """Green for a pass, amber for any other code, and not a pixel where there is none."""
    for text, outline in (("GP1:6BF+70-A2CD", (80, 190, 60)), ("a poster", (30, 150, 240))):
        picture = card(text, width=1280, height=960, at=(300, 200))
        with_outline, without = (
            eye.look(shot(jpeg(picture)), Wanted(read=read, preview_px=640)) for read in (True, False)
        )
        drawn, plain = (
            np.asarray(cv2.imdecode(np.frombuffer(seen.preview or b"", np.uint8), cv2.IMREAD_COLOR), int)
            for seen in (with_outline, without)
        )
        assert drawn.shape == (480, 640, 3)
        changed = np.argwhere(np.abs(drawn - plain).max(axis=2) > 60)
        (code,) = with_outline.codes
        left, top = (min(axis) / 2 for axis in zip(*code.corners, strict=True))
        right, bottom = (max(axis) / 2 for axis in zip(*code.corners, strict=True))
        assert changed.min(axis=0) == pytest.approx((top, left), abs=8)
        assert changed.max(axis=0) == pytest.approx((bottom, right), abs=8)
        line = drawn[round((top + bottom) / 2), round(left) - 2 : round(left) + 3]
        assert np.abs(line - outline).max(axis=1).min() < 60
    empty = np.full((960, 1280), 120, np.uint8)
    empty_seen = eye.look(shot(jpeg(empty)), Wanted(preview_px=640))
    small = cv2.imdecode(np.frombuffer(empty_seen.preview or b"", np.uint8), cv2.IMREAD_COLOR)
    assert small is not None
    assert np.ptp(small) <= 3


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (shot(b""), "no picture"),
        (shot(b"GIF89a not for us"), "no picture"),
        (shot(jpeg(card("a"))[:300]), "damaged"),
        (shot(jpeg_of_size(jpeg(card("a")), 20_000, 20_000)), "more than"),
        (shot(png_header(20_000, 20_000)), "more than"),
        (shot(bytes(PICTURE_BYTES + 1)), "limit"),
        (Shot(Pixels.GREY, bytes(100), 1.0, 11, 10), "100 bytes for 11 x 10"),
        (Shot(Pixels.BGR, bytes(100), 1.0, 10, 10), "100 bytes for 10 x 10"),
        (Shot(Pixels.GREY, bytes(100), 1.0, -1, 10), "cannot be looked at"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_shot_that_is_no_picture_is_refused_and_costs_nothing_else(eye: Eye, bad: Shot, why: str) -> None:
    before = eye.pid
    with pytest.raises(ShotError, match=why):
        eye.look(bad)
    assert texts(eye.look(shot(jpeg(card("next"))))) == ["next"]
    assert eye.pid == before


def test_a_truncated_jpeg_is_read_as_far_as_it_goes(eye: Eye) -> None:
    data = jpeg(card("top", width=640, height=480))
    for cut in (data[: len(data) * 3 // 4], data[:-2], data[:-2] + bytes(64)):
        assert texts(eye.look(shot(cut))) == ["top"]


NAN = float("nan")


def lie(answer: bytes) -> Shot:
    return Shot(Pixels.GREY, answer, 1.0, 1, 1)


def answer_with(**fields: Any) -> bytes:
    seen = Seen(**{"at_s": 0.0, "width": 640, "height": 480, **fields})
    return pack_answer(Answer(0, seen))


def test_an_answer_that_is_in_order_is_believed(nursery: Nursery) -> None:
    eye = Eye("entry", nursery, SystemClock(), kind="liar")
    try:
        wanted = Seen(at_s=1.0, width=640, height=480, codes=(Decoded("门\0\n", CORNERS, "x"),), light=12.5)

        def seen() -> Seen | None:
            try:
                return eye.look(lie(pack_answer(Answer(0, wanted))))
            except EyeError:
                return None

        assert until(seen, within_s=20, what="an answer") == wanted
    finally:
        eye.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0\0\0\0",
        answer_with()[:-1],
        answer_with() + b"\0",
        answer_with(light=NAN),
        answer_with(contrast=256.0),
        answer_with(cpu_ms=float("inf")),
        answer_with(width=1 << 20),
        answer_with(codes=(Decoded("a", CORNERS, "line\nbreak"),)),
        answer_with(codes=(Decoded("a", CORNERS, "x"), Decoded("a", CORNERS, "x"))),
        answer_with(codes=(Decoded("a", ((NAN, 0.0), *CORNERS[1:]), "x"),)),
        answer_with(located=(((1e9, 0.0),),)),
        answer_with(measured={"sharpness": NAN}),
        pack_answer(Answer(0, Seen(at_s=0.0), preview_bytes=1 << 30)),
        pack_answer(Answer(0, Seen(at_s=0.0), preview_bytes=10)),
        pack_answer(Hello(network=True, calls=True)),
        AS_IT_IS + answer_with()[4:],
        b"\0\0\0\0\x01" + struct.pack("<IIQddd?IBBB", 1, 1, 0, 0, 0, 0, 0, 0, 255, 255, 255),
        bytes(4) + b"\x01" + bytes(200_000),
    ],
    ids=lambda _: "lie",
)
def test_an_eye_that_lies_is_replaced(nursery: Nursery, answer: bytes) -> None:
    eye = Eye("entry", nursery, SystemClock(), kind="liar")
    try:
        with pytest.raises(EyeError) as raised:
            eye.look(lie(answer))
        assert not isinstance(raised.value, ShotError)
        assert eye.pid is None
        assert eye.look(lie(answer_with())).width == 640
    finally:
        eye.close()


def test_an_answer_too_many_costs_the_next_shot_only(nursery: Nursery) -> None:
    eye = Eye("entry", nursery, SystemClock(), kind="liar")
    try:
        assert eye.look(lie(TWICE + answer_with()[4:])).width == 640
        with pytest.raises(EyeError, match="not asked"):
            eye.look(lie(answer_with()))
        assert eye.look(lie(answer_with())).width == 640
    finally:
        eye.close()


def test_an_eye_that_cannot_open_says_so(nursery: Nursery) -> None:
    eye = Eye("entry", nursery, SystemClock(), kind="broken")
    with pytest.raises(EyeError, match="did not open: it died"):
        eye.look(shot(jpeg(card("a"))))
    eye.close()
    absent = Eye("entry", nursery, SystemClock(), kind="absent")
    with pytest.raises(EyeError, match="cannot be had"):
        absent.look(shot(jpeg(card("a"))))
    absent.close()
