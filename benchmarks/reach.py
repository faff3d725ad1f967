"""From how far codes are read: ours against the decoder alone, and the shorter codes against the full one.

A phone draws every code as wide as its screen allows, so the shorter code has the wider modules. Rendered frames of a
720p camera in good, typical and hard handling; what counts is the smallest width in the picture from which on at
least 95 % of single frames are read. Width in pixels and distance are inversely proportional.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, partial
from math import radians, tan
from statistics import geometric_mean
from typing import Final

import cv2
import numpy as np
import segno

from benchmarks.forms import glare, motion
from benchmarks.held import FRAMES as LOOKS
from benchmarks.reading import BASELINE, grey_of, zxing
from benchmarks.result import Options, Outcome, Result
from edge.vision.filters import Picture
from edge.vision.passes import Views
from edge.vision.reader import Reader
from passes.gp1 import to_text
from simulators.cameras.pixels import Generator, array
from simulators.cameras.scene import HEIGHT_PX, WIDTH_PX, backgrounds, jpeg, noise_fields, tinted

ONE_CORE: Final = True
CODE_MM: Final = 60.0  # with its quiet zone, as a phone shows it
FOCAL_PX: Final = WIDTH_PX / 2 / tan(radians(70) / 2)  # a lens of 70 degrees
NOISE: Final = 4.0
FRAMES: Final = 20
MISSES_MAX: Final = 1  # of them: 95 %
STEP_PX: Final = 3
NARROW_PX, WIDE_PX = 60, 384
MODULE_PX: Final = 12  # in the drawing that is put into the scene
QUIET: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """How a code is held: blur and motion in pixels of the picture, glare as a share, turn in degrees.

    ``promised`` are the pixels a module that plain zxing-cpp was measured to need (a reference of ours, in steps of a
    quarter to a half pixel): ours must need no more.
    """

    name: str
    blur_px: float
    motion_px: float
    glare: float
    turn_deg: float
    promised: float


HANDLINGS: Final = (
    Handling(name="good", blur_px=0.6, motion_px=0.0, glare=0.0, turn_deg=8, promised=2.0),
    Handling(name="typical", blur_px=0.9, motion_px=2.0, glare=0.0, turn_deg=10, promised=3.0),
    Handling(name="hard", blur_px=1.3, motion_px=4.0, glare=0.25, turn_deg=12, promised=4.3),
)


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


def run(options: Options) -> list[Outcome]:
    """Find the reach of each kind in each handling, by each reader; one promise is about the mean of the short code."""
    cv2.setNumThreads(1)
    kinds = (FULL, PRINTED) if options.quick else KINDS
    handlings = HANDLINGS[:1] if options.quick else HANDLINGS
    outcomes: list[Outcome] = []
    found: dict[tuple[Kind, str], int] = {}
    for handling in handlings:
        for kind in kinds:
            shown = Shown(kind, handling)
            width_px, held_px, plain_px = (least_width_px(shown, reads) for reads in (once, held_up, plainly))
            found[kind, handling.name] = width_px
            outcomes += _of_kind(kind, handling, width_px, held_px, plain_px)
    if options.quick:
        return outcomes
    means = {kind: geometric_mean([found[kind, one.name] for one in HANDLINGS]) for kind in KINDS}
    promise = _against_full(SHORT, "mean of these", means[SHORT], means[FULL])
    each = [
        _against_full(SHORT, one.name, found[SHORT, one.name], found[FULL, one.name]) for one in HANDLINGS
    ]
    return [*outcomes, *each, replace(promise, ratio_min=GAIN_MIN)]


def _of_kind(kind: Kind, handling: Handling, width_px: int, held_px: int, plain_px: int) -> list[Outcome]:
    """How wide its modules must be: once seen, held up, and against what is promised."""
    needs = f"{kind.name}, {handling.name}: px a module for 95 %"
    against_plain = partial(Result, unit="px", baseline=BASELINE, baseline_value=plain_px / kind.modules)
    outcomes: list[Outcome] = [
        against_plain(name=f"{needs} of single frames", value=width_px / kind.modules),
        against_plain(name=f"{needs}, held up", value=held_px / kind.modules),
    ]
    if kind is SHORT:
        return outcomes
    return [
        *outcomes,
        Result(
            name=f"{needs} of single frames: the promise, at {distance_cm(width_px):.0f} cm",
            value=width_px / kind.modules,
            unit="px",
            baseline="what is promised",
            baseline_value=handling.promised,
            ratio_max=1.0,
        ),
    ]


def _against_full(kind: Kind, when: str, width_px: float, full_px: float) -> Result:
    return Result(
        name=f"reach of the {kind.name}, {when}",
        value=distance_cm(width_px),
        unit="cm",
        baseline=f"the {FULL.name}, as wide",
        baseline_value=distance_cm(full_px),
    )


def distance_cm(width_px: float) -> float:
    """Where a code of ``CODE_MM`` is so wide in the picture."""
    return FOCAL_PX * CODE_MM / width_px / 10


@dataclass(slots=True)
class Shown:
    """Frames of a kind of code in one handling: the same ones for every reader, drawn when they are wanted."""

    kind: Kind
    handling: Handling
    _frames: dict[tuple[int, int], tuple[str, Picture]] = field(default_factory=dict)

    def frame(self, width_px: int, number: int) -> tuple[str, Picture]:
        """The text that is shown, and the frame with a code of that width."""
        key = width_px, number
        if key not in self._frames:
            chance = random.Random(f"{self.kind.name} {self.handling.name} {width_px} {number}")
            text, code = self.kind.drawn(chance)
            rng = np.random.default_rng(chance.randrange(2**32))
            packed = frame(code, width_px, self.handling, rng, number)
            self._frames[key] = text, packed
        text, packed = self._frames[key]
        return text, array(cv2.imdecode(packed, cv2.IMREAD_COLOR))


Reads = Callable[[Picture, int], set[str]]


def once(picture: Picture, number: int) -> set[str]:
    """A live reader's first look."""
    return _looked(Reader(live=True, turn=number), picture)


