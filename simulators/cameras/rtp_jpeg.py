"""Cuts JPEG frames into RTP packets as RFC 2435 says: bytes in, packets out, no socket.

Baseline JPEGs in 4:2:0 or 4:2:2 with the standard Huffman tables, which is what OpenCV and most cameras make;
the quantization tables travel in the first packet of each frame.
"""

import struct
from collections.abc import Iterator
from typing import Final

PAYLOAD_TYPE: Final = 26  # RFC 3551: JPEG
CLOCK_HZ: Final = 90_000
FRAGMENT_BYTES: Final = 1400
SIDE_MAX_PX: Final = 2040  # one byte, in units of eight pixels
_TABLES_IN_BAND: Final = 255  # the Q of frames that bring their own tables
_SAMPLING: Final = {0x21: 0, 0x22: 1}  # of the first component: 4:2:2 and 4:2:0 -> RFC 2435 type
_DQT, _SOF0, _SOS, _DRI = 0xDB, 0xC0, 0xDA, 0xDD


class NoRtpJpegError(ValueError):
    """This JPEG cannot be sent by RFC 2435; the message says why."""


class JpegPackets:
    """The packets of one stream.

    Args:
        ssrc: Names the stream.
    """

    def __init__(self, ssrc: int) -> None:
        self._ssrc = ssrc
        self._sequence = 0

    def frame(self, jpeg: bytes, at_s: float) -> Iterator[bytes]:
        """One JPEG as packets, the last one marked.

        Raises:
            NoRtpJpegError: It is of a kind that RFC 2435 does not carry.
        """
        kind, width, height, tables, scan = _taken_apart(jpeg)
        stamp = int(at_s * CLOCK_HZ) & 0xFFFFFFFF
        quantization = struct.pack(">BBH", 0, 0, len(tables)) + tables
        for offset in range(0, len(scan), FRAGMENT_BYTES):
            piece = scan[offset : offset + FRAGMENT_BYTES]
            marker = 0x80 if offset + FRAGMENT_BYTES >= len(scan) else 0
            head = struct.pack(
                ">BBHII", 0x80, marker | PAYLOAD_TYPE, self._sequence, stamp, self._ssrc
            ) + struct.pack(">IBBBB", offset, kind, _TABLES_IN_BAND, width // 8, height // 8)
            self._sequence = (self._sequence + 1) & 0xFFFF
            yield head + (quantization if offset == 0 else b"") + piece


def _taken_apart(jpeg: bytes) -> tuple[int, int, int, bytes, bytes]:
    """(type of RFC 2435, width, height, both quantization tables, entropy-coded data)."""
    tables: dict[int, bytes] = {}
    kind, width, height, at = -1, 0, 0, 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF:
        marker, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        body = jpeg[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == _DQT:
            for begin in range(0, len(body), 65):
                tables[body[begin] & 0x0F] = body[begin + 1 : begin + 65]
        elif marker == _SOF0:
            height, width = struct.unpack(">HH", body[1:5])
            if body[5] != 3 or body[7] not in _SAMPLING:
                raise NoRtpJpegError("neither 4:2:0 nor 4:2:2 in three components")
            kind = _SAMPLING[body[7]]
        elif marker == _DRI and any(body):
            raise NoRtpJpegError("it has restart markers")
        elif marker == _SOS:
            end = jpeg.rfind(b"\xff\xd9")
            if kind < 0 or len(tables) != 2 or max(width, height) > SIDE_MAX_PX or width % 8 or height % 8:
                raise NoRtpJpegError(f"{width} x {height} pixels with {len(tables)} tables")
            return kind, width, height, tables[0] + tables[1], jpeg[at : end if end > at else len(jpeg)]
    raise NoRtpJpegError("no baseline JPEG")
