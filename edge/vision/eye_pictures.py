"""One shot as the eye works on it: grey at once, colour and preview only when somebody asks.

ViewError   the bytes are no picture that a camera would send
"""

import hashlib
import math
from collections.abc import Callable
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from edge.vision.picture import PictureError, decode
from edge.vision.picture_size import size_px
from edge.vision.shot import Pixels, Region

Picture = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]

PIXELS_MAX: Final = 13_000_000  # a 12-megapixel camera; less memory than the jail leaves, in any coding
REGION_MIN_PX: Final = 16
PREVIEW_MAX_PX: Final = 1280
PREVIEW_QUALITY: Final = 70
SAMPLE_EVERY: Final = 20  # pixels, each way: 0.1 ms instead of 2
BLACK, WHITE = 3, 252  # at or beyond these a pixel says nothing more

_JPEG: Final = b"\xff\xd8\xff"
_JPEG_END: Final = b"\xff\xd9"
_REDUCED: Final = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)


class ViewError(ValueError):
    """These bytes cannot be looked at; the message says why."""


class View:
    """A shot, decoded as far as it was needed.

    Args:
        pixels: How to understand the bytes.
        data: The bytes; they stay as they are while this lives.
        width: In pixels, of raw pixels.
        height: Likewise.
        pixels_max: More than these are refused before they are decompressed; without it, more than a camera has.

    Raises:
        ViewError: No picture, a damaged one, or one with more pixels than a camera has.
    """

    def __init__(
        self, pixels: Pixels, data: memoryview, width: int, height: int, *, pixels_max: int | None = None
    ) -> None:
        self._pixels_max = pixels_max or PIXELS_MAX
        self._colour: Picture | None = None
        self._encoded: bytes | None = None
        if pixels is Pixels.JPEG:
            self.grey = self._decoded(data)
        else:
            raw = _raw(data, width, height, 3 if pixels is Pixels.BGR else 1)
            self._colour = raw if pixels is Pixels.BGR else None
            self.grey = _of(cv2.cvtColor(raw, cv2.COLOR_BGR2GRAY)) if pixels is Pixels.BGR else raw
        self.height, self.width = self.grey.shape[:2]

    def _decoded(self, data: memoryview) -> Picture:
        encoded = bytes(data)
        width, height = size_px(encoded) or (0, 0)
        if not 0 < width * height <= self._pixels_max:
            limit = self._pixels_max // 1_000_000
            raise ViewError(f"{width} x {height} pixels: no picture, or more than {limit} million")
        if encoded.startswith(_JPEG):
            if not encoded.endswith(
                _JPEG_END
            ):  # some cameras leave it out, and OpenCV refuses the whole picture
                encoded += _JPEG_END
            self._encoded = encoded
            grey = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_GRAYSCALE)
            if grey is None:
                raise ViewError("damaged picture")
            return _of(grey)
        # Other pictures come from folders, and are few.
        try:
            made = decode(encoded)
        except PictureError as error:
            raise ViewError(str(error)) from error
        if made.ndim == 2:
            return made
        self._colour = made
        return _of(cv2.cvtColor(made, cv2.COLOR_BGR2GRAY))

    def colour(self) -> Picture | None:
        """(height, width, 3) BGR, or None when the picture has no colour; decoded once, when first asked for."""
        if self._colour is None and self._encoded is not None:
            made = cv2.imdecode(np.frombuffer(self._encoded, np.uint8), cv2.IMREAD_COLOR)
            self._colour = None if made is None else _of(made)
        return self._colour

    def box(self, region: Region) -> Box:
        """A region as (left, top, right, bottom) in whole pixels."""
        left, right = (_share(value) * self.width for value in (region.left, region.right))
        top, bottom = (_share(value) * self.height for value in (region.top, region.bottom))
        return math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)

    def digest(self) -> int:
        """64 bits over the size and every grey pixel. Equal ones mean equal pictures.

        Lines of 8 kB are multiplied out with fixed odd numbers, which catches every single change and is five
        times faster than a checksum; a real hash goes over the results.
        """
        flat = self.grey.reshape(-1)
        whole = flat.size // _LINE_BYTES * _LINE_BYTES
        lines = flat[:whole].view(np.uint64).reshape(-1, _WEIGHTS.size) @ _WEIGHTS
        end = f"{self.width}x{self.height}".encode() + flat[whole:].tobytes()
        return int.from_bytes(hashlib.blake2b(lines.tobytes() + end, digest_size=8).digest(), "big")

    def light(self) -> tuple[float, float]:
        """Mean grey level, and contrast between the 5th and the 95th percentile, of a sample."""
        sample = np.sort(self.grey[::SAMPLE_EVERY, ::SAMPLE_EVERY], axis=None)
        dark, bright = (sample[int(share * (sample.size - 1))] for share in (0.05, 0.95))
        return float(sample.mean()), float(bright) - float(dark)

    def measured(self) -> dict[str, float]:
        """For whoever mounts the camera: sharpness (variance of the Laplacian), shares of black and white."""
        _, deviation = cv2.meanStdDev(cv2.Laplacian(self.grey, cv2.CV_16S))
        sample = self.grey[::2, ::2]
        return {
            "sharpness": float(np.asarray(deviation).flat[0]) ** 2,
            "clipped_black": float(np.count_nonzero(sample <= BLACK)) / sample.size,
            "clipped_white": float(np.count_nonzero(sample >= WHITE)) / sample.size,
        }

    def preview(
        self, longest_px: int, draw: Callable[[Picture, float], Picture] = lambda one, _: one
    ) -> bytes:
        """A JPEG with at most ``longest_px`` on its longest side, in colour where the picture has it.

        ``draw`` gets the small picture and its scale, and gives the one to encode.
        """
        longest_px = max(1, min(longest_px, PREVIEW_MAX_PX))
        picture = self._small_colour(longest_px)
        scale = longest_px / max(self.width, self.height)
        if scale < 1:
            size = (max(1, round(self.width * scale)), max(1, round(self.height * scale)))
            picture = _of(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
        picture = draw(picture, picture.shape[1] / self.width)
        made, encoded = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, PREVIEW_QUALITY))
        return encoded.tobytes() if made else b""

    def _small_colour(self, longest_px: int) -> Picture:
        """A JPEG is decoded at a half, a quarter or an eighth, which costs as little."""
        if self._colour is None and self._encoded is not None:
            for divisor, flag in _REDUCED:
                if max(self.width, self.height) >= longest_px * divisor:
                    made = cv2.imdecode(np.frombuffer(self._encoded, np.uint8), flag)
                    return self.grey if made is None else _of(made)
        colour = self.colour()
        return self.grey if colour is None else colour


def _weights(count: int) -> npt.NDArray[np.uint64]:
    """Odd numbers that are the same in each run."""
    stream = hashlib.shake_128(b"postern picture digest").digest(count * 8)
    return np.frombuffer(stream, np.uint64) | np.uint64(1)


_LINE_BYTES: Final = 8192
_WEIGHTS: Final = _weights(_LINE_BYTES // 8)


def _raw(data: memoryview, width: int, height: int, channels: int) -> Picture:
    if not 0 < width * height <= PIXELS_MAX or width * height * channels != len(data):
        raise ViewError(f"{len(data)} bytes for {width} x {height} raw pixels")
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.frombuffer(data, np.uint8).reshape(shape)


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))


def _of(made: Any) -> Picture:
    """OpenCV's stubs say "some array"; what it decodes here is uint8."""
    return np.asarray(made, dtype=np.uint8)
