"""From how far codes are read: the short and the printed code against the full rotating one, all of one width.

A phone draws every code as wide as its screen allows, so the shorter code has the wider modules. Rendered frames of a
720p camera, several degrees of blur; what counts is the smallest width in the picture from which on the reader
gets at least 95 % of single frames. Width in pixels and distance are inversely proportional.
"""

import random
from dataclasses import dataclass, replace
from functools import cache
from math import radians, tan
from statistics import geometric_mean
from typing import Final

import cv2
import numpy as np
import segno

from benchmarks.result import Options, Outcome, Result
from edge.vision.filters import Picture
from edge.vision.reader import Reader
from passes.gp1 import to_text
from simulators.cameras.pixels import Generator, array
from simulators.cameras.scene import HEIGHT_PX, WIDTH_PX, backgrounds, jpeg, noise_fields, tinted

ONE_CORE: Final = True
CODE_MM: Final = 60.0  # with its quiet zone, as a phone shows it
FOCAL_PX: Final = WIDTH_PX / 2 / tan(radians(70) / 2)  # a lens of 70 degrees
BLURS_PX: Final = (0.6, 0.9, 1.2)
NOISE: Final = 4.0
FRAMES: Final = 20
MISSES_MAX: Final = 1  # of them: 95 %
STEP_PX: Final = 2
NARROW_PX, WIDE_PX = 60, 252
MODULE_PX: Final = 12  # in the drawing that is put into the scene
QUIET: Final = 4


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of code: how many bytes it carries as a rule, and its error level."""

    name: str
    size: int
    level: str
    first: int

    def drawn(self, chance: random.Random) -> tuple[str, Picture]:
        """One such code: its text, and its picture with the quiet zone."""
        text = to_text(bytes([self.first]) + chance.randbytes(self.size - 1))
        made = segno.make_qr(text, error=self.level, mode="alphanumeric", boost_error=False)
        dark = np.array(list(made.matrix_iter(scale=MODULE_PX, border=QUIET)), np.uint8)
        return text, array(np.where(dark, 20, 235).astype(np.uint8))

    @property
    def modules(self) -> int:
        """Modules on a side, with the quiet zone."""
        return len(self.drawn(random.Random(0))[1]) // MODULE_PX


FULL: Final = Kind("full rotating code", 255, "L", 0x01)
SHORT: Final = Kind("short code", 77, "L", 0x02)
PRINTED: Final = Kind("printed pass", 140, "M", 0x84)
KINDS: Final = (FULL, SHORT, PRINTED)
GAIN_MIN: Final = 1.4  # of the short code: "about one and a half times as far"


def run(_: Options) -> list[Outcome]:
    """Find the reach of each kind at each blur; the promise is about their mean."""
    cv2.setNumThreads(1)
    found = {(kind, blur_px): least_width_px(kind, blur_px) for kind in KINDS for blur_px in BLURS_PX}
    each = [
        _result(kind, f"blur {blur_px} px", found[kind, blur_px], found[FULL, blur_px])
        for kind in (SHORT, PRINTED)
        for blur_px in BLURS_PX
    ]
    means = {kind: geometric_mean([found[kind, blur_px] for blur_px in BLURS_PX]) for kind in KINDS}
    promise = _result(SHORT, "mean of these", means[SHORT], means[FULL])
    return [*each, replace(promise, ratio_min=GAIN_MIN)]


def _result(kind: Kind, when: str, width_px: float, full_px: float) -> Result:
    return Result(
        name=f"reach of the {kind.name}, {when} ({width_px / kind.modules:.1f} px a module)",
        value=distance_cm(width_px),
        unit="cm",
        baseline=f"the {FULL.name}, as wide ({full_px / FULL.modules:.1f} px a module)",
        baseline_value=distance_cm(full_px),
    )


def distance_cm(width_px: float) -> float:
    """Where a code of ``CODE_MM`` is so wide in the picture."""
    return FOCAL_PX * CODE_MM / width_px / 10


def least_width_px(kind: Kind, blur_px: float) -> int:
    """The smallest width, with quiet zone, at which the reader gets 95 % of the frames; halving finds it."""
    misses, reads = NARROW_PX, WIDE_PX
    assert reads_well(kind, reads, blur_px), f"{kind.name} is not read at {reads} px"
    while reads - misses > STEP_PX:
        middle = (misses + reads) // 2
        if reads_well(kind, middle, blur_px):
            reads = middle
        else:
            misses = middle
    return reads


def reads_well(kind: Kind, width_px: int, blur_px: float) -> bool:
    """Whether a live reader gets 95 % of single frames, each of another code, held differently."""
    chance = random.Random(f"{kind.name} {width_px} {blur_px}")
    rng = np.random.default_rng(chance.randrange(2**32))
    reader, missed = Reader(live=True), 0
    for number in range(FRAMES):
        text, code = kind.drawn(chance)
        found = {one.text for one in reader.read(frame(code, width_px, blur_px, rng, number))}
        assert found <= {text}, f"{found} was read, {text} shown"
        missed += text not in found
        if missed > MISSES_MAX:
            return False
    return True


def frame(code: Picture, width_px: float, blur_px: float, rng: Generator, number: int) -> Picture:
    """One 1280 x 720 frame of the camera, as it arrives: JPEG, noise, blur; the code turned and a little tilted."""
    side = code.shape[0]
    scale = width_px / side
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float64)
    away = (corners - side / 2) * scale * (1 + rng.uniform(-0.03, 0.03, (4, 1)))
    turn = np.deg2rad(rng.uniform(-8, 8))
    cos, sin = np.cos(turn), np.sin(turn)
    margin = width_px * 0.6
    at = [rng.uniform(margin, WIDTH_PX - margin), rng.uniform(margin, HEIGHT_PX - margin)]
    target = away @ np.array([[cos, sin], [-sin, cos]]) + np.array(at)
    warp = cv2.getPerspectiveTransform(corners.astype(np.float32), target.astype(np.float32))
    smooth = cv2.GaussianBlur(code, (0, 0), 0.35 / scale)  # a pixel of the sensor is not a point
    size = (WIDTH_PX, HEIGHT_PX)
    shown = cv2.warpPerspective(smooth, warp, size, flags=cv2.INTER_LINEAR)[..., None]
    cover = cv2.warpPerspective(np.full_like(code, 255), warp, size, flags=cv2.INTER_LINEAR)[..., None]
    scene = np.where(cover > 127, shown, behind(number))
    seen = cv2.GaussianBlur(scene, (0, 0), blur_px).astype(np.float32) * rng.uniform(0.75, 1.1)
    grain = np.roll(noise(), int(rng.integers(HEIGHT_PX)), axis=0)
    taken = np.clip(seen + NOISE * grain[..., None], 0, 255).astype(np.uint8)
    return array(cv2.imdecode(np.frombuffer(jpeg(array(taken)), np.uint8), cv2.IMREAD_COLOR))


@cache
def noise() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """A field of sensor noise of strength 1."""
    return noise_fields(np.random.default_rng(1), fields=1)[0]


def behind(number: int) -> Picture:
    """A street or lobby behind the code."""
    photographs = backgrounds()
    return _tinted(number % len(photographs))


@cache
def _tinted(place: int) -> Picture:
    return tinted(backgrounds()[place], np.random.default_rng(place))
