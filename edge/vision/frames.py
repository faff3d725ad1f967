"""What a source of frames is, and how it fails; the sources themselves are in ``edge.sources_*``.

SourceError             no frames from here now; another try may help
├── SourceMissingError  it cannot be opened: not there, refused, or nothing that shows pictures
└── SourceLostError     it was open and broke off, or went silent
"""

from dataclasses import dataclass
from typing import Protocol

from edge.vision.filters import Picture
from shell.masking import masked_value


def shown(spec: str) -> str:
    """The source as logs and pages may show it: without a password."""
    return masked_value(spec)


class SourceError(OSError):
    """No frames from this source now."""

    def __init__(self, spec: str, what: str, next_step: str) -> None:
        super().__init__(f"Camera source {shown(spec)} {what}. {next_step}")
        self.spec = spec


class SourceMissingError(SourceError):
    """It cannot be opened."""


class SourceLostError(SourceError):
    """It was open and ended or went silent."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture and when it arrived: (height, width) grey or (height, width, 3) BGR; monotonic seconds."""

    picture: Picture
    at_s: float


class Source(Protocol):
    """Frames, newest only."""

    def read(self, not_before_s: float) -> Frame | None:
        """Wait for the next frame that arrives at or after ``not_before_s``; None when there will be none.

        Raises:
            SourceLostError: It broke off, or sent nothing for 3 s.
        """

    def interrupt(self) -> None:
        """Make a waiting ``read`` return or raise soon; from any thread."""

    def close(self) -> None:
        """Give back what is held; from the owner thread."""
