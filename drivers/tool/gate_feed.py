"""What happens at a running gate, read as it comes: its numbered happenings, and whether any were missed."""

from dataclasses import dataclass, field
from typing import Any, Final

from drivers.tool.target import Target
from shell.control import ControlError, RefusedError, ask

PAGE_WITHIN_S: Final = 8.0  # beyond the wait: a gate that is busy for longer is no help
_BUSY_MAX: Final = 10


@dataclass(slots=True)
class GateFeed:
    """Reads the happenings behind a number. It never ends the command.

    Args:
        target: A board of the running gate.
        seq: The number; from ``through.running_gate``.
        now: How the gate is, as last heard.
        missed: Happenings were lost before they were read.
        gone: The gate has ended, was started anew, or does not answer any more.
    """

    target: Target
    seq: int
    now: dict[str, Any] = field(default_factory=dict)
    missed: bool = False
    gone: bool = False
    _busy: int = 0

    def read(self, wait_s: float) -> list[dict[str, Any]]:
        """The next happenings, oldest first; waits so long for the first of them."""
        if self.gone or self.target.gate is None:
            return []
        request = {"do": "watch", "since": self.seq, "wait_s": wait_s}
        try:
            answer = ask(self.target.gate.control_socket, request, within_s=wait_s + PAGE_WITHIN_S)
        except RefusedError:  # too many ask at once, or it is about to end
            self._busy += 1
            self.gone = self._busy >= _BUSY_MAX
            return []
        except ControlError:
            self.gone = True
            return []
        self._busy = 0
        seq, events = int(answer.get("seq", 0)), list(answer.get("events", []))
        if seq < self.seq:
            self.gone = True
            return []
        self.missed = self.missed or bool(events and int(events[0]["seq"]) > self.seq + 1)
        self.seq, self.now = seq, answer.get("now", {})
        return events

    def lane(self, name: str) -> dict[str, Any]:
        """How a lane is, as last heard; empty for a lane that is not there."""
        return next((lane for lane in self.now.get("lanes", []) if lane["name"] == name), {})

    def board(self, name: str) -> dict[str, Any]:
        """How a board is, as last heard."""
        return next((board for board in self.now.get("boards", []) if board["name"] == name), {})

    @property
    def emergency(self) -> bool:
        """Whether there is one, as last heard."""
        return bool(self.now.get("emergency", "none") != "none")
