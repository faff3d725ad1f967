"""The shape of every driver: commands and bytes in, bytes and events out, without clock, thread or port.

A driver is a pure object. Monotonic seconds come in with every call, so that a test can run it in virtual
time; ``drivers.bus`` is the only caller in production. The order of one turn is::

    receive / submit / tick  ->  take_output (write it)  ->  take_events (report them)

What ``take_output`` handed over counts as written at the next ``take_events``; a ``line_lost`` in between
says that it may not have been. That is how "done" never gets ahead of the wire.

Several drivers may share one line. A driver says how urgent its next bytes are (``wants_line``) and whether it still
waits for an answer (``holds_line``); the bus lets one of them speak at a time, the most urgent first.

What drivers do not know: which lane an output opens, or what an input means. Roles are mapped outside.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Protocol, runtime_checkable

from drivers.peripherals import PeripheralCommand, PeripheralEvent

COMMAND_AGE_MAX_S = 2.0  # an older pulse would open for somebody who has already gone


class Urgency(IntEnum):
    """Who speaks first on a line; the lowest number wins."""

    ALL_OFF = 0
    OPEN = 1
    RELEASE = 2
    CONFIGURE = 3
    POLL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """Close one output for a while, once; it is never repeated by a driver.

    Args:
        channel: Output, counted from 1 as printed on the board.
        ms: How long, in milliseconds.
        id: Names this one pulse; a second submit of the same id does nothing.
        issued_s: Monotonic seconds when the decision fell; an old pulse is refused.
        insist: Written even if the board does not say that this output is open. For exits: a board that cannot be
            heard may still obey, and who comes next need not wait until the end of the pulse before was looked at.
    """

    channel: int
    ms: int
    id: str
    issued_s: float
    insist: bool = False


@dataclass(frozen=True, slots=True)
class AllOff:
    """Open every output now. Always allowed; ends running pulses and overtakes waiting ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Close one output until it is released, or for at most ``seconds``; all else as for a pulse.

    An output that a hold or a pulse closes already stays closed, until the later of both ends; the one before is done
    then. A hold is never ``busy``, but where it does not insist and the board did not take the opening before.
    """

    channel: int
    seconds: float
    id: str
    issued_s: float
    insist: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Open one output again; ends its hold or pulse."""

    channel: int
    id: str


class Side(StrEnum):
    """Which way a turnstile controller lets people through, as printed on it; entry or exit is the lane's affair."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admit:
    """Have a turnstile controller let ``people`` through on one side, once; never repeated by a driver."""

    side: Side
    id: str
    issued_s: float
    people: int = 1


class Mode(StrEnum):
    """How a turnstile controller treats people without a grant."""

    NORMAL = "normal"
    FREE = "free"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMode:
    """Put one side of a turnstile controller into a mode; None means both sides."""

    mode: Mode
    id: str
    side: Side | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identify:
    """Ask a device who it is, by bytes that switch nothing on any board that we know of."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOutputs:
    """Read which outputs are closed; comes as ``Outputs``."""

    id: str


BoardCommand = Pulse | AllOff | Hold | Release | Admit | SetMode | Identify | ReadOutputs
Command = BoardCommand | PeripheralCommand


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
    BUSY = "busy"  # this channel is closed already, or its last opening is not certain
    OVERTAKEN = "overtaken"  # an all-off came while it was waiting
    UNSUPPORTED = "unsupported"  # this device cannot do that
    WRONG_DEVICE = "wrong_device"  # another device answers at this port
    FULL = "full"  # too many commands wait
    DENIED = "denied"  # the device says no


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


class Certainty(StrEnum):
    """How well an answer names a device."""

    STRONG = "strong"  # no other device that we know of answers so
    WEAK = "weak"  # others may answer the same
    NONE = "none"  # it cannot be asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a device says it is; what it does not say is empty. ``id`` is the command's, empty after a line-up."""

    id: str
    maker: str
    model: str
    firmware: str = ""
    serial: str = ""
    certainty: Certainty = Certainty.WEAK


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """Which outputs are closed: bit 0 is channel 1. ``read``: the board said so; otherwise it is what was sent."""

    id: str
    bits: int
    read: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A controller counted people: ``delta`` since the last event, ``total`` by its own count, read at ``at_s``."""

    side: Side
    delta: int
    total: int
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A controller reports an alarm (``active``) or its end; ``what`` is the maker's name for it."""

    what: str
    active: bool


