"""Finds and decodes QR codes in one picture: a cascade of cheap passes, most frames need only the first.

Pure but for the rotation of a live reader: a picture goes in, texts come out, nothing is raised. It stands
alone, without the rest of ``edge``, so that it can run in a child process. What a text is worth is not its
business. The cascade and its order were measured on photographs (docs/cameras.md).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
import zxingcpp

Picture = npt.NDArray[np.uint8]
Point = tuple[float, float]

PIXELS_MAX: Final = 40_000_000  # a phone photograph has 12 to 24 million; more is an attack or a mistake
LONGEST_PX: Final = 1920  # larger pictures are shrunk first
SMALL_PX: Final = 640  # codes held close, on screens or in poor light read better small
MIDDLE_PX: Final = 960
MIDDLE_ABOVE_PX: Final = 1400
REGION_PX: Final = 500
REGIONS_MAX: Final = 2
REGION_MARGIN: Final = 0.15
COLOUR_MIN: Final = 40  # of 255, between the channels of one pixel: less is noise
# CPU time after which a live frame gets no further pass: a sheet of finder patterns costs 100 times a street.
LIVE_WITHIN_S: Final = 0.05
CODES_MAX: Final = 64  # more codes than this in one picture are not a visitor's


@dataclass(frozen=True, slots=True)
class Decoded:
    """One code that was read.

    Attributes:
        text: What the code says, control characters unchanged.
        corners: Its four corners in pixels of the given picture, clockwise from the code's own top left.
        how: The pass that read it, for measurements.
    """

    text: str
    corners: tuple[Point, Point, Point, Point]
    how: str


class Reader:
    """Reads pictures of one camera, or single files.

    Args:
        live: The pictures are frames of one camera. Every frame gets the core passes, the located regions
            and one late pass, in rotation: a code is held up for dozens of frames. Codes that were already
            read in the frame before (a poster on the wall) do not end the search for another one.
        deep: Try every late pass on each picture: for single files, where there is no next frame.
    """

    def __init__(self, *, live: bool = False, deep: bool = False) -> None:
        self._live = live
        self._deep = deep
        self._turn = 0
        self._before: frozenset[str] = frozenset()

    def read(self, picture: Picture) -> list[Decoded]:
        """Read the codes of one picture.

        Args:
            picture: (height, width) grey or (height, width, 3) BGR, uint8. Anything else, or more than 40
                million pixels, holds no code.

        Returns:
            The codes, each text once, in no particular order.
        """
        if not readable(picture):
            return []
        picture, scale = _shrunk(np.ascontiguousarray(picture), LONGEST_PX)
        grey = picture if picture.ndim == 2 else _grey(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))
        found: dict[str, Decoded] = {}
        began_s = time.thread_time()
        try:
            for decoded in self._passes(Views(picture=picture, grey=grey)):
                for code in decoded:
                    if len(found) < CODES_MAX:
                        found.setdefault(code.text, code)
                if found and not (self._live and found.keys() <= self._before):
                    break
                if self._live and time.thread_time() - began_s > LIVE_WITHIN_S:
                    break
        except cv2.error:  # a filter that cannot take this picture; what was read before it stands
            pass
        self._before = frozenset(found)
        return [_scaled(code, 1 / scale) for code in found.values()]

    def _passes(self, views: "Views") -> Iterator[list[Decoded]]:
        codes, regions = _decode(views.grey, "first", errors=True)
        yield codes
        yield from _core(views)
        yield from _regions(views.grey, regions)
        if self._deep:
            for late in LATE_PASSES:
                yield late(views)
        elif self._live:
            self._turn = (self._turn + 1) % len(LATE_PASSES)
            yield LATE_PASSES[self._turn](views)


def readable(picture: Picture) -> bool:
    """Whether ``picture`` is a grey or BGR uint8 array of a size that the reader accepts."""
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8:
        return False
    if picture.ndim != 2 and not (picture.ndim == 3 and picture.shape[2] == 3):
        return False
    height, width = picture.shape[:2]
    return bool(min(height, width) >= 1 and height * width <= PIXELS_MAX)


class Views:
    """One picture at the sizes and in the colours that the passes want, each made once."""

    def __init__(self, *, picture: Picture, grey: Picture) -> None:
        self.picture = picture
        self.grey = grey
        self._small: tuple[Picture, float] | None = None

    def small(self) -> tuple[Picture, float]:
        """The grey picture with a longest side of 640, and its scale."""
        if self._small is None:
            self._small = _shrunk(self.grey, SMALL_PX)
        return self._small

    def extreme(self, *, lowest: bool) -> Picture | None:
        """The lowest or highest colour of each pixel; None when the picture has no colour to speak of.

        Ink in pure green is only half as dark as black in grey, but fully dark in its lowest channel.
        """
        if self.picture.ndim == 2:
            return None
        sample = self.picture[::20, ::20].astype(np.int16)
        if int(np.ptp(sample, axis=2).max(initial=0)) < COLOUR_MIN:
            return None
        blue, green, red = cv2.split(self.picture)
        pick = cv2.min if lowest else cv2.max
        return _grey(pick(pick(blue, green), red))


def _core(views: Views) -> Iterator[list[Decoded]]:
    small, scale = views.small()
    yield _decode(small, "small", scale, binarizer=zxingcpp.Binarizer.GlobalHistogram)[0]
    yield _decode(_gamma(small, 2.2), "gamma 2.2", scale, full=True)[0]
    yield _decode(_threshold(small, 81, 12), "threshold", scale, binarizer=_FIXED)[0]
    if max(views.grey.shape) > MIDDLE_ABOVE_PX:
        middle, middle_scale = _shrunk(views.grey, MIDDLE_PX)
        yield _decode(middle, "middle", middle_scale)[0]


def _regions(grey: Picture, regions: Sequence[tuple[Point, ...]]) -> Iterator[list[Decoded]]:
    """Decode what was located but not read, cut out, at one size, under several filters."""
    for corners in regions[:REGIONS_MAX]:
        left, top, right, bottom = _box(corners, grey.shape[:2])
        if right - left < 16 or bottom - top < 16:
            continue
        scale = REGION_PX / max(right - left, bottom - top)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        cut = _grey(cv2.resize(grey[top:bottom, left:right], None, fx=scale, fy=scale, interpolation=how))
        for name, change in REGION_FILTERS:
            codes, _ = _decode(change(cut), f"region {name}", scale, full=True)
            yield [_moved(code, left, top) for code in codes]


def _box(corners: Sequence[Point], shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    margin = REGION_MARGIN * max(max(xs) - min(xs), max(ys) - min(ys))
    left, top = max(0, int(min(xs) - margin)), max(0, int(min(ys) - margin))
    return left, top, min(shape[1], int(max(xs) + margin) + 1), min(shape[0], int(max(ys) + margin) + 1)


# QRCode would invent Micro QR codes out of noise.
_FORMATS: Final = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCodeModel2])
_FIXED: Final = zxingcpp.Binarizer.FixedThreshold


def _decode(
    grey: Picture,
    how: str,
    scale: float = 1.0,
    *,
    full: bool = False,
    binarizer: zxingcpp.Binarizer = zxingcpp.Binarizer.LocalAverage,
    errors: bool = False,
) -> tuple[list[Decoded], list[tuple[Point, ...]]]:
    """One pass of the decoder: the codes it read, and the corners of those it only located."""
    try:
        barcodes = zxingcpp.read_barcodes(
            grey,
            formats=_FORMATS,
            try_rotate=full,
            try_downscale=full,
            try_invert=full,
            text_mode=zxingcpp.TextMode.Plain,  # the default rewrites control characters
            binarizer=binarizer,
            return_errors=errors,
        )
    except (RuntimeError, ValueError, TypeError, MemoryError):  # a picture must never stop a gate
        return [], []
    read: list[Decoded] = []
    located: list[tuple[Point, ...]] = []
    for barcode in barcodes:
        corners = _corners(barcode.position, scale)
        if barcode.valid and barcode.text:
            read.append(Decoded(barcode.text, corners, how))
        else:
            located.append(corners)
    return read, located


def _corners(position: Any, scale: float) -> tuple[Point, Point, Point, Point]:
    points = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    top_left, top_right, bottom_right, bottom_left = ((p.x / scale, p.y / scale) for p in points)
    return top_left, top_right, bottom_right, bottom_left


def _scaled(code: Decoded, factor: float) -> Decoded:
    if factor == 1:
        return code
    a, b, c, d = ((x * factor, y * factor) for x, y in code.corners)
    return Decoded(code.text, (a, b, c, d), code.how)


def _moved(code: Decoded, left: int, top: int) -> Decoded:
    a, b, c, d = ((x + left, y + top) for x, y in code.corners)
    return Decoded(code.text, (a, b, c, d), code.how)


def _shrunk(picture: Picture, longest_px: int) -> tuple[Picture, float]:
    """The picture with at most ``longest_px`` on its longest side, and the scale; never enlarged."""
    height, width = picture.shape[:2]
    scale = longest_px / max(height, width)
    if scale >= 1:
        return picture, 1.0
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return _grey(cv2.resize(picture, size, interpolation=cv2.INTER_AREA)), scale


def _grey(made: Any) -> Picture:
    """OpenCV's stubs say "some array"; its results here are uint8."""
    return np.asarray(made, dtype=np.uint8)


