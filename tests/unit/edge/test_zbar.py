"""The second opinion: what zbar reads, and that nothing it does ends a search."""

import numpy as np
import pytest
import segno

from edge.vision import zbar
from edge.vision.filters import Picture
from edge.vision.passes import LATE, Views, look
from edge.vision.reader import Reader

needs_zbar = pytest.mark.skipif(
    zbar.decoder_of_zbar() is None, reason="no zbar here: it wants the extra zbar, and Debian's libzbar0"
)


def picture_of(code: segno.QRCode, px: int = 6) -> Picture:
    modules = np.array([[bool(one) for one in row] for row in code.matrix])
    return np.where(np.pad(modules, 6).repeat(px, 0).repeat(px, 1), 0, 255).astype(np.uint8)


@needs_zbar
def test_a_code_is_read_with_its_corners() -> None:
    ((text, corners),) = zbar.second_opinion(picture_of(segno.make_qr("HELLO")))
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    assert text == "HELLO"
    assert (min(xs), min(ys)) == pytest.approx((36, 36), abs=4)
    assert (max(xs), max(ys)) == pytest.approx((36 + 126, 36 + 126), abs=4)


@needs_zbar
def test_a_code_of_a_sequence_on_which_the_library_raises_is_no_opinion() -> None:
    parts = segno.make_sequence("A SEQUENCE OF CODES " * 3, symbol_count=2, version=None)
    assert [zbar.second_opinion(picture_of(part)) for part in parts] == [[], []]
    assert Reader(deep=True).read(picture_of(parts[0])) is not None


@needs_zbar
def test_a_text_that_is_no_text_is_left_out() -> None:
    for raw in (b"\xff\xfe\x80\x81", b"\x0e\x0f\x0e"):
        found = zbar.second_opinion(picture_of(segno.make_qr(raw, mode="byte")))
        assert all(isinstance(text, str) and text for text, _ in found)


@needs_zbar
def test_the_late_pass_gives_corners_of_the_whole_picture() -> None:
    large = picture_of(segno.make_qr("HELLO"), px=40)
    assert max(large.shape) > 640
    hits = [code for each in LATE for code in each(Views(large))[0] if code.how == "zbar"]
    assert [code.text for code in hits] == ["HELLO"]
    assert hits[0].corners[0] == pytest.approx((240, 240), abs=30)


def test_without_the_library_there_is_no_opinion_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zbar, "decoder_of_zbar", lambda: None)
    assert zbar.second_opinion(picture_of(segno.make_qr("HELLO"))) == []
    assert [code.text for code in look(0, "plain")(Views(picture_of(segno.make_qr("HELLO"))))[0]] == ["HELLO"]
