"""Relay boards, whatever they speak: pulses, holds, inputs and read-back on top of one board's codec.

The codec knows bytes; the driver knows what must never happen: a pulse twice, an output left closed, an answer to
another question taken for success. What it does with outputs is in ``drivers.relay_switching``; here are the board's
name, its inputs, and the order of all questions on the line.

A pulse that the board times itself is one request. One that it does not is closed and opened from here, its length
counted from when the bytes went out. Where outputs can be read, a pulse counts as confirmed when its output was seen
closed in the middle and open at the end. A relay that stays closed (welded) is a fault, and so is one that opens by
itself under a hold (the board lost its supply); a hold is never asserted again.
"""

from collections.abc import Collection
from typing import Final

from drivers.debounce import Debouncer
from drivers.exchange import READ_REPEATS, End
from drivers.model import (
    AllOff,
    AnyEvent,
    Command,
    DriverInfo,
    Hold,
    Identify,
    Pulse,
    ReadOutputs,
    Refusal,
    Release,
    Urgency,
)
from drivers.relay_asking import Asking
from drivers.relay_codec import Accepted, Ask, Denied, Echoing, Levels, Named, RelayCodec, Reply
from drivers.relay_owed import AGAIN_S
from drivers.relay_polls import Polls
from drivers.relay_reports import Reports
from drivers.relay_runs import Purpose
from drivers.relay_switching import Switching
from drivers.tally import GarbageTally

_SHOW_EVERY_S: Final = 60.0  # a board that takes orders and answers no question: its pulses need the line
_SHOW_ECHO_S: Final = 1.0
_NEVER: Final = float("inf")


