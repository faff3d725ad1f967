"""How a code is shown to a rendered camera: medium, ink, colour, and how badly it is held and lit."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Medium(StrEnum):
    """What carries the code."""

    PHONE = "phone"
    PAPER = "paper"


class Ink(StrEnum):
    """Colour of the code's dark modules."""

    BLACK = "black"
    GREEN = "green"
    BLUE = "blue"
    RED = "red"


class Colour(StrEnum):
    """Colour of the pass: its broad frame and its word."""

    GREEN = "green"
    BLUE = "blue"


class Difficulty(StrEnum):
    """How badly it is held and lit."""

    EASY = "easy"
    TYPICAL = "typical"
    HARD = "hard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a code is shown."""

    medium: Medium = Medium.PHONE
    ink: Ink = Ink.BLACK
    colour: Colour = Colour.GREEN
    inverted: bool = False
    difficulty: Difficulty = Difficulty.TYPICAL

    @property
    def ecc(self) -> str:
        """Error level of the code: low on a screen, where fewer modules read best; the next on paper."""
        return "m" if self.medium is Medium.PAPER else "l"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """The numbers behind a difficulty: lengths in pixels of the camera's picture, angles in degrees."""

    module_px: tuple[float, float]
    turn_deg: float
    tilt: float
    blur_px: float
    motion_px: int
    gain: tuple[float, float]
    glare: float
    noise: float


# Sizes and blurs follow the measured reach of the decoder: about 2, 3 and 4.3 pixels a module are its limits.
HANDLING: Final = {
    Difficulty.EASY: Handling(
        module_px=(6.0, 7.0),
        turn_deg=5,
        tilt=0.03,
        blur_px=0.6,
        motion_px=1,
        gain=(0.9, 1.1),
        glare=0.0,
        noise=3,
    ),
    Difficulty.TYPICAL: Handling(
        module_px=(5.0, 6.2),
        turn_deg=10,
        tilt=0.07,
        blur_px=0.9,
        motion_px=2,
        gain=(0.75, 1.2),
        glare=0.12,
        noise=5,
    ),
    Difficulty.HARD: Handling(
        module_px=(4.8, 5.4),
        turn_deg=14,
        tilt=0.10,
        blur_px=1.3,
        motion_px=4,
        gain=(0.5, 1.3),
        glare=0.25,
        noise=8,
    ),
}
