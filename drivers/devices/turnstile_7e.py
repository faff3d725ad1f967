"""Swing and flap controllers that speak ``7E`` / ``7F`` frames. Experimental: one published source, no maker's name.

To the controller go eight bytes, ``7E 00 id command d0 d1 d2 check``, and for each it sends 18 back::

    7F version id fault gate alarm left(3) right(3) ir executed volts - - check

The check is the complement of the sum of all bytes before it; counters are 24 bits, high byte first. What the bits of
``gate``, ``alarm`` and ``ir`` mean was never published: alarms are reported by their bit, the others not at all.
"""

from typing import Final

from drivers.devices.framing import BAD, Frames
from drivers.devices.turnstile_controller import Heard, TurnstileDriver
from drivers.model import Certainty, DriverInfo, LineSettings, Mode, Side
from drivers.relay_codec import Named

PROTOCOL: Final = "turnstile-7e"
ANSWER_S: Final = 0.200  # 14 ms of wire for both frames; adapters and controller add tens
ANSWER_BYTES: Final = 18
_ASK: Final = 0x7E
_ANSWER: Final = 0x7F
_STATUS: Final = 0x10
_ADMIT: Final = {Side.LEFT: 0x80, Side.RIGHT: 0x82}
_ALWAYS: Final = {Side.LEFT: 0x81, Side.RIGHT: 0x83}
_FORBID: Final = {Side.LEFT: 0x88, Side.RIGHT: 0x89}
_CLOSE: Final = 0x84
_LIFT_BAN: Final = 0x8F


class Turnstile7eCodec:
    """The bytes of one controller.

    Args:
        unit: Its id on the line.
    """

    def __init__(self, *, unit: int = 1) -> None:
        assert 0 <= unit <= 255, f"unit {unit} is no id of a controller"
        self._unit = unit
        self._info = DriverInfo(
            protocol=PROTOCOL,
            line=LineSettings(baud=19200),
            sides=(Side.LEFT, Side.RIGHT),
            counts=True,
            identifies=Certainty.WEAK,
            answers_within_s=ANSWER_S,
        )
        self._frames = Frames(self._length, lambda frame: frame[-1] == _check(frame[:-1]))

    silence_s: Final = 0.005
    counter_bits: Final = 24

    @property
    def info(self) -> DriverInfo:
        """What the controller can do."""
        return self._info

    def admit(self, side: Side, people: int) -> bytes | None:
        """Open one side for so many passages."""
        return self._frame(_ADMIT[side], people) if 1 <= people <= 255 else None

    def mode(self, mode: Mode, side: Side | None) -> list[bytes]:
        """Bans and "always open" are set for a side, and lifted for both at once."""
        sides = tuple(Side) if side is None else (side,)
        match mode:
            case Mode.FREE:
                return [self._frame(_ALWAYS[one]) for one in sides]
            case Mode.BLOCKED:
                return [self._frame(_FORBID[one]) for one in sides]
            case Mode.NORMAL if side is None:
                return [self._frame(_LIFT_BAN), self._frame(_CLOSE)]
            case _:
                return []

    def status(self) -> bytes | None:
        """Ask how things stand."""
        return self._frame(_STATUS)

    def feed(self, data: bytes, asked: bytes | None) -> list[Heard]:
        """Every frame of this controller; each tells its whole state, and answers whatever was asked."""
        return [
            _heard(frame, answers=asked is not None and number == 0)
            for number, frame in enumerate(self._frames.feed(data))
        ]

    def flush(self) -> None:
        """Drop what is left."""
        self._frames.reset()

    def take_garbage(self) -> int:
        """How many bytes belonged to no frame since the last call."""
        return self._frames.take_garbage()

    def _length(self, head: bytes) -> int | None:
        if head[0] != _ANSWER or (len(head) > 2 and head[2] != self._unit):
            return BAD
        return ANSWER_BYTES if len(head) > 2 else None

    def _frame(self, command: int, d0: int = 0) -> bytes:
        body = bytes((_ASK, 0, self._unit, command, d0, 0, 0))
        return body + bytes((_check(body),))


def _check(data: bytes) -> int:
    return ~sum(data) & 0xFF


def _heard(frame: bytes, *, answers: bool) -> Heard:
    version, fault, alarm = frame[1], frame[3], frame[5]
    return Heard(
        answers=answers,
        names_command=False,  # which byte does was never published: a late one answers anything
        counts=(
            (Side.LEFT, int.from_bytes(frame[6:9], "big")),
            (Side.RIGHT, int.from_bytes(frame[9:12], "big")),
        ),
        alarms=frozenset(f"alarm bit {bit}" for bit in range(8) if alarm >> bit & 1),
        fault=f"the controller reports fault {fault:#04x}" if fault else "",
        named=Named(maker="", model="7E/7F controller", firmware=f"{version:#04x}"),
    )


def turnstile_7e(*, unit: int = 1) -> TurnstileDriver:
    """A driver for one controller."""
    return TurnstileDriver(Turnstile7eCodec(unit=unit))
