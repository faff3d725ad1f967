"""Pictures with a code, small ones, and damaged ones from a seed."""

import random
import struct
import zlib
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import segno

from edge.vision.shot import Pixels, Shot

Picture = npt.NDArray[np.uint8]
_PNG_BEGINS: Final = 8


def card(text: str, *, width: int = 320, height: int = 240, at: tuple[int, int] = (20, 20)) -> Picture:
    """(height, width) grey, with the code of ``text`` at ``at`` (x, y), three pixels a module."""
    modules = np.array([[bool(one) for one in row] for row in segno.make_qr(text).matrix])
    modules = np.pad(modules, 4).repeat(3, axis=0).repeat(3, axis=1)
    picture = np.full((height, width), 235, np.uint8)
    x, y = at
    picture[y : y + modules.shape[0], x : x + modules.shape[1]] = np.where(modules, 20, 235)
    return picture


def jpeg(picture: Picture, *, progressive: bool = False) -> bytes:
    """As a camera sends it."""
    flags = (cv2.IMWRITE_JPEG_QUALITY, 85, cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive))
    return bytes(cv2.imencode(".jpg", picture, flags)[1].tobytes())


def png(picture: Picture) -> bytes:
    """Without loss."""
    return bytes(cv2.imencode(".png", picture)[1].tobytes())


def shot(data: bytes, at_s: float = 1.0) -> Shot:
    """An encoded picture as a shot."""
    return Shot(Pixels.JPEG, data, at_s)


def grey_shot(picture: Picture, at_s: float = 1.0) -> Shot:
    """Raw pixels as a shot."""
    return Shot(Pixels.GREY, picture.tobytes(), at_s, picture.shape[1], picture.shape[0])


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk with its right checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int, *, depth: int = 8, colour: int = 0) -> bytes:
    """The beginning of a PNG that says it has this size."""
    return b"\x89PNG\r\n\x1a\n" + png_chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    )


def png_bomb(width: int, height: int, *, depth: int, colour: int) -> bytes:
    """A PNG of a few kB whose one colour fills the whole size."""
    line = 1 + width * {0: 1, 2: 3, 6: 4}[colour] * depth // 8
    packer = zlib.compressobj(1)
    packed = b"".join([packer.compress(bytes(line)) for _ in range(height)] + [packer.flush()])
    whole = png_header(width, height, depth=depth, colour=colour)
    return whole + png_chunk(b"IDAT", packed) + png_chunk(b"IEND", b"")


def jpeg_of_size(data: bytes, width: int, height: int) -> bytes:
    """The same JPEG, whose header says another size."""
    at = next(at for at in (data.find(bytes([0xFF, kind])) for kind in (0xC0, 0xC2)) if at >= 0)
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def mutated(seeds: list[bytes], rng: random.Random) -> bytes:
    """One of ``seeds``, damaged in one of six ways."""
    data = bytearray(rng.choice(seeds))
    match rng.randrange(6):
        case 0:
            for _ in range(rng.choice((1, 4, 40))):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case 1:
            del data[rng.randrange(len(data)) :]
        case 2:
            other = rng.choice(seeds)
            data[rng.randrange(len(data)) :] = other[rng.randrange(len(other)) :]
        case 3:
            for _ in range(rng.choice((1, 8))):
                data[rng.randrange(2, min(len(data), 600))] = rng.randrange(256)
        case 4:
            data = bytearray(_other_size(bytes(data), rng))
        case _:
            at = rng.randrange(len(data))
            data[at:at] = rng.randbytes(rng.choice((1, 64, 4096)))
    return _checked_again(bytes(data)) if rng.random() < 0.5 else bytes(data)


def _other_size(data: bytes, rng: random.Random) -> bytes:
    width, height = (rng.choice((0, 1, 7, 319, 321, 3000, 65535)) for _ in range(2))
    if data.startswith(b"\x89PNG"):
        return data[:16] + struct.pack(">II", width, height) + data[24:]
    return jpeg_of_size(data, width, height)


def _checked_again(data: bytes) -> bytes:
    """A PNG whose checksums are right again, so that the damage gets past them; others as they are."""
    if not data.startswith(b"\x89PNG"):
        return data
    made, at = data[:_PNG_BEGINS], _PNG_BEGINS
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        made += png_chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + length])
        at += 12 + length
    return made + data[at:]
