"""Relay boards of every kind under any order of commands, answers, noise and pulled cables."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)

from drivers.model import (
    COMMAND_AGE_MAX_S,
    AllOff,
    Command,
    Done,
    Grade,
    Hold,
    Identify,
    Identity,
    Outputs,
    Pulse,
    ReadOutputs,
    Refusal,
    Refused,
    Release,
    TimedOut,
)
from drivers.relay import RelayDriver
from drivers.relay_codec import Ask
from tests.unit.drivers.scripted import ASKS, CLOSES, Kind, ScriptedBoard, ScriptedCodec

KINDS = [
    Kind(host_timed=True, reads=False, answers=False, all_off=False, silence_s=0.01),
    Kind(host_timed=True, reads=True),
    Kind(host_timed=True, reads=True, all_off=False, one_by_one=True),
    Kind(reads=False, inputs=4),
    Kind(reads=True, inputs=4),
    Kind(reads=True, all_off=False, one_by_one=True),
]
channels = st.sampled_from((1, 1, 1, 2, 2, 3, 5))
lengths_ms = st.sampled_from((100, 200, 300, 300, 500, 2000, 2500))
ages_s = st.sampled_from((0.0, 0.0, 0.0, 1.0, 1.9, 2.5))


@dataclass
class Closing:
    """A pulse or a hold that was submitted."""

    command: Pulse | Hold
    written: int = 0


class RelayMachine(RuleBasedStateMachine):
    """A driver, a board, and a cable that loses, delays and garbles."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s, self.up, self.mute = 100.0, False, False
        self.closings: dict[str, Closing] = {}
        self.ends: dict[str, list[object]] = {}
        self.agreed: Counter[int] = Counter()  # closings the board said yes to, by channel
        self.late = b""
        self.holding: dict[int, str] = {}  # the latest command whose closing was written, by output
        self.told: dict[int, Ask] = {}  # latest switching of each output that was written

    @initialize(kind=st.sampled_from(KINDS))
    def build(self, kind: Kind) -> None:
        self.kind = kind
        self.driver, self.board = RelayDriver(ScriptedCodec(kind)), ScriptedBoard(kind)
        self.up = True
        self.driver.line_up(self.now_s)

    def turn(self, *, garble: bool = False) -> None:
        """One turn of a bus; the answer comes at once, late or never."""
        for _ in range(100):
            self.driver.tick(self.now_s)
            self.take_events()
            frames = self.driver.take_output()
            answers = b""
            for data in frames:
                assert self.up, "a frame for a line that is down"
                answers += self.write(data)
            self.take_events()
            if not answers:
                return
            if garble:
                answers = b"\0" + answers[:-1] + bytes((answers[-1] ^ 0x55,)) + b"\xff"
            self.now_s += 0.005
            self.driver.receive(answers, self.now_s)
        raise AssertionError("the driver never comes to rest")

    def write(self, data: bytes) -> bytes:
        ask, channel = ASKS[data[1]], data[2]
        if ask in CLOSES:
            self.closed_by(channel).written += 1
        if ask is Ask.ALL_OFF:
            self.told = dict.fromkeys(self.told, Ask.OFF)
        elif ask in CLOSES | {Ask.OFF}:
            self.told[channel] = ask
        answer = self.board.receive(data, self.now_s)
        if self.mute:
            self.late, answer = answer, b""
        elif answer and ask in CLOSES and answer[3] == 0:
            self.agreed[channel] += 1
        return answer

    def closed_by(self, channel: int) -> Closing:
        """Whose closing this frame must be: the one command for this output without an end."""
        due = [
            one
            for id_, one in self.closings.items()
            if one.command.channel == channel and id_ not in self.ends and not one.written
        ]
        if not due:  # a hold that took over a pulse which the board timed
            assert not self.kind.host_timed
            (closing,) = [
                one
                for id_, one in self.closings.items()
                if isinstance(one.command, Hold) and id_ == self.holding.get(channel)
            ]
            return Closing(closing.command)
        closing = due[0]  # in the order of the commands
        self.holding[channel] = closing.command.id
        assert self.now_s - closing.command.issued_s <= COMMAND_AGE_MAX_S, "too old to be written"
        return closing

    def take_events(self) -> None:
        for event in self.driver.take_events():
            if isinstance(event, Outputs) and not event.read:
                continue
            if isinstance(event, Done | TimedOut | Refused | Outputs | Identity) and event.id:
                self.ends.setdefault(event.id, []).append(event)
                assert len(self.ends[event.id]) == 1, f"two outcomes: {self.ends[event.id]}"

    def submit(self, command: Command) -> None:
        self.driver.submit(command, self.now_s)

    def new_id(self) -> str:
        self.count = getattr(self, "count", 0) + 1
        return str(self.count)

    @rule(channel=channels, ms=lengths_ms, age_s=ages_s, twice=st.booleans(), insist=st.booleans())
    def pulse(self, channel: int, ms: int, age_s: float, twice: bool, insist: bool) -> None:
        command = Pulse(channel=channel, ms=ms, id=self.new_id(), issued_s=self.now_s - age_s, insist=insist)
        self.closings[command.id] = Closing(command)
        for _ in range(1 + twice):
            self.submit(command)

    @rule(channel=channels, seconds=st.sampled_from((0.0, 0.3, 2.0, 5.0)), insist=st.booleans())
    def hold(self, channel: int, seconds: float, insist: bool) -> None:
        command = Hold(channel=channel, seconds=seconds, id=self.new_id(), issued_s=self.now_s, insist=insist)
        self.closings[command.id] = Closing(command)
        self.submit(command)

    @rule(channel=channels)
    def release(self, channel: int) -> None:
        self.submit(Release(channel=channel, id=self.new_id()))

    @rule(identify=st.booleans())
    def ask(self, identify: bool) -> None:
        self.submit(Identify(id=self.new_id()) if identify else ReadOutputs(id=self.new_id()))

    @rule()
    def all_off(self) -> None:
        self.submit(AllOff())

    @rule(gap_s=st.sampled_from((0.0, 0.02, 0.1, 0.3, 1.0)), garble=st.sampled_from((False, False, True)))
    def pass_time(self, gap_s: float, garble: bool) -> None:
        self.turn(garble=garble)
        self.now_s += gap_s
        self.turn(garble=garble)

    @rule(gap_s=st.sampled_from((0.05, 0.3, 1.0, 2.0)))
    def serve(self, gap_s: float) -> None:
        """A while in which everything goes well."""
        end_s = self.now_s + gap_s
        self.turn()
        while (at_s := self.driver.next_deadline()) is not None and at_s < end_s:
            self.now_s = max(self.now_s, at_s)
            self.turn()
        self.now_s = max(self.now_s, end_s)

    @rule(mute=st.booleans(), denies=st.sets(st.sampled_from(ASKS), max_size=1))
    def change_board(self, mute: bool, denies: set[Ask]) -> None:
        self.mute, self.board.denies = mute, denies

    @rule()
    def lose_supply(self) -> None:
        self.board.until_s.clear()

    @precondition(lambda self: self.up)
    @rule(data=st.binary(max_size=10).map(lambda data: data.replace(b">", b"?")))
    def hear_noise(self, data: bytes) -> None:
        self.driver.receive(data, self.now_s)

    @precondition(lambda self: self.up)
    @rule()
    def hear_late(self) -> None:
        """An answer that was held back; which question it meant the driver decides by its own rules."""
        if self.late:
            self.agreed[self.late[2]] += 1
        self.driver.receive(self.late, self.now_s)
        self.late = b""

    @rule(write_fails=st.booleans())
    def cable(self, write_fails: bool) -> None:
        if self.up:
            self.take_events()
            if write_fails:
                for data in self.driver.take_output():
                    self.write(data)
            self.driver.line_lost(self.now_s)
            self.up = False
            self.take_events()
        else:
            self.up = True
            self.driver.line_up(self.now_s)

    def teardown(self) -> None:
        """Faults off: everything ends, every output is open, and the count is honest."""
        if not hasattr(self, "driver"):
            return
        self.mute, self.board.denies = False, set()
        if not self.up:
            self.cable(write_fails=False)
        self.serve(10.0)
        assert self.board.closed(self.now_s) == set(), "an output stayed closed"
        assert Ask.ON not in self.told.values(), "an output was not told to open again"
        assert set(self.ends) == {str(number + 1) for number in range(getattr(self, "count", 0))}
        for id_, closing in self.closings.items():
            (end,) = self.ends[id_]
            admitted = (
                isinstance(end, Done)
                or (isinstance(end, TimedOut) and end.maybe_executed)
                or end == Refused(id=id_, why=Refusal.DENIED)
            )
            assert closing.written == int(admitted), f"{closing} ended as {end}"
        for channel in range(1, self.kind.outputs + 1):
            done = [
                end
                for id_, ends in self.ends.items()
                for end in ends
                if isinstance(end, Done)
                and end.grade is not Grade.SENT
                and id_ in self.closings
                and self.closings[id_].command.channel == channel
            ]
            assert len(done) <= self.agreed[channel], "success that the board did not speak of"


RelayMachine.TestCase.settings = settings(
    derandomize=True, max_examples=150, stateful_step_count=30, deadline=None
)
test_no_order_of_things_repeats_a_pulse_or_leaves_an_output_closed = RelayMachine.TestCase
