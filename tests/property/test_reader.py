"""Nothing that can be put before a camera stops the reader."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge.vision.filters import Picture
from edge.vision.picture import PictureError, decode
from edge.vision.picture_size import size_px
from edge.vision.reader import Reader

SHAPES = st.one_of(
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=70),
    st.tuples(st.integers(0, 70), st.integers(0, 70), st.sampled_from([1, 2, 3, 4])),
)


@settings(max_examples=60, deadline=None)
@given(SHAPES.flatmap(lambda shape: hnp.arrays(np.uint8, shape)), st.booleans())
def test_any_picture_gives_a_list(picture: Picture, live: bool) -> None:
    assert isinstance(Reader(live=live, deep=not live).read(picture), list)


HEADS = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"RIFF0000WEBPVP8X", b"RIFF0000WEBPVP8L"]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(HEADS), st.binary(max_size=200))
def test_any_bytes_are_a_picture_or_a_clear_refusal(head: bytes, rest: bytes) -> None:
    try:
        picture = decode(head + rest)
    except PictureError as error:
        assert str(error)
    else:
        assert size_px(head + rest) is not None
        assert picture.dtype == np.uint8
