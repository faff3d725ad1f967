"""The check of Modbus RTU frames: a CRC16 (polynomial A001 reflected, start FFFF), low byte first."""

from typing import Final


def _crc_table() -> tuple[int, ...]:
    table = []
    for index in range(256):
        value = index
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
        table.append(value)
    return tuple(table)


_TABLE: Final = _crc_table()


def crc16(data: bytes | bytearray) -> bytes:
    """The two check bytes of a frame, as they go over the line."""
    value = 0xFFFF
    for byte in data:
        value = (value >> 8) ^ _TABLE[(value ^ byte) & 0xFF]
    return value.to_bytes(2, "little")
