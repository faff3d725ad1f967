"""What a Modbus unit answers when its inputs are read; frames as the standard has them."""

from drivers.modbus_rtu import crc16


def inputs_reply(*, unit: int = 1, bits: bytes) -> bytes:
    """Levels of inputs: the lowest bit of the first byte is the first input asked for."""
    return _checked(bytes((unit, 2, len(bits))) + bits)


def exception_reply(*, unit: int = 1, code: int) -> bytes:
    """The unit understood, and refuses (1 function, 2 address, 3 quantity, 4 failure)."""
    return _checked(bytes((unit, 0x82, code)))


def _checked(body: bytes) -> bytes:
    return body + crc16(body)