class RelayDriver:
    """One relay board.

    Args:
        codec: Its bytes; from here on only this driver uses it.
        expect: Who must answer before anything is switched; None where any board of this family will do.
        watch: Inputs to read; None for all. Where each is a question of its own, the fewer the faster.
    """

    def __init__(
        self, codec: RelayCodec, *, expect: Named | None = None, watch: Collection[int] | None = None
    ) -> None:
        info = codec.info
        assert expect is None or codec.encode(Ask.IDENTIFY) is not None, f"{info.protocol} has no name to ask"
        assert not info.outputs or codec.encode(Ask.OFF, channel=1) is not None, f"{info.protocol} has no off"
        inputs = range(1, info.inputs + 1) if watch is None else sorted(set(watch))
        assert all(1 <= one <= info.inputs for one in inputs), (
            f"{info.protocol} has inputs 1 to {info.inputs}"
        )
        self._codec, self._info, self._expect = codec, info, expect
        self._asking = Asking(codec)
        self._exchange = self._asking.exchange
        self._reports = Reports()
        self._outputs = Switching(info, self._asking, self._reports)
        self._tally, self._debouncer = GarbageTally(), Debouncer(info.inputs)
        outputs = range(1, info.outputs + 1) if info.reads_outputs else []
        self._polls = Polls(
            inputs=[0] if inputs and codec.encode(Ask.INPUTS) is not None else inputs,
            outputs=[0] if outputs and codec.encode(Ask.OUTPUTS) is not None else outputs,
        )
        self._up = self._proved = False
        self._name_at_s = _NEVER  # when to ask for the board's name again
        self._show_at_s = _NEVER  # when to ask whether anybody is there
        self._show_from_s = float("-inf")  # ... and not before
        self._now_s = float("-inf")
        self._heard_s: float | None = None

    @property
    def info(self) -> DriverInfo:
        """What this board can do."""
        return self._info

    @property
    def heard_s(self) -> float | None:
        """When the board last answered a question, in monotonic seconds; None if it never did. Noise is no answer."""
        return self._heard_s

    # -- commands

    def submit(self, command: Command, now_s: float) -> None:
        """Take a command."""
        self._is_now(now_s)
        if isinstance(command, AllOff):
            self._all_off()
            return
        if not self._reports.begin(command.id):
            return
        if not self._up:
            self._reports.refuse(command.id, Refusal.LINE_DOWN)
            return
        if not self._proved and isinstance(command, Pulse | Hold | Release | ReadOutputs):
            if self._reports.silent:
                self._reports.doubt(command.id, maybe_executed=False)  # nobody says who is there
            else:
                self._reports.refuse(command.id, Refusal.WRONG_DEVICE)
            return
        match command:
            case Pulse() | Hold():
                self._outputs.close(command)
            case Release():
                self._outputs.release(command)
            case ReadOutputs() | Identify():
                ask = Ask.OUTPUTS if isinstance(command, ReadOutputs) else Ask.IDENTIFY
                about = Purpose(ask=ask, id=command.id, command=True)
                self._asking.ask(about, Urgency.CONFIGURE, self._reports, repeats=READ_REPEATS)
            case _:
                self._reports.refuse(command.id, Refusal.UNSUPPORTED)

    def _all_off(self) -> None:
        """Open everything; at a board that has not said who it is nothing is written."""
        if self._up and self._proved:
            self._outputs.all_off()
        else:
            self._outputs.end_all()

    # -- the line

    def wants_line(self) -> Urgency | None:
        """How urgent the next frame is."""
        return self._exchange.wants_line()

    def holds_line(self) -> bool:
        """Whether an answer is due or the board needs silence."""
        return self._exchange.holds_line()

    def opens_outputs(self) -> bool:
        """Whether an opening of an output waits for the line or for its answer."""
        return self._asking.opens_outputs()

    def take_output(self) -> list[bytes]:
        """The next frame; several only for a board that answers nothing and needs no silence."""
        frames: list[bytes] = []
        while (request := self._exchange.take()) is not None:
            if request.within_s is not None:
                self._codec.flush(None)  # nothing from before the question is part of its answer
            self._outputs.begins(request.purpose)
            frames.append(request.data)
        return frames

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes; only the answer to the open request counts."""
        self._is_now(now_s)
        self._take(self._asking.feed(data))
        self._tally.add(self._codec.take_garbage(), now_s)

    def tick(self, now_s: float) -> None:
        """End what is due, notice what was not answered, and ask when it is time."""
        self._is_now(now_s)
        if self._exchange.overdue(now_s):
            self._take(self._asking.flush())
            self._tally.add(self._codec.take_garbage(), now_s)
        for request, end in self._exchange.tick(now_s):
            self._failed(request.purpose, end)
        self._outputs.tick()
        if self._name_at_s <= now_s:
            self._ask_name()
        if self._show_at_s <= now_s:
            self._ask_presence()
        self._poll()
        self._reports.tell(*self._tally.take(now_s))

    def next_deadline(self) -> float | None:
        """The next thing that ``tick`` has to do."""
        deadlines = [self._exchange.next_deadline(), self._tally.next_deadline(), self._polls.next_deadline()]
        deadlines += [*self._outputs.deadlines(), self._name_at_s, self._show_at_s]
        return min((one for one in deadlines if one is not None and one != _NEVER), default=None)

    def take_events(self) -> list[AnyEvent]:
        """Events so far; what nothing answers counts as done now that it was written."""
        for request in self._exchange.take_written():
            self._settle(request.purpose, None)
        return self._reports.take()

    def line_up(self, now_s: float) -> None:
        """Find out who is there where that matters, then open every relay."""
        self._is_now(now_s)
        self._up, self._heard_s = True, None
        self._codec.flush(None)
        self._debouncer.forget_changes()
        self._outputs.line_up()
        self._show_from_s = float("-inf")
        self._exchange.tick(now_s)
        self._proved = self._expect is None
        if self._proved:
            self._begin()
        else:
            self._ask_name()

    def _begin(self) -> None:
        """The board is the right one: open everything, then look at it regularly."""
        self._outputs.all_off()
        self._asking.put_blind()
        self._polls.start(self._now_s)

    def line_lost(self, now_s: float) -> None:
        """End everything that is unfinished. Levels of inputs are kept, so that a change meanwhile is reported."""
        self._is_now(now_s)
        self._up = False
        self._polls.stop()
        self._outputs.line_lost()
        for request, end in self._exchange.lost():
            if end is End.LOST:
                self._reports.refuse(request.purpose.id, Refusal.LINE_DOWN)
            else:
                self._reports.doubt(request.purpose.id, maybe_executed=request.purpose.ask is Ask.OFF)
        self._name_at_s = self._show_at_s = _NEVER
        self._reports.forget()

    def _is_now(self, now_s: float) -> None:
        self._now_s = self._outputs.now_s = now_s

    # -- answers

    def _take(self, reply: Reply | None) -> None:
        if reply is None or self._exchange.open is None:
            return
        purpose = self._exchange.answered(self._now_s).purpose
        echo = isinstance(reply, Accepted) and reply.echo
        if not echo and not (isinstance(reply, Denied) and not reply.surely):  # which may be a gateway's word
            self._outputs.shown, self._show_at_s = True, _NEVER
        self._reports.right("silent")
        if self._outputs.shown or not echo:
            self._heard_s = self._now_s
            self._reports.right("echo")
        if isinstance(reply, Denied):
            self._denied(purpose, reply)
        else:
            self._settle(purpose, reply)

    def _settle(self, purpose: Purpose, reply: Accepted | Levels | Named | None) -> None:
        """Something was carried out, or read; ``reply`` is None when the board says nothing."""
        self._reports.right(f"denied {purpose.ask.value}")
        match purpose.ask, reply:
            case ((Ask.ON | Ask.PULSE), (Accepted() | None)):
                self._outputs.closed(purpose, reply)
            case ((Ask.OFF | Ask.ALL_OFF), (Accepted() | None)):
                self._outputs.opened(purpose, reply)
                if reply is not None and not self._outputs.shown and self._now_s >= self._show_from_s:
                    self._ask_presence()
            case Ask.PRESENCE, Levels():
                pass
            case Ask.OUTPUTS, Levels():
                self._outputs.outputs_read(purpose, reply)
            case Ask.INPUTS, Levels():
                self._reports.tell(*self._debouncer.sample(reply.bits, self._now_s, mask=reply.mask))
                self._polls.inputs_read(self._now_s)
                self._polls.look_again(self._debouncer.settles())
            case Ask.IDENTIFY, Named():
                self._named(purpose, reply)
            case _:
                self._failed(purpose, End.UNANSWERED)

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
        match purpose.ask:
            case Ask.ON | Ask.PULSE:
                self._outputs.closing_denied(purpose, denied)
            case Ask.OFF | Ask.ALL_OFF:
                self._outputs.not_opened(purpose, denied.why)
            case Ask.PRESENCE:
                pass  # whoever refuses is there
            case _:
                self._reports.denies(purpose.ask.value, denied.why)
                if not self._not_told(purpose, refused=denied.surely) and purpose.command:
                    self._reports.refuse(purpose.id, Refusal.DENIED)

    def _failed(self, purpose: Purpose, end: End) -> None:
        echo = isinstance(self._codec, Echoing) and self._codec.only_echo
        if end is not End.STALE and echo:
            self._reports.only_echoes()
        elif end is not End.STALE and purpose.ask is not Ask.PRESENCE:
            self._reports.no_answer()
        match purpose.ask:
            case Ask.ON | Ask.PULSE:
                self._outputs.closing_failed(purpose, end)
            case Ask.OFF | Ask.ALL_OFF:
                self._outputs.not_opened(purpose, "no answer")
            case Ask.PRESENCE:
                if echo:
                    self._show_at_s = self._now_s + _SHOW_ECHO_S
            case _:
                if purpose.ask is Ask.INPUTS:
                    self._debouncer.forget_changes()
                if not self._not_told(purpose, refused=False) and purpose.command:
                    self._reports.doubt(purpose.id, maybe_executed=False)

    def _not_told(self, purpose: Purpose, *, refused: bool) -> bool:
        """A question has no answer; whether a pulse waited for it."""
        if purpose.ask is Ask.INPUTS:
            self._polls.inputs_read(self._now_s)
        if purpose.ask is Ask.IDENTIFY and not purpose.command:
            self._name_at_s = self._now_s + AGAIN_S  # without a name nothing is switched
        return self._outputs.not_read(purpose, refused=refused)

    def _poll(self) -> None:
        faulty = self._reports.silent
        repeats = 0 if faulty else READ_REPEATS
        for ask, channel in self._polls.take_due(self._now_s, faulty=faulty):
            if ask is Ask.INPUTS or not self._asking.waits(ask):
                about = Purpose(ask=ask, channel=channel)
                if not self._asking.ask(about, Urgency.POLL, self._reports, repeats=repeats):
                    self._polls.inputs_read(self._now_s)

    def _ask_presence(self) -> None:
        """Learn whether the board, or only an echo, took what was written."""
        self._show_at_s, self._show_from_s = _NEVER, self._now_s + _SHOW_EVERY_S
        if not self._asking.waits(Ask.PRESENCE):
            self._asking.put(Purpose(ask=Ask.PRESENCE), Urgency.RELEASE, repeats=1)

    def _ask_name(self) -> None:
        self._name_at_s = _NEVER
        self._asking.ask(Purpose(ask=Ask.IDENTIFY), Urgency.ALL_OFF, self._reports)
