"""The shape of every driver: commands and bytes in, bytes and events out, without clock, thread or port.

A driver is a pure object. Monotonic seconds come in with every call, so that a test can run it in virtual
time; ``drivers.bus`` is the only caller in production. The order of one turn is::

    receive / submit / tick  ->  take_output (write it)  ->  take_events (report them)

What ``take_output`` handed over counts as written at the next ``take_events``; a ``line_lost`` in between
says that it may not have been. That is how "done" never gets ahead of the wire.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

COMMAND_AGE_MAX_S = 2.0  # an older pulse would open for somebody who has already gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """Close one output for a while, once; it is never repeated by a driver.

    Args:
        channel: Output, counted from 1 as printed on the board.
        ms: How long, in milliseconds.
        id: Names this one pulse; a second submit of the same id does nothing.
        issued_s: Monotonic seconds when the decision fell; an old pulse is refused.
    """

    channel: int
    ms: int
    id: str
    issued_s: float


@dataclass(frozen=True, slots=True)
class AllOff:
    """Open every output now. Always allowed; ends running pulses and overtakes waiting ones."""


Command = Pulse | AllOff


class Grade(StrEnum):
    """How much is known about a pulse that is done."""

    CONFIRMED = "confirmed"  # its effect was read back
    ACCEPTED = "accepted"  # the board acknowledged it
    SENT = "sent"  # the board says nothing: the bytes went out


class Refusal(StrEnum):
    """Why a command was not carried out at all. Codes are added, never renamed."""

    LINE_DOWN = "line_down"
    BAD_CHANNEL = "bad_channel"
    BAD_LENGTH = "bad_length"
    TOO_OLD = "too_old"
    BUSY = "busy"  # this channel is in the middle of a pulse
    OVERTAKEN = "overtaken"  # an all-off came while it was waiting
    UNSUPPORTED = "unsupported"  # this board has no outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The pulse has run its whole length."""

    id: str
    grade: Grade


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedOut:
    """Nobody knows how the pulse ended. ``maybe_executed``: somebody may have been let in."""

    id: str
    maybe_executed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The pulse was certainly not carried out."""

    id: str
    why: Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class InputEdge:
    """An input changed and stayed so for the debounce time; ``at_s`` is when the new level was first seen."""

    channel: int
    active: bool
    at_s: float


@dataclass(frozen=True, slots=True)
class Garbage:
    """So many bytes arrived that belong to no frame (noise, wrong speed, wrong device)."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The line works but the board does not (``active``), or it works again. Sent once for each change."""

    active: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The port is open and every output was told to open, or it is gone; sent once for each change."""

    up: bool
    why: str = ""


Event = Done | TimedOut | Refused | InputEdge | Garbage | Fault | Line


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSettings:
    """Speed of the serial line; all boards here speak 8 data bits, no parity, 1 stop bit."""

    baud: int = 9600


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverInfo:
    """What a driver can do, for configuration checks and the installer's tool.

    Args:
        protocol: Name in the registry and in configuration.
        line: Speed of the serial line.
        outputs: Relays, numbered 1 to this; 0 for a board without outputs.
        inputs: Inputs, numbered 1 to this; 0 for a board without inputs.
        pulse_ms: Shortest and longest pulse, in milliseconds.
        host_timed: The relay stays closed if this process dies in the middle of a pulse.
    """

    protocol: str
    line: LineSettings
    outputs: int = 0
    inputs: int = 0
    pulse_ms: tuple[int, int] = (100, 2000)
    host_timed: bool = False


class Driver(Protocol):
    """One board on one line. No method blocks, and none raises on what a board or a caller sends."""

    @property
    def info(self) -> DriverInfo:
        """What this driver can do."""

    def submit(self, command: Command, now_s: float) -> None:
        """Take a command; what becomes of it comes as an event with its id."""

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes from the line."""

    def tick(self, now_s: float) -> None:
        """Do what is due; calling it too early or too often does no harm."""

    def next_deadline(self) -> float | None:
        """Monotonic seconds at which ``tick`` has something to do, or None."""

    def take_output(self) -> list[bytes]:
        """Frames to write now, in order, and forget them."""

    def take_events(self) -> list[Event]:
        """Events since the last call, in order, and forget them."""

    def line_up(self, now_s: float) -> None:
        """The port was opened; outputs of the first frames open every relay."""

    def line_lost(self, now_s: float) -> None:
        """The port is gone; everything unfinished ends as an event, and nothing is kept for later."""
