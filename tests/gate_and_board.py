"""The deciding core and a real relay driver with a virtual board, in virtual time: what one makes of the other."""

from dataclasses import dataclass, field

from drivers.model import AnyEvent, BoardCommand, Hold, Line, Pulse, Release
from drivers.relay_codec import Ask
from edge.inputs import BoardReported
from tests.gate_world import World
from tests.unit.drivers.scripted import Bench, Kind

TURN_S = 0.05


@dataclass
class GateAndBoard(World):
    """A world whose board ``relays`` is there; commands reach its driver with the next turn."""

    kind: Kind = field(default_factory=Kind)
    heard: list[AnyEvent] = field(default_factory=list)
    _queue: list[BoardCommand] = field(default_factory=list)

    def start(self) -> None:
        super().start()
        self.bench = Bench(self.kind, up=False)
        self.bench.now_s = self.clock.monotonic_s()
        self.bench.driver.line_up(self.bench.now_s)
        self.run(1.0)

    def _submit(self, board: str, command: BoardCommand) -> bool:
        taken = super()._submit(board, command)
        if taken and board == "relays":
            self._queue.append(command)
        return taken

    def turn(self) -> None:
        """One turn of the bus and of the deciding thread at this moment."""
        for command in self._queue:
            self.bench.submit(command)
        self._queue.clear()
        self.bench.run(self.clock.monotonic_s())
        for event in self.bench.take_events():
            self.heard.append(event)
            self.gate.handle(BoardReported(board="relays", event=event))
        self.gate.tick()

    def run(self, seconds: float, *, turn_s: float = TURN_S) -> None:
        """Time passes."""
        for _ in range(round(seconds / turn_s)):
            self.clock.advance(turn_s)
            self.turn()

    def lose_line(self) -> None:
        """The cable is out; the board opens its outputs, and says nothing."""
        self.bench.driver.line_lost(self.clock.monotonic_s())
        self.bench.board.until_s.clear()
        self.turn()
        self._line(up=False)

    def line_returns(self) -> None:
        """The cable is in again."""
        self.bench.driver.line_up(self.clock.monotonic_s())
        self.turn()
        self._line(up=True)

    def _line(self, *, up: bool) -> None:
        self.gate.handle(BoardReported(board="relays", event=Line(up=up, why="" if up else "unplugged")))

    def is_open(self, lane: str) -> bool:
        """Whether the output of this lane is closed, so that people get through."""
        channel = self.gate.hands.snapshot()["lanes"][0 if lane == "entry" else 1]["channel"]
        return channel in self.bench.board.closed(self.clock.monotonic_s())

    def stays_open(self, lane: str, seconds: float, *, turn_s: float = TURN_S) -> bool:
        """Whether it is so at every moment of this while."""
        seen = []
        for _ in range(round(seconds / turn_s)):
            self.run(turn_s, turn_s=turn_s)
            seen.append(self.is_open(lane))
        return all(seen)

    def sent(self, *kinds: type[Hold] | type[Pulse] | type[Release]) -> int:
        """How many commands of these kinds reached its boards."""
        return sum(isinstance(command, kinds) for _, command in self.commands)

    def closings(self) -> int:
        """How often the board was told to close an output."""
        return len(self.bench.asks(Ask.ON, Ask.PULSE))
