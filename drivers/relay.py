"""Relay boards, whatever they speak: pulses, holds, inputs and read-back on top of one board's codec.

The codec knows bytes; this module knows what must never happen: a pulse twice, an output left closed, an answer to
another question taken for success. Opening outputs is repeated until the board says so; closing them never is.

A pulse that the board times itself is one request. One that it does not is closed and opened from here, its length
counted from when the bytes went out. Where outputs can be read, the end of each pulse is read back: a relay that stays
closed (welded) is a fault, and so is one that opens by itself under a hold (the board lost its supply); a hold is
never asserted again.
"""

from typing import Final

from drivers.debounce import Debouncer
from drivers.exchange import READ_REPEATS, End
from drivers.faults import Faults
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
    Refused,
    Release,
    TimedOut,
    Urgency,
)
from drivers.relay_asking import Asking
from drivers.relay_codec import Accepted, Ask, Denied, Levels, Named, RelayCodec, Reply
from drivers.relay_polls import Polls
from drivers.relay_runs import Phase, Purpose, Run, beyond_limits
from drivers.seen_ids import SeenIds
from drivers.tally import GarbageTally

SETTLE_S: Final = 0.150  # a relay's own time, and the board's, before its state is believed
OPEN_AGAIN_S: Final = 0.500  # between attempts to open an output whose opening was not answered
_LOOKS: Final = 2  # times that an output must be seen closed before it counts as welded


