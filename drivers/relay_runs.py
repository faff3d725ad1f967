"""One pulse or hold on one channel of a relay board, and what a request to the board is about."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from drivers.model import COMMAND_AGE_MAX_S, DriverInfo, Grade, Hold, Pulse, Refusal
from drivers.relay_codec import Ask

HOLD_S_MAX: Final = 3600.0


class Phase(StrEnum):
    """How far a run has come."""

    WAITING = "waiting"  # its first frame was not written
    CLOSED = "closed"
    OPENING = "opening"  # told to open
    CHECKING = "checking"  # its end is read back


@dataclass(slots=True, kw_only=True)
class Run:
    """One pulse or hold on one channel. ``told``: what became of it has been reported."""

    id: str
    channel: int
    seconds: float
    hold: bool
    phase: Phase = Phase.WAITING
    ends_s: float = float("inf")
    grade: Grade = Grade.SENT
    told: bool = False
    looks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What was asked, about which channel (0: all), for which run or command."""

    ask: Ask
    channel: int = 0
    id: str = ""  # of the run, or of the command
    command: bool = False  # a command waits for the outcome, and not a run


def beyond_limits(command: Pulse | Hold, info: DriverInfo, now_s: float) -> Refusal | None:
    """Why no board of this kind may carry this out, whatever it does now."""
    shortest_ms, longest_ms = info.pulse_ms
    fits = (
        0 < command.seconds <= HOLD_S_MAX
        if isinstance(command, Hold)
        else shortest_ms <= command.ms <= longest_ms and command.ms % info.pulse_step_ms == 0
    )
    if not 1 <= command.channel <= info.outputs:
        return Refusal.BAD_CHANNEL
    if not fits:
        return Refusal.BAD_LENGTH
    return None if now_s - command.issued_s <= COMMAND_AGE_MAX_S else Refusal.TOO_OLD
