"""JPEG in RTP: each packet in bounds, and the frame whole again at the other end."""

import struct

import cv2
import numpy as np
import pytest

from simulators.cameras.rtp_jpeg import FRAGMENT_BYTES, JpegPackets, NoRtpJpegError


def jpeg(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], *flags: int) -> bytes:
    return bytes(cv2.imencode(".jpg", picture, flags)[1].tobytes())


def noise(height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(3).integers(0, 255, (height, width, 3)).astype(np.uint8)


def test_the_pieces_of_a_frame_make_its_scan_again() -> None:
    data = jpeg(noise(240, 320))
    packets = list(JpegPackets(ssrc=7).frame(data, 2.0))
    scan = b""
    for number, packet in enumerate(packets):
        first, marker, sequence, stamp, ssrc = struct.unpack(">BBHII", packet[:12])
        offset, kind, quality, width, height = struct.unpack(">IBBBB", packet[12:20])
        assert (first, marker & 0x7F, sequence, stamp, ssrc) == (0x80, 26, number, 180_000, 7)
        assert (marker >= 0x80) == (number == len(packets) - 1)
        assert (offset, kind, quality, width * 8, height * 8) == (len(scan), 1, 255, 320, 240)
        body = packet[20:]
        if offset == 0:
            assert body[:4] == struct.pack(">BBH", 0, 0, 128)
            assert body[4:68] in data
            assert body[68:132] in data
            body = body[132:]
        assert len(body) <= FRAGMENT_BYTES
        scan += body
    assert len(packets) > 10
    assert data.endswith(scan + b"\xff\xd9")


def test_sequence_numbers_go_on_over_frames() -> None:
    packets = JpegPackets(ssrc=7)
    data = jpeg(noise(64, 64))
    numbers = [struct.unpack(">H", packet[2:4])[0] for _ in range(3) for packet in packets.frame(data, 0.0)]
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize(
    "data",
    [
        b"no picture",
        jpeg(noise(64, 64)[:, :, 0]),
        jpeg(noise(60, 64)),
        jpeg(noise(64, 64), cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        jpeg(noise(64, 64), cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
        jpeg(noise(64, 64), cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
        jpeg(noise(8, 2048)),
    ],
    ids=["none", "grey", "odd size", "progressive", "restarts", "4:4:4", "wide"],
)
def test_what_the_rfc_does_not_carry_is_refused(data: bytes) -> None:
    with pytest.raises(NoRtpJpegError):
        list(JpegPackets(ssrc=7).frame(data, 0.0))
