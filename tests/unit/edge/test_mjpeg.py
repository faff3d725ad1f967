"""Cutting pictures out of a multipart stream."""

import pytest

from edge.vision.mjpeg import HEAD_BYTES_MAX, PART_BYTES_MAX, MultipartJpegs


def part(picture: bytes, *, length: bool = True, boundary: bytes = b"frame", end: bytes = b"\r\n") -> bytes:
    head = b"--" + boundary + end + b"Content-Type: image/jpeg" + end
    head += b"Content-Length: %d" % len(picture) + end if length else b""
    return head + end + picture + end


def picture(number: int) -> bytes:
    return b"\xff\xd8\xff\xe0 picture %d --fram \r\n\r\n \xff\xd9" % number


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_every_picture_comes_out_whole(length: bool, end: bytes) -> None:
    stream = b"".join(part(picture(number), length=length, end=end) for number in range(3)) + b"--frame"
    found = MultipartJpegs("frame").feed(stream)
    assert [one.rstrip(b"\r\n") for one in found] == [picture(0), picture(1), picture(2)]


@pytest.mark.parametrize("boundary", ["frame", "--frame", '"frame"'])
def test_the_boundary_is_taken_with_and_without_its_dashes(boundary: str) -> None:
    assert MultipartJpegs(boundary).feed(part(picture(1))) == [picture(1)]


def test_a_length_may_hide_a_boundary_inside_a_picture() -> None:
    tricky = b"\xff\xd8\xff --frame\r\n\r\n --frame \xff\xd9"
    assert MultipartJpegs("frame").feed(part(tricky)) == [tricky]


def test_parts_that_are_no_pictures_are_skipped() -> None:
    jpegs = MultipartJpegs("frame")
    assert jpegs.feed(part(b"<html>") + b"noise" + part(picture(2))) == [picture(2)]


def test_a_part_of_impossible_length_is_passed_over() -> None:
    jpegs = MultipartJpegs("frame")
    endless = b"--frame\r\nContent-Length: 999999999\r\n\r\n\xff\xd8"
    assert jpegs.feed(endless + part(picture(3))) == [endless[-2:], picture(3)]


def test_garbage_does_not_fill_the_memory() -> None:
    jpegs = MultipartJpegs("frame")
    for _ in range(40):
        jpegs.feed(b"\x00" * 1_000_000)
    for _ in range(40):
        jpegs.feed(b"--frame\r\nno end of head ")
    jpegs.feed(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n")
    for _ in range(20):
        jpegs.feed(b"\x01" * 1_000_000)
    assert len(jpegs._buffer) <= PART_BYTES_MAX + HEAD_BYTES_MAX + 1_000_000
    assert jpegs.feed(b"\r\n" + part(picture(4)))[-1:] == [picture(4)]
