"""How many modules a code in a picture has from side to side, and by what that is known.

In the order of trust: the decoder tells the version of what it reads; the timing pattern of the code is counted, also
where the code cannot be read; a text needs at least so many modules.
"""

from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
import zxingcpp

from edge.vision.advice import KnownBy
from edge.vision.filters import Picture, rectified
from edge.vision.passes import Corners

SMALLEST, LARGEST, STEP = 21, 177, 4  # modules of versions 1 to 40: ISO/IEC 18004
MARGIN: Final = 0.35  # around a code that is cut out: its quiet zone and more
CUT_MIN_PX: Final = 16
SURE: Final = 0.6  # correlation with the pattern, of 1; noise and wrong counts give less than 0.5
_FINDER: Final = 8  # modules of a finder pattern with its border, at either end of the timing pattern
_TIMING_AT: Final = 6  # row and column of it
_FORMATS: Final = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCodeModel2])


def modules_of(grey: Picture, corners: Corners, text: str | None) -> tuple[int, KnownBy] | None:
    """Modules from side to side of the code at ``corners``; ``text`` is None for one that was only located."""
    told = _by_version(grey, corners, text)
    if told is not None:
        return told, KnownBy.VERSION
    counted = _by_timing(grey, corners)
    if counted is not None:
        return counted, KnownBy.TIMING
    least = None if text is None else _by_text(text)
    return None if least is None else (least, KnownBy.TEXT)


def _by_version(grey: Picture, corners: Corners, text: str | None) -> int | None:
    cut = _cut(grey, corners)
    if cut is None:
        return None
    for barcode in zxingcpp.read_barcodes(
        cut, formats=_FORMATS, text_mode=zxingcpp.TextMode.Plain, return_errors=text is None
    ):
        extra: Any = barcode.extra  # a dict; the stubs do not say so
        version = str(extra.get("Version", ""))
        if (text is None or barcode.text == text) and version.isdecimal() and 1 <= int(version) <= 40:
            return SMALLEST + STEP * (int(version) - 1)
    return None


def _cut(grey: Picture, corners: Corners) -> Picture | None:
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    more = MARGIN * max(max(xs) - min(xs), max(ys) - min(ys))
    height, width = grey.shape[:2]
    left, top = max(0, int(min(xs) - more)), max(0, int(min(ys) - more))
    right, bottom = min(width, int(max(xs) + more) + 1), min(height, int(max(ys) + more) + 1)
    if min(right - left, bottom - top) < CUT_MIN_PX:
        return None
    return np.ascontiguousarray(grey[top:bottom, left:right])


def _by_timing(grey: Picture, corners: Corners) -> int | None:
    """Both timing patterns of the code must agree with one number, and better than with any other."""
    side_px = 4 * LARGEST
    square = cv2.GaussianBlur(rectified(grey, corners, side_px, 0.0), (0, 0), 1.0).astype(np.float32)
    scored = [(_agreement(square, count), count) for count in range(SMALLEST, LARGEST + 1, STEP)]
    best, count = max(scored)
    return count if best >= SURE else None


def _agreement(square: npt.NDArray[np.float32], count: int) -> float:
    """The worse correlation of the two timing patterns with light and dark in turn."""
    module_px = square.shape[0] / count
    along = ((np.arange(_FINDER, count - _FINDER) + 0.5) * module_px).astype(int)
    across = int((_TIMING_AT + 0.5) * module_px)
    expected = np.where(np.arange(_FINDER, count - _FINDER) % 2 == 0, -1.0, 1.0)
    return min(_correlation(square[across, along], expected), _correlation(square[along, across], expected))


def _correlation(seen: npt.NDArray[np.float32], expected: npt.NDArray[np.float64]) -> float:
    if float(np.ptp(seen)) < 20:  # grey levels: an even area
        return 0.0
    return float(np.corrcoef(seen, expected)[0, 1])


def _by_text(text: str) -> int | None:
    """The smallest code, with the least correction, that carries the text."""
    try:
        made = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="L")
    except (RuntimeError, ValueError):
        return None
    return int(np.asarray(made.to_image(scale=1, add_quiet_zones=False)).shape[0])