Event = Done | TimedOut | Refused | InputEdge | Garbage | Fault | Line
BoardEvent = Event | Identity | Outputs | Counted | Alarm
Reading = Identity | Outputs | Counted | Alarm | PeripheralEvent
AnyEvent = BoardEvent | PeripheralEvent


class Parity(StrEnum):
    """Parity of a serial line."""

    NONE = "none"
    EVEN = "even"
    ODD = "odd"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSettings:
    """How a serial line is set: always 8 data bits."""

    baud: int = 9600
    parity: Parity = Parity.NONE
    stop_bits: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverInfo:
    """What a driver can do, for configuration checks and the installer's tool.

    Args:
        protocol: Name in the registry and in configuration.
        line: How the serial line is set.
        outputs: Relays, numbered 1 to this; 0 for a device without outputs.
        inputs: Inputs, numbered 1 to this; 0 for a device without inputs.
        pulse_ms: Shortest and longest pulse, in milliseconds.
        pulse_step_ms: Pulses are whole multiples of this.
        host_timed: The relay stays closed if this process dies in the middle of a pulse.
        latching: Outputs stay as they are when the board loses its supply.
        reads_outputs: The board can say which outputs are closed.
        sides: A turnstile controller's, in which it admits and counts people; empty for relay boards.
        counts: It is asked for its counts all the time; otherwise they come with the next admission only.
        identifies: How well ``Identify`` names the device.
        answers_within_s: Longest time to an answer; 0 for a device that never answers.
        streams: It sends without being asked; on a shared line it gets what comes while nobody waits for an answer.
        reads_codes: It reads codes or cards that people show (``Scanned``).
    """

    protocol: str
    line: LineSettings
    outputs: int = 0
    inputs: int = 0
    pulse_ms: tuple[int, int] = (100, 2000)
    pulse_step_ms: int = 1
    host_timed: bool = False
    latching: bool = False
    reads_outputs: bool = False
    sides: tuple[Side, ...] = ()
    counts: bool = False
    identifies: Certainty = Certainty.NONE
    answers_within_s: float = 0.0
    streams: bool = False
    reads_codes: bool = False


class Driver(Protocol):
    """One device on one line. No method blocks, and none raises on what a device or a caller sends."""

    @property
    def info(self) -> DriverInfo:
        """What this driver can do."""

    def submit(self, command: Command, now_s: float) -> None:
        """Take a command; what becomes of it comes as an event with its id. One it cannot do is ``Refused``."""

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes from the line."""

    def tick(self, now_s: float) -> None:
        """Do what is due; calling it too early or too often does no harm."""

    def next_deadline(self) -> float | None:
        """Monotonic seconds at which ``tick`` has something to do, or None."""

    def wants_line(self) -> Urgency | None:
        """How urgent what it has to write is; None when it has nothing to write now."""

    def holds_line(self) -> bool:
        """Whether it waits for an answer, or for silence: nobody else may speak meanwhile."""

    def take_output(self) -> list[bytes]:
        """Frames to write now, in order, and forget them; deadlines count from the latest ``tick``."""

    def take_events(self) -> list[AnyEvent]:
        """Events since the last call, in order, and forget them."""

    def line_up(self, now_s: float) -> None:
        """The port was opened; the first frames open every relay."""

    def line_lost(self, now_s: float) -> None:
        """The port is gone; everything unfinished ends as an event, and nothing is kept for later."""


@runtime_checkable
class Hearing(Protocol):
    """A driver that knows when its device last answered."""

    @property
    def heard_s(self) -> float | None:
        """Monotonic seconds of the last answer that fitted its question; None if there was none since the line-up."""
