"""Mach Power tripods and swing gates (AC-ATRI-018, AC-ASDSC-017): ``EB address command 00 check``.

The check is the XOR of the bytes before it. The manual's own examples for lowering and raising the arm break that rule:
they end in ``AB`` where it gives ``A8`` and ``A9``; which one a controller wants is a setting.

It answers with its command plus 80, and the counter of the side it was about (16 bits, high byte first). There is no
question that moves nothing, so the counters are seen when somebody is admitted, and a dead controller is noticed then.
"""

from functools import reduce
from operator import xor
from typing import Final, Literal

from drivers.devices.framing import BAD, Frames
from drivers.devices.turnstile_controller import Heard, TurnstileDriver
from drivers.model import DriverInfo, LineSettings, Mode, Side

PROTOCOL: Final = "turnstile-eb"
ANSWER_S: Final = 0.200  # 12 ms of wire for both frames; adapters and controller add tens
Check = Literal["rule", "manual"]
CHECKS: Final[tuple[Check, ...]] = ("rule", "manual")
_START: Final = 0xEB
_REPLY: Final = 0x80  # added to the command
_ADMIT: Final = {Side.LEFT: 0x40, Side.RIGHT: 0x41}
_COUNTS: Final = {command + _REPLY: side for side, command in _ADMIT.items()}
_ARM_DOWN: Final = 0x42
_ARM_UP: Final = 0x43
_BAN: Final = 0x4A
_RESTORE: Final = 0x4B
_AS_PRINTED: Final = {_ARM_DOWN: 0xAB, _ARM_UP: 0xAB}
_REPLIES: Final = frozenset(command + _REPLY for command in (0x40, 0x41, _ARM_DOWN, _ARM_UP, _BAN, _RESTORE))
_SHORT, _LONG = 5, 6


class TurnstileEbCodec:
    """The bytes of one controller.

    Args:
        unit: Its address, 1 to 255.
        check: Whether lowering and raising the arm carry the check of the manual's rule, or that of its examples.
    """

    def __init__(self, *, unit: int = 1, check: Check = "rule") -> None:
        assert 1 <= unit <= 255, f"unit {unit} is no address of a controller"
        assert check in CHECKS, f"check {check} is none of {', '.join(CHECKS)}"
        self._unit, self._check = unit, check
        self._info = DriverInfo(
            protocol=PROTOCOL,
            line=LineSettings(baud=9600),
            sides=(Side.LEFT, Side.RIGHT),
            answers_within_s=ANSWER_S,
        )
        self._frames = Frames(self._length, lambda _: True)  # the length is found by the check

    silence_s: Final = 0.005
    counter_bits: Final = 16

    @property
    def info(self) -> DriverInfo:
        """What the controller can do."""
        return self._info

    def admit(self, side: Side, people: int) -> bytes | None:
        """Open one side for one passage."""
        return self._frame(_ADMIT[side]) if people == 1 else None

    def mode(self, mode: Mode, side: Side | None) -> list[bytes]:
        """Arm and ban are the same for both sides."""
        if side is not None:
            return []
        match mode:
            case Mode.FREE:
                return [self._frame(_ARM_DOWN)]
            case Mode.BLOCKED:
                return [self._frame(_BAN)]
            case Mode.NORMAL:
                return [self._frame(_RESTORE), self._frame(_ARM_UP)]

    def status(self) -> bytes | None:
        """There is no question that moves nothing."""
        return None

    def feed(self, data: bytes, asked: bytes | None) -> list[Heard]:
        """Frames of this controller; only the reply to the asked command answers it."""
        found: list[Heard] = []
        for frame in self._frames.feed(data):
            answers = asked is not None and frame[2] == asked[2] + _REPLY
            side = _COUNTS.get(frame[2]) if len(frame) == _LONG else None
            counts = () if side is None else ((side, int.from_bytes(frame[3:5], "big")),)
            found.append(Heard(answers=answers, counts=counts))
        return found

    def flush(self) -> None:
        """Drop what is left."""
        self._frames.reset()

    def take_garbage(self) -> int:
        """How many bytes belonged to no frame since the last call."""
        return self._frames.take_garbage()

    def _length(self, head: bytes) -> int | None:
        """Length of the frame that begins so.

        Without a counter a reply may have five bytes. A counted reply whose first five pass for one is taken as
        that; its count then comes with the next.
        """
        if head[0] != _START or (len(head) > 1 and head[1] != self._unit):
            return BAD
        if len(head) > 2 and head[2] not in _REPLIES:
            return BAD
        for size in (_SHORT, _LONG):
            if len(head) < size:
                return None
            if reduce(xor, head[:size]) == 0:
                return size
        return BAD

    def _frame(self, command: int) -> bytes:
        body = bytes((_START, self._unit, command, 0))
        check = reduce(xor, body)
        if self._check == "manual":
            check = _AS_PRINTED.get(command, check)
        return body + bytes((check,))


def turnstile_eb(*, unit: int = 1, check: Check = "rule") -> TurnstileDriver:
    """A driver for one controller; ``check`` as for the codec."""
    return TurnstileDriver(TurnstileEbCodec(unit=unit, check=check))