def _gamma(grey: Picture, power: float) -> Picture:
    table = ((np.arange(256) / 255.0) ** power * 255).round().astype(np.uint8)
    return _grey(cv2.LUT(grey, table))


def _threshold(grey: Picture, block_px: int, offset: int) -> Picture:
    return _grey(
        cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, block_px, offset)
    )


def _unsharp(grey: Picture) -> Picture:
    soft = cv2.GaussianBlur(grey, (0, 0), 3)
    return _grey(cv2.addWeighted(grey, 3.0, soft, -2.0, 0))


def _clahe(grey: Picture) -> Picture:
    return _grey(cv2.createCLAHE(3.0, (8, 8)).apply(grey))


_SQUARE_3: Final = np.ones((3, 3), np.uint8)
_SQUARE_5: Final = np.ones((5, 5), np.uint8)

Change = Callable[[Picture], Picture]
REGION_FILTERS: Final[tuple[tuple[str, Change], ...]] = (
    ("clahe", _clahe),
    ("plain", lambda cut: cut),
    ("erode", lambda cut: _grey(cv2.erode(cut, _SQUARE_5))),
    ("gamma 3", lambda cut: _gamma(cut, 3)),
    ("gamma 0.6", lambda cut: _gamma(cut, 0.6)),
    ("unsharp", _unsharp),
    ("blur", lambda cut: _grey(cv2.GaussianBlur(cut, (0, 0), 2))),
    ("threshold", lambda cut: _threshold(cut, 81, 12)),
)

