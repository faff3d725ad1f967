"""Bytes of a line in words, for people who read a trace. What is not understood stays hex; nothing is decided by it."""

from collections.abc import Callable
from typing import Final

from drivers.devices.osdp_frames import Frame, frames_in
from drivers.modbus_rtu import crc16

_MODBUS: Final = frozenset({"modbus-inputs", "modbus-relay"})
_TEXT: Final = frozenset({"numato", "modem", "scanner"})
_FUNCTIONS: Final = {
    1: "read coils",
    2: "read inputs",
    3: "read registers",
    4: "read input registers",
    5: "write coil",
    6: "write register",
    15: "write coils",
    16: "write registers",
}
_7E: Final = {
    0x10: "status",
    0x20: "clear left count",
    0x21: "clear right count",
    0x80: "open left",
    0x81: "left always open",
    0x82: "open right",
    0x83: "right always open",
    0x84: "close",
    0x88: "forbid left",
    0x89: "forbid right",
    0x8F: "lift ban",
    0x96: "set menu",
}
_EB: Final = {
    0x40: "open left",
    0x41: "open right",
    0x42: "arm down",
    0x43: "arm up",
    0x4A: "ban",
    0x4B: "restore",
}


_OSDP_ORDERS: Final = {
    0x60: "poll",
    0x61: "who?",
    0x62: "abilities?",
    0x64: "tamper and power?",
    0x65: "inputs?",
    0x66: "outputs?",
    0x68: "outputs",
    0x69: "lamp",
    0x6A: "buzzer",
    0x6E: "line settings",
    0x75: "NEW KEY",
    0x76: "challenge",
    0x77: "answer to the challenge",
}
_OSDP_REPLIES: Final = {
    0x40: "yes",
    0x41: "no",
    0x45: "name",
    0x46: "abilities",
    0x48: "tamper and power",
    0x49: "inputs",
    0x4A: "outputs",
    0x50: "code or card",
    0x53: "keys",
    0x76: "answer to the challenge",
    0x78: "secure",
    0x79: "busy",
}


def in_words(protocol: str, data: bytes, *, sent: bool) -> list[str]:
    """What these bytes say, one text a frame; empty when they are not understood."""
    if protocol in _MODBUS:
        return _modbus(data, sent=sent)
    if protocol in _TEXT:
        return [repr(data.decode("utf-8", "replace"))]
    explain = _EXPLAINED.get(protocol)
    return [] if explain is None else explain(data, sent)


def _modbus(data: bytes, *, sent: bool) -> list[str]:
    if len(data) < 4 or crc16(data[:-2]) != data[-2:]:
        return []
    unit, function = data[0], data[1]
    if function & 0x80:
        return [f"unit {unit} refuses function {function & 0x7F}, code {data[2]}"]
    name = _FUNCTIONS.get(function, f"function {function}")
    if len(data) == 8 and (sent or function in {5, 6, 15, 16}):
        address, value = int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:6], "big")
        what = f"value {value:04X}" if function in {5, 6} else f"count {value}"
        return [f"unit {unit} {name} address {address:04X} {what}"]
    return [f"unit {unit} {name}: {data[3:-2].hex(' ').upper()}"]


def _lcus(data: bytes, sent: bool) -> list[str]:  # the table's shape
    if sent and data == b"\xff":
        return ["status?"]
    pieces = [data[at : at + 4] for at in range(0, len(data), 4)]
    if not sent or any(
        len(piece) != 4 or piece[0] != 0xA0 or sum(piece[:3]) & 0xFF != piece[3] for piece in pieces
    ):
        return []
    return [f"relay {piece[1]} {'on' if piece[2] == 1 else 'off'}" for piece in pieces]


def _kmtronic(data: bytes, sent: bool) -> list[str]:
    frame = data.lstrip(b"\x00")
    if len(frame) not in {2, 3} or frame[0] != 0xFF:
        return []
    if frame.ljust(3, b"\x00") == b"\xff\x09\x00" and sent:
        return ["states?"]
    what = {0: "off", 1: "on", 3: "state?"}.get(frame.ljust(3, b"\x00")[2])
    return [] if what is None else [f"relay {frame[1]} {what}"]


def _osdp(data: bytes, sent: bool) -> list[str]:
    """Of a secure channel only what is not hidden: which kind of frame it is."""
    return [_osdp_frame(frame) for frame in frames_in(data) if frame.reply is not sent]


def _osdp_frame(frame: Frame) -> str:
    name = (_OSDP_REPLIES if frame.reply else _OSDP_ORDERS).get(frame.code, f"code {frame.code:02X}")
    shown = "encrypted" if frame.encrypted and frame.data else frame.data.hex(" ").upper()
    return f"reader {frame.address} {name} {shown}".rstrip()


def _devantech(data: bytes, sent: bool) -> list[str]:
    if not sent:
        return []
    words = {0x5A: "who?", 0x5B: "states?", 0x5C: "set all", 0x5D: "volts?", 0x64: "all on", 0x6E: "all off"}
    words |= {0x64 + number: f"relay {number} on" for number in range(1, 9)}
    words |= {0x6E + number: f"relay {number} off" for number in range(1, 9)}
    return [words[byte] for byte in data] if all(byte in words for byte in data) else []


def _turnstile(names: dict[int, str], head: int, at: int) -> Callable[[bytes, bool], list[str]]:
    def explain(data: bytes, sent: bool) -> list[str]:
        if not sent or len(data) <= at or data[0] != head or data[at] not in names:
            return []
        return [names[data[at]]]

    return explain


_EXPLAINED: Final[dict[str, Callable[[bytes, bool], list[str]]]] = {
    "lcus": _lcus,
    "osdp": _osdp,
    "kmtronic": _kmtronic,
    "devantech-usb": _devantech,
    "turnstile-7e": _turnstile(_7E, 0x7E, 3),
    "turnstile-eb": _turnstile(_EB, 0xEB, 2),
}
