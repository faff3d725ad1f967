"""The forms in which a code comes before a gate's camera: inks, screens, paper, glass, bent, aside, covered.

A form changes the drawing of the code, the plane that it lies in, or both. Drawn from the generator that is passed in.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import segno

from simulators.cameras.pixels import Generator, Picture, array, clipped

MODULE_PX: Final = 12  # of the drawing
QUIET: Final = 4  # modules
Colour = tuple[int, int, int]  # BGR
Kernel = npt.NDArray[np.float64]
Change = Callable[[Picture, Generator], Picture]

WHITE: Final = (245, 245, 245)
BLACK: Final = (20, 20, 20)
GREEN, BLUE, RED = (0, 215, 0), (230, 0, 0), (0, 0, 230)
SKIN: Final = (118, 148, 196)


def as_it_is(card: Picture, _: Generator) -> Picture:
    """Evenly lit and whole."""
    return card


def in_shadow(card: Picture, rng: Generator) -> Picture:
    """The edge of a shadow runs across, at any angle; what lies in it is a third as bright."""
    side = card.shape[0]
    ys, xs = np.mgrid[0:side, 0:side].astype(np.float32) / side - 0.5
    angle, off = rng.uniform(0, 2 * np.pi), rng.uniform(-0.2, 0.2)
    edge = (xs * np.cos(angle) + ys * np.sin(angle) - off) / 0.02
    return clipped(card * (0.33 + 0.67 / (1 + np.exp(-np.clip(edge, -30, 30))))[..., None])


def dim(card: Picture, rng: Generator) -> Picture:
    """A screen at its lowest light: a fifth of the white around, and reflections that lift its black."""
    return clipped(card * rng.uniform(0.16, 0.25) + rng.uniform(6, 14))


def cracked(card: Picture, rng: Generator) -> Picture:
    """Glass that was hit at one point: a dozen bright cracks of a third of a module, and splinters that moved."""
    side = card.shape[0]
    hit = rng.uniform(0.15, 0.85, 2) * side
    made = card.copy()
    angles = np.sort(rng.uniform(0, 2 * np.pi, 12))
    reach = 1.5 * side
    for one, other in zip(angles, np.roll(angles, -1), strict=True):
        corners = np.array([hit, *(hit + reach * np.array([np.cos(a), np.sin(a)]) for a in (one, other))])
        mask = np.zeros((side, side), np.uint8)
        cv2.fillConvexPoly(mask, corners.astype(np.int32), 255)
        across, down = rng.uniform(-0.2, 0.2, 2) * MODULE_PX
        move = np.array([[1, 0, across], [0, 1, down]], np.float32)
        shifted = cv2.warpAffine(card, move, (side, side), borderMode=cv2.BORDER_REPLICATE)
        made = array(np.where(mask[..., None] > 0, shifted, made))
    for angle in angles:
        bends = angle + np.cumsum(rng.uniform(-0.25, 0.25, 12))
        steps = np.stack([np.cos(bends), np.sin(bends)], axis=1) * side / 8
        points = hit + np.cumsum(np.vstack([np.zeros((1, 2)), steps]), axis=0)
        shade = int(rng.uniform(150, 235))
        for start, end in itertools.pairwise(points.astype(int).tolist()):
            cv2.line(made, start, end, (shade, shade, shade), MODULE_PX // 3, cv2.LINE_AA)
    return made


def bent(card: Picture, rng: Generator) -> Picture:
    """A slip of paper that bends in the hand: over 50 to 90 degrees."""
    return _around(card, np.deg2rad(rng.uniform(25, 45)))


def around_a_bottle(card: Picture, rng: Generator) -> Picture:
    """The code covers 100 to 120 degrees of it."""
    return _around(card, np.deg2rad(rng.uniform(50, 60)))


def _around(card: Picture, half: float) -> Picture:
    """On an upright cylinder, of which half the card covers so many radians, seen a little from above."""
    side = card.shape[0]
    across = np.linspace(-1, 1, side, dtype=np.float32)
    angle = np.arcsin(np.clip(across * np.sin(half), -1, 1)) / half
    xs = np.tile((angle + 1) / 2 * (side - 1), (side, 1)).astype(np.float32)
    sag = (1 - np.cos(angle * half)) * side * 0.06
    ys = (np.arange(side, dtype=np.float32)[:, None] - sag[None, :]).astype(np.float32)
    return array(cv2.remap(card, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def covered(card: Picture, rng: Generator) -> Picture:
    """A thumb lies on the corner that has no finder pattern, and over some modules."""
    side = card.shape[0]
    inner = side - 2 * QUIET * MODULE_PX
    corner = side - QUIET * MODULE_PX
    reach = inner * rng.uniform(0.10, 0.16)
    centre = (int(corner + reach * 0.2), int(corner + reach * 0.2))
    made = card.copy()
    skin = tuple(float(value) for value in np.array(SKIN) * rng.uniform(0.7, 1.05))
    cv2.circle(made, centre, int(reach), skin, -1, cv2.LINE_AA)
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How one code is drawn and held.

    Attributes:
        dark: Colour of its dark modules.
        light: Colour of the others, and of the quiet zone.
        change: What befalls the drawing.
        aside_deg: From how far aside it is seen.
        turned_deg: How far it is turned, beside what a hand turns.
    """

    dark: Colour = BLACK
    light: Colour = WHITE
    change: Change = as_it_is
    aside_deg: float = 0.0
    turned_deg: float = 0.0


