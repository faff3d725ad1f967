"""KMtronic USB and RS-485 relay boards: ``FF channel state``, without a check and without an acknowledgement.

A byte that is lost shifts everything behind it. So every frame but the closing one begins with three zeros: whatever
the board was in the middle of, they complete it to an opening, and the frame behind them is read from its beginning.

One and two relays are read one at a time and answer with a frame; four and eight answer with a byte for each relay.
"""

from typing import Final

from drivers.devices.counted_bytes import CountedBytes
from drivers.model import DriverInfo, LineSettings
from drivers.relay import RelayDriver
from drivers.relay_codec import Ask, Asked, Levels, Reply

PROTOCOL: Final = "kmtronic"
SIZES: Final = (1, 2, 4, 8)
ANSWER_S: Final = 0.060  # 6 bytes there and 8 back are 15 ms of wire; USB adapters add up to 16
_START: Final = 0xFF
_RESYNC: Final = bytes(3)
_READ_ONE: Final = 0x03
_READ_ALL: Final = b"\xff\x09\x00"
_BYTE_S: Final = 10 / 9600


class KmtronicCodec:
    """The bytes of one board.

    Args:
        outputs: Relays on it: 1, 2, 4 or 8.
    """

    def __init__(self, *, outputs: int = 8) -> None:
        assert outputs in SIZES, f"KMtronic boards have {SIZES} relays, not {outputs}"
        self._info = DriverInfo(
            protocol=PROTOCOL,
            line=LineSettings(baud=9600),
            outputs=outputs,
            host_timed=True,
            reads_outputs=True,
            answers_within_s=ANSWER_S,
        )
        self._one_by_one = outputs <= 2
        self._bytes = CountedBytes()

    silence_s: Final = 6 * _BYTE_S  # the longest frame's own time on the wire: frames never pile up

    @property
    def info(self) -> DriverInfo:
        """What the board can do."""
        return self._info

    def encode(self, ask: Ask, *, channel: int = 0, ms: int = 0) -> bytes | None:  # noqa: ARG002  # no board timer
        """The frame for it."""
        if ask is Ask.OUTPUTS and channel == 0:
            return None if self._one_by_one else _RESYNC + _READ_ALL
        if not 1 <= channel <= self._info.outputs:
            return None
        if ask is Ask.OUTPUTS:
            return _RESYNC + bytes((_START, channel, _READ_ONE)) if self._one_by_one else _RESYNC + _READ_ALL
        if ask is Ask.ON:
            return bytes((_START, channel, 1))
        return _RESYNC + bytes((_START, channel, 0)) if ask is Ask.OFF else None

    def within_s(self, ask: Ask) -> float | None:
        """How long the board may take; it says nothing when it switches."""
        return ANSWER_S if ask is Ask.OUTPUTS else None

    def feed(self, data: bytes, asked: Asked | None) -> None:
        """Collect; the number of bytes is known when no more come."""
        self._bytes.feed(data, due=asked is not None and asked.ask is Ask.OUTPUTS)

    def flush(self, asked: Asked | None) -> Reply | None:
        """The states, if what came has the form of an answer."""
        if asked is None or asked.ask is not Ask.OUTPUTS:
            self._bytes.flush(0)
            return None
        found = self._bytes.flush(3 if self._one_by_one else self._info.outputs)
        if found is None:
            return None
        states = found[2:] if self._one_by_one else found
        right = found[:2] == bytes((_START, asked.channel)) or not self._one_by_one
        if not right or any(state > 1 for state in states):
            self._bytes.reject(len(found))
            return None
        first = asked.channel - 1 if self._one_by_one else 0
        return Levels(
            mask=(1 << len(states)) - 1 << first,
            bits=sum(state << first + at for at, state in enumerate(states)),
        )

    def take_garbage(self) -> int:
        """How many bytes belonged to no answer since the last call."""
        return self._bytes.take_garbage()


def kmtronic(*, outputs: int = 8) -> RelayDriver:
    """A driver for one board with so many relays."""
    return RelayDriver(KmtronicCodec(outputs=outputs))
