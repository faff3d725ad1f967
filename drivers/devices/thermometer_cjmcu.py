"""CJMCU-90614 modules: ``66 66``, mode, length, target, surroundings, a sum; streaming at 115200 baud.

Hundredths of a degree, high byte first (drivers reference 1.3). Sellers' pages can be read in two ways, whether the sum
is over the whole frame or over the temperatures: either is taken, behind a head of four known bytes. There is
no question for one reading: the mode is a setting, and this driver changes none.
"""

from typing import Final

from drivers.devices.framing import BAD, Frames, sums_up
from drivers.devices.thermometer_sampling import Reading, hundredths

HEAD: Final = b"\x66\x66"
MODES: Final = frozenset({0x01, 0x02})  # streaming, and the answer in query mode
LENGTH: Final = 4


class CjmcuCodec:
    """The bytes of a CJMCU-90614."""

    baud = 115200
    question: bytes | None = None

    def frames(self) -> Frames:
        """Frames of two temperatures."""
        return Frames(_length, lambda frame: sums_up(frame) or sums_up(frame[4:]))

    def reading(self, frame: bytes) -> Reading:
        """Target and surroundings."""
        return Reading(target_c=hundredths(frame[4:6]), ambient_c=hundredths(frame[6:8]))


def _length(head: bytes) -> int | None:
    if not HEAD.startswith(head[:2]):
        return BAD
    if len(head) < 4:
        return None
    return 5 + LENGTH if head[2] in MODES and head[3] == LENGTH else BAD