class RelayDriver:
    """One relay board.

    Args:
        codec: Its bytes; from here on only this driver uses it.
        expect: Who must answer before anything is switched; None where any board of this family will do.
    """

    def __init__(self, codec: RelayCodec, *, expect: Named | None = None) -> None:
        self._codec, self._info, self._expect = codec, codec.info, expect
        self._asking = Asking(codec)
        self._exchange = self._asking.exchange
        self._runs: dict[int, Run] = {}
        self._ids = SeenIds()
        self._events: list[AnyEvent] = []
        self._tally, self._debouncer = GarbageTally(), Debouncer(self._info.inputs)
        self._up = self._proved = False
        self._faults = Faults()
        self._later: dict[tuple[Ask, int], float] = {}  # what is asked again, and when
        self._now_s = float("-inf")
        self._polls = Polls(inputs=self._info.inputs > 0, outputs=self._info.reads_outputs)
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
            self._all_off(Refusal.OVERTAKEN)
            return
        if not self._ids.is_new(command.id):
            return
        match command:
            case Pulse():
                self._close(command, command.channel, command.ms / 1000, hold=False)
            case Hold():
                self._close(command, command.channel, command.seconds, hold=True)
            case Release():
                self._release(command)
            case ReadOutputs():
                self._ask_outputs(Urgency.CONFIGURE, command.id, command=True)
            case Identify():
                self._ask(
                    Purpose(ask=Ask.IDENTIFY, id=command.id, command=True),
                    Urgency.CONFIGURE,
                    repeats=READ_REPEATS,
                )
            case _:
                self._refuse(command.id, Refusal.UNSUPPORTED)

    def _close(self, command: Pulse | Hold, channel: int, seconds: float, *, hold: bool) -> None:
        refusal = self._refusal(command, channel)
        if refusal is not None:
            self._refuse(command.id, refusal)
            return
        ask = Ask.ON if hold or self._info.host_timed else Ask.PULSE
        ms = 0 if hold else round(seconds * 1000)
        stale_s = command.issued_s + COMMAND_AGE_MAX_S
        if self._ask(Purpose(ask=ask, channel=channel, id=command.id), Urgency.OPEN, ms=ms, stale_s=stale_s):
            self._runs[channel] = Run(id=command.id, channel=channel, seconds=seconds, hold=hold)

    def _refusal(self, command: Pulse | Hold, channel: int) -> Refusal | None:
        if not self._up:
            return Refusal.LINE_DOWN
        if not self._proved:
            return Refusal.WRONG_DEVICE
        if channel in self._runs:
            return beyond_limits(command, self._info, self._now_s) or Refusal.BUSY
        opening = self._exchange.waits(
            lambda one: (
                one.urgency is Urgency.RELEASE
                and one.purpose.ask is Ask.OFF
                and one.purpose.channel == channel
            )
        ) or not self._later.keys().isdisjoint({(Ask.OFF, channel), (Ask.ALL_OFF, 0)})
        return beyond_limits(command, self._info, self._now_s) or (Refusal.OVERTAKEN if opening else None)

    def _release(self, command: Release) -> None:
        if not self._up or not self._proved:
            self._refuse(command.id, Refusal.WRONG_DEVICE if self._up else Refusal.LINE_DOWN)
            return
        if not 1 <= command.channel <= self._info.outputs:
            self._refuse(command.id, Refusal.BAD_CHANNEL)
            return
        self._end_runs(command.channel, Refusal.OVERTAKEN)
        about = Purpose(ask=Ask.OFF, channel=command.channel, id=command.id, command=True)
        self._ask(about, Urgency.RELEASE, repeats=READ_REPEATS)

    def _all_off(self, why: Refusal) -> None:
        """Open everything; at a board that has not said who it is nothing is written."""
        self._end_runs(None, why)
        if not self._up or not self._proved:
            return
        self._later.clear()
        self._exchange.withdraw(lambda request: request.urgency is Urgency.ALL_OFF)
        if self._codec.encode(Ask.ALL_OFF) is not None:
            self._ask(Purpose(ask=Ask.ALL_OFF), Urgency.ALL_OFF, repeats=READ_REPEATS)
            return
        for channel in range(1, self._info.outputs + 1):
            self._ask(Purpose(ask=Ask.OFF, channel=channel), Urgency.ALL_OFF, repeats=READ_REPEATS)

    def _end_runs(self, channel: int | None, why: Refusal) -> None:
        """End pulses and holds, of one channel or of all; what was not written yet is surely not carried out."""
        gone = self._exchange.withdraw(
            lambda one: (
                one.purpose.ask in {Ask.ON, Ask.PULSE, Ask.OFF} and channel in {None, one.purpose.channel}
            )
        )
        for request in gone:  # a release that waited: what overtakes it opens the output as well
            if request.purpose.command:
                self._refuse(request.purpose.id, why)
        for number in [one for one in self._runs if channel in {None, one}]:
            run = self._runs.pop(number)
            if run.told:
                continue
            if run.phase is Phase.WAITING:
                self._refuse(run.id, why)
            else:
                self._events.append(TimedOut(id=run.id, maybe_executed=True))

    # -- the line

    def wants_line(self) -> Urgency | None:
        """How urgent the next frame is."""
        return self._exchange.wants_line()

    def holds_line(self) -> bool:
        """Whether an answer is due or the board needs silence."""
        return self._exchange.holds_line()

    def take_output(self) -> list[bytes]:
        """The next frame, alone."""
        request = self._exchange.take()
        if request is None:
            return []
        purpose = request.purpose
        run = self._runs.get(purpose.channel)
        if run is not None and run.id == purpose.id and purpose.ask in {Ask.ON, Ask.PULSE}:
            run.phase, run.ends_s = Phase.CLOSED, self._now_s + run.seconds
        return [request.data]

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
            if run.ends_s <= now_s:
                self._run_due(run)
        for again in [again for again, at_s in self._later.items() if at_s <= now_s]:
            del self._later[again]
            self._ask(Purpose(ask=again[0], channel=again[1]), Urgency.RELEASE, repeats=READ_REPEATS)
        self._poll(now_s)
        self._events += self._tally.take(now_s)

    def next_deadline(self) -> float | None:
        """The next thing that ``tick`` has to do."""
        deadlines = [self._exchange.next_deadline(), self._tally.next_deadline(), self._polls.next_deadline()]
        deadlines += [run.ends_s for run in self._runs.values()] + [*self._later.values()]
        return min((one for one in deadlines if one is not None and one != float("inf")), default=None)

    def take_events(self) -> list[AnyEvent]:
        """Events so far; what nothing answers counts as done now that it was written."""
        for request in self._exchange.take_written():
            self._settle(request.purpose, None)
        events, self._events = self._events, []
        return events

    def line_up(self, now_s: float) -> None:
        """Find out who is there where that matters, then open every relay."""
        assert not self._runs, "pulses must have ended with the line"
        self._now_s, self._up = now_s, True
        self._codec.flush(None)
        self._debouncer.forget_changes()
        self._read.clear()
        self._exchange.tick(now_s)
        self._proved = self._expect is None
        if not self._proved:
            self._ask(Purpose(ask=Ask.IDENTIFY), Urgency.ALL_OFF, repeats=READ_REPEATS)
            return
        self._all_off(Refusal.OVERTAKEN)
        self._polls.start(self._now_s)

    def line_lost(self, now_s: float) -> None:
        """End everything that is unfinished. Levels of inputs are kept, so that a change meanwhile is reported."""
        self._now_s, self._up = now_s, False
        self._exchange.lost()
        self._polls.stop()
        for run in self._runs.values():
            if not run.told:
                self._events.append(TimedOut(id=run.id, maybe_executed=run.phase is not Phase.WAITING))
        self._runs.clear()
        self._later.clear()
        self._events += self._faults.forget()

    # -- answers

    def _take(self, reply: Reply | None) -> None:
        if reply is None or self._exchange.open is None:
            return
        purpose = self._exchange.answered(self._now_s).purpose
        self._well("silent")
        if isinstance(reply, Denied):
            self._denied(purpose, reply.why)
        else:
            self._settle(purpose, reply)

    def _settle(self, purpose: Purpose, reply: Accepted | Levels | Named | None) -> None:
        """Something was carried out, or read; ``reply`` is None when the board says nothing."""
        self._well(f"denied {purpose.ask.value}")
        match purpose.ask, reply:
            case ((Ask.ON | Ask.PULSE), _):
                self._closed(purpose, reply)
            case Ask.OFF, _:
                self._opened(purpose, reply)
            case Ask.ALL_OFF, _:
                for channel in range(self._info.outputs + 1):
                    self._output_opens(channel)
            case Ask.OUTPUTS, Levels():
                self._outputs_read(purpose, reply)
            case Ask.INPUTS, Levels():
                self._inputs_read(reply)
            case Ask.IDENTIFY, Named():
                self._named(purpose, reply)
            case _:
                self._failed(purpose, End.UNANSWERED)

    def _closed(self, purpose: Purpose, reply: Reply | None) -> None:
        run = self._run_of(purpose)
        if run is None:
            return
        run.grade = Grade.SENT if reply is None else Grade.ACCEPTED
        if run.hold:
            self._events.append(Outputs(id=run.id, bits=1 << (purpose.channel - 1), read=False))

    def _opened(self, purpose: Purpose, reply: Reply | None) -> None:
        self._output_opens(purpose.channel)
        run = self._run_of(purpose)
        if run is None:
            if purpose.command:
                grade = Grade.SENT if reply is None else Grade.ACCEPTED
                self._events.append(Done(id=purpose.id, grade=grade))
        elif self._info.reads_outputs:
            run.phase, run.ends_s = Phase.CHECKING, self._now_s + SETTLE_S
        else:
            self._finish(run, run.grade)

    def _output_opens(self, channel: int) -> None:
        """The board took the opening of this output (0: of all)."""
        self._well(f"open {channel}")
        self._well(f"hold {channel}")

    def _outputs_read(self, purpose: Purpose, levels: Levels) -> None:
        for channel in range(1, self._info.outputs + 1):
            if levels.mask >> (channel - 1) & 1:
                self._output_read(channel, closed=bool(levels.bits >> (channel - 1) & 1))
        if purpose.command:
            self._tell_outputs(purpose)

    def _tell_outputs(self, purpose: Purpose) -> None:
        """Answer a ``ReadOutputs``; a board that is read one by one answers when the last was read."""
        if self._asking.waits(Ask.OUTPUTS, purpose.id):
            return
        bits = sum(closed << (channel - 1) for channel, closed in self._read.items())
        self._events.append(Outputs(id=purpose.id, bits=bits, read=True))

    def _output_read(self, channel: int, *, closed: bool) -> None:
        before = self._read.get(channel)
        self._read[channel] = closed
        run = self._runs.get(channel)
        if run is not None and run.phase is Phase.CHECKING:
            self._checked(run, closed=closed)
        elif run is not None and run.hold and run.phase is Phase.CLOSED and not closed:
            self._fault(
                f"hold {channel}", f"output {channel} opened by itself: did the board lose its supply?"
            )
            self._finish(run, run.grade)
        elif run is None and closed and before:
            self._fault(f"welded {channel}", _stays_closed(channel))
        elif not closed and run is None:
            self._well(f"welded {channel}")

    def _checked(self, run: Run, *, closed: bool) -> None:
        if not closed:
            self._well(f"welded {run.channel}")
            self._finish(run, Grade.CONFIRMED)
            return
        run.looks += 1
        if run.looks < _LOOKS:
            run.ends_s = self._now_s + SETTLE_S
            return
        self._fault(f"welded {run.channel}", _stays_closed(run.channel))
        self._finish(run, run.grade)

    def _inputs_read(self, levels: Levels) -> None:
        self._events += self._debouncer.sample(levels.bits & levels.mask, self._now_s)
        self._polls.look_again(self._debouncer.settles_at())

    def _named(self, purpose: Purpose, named: Named) -> None:
        self._events.append(named.to_event(purpose.id, self._info.identifies))
        if self._proved or self._expect is None:
            return
        if not named.fits(self._expect):
            words = f"{named.maker} {named.model} {named.serial}".strip()
            self._fault(
                "identity", f"another device is at this port: {words}. Check the cables and the configuration"
            )
            return
        self._proved = True
        self._all_off(Refusal.OVERTAKEN)
        self._polls.start(self._now_s)

    def _denied(self, purpose: Purpose, why: str) -> None:
        run = self._run_of(purpose)
        if run is not None and purpose.ask in {Ask.ON, Ask.PULSE}:
            del self._runs[purpose.channel]
            self._refuse(run.id, Refusal.DENIED)
        elif purpose.ask in {Ask.OFF, Ask.ALL_OFF}:
            self._not_opened(purpose, run, why)
        else:
            self._fault(f"denied {purpose.ask.value}", f"the board refuses {purpose.ask.value}: {why}")
            if run is not None:
                self._finish(run, run.grade)  # its end cannot be read back
            elif purpose.command:
                self._refuse(purpose.id, Refusal.DENIED)

    # -- what did not come

    def _failed(self, purpose: Purpose, end: End) -> None:
        run = self._run_of(purpose)
        if end is End.STALE:
            if run is not None:
                del self._runs[purpose.channel]
            self._refuse(purpose.id, Refusal.TOO_OLD)
            return
        self._fault("silent", "the board does not answer")
        match purpose.ask:
            case Ask.ON | Ask.PULSE:
                self._doubtful(run)
            case Ask.OFF | Ask.ALL_OFF:
                self._not_opened(purpose, run, "no answer")
            case Ask.OUTPUTS if run is not None:
                self._finish(run, run.grade)
            case Ask.INPUTS:
                self._debouncer.forget_changes()
            case Ask.IDENTIFY if not purpose.command:  # without a name nothing is switched
                self._later[Ask.IDENTIFY, 0] = self._now_s + OPEN_AGAIN_S
            case _ if purpose.command:
                self._events.append(TimedOut(id=purpose.id, maybe_executed=False))

    def _doubtful(self, run: Run | None) -> None:
        """It may have been carried out: said at once, and its end comes all the same."""
        if run is not None and not run.told:
            run.told = True
            self._events.append(TimedOut(id=run.id, maybe_executed=True))

    def _not_opened(self, purpose: Purpose, run: Run | None, why: str) -> None:
        self._fault(
            f"open {purpose.channel}",
            f"output {purpose.channel or 'of any number'} may still be closed: {why}",
        )
        self._doubtful(run)
        if run is not None:
            run.phase, run.ends_s = Phase.CLOSED, self._now_s + OPEN_AGAIN_S
            return
        if purpose.command:
            self._events.append(TimedOut(id=purpose.id, maybe_executed=True))
        self._later[purpose.ask, purpose.channel] = self._now_s + OPEN_AGAIN_S

    # -- time

    def _run_due(self, run: Run) -> None:
        run.ends_s = float("inf")
        if run.phase is Phase.CHECKING:
            self._ask_outputs(Urgency.RELEASE, run.id, channel=run.channel)
        elif run.hold or self._info.host_timed:
            run.phase = Phase.OPENING
            about = Purpose(ask=Ask.OFF, channel=run.channel, id=run.id)
            self._ask(about, Urgency.RELEASE, repeats=READ_REPEATS)
        elif self._info.reads_outputs:
            run.phase, run.ends_s = Phase.CHECKING, self._now_s + SETTLE_S
        else:
            self._finish(run, run.grade)

    def _poll(self, now_s: float) -> None:
        faulty = "silent" in self._faults
        repeats = 0 if faulty else READ_REPEATS
        for ask in self._polls.take_due(now_s, faulty=faulty):
            if self._asking.waits(ask):
                continue
            if ask is Ask.INPUTS:
                self._ask(Purpose(ask=ask), Urgency.POLL, repeats=repeats)
            else:
                self._ask_outputs(Urgency.POLL, "", repeats=repeats)

    # -- small parts

    def _ask(
        self,
        purpose: Purpose,
        urgency: Urgency,
        *,
        ms: int = 0,
        repeats: int = 0,
        stale_s: float | None = None,
    ) -> bool:
        refusal = self._asking.put(purpose, urgency, ms=ms, repeats=repeats, stale_s=stale_s)
        if refusal is not None and purpose.id:
            self._refuse(purpose.id, refusal)
        return refusal is None

    def _ask_outputs(
        self,
        urgency: Urgency,
        id_: str,
        *,
        channel: int = 0,
        repeats: int = READ_REPEATS,
        command: bool = False,
    ) -> None:
        """Read one output or all; a board that reads one at a time is asked for each."""
        everything = self._codec.encode(Ask.OUTPUTS) is not None
        one_by_one = [channel] if channel else range(1, self._info.outputs + 1)
        for number in [0] if everything else one_by_one:
            about = Purpose(ask=Ask.OUTPUTS, channel=number, id=id_, command=command)
            if not self._ask(about, urgency, repeats=repeats):
                return

    def _run_of(self, purpose: Purpose) -> Run | None:
        """The run that a request is about; one asked about all channels is found by its id."""
        if purpose.channel:
            run = self._runs.get(purpose.channel)
            return run if run is not None and run.id == purpose.id else None
        return next((run for run in self._runs.values() if run.id == purpose.id and purpose.id), None)

    def _finish(self, run: Run, grade: Grade) -> None:
        del self._runs[run.channel]
        if not run.told:
            self._events.append(Done(id=run.id, grade=grade))

    def _refuse(self, id_: str, why: Refusal) -> None:
        self._events.append(Refused(id=id_, why=why))

    def _fault(self, kind: str, why: str) -> None:
        self._events += self._faults.begin(kind, why)

    def _well(self, kind: str) -> None:
        self._events += self._faults.end(kind)


def _stays_closed(channel: int) -> str:
    return f"output {channel} stays closed: welded, or switched by somebody else"
