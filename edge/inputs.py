"""What reaches the deciding thread: one value for each thing that happens around a gate."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from drivers.model import AnyEvent


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
    event: AnyEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraChanged:
    """A lane's camera went or came back."""

    lane: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody at this machine asks for something that only the deciding thread may do."""

    work: Callable[[], Any]
    answer: Future[Any] = field(default_factory=Future)

    def carry_out(self) -> None:
        """Do it, unless whoever asked has given up; what it raises is the answer too."""
        if not self.answer.set_running_or_notify_cancel():
            return
        try:
            self.answer.set_result(self.work())
        except Exception as error:  # noqa: BLE001  # the thread that asked raises it
            self.answer.set_exception(error)


Input = ScanSeen | BoardReported | CameraChanged | Asked
