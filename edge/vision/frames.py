"""What a source of pictures is, and how it fails; the sources themselves are in ``edge.vision.sources*``.

SourceError             no pictures from here now; another try may help
├── SourceMissingError  it cannot be opened: not there, refused, the wrong one, or nothing that shows pictures
└── SourceLostError     it was open and broke off, or went silent
"""

from dataclasses import dataclass
from typing import Final, Literal, Protocol

from edge.vision.shot import Shot
from edge.vision.source_words import Trouble, words_of
from passes.words import Pair
from shell.masking import masked_value
from shell.text import visible

FRAME_WITHIN_S: Final = 2.0  # a live source that is silent for longer is opened again
OPEN_WITHIN_S: Final = 4.0


def shown(spec: str) -> str:
    """The source as logs, pages and terminals may show it: without a password, and nothing that a terminal obeys."""
    return visible(masked_value(spec))


class SourceError(OSError):
    """No pictures from this source now.

    Args:
        spec: The source.
        trouble: Why.
        detail: What the machine said of it.

    Attributes:
        what: Why, and what to do, without the source.
    """

    def __init__(self, spec: str, trouble: Trouble, detail: str = "") -> None:
        self.what = words_of(trouble, visible(detail))
        super().__init__(f"{shown(spec)} {self.what.en}")
        self.spec = spec

    @property
    def words(self) -> Pair:
        """The message, with the source in it, in both languages."""
        return Pair(f"{shown(self.spec)} {self.what.zh}", str(self))


class SourceMissingError(SourceError):
    """It cannot be opened."""


class SourceLostError(SourceError):
    """It was open and ended or went silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What is asked of a camera on this machine; None leaves a thing as it is.

    Attributes:
        exposure_ms: Milliseconds of light for each frame, or ``auto``.
        focus: In the steps of the device, or ``auto``.
        identity: Which device it must be, as ``edge.vision.capture_identity`` tells them apart.
    """

    exposure_ms: float | Literal["auto"] | None = None
    focus: int | Literal["auto"] | None = None
    identity: str | None = None


class Source(Protocol):
    """Pictures, newest only."""

    @property
    def refused(self) -> tuple[Pair, ...]:
        """What was asked of the device and is not so, in words; known after the first picture."""

    def read(self, not_before_s: float) -> Shot | None:
        """Wait for the next picture that arrives at or after ``not_before_s``; None when there will be none.

        What the picture refers to holds until the next call.

        Raises:
            SourceMissingError: It turned out that it cannot be opened.
            SourceLostError: It broke off, or sent nothing for 2 s.
        """

    def interrupt(self) -> None:
        """Make a waiting ``read`` return or raise soon; from any thread."""

    def close(self) -> None:
        """Give back what is held; from the owner thread."""
