"""Picture files: what is taken, and what is refused before it costs memory."""

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edge.vision.picture import PictureError, decode, load
from edge.vision.picture_size import size_px

BLOT = np.tile(np.arange(0, 240, 4, dtype=np.uint8), (40, 1))  # 40 high, 60 wide


def encoded(suffix: str, picture: npt.NDArray[Any] = BLOT) -> bytes:
    made, data = cv2.imencode(suffix, picture)
    assert made
    return data.tobytes()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp"])
def test_each_kind_is_read_and_its_header_tells_its_size(suffix: str) -> None:
    for picture in (BLOT, cv2.cvtColor(BLOT, cv2.COLOR_GRAY2BGR)):
        data = encoded(suffix, picture)
        assert size_px(data) == (60, 40)
        assert decode(data).shape[:2] == (40, 60)


def test_transparent_parts_are_white_and_deep_colours_are_cut_to_bytes() -> None:
    clear = np.zeros((40, 60, 4), np.uint8)
    clear[10:20, 10:20, 3] = 255
    seen = decode(encoded(".png", clear))
    assert (int(seen[0, 0, 0]), int(seen[15, 15, 0])) == (255, 0)
    assert decode(encoded(".png", np.full((40, 60), 0x8000, np.uint16))).max() == 0x80


def bomb(width: int, height: int) -> bytes:
    """A PNG of few bytes that says it has many pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + head
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a JPEG"),
        (b"GIF89a", "not a JPEG"),
        (b"<html>", "not a JPEG"),
        (bomb(60_000, 60_000), "60000 x 60000 pixels; the limit is 40 million"),
        (bomb(0, 10), "0 x 10 pixels"),
        (encoded(".jpg")[:60], "not a JPEG"),
        (encoded(".png")[:60], "damaged"),
    ],
)
def test_what_cannot_be_shown_says_why(data: bytes, why: str) -> None:
    with pytest.raises(PictureError, match=why):
        decode(data)


def test_a_missing_file_says_which(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"gone\.png cannot be read: No such file"):
        load(tmp_path / "gone.png")
