"""The multipart codec over any cutting of any stream."""

from hypothesis import given
from hypothesis import strategies as st

from edge.vision.mjpeg import MultipartJpegs

PIECES = st.lists(
    st.sampled_from(
        [
            b"--frame\r\n",
            b"Content-Length: 7\r\n",
            b"Content-Length: 70\r\n",
            b"\r\n",
            b"\xff\xd8\xff1234",
            b"noise",
            b"--fra",
        ]
    ),
    max_size=40,
).map(b"".join)


@given(PIECES)
def test_one_byte_at_a_time_gives_the_same_pictures(stream: bytes) -> None:
    slow = MultipartJpegs("frame")
    one_by_one = [found for at in range(len(stream)) for found in slow.feed(stream[at : at + 1])]
    assert one_by_one == MultipartJpegs("frame").feed(stream)


@given(st.binary(max_size=2000))
def test_a_whole_part_is_found_behind_any_noise_that_names_no_boundary(noise: bytes) -> None:
    stream = noise.replace(b"--frame", b"") + b"\r\n--frame\r\nContent-Length: 7\r\n\r\n\xff\xd8\xff1234"
    assert MultipartJpegs("frame").feed(stream) == [b"\xff\xd8\xff1234"]
