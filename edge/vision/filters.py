"""Changes to a grey picture that make a code readable which the decoder alone misses: pure, each under a name."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Filter = Callable[[Picture], Picture]


def as_picture(made: Any) -> Picture:
    """OpenCV's stubs say "some array"; its results here are uint8."""
    return np.asarray(made, dtype=np.uint8)


def shrunk(picture: Picture, longest_px: int, how: int = cv2.INTER_AREA) -> tuple[Picture, float]:
    """The picture with at most ``longest_px`` on its longest side, and the scale; never enlarged."""
    height, width = picture.shape[:2]
    scale = longest_px / max(height, width)
    if scale >= 1:
        return picture, 1.0
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return as_picture(cv2.resize(picture, size, interpolation=how)), scale


def gamma(power: float) -> Filter:
    """Darken (above 1) or lighten the middle greys."""
    table = ((np.arange(256) / 255.0) ** power * 255).round().astype(np.uint8)
    return lambda grey: as_picture(cv2.LUT(grey, table))


def threshold(block_px: int, offset: int) -> Filter:
    """Black where a pixel is darker than the mean around it less ``offset``."""

    def change(grey: Picture) -> Picture:
        kind = cv2.ADAPTIVE_THRESH_MEAN_C
        return as_picture(cv2.adaptiveThreshold(grey, 255, kind, cv2.THRESH_BINARY, block_px, offset))

    return change


def local_contrast(limit: float, tiles: int) -> Filter:
    """Spread the greys of each of ``tiles`` x ``tiles`` parts, as glare and shadows want it (CLAHE)."""
    return lambda grey: as_picture(cv2.createCLAHE(limit, (tiles, tiles)).apply(grey))


def thickened(px: int) -> Filter:
    """Dark parts grow: thin print, overexposed ink."""
    square = np.ones((px, px), np.uint8)
    return lambda grey: as_picture(cv2.erode(grey, square))


def thinned(px: int) -> Filter:
    """Dark parts shrink: bleeding ink, underexposed screens."""
    square = np.ones((px, px), np.uint8)
    return lambda grey: as_picture(cv2.dilate(grey, square))


def despeckled(px: int) -> Filter:
    """The median around each pixel: print with dots and scratches."""
    return lambda grey: as_picture(cv2.medianBlur(grey, px))


def softened(sigma_px: float) -> Filter:
    """Blur: moire of a screen, modules drawn as dots."""
    return lambda grey: as_picture(cv2.GaussianBlur(grey, (0, 0), sigma_px))


def sharpened(sigma_px: float, amount: float) -> Filter:
    """Unsharp mask."""

    def change(grey: Picture) -> Picture:
        soft = cv2.GaussianBlur(grey, (0, 0), sigma_px)
        return as_picture(cv2.addWeighted(grey, 1 + amount, soft, -amount, 0))

    return change


def squeezed(across: float, down: float) -> Filter:
    """Another aspect: a code seen from far aside."""
    return lambda grey: as_picture(cv2.resize(grey, None, fx=across, fy=down, interpolation=cv2.INTER_AREA))


def inverted(grey: Picture) -> Picture:
    """Light ink on dark ground, as screens in dark mode have it."""
    return as_picture(cv2.bitwise_not(grey))


def unbent(half_deg: float, *, upright: bool) -> Filter:
    """A square that lies around a cylinder, drawn flat.

    Args:
        half_deg: How much of the cylinder half of the square covers.
        upright: Whether the cylinder's axis runs from top to bottom.
    """

    def change(grey: Picture) -> Picture:
        xs, ys = _unbending(half_deg, grey.shape[0])
        return as_picture(cv2.remap(grey, *((xs, ys) if upright else (ys.T, xs.T)), cv2.INTER_LINEAR))

    return change


@functools.cache
def _unbending(half_deg: float, side_px: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    along = np.linspace(-1, 1, side_px, dtype=np.float32)
    half = np.deg2rad(half_deg)
    from_px = (np.sin(along * half) / np.sin(half) + 1) / 2 * (side_px - 1)
    xs = np.tile(from_px, (side_px, 1)).astype(np.float32)
    return xs, np.tile(np.arange(side_px, dtype=np.float32)[:, None], (1, side_px))


def plain(grey: Picture) -> Picture:
    """As it is."""
    return grey


def extreme(picture: Picture, *, lowest: bool) -> Picture:
    """The lowest or highest colour of each pixel of a BGR picture.

    Ink in pure green is only half as dark as black in grey, but fully dark in its lowest channel.
    """
    blue, green, red = cv2.split(picture)
    pick = cv2.min if lowest else cv2.max
    return as_picture(pick(pick(blue, green), red))


def colourful(picture: Picture, least: int = 40) -> bool:
    """Whether the channels of any sampled pixel of a BGR picture differ by ``least`` of 255 or more."""
    sample = picture[::20, ::20].astype(np.int16)
    return int(np.ptp(sample, axis=2).max(initial=0)) >= least


def rectified(grey: Picture, corners: Sequence[tuple[float, float]], side_px: int, margin: float) -> Picture:
    """The four-cornered part around a located code, drawn as a square with a ``margin`` (share of its size)."""
    quad = np.asarray(corners, np.float32)
    middle = quad.mean(axis=0)
    quad = (middle + (quad - middle) * (1 + margin)).astype(np.float32)
    side = np.asarray([[0, 0], [side_px, 0], [side_px, side_px], [0, side_px]], np.float32)
    turn = cv2.getPerspectiveTransform(quad, side)
    made = cv2.warpPerspective(
        grey,
        turn,
        (side_px, side_px),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=255,
    )
    return as_picture(made)


EXTREMES: Final = {"lowest colour": True, "highest colour": False}