def held_up(picture: Picture, number: int) -> set[str]:
    """Up to twelve looks of a live reader, each with another late pass."""
    reader, found = Reader(live=True, turn=number), set[str]()
    for _ in range(LOOKS):
        found |= _looked(reader, picture)
        if found:
            break
    return found


def plainly(picture: Picture, number: int) -> set[str]:
    """The decoder's default call."""
    return zxing(full=True)(picture, number)


def _looked(reader: Reader, picture: Picture) -> set[str]:
    return {code.text for code in reader.look(Views(grey_of(picture), lambda: picture)).codes}


def least_width_px(shown: Shown, reads: Reads) -> int:
    """The smallest width, with quiet zone, at which 95 % of the frames are read; halving finds it."""
    misses, enough = NARROW_PX, WIDE_PX
    assert reads_well(shown, reads, enough), f"{shown.kind.name} is not read at {enough} px"
    while enough - misses > STEP_PX:
        middle = (misses + enough) // 2
        if reads_well(shown, reads, middle):
            enough = middle
        else:
            misses = middle
    return enough


def reads_well(shown: Shown, reads: Reads, width_px: int) -> bool:
    """Whether 95 % of the frames are read, each of another code, held differently."""
    missed = 0
    for number in range(FRAMES):
        text, picture = shown.frame(width_px, number)
        found = reads(picture, number)
        assert found <= {text}, f"{found} was read, {text} shown"
        missed += text not in found
        if missed > MISSES_MAX:
            return False
    return True


def frame(code: Picture, width_px: float, held: Handling, rng: Generator, number: int) -> Picture:
    """One 1280 x 720 frame as a camera's JPEG: the code turned and a little tilted, blur, motion, glare and noise."""
    side = code.shape[0]
    scale = width_px / side
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float64)
    away = (corners - side / 2) * scale * (1 + rng.uniform(-0.03, 0.03, (4, 1)))
    turn = np.deg2rad(rng.uniform(-held.turn_deg, held.turn_deg))
    cos, sin = np.cos(turn), np.sin(turn)
    margin = width_px * 0.6
    at = [rng.uniform(margin, WIDTH_PX - margin), rng.uniform(margin, HEIGHT_PX - margin)]
    target = away @ np.array([[cos, sin], [-sin, cos]]) + np.array(at)
    warp = cv2.getPerspectiveTransform(corners.astype(np.float32), target.astype(np.float32))
    lit = glare(code, held.glare, rng) if held.glare else code
    smooth = cv2.GaussianBlur(lit, (0, 0), 0.35 / scale)  # a pixel of the sensor is not a point
    size = (WIDTH_PX, HEIGHT_PX)
    shown = cv2.warpPerspective(smooth, warp, size, flags=cv2.INTER_LINEAR)[..., None]
    cover = cv2.warpPerspective(np.full_like(code, 255), warp, size, flags=cv2.INTER_LINEAR)[..., None]
    scene = np.where(cover > 127, shown, behind(number))
    seen = cv2.GaussianBlur(scene, (0, 0), held.blur_px)
    if held.motion_px:
        seen = cv2.filter2D(seen, -1, motion(held.motion_px, rng))
    grain = np.roll(noise(), int(rng.integers(HEIGHT_PX)), axis=0)
    lighter = seen.astype(np.float32) * rng.uniform(0.75, 1.1)
    taken = np.clip(lighter + NOISE * grain[..., None], 0, 255).astype(np.uint8)
    return np.frombuffer(jpeg(array(taken)), np.uint8)


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
