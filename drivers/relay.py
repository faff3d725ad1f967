"""Relay boards, whatever they speak: pulses, holds, inputs and read-back on top of one board's codec.

The codec knows bytes; this module knows what must never happen: a pulse twice, an output left closed, an answer to
another question taken for success. Opening outputs is repeated until the board says so; closing them never is. While an
opening is owed, the same output is not closed again.

A pulse that the board times itself is one request. One that it does not is closed and opened from here, its length
counted from when the bytes went out. Where outputs can be read, a pulse counts as confirmed when its output was seen
closed in the middle and open at the end. A relay that stays closed (welded) is a fault, and so is one that opens by
itself under a hold (the board lost its supply); a hold is never asserted again.
"""

from typing import Final

from drivers.debounce import Debouncer
from drivers.exchange import READ_REPEATS, End
from drivers.model import (
    COMMAND_AGE_MAX_S,
    AllOff,
    AnyEvent,
    Command,
    Done,
    DriverInfo,
    Grade,
    Hold,
    Identify,
    Outputs,
    Pulse,
    ReadOutputs,
    Refusal,
    Release,
    Urgency,
)
from drivers.relay_asking import Asking
from drivers.relay_codec import Accepted, Ask, Denied, Levels, Named, RelayCodec, Reply
from drivers.relay_owed import AGAIN_S, Owed
from drivers.relay_polls import Polls
from drivers.relay_reports import Reports
from drivers.relay_runs import Phase, Purpose, Run, Runs, beyond_limits, grade_of
from drivers.tally import GarbageTally

SETTLE_S: Final = 0.150  # a relay's own time, and the board's, before its state is believed
_LOOKS: Final = 2  # times that an output must be seen closed before it counts as welded
_NEVER: Final = float("inf")


