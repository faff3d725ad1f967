"""Picture files and camera JPEGs into arrays, with a limit on pixels that holds before memory is taken.

PictureError        the bytes are no picture that the reader takes
"""

from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from edge.vision.filters import Picture
from edge.vision.picture_size import size_px
from edge.vision.reader import PIXELS_MAX
from shell.file_reading import open_regular

FILE_BYTES_MAX: Final = 64 * 1024 * 1024

_JPEG: Final = b"\xff\xd8\xff"


class PictureError(ValueError):
    """These bytes cannot be shown to the reader; the message says why."""


def load(path: Path) -> Picture:
    """Read one picture file.

    Raises:
        PictureError: It cannot be opened, is no picture, is damaged, or is larger than the limits.
    """
    try:
        with open_regular(path) as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(data) > FILE_BYTES_MAX:
        raise PictureError(f"{path} is larger than {FILE_BYTES_MAX // 1024 // 1024} MB")
    return decode(data)


def decode(data: bytes) -> Picture:
    """Bytes of a JPEG, PNG, BMP or WebP picture to (height, width) grey or (height, width, 3) BGR.

    Transparent parts become white, as a browser would show them.

    Raises:
        PictureError: It is no such picture, is damaged, or has more than 40 million pixels.
    """
    size = size_px(data)
    if size is None:
        raise PictureError("not a JPEG, PNG, BMP or WebP picture")
    width, height = size
    if not 0 < width * height <= PIXELS_MAX:
        raise PictureError(f"{width} x {height} pixels; the limit is {PIXELS_MAX // 1_000_000} million")
    has_alpha = not data.startswith(_JPEG)
    flags = cv2.IMREAD_UNCHANGED if has_alpha else cv2.IMREAD_COLOR
    try:
        made = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise PictureError("damaged picture") from error
    if made is None:
        raise PictureError("damaged picture")
    return _on_white(np.asarray(made))


def _on_white(made: npt.NDArray[Any]) -> Picture:
    if made.dtype == np.uint16:
        made = (made >> 8).astype(np.uint8)
    if made.dtype != np.uint8:
        raise PictureError(f"picture with {made.dtype} samples")
    if made.ndim == 3 and made.shape[2] == 4:
        opaque = made[:, :, 3:].astype(np.uint16)
        return np.asarray((made[:, :, :3] * opaque + 255 * (255 - opaque)) // 255, dtype=np.uint8)
    if made.ndim == 3 and made.shape[2] == 2:
        raise PictureError("picture with two channels")
    return np.asarray(made, dtype=np.uint8)
