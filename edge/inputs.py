"""What reaches the deciding thread: one value for each thing that happens around a gate."""

from dataclasses import dataclass

from drivers.model import Event as BoardEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSeen:
    """A lane's reader has a new presentation: the texts in view, and when the frame was taken."""

    lane: str
    texts: tuple[str, ...]
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardReported:
    """A board's bus has an event."""

    board: str
    event: BoardEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraChanged:
    """A lane's camera went or came back."""

    lane: str
    ok: bool
    detail: str


Input = ScanSeen | BoardReported | CameraChanged