Late = Callable[[Views], list[Decoded]]


def _late_small(name: str, change: Change, *, fixed: bool = False) -> Late:
    def run(views: Views) -> list[Decoded]:
        small, scale = views.small()
        binarizer = _FIXED if fixed else zxingcpp.Binarizer.LocalAverage
        return _decode(change(small), f"late small {name}", scale, full=True, binarizer=binarizer)[0]

    return run


def _late_large(name: str, change: Change) -> Late:
    def run(views: Views) -> list[Decoded]:
        return _decode(change(views.grey), f"late {name}", full=True)[0]

    return run


def _late_colour(name: str, *, lowest: bool) -> Late:
    def run(views: Views) -> list[Decoded]:
        channel = views.extreme(lowest=lowest)
        return [] if channel is None else _decode(channel, f"late {name}", full=True)[0]

    return run


LATE_PASSES: Final[tuple[Late, ...]] = (
    _late_large("plain", lambda grey: grey),
    _late_colour("lowest colour", lowest=True),
    _late_small("gamma 3", lambda grey: _gamma(grey, 3)),
    _late_large("clahe", _clahe),
    _late_small("dilate", lambda grey: _grey(cv2.dilate(grey, _SQUARE_3))),
    _late_large("gamma 0.6", lambda grey: _gamma(grey, 0.6)),
    _late_small("threshold -12", lambda grey: _threshold(grey, 41, -12), fixed=True),
    _late_large("gamma 5", lambda grey: _gamma(grey, 5)),
    _late_colour("highest colour", lowest=False),
    _late_small("gamma 0.4", lambda grey: _gamma(grey, 0.4)),
    _late_large("erode", lambda grey: _grey(cv2.erode(grey, _SQUARE_3))),
    _late_small("threshold 0", lambda grey: _threshold(grey, 81, 0), fixed=True),
)