class RelayDriver:
    """One relay board.

    Args:
        codec: Its bytes; from here on only this driver uses it.
        expect: Who must answer before anything is switched; None where any board of this family will do.
    """

    def __init__(self, codec: RelayCodec, *, expect: Named | None = None) -> None:
        info = codec.info
        assert expect is None or codec.encode(Ask.IDENTIFY) is not None, f"{info.protocol} has no name to ask"
        assert not info.outputs or codec.encode(Ask.OFF, channel=1) is not None, f"{info.protocol} has no off"
        self._codec, self._info, self._expect = codec, info, expect
        self._channels = range(1, info.outputs + 1)
        self._asking = Asking(codec)
        self._exchange = self._asking.exchange
        self._runs = Runs()
        self._reports = Reports()
        self._tally, self._debouncer = GarbageTally(), Debouncer(info.inputs)
        self._up = self._proved = False
        self._owed = Owed()
        self._name_at_s = _NEVER  # when to ask for the board's name again
        self._now_s = float("-inf")
        self._polls = Polls(inputs=info.inputs > 0, outputs=info.reads_outputs)
        self._read: dict[int, bool] = {}  # outputs as read since the last line-up

    @property
    def info(self) -> DriverInfo:
        """What this board can do."""
        return self._info

    # -- commands

    def submit(self, command: Command, now_s: float) -> None:
        """Take a command."""
        self._now_s = now_s
        if isinstance(command, AllOff):
            self._all_off()
            return
        if not self._reports.begin(command.id):
            return
        if not self._up:
            self._reports.refuse(command.id, Refusal.LINE_DOWN)
            return
        match command:
            case Pulse():
                self._close(command, command.ms / 1000, hold=False)
            case Hold():
                self._close(command, command.seconds, hold=True)
            case Release():
                self._release(command)
            case ReadOutputs() if not self._proved:
                self._reports.refuse(command.id, Refusal.WRONG_DEVICE)
            case ReadOutputs() | Identify():
                ask = Ask.OUTPUTS if isinstance(command, ReadOutputs) else Ask.IDENTIFY
                about = Purpose(ask=ask, id=command.id, command=True)
                self._ask(about, Urgency.CONFIGURE, repeats=READ_REPEATS)
            case _:
                self._reports.refuse(command.id, Refusal.UNSUPPORTED)

    def _close(self, command: Pulse | Hold, seconds: float, *, hold: bool) -> None:
        refusal = self._refusal(command)
        if refusal is not None:
            self._reports.refuse(command.id, refusal)
            return
        insist = isinstance(command, Pulse) and command.insist
        ask = Ask.ON if hold or self._info.host_timed else Ask.PULSE
        run = Run(id=command.id, channel=command.channel, seconds=seconds, hold=hold, insist=insist)
        about = Purpose(ask=ask, channel=run.channel, id=run.id, ms=0 if hold else round(seconds * 1000))
        stale_s = min(command.issued_s, self._now_s) + COMMAND_AGE_MAX_S
        urgency = Urgency.RELEASE if self._opens(run.channel) else Urgency.OPEN  # in its turn
        if self._ask(about, urgency, stale_s=stale_s):
            if run.channel in self._runs:  # it is over, but for an opening that the board does not take
                self._owed.add(run.channel, self._now_s)
            self._runs[run.channel] = run

    def _refusal(self, command: Pulse | Hold) -> Refusal | None:
        if not self._proved:
            return Refusal.WRONG_DEVICE
        beyond = beyond_limits(command, self._info, self._now_s)
        if beyond is not None:
            return beyond
        insist = isinstance(command, Pulse) and command.insist
        run = self._runs.get(command.channel)
        if run is not None and not (insist and run.stuck):
            return Refusal.BUSY
        return Refusal.OVERTAKEN if self._opens(command.channel) and not insist else None

    def _opens(self, channel: int) -> bool:
        return channel in self._owed or self._asking.waits_to_open(channel)

    def _release(self, command: Release) -> None:
        if not self._proved or command.channel not in self._channels:
            self._reports.refuse(command.id, Refusal.BAD_CHANNEL if self._proved else Refusal.WRONG_DEVICE)
            return
        self._end_runs(command.channel)
        about = Purpose(ask=Ask.OFF, channel=command.channel, id=command.id, command=True)
        self._ask(about, Urgency.RELEASE, repeats=READ_REPEATS)

    def _all_off(self) -> None:
        """Open everything; at a board that has not said who it is nothing is written."""
        self._end_runs(None)
        if not self._up or not self._proved:
            return
        self._owed.clear()
        self._asking.put_all_off()

    def _end_runs(self, channel: int | None) -> None:
        """End pulses and holds, of one channel or of all; what was not written yet is surely not carried out."""
        gone = self._exchange.withdraw(
            lambda one: (
                one.purpose.ask in {Ask.ON, Ask.PULSE, Ask.OFF} and channel in {None, one.purpose.channel}
            )
        )
        for request in gone:  # a release that waited: what overtakes it opens the output as well
            if request.purpose.command:
                self._reports.refuse(request.purpose.id, Refusal.OVERTAKEN)
        for number in [one for one in self._runs if channel in {None, one}]:
            run = self._runs.pop(number)
            if run.phase is Phase.WAITING:
                self._reports.refuse(run.id, Refusal.OVERTAKEN)
            elif run.hold and run.taken and channel is not None:
                self._reports.end(Done(id=run.id, grade=run.grade))  # released as it was meant to be
            else:
                self._reports.doubt(run.id)

    # -- the line

    def wants_line(self) -> Urgency | None:
        """How urgent the next frame is."""
        return self._exchange.wants_line()

    def holds_line(self) -> bool:
        """Whether an answer is due or the board needs silence."""
        return self._exchange.holds_line()

    def take_output(self) -> list[bytes]:
        """The next frame; several only for a board that answers nothing and needs no silence."""
        frames: list[bytes] = []
        while (request := self._exchange.take()) is not None:
            if request.within_s is not None:
                self._codec.flush(None)  # nothing from before the question is part of its answer
            run = self._runs.of(request.purpose)
            if run is not None and request.purpose.ask in {Ask.ON, Ask.PULSE}:
                run.begin(self._now_s, look=self._info.reads_outputs)
            frames.append(request.data)
        return frames

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes; only the answer to the open request counts."""
        self._now_s = now_s
        self._take(self._asking.feed(data))
        self._tally.add(self._codec.take_garbage(), now_s)

    def tick(self, now_s: float) -> None:
        """End what is due, notice what was not answered, and ask when it is time."""
        self._now_s = now_s
        if self._exchange.overdue(now_s):
            self._take(self._asking.flush())
            self._tally.add(self._codec.take_garbage(), now_s)
        for request, end in self._exchange.tick(now_s):
            self._failed(request.purpose, end)
        for run in list(self._runs.values()):
            if run.look_s <= now_s:
                run.look_s = _NEVER
                self._ask(Purpose(ask=Ask.OUTPUTS, channel=run.channel), Urgency.POLL)
            if run.due_s <= now_s:
                self._run_due(run)
        owed = self._owed.due(now_s, but=self._runs)
        if owed is not None and not self._asking.asks_owed():
            self._ask(Purpose(ask=Ask.OFF, channel=owed), Urgency.RELEASE)
        if self._name_at_s <= now_s:
            self._ask_name()
        self._poll(now_s)
        self._reports.tell(*self._tally.take(now_s))

    def next_deadline(self) -> float | None:
        """The next thing that ``tick`` has to do."""
        deadlines = [self._exchange.next_deadline(), self._tally.next_deadline(), self._polls.next_deadline()]
        deadlines += self._runs.deadlines()
        if not self._asking.asks_owed():
            deadlines.append(self._owed.next_deadline(but=self._runs))
        deadlines.append(self._name_at_s)
        return min((one for one in deadlines if one is not None and one != _NEVER), default=None)

    def take_events(self) -> list[AnyEvent]:
        """Events so far; what nothing answers counts as done now that it was written."""
        for request in self._exchange.take_written():
            self._settle(request.purpose, None)
        return self._reports.take()

    def line_up(self, now_s: float) -> None:
        """Find out who is there where that matters, then open every relay."""
        assert not self._runs, "pulses must have ended with the line"
        self._now_s, self._up = now_s, True
        self._codec.flush(None)
        self._debouncer.forget_changes()
        self._read.clear()
        self._exchange.tick(now_s)
        self._proved = self._expect is None
        if self._proved:
            self._begin()
        else:
            self._ask_name()

    def _begin(self) -> None:
        """The board is the right one: open everything, then look at it regularly."""
        self._all_off()
        self._asking.put_blind()
        self._polls.start(self._now_s)

    def line_lost(self, now_s: float) -> None:
        """End everything that is unfinished. Levels of inputs are kept, so that a change meanwhile is reported."""
        self._now_s, self._up = now_s, False
        self._polls.stop()
        for run in self._runs.values():
            self._reports.doubt(run.id, maybe_executed=run.phase is not Phase.WAITING)
        self._runs.clear()
        for request, end in self._exchange.lost():
            if end is End.LOST:
                self._reports.refuse(request.purpose.id, Refusal.LINE_DOWN)
            else:
                self._reports.doubt(request.purpose.id, maybe_executed=request.purpose.ask is Ask.OFF)
        self._owed.clear()
        self._name_at_s = _NEVER
        self._reports.forget()

    # -- answers

    def _take(self, reply: Reply | None) -> None:
        if reply is None or self._exchange.open is None:
            return
        purpose = self._exchange.answered(self._now_s).purpose
        self._reports.right("silent")
        if isinstance(reply, Denied):
            self._denied(purpose, reply)
        else:
            self._settle(purpose, reply)

    def _settle(self, purpose: Purpose, reply: Accepted | Levels | Named | None) -> None:
        """Something was carried out, or read; ``reply`` is None when the board says nothing."""
        self._reports.right(f"denied {purpose.ask.value}")
        match purpose.ask, reply:
            case ((Ask.ON | Ask.PULSE), (Accepted() | None)):
                self._closed(purpose, reply)
            case Ask.OFF, (Accepted() | None):
                self._opened(purpose, reply)
            case Ask.ALL_OFF, (Accepted() | None):
                for channel in self._channels:
                    self._output_opens(channel)
            case Ask.OUTPUTS, Levels():
                self._outputs_read(purpose, reply)
            case Ask.INPUTS, Levels():
                self._reports.tell(*self._debouncer.sample(reply.bits & reply.mask, self._now_s))
                self._polls.look_again(self._debouncer.settles_at())
            case Ask.IDENTIFY, Named():
                self._named(purpose, reply)
            case _:
                self._failed(purpose, End.UNANSWERED)

    def _closed(self, purpose: Purpose, reply: Reply | None) -> None:
        run = self._runs.of(purpose)
        if run is None:
            return
        run.taken, run.grade = True, grade_of(reply)
        if run.hold:
            self._reports.tell(Outputs(id=run.id, bits=1 << (run.channel - 1), read=False))
        elif run.phase is Phase.CLOSED:
            run.due_s = run.ends_s

    def _opened(self, purpose: Purpose, reply: Reply | None) -> None:
        self._output_opens(purpose.channel)
        run = self._runs.of(purpose)
        if run is None:
            if purpose.command:
                self._reports.end(Done(id=purpose.id, grade=grade_of(reply)))
        elif self._info.reads_outputs:
            run.phase, run.due_s = Phase.CHECKING, self._now_s + SETTLE_S
        else:
            self._finish(run)

    def _output_opens(self, channel: int) -> None:
        """The board took the opening of this output."""
        self._owed.done(channel)
        self._reports.right(f"open {channel}", f"hold {channel}")

    def _outputs_read(self, purpose: Purpose, levels: Levels) -> None:
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
                self._owed.add(channel, self._now_s)  # at each reading: some boards answer no opening
        elif run.phase is Phase.CLOSED and closed:
            run.seen_closed = True
        elif run.phase is Phase.CLOSED and run.hold and self._now_s >= run.closed_s + SETTLE_S:
            self._reports.opened_by_itself(channel)
            self._reports.doubt(run.id)
            run.due_s = self._now_s  # told to open all the same
        elif run.phase is Phase.CHECKING and (not closed or run is asked_by):
            self._checked(run, closed=closed)

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
            run.due_s = self._now_s + SETTLE_S
            return
        self._reports.stays_closed(run.channel)
        self._finish(run)
        self._owed.add(run.channel, self._now_s)

    def _named(self, purpose: Purpose, named: Named) -> None:
        identity = named.to_event(purpose.id, self._info.identifies)
        if purpose.command:
            self._reports.end(identity)
        else:
            self._reports.tell(identity)
        if self._proved or self._expect is None:
            return
        if named.fits(self._expect):
            self._proved = True
            self._reports.right("identity")
            self._begin()
            return
        self._reports.stranger(named)

    def _denied(self, purpose: Purpose, denied: Denied) -> None:
        run, why = self._runs.of(purpose), denied.why
        match purpose.ask:
            case Ask.ON | Ask.PULSE:
                if run is not None and not denied.surely:
                    self._reports.doubt(run.id)  # its end comes all the same
                    return
                if run is not None:
                    del self._runs[run.channel]
                    self._reports.refuse(run.id, Refusal.DENIED)
                if purpose.ask is Ask.ON:  # opening is never wrong, whatever the board makes of it
                    self._owed.add(purpose.channel, self._now_s)
            case Ask.OFF | Ask.ALL_OFF:
                self._not_opened(purpose, run, why)
            case _:
                self._reports.denies(purpose.ask.value, why)
                self._ask_name_later(purpose)
                if run is not None:
                    self._finish(run)  # its end cannot be read back
                elif purpose.command:
                    self._reports.refuse(purpose.id, Refusal.DENIED)

    def _failed(self, purpose: Purpose, end: End) -> None:
        run = self._runs.of(purpose)
        if end is End.STALE:
            if run is not None:
                del self._runs[run.channel]
            self._reports.refuse(purpose.id, Refusal.TOO_OLD)
            return
        self._reports.no_answer()
        match purpose.ask:
            case Ask.ON | Ask.PULSE:
                if run is not None:
                    self._reports.doubt(run.id)  # said at once; its end comes all the same
            case Ask.OFF | Ask.ALL_OFF:
                self._not_opened(purpose, run, "no answer")
            case Ask.INPUTS:
                self._debouncer.forget_changes()
            case _:
                self._ask_name_later(purpose)
                if run is not None:
                    self._finish(run)
                elif purpose.command:
                    self._reports.doubt(purpose.id, maybe_executed=False)

    def _not_opened(self, purpose: Purpose, run: Run | None, why: str) -> None:
        """The board did not take an opening: try again, one by one, and close none of these meanwhile."""
        if run is not None:
            self._reports.not_opened(run.channel, why)
            self._reports.doubt(run.id)
            run.phase, run.due_s, run.stuck = Phase.CLOSED, self._now_s + AGAIN_S, True
            return
        if purpose.command:
            self._reports.doubt(purpose.id)
        for channel in [purpose.channel] if purpose.channel else self._channels:
            waits = self._runs.get(channel)
            if waits is None or waits.phase is Phase.WAITING:
                self._reports.not_opened(channel, why)
                if waits is not None and not waits.insist:
                    self._end_runs(channel)
                self._owed.add(channel, self._now_s + AGAIN_S)
        if self._reports.silent:
            self._owed.put_off(self._now_s + AGAIN_S)

    def _run_due(self, run: Run) -> None:
        run.due_s = _NEVER
        if run.phase is Phase.CHECKING:
            about = Purpose(ask=Ask.OUTPUTS, channel=run.channel, id=run.id)
            self._ask(about, Urgency.RELEASE, repeats=READ_REPEATS)
        elif run.hold or self._info.host_timed:
            run.phase = Phase.OPENING
            about = Purpose(ask=Ask.OFF, channel=run.channel, id=run.id)
            self._ask(about, Urgency.RELEASE, repeats=READ_REPEATS)
        elif self._asking.waits(Ask.PULSE, run.id):
            run.due_s = self._exchange.next_deadline() or self._now_s  # the board's word comes first
        elif self._info.reads_outputs:
            run.phase, run.due_s = Phase.CHECKING, self._now_s + SETTLE_S
        else:
            self._finish(run)

    def _poll(self, now_s: float) -> None:
        faulty = self._reports.silent
        repeats = 0 if faulty else READ_REPEATS
        for ask in self._polls.take_due(now_s, faulty=faulty):
            if not self._asking.waits(ask):
                self._ask(Purpose(ask=ask), Urgency.POLL, repeats=repeats)

    def _ask(
        self, about: Purpose, urgency: Urgency, *, repeats: int = 0, stale_s: float | None = None
    ) -> bool:
        refusal = self._asking.put(about, urgency, repeats=repeats, stale_s=stale_s)
        if refusal is not None:
            self._reports.refuse(about.id, refusal)
        return refusal is None

    def _ask_name(self) -> None:
        self._name_at_s = _NEVER
        self._ask(Purpose(ask=Ask.IDENTIFY), Urgency.ALL_OFF)

    def _ask_name_later(self, purpose: Purpose) -> None:
        """Without a name nothing is switched."""
        if purpose.ask is Ask.IDENTIFY and not purpose.command:
            self._name_at_s = self._now_s + AGAIN_S

    def _finish(self, run: Run) -> None:
        del self._runs[run.channel]
        self._reports.end(Done(id=run.id, grade=run.grade))
