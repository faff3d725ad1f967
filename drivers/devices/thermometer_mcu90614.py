"""GY-MCU90614 modules: ``5A 5A 45``, a length byte, temperatures, a sum; about ten frames a second unasked.

Temperatures are hundredths of a degree, high byte first: target, surroundings. Newer units send more than these four
bytes; the length byte says how many (drivers reference 1.3). A third whole value is the body's; one odd byte is left
alone, for nobody has published what it means.
"""

from typing import Final

from drivers.devices.framing import BAD, Frames, sums_up
from drivers.devices.thermometer_sampling import Reading, hundredths

HEAD: Final = b"\x5a\x5a\x45"
ASK: Final = bytes.fromhex("A5 15 BA")
LENGTHS: Final = range(4, 9)  # bytes of temperatures


class Mcu90614Codec:
    """The bytes of a GY-MCU90614."""

    baud = 9600
    question: bytes | None = ASK

    def frames(self) -> Frames:
        """Frames of any length that the length byte may say."""
        return Frames(_length, sums_up)

    def reading(self, frame: bytes) -> Reading:
        """Target, surroundings, and the body where it is sent."""
        values = frame[4:-1]
        return Reading(
            target_c=hundredths(values[:2]),
            ambient_c=hundredths(values[2:4]),
            body_c=hundredths(values[4:6]) if len(values) >= 6 else None,
        )


def _length(head: bytes) -> int | None:
    if not HEAD.startswith(head[:3]):
        return BAD
    if len(head) < 4:
        return None
    return 5 + head[3] if head[3] in LENGTHS else BAD
