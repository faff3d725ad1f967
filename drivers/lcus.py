"""Driver of LCUS relay boards: the host times the pulse, and the board never answers.

A pulse is an ON frame, then an OFF frame at its deadline; its best result is ``sent``. If this process dies
in between, the relay stays closed until somebody opens the line again: opening the line always starts with
OFF for every channel. The frames are in ``drivers.lcus_codec``.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from drivers.lcus_codec import CHANNEL_MAX, Switch, SwitchDecoder, encode
from drivers.model import (
    COMMAND_AGE_MAX_S,
    AllOff,
    AnyEvent,
    Command,
    Done,
    DriverInfo,
    Grade,
    LineSettings,
    Pulse,
    Refusal,
    Refused,
    TimedOut,
    Urgency,
)
from drivers.tally import GarbageTally

PULSE_MS: Final = (100, 2000)  # drivers reference 0.5: longer pulses hold lanes open
CHANNELS: Final = CHANNEL_MAX  # OFF to a missing channel is ignored by smaller boards
IDS_KEPT: Final = 256  # far more than can be issued within the age limit of a command


@dataclass(slots=True)
class _Running:
    """One pulse between its ON and its OFF; ``on_taken``: the ON frame was handed over for writing."""

    id: str
    off_at_s: float
    on_taken: bool = False


class LcusDriver:
    """One LCUS board.

    Args:
        channels: Relays on the board (1, 2, 4 or 8).
    """

    def __init__(self, *, channels: int = CHANNELS) -> None:
        assert 1 <= channels <= CHANNELS, f"an LCUS board has 1 to {CHANNELS} channels, not {channels}"
        self._info = DriverInfo(
            protocol="lcus",
            line=LineSettings(baud=9600),
            outputs=channels,
            pulse_ms=PULSE_MS,
            host_timed=True,
        )
        self._up = False
        self._running: dict[int, _Running] = {}
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._output: list[bytes] = []
        self._closing: list[str] = []  # pulses whose OFF frame waits in the output
        self._on_wire: list[str] = []  # ... and was handed over: done at the next take_events
        self._events: list[AnyEvent] = []
        self._decoder, self._tally = SwitchDecoder(), GarbageTally()

    @property
    def info(self) -> DriverInfo:
        """What this board can do."""
        return self._info

    def submit(self, command: Command, now_s: float) -> None:
        """Take a pulse or an all-off."""
        match command:
            case AllOff():
                self._all_off()
            case Pulse():
                if command.id in self._ids:
                    return
                self._remember(command.id)
                refusal = self._refusal(command, now_s)
                if refusal is not None:
                    self._events.append(Refused(id=command.id, why=refusal))
                    return
                self._output.append(encode(Switch(channel=command.channel, on=True)))
                self._running[command.channel] = _Running(command.id, off_at_s=now_s + command.ms / 1000)
            case _:
                self._events.append(Refused(id=command.id, why=Refusal.UNSUPPORTED))

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes: frames are our own echo, the rest is reported as garbage."""
        self._decoder.feed(data)
        self._tally.add(self._decoder.take_garbage(), now_s)

    def tick(self, now_s: float) -> None:
        """Send OFF for every pulse that has run its length."""
        self._events += self._tally.take(now_s)
        for channel, running in list(self._running.items()):
            if running.off_at_s <= now_s:
                self._output.append(encode(Switch(channel=channel, on=False)))
                self._closing.append(running.id)
                del self._running[channel]

    def next_deadline(self) -> float | None:
        """The end of the next pulse, or the next report of garbage."""
        deadlines = [running.off_at_s for running in self._running.values()]
        report_s = self._tally.next_deadline()
        return min(deadlines if report_s is None else [*deadlines, report_s], default=None)

    def wants_line(self) -> Urgency | None:
        """Whether frames wait."""
        return Urgency.OPEN if self._output else None

    def holds_line(self) -> bool:
        """Whether a reply is due."""
        return False

    def take_output(self) -> list[bytes]:
        """Frames to write now."""
        output, self._output = self._output, []
        for running in self._running.values():
            running.on_taken = True
        self._on_wire += self._closing
        self._closing = []
        return output

    def take_events(self) -> list[AnyEvent]:
        """Events so far; pulses whose OFF frame was written since are done."""
        self._events += [Done(id=id_, grade=Grade.SENT) for id_ in self._on_wire]
        self._on_wire = []
        events, self._events = self._events, []
        return events

    def line_up(self, now_s: float) -> None:  # noqa: ARG002  # the shape of every driver
        """Open every relay before anything else."""
        assert not self._running, "pulses must have ended with the line"
        self._up = True
        self._decoder.reset()
        self._all_off()

    def line_lost(self, now_s: float) -> None:  # noqa: ARG002  # the shape of every driver
        """End every pulse as unknown; the relay drops with its supply or at the next line-up."""
        self._up = False
        self._output = []
        for id_ in (*self._closing, *self._on_wire):
            self._events.append(TimedOut(id=id_, maybe_executed=True))
        self._closing, self._on_wire = [], []
        self._end_running()

    def _all_off(self) -> None:
        if not self._up:
            return  # the next line-up begins with it
        self._output = [
            encode(Switch(channel=channel, on=False)) for channel in range(1, self._info.outputs + 1)
        ]
        self._end_running()

    def _end_running(self) -> None:
        for running in self._running.values():
            self._events.append(TimedOut(id=running.id, maybe_executed=running.on_taken))
        self._running.clear()

    def _remember(self, id_: str) -> None:
        self._ids[id_] = None
        if len(self._ids) > IDS_KEPT:
            self._ids.popitem(last=False)

    def _refusal(self, pulse: Pulse, now_s: float) -> Refusal | None:
        shortest_ms, longest_ms = self._info.pulse_ms
        if not self._up:
            return Refusal.LINE_DOWN
        if not 1 <= pulse.channel <= self._info.outputs:
            return Refusal.BAD_CHANNEL
        if not shortest_ms <= pulse.ms <= longest_ms:
            return Refusal.BAD_LENGTH
        if not now_s - pulse.issued_s <= COMMAND_AGE_MAX_S:
            return Refusal.TOO_OLD
        if pulse.channel in self._running:
            return Refusal.BUSY
        return None
