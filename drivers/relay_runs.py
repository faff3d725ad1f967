"""One pulse or hold on one channel of a relay board, and what a request to the board is about."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from drivers.model import COMMAND_AGE_MAX_S, DriverInfo, Grade, Hold, Pulse, Refusal
from drivers.relay_codec import Ask, Reply

HOLD_S_MAX: Final = 3600.0
SETTLE_S: Final = 0.150  # a relay's own time, and the board's, before its state is believed
_NEVER: Final = float("inf")


class Phase(StrEnum):
    """How far a run has come."""

    WAITING = "waiting"  # its first frame was not written
    CLOSED = "closed"
    OPENING = "opening"  # told to open
    CHECKING = "checking"  # its end is read back


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """One pulse or hold on one channel.

    Args:
        id: The command's.
        channel: Its output.
        seconds: How long it is to be closed.
        hold: A hold, and not a pulse.
        due_s: When its next step is due.
        look_s: When to see whether the output is closed.
        closed_s: When its first frame was handed over.
        taken: The board took it, or says nothing to anything.
        echo: All that came back were its own bytes.
        seen_closed: The board said that the output was closed in between.
        looks: How often the output was seen closed when it should have been open.
        insist: It is written even if the board does not say that the output is open.
        stuck: It is over, and the board did not take the opening.
        again_s: When its closing is written once more, for the board's timer of the pulse before may open the output.
        firm_s: From then on an open output has opened by itself.
        before_s: Until when its output would be closed without it, by what it took over.
    """

    id: str
    channel: int
    seconds: float
    hold: bool
    phase: Phase = Phase.WAITING
    due_s: float = _NEVER
    look_s: float = _NEVER
    closed_s: float = _NEVER
    grade: Grade = Grade.SENT
    taken: bool = False
    echo: bool = False
    seen_closed: bool = False
    looks: int = 0
    insist: bool = False
    stuck: bool = False
    again_s: float = _NEVER
    firm_s: float = _NEVER
    before_s: float = float("-inf")

    @property
    def closes(self) -> bool:
        """Whether its output is closed, as far as is known, and its time is not over."""
        return self.phase is Phase.CLOSED and not self.stuck

    @property
    def ends_s(self) -> float:
        """When it has run its length."""
        return self.closed_s + self.seconds

    def begin(self, now_s: float, *, look: bool) -> None:
        """Its first frame is handed over; ``look``: see in the middle whether the output is closed."""
        self.phase, self.closed_s, self.due_s = Phase.CLOSED, now_s, now_s + self.seconds
        self.firm_s = SETTLE_S + (now_s if self.again_s == _NEVER else self.again_s)
        if look and not self.hold:
            self.look_s = now_s + self.seconds / 2

    def goes_on_from(self, before: "Run", now_s: float, *, host_timed: bool) -> None:
        """A hold takes over a closed output: the later end of the two counts, for somebody relies on it."""
        self.seconds = max(self.seconds, before.ends_s - now_s)
        self.seen_closed, self.before_s = before.seen_closed, before.ends_s
        if not before.hold and not host_timed:
            self.again_s = before.ends_s + SETTLE_S


class Runs(dict[int, Run]):
    """What runs, by channel; and in ``waiting`` what was not written yet, of which several may be for one channel."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Run] = []

    def of(self, purpose: "Purpose") -> Run | None:
        """The run that a request is about; one asked about all channels is found by its id."""
        return next((run for run in self.all() if purpose.id and run.id == purpose.id), None)

    def all(self) -> list[Run]:
        """Those that run, and those that wait."""
        return [*self.values(), *self.waiting]

    def waits(self, channel: int) -> bool:
        """Whether a closing of this channel waits."""
        return any(run.channel == channel for run in self.waiting)

    def channels(self) -> set[int]:
        """Those on which something runs or waits."""
        return {run.channel for run in self.all()}

    def begin(self, run: Run) -> Run | None:
        """One that waited runs from now on; the one before, which is over."""
        self.waiting.remove(run)
        before = self.get(run.channel)
        self[run.channel] = run
        return before

    def drop(self, run: Run) -> None:
        """One is over, or is not to be."""
        if run in self.waiting:
            self.waiting.remove(run)
        else:
            del self[run.channel]

    def deadlines(self) -> list[float]:
        """When each has something to do."""
        return [at_s for run in self.values() for at_s in (run.due_s, run.look_s, run.again_s)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What was asked, about which channel (0: all), for which run or command; ``ms``: of a pulse."""

    ask: Ask
    channel: int = 0
    id: str = ""  # of the run, or of the command
    command: bool = False  # a command waits for the outcome, and not a run
    ms: int = 0


def beyond_limits(command: Pulse | Hold, info: DriverInfo, now_s: float) -> Refusal | None:
    """Why no board of this kind may carry this out, whatever it does now."""
    if not info.outputs:
        return Refusal.UNSUPPORTED
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


def grade_of(reply: Reply | None) -> Grade:
    """How much is known when this is all that the board says; None: it says nothing."""
    return Grade.SENT if reply is None else Grade.ACCEPTED
