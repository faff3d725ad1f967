"""What the children of a scan are called, and what their answers hold; nothing here loads what looks at pixels."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from edge.vision.advice import KnownBy, Size, shortest_px
from edge.vision.nursery import KINDS as NURSERY_KINDS

KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "file": "edge.vision.scan_process:look_at_files",
        "mounting": "edge.vision.scan_process:look_at_camera",
        "film": "edge.vision.scan_film_process:main",
        "capture": NURSERY_KINDS["capture"],
    }
)
READ_MS: Final = "read_ms"


def size_of(
    what: str, number: int, corners: tuple[tuple[float, float], ...], figures: Mapping[str, float]
) -> Size:
    """The size of one code, out of what the child answered.

    Args:
        what: ``code`` or ``place``.
        number: Its place among those.
        corners: Likewise.
        figures: ``Seen.measured``.
    """
    for known_by in KnownBy:
        modules = figures.get(f"{what} {number} {known_by}")
        if modules is not None and modules >= 1:
            return Size(side_px=shortest_px(corners), modules=round(modules), known_by=known_by)
    return Size(side_px=shortest_px(corners))
