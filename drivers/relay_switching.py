"""The outputs of a relay board: what is closed and until when, what must still be opened, and what was read back.

Opening outputs is repeated until the board says so; closing them never is. While an opening is owed, the same output is
not closed again, except by a command that insists (decision 0015). A hold takes over an output that a hold or a pulse
closes: its own closing is written, and the output is not opened in between. Where the board times the pulse, that
closing is written once more behind its end.

An acknowledgement that is the request itself may come from a line that only echoes: it counts at a board that was shown
to be there. None counts when the outputs should be read back afterwards and nobody answers.
"""

from typing import Final

from drivers.exchange import READ_REPEATS, End
from drivers.model import (
    COMMAND_AGE_MAX_S,
    Done,
    DriverInfo,
    Grade,
    Hold,
    Outputs,
    Pulse,
    Refusal,
    Release,
    Urgency,
)
from drivers.relay_asking import Asking
from drivers.relay_codec import Accepted, Ask, Denied, Levels
from drivers.relay_owed import AGAIN_S, Owed
from drivers.relay_reports import Reports
from drivers.relay_runs import SETTLE_S, Phase, Purpose, Run, Runs, beyond_limits, grade_of

_LOOKS: Final = 2  # times that an output must be seen closed before it counts as welded
_NEVER: Final = float("inf")


