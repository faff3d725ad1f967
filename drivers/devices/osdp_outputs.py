"""The outputs of a reader: what closes them, for how long, and how it ended. The reader's own timer opens them.

A hold takes over an output that a hold or a pulse closes: the reader's timer begins anew, and the later end counts.
"""

import math
from collections.abc import Iterator
from typing import Final

from drivers.devices.osdp_commands import Reports, output, report
from drivers.devices.osdp_jobs import Ask, Job, Jobs, Run
from drivers.devices.osdp_states import States
from drivers.faults import Faults
from drivers.model import (
    COMMAND_AGE_MAX_S,
    Done,
    Grade,
    Hold,
    Outputs,
    Pulse,
    Refusal,
    Refused,
    TimedOut,
    Urgency,
)
from drivers.outcomes import Outcomes

HOLD_SLICE_S: Final = 20.0  # the reader's timer; libosdp carries 25.5 s
HOLD_AGAIN_S: Final = 8.0
SETTLE_S: Final = 0.1  # from the end of a pulse to the look at it
LOOKS: Final = 3
_NEVER: Final = float("inf")


class OutputRuns:
    """Pulses and holds under way: one that the reader took an output, and those of which it does not know yet.

    Args:
        jobs: What the reader is told goes there.
        tell: Gets the outcomes.
        faults: Gets what is wrong.
        states: What the reader reported.
    """

    def __init__(self, *, jobs: Jobs, tell: Outcomes, faults: Faults, states: States) -> None:
        self._jobs, self._tell, self._faults, self._states = jobs, tell, faults, states
        self._runs: dict[str, Run] = {}  # by id, the oldest first
        self.readable = True  # the reader says which outputs are closed when it is asked

    def __contains__(self, id_: str) -> bool:
        return id_ in self._runs

    def is_busy(self, command: Pulse | Hold, now_s: float) -> bool:
        """Whether its output is not to be closed for this now; a hold takes over whatever closes it."""
        if isinstance(command, Hold):
            return False
        return any(not (command.insist and run.is_over(now_s)) for run in self._on(command.channel))

    def begin(self, command: Pulse | Hold, now_s: float) -> None:
        """Have the reader close an output."""
        hold = isinstance(command, Hold)
        length_s = command.seconds if isinstance(command, Hold) else command.ms / 1000
        ends_s = now_s + length_s
        if hold:  # ... and not before what it takes over
            ends_s = max(
                [ends_s, *(run.ends_s for run in self._on(command.channel) if not run.is_over(now_s))]
            )
        run = Run(id=command.id, channel=command.channel, hold=hold, length_s=length_s, ends_s=ends_s)
        self._runs[run.id] = run
        self._jobs.put(_closing(run, now_s, stale_s=command.issued_s + COMMAND_AGE_MAX_S))

    def open(self, channel: int, id_: str = "") -> None:
        """Have an output opened, before anything that may close it: a later pulse is not cut short."""
        command = output(channel, on=False)
        self._jobs.put(Job(ask=Ask.OFF, command=command, urgency=Urgency.ALL_OFF, id=id_, channel=channel))

    def read(self, id_: str = "", *, urgency: Urgency = Urgency.POLL) -> None:
        """Ask the reader which outputs are closed."""
        self._jobs.put(Job(ask=Ask.OUTPUTS, command=report(Reports.OUTPUTS), urgency=urgency, id=id_))

    def release(self, channel: int, id_: str) -> None:
        """End what closes an output, and open it."""
        self._overtake(channel)
        for run in self._on(channel):
            del self._runs[run.id]
            if run.hold and run.taken:
                self._tell.end(Done(id=run.id, grade=Grade.ACCEPTED))  # released as it was meant to be
            else:
                self._tell.end(TimedOut(id=run.id, maybe_executed=True))
        self.open(channel, id_)

    def overtake_all(self) -> None:
        """Everything is to be opened: what was not said is refused, the rest ends in doubt."""
        self._overtake()
        self.end_all(set())

    def end_all(self, waiting: set[str]) -> None:
        """The reader is gone. Whatever closes an output is in doubt, but for ids of which nothing was said yet."""
        for run in list(self._runs.values()):
            if run.taken or run.id not in waiting:
                del self._runs[run.id]
                self._tell.end(TimedOut(id=run.id, maybe_executed=True))

    def forget(self, job: Job) -> None:
        """The command of a run has no good end; its outcome is the caller's to tell, unless it was taken before."""
        run = self._runs.pop(job.id, None)
        if run is not None and run.taken:
            self._tell.end(TimedOut(id=run.id, maybe_executed=True))

    def taken(self, job: Job, now_s: float) -> None:
        """The reader took a pulse or a hold, and its timer runs."""
        run = self._runs.get(job.id)
        if run is None:
            return
        first, run.taken = not run.taken, True
        for before in self._on(run.channel):
            if before is not run and before.taken:
                self._taken_over(before)
        if not run.hold:
            run.ends_s = now_s + run.length_s
            if self.readable:
                self.read()
            return
        run.again_s = now_s + HOLD_AGAIN_S if run.ends_s - now_s > HOLD_AGAIN_S else _NEVER
        if first:
            self._tell.tell(Outputs(id=run.id, bits=1 << (run.channel - 1), read=False))

    def _taken_over(self, before: Run) -> None:
        """Its output is closed for another one now; nothing more is said for it."""
        del self._runs[before.id]
        self._tell.end(Done(id=before.id, grade=Grade.ACCEPTED))

    def tick(self, now_s: float) -> None:
        """Give long holds again, end those that are over, and look at what a pulse left behind."""
        for run in list(self._runs.values()):
            if not run.taken or any(not other.taken for other in self._on(run.channel)):
                continue  # for what takes over in a moment, or says why not
            if run.hold and now_s >= run.ends_s:
                self._finish(run)
                self.open(run.channel)
            elif run.again_s <= now_s:
                run.again_s = _NEVER
                self._jobs.put(_closing(run, now_s, stale_s=now_s + COMMAND_AGE_MAX_S))
            elif not run.hold and not run.checking and now_s >= run.ends_s + SETTLE_S:
                run.checking = True
                if self.readable:
                    self.read()
                elif run.seen_closed:
                    self._look_at(run, now_s)  # it reports its outputs by itself
                else:
                    self._finish(run)

    def was_read(self, now_s: float) -> None:
        """The reader answered which outputs are closed."""
        for run in self._ended():
            self._look_at(run, now_s)

    def was_reported(self, channels: int) -> None:
        """The reader said which outputs are closed, asked or not."""
        for channel in range(1, channels + 1):
            run = next((one for one in self._on(channel) if one.taken), None)
            if not self._states.is_closed(channel):
                self._tell.tell(*self._faults.end(f"welded {channel}"))
            elif run is not None and not run.checking:
                run.seen_closed = True

    def _overtake(self, channel: int = 0) -> None:
        for job in self._jobs.drop(Ask.PULSE, Ask.HOLD, channel=channel):
            run = self._runs.get(job.id)
            if run is not None and not run.taken:
                del self._runs[run.id]
                self._tell.end(Refused(id=job.id, why=Refusal.OVERTAKEN))

    def _ended(self) -> Iterator[Run]:
        yield from [run for run in self._runs.values() if run.checking]

    def _look_at(self, run: Run, now_s: float) -> None:
        """Its time is over: is the output open?"""
        if not self._states.is_closed(run.channel):
            self._finish(run)
            return
        run.looks, run.checking, run.ends_s = run.looks + 1, False, now_s + SETTLE_S
        if run.looks >= LOOKS:
            why = f"output {run.channel} stays closed after its pulse. Look at the lane and at the reader"
            self._tell.tell(*self._faults.begin(f"welded {run.channel}", why))
            self._finish(run)
            self.open(run.channel)

    def _on(self, channel: int) -> list[Run]:
        return [run for run in self._runs.values() if run.channel == channel]

    def _finish(self, run: Run) -> None:
        del self._runs[run.id]
        self._tell.end(Done(id=run.id, grade=Grade.CONFIRMED if run.seen_closed else Grade.ACCEPTED))


def _closing(run: Run, now_s: float, *, stale_s: float) -> Job:
    """Close an output for a pulse, or for what is left of a hold."""
    left_s = min(run.ends_s - now_s, HOLD_SLICE_S) if run.hold else run.length_s
    return Job(
        ask=Ask.HOLD if run.hold else Ask.PULSE,
        command=output(run.channel, tenths=max(1, math.ceil(round(left_s * 10, 3))), on=True),
        urgency=Urgency.OPEN,
        id=run.id,
        channel=run.channel,
        stale_s=stale_s,
    )
