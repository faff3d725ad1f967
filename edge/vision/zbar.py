"""The second opinion: zbar, through pyzbar, where both are installed. Without them there is none.

zbar reads some codes that zxing-cpp misses, and is a danger to a process that must live: its wrapper raises on codes
of a sequence, and old libraries of it end the process on some texts. So it is the last pass, every call is guarded,
and it belongs into a child process.
"""

import functools
from collections.abc import Callable
from typing import Any

from edge.vision.filters import Picture
from edge.vision.shot import Point

Corners = tuple[Point, Point, Point, Point]


@functools.cache
def decoder_of_zbar() -> Callable[[Picture], list[Any]] | None:
    """zbar's decoder for QR codes alone, or None where it is not installed."""
    try:
        from pyzbar import pyzbar  # noqa: PLC0415  # optional, and its import loads a shared library
    except (ImportError, OSError):  # the wheel alone raises ImportError: it brings no library
        return None
    return functools.partial(pyzbar.decode, symbols=[pyzbar.ZBarSymbol.QRCODE])


def second_opinion(grey: Picture) -> list[tuple[str, Corners]]:
    """Texts and corners that zbar finds in a grey picture; empty where it is missing, fails or found nothing.

    A text that is not UTF-8 is left out: our passes are ASCII, and guesses at other letters are not a reader's task.
    """
    decode = decoder_of_zbar()
    if decode is None:
        return []
    try:
        return [_found(code) for code in decode(grey) if _is_text(code.data)]
    except Exception:  # noqa: BLE001  # it raises ValueError on codes of a sequence; others are not known
        return []


def _is_text(data: bytes) -> bool:
    try:
        return bool(data.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _found(code: Any) -> tuple[str, Corners]:
    text: str = code.data.decode("utf-8")
    points = [(float(point.x), float(point.y)) for point in code.polygon]
    if len(points) != 4:
        box = code.rect
        left, top, right, bottom = box.left, box.top, box.left + box.width, box.top + box.height
        points = [(left, top), (right, top), (right, bottom), (left, bottom)]
    first, second, third, fourth = points
    return text, (first, second, third, fourth)
