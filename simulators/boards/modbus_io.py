"""Model of a Modbus RTU input module: answers function 02, refuses the rest as the standard says.

A frame for another unit or with a wrong check gets no answer at all. Bytes that stop in the middle of a frame
are forgotten after a silence, which is how RTU tells frames apart.
"""

BAUD = 9600
SILENCE_S = 0.02  # 3.5 characters are 4 ms; a busy machine may deliver one frame in two halves
_REQUEST_BYTES = 8
_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE = 1, 2, 3


def check_bytes(frame: bytes) -> bytes:
    """CRC-16/MODBUS, bit by bit as the standard's flow chart draws it; low byte first."""
    register = 0xFFFF
    for byte in frame:
        register ^= byte
        for _ in range(8):
            carry = register & 1
            register >>= 1
            if carry:
                register ^= 0xA001
    return bytes((register & 0xFF, register >> 8))


class ModbusInputs:
    """One module.

    Args:
        unit: Its address.
        inputs: How many inputs it has.
    """

    def __init__(self, unit: int = 1, inputs: int = 8) -> None:
        self._unit = unit
        self._levels = [False] * inputs
        self._pending = b""
        self._heard_s = 0.0
        self.silent = False  # a unit without supply on a line that works

    def set_input(self, channel: int, *, active: bool) -> None:
        """Close or open the contact on one input, counted from 1."""
        self._levels[channel - 1] = active

    def receive(self, data: bytes, now_s: float) -> bytes:
        """Take bytes from the line; the answer, or nothing."""
        if now_s - self._heard_s > SILENCE_S:
            self._pending = b""
        self._heard_s = now_s
        self._pending += data
        if len(self._pending) < _REQUEST_BYTES:
            return b""
        frame, self._pending = self._pending, b""
        if self.silent or frame[0] != self._unit or check_bytes(frame[:-2]) != frame[-2:]:
            return b""
        answer = bytes((self._unit,)) + self._answer(frame[1:-2])
        return answer + check_bytes(answer)

    def _answer(self, request: bytes) -> bytes:
        function = request[0]
        if function != 0x02 or len(request) != 5:
            return bytes((function | 0x80, _ILLEGAL_FUNCTION))
        first, count = int.from_bytes(request[1:3], "big"), int.from_bytes(request[3:5], "big")
        if not 1 <= count <= 2000:
            return bytes((0x82, _ILLEGAL_VALUE))
        if first + count > len(self._levels):
            return bytes((0x82, _ILLEGAL_ADDRESS))
        packed = bytearray((count + 7) // 8)
        for offset in range(count):
            if self._levels[first + offset]:
                packed[offset // 8] |= 1 << offset % 8
        return bytes((0x02, len(packed))) + bytes(packed)
