"""What a camera shows, second by second, for whoever mounts it: ``postern-edge camera test``.

Each report is a plain value; how it is shown is ``camera_test_words``.
"""

from collections import deque
from collections.abc import Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any, Final

from edge.vision.advice import Size, for_contrast, for_light, for_picture, for_sharpness, for_size, shortened
from edge.vision.camera import CameraSettings
from edge.vision.frames import shown
from edge.vision.nursery import Nursery
from edge.vision.scan_eyes import patient_eye
from edge.vision.scan_kinds import KINDS, size_of
from edge.vision.scan_streams import is_camera
from edge.vision.shot import EyeError, Seen, Wanted
from edge.vision.sources import open_when_ready
from passes.words import Pair
from shell.clock import Clock

RATE_OVER: Final = 25  # looks that the rate is told of
STILL_EVERY_S: Final = 0.2  # a file does not change by being looked at more often
PICTURE_PX: Final = 1920


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSeen:
    """One code in the picture: its text as it may be shown, None when it was only located; and how large it is."""

    text: str | None
    size: Size
    advice: Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One look.

    Attributes:
        at_s: Since the test began.
        width: Of the picture, in pixels.
        height: Likewise.
        looks_per_s: Pictures that were looked at, a second.
        light: Mean grey level, 0 to 255.
        contrast: Between the 5th and the 95th percentile of grey.
        sharpness: Variance of the Laplacian.
        burnt: Share of the picture that is pure white.
        codes: Those that were read, then those that were only located.
        cpu_ms: Processor time of the look.
        refused: What the camera was asked for and did not take.
        picture: A JPEG with outlines, when it was asked for.
        problem: Why this picture could not be looked at; all else is then 0.
    """

    at_s: float
    width: int = 0
    height: int = 0
    looks_per_s: float = 0.0
    light: float = 0.0
    contrast: float = 0.0
    sharpness: float = 0.0
    burnt: float = 0.0
    codes: tuple[CodeSeen, ...] = ()
    cpu_ms: float = 0.0
    refused: tuple[Pair, ...] = ()
    picture: bytes | None = field(default=None, repr=False)
    problem: str | None = None

    @property
    def read(self) -> int:
        """How many codes were read."""
        return sum(code.text is not None for code in self.codes)

    @property
    def light_word(self) -> Pair:
        """The light in a word."""
        return for_light(self.light, burnt=self.burnt)

    @property
    def contrast_word(self) -> Pair:
        """The contrast in a word."""
        return for_contrast(self.contrast)

    @property
    def sharpness_word(self) -> Pair:
        """The sharpness in a word."""
        return for_sharpness(self.sharpness)

    @property
    def picture_advice(self) -> Pair | None:
        """What to do about the whole picture; None when it is well."""
        return for_picture(self.light, self.contrast, self.sharpness, burnt=self.burnt)

    def as_json(self) -> dict[str, Any]:
        """The line that ``--json`` prints."""
        if self.problem is not None:
            return {"at_s": round(self.at_s, 2), "problem": self.problem}
        advice = self.picture_advice
        return {
            "at_s": round(self.at_s, 2),
            "width": self.width,
            "height": self.height,
            "looks_per_s": round(self.looks_per_s, 1),
            "light": round(self.light, 1),
            "light_is": self.light_word.en,
            "contrast": round(self.contrast, 1),
            "contrast_is": self.contrast_word.en,
            "sharpness": round(self.sharpness, 1),
            "sharpness_is": self.sharpness_word.en,
            "advice": None if advice is None else advice.en,
            "codes": [_code_json(code) for code in self.codes],
            "cpu_ms": round(self.cpu_ms, 1),
            "refused": [words.en for words in self.refused],
        }


def _code_json(code: CodeSeen) -> dict[str, Any]:
    have = code.size.module_px
    return {
        "text": code.text,
        "side_px": round(code.size.side_px, 1),
        "modules": code.size.modules,
        "modules_by": None if code.size.known_by is None else code.size.known_by.value,
        "px_a_module": None if have is None else round(have, 2),
        "advice": code.advice.en,
    }


class CameraTest:
    """Looks at one source until it ends or nobody asks for more.

    Args:
        spec: As ``edge.vision.sources.open_source`` takes it.
        clock: For times and deadlines.
        settings: What the lane says of its camera.
        pictures: Whether each report brings its picture with outlines.
    """

    def __init__(
        self, spec: str, clock: Clock, *, settings: CameraSettings | None = None, pictures: bool = False
    ) -> None:
        self._spec, self._clock = spec, clock
        self._settings = settings or CameraSettings()
        self._wanted = Wanted(
            measure=True, preview_px=PICTURE_PX if pictures else 0, region=self._settings.region
        )

    def reports(self, seconds: float | None) -> Generator[Report, None, None]:
        """One report a look, for so many seconds, or until the source ends.

        Raises:
            SourceError: It cannot be opened, or broke off.
        """
        with ExitStack() as open_things:
            nursery = open_things.enter_context(closing(Nursery(self._clock, KINDS)))
            nursery.start()
            source = open_things.enter_context(
                closing(open_when_ready(self._spec, self._clock, nursery, self._settings.hints))
            )
            eye = open_things.enter_context(
                closing(patient_eye(shown(self._spec), nursery, self._clock, kind="mounting"))
            )
            began_s: float | None = None  # when the first look ended: an eye takes a second to open
            looked: deque[float] = deque(maxlen=RATE_OVER)
            due_s = 0.0
            while began_s is None or seconds is None or self._clock.monotonic_s() - began_s < seconds:
                shot = source.read(due_s)
                if shot is None:
                    return
                due_s = shot.at_s + (0.0 if is_camera(self._spec) else STILL_EVERY_S)
                try:
                    seen = eye.look(shot, self._wanted)
                except EyeError as error:
                    began_s = began_s or self._clock.monotonic_s()
                    yield Report(at_s=self._clock.monotonic_s() - began_s, problem=str(error))
                    continue
                now_s = self._clock.monotonic_s()
                began_s = began_s or now_s
                looked.append(now_s)
                yield _report(seen, now_s - began_s, _rate(looked), source.refused)


def _rate(looked: deque[float]) -> float:
    spent_s = looked[-1] - looked[0]
    return (len(looked) - 1) / spent_s if spent_s > 0 else 0.0


def _report(seen: Seen, at_s: float, looks_per_s: float, refused: tuple[Pair, ...]) -> Report:
    figures = seen.measured
    codes = [
        _code(shortened(code.text), size_of("code", number, code.corners, figures), seen.width)
        for number, code in enumerate(seen.codes)
    ]
    codes += [
        _code(None, size_of("place", number, corners, figures), seen.width)
        for number, corners in enumerate(seen.located)
    ]
    return Report(
        at_s=at_s,
        width=seen.width,
        height=seen.height,
        looks_per_s=looks_per_s,
        light=seen.light,
        contrast=seen.contrast,
        sharpness=figures.get("sharpness", 0.0),
        burnt=figures.get("clipped_white", 0.0),
        codes=tuple(codes),
        cpu_ms=seen.cpu_ms,
        refused=refused,
        picture=seen.preview,
    )


def _code(text: str | None, size: Size, width_px: int) -> CodeSeen:
    return CodeSeen(text=text, size=size, advice=for_size(size, width_px))
