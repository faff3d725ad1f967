"""Arrays of pixels as the rendered cameras pass them around: (height, width, 3) BGR uint8."""

from typing import Any

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Grain = npt.NDArray[np.int16]  # (height, width), to be added to all channels
Warp = npt.NDArray[np.float64]  # 3 x 3, from the pixels of a card to those of the scene
Generator = np.random.Generator


def pixel(point: npt.NDArray[np.float64]) -> tuple[int, int]:
    """The pixel (x, y) nearest to a point, for OpenCV's drawing."""
    return round(float(point[0])), round(float(point[1]))


def clipped(values: Any) -> Picture:
    """Any numbers as pixels, cut to 0..255."""
    return np.asarray(np.clip(values, 0, 255), dtype=np.uint8)


def array(made: Any) -> Picture:
    """OpenCV's stubs say "some array"; its results here are uint8."""
    return np.asarray(made, dtype=np.uint8)
