"""Picture files and camera JPEGs into arrays, with a limit on pixels that holds before memory is taken.

PictureError        the bytes are no picture that the reader takes
"""

from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from edge.vision.filters import Picture
from edge.vision.reader import PIXELS_MAX

FILE_BYTES_MAX: Final = 64 * 1024 * 1024

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG: Final = b"\xff\xd8\xff"
_JPEG_SIZE_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE_MARKERS: Final = frozenset({0x01, *range(0xD0, 0xD9)})


class PictureError(ValueError):
    """These bytes cannot be shown to the reader; the message says why."""


def load(path: Path) -> Picture:
    """Read one picture file.

    Raises:
        PictureError: It cannot be opened, is no picture, is damaged, or is larger than the limits.
    """
    try:
        with path.open("rb") as file:
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


def size_px(data: bytes) -> tuple[int, int] | None:
    """(width, height) as the header of a picture file says, or None when it is no picture we take."""
    if data.startswith(_PNG) and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data.startswith(_JPEG):
        return _jpeg_size_px(data)
    if data.startswith(b"BM") and len(data) >= 26:
        width, height = (int.from_bytes(data[at : at + 4], "little", signed=True) for at in (18, 22))
        return abs(width), abs(height)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) >= 30:
        return _webp_size_px(data)
    return None


def _jpeg_size_px(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _JPEG_BARE_MARKERS:
            at += 2
        elif marker in _JPEG_SIZE_MARKERS:
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None


def _webp_size_px(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8 ":
        width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
        return width, height
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None


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
