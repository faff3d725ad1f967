"""The reader on drawn codes: inks, media, sizes, several codes, and pictures meant to break it."""

import random

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import segno

from benchmarks.forms import FORMS
from benchmarks.minted import minted
from benchmarks.scenes import NOW, SIZES, scene
from edge.vision.filters import Picture, as_picture
from edge.vision.passes import LATE, Views, apart
from edge.vision.reader import PIXELS_MAX, Reader
from edge.vision.zbar import decoder_of_zbar
from simulators.cameras.look import Colour, Difficulty, Ink, Look, Medium
from simulators.cameras.scene import backgrounds, jpeg, render

STATIC_PASS = "GP1:" + "6BFOXN*TS0BI$ZDFRH8QS6%R-:" * 8  # as long as a static pass


def drawn(
    text: str,
    *,
    ink: tuple[int, int, int] = (0, 0, 0),
    ground: tuple[int, int, int] = (255, 255, 255),
    px: int = 5,
) -> Picture:
    """A flat code in one colour (BGR) on another, with its quiet zone."""
    modules = np.array([[bool(one) for one in row] for row in segno.make_qr(text, error="m").matrix])
    modules = np.pad(modules, 6).repeat(px, axis=0).repeat(px, axis=1)
    return np.where(modules[..., None], np.array(ink, np.uint8), np.array(ground, np.uint8))


def texts(picture: Picture, reader: Reader | None = None) -> set[str]:
    return {code.text for code in (reader or Reader(deep=True)).read(picture)}


@pytest.mark.parametrize("ink", list(Ink))
@pytest.mark.parametrize("medium", list(Medium))
@pytest.mark.parametrize("inverted", [False, True])
def test_a_pass_held_up_to_the_camera_is_read(ink: Ink, medium: Medium, inverted: bool) -> None:
    hardest_first = list(Difficulty)[::-1]
    for seed, difficulty in enumerate(hardest_first[:2]):
        look = Look(medium=medium, ink=ink, colour=Colour.BLUE, inverted=inverted, difficulty=difficulty)
        picture = render(STATIC_PASS, look, 100 * seed + list(Ink).index(ink))
        assert texts(picture) == {STATIC_PASS}, (look, seed)


def test_a_live_camera_reads_within_a_few_frames_what_is_held_badly() -> None:
    look = Look(ink=Ink.GREEN, inverted=True, difficulty=Difficulty.HARD)
    for seed in range(4):
        reader = Reader(live=True)
        picture = render(STATIC_PASS, look, seed)
        assert any(texts(picture, reader) == {STATIC_PASS} for _ in range(12)), seed


@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        ((0, 255, 0), (255, 255, 255)),
        ((255, 0, 0), (255, 255, 255)),
        ((0, 0, 255), (255, 255, 255)),
        ((255, 255, 255), (0, 140, 0)),
        ((0, 255, 255), (255, 255, 255)),  # yellow: in grey hardly darker than white
        ((0, 0, 0), (255, 0, 0)),
    ],
)
@pytest.mark.parametrize("dim", [1.0, 0.3])
def test_pure_inks_are_read(ink: tuple[int, int, int], ground: tuple[int, int, int], dim: float) -> None:
    picture = (drawn(STATIC_PASS, ink=ink, ground=ground) * dim).astype(np.uint8)
    assert texts(cv2.imdecode(np.frombuffer(jpeg(picture), np.uint8), cv2.IMREAD_COLOR)) == {STATIC_PASS}  # type: ignore[arg-type]


def test_light_ink_on_a_colour_is_read_in_the_first_frame() -> None:
    picture = np.full((720, 1280, 3), 120, np.uint8)
    code = drawn(STATIC_PASS, ink=(245, 245, 245), ground=(0, 150, 0), px=5)
    picture[100 : 100 + code.shape[0], 300 : 300 + code.shape[1]] = code
    found = Reader(live=True).read(picture)
    assert [(code.text, code.how) for code in found] == [(STATIC_PASS, "640 inverted")]


def test_printed_passes_around_a_bottle_are_drawn_flat_and_read() -> None:
    hows = []
    for seed in (1, 4, 6):
        text = minted(random.Random(seed), NOW).printed()
        form, rng = FORMS["around a bottle"], np.random.default_rng(seed)
        found = Reader().read(scene(text, "m", form, SIZES["720p"], rng))
        assert {code.text for code in found} <= {text}
        hows += [code.how for code in found]
    assert hows.count("region unbent") >= 2, hows  # all three here; another OpenCV may draw a pixel otherwise


def test_of_zbar_only_plain_texts_count() -> None:
    if decoder_of_zbar() is None:
        pytest.skip("zbar is not installed")
    read = []
    for text in ("GP1:PLAIN", "ﾃﾞｻﾞｲﾝ"):
        views = Views(as_picture(cv2.cvtColor(drawn(text), cv2.COLOR_BGR2GRAY)))
        read.append([code.text for late in LATE for code in late(views)[0] if code.how == "zbar"])
    assert read == [["GP1:PLAIN"], []]


def test_ink_that_is_as_bright_as_its_ground_is_read_by_its_colour() -> None:
    picture = drawn(STATIC_PASS, ink=(0, 150, 0), ground=(128, 88, 72))
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    assert int(grey.max()) - int(grey.min()) < 12
    found = Reader(deep=True).read(picture)
    assert [(code.text, code.how) for code in found] == [(STATIC_PASS, "lowest colour")]


