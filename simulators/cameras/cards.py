"""Draws the pass flat: on the screen of a phone, or printed on a slip of paper."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import segno

from simulators.cameras.look import Colour, Ink, Look
from simulators.cameras.pixels import Generator, Picture, clipped

MODULE_PX: Final = 9  # the pass is drawn this large, then shrunk into the scene
_QUIET_MODULES: Final = 4
_WHITE: Final = (255, 255, 255)
_INKS: Final = {  # BGR
    Ink.BLACK: (20, 20, 20),
    Ink.GREEN: (0, 170, 0),
    Ink.BLUE: (220, 60, 0),
    Ink.RED: (0, 0, 220),
}
_FRAMES: Final = {Colour.GREEN: (80, 160, 30), Colour.BLUE: (215, 105, 25)}
_WORDS: Final = {Colour.GREEN: "GREEN", Colour.BLUE: "BLUE"}
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True, slots=True)
class Card:
    """What is held up, drawn flat: its picture, and where its code is, as top left (x, y) and side in pixels."""

    picture: Picture
    code_at: tuple[int, int]
    code_px: int


def draw_code(text: str, look: Look) -> Picture:
    """The bare code with its quiet zone, 9 pixels a module, BGR."""
    made = segno.make_qr(text, error=look.ecc, boost_error=False)
    modules = np.array([[bool(module) for module in row] for row in made.matrix], dtype=bool)
    modules = np.pad(modules, _QUIET_MODULES)
    dark, light = np.array(_INKS[look.ink], np.uint8), np.array((250, 250, 250), np.uint8)
    if look.inverted:
        dark, light = light, dark
    picture = np.where(modules[..., None], dark, light)
    return np.ascontiguousarray(picture.repeat(MODULE_PX, axis=0).repeat(MODULE_PX, axis=1), dtype=np.uint8)


def phone(code: Picture, look: Look) -> Card:
    """A phone with the pass on its screen."""
    side = code.shape[0]
    frame, bezel = side // 7, side // 22
    width = side + 2 * (frame + bezel)
    height = int(width * 2.05)
    card = np.full((height, width, 3), 24, np.uint8)
    screen = card[bezel : height - bezel, bezel : width - bezel]
    screen[:] = (248, 248, 248)
    colour = _FRAMES[look.colour]
    bar = side // 12
    cv2.putText(
        card, "10:24", (bezel + bar // 2, bezel + bar), _FONT, side / 900, (60, 60, 60), 2, cv2.LINE_AA
    )
    cv2.circle(card, (width // 2, bezel + bar // 2 + 6), bar // 4, (30, 30, 30), -1, cv2.LINE_AA)
    top = bezel + 2 * bar
    bottom = top + side + 2 * frame + side // 4
    cv2.rectangle(card, (bezel, top), (width - bezel, bottom), colour, -1)
    x, y = bezel + frame, top + frame
    card[y : y + side, x : x + side] = code
    _centred(card, _WORDS[look.colour], baseline=bottom - side // 9, size=side / 190, thick=side // 40)
    for line, (left, right) in enumerate(((0.2, 0.8), (0.3, 0.7), (0.25, 0.75), (0.35, 0.65))):
        at = bottom + side // 6 + line * side // 9
        cv2.line(
            card, (int(left * width), at), (int(right * width), at), (190, 190, 190), side // 30, cv2.LINE_AA
        )
    return Card(card, (x, y), side)


def paper(code: Picture, look: Look, rng: Generator) -> Card:
    """A printed slip: a coloured strip with a word, the code, lines of text, a fold."""
    side = code.shape[0]
    width, strip = int(side * 1.3), side // 5
    height = int(side * 1.85)
    slip = np.full((height, width, 3), (232, 240, 242), np.uint8)
    cv2.rectangle(slip, (0, 0), (width, strip), _FRAMES[look.colour], -1)
    _centred(
        slip, _WORDS[look.colour] + " PASS", baseline=strip - strip // 3, size=side / 330, thick=side // 80
    )
    x, y = (width - side) // 2, strip + side // 14
    slip[y : y + side, x : x + side] = np.minimum(code, np.uint8(240))
    for line in range(4):
        at = y + side + side // 12 + line * side // 10
        right = int(x + side * rng.uniform(0.5, 0.98))
        cv2.line(slip, (x, at), (right, at), (120, 120, 120), max(2, side // 70), cv2.LINE_AA)
    fold = y + side + side // 25
    shade = np.ones((height, 1, 1), np.float32)
    shade[fold:] = 0.93
    return Card(clipped(slip * shade), (x, y), side)


def rounded_mask(shape: tuple[int, ...], *, radius_px: int) -> Picture:
    """255 inside a card with round corners, 0 outside: (height, width)."""
    height, width = shape
    mask = np.zeros((height, width), np.uint8)
    cv2.rectangle(mask, (radius_px, 0), (width - radius_px - 1, height - 1), 255, -1)
    cv2.rectangle(mask, (0, radius_px), (width - 1, height - radius_px - 1), 255, -1)
    for x in (radius_px, width - radius_px - 1):
        for y in (radius_px, height - radius_px - 1):
            cv2.circle(mask, (x, y), radius_px, 255, -1, cv2.LINE_AA)
    return mask


def _centred(card: Picture, word: str, *, baseline: int, size: float, thick: int) -> None:
    (width, _), _ = cv2.getTextSize(word, _FONT, size, thick)
    at = ((card.shape[1] - width) // 2, baseline)
    cv2.putText(card, word, at, _FONT, size, _WHITE, thick, cv2.LINE_AA)
