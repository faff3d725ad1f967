"""Devantech USB-RLY boards: one byte is one command, and most letters of the alphabet switch a relay.

The board names itself (``5A``: module and firmware), and nothing is switched before the right module has answered. No
answer has a check, so each question is asked twice in one go, and counts when both answers are the same and nothing
else came.
"""

from typing import Final

from drivers.devices.counted_bytes import CountedBytes
from drivers.model import Certainty, DriverInfo, LineSettings
from drivers.relay import RelayDriver
from drivers.relay_codec import Ask, Asked, Levels, Named, Reply

PROTOCOL: Final = "devantech-usb"
MAKER: Final = "Devantech"
MODELS: Final = {8: "USB-RLY08", 9: "USB-RLY16", 10: "USB-RLY02", 15: "USB-RLY16L"}  # by module id
OUTPUTS: Final = {"USB-RLY02": 2, "USB-RLY08": 8, "USB-RLY16": 8, "USB-RLY16L": 8}
LATCHING: Final = ("USB-RLY16L",)
ANSWER_S: Final = 0.060  # the board is a USB device itself: no adapter and no wire between
_WHO: Final = b"\x5a"
_STATES: Final = b"\x5b"
_ALL_OFF: Final = b"\x6e"
_ON_1: Final = 0x65
_OFF_1: Final = 0x6F


class DevantechUsbCodec:
    """The bytes of one board.

    Args:
        model: A key of ``OUTPUTS``.
    """

    def __init__(self, *, model: str = "USB-RLY08") -> None:
        assert model in OUTPUTS, f"{model} is none of {', '.join(OUTPUTS)}"
        self._info = DriverInfo(
            protocol=PROTOCOL,
            line=LineSettings(baud=9600),  # any speed will do on a USB line
            outputs=OUTPUTS[model],
            host_timed=True,
            latching=model in LATCHING,
            reads_outputs=True,
            identifies=Certainty.STRONG,
            answers_within_s=ANSWER_S,
        )
        self._bytes = CountedBytes()

    silence_s: Final = 0.0

    @property
    def info(self) -> DriverInfo:
        """What the board can do."""
        return self._info

    def encode(self, ask: Ask, *, channel: int = 0, ms: int = 0) -> bytes | None:  # noqa: ARG002  # no board timer
        """The byte for it, or a question twice."""
        match ask:
            case Ask.IDENTIFY:
                return 2 * _WHO
            case Ask.OUTPUTS:
                return 2 * _STATES
            case Ask.ALL_OFF:
                return _ALL_OFF
            case Ask.ON | Ask.OFF if 1 <= channel <= self._info.outputs:
                return bytes(((_ON_1 if ask is Ask.ON else _OFF_1) + channel - 1,))
            case _:
                return None

    def within_s(self, ask: Ask) -> float | None:
        """How long the board may take; it says nothing when it switches."""
        return ANSWER_S if ask in {Ask.IDENTIFY, Ask.OUTPUTS} else None

    def feed(self, data: bytes, asked: Asked | None) -> None:
        """Collect; the number of bytes is known when no more come."""
        self._bytes.feed(data, due=asked is not None and asked.ask in {Ask.IDENTIFY, Ask.OUTPUTS})

    def flush(self, asked: Asked | None) -> Reply | None:
        """The answer, if it came twice."""
        wide = 0 if asked is None else {Ask.IDENTIFY: 2, Ask.OUTPUTS: 1}.get(asked.ask, 0)
        found = self._bytes.flush(2 * wide)
        if found is None or asked is None:
            return None
        once = found[:wide]
        if found != 2 * once:
            self._bytes.reject(len(found))
            return None
        if asked.ask is Ask.IDENTIFY:
            model = MODELS.get(once[0], f"unknown module {once[0]}")
            return Named(maker=MAKER, model=model, firmware=str(once[1]))
        mask = (1 << self._info.outputs) - 1
        return Levels(mask=mask, bits=once[0] & mask)

    def take_garbage(self) -> int:
        """How many bytes belonged to no answer since the last call."""
        return self._bytes.take_garbage()


def devantech_usb(*, model: str = "USB-RLY08") -> RelayDriver:
    """A driver for one board, which must name itself as ``model`` before anything is switched."""
    return RelayDriver(DevantechUsbCodec(model=model), expect=Named(maker=MAKER, model=model))
