"""One picture under many looks, and the passes of the decoder over them: what each costs and finds is measured.

The order and the parameters were chosen on photographs by ``make bench`` (docs/cameras.md says how), not by taste.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import cv2
import numpy as np
import zxingcpp

from edge.vision.filters import (
    EXTREMES,
    Filter,
    Picture,
    as_picture,
    colourful,
    despeckled,
    extreme,
    gamma,
    inverted,
    local_contrast,
    plain,
    rectified,
    sharpened,
    shrunk,
    softened,
    squeezed,
    thickened,
    thinned,
    threshold,
    unbent,
)
from edge.vision.shot import Decoded, Point
from edge.vision.zbar import second_opinion

Corners = tuple[Point, Point, Point, Point]
Found = tuple[list[Decoded], list[Corners]]  # read, and located only
Pass = Callable[["Views"], Found]

MIDDLE_PX: Final = 960
SMALL_PX: Final = 640
LESSER_PX: Final = 480
TINY_PX: Final = 320
REGION_SMALLEST_PX: Final = 16

_LOCAL: Final = zxingcpp.Binarizer.LocalAverage
_GLOBAL: Final = zxingcpp.Binarizer.GlobalHistogram
_FIXED: Final = zxingcpp.Binarizer.FixedThreshold
# QRCode would invent Micro QR codes out of noise.
_FORMATS: Final = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCodeModel2])


class Views:
    """One picture at the sizes and in the colours that the passes want, each made once, when it is wanted.

    Args:
        grey: (height, width).
        colour: Gives (height, width, 3) BGR of the same size, or None when there is no colour to be had.
    """

    def __init__(self, grey: Picture, colour: Callable[[], Picture | None] = lambda: None) -> None:
        self.grey = grey
        self.colour = colour
        self._sizes: dict[int, tuple[Picture, float]] = {}
        self._extremes: dict[bool, Picture | None] = {}

    def at(self, longest_px: int) -> tuple[Picture, float]:
        """The grey picture with at most that longest side (0: as it is), and its scale."""
        if longest_px == 0:
            return self.grey, 1.0
        if longest_px not in self._sizes:
            self._sizes[longest_px] = self._make(longest_px)
        return self._sizes[longest_px]

    def _make(self, longest_px: int) -> tuple[Picture, float]:
        """Halves of halves are cheap; odd factors from the whole picture cost ten times as much."""
        grey, scale = self.grey, 1.0
        if longest_px == TINY_PX:
            self.at(SMALL_PX)  # is wanted anyway, and halves of it cost nothing
        known = [size for size in self._sizes if size >= longest_px]
        if known:
            grey, scale = self._sizes[min(known)]
        while max(grey.shape) >= 2 * longest_px:
            grey = as_picture(
                cv2.resize(grey, (grey.shape[1] // 2, grey.shape[0] // 2), interpolation=cv2.INTER_AREA)
            )
            scale = grey.shape[1] / self.grey.shape[1]
        made, again = shrunk(grey, longest_px, cv2.INTER_LINEAR)
        return made, scale * again

    def extreme(self, *, lowest: bool) -> Picture | None:
        """The lowest or highest colour of each pixel; None when the picture has no colour to speak of."""
        if lowest not in self._extremes:
            colour = self.colour()
            has_any = colour is not None and colourful(colour)
            self._extremes[lowest] = (
                extreme(colour, lowest=lowest) if has_any and colour is not None else None
            )
        return self._extremes[lowest]


def decode(
    grey: Picture,
    how: str,
    scale: tuple[float, float] = (1.0, 1.0),
    *,
    full: bool = False,
    both: bool = False,
    binarizer: zxingcpp.Binarizer = _LOCAL,
) -> Found:
    """One pass of the decoder: the codes it read, and the corners of those that it only located.

    Args:
        grey: What to look at.
        how: The pass's name.
        scale: Its size against the whole picture, across and down.
        full: Try it turned, halved and inverted too.
        both: Try it inverted too.
        binarizer: How black is told from white.
    """
    try:
        barcodes = zxingcpp.read_barcodes(
            grey,
            formats=_FORMATS,
            try_rotate=full,
            try_downscale=full,
            try_invert=full or both,
            text_mode=zxingcpp.TextMode.Plain,  # the default rewrites control characters
            binarizer=binarizer,
            return_errors=True,
        )
    except (RuntimeError, ValueError, TypeError, MemoryError):  # a picture must never stop a gate
        return [], []
    read: list[Decoded] = []
    located: list[Corners] = []
    for barcode in barcodes:
        corners = _corners(barcode.position, *scale)
        if barcode.valid and barcode.text:
            read.append(Decoded(barcode.text, corners, how))
        else:
            located.append(corners)
    return read, located


def _corners(position: Any, across: float, down: float) -> Corners:
    points = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    first, second, third, fourth = ((point.x / across, point.y / down) for point in points)
    return first, second, third, fourth


def look(
    longest_px: int,
    name: str,
    change: Filter = plain,
    *,
    aspect: tuple[float, float] = (1.0, 1.0),
    full: bool = False,
    both: bool = False,
    binarizer: zxingcpp.Binarizer = _LOCAL,
) -> Pass:
    """A pass over the picture at one size under one filter; ``aspect`` is how the filter squeezes it."""
    how = f"{longest_px or 'whole'} {name}"

    def run(views: Views) -> Found:
        grey, scale = views.at(longest_px)
        across, down = scale * aspect[0], scale * aspect[1]
        return decode(change(grey), how, (across, down), full=full, both=both, binarizer=binarizer)

    return run


def _colour_look(views: Views) -> Found:
    """Both extremes in one turn: what is dear is to decode the colour."""
    read: list[Decoded] = []
    for name, lowest in EXTREMES.items():
        channel = views.extreme(lowest=lowest)
        if channel is not None:
            read += decode(channel, name, both=True)[0]
    return read, []


def _zbar_look(views: Views) -> Found:
    """Plain texts only, as our passes are: of others it guesses the letters, and wrongly."""
    grey, scale = views.at(SMALL_PX)
    found = [(text, corners) for text, corners in second_opinion(grey) if text.isascii()]
    return [Decoded(text, _scaled(corners, scale), "zbar") for text, corners in found], []


def _rest(views: Views) -> Found:  # noqa: ARG001  # a turn in which a frame costs no more
    return [], []


def _scaled(corners: Corners, scale: float) -> Corners:
    first, second, third, fourth = ((x / scale, y / scale) for x, y in corners)
    return first, second, third, fourth


# At half the size a code that is held up well is read at a third of the price, with one threshold for all of it at a
# sixth; most searches end here.
FIRST: Final[tuple[Pass, ...]] = (
    look(SMALL_PX, "global", binarizer=_GLOBAL),
    look(SMALL_PX, "plain"),
    look(0, "plain"),
)

# On every frame where those read nothing: together a quarter of what they cost.
CHEAP: Final[tuple[Pass, ...]] = (
    look(TINY_PX, "plain"),
    look(TINY_PX, "gamma 5", gamma(5), full=True),
    look(SMALL_PX, "inverted", inverted),
)

# One a frame, in turn; each read photographs or scenes that nothing before it read. A code is held up for dozens of
# frames; turns without a pass keep the price of a frame down.
LATE: Final[tuple[Pass, ...]] = (
    look(LESSER_PX, "gamma 0.4", gamma(0.4), both=True),
    _rest,
    look(SMALL_PX, "threshold", threshold(81, 12), binarizer=_FIXED),
    _rest,
    look(SMALL_PX, "squeezed", squeezed(1, 0.7), aspect=(1, 0.7)),
    _rest,
    look(0, "gamma 0.6", gamma(0.6), both=True),
    _zbar_look,
    _rest,
    look(SMALL_PX, "squeezed across", squeezed(0.7, 1), aspect=(0.7, 1)),
    _colour_look,
    _rest,
)

# What a file gets besides, where there is no next frame.
DEEP: Final[tuple[Pass, ...]] = (
    look(0, "plain, all", full=True),
    look(0, "threshold", threshold(81, 12), full=True, binarizer=_FIXED),
    look(0, "gamma 2.2", gamma(2.2)),
    look(0, "gamma 2.2, global", gamma(2.2), binarizer=_GLOBAL),
    look(0, "gamma 5", gamma(5), full=True),
    look(LESSER_PX, "gamma 5", gamma(5), full=True),
    look(SMALL_PX, "local contrast", local_contrast(6.0, 4), full=True),
    look(MIDDLE_PX, "thickened", thickened(3)),
    look(SMALL_PX, "gamma 2.2", gamma(2.2), full=True),
    look(0, "sharpened", sharpened(3, 2.0), full=True),
    look(0, "local contrast", local_contrast(6.0, 4), full=True),
    look(MIDDLE_PX, "despeckled", despeckled(3), full=True),
    look(SMALL_PX, "gamma 3", gamma(3), full=True),
    look(SMALL_PX, "thinned", thinned(3), full=True),
    look(SMALL_PX, "threshold 0", threshold(81, 0), binarizer=_FIXED),
)

# Located and not read: cut out with a margin, drawn at one size, under a filter.
CUTS: Final[tuple[tuple[str, float, int, Filter], ...]] = (
    ("local contrast", 0.35, 800, local_contrast(3.0, 8)),
    ("gamma 5", 0.35, 300, gamma(5)),
    ("gamma 2.2", 0.15, 800, gamma(2.2)),
    ("plain", 0.15, 500, plain),
    ("thickened", 0.15, 500, thickened(5)),
    ("gamma 0.6", 0.15, 500, gamma(0.6)),
    ("sharpened", 0.15, 500, sharpened(3, 2.0)),
    ("softened", 0.15, 500, softened(2)),
    ("local contrast, close", 0.15, 800, local_contrast(3.0, 8)),
)
SQUARED_PX: Final = 400
SQUARED_MARGIN: Final = 0.35
# Around a bottle or an arm: drawn square, then flat, as if it covered 80 and 130 degrees of it, this way and that.
UNBENT_MARGIN: Final = 0.2
UNBENT: Final = tuple(unbent(half_deg, upright=upright) for half_deg in (40, 65) for upright in (True, False))


def regions(grey: Picture, located: Sequence[Corners]) -> Iterator[list[Decoded]]:
    """Work on what was located and not read, each region under every filter."""
    for corners in located:
        box_size = _box(corners, grey.shape[:2], 0)
        if min(box_size[2] - box_size[0], box_size[3] - box_size[1]) < REGION_SMALLEST_PX:
            continue
        for name, margin, side_px, change in CUTS:
            left, top, right, bottom = _box(corners, grey.shape[:2], margin)
            scale = side_px / max(right - left, bottom - top)
            how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            cut = as_picture(
                cv2.resize(grey[top:bottom, left:right], None, fx=scale, fy=scale, interpolation=how)
            )
            codes, _ = decode(change(cut), f"region {name}", (scale, scale), full=True)
            yield [Decoded(code.text, _moved(code.corners, left, top), code.how) for code in codes]
        squared = thickened(3)(rectified(grey, corners, SQUARED_PX, SQUARED_MARGIN))
        yield [Decoded(code.text, corners, "region squared") for code in decode(squared, "", full=True)[0]]
        square = rectified(grey, corners, SQUARED_PX, UNBENT_MARGIN)
        for flat in UNBENT:
            yield [Decoded(code.text, corners, "region unbent") for code in decode(flat(square), "")[0]]


def apart(located: Sequence[Corners], besides: Sequence[Corners] = ()) -> list[Corners]:
    """The located places, those that lie on one another only once (the first stays), and none on those ``besides``."""
    kept: list[Corners] = []
    for corners in located:
        middle, size = _middle(corners)
        others = [_middle(other) for other in (*besides, *kept)]
        if all(_distance(middle, there) > max(size, other_size) / 3 for there, other_size in others):
            kept.append(corners)
    return kept


def _middle(corners: Corners) -> tuple[Point, float]:
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return (sum(xs) / 4, sum(ys) / 4), max(max(xs) - min(xs), max(ys) - min(ys))


def _distance(one: Point, other: Point) -> float:
    return float(np.hypot(one[0] - other[0], one[1] - other[1]))


def _box(corners: Corners, shape: tuple[int, ...], margin: float) -> tuple[int, int, int, int]:
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    more = margin * max(max(xs) - min(xs), max(ys) - min(ys))
    left, top = max(0, int(min(xs) - more)), max(0, int(min(ys) - more))
    return left, top, min(shape[1], int(max(xs) + more) + 1), min(shape[0], int(max(ys) + more) + 1)


def _moved(corners: Corners, left: float, top: float) -> Corners:
    first, second, third, fourth = ((x + left, y + top) for x, y in corners)
    return first, second, third, fourth
