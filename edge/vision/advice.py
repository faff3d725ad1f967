"""What figures of a camera mean in words, and what whoever mounts it does next. Pure; no picture is looked at.

Where the limits come from: docs/cameras.md, "Mounting".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from passes.gp1 import PREFIX
from passes.words import Pair

NEEDED_PX: Final = 4.5  # a module, for shaking hands, glare and motion; 3 is enough for still ones
ENOUGH_PX: Final = 3.0
DARK, BRIGHT = 45.0, 210.0  # mean grey level of 255
BURNT_SHARE: Final = 0.2  # of the picture that is pure white
COVERED_CONTRAST, LOW_CONTRAST = 12.0, 60.0
BLURRED, SOFT = 20.0, 60.0  # variance of the Laplacian; a focused lens shows hundreds
# What distances are told for: a code on a phone, and the lens of a common camera.
CODE_MM: Final = 45.0
LENS_DEGREES: Final = 65.0
SHOWN_CHARACTERS: Final = 24
FINER_PX: Final = 1920  # what a camera of 720p may be replaced by


class KnownBy(StrEnum):
    """Where a number of modules comes from, in the order of trust."""

    VERSION = "version"  # the decoder tells it of what it reads
    TIMING = "timing"  # counted on the code's timing pattern
    TEXT = "text"  # the text needs so many, and may have more


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a code is in the picture.

    Attributes:
        side_px: Its shortest side: along that one, modules are smallest.
        modules: From side to side; None when nothing tells.
        known_by: Likewise.
    """

    side_px: float
    modules: int | None = None
    known_by: KnownBy | None = None

    @property
    def module_px(self) -> float | None:
        """Pixels a module."""
        return None if self.modules is None else self.side_px / self.modules


def shortest_px(corners: Sequence[tuple[float, float]]) -> float:
    """The shortest side of what lies between the corners, in pixels."""
    if len(corners) < 2:
        return 0.0
    return min(math.dist(a, b) for a, b in zip(corners, (*corners[1:], corners[0]), strict=True))


def shortened(text: str) -> str:
    """A code's text as it may be shown, with nothing that a terminal obeys.

    Of a pass never the whole: whoever has that can enter.
    """
    if text.startswith(PREFIX):
        return f"{PREFIX}... {len(text)} characters"
    plain = ascii(text)[1:-1]
    return (
        plain if len(plain) <= SHOWN_CHARACTERS else f"{plain[:SHOWN_CHARACTERS]}... {len(text)} characters"
    )


def for_light(light: float, *, burnt: float) -> Pair:
    """The mean grey level in a word; ``burnt`` is the share of the picture that is pure white."""
    if light < DARK:
        return Pair("太暗", "too dark")
    if light > BRIGHT:
        return Pair("太亮", "too bright")
    if burnt > BURNT_SHARE:
        return Pair("部分过曝", "parts are burnt out")
    return Pair("合适", "good")


def for_contrast(contrast: float) -> Pair:
    """The contrast in a word."""
    if contrast < COVERED_CONTRAST:
        return Pair("几乎没有", "hardly any")
    return Pair("偏低", "low") if contrast < LOW_CONTRAST else Pair("合适", "good")


def for_sharpness(variance: float) -> Pair:
    """The variance of the Laplacian in a word."""
    if variance < BLURRED:
        return Pair("模糊", "blurred")
    return Pair("偏软", "soft") if variance < SOFT else Pair("清晰", "sharp")


def for_picture(light: float, contrast: float, sharpness: float, *, burnt: float) -> Pair | None:
    """What is to be done about the picture as a whole, the worst first; None when it is well."""
    if contrast < COVERED_CONTRAST:
        return Pair(
            "镜头被遮住或没有光：揭开镜头，打开灯", "The lens is covered, or there is no light: uncover it"
        )
    if light < DARK:
        return Pair("在访客一侧加灯，或加长曝光", "Add light on the visitor's side, or expose longer")
    if light > BRIGHT or burnt > BURNT_SHARE:
        return Pair("避开逆光和反光，或缩短曝光", "Turn away from glare and backlight, or expose shorter")
    if sharpness < BLURRED:
        return Pair("画面模糊：擦镜头，再对焦", "The picture is blurred: wipe the lens, then set its focus")
    return None


def distance_cm(side_px: float, width_px: int) -> float:
    """How far a code of 45 mm is from a lens of 65 degrees that draws it so wide."""
    seen_mm = CODE_MM * width_px / side_px
    return seen_mm / (2 * math.tan(math.radians(LENS_DEGREES / 2))) / 10


def for_size(size: Size, width_px: int) -> Pair:
    """Whether the code is large enough in the picture, and how near it has to come."""
    have = size.module_px
    if have is None or size.side_px <= 0:
        return Pair("看不出模块大小", "the size of its modules cannot be told")
    if have >= NEEDED_PX:
        return Pair(f"每模块 {have:.1f} 像素，足够", f"{have:.1f} px a module: enough")
    share = have / NEEDED_PX
    near_cm = distance_cm(size.side_px, width_px) * share
    finer = width_px < FINER_PX and have * FINER_PX / width_px >= NEEDED_PX
    still = have >= ENOUGH_PX
    zh = f"每模块需 {NEEDED_PX} 像素，现为 {have:.1f}{'（手稳时可读）' if still else ''}"
    en = f"{NEEDED_PX} px a module needed; you have {have:.1f}{' (still hands)' if still else ''}"
    zh += f"：靠近到 {near_cm:.0f} 厘米{'，或改用 1080p' if finer else ''}"
    en += f": come to {near_cm:.0f} cm{' or use 1080p' if finer else ''}"
    return Pair(zh, en)
