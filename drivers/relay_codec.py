"""What a relay board's codec is asked, and what it answers: the border between bytes and ``drivers.relay``."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from drivers.model import Certainty, DriverInfo, Identity


class Ask(StrEnum):
    """What a codec can be asked to put into bytes."""

    ON = "on"
    OFF = "off"
    PULSE = "pulse"  # timed by the board
    ALL_OFF = "all_off"
    OUTPUTS = "outputs"
    INPUTS = "inputs"
    IDENTIFY = "identify"
    PRESENCE = "presence"  # a reading that only shows that somebody is there


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is on the line: what was asked, about which channel (0: all), in which bytes."""

    ask: Ask
    channel: int
    frame: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """The board says that it did it; ``echo``: in the very bytes that it was given, as an empty line might."""

    echo: bool = False


@dataclass(frozen=True, slots=True)
class Denied:
    """The board says that it did not; ``why`` in the board's own terms.

    Not ``surely``: it may have been carried out all the same, now or a moment later.
    """

    why: str
    surely: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """What was read: ``bits`` of the channels in ``mask``, bit 0 for channel 1; a set bit is closed, or active."""

    mask: int
    bits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Who the board says it is."""

    maker: str
    model: str
    firmware: str = ""
    serial: str = ""

    def to_event(self, id_: str, certainty: Certainty) -> Identity:
        """The event that answers the command ``id_``."""
        return Identity(
            id=id_,
            maker=self.maker,
            model=self.model,
            firmware=self.firmware,
            serial=self.serial,
            certainty=certainty,
        )

    def fits(self, expected: "Named") -> bool:
        """Whether each thing that is expected is so; what is left empty may be anything."""
        pairs = (
            (expected.maker, self.maker),
            (expected.model, self.model),
            (expected.firmware, self.firmware),
            (expected.serial, self.serial),
        )
        return all(not wanted or wanted == said for wanted, said in pairs)


Reply = Accepted | Denied | Levels | Named


class RelayCodec(Protocol):
    """The bytes of one family of boards. Parsers take anything, bound what they keep, and never raise."""

    @property
    def info(self) -> DriverInfo:
        """What the board can do."""

    @property
    def silence_s(self) -> float:
        """Quiet time that the board needs between two frames."""

    def encode(self, ask: Ask, *, channel: int = 0, ms: int = 0) -> bytes | None:
        """The frame for it; None when the board knows no such thing. ``channel`` 0 asks about all at once."""

    def within_s(self, ask: Ask) -> float | None:
        """How long the board may take to answer this; None when it does not answer it at all."""

    def feed(self, data: bytes, asked: Asked | None) -> Reply | None:
        """The answer to what was asked, once it is complete. Everything else is counted and dropped."""

    def flush(self, asked: Asked | None) -> Reply | None:
        """No more bytes are coming: an answer behind a false beginning, if there is one; the rest is dropped."""

    def take_garbage(self) -> int:
        """How many bytes belonged to no answer since the last call."""


@runtime_checkable
class Echoing(Protocol):
    """A codec that knows a question that came back from an answer to it."""

    @property
    def only_echo(self) -> bool:
        """Whether the latest question that nobody answered came back itself."""
