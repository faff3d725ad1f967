"""A pass as a picture, by the QR library that centres install; how it looks is ``shell.pass_picture``'s part."""

from collections.abc import Iterable
from datetime import tzinfo

import segno

from shell.pass_picture import PassPicture, Surface, picture_of

__all__ = ["PassPicture", "Surface", "draw"]


def draw(text: str, *, zone: tzinfo, surface: Surface = Surface.PAPER) -> PassPicture:
    """The picture of a static pass; arguments and errors are those of ``picture_of``."""
    return picture_of(text, encode=_encode, zone=zone, surface=surface)


def _encode(text: str, level: str) -> Iterable[Iterable[int]]:
    code = segno.make(text, error=level, mode="alphanumeric", boost_error=False, micro=False, encoding=None)
    rows: Iterable[Iterable[int]] = code.matrix_iter(border=0)
    return rows