class Switching:
    """Closes, opens and reads back the outputs of one board.

    Args:
        info: What the board can do.
        asking: Questions to it.
        reports: What is said of it.
    """

    def __init__(self, info: DriverInfo, asking: Asking, reports: Reports) -> None:
        self._info, self._asking, self._reports = info, asking, reports
        self._channels = range(1, info.outputs + 1)
        self._runs, self._owed = Runs(), Owed()
        self._read: dict[int, bool] = {}  # as read since the last line-up
        self.now_s = float("-inf")  # set before each call
        self.shown = False  # since the line-up the board gave an answer that is no echo

    # -- commands

    def close(self, command: Pulse | Hold) -> None:
        """Begin a pulse or a hold, or say why not."""
        before = self._runs.get(command.channel)
        if not self._may_close(command, before):
            return
        hold = isinstance(command, Hold)
        seconds = command.seconds if isinstance(command, Hold) else command.ms / 1000
        ask = Ask.ON if hold or self._info.host_timed else Ask.PULSE
        run = Run(id=command.id, channel=command.channel, seconds=seconds, hold=hold, insist=command.insist)
        about = Purpose(ask=ask, channel=run.channel, id=run.id, ms=0 if hold else round(seconds * 1000))
        stale_s = min(command.issued_s, self.now_s) + COMMAND_AGE_MAX_S
        in_turn = self._opens(run.channel) or self._runs.waits(run.channel)
        urgency = Urgency.RELEASE if in_turn else Urgency.OPEN
        if not self._asking.ask(about, urgency, self._reports, stale_s=stale_s):
            return
        if before is not None and before.stuck:  # it is over, but for an opening that the board does not take
            self._runs.drop(before)
            self._owed.add(run.channel, self.now_s)
        self._runs.waiting.append(run)

    def _may_close(self, command: Pulse | Hold, before: Run | None) -> bool:
        beyond = beyond_limits(command, self._info, self.now_s)
        if beyond is not None:
            self._reports.refuse(command.id, beyond)
        elif self._is_busy(command, before):
            self._reports.refuse(command.id, Refusal.BUSY)
        elif self._opens(command.channel) and not command.insist:
            self._not_begun(command.id)
        else:
            return True
        return False

    def _is_busy(self, command: Pulse | Hold, before: Run | None) -> bool:
        """Whether its output is not to be closed for this now; a hold takes over whatever closes it."""
        if before is not None and before.stuck:
            return not command.insist
        if isinstance(command, Hold):
            return False
        over = before is None or (command.insist and not before.closes)  # it is opened, or its end looked at
        return not over or self._runs.waits(command.channel)

    def _not_begun(self, id_: str) -> None:
        """An opening goes first, and nothing was written: its board does not answer, or somebody wants it open."""
        if self._reports.silent:
            self._reports.doubt(id_, maybe_executed=False)
        else:
            self._reports.refuse(id_, Refusal.OVERTAKEN)

    def _opens(self, channel: int) -> bool:
        return channel in self._owed or self._asking.waits_to_open(channel)

    def release(self, command: Release) -> None:
        """Open one output."""
        if command.channel not in self._channels:
            self._reports.refuse(command.id, Refusal.BAD_CHANNEL)
            return
        self._end_runs(command.channel)
        about = Purpose(ask=Ask.OFF, channel=command.channel, id=command.id, command=True)
        self._asking.ask(about, Urgency.RELEASE, self._reports, repeats=READ_REPEATS)

    def all_off(self) -> None:
        """Open everything."""
        self.end_all()
        self._owed.clear()
        self._asking.put_all_off()

    def end_all(self) -> None:
        """End every pulse and hold without a word to the board."""
        self._end_runs(None)

    def _end_runs(self, channel: int | None) -> None:
        """End pulses and holds, of one channel or of all; what was not written yet is surely not carried out."""
        gone = self._asking.exchange.withdraw(
            lambda one: (
                one.purpose.ask in {Ask.ON, Ask.PULSE, Ask.OFF} and channel in {None, one.purpose.channel}
            )
        )
        for request in gone:  # a release that waited: what overtakes it opens the output as well
            if request.purpose.command:
                self._reports.refuse(request.purpose.id, Refusal.OVERTAKEN)
        for run in [one for one in self._runs.all() if channel in {None, one.channel}]:
            self._runs.drop(run)
            if run.phase is Phase.WAITING:
                self._reports.refuse(run.id, Refusal.OVERTAKEN)
            elif run.hold and run.taken and channel is not None:
                self._reports.end(Done(id=run.id, grade=self._grade(run)))  # released as it was meant to be
            else:
                self._reports.doubt(run.id)

    # -- time and the line

    def begins(self, purpose: Purpose) -> None:
        """A closing is handed over now."""
        run = self._runs.of(purpose)
        if run is None or purpose.ask not in {Ask.ON, Ask.PULSE} or run.phase is not Phase.WAITING:
            return
        before = self._runs.begin(run)
        if before is not None:
            self._take_over(run, before)
        run.begin(self.now_s, look=self._info.reads_outputs)

    def _take_over(self, run: Run, before: Run) -> None:
        """The one before is over: its output is closed for another one from here on."""
        if run.hold and before.closes:
            run.goes_on_from(before, self.now_s, host_timed=self._info.host_timed)
        if before.stuck:
            self._owed.add(run.channel, self.now_s)
        if before.taken:
            self._reports.end(Done(id=before.id, grade=self._grade(before)))
        else:
            self._reports.doubt(before.id)

    def tick(self) -> None:
        """Do what is due."""
        for run in list(self._runs.values()):
            if run.look_s <= self.now_s:
                run.look_s = _NEVER
                self._asking.ask(Purpose(ask=Ask.OUTPUTS, channel=run.channel), Urgency.POLL, self._reports)
            if run.again_s <= self.now_s:
                run.again_s = _NEVER
                if run.closes:
                    self._asking.put(Purpose(ask=Ask.ON, channel=run.channel, id=run.id), Urgency.RELEASE)
            if run.due_s <= self.now_s:
                self._run_due(run)
        owed = self._owed.due(self.now_s, but=self._runs.channels())
        if owed is not None and not self._asking.asks_owed():
            self._asking.ask(Purpose(ask=Ask.OFF, channel=owed), Urgency.RELEASE, self._reports)

    def deadlines(self) -> list[float]:
        """When something is due."""
        deadlines = self._runs.deadlines()
        owed_s = None if self._asking.asks_owed() else self._owed.next_deadline(but=self._runs.channels())
        return deadlines if owed_s is None else [*deadlines, owed_s]

    def line_up(self) -> None:
        """The port was opened: nothing is known."""
        assert not self._runs.all(), "pulses must have ended with the line"
        self._read.clear()
        self.shown = False

    def line_lost(self) -> None:
        """End everything; questions that waited are the caller's to end."""
        for run in self._runs.all():
            self._reports.doubt(run.id, maybe_executed=run.phase is not Phase.WAITING)
        self._runs.clear()
        self._runs.waiting.clear()
        self._owed.clear()

    def _run_due(self, run: Run) -> None:
        run.due_s = _NEVER
        if run.phase is Phase.CLOSED and self._runs.waits(run.channel):
            return  # for what takes over in a moment, or says why not
        if run.phase is Phase.CHECKING:
            self._put(Ask.OUTPUTS, run)
        elif run.hold or self._info.host_timed:
            run.phase = Phase.OPENING
            self._put(Ask.OFF, run)
        elif self._asking.waits(Ask.PULSE, run.id):
            run.due_s = self._asking.exchange.next_deadline() or self.now_s  # the board's word comes first
        elif self._info.reads_outputs:
            run.phase, run.due_s = Phase.CHECKING, self.now_s + SETTLE_S
        else:
            self._finish(run)

    def _put(self, ask: Ask, run: Run) -> None:
        about = Purpose(ask=ask, channel=run.channel, id=run.id)
        self._asking.ask(about, Urgency.RELEASE, self._reports, repeats=READ_REPEATS)

    # -- answers

    def closed(self, purpose: Purpose, reply: Accepted | None) -> None:
        """The board took a closing, or says nothing to anything."""
        run = self._runs.of(purpose)
        if run is None:
            return
        first, run.taken, run.grade = not run.taken, True, grade_of(reply)
        run.echo = reply is not None and reply.echo
        if run.hold and not first:
            run.firm_s = self.now_s + SETTLE_S
        elif run.hold:
            self._reports.tell(Outputs(id=run.id, bits=1 << (run.channel - 1), read=False))
        elif run.phase is Phase.CLOSED:
            run.due_s = run.ends_s

    def opened(self, purpose: Purpose, reply: Accepted | None) -> None:
        """The board took an opening: of one output, or of all (channel 0)."""
        for channel in [purpose.channel] if purpose.channel else self._channels:
            self._owed.done(channel)
            self._reports.right(f"open {channel}", f"hold {channel}")
        run = self._runs.of(purpose)
        if run is None:
            if purpose.command:
                unsure = reply is not None and reply.echo and not self.shown
                self._reports.end(Done(id=purpose.id, grade=Grade.SENT if unsure else grade_of(reply)))
        elif self._info.reads_outputs:
            run.phase, run.due_s = Phase.CHECKING, self.now_s + SETTLE_S
        else:
            self._finish(run)

    def outputs_read(self, purpose: Purpose, levels: Levels) -> None:
        """The board said which outputs are closed."""
        asked_by = self._runs.of(purpose)
        for channel in self._channels:
            if levels.mask >> (channel - 1) & 1:
                self._output_read(channel, closed=bool(levels.bits >> (channel - 1) & 1), asked_by=asked_by)
        if asked_by is not None and not levels.mask >> (asked_by.channel - 1) & 1:
            self._finish(asked_by)  # an answer about other outputs: its end cannot be read back
        if purpose.command and not self._asking.waits(Ask.OUTPUTS, purpose.id):
            bits = sum(closed << (channel - 1) for channel, closed in self._read.items())
            self._reports.end(Outputs(id=purpose.id, bits=bits, read=True))

    def _output_read(self, channel: int, *, closed: bool, asked_by: Run | None) -> None:
        before = self._read.get(channel)
        self._read[channel] = closed
        run = self._runs.get(channel)
        if run is None:
            if not closed:
                self._reports.right(f"welded {channel}")
            elif before:
                self._reports.stays_closed(channel)
                self._owed.add(channel, self.now_s)  # at each reading: some boards answer no opening
        elif run.phase is Phase.CLOSED and closed:
            run.seen_closed = True
        elif run.closes and run.hold and self._is_firm(run):
            self._reports.opened_by_itself(channel)
            self._reports.doubt(run.id)
            run.due_s = self.now_s  # told to open all the same
        elif run.phase is Phase.CHECKING and (not closed or run is asked_by):
            self._checked(run, closed=closed)

    def _is_firm(self, run: Run) -> bool:
        """Whether its output must be closed by now: nothing that closes it is still to be written."""
        return (
            self.now_s >= run.firm_s
            and not self._asking.waits(Ask.ON, run.id)
            and not self._runs.waits(run.channel)
        )

    def _checked(self, run: Run, *, closed: bool) -> None:
        """The end of a run was looked at."""
        if not closed:
            self._reports.right(f"welded {run.channel}")
            if run.seen_closed and run.taken:
                run.grade = Grade.CONFIRMED
            self._finish(run)
            return
        run.looks += 1
        if run.looks < _LOOKS:
            run.due_s = self.now_s + SETTLE_S
            return
        self._reports.stays_closed(run.channel)
        self._finish(run)
        self._owed.add(run.channel, self.now_s)

    # -- no answer, or a bad one

    def closing_denied(self, purpose: Purpose, denied: Denied) -> None:
        """The board refuses a closing."""
        run = self._runs.of(purpose)
        if run is not None and (not denied.surely or run.taken):
            self._reports.doubt(run.id)  # its end comes all the same
            return
        if run is not None and self.now_s < run.before_s:
            self._reports.doubt(run.id)  # ... and the end of what it took over, for that one
            run.seconds, run.due_s = run.before_s - run.closed_s, run.before_s
            return
        if run is not None:
            self._runs.drop(run)
            self._reports.refuse(run.id, Refusal.DENIED)
        if purpose.ask is Ask.ON:  # opening is never wrong, whatever the board makes of it
            self._owed.add(purpose.channel, self.now_s)

    def closing_failed(self, purpose: Purpose, end: End) -> None:
        """A closing was not answered, or never written."""
        run = self._runs.of(purpose)
        if run is None:
            return
        if end is not End.STALE:
            self._reports.doubt(run.id)  # said at once; its end comes all the same
            return
        self._reports.refuse(run.id, Refusal.TOO_OLD)
        self._runs.drop(run)
        before = self._runs.get(run.channel)
        if before is not None and before.phase is Phase.CLOSED:
            before.due_s = before.ends_s

    def not_opened(self, purpose: Purpose, why: str) -> None:
        """The board did not take an opening: try again, one by one, and close none of these meanwhile."""
        run = self._runs.of(purpose)
        if run is not None:
            self._reports.not_opened(run.channel, why)
            self._reports.doubt(run.id)
            run.phase, run.due_s, run.stuck = Phase.CLOSED, self.now_s + AGAIN_S, True
            return
        if purpose.command:
            self._reports.doubt(purpose.id)
        for channel in [purpose.channel] if purpose.channel else self._channels:
            if channel not in self._runs:
                self._reports.not_opened(channel, why)
                waits = [run for run in self._runs.waiting if run.channel == channel and not run.insist]
                for run in waits:
                    self._not_begun(run.id)
                if waits:
                    self._end_runs(channel)
                self._owed.add(channel, self.now_s + AGAIN_S)
        if self._reports.silent:
            self._owed.put_off(self.now_s + AGAIN_S)

    def not_read(self, purpose: Purpose, *, refused: bool) -> bool:
        """Outputs could not be read; whether that was for a pulse, whose end cannot be read back.

        ``refused``: the board is there, and does not tell; otherwise its acknowledgement may have been somebody else's.
        """
        run = self._runs.of(purpose)
        if run is not None:
            if run.grade is not Grade.SENT and not refused:
                self._reports.doubt(run.id)
            self._finish(run)
        return run is not None

    def _finish(self, run: Run) -> None:
        self._runs.drop(run)
        self._reports.end(Done(id=run.id, grade=self._grade(run)))

    def _grade(self, run: Run) -> Grade:
        return Grade.SENT if run.echo and not self.shown else run.grade
