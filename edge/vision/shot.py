"""What goes from a camera to its eye, and what comes back: plain values, no pixels are looked at here.

EyeError    the eye gave no answer for this shot; another has taken its place, or will
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Point = tuple[float, float]


class EyeError(Exception):
    """The process that reads pictures hung, died or could not be had; the message says which."""


class Pixels(StrEnum):
    """How the bytes of a shot are to be understood."""

    JPEG = "jpeg"
    GREY = "grey"
    BGR = "bgr"


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture as the camera gave it.

    Attributes:
        pixels: What ``data`` holds.
        data: A whole JPEG, or height x width (x 3) bytes.
        at_s: When it arrived, monotonic seconds.
        width: In pixels; 0 for a JPEG, whose header says it.
        height: Likewise.
    """

    pixels: Pixels
    data: bytes | memoryview
    at_s: float
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class Region:
    """The part of the picture that belongs to the lane, as fractions of width and height, 0 to 1."""

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the eye is asked to do with one shot.

    Attributes:
        read: Look for codes.
        preview_px: Longest side of a JPEG to send back; 0 for none.
        measure: Also measure sharpness and light, for whoever mounts the camera.
        region: Only this part is read.
    """

    read: bool = True
    preview_px: int = 0
    measure: bool = False
    region: Region = field(default_factory=Region)


@dataclass(frozen=True, slots=True)
class Decoded:
    """One code that was read.

    Attributes:
        text: What the code says, control characters unchanged.
        corners: Its four corners in pixels of the whole picture, clockwise from the code's own top left.
        how: The pass that read it, for measurements.
    """

    text: str
    corners: tuple[Point, Point, Point, Point]
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the eye saw in one shot.

    Attributes:
        at_s: The shot's own time, monotonic seconds.
        codes: Each text once.
        located: Corners of what looks like a code and could not be read.
        width: Of the picture, in pixels.
        height: Likewise.
        digest: Of the very pixels: equal for two shots only if they show the same, bit for bit.
        light: Mean grey level, 0 to 255.
        contrast: Between the 5th and the 95th percentile of grey, 0 to 255: near 0 for a black or covered lens.
        quiet: The scene was the settled background, so that only a part of the search was made.
        cpu_ms: Processor time of all of it.
        preview: A JPEG, or None.
        measured: Figures by name, where they were asked for.
    """

    at_s: float
    codes: tuple[Decoded, ...] = ()
    located: tuple[tuple[Point, ...], ...] = ()
    width: int = 0
    height: int = 0
    digest: int = 0
    light: float = 0.0
    contrast: float = 0.0
    quiet: bool = False
    cpu_ms: float = 0.0
    preview: bytes | None = None
    measured: Mapping[str, float] = field(default_factory=dict)
