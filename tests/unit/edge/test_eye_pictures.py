"""A shot as the eye works on it: sizes, colours, regions, digests, previews."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edge.vision.eye_pictures import PIXELS_MAX, PREVIEW_MAX_PX, View, ViewError
from edge.vision.shot import Pixels, Region
from tests.eyes.pictures import jpeg, jpeg_of_size, png, png_header

Picture = npt.NDArray[np.uint8]


def halves(width: int = 640, height: int = 480) -> Picture:
    """Left half black, right half green."""
    colour = np.zeros((height, width, 3), np.uint8)
    colour[:, width // 2 :] = (0, 255, 0)
    return colour


def view_of(data: bytes) -> View:
    return View(Pixels.JPEG, memoryview(data), 0, 0)


def raw(picture: Picture) -> View:
    kind = Pixels.GREY if picture.ndim == 2 else Pixels.BGR
    return View(kind, memoryview(picture.tobytes()), picture.shape[1], picture.shape[0])


def decoded(data: bytes) -> Picture:
    made = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert made is not None
    return np.asarray(made, np.uint8)


@pytest.mark.parametrize("view", [view_of(jpeg(halves())), view_of(png(halves())), raw(halves())])
def test_grey_and_colour_of_one_picture(view: View) -> None:
    assert (view.width, view.height) == (640, 480)
    assert view.grey.shape == (480, 640)
    assert view.grey[100, (100, 600)].tolist() == pytest.approx([0, 150], abs=2)
    colour = view.colour()
    assert colour is not None
    assert colour.shape == (480, 640, 3)
    assert colour[100, 600].tolist() == pytest.approx([0, 255, 0], abs=3)
    assert view.colour() is colour


def test_a_grey_picture_has_no_colour() -> None:
    assert raw(halves()[..., 1]).colour() is None
    assert raw(halves()[..., 1]).preview(64)


def test_regions_in_whole_pixels_never_leave_the_picture() -> None:
    view = raw(halves())
    assert view.box(Region()) == (0, 0, 640, 480)
    assert view.box(Region(0.25, 0.5, 0.75, 1.0)) == (160, 240, 480, 480)
    assert view.box(Region(0.3334, 0.0, 0.6667, 0.001)) == (213, 0, 427, 1)
    assert view.box(Region(-1.0, float("nan"), 7.0, 2.0)) == (0, 0, 640, 480)


def test_a_digest_knows_size_and_every_pixel_also_of_small_pictures() -> None:
    pictures = [
        np.zeros(shape, np.uint8)
        for shape in ((1, 1), (1, 2), (2, 1), (64, 128), (128, 64), (91, 90), (90, 91))
    ]
    for at in ((0, 0), (63, 127), (31, 64)):
        changed = pictures[3].copy()
        changed[at] = 1
        pictures.append(changed)
    digests = [raw(picture).digest() for picture in pictures]
    assert len(set(digests)) == len(pictures)
    assert digests == [raw(picture).digest() for picture in pictures]
    assert digests[3] == 0x5B34AA82A654AA6  # the same in every process: a replaced eye goes on comparing


def test_light_is_that_of_the_whole_picture() -> None:
    assert raw(np.full((480, 640), 7, np.uint8)).light() == (7, 0)
    light, contrast = raw(halves()[..., 1]).light()
    assert light == pytest.approx(127.5)
    assert contrast == 255
    assert raw(np.full((1, 1), 9, np.uint8)).light() == (9, 0)


@pytest.mark.parametrize("longest_px", [1, 60, 160, 200, 640, 5000])
def test_a_preview_has_the_size_that_was_asked_for_and_the_colours(longest_px: int) -> None:
    for view in (
        view_of(jpeg(halves(1500, 1000))),
        raw(halves(1500, 1000)),
        view_of(jpeg(halves(1500, 1000))),
    ):
        small = decoded(view.preview(longest_px))
        longest = min(longest_px, PREVIEW_MAX_PX)
        assert small.shape == (max(1, round(longest * 2 / 3)), longest, 3)
        if longest > 1:
            assert small[0, -1].tolist() == pytest.approx([0, 255, 0], abs=12)
        view.colour()


def test_a_jpeg_without_its_end_is_whole() -> None:
    data = jpeg(halves())
    assert view_of(data[:-2]).digest() == view_of(data).digest()
    assert view_of(data[:-2]).colour() is not None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8\xff",
        b"nothing",
        jpeg(halves())[:200],
        jpeg_of_size(jpeg(halves()), 4000, PIXELS_MAX // 4000 + 1),
        jpeg_of_size(jpeg(halves()), 0, 100),
        png_header(20_000, 20_000),
        png_header(100, 100),
    ],
)
def test_what_is_no_picture_of_a_camera_is_refused(data: bytes) -> None:
    with pytest.raises(ViewError):
        view_of(data)


@pytest.mark.parametrize(("width", "height"), [(0, 0), (10, 9), (10, 11), (5000, 5000)])
def test_raw_pixels_of_another_size_are_refused(width: int, height: int) -> None:
    with pytest.raises(ViewError, match="100 bytes"):
        View(Pixels.GREY, memoryview(bytes(100)), width, height)
