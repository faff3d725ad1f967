"""A pass as a picture, by the QR library that centres install; how it looks is ``shell.pass_picture``'s part."""

from collections.abc import Iterable
from datetime import tzinfo

import segno

from shell.pass_picture import Names, PassPicture, Surface, in_half_blocks, picture_of, with_quiet_zone

__all__ = ["Names", "PassPicture", "Surface", "draw", "link_in_terminal"]


def draw(
    text: str,
    *,
    zone: tzinfo,
    surface: Surface = Surface.PAPER,
    names: Names = Names(),
) -> PassPicture:
    """The picture of a static pass; arguments and errors are those of ``picture_of``."""
    return picture_of(text, encode=_encode, zone=zone, surface=surface, names=names)


def link_in_terminal(url: str) -> str:
    """The code of a link, for a phone's own camera, in the half blocks of a pass."""
    code = segno.make(url, error=Surface.SCREEN.value, micro=False)
    return in_half_blocks(with_quiet_zone(code.matrix_iter(border=0)))


def _encode(text: str, level: str) -> Iterable[Iterable[int]]:
    code = segno.make(text, error=level, mode="alphanumeric", boost_error=False, micro=False, encoding=None)
    rows: Iterable[Iterable[int]] = code.matrix_iter(border=0)
    return rows
