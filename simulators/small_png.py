"""Screenshots as small files: at most 256 colours, written as an indexed PNG.

Pages have few colours; most others are the soft edges of letters. Alike colours are joined, each group keeps the
colour that it has most of, so that grounds and text stay exact.
"""

import struct
import zlib
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

COLOURS_MAX: Final = 256
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


def shrink(packed: bytes, path: Path) -> None:
    """Write a picture as an indexed PNG.

    Args:
        packed: The picture in any format that OpenCV reads.
        path: File to write.
    """
    picture = cv2.imdecode(np.frombuffer(packed, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None, "the browser's picture cannot be read"
    rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint32)
    palette, index = _group((rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]).astype(np.uint32))
    height, width = index.shape
    colours = b"".join(struct.pack(">I", colour)[1:] for colour in palette.tolist())
    rows = np.hstack([np.zeros((height, 1), np.uint8), index])  # each row begins with its filter: none
    path.write_bytes(
        _SIGNATURE
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
        + _chunk(b"PLTE", colours)
        + _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9))
        + _chunk(b"IEND", b"")
    )


def _group(colours: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """The palette, and for each pixel its place there; low bits are ignored, one more at a time, until all fit."""
    found, place, count = np.unique(colours, return_inverse=True, return_counts=True)
    for ignored_bits in range(8):
        mask = (0xFF << ignored_bits) & 0xFF
        keys, group = np.unique(found & (mask << 16 | mask << 8 | mask), return_inverse=True)
        if len(keys) <= COLOURS_MAX:
            break
    palette = np.zeros(len(keys), np.uint32)
    palette[group[np.argsort(count)]] = found[np.argsort(count)]  # the last one written is the most frequent
    return palette, group[place].reshape(colours.shape).astype(np.uint8)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
