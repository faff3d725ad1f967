"""Draws what was seen over a picture: outlines, and a short label for each. In the process that decoded the picture.

The letters are those of OpenCV, which has Latin ones only.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from edge.vision.advice import NEEDED_PX, Size, shortened
from edge.vision.filters import Picture, as_picture
from passes.gp1 import PREFIX

QUALITIES: Final = (85, 60, 35)  # of the JPEG, until it fits
PASS, OTHER, UNREAD = (80, 190, 60), (30, 150, 240), (60, 60, 235)  # BGR: green, amber, red
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_WHITE: Final = (255, 255, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One code in the picture; ``text`` is None when it was located and not read."""

    corners: tuple[tuple[float, float], ...]
    text: str | None
    size: Size | None = None


def label_of(mark: Mark) -> str:
    """What is written beside a code. Of a pass never the whole text: whoever has that can enter."""
    return " ".join(filter(None, (_name(mark.text), _size(mark.size))))


def _name(text: str | None) -> str:
    return "not read" if text is None else shortened(text)


def _size(size: Size | None) -> str:
    if size is None or size.module_px is None:
        return ""
    return f"{size.module_px:.1f} px/module{'' if size.module_px >= NEEDED_PX else ' (small)'}"


def drawn(
    picture: Picture,
    marks: list[Mark],
    longest_px: int,
    bytes_max: int,
    *,
    read: tuple[int, int, int, int] | None = None,
) -> bytes:
    """A JPEG of ``picture`` with the marks on it.

    Args:
        picture: (height, width) grey or (height, width, 3) BGR; it is not changed.
        marks: In pixels of ``picture``.
        longest_px: Of the JPEG's sides; a larger picture is shrunk.
        bytes_max: Of the JPEG; it is made coarser to fit, and empty when it does not.
        read: Left, top, right and bottom of the part that was read, to be framed; None for the whole.
    """
    scale = min(1.0, longest_px / max(picture.shape[:2]))
    if scale < 1:
        picture = as_picture(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    canvas = _canvas(picture)
    thick = _thickness(canvas)
    if read is not None:
        left, top, right, bottom = (round(at * scale) for at in read)
        cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), _WHITE, thick)
    _outline_all(canvas, marks, scale)
    for mark in marks:  # no outline runs over a label
        _label(canvas, np.asarray(mark.corners, np.float64) * scale, label_of(mark), _colour(mark))
    for quality in QUALITIES:
        made, encoded = cv2.imencode(".jpg", canvas, (cv2.IMWRITE_JPEG_QUALITY, quality))
        if made and encoded.size <= bytes_max:
            return encoded.tobytes()
    return b""


def outlined(marks: list[Mark], picture: Picture, scale: float) -> Picture:
    """``picture``, which is so much smaller than what the marks were found in, with outlines and no words."""
    if not marks:
        return picture
    canvas = _canvas(picture)
    _outline_all(canvas, marks, scale)
    return as_picture(canvas)


def _canvas(picture: Picture) -> cv2.typing.MatLike:
    return cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR) if picture.ndim == 2 else picture.copy()


def _thickness(canvas: cv2.typing.MatLike) -> int:
    return max(2, round(float(max(canvas.shape[:2])) / 500))


def _outline_all(canvas: cv2.typing.MatLike, marks: list[Mark], scale: float) -> None:
    for mark in marks:
        corners = np.asarray(mark.corners, np.float64) * scale
        _outline(canvas, corners, _colour(mark), _thickness(canvas))


def _colour(mark: Mark) -> tuple[int, int, int]:
    if mark.text is None:
        return UNREAD
    return PASS if mark.text.startswith(PREFIX) else OTHER


def _outline(
    canvas: cv2.typing.MatLike, corners: Picture | np.ndarray, colour: tuple[int, int, int], thick: int
) -> None:
    points = np.clip(corners, -10_000, 10_000).round().astype(np.int32)
    cv2.polylines(canvas, [points], isClosed=True, color=_WHITE, thickness=thick + 2, lineType=cv2.LINE_AA)
    cv2.polylines(canvas, [points], isClosed=True, color=colour, thickness=thick, lineType=cv2.LINE_AA)
    if len(points):
        cv2.circle(
            canvas, tuple(map(int, points[0])), 2 * thick, colour, -1, cv2.LINE_AA
        )  # the code's own top left


def _label(canvas: cv2.typing.MatLike, corners: np.ndarray, words: str, colour: tuple[int, int, int]) -> None:
    """White on the outline's colour, above the code or below it, wholly inside the picture."""
    height, width = canvas.shape[:2]
    size = max(0.4, min(1.0, width / 1600))
    (wide, high), below = cv2.getTextSize(words, _FONT, size, 1)
    if wide + 8 > width > 60:
        size *= (width - 8) / (wide + 8)
        (wide, high), below = cv2.getTextSize(words, _FONT, size, 1)
    x = int(np.clip(corners[:, 0].min(), 0, max(0, width - wide - 8)))
    y = int(corners[:, 1].min()) - 8
    if y - high - 4 < 0:
        y = int(corners[:, 1].max()) + high + 12
    y = int(np.clip(y, high + 4, max(high + 4, height - below - 4)))
    cv2.rectangle(canvas, (x, y - high - 4), (x + wide + 8, y + below + 2), colour, -1)
    cv2.putText(canvas, words, (x + 4, y), _FONT, size, _WHITE, 1, cv2.LINE_AA)