FORMS: Final[Mapping[str, Form]] = MappingProxyType(
    {
        "black on white": Form(),
        "green on white": Form(dark=GREEN),
        "blue on white": Form(dark=BLUE),
        "red on white": Form(dark=RED),
        "white on green": Form(dark=WHITE, light=GREEN),
        "white on blue": Form(dark=WHITE, light=BLUE),
        "white on red": Form(dark=WHITE, light=RED),
        "white on black": Form(dark=WHITE, light=BLACK),
        "shadow across": Form(change=in_shadow),
        "dim screen": Form(change=dim),
        "cracked glass": Form(change=cracked),
        "bent paper": Form(change=bent),
        "around a bottle": Form(change=around_a_bottle),
        "45 degrees aside": Form(aside_deg=45),
        "turned by 45 degrees": Form(turned_deg=45),
        "partly covered": Form(change=covered),
    }
)


def drawn(text: str, level: str, form: Form, rng: Generator) -> Picture:
    """The code of a text in a form, with its quiet zone, 12 pixels a module, BGR."""
    made = segno.make_qr(text, error=level, boost_error=False)
    dark = np.array(list(made.matrix_iter(scale=MODULE_PX, border=QUIET)), np.uint8)
    return form.change(
        array(np.where(dark[..., None], np.array(form.dark, np.uint8), np.array(form.light, np.uint8))), rng
    )


def motion(length_px: float, rng: Generator) -> Kernel:
    """A line of that length at any angle, for ``cv2.filter2D``: how far a hand moves while the shutter is open."""
    reach = int(np.ceil(length_px / 2)) + 1
    angle = rng.uniform(0, np.pi)
    ys, xs = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    along, away = xs * np.cos(angle) + ys * np.sin(angle), ys * np.cos(angle) - xs * np.sin(angle)
    kernel = np.clip(length_px / 2 + 0.5 - np.abs(along), 0, 1) * np.clip(1 - np.abs(away), 0, 1)
    return np.asarray(kernel / kernel.sum())


def glare(card: Picture, strength: float, rng: Generator) -> Picture:
    """A streak of light across a screen, of that share of what is left to white."""
    side = card.shape[0]
    ys, xs = np.mgrid[0:side, 0:side].astype(np.float32) / side
    off, slope = rng.uniform(0.2, 0.8), rng.uniform(-1, 1)
    streak = strength * np.exp(-(((xs - off - slope * (ys - 0.5)) / 0.12) ** 2))
    return clipped(card + (255.0 - card) * (streak if card.ndim == 2 else streak[..., None]))
