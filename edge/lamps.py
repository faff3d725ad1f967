"""Lamps and buzzers of lanes: what a lane's people see and hear beside the kiosk, on spare relay outputs.

The patterns are in ``drivers.devices.signals``; which output carries which lamp is configuration. A lamp says what was
decided and moves nothing: its commands go to the board like any other, and nothing waits for what becomes of them.
"""

from collections.abc import Callable, Sequence
from typing import Final

from drivers.devices.signals import Lamp, Signals
from drivers.gate.hardware import LaneSection
from drivers.model import BoardCommand, Hold, Release
from drivers.peripherals import Signal
from edge.verdicts import Answer
from passes.decide import Deny, Refer
from shell.clock import Clock

SHOWN_S: Final = 6.0  # then the lane's lamps say again how the lane itself is


class Lamps:
    """The lamps of one gate. The deciding thread owns it.

    Args:
        lanes: All lanes; those without ``lamps`` stay dark.
        clock: Time.
        submit: Hands a command to a board; False when it was not taken.
    """

    def __init__(
        self, lanes: Sequence[LaneSection], *, clock: Clock, submit: Callable[[str, BoardCommand], bool]
    ) -> None:
        self._clock, self._submit = clock, submit
        self._places: dict[str, tuple[str, Signals]] = {}
        self._until_s: dict[str, float] = {}  # how long an answer is shown
        self._shown: dict[str, Signal] = {}
        for lane in lanes:
            if lane.lamps is None:
                continue
            board = lane.lamps.board
            opens = [one.channel for one in lanes if one.board == board and one.channel is not None]
            wired = {Lamp(name): channel for name, channel in lane.lamps.channels.items()}
            self._places[lane.name] = board, Signals(wired, lanes=opens, name=f"lamps-{lane.name}")

    def answered(self, lane: str, answer: Answer) -> None:
        """Show what was decided at a lane, for a while."""
        if isinstance(answer, Deny):
            signal = Signal.STOP
        else:
            signal = Signal.ATTENTION if isinstance(answer, Refer) else Signal.GO
        now_s = self._clock.monotonic_s()
        self._until_s[lane] = now_s + SHOWN_S
        self._show(lane, signal, now_s)

    def lane_is(self, lane: str, *, works: bool) -> None:
        """Show how a lane is, unless an answer is still shown."""
        signal = Signal.IDLE if works else Signal.FAULT
        if lane not in self._until_s and self._shown.get(lane) is not signal:
            self._show(lane, signal, self._clock.monotonic_s())

    def tick(self, works: Callable[[str], bool]) -> None:
        """Do what is due: the next step of a pattern, the end of an answer."""
        now_s = self._clock.monotonic_s()
        for lane in [lane for lane, until_s in self._until_s.items() if until_s <= now_s]:
            del self._until_s[lane]
            self.lane_is(lane, works=works(lane))
        for board, signals in self._places.values():
            self._send(board, signals.tick(now_s))

    def next_deadline_s(self) -> float | None:
        """Monotonic second of the next step."""
        steps = [signals.next_deadline() for _, signals in self._places.values()]
        ends = list(self._until_s.values()) if self._places else []
        return min((one for one in [*steps, *ends] if one is not None), default=None)

    def _show(self, lane: str, signal: Signal, now_s: float) -> None:
        place = self._places.get(lane)
        self._shown[lane] = signal
        if place is not None:
            board, signals = place
            self._send(board, signals.show(signal, now_s))

    def _send(self, board: str, commands: Sequence[Hold | Release]) -> None:
        for command in commands:
            self._submit(board, command)
