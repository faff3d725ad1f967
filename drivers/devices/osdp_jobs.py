"""What an OSDP reader is asked for, one thing at a time, the most urgent first."""

from dataclasses import dataclass, field
from enum import StrEnum, auto

from drivers.devices.osdp_commands import Command
from drivers.model import Urgency


class Ask(StrEnum):
    """Kinds of questions and orders."""

    OFF = auto()
    PULSE = auto()
    HOLD = auto()
    SHOW = auto()
    LOCAL = auto()
    INPUTS = auto()
    OUTPUTS = auto()


@dataclass(slots=True, kw_only=True)
class Job:
    """One command for the reader; ``id`` is that of who wants it, or empty."""

    ask: Ask
    command: Command
    urgency: Urgency
    id: str = ""
    channel: int = 0
    stale_s: float = float("inf")  # too late from then on
    given_s: float = 0.0
    frames: int = 0  # that libosdp had said when it was given
    last: bool = True  # nothing of the same id follows


@dataclass(slots=True, kw_only=True)
class Run:
    """An output that is closed, or was: its pulse or hold until it has been looked at."""

    id: str
    channel: int
    hold: bool
    length_s: float
    ends_s: float
    again_s: float = float("inf")  # a hold longer than the reader's timer is given again then
    taken: bool = False
    seen_closed: bool = False
    checking: bool = False
    looks: int = 0

    def is_over(self, now_s: float) -> bool:
        """Whether it is a pulse whose time is over, and which is only looked at."""
        return self.taken and not self.hold and (self.checking or self.looks > 0 or now_s >= self.ends_s)


@dataclass(slots=True)
class Jobs:
    """Those that wait, and the one that the reader has."""

    current: Job | None = None
    _waiting: list[Job] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, job: Job) -> None:
        """Have it wait for its turn."""
        self._waiting.append(job)

    def put_back(self, job: Job) -> None:
        """Have it wait before others of its urgency: it was not said."""
        self._waiting.insert(0, job)

    def next(self) -> Job | None:
        """Take the most urgent one."""
        if not self._waiting:
            return None
        job = min(self._waiting, key=lambda one: one.urgency)
        self._waiting.remove(job)
        self.current = job
        return job

    def finish(self) -> Job | None:
        """Take the one that the reader had."""
        job, self.current = self.current, None
        return job

    def has(self, ask: Ask, *, channel: int = 0) -> bool:
        """Whether such a one waits, or the reader has it."""
        every = [*self._waiting, *([self.current] if self.current else [])]
        return any(job.ask is ask and channel in {0, job.channel} for job in every)

    def drop(self, *asks: Ask, channel: int = 0) -> list[Job]:
        """Take out those that wait, of these kinds (all when none is named) and of this output (0: any)."""
        dropped = [
            job for job in self._waiting if (not asks or job.ask in asks) and channel in {0, job.channel}
        ]
        self._waiting = [job for job in self._waiting if job not in dropped]
        return dropped

    def stale(self, now_s: float) -> list[Job]:
        """Take out those whose time is over."""
        late = [job for job in self._waiting if job.stale_s <= now_s]
        self._waiting = [job for job in self._waiting if job.stale_s > now_s]
        return late