def test_corners_are_those_of_the_code_in_the_given_picture() -> None:
    code = drawn("HELLO", px=10)
    picture = np.full((900, 1200, 3), 255, np.uint8)
    picture[300 : 300 + code.shape[0], 500 : 500 + code.shape[1]] = code
    (found,) = Reader().read(picture)
    first, last = 60, code.shape[0] - 60
    wanted = [(500 + x, 300 + y) for x, y in ((first, first), (last, first), (last, last), (first, last))]
    assert np.abs(np.array(found.corners) - np.array(wanted)).max() <= 3


def test_corners_of_a_picture_that_was_shrunk_are_in_its_own_pixels() -> None:
    small = drawn("HELLO", px=10)
    picture = np.full((3000, 4000, 3), 255, np.uint8)
    large = cv2.resize(small, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST)
    picture[500 : 500 + large.shape[0], 900 : 900 + large.shape[1]] = large
    (found,) = Reader().read(picture)
    assert found.corners[0] == pytest.approx((900 + 240, 500 + 240), abs=8)


def test_several_codes_are_read_at_once() -> None:
    assert texts(np.hstack([drawn("ONE", px=8), drawn("TWO", px=8)])) == {"ONE", "TWO"}


def test_a_code_on_the_wall_does_not_hide_one_that_only_a_later_pass_reads() -> None:
    poster = np.full((500, 500, 3), 255, np.uint8)
    poster[:210, :210] = cv2.resize(drawn("POSTER"), (210, 210), interpolation=cv2.INTER_NEAREST)
    hard = drawn("PASS", ink=(255, 255, 255), ground=(0, 0, 0), px=8)[:400, :400]
    picture = np.hstack([poster, np.zeros((500, 500, 3), np.uint8)])
    picture[50 : 50 + hard.shape[0], 550 : 550 + hard.shape[1]] = hard
    reader = Reader(live=True)
    assert texts(picture, reader) == {"POSTER"}
    assert "PASS" in set().union(*(texts(picture, reader) for _ in range(12)))


def test_control_characters_come_out_as_they_went_in() -> None:
    assert texts(drawn("A\x01B\x1dC")) == {"A\x01B\x1dC"}


def test_micro_codes_are_left_alone() -> None:
    modules = np.array([[bool(one) for one in row] for row in segno.make_micro("12345").matrix])
    modules = np.pad(modules, 4).repeat(10, axis=0).repeat(10, axis=1)
    assert texts(np.where(modules, 0, 255).astype(np.uint8)) == set()


def test_an_empty_scene_has_no_codes() -> None:
    assert [texts(photograph) for photograph in backgrounds()] == [set()] * 6


@pytest.mark.parametrize(
    "shape", [(0, 0), (0, 5), (1, 1), (1, 2000), (2000, 1), (3, 3, 3), (0, 4, 3), (5, 5, 4), (9,)]
)
@pytest.mark.parametrize("kind", ["live", "deep", "plain"])
def test_odd_pictures_hold_no_code_and_raise_nothing(shape: tuple[int, ...], kind: str) -> None:
    reader = Reader(live=kind == "live", deep=kind == "deep")
    assert [reader.read(np.zeros(shape, np.uint8)) for _ in range(13)] == [[]] * 13


def test_what_is_no_picture_is_refused() -> None:
    odd: list[npt.NDArray[np.generic]] = [
        np.zeros((50, 50)),
        np.zeros((50, 50), np.uint16),
        np.zeros((9, 9, 1), np.uint8),
    ]
    assert [Reader().read(one) for one in odd] == [[], [], []]  # type: ignore[arg-type]


def test_a_picture_beyond_the_limit_is_refused_and_one_below_is_read() -> None:
    side = int(PIXELS_MAX**0.5) + 1
    huge = np.broadcast_to(np.uint8(255), (side, side))
    assert Reader().read(huge) == []
    large = np.full((4000, 6000), 255, np.uint8)
    code = cv2.resize(drawn("LARGE"), (2000, 2000), interpolation=cv2.INTER_NEAREST)[..., 0]
    large[1000:3000, 1000:3000] = code
    assert texts(large, Reader()) == {"LARGE"}


def test_noise_and_sheets_of_finder_patterns_give_nothing() -> None:
    rng = np.random.default_rng(5)
    finder = np.pad(
        np.pad(np.pad(np.zeros((3, 3), np.uint8), 1, constant_values=255), 1), 1, constant_values=255
    )
    sheet = np.tile(finder.repeat(3, axis=0).repeat(3, axis=1), (12, 20))
    for picture in (rng.integers(0, 256, (480, 640, 3), np.uint8), sheet):
        assert texts(picture) == set()
        assert texts(picture, Reader(live=True)) == set()


def test_a_code_that_stays_in_view_costs_little_and_is_read_in_every_frame() -> None:
    reader = Reader(live=True)
    picture = np.full((720, 1280, 3), 255, np.uint8)
    code = drawn(STATIC_PASS, px=4)
    picture[100 : 100 + code.shape[0], 300 : 300 + code.shape[1]] = code
    hows = [[each.how for each in reader.read(picture)] for _ in range(12)]
    assert hows == [["640 global"]] * 12


def test_places_that_lie_on_a_code_that_was_read_are_not_worked_on() -> None:
    here = ((0.0, 0.0), (90.0, 0.0), (90.0, 90.0), (0.0, 90.0))
    nearly = ((5.0, 5.0), (90.0, 0.0), (95.0, 95.0), (0.0, 90.0))
    away = ((200.0, 0.0), (290.0, 0.0), (290.0, 90.0), (200.0, 90.0))
    assert apart([here, nearly, away]) == [here, away]
    assert apart([nearly, away], besides=[here]) == [away]
