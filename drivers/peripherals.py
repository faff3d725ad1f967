"""What scanners, thermometers, modems, voices and signals are told, and what they report.

The shape is that of every driver (``drivers.model``); only the words are others. Nothing here moves a lane.
"""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Have a thermometer measure once, from now on; comes as ``Measured``."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One measurement in degrees Celsius, made of ``samples`` readings; None where there was no reading.

    ``target_c`` is the skin as the sensor sees it, ``body_c`` what the module or its profile makes of it.
    """

    id: str
    target_c: float | None
    body_c: float | None
    ambient_c: float | None
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """A scanner read a code; ``data`` is its content as it came, without the terminator."""

    data: bytes
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Commission:
    """Set a scanner up so that printed set-up codes change nothing, and read back that it is so.

    ``save``: keep it over a power cut; such memories take a limited number of writes.
    """

    id: str
    save: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """How one setting of a scanner stands; ``good``: as it has to be. ``proved``: read back, not only acknowledged."""

    id: str
    setting: str
    value: str
    good: bool
    proved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SendSms:
    """Send a short message. ``to``: E.164 with plus; sent once, never again by a driver."""

    to: str
    text: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsSent:
    """The network took all parts; ``references`` are its numbers, one a part."""

    id: str
    references: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsReported:
    """The network's word on one part of an earlier message: ``delivered``, or given up."""

    reference: int
    delivered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModemState:
    """SIM, network and signal of a modem. ``signal_dbm`` is None when it does not know."""

    id: str
    sim: str
    registered: bool
    signal_dbm: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Speak a text; a newer one replaces what waits."""

    text: str
    id: str


class Signal(StrEnum):
    """What lamps and buzzers tell people at a lane."""

    IDLE = "idle"
    GO = "go"
    STOP = "stop"
    ATTENTION = "attention"
    FAULT = "fault"


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """Show a signal until the next one; how it blinks or sounds is the device's pattern table."""

    signal: Signal
    id: str


PeripheralCommand = Measure | Commission | SendSms | Say | Show
PeripheralEvent = Measured | Scanned | SetUp | SmsSent | SmsReported | ModemState
