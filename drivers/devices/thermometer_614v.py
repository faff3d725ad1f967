"""GY-614V modules: registers, read by ``A4 03 register count sum``.

Registers 08 to 0D are target, surroundings and the body's temperature made from the forehead's, two bytes each
(drivers reference 1.3). The answer repeats address, function, register and count, then the bytes and a sum; the same
frame comes unasked when the module is set to stream.
"""

from typing import Final

from drivers.devices.framing import BAD, Frames, sums_up
from drivers.devices.thermometer_sampling import Reading, hundredths

UNIT: Final = 0xA4
READ: Final = 0x03
FIRST: Final = 0x08
COUNT: Final = 6


class Gy614vCodec:
    """The bytes of a GY-614V.

    Args:
        unit: Its address.
    """

    baud = 9600

    def __init__(self, *, unit: int = UNIT) -> None:
        self._head = bytes((unit, READ, FIRST, COUNT))
        self.question: bytes | None = self._head + bytes((sum(self._head) & 0xFF,))

    def frames(self) -> Frames:
        """Answers to the question for all temperatures."""
        return Frames(self._length, sums_up)

    def reading(self, frame: bytes) -> Reading:
        """All three temperatures."""
        return Reading(
            target_c=hundredths(frame[4:6]),
            ambient_c=hundredths(frame[6:8]),
            body_c=hundredths(frame[8:10]),
        )

    def _length(self, head: bytes) -> int | None:
        if not self._head.startswith(head[:4]):
            return BAD
        return None if len(head) < 4 else len(self._head) + COUNT + 1
