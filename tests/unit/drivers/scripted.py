"""A relay board of no maker, its codec, and a bench on which a driver meets it in virtual time.

A frame is six bytes: a mark, what is asked, the channel, two bytes, their sum. It stands for any protocol whose
answers name the question.
"""

from collections import Counter
from dataclasses import dataclass, field

from drivers.model import AnyEvent, Certainty, Command, DriverInfo, LineSettings
from drivers.relay import RelayDriver
from drivers.relay_codec import Accepted, Ask, Asked, Denied, Levels, Named, Reply

ASKS = list(Ask)
QUESTION, ANSWER = 0x3C, 0x3E
FRAME_BYTES = 6
ACCEPTS, DENIES, LEVELS, NAME = range(4)
CLOSES = {Ask.ON, Ask.PULSE}
WITHIN_S = 0.2


def frame(mark: int, ask: Ask, channel: int, one: int, two: int) -> bytes:
    body = bytes((mark, ASKS.index(ask), channel, one, two))
    return body + bytes((sum(body) & 0xFF,))


@dataclass(frozen=True)
class Kind:
    """What kind of board: ``host_timed``, ``reads`` its outputs, ``answers`` at all, knows ``all_off``."""

    host_timed: bool = False
    reads: bool = True
    answers: bool = True
    all_off: bool = True
    one_by_one: bool = False
    inputs: int = 0
    outputs: int = 4
    silence_s: float = 0.0


class ScriptedCodec:
    """The codec of such a board."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._buffer = b""
        self._garbage = 0
        self.info = DriverInfo(
            protocol="scripted",
            line=LineSettings(),
            outputs=kind.outputs,
            inputs=kind.inputs,
            pulse_step_ms=100,
            host_timed=kind.host_timed,
            reads_outputs=kind.reads,
            identifies=Certainty.STRONG,
            answers_within_s=WITHIN_S if kind.answers else 0.0,
        )
        self.silence_s = kind.silence_s

    def encode(self, ask: Ask, *, channel: int = 0, ms: int = 0) -> bytes | None:
        known = {
            Ask.PULSE: not self._kind.host_timed,
            Ask.ALL_OFF: self._kind.all_off,
            Ask.OUTPUTS: self._kind.reads and self._kind.one_by_one == bool(channel),
            Ask.INPUTS: self._kind.inputs > 0,
            Ask.IDENTIFY: self._kind.answers,
        }
        return frame(QUESTION, ask, channel, ms // 100, 0) if known.get(ask, True) else None

    def within_s(self, ask: Ask) -> float | None:  # noqa: ARG002  # the shape of every codec
        return WITHIN_S if self._kind.answers else None

    def feed(self, data: bytes, asked: Asked | None) -> Reply | None:
        self._buffer += data
        while self._buffer:
            head = self._buffer[:FRAME_BYTES]
            if head[0] == ANSWER and len(head) < FRAME_BYTES and asked is not None:
                return None
            good = head[0] == ANSWER and len(head) == FRAME_BYTES and sum(head[:-1]) & 0xFF == head[-1]
            if good and asked is not None and (head[1], head[2]) == (ASKS.index(asked.ask), asked.channel):
                self._buffer = self._buffer[FRAME_BYTES:]
                return self._reply(head[3], head[4], asked)
            self._buffer = self._buffer[1:]
            self._garbage += 1
        return None

    def _reply(self, what: int, value: int, asked: Asked) -> Reply:
        everything = 1 << (asked.channel - 1) if asked.channel else 0xFF
        match what:
            case 0:
                return Accepted()
            case 1:
                return Denied("no")
            case 2:
                return Levels(mask=everything, bits=value)
            case _:
                return Named(maker="Nobody", model="Scripted", serial=str(value))

    def flush(self, asked: Asked | None) -> Reply | None:
        while self._buffer:
            self._buffer = self._buffer[1:]
            self._garbage += 1
            reply = self.feed(b"", asked)
            if reply is not None:
                return reply
        return None

    def take_garbage(self) -> int:
        count, self._garbage = self._garbage, 0
        return count


@dataclass
class ScriptedBoard:
    """The board itself, with what can be wrong with it."""

    kind: Kind
    serial: int = 1
    mute: bool = False
    denies: set[Ask] = field(default_factory=set)
    welded: set[int] = field(default_factory=set)
    timer_wins: bool = False  # a pulse that it times opens the output, whatever closes it meanwhile
    levels: int = 0
    until_s: dict[int, float] = field(default_factory=dict)  # closed outputs
    frames: Counter[tuple[Ask, int]] = field(default_factory=Counter)

    def closed(self, now_s: float) -> set[int]:
        return {channel for channel, until_s in self.until_s.items() if now_s < until_s} | self.welded

    def receive(self, data: bytes, now_s: float) -> bytes:
        """Take one frame; the answer."""
        assert len(data) == FRAME_BYTES
        assert data[0] == QUESTION
        ask, channel = ASKS[data[1]], data[2]
        self.frames[ask, channel] += 1
        what, value = ACCEPTS, 0
        if ask in self.denies:
            what = DENIES
        elif ask is Ask.ON:
            times = self.timer_wins and now_s < self.until_s.get(channel, 0.0)
            self.until_s[channel] = self.until_s[channel] if times else float("inf")
        elif ask is Ask.PULSE:
            self.until_s[channel] = now_s + data[3] / 10
        elif ask is Ask.OFF:
            self.until_s.pop(channel, None)
        elif ask is Ask.ALL_OFF:
            self.until_s.clear()
        elif ask in {Ask.OUTPUTS, Ask.INPUTS}:
            what, value = LEVELS, sum(1 << (one - 1) for one in self.closed(now_s))
            value = self.levels if ask is Ask.INPUTS else value
        else:
            what, value = NAME, self.serial
        return b"" if self.mute or not self.kind.answers else frame(ANSWER, ask, channel, what, value)


class Bench:
    """A driver and a board on a line that is up since 0 s; answers take 10 ms."""

    def __init__(self, kind: Kind, *, expect: Named | None = None, up: bool = True) -> None:
        self.driver = RelayDriver(ScriptedCodec(kind), expect=expect)
        self.board = ScriptedBoard(kind)
        self.now_s = 0.0
        self.events: list[AnyEvent] = []
        self.written: list[tuple[float, Ask, int]] = []
        if up:
            self.driver.line_up(0.0)
            self.run(0.0)

    def submit(self, command: Command) -> None:
        self.driver.submit(command, self.now_s)

    def turn(self) -> None:
        """One turn of a bus at this moment."""
        self.driver.tick(self.now_s)
        answers = b""
        for data in self.driver.take_output():
            self.written.append((self.now_s, ASKS[data[1]], data[2]))
            answers += self.board.receive(data, self.now_s)
        self.events += self.driver.take_events()
        if answers:
            self.now_s += 0.010
            self.driver.receive(answers, self.now_s)
            self.turn()

    def run(self, until_s: float) -> None:
        """Move virtual time on, deadline by deadline."""
        turns = 0
        self.turn()
        while (deadline_s := self.driver.next_deadline()) is not None and deadline_s <= until_s:
            turns += 1
            assert turns < 20_000, "the driver spins"
            self.now_s = max(self.now_s, deadline_s)
            self.turn()
        self.now_s = max(self.now_s, until_s)

    def asks(self, *asks: Ask) -> list[tuple[Ask, int]]:
        """What was written of these, in order."""
        return [(ask, channel) for _, ask, channel in self.written if ask in asks]

    def take_events(self) -> list[AnyEvent]:
        self.events += self.driver.take_events()
        events, self.events = self.events, []
        return events
