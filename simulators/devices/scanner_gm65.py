"""Model of a GM65 engine: settings in numbered zones, read, written and saved by frames that begin ``7E 00``.

``7E 00 type length zone(2) data check(2)``: type 07 reads, 08 writes, 09 saves. The check is CRC-16/XMODEM over what
lies between head and check, or the wildcard ``AB CD``. A frame with another check gets no answer. What is not saved
is forgotten with the supply. Printed set-up codes are closed by bit 1 of zone 0003.
"""

from typing import Final

from simulators.boards.device import Answer
from simulators.devices.scanner import TextScanner

_HEAD: Final = b"\x7e\x00"
_ANY_CHECK: Final = b"\xab\xcd"
_DONE: Final = bytes.fromhex("02 00 00 01 00 33 31")
_MODE, _TRIGGER, _SETUP, _BAUD, _TRAILER = 0x0000, 0x0002, 0x0003, 0x002A, 0x0060
_ZONES: Final = 0x0100
_FACTORY: Final = {_MODE: 0xD6, _BAUD: 0x39, _BAUD + 1: 0x01, _TRAILER: 0x01}
_TRAILERS: Final = ("cr", "crlf", "tab", "none")  # bits 6-5 of zone 0060; bit 0 allows any at all
_BAUDS: Final = {
    0x04E2: 2400,
    0x0271: 4800,
    0x0139: 9600,
    0x009C: 19200,
    0x004E: 38400,
    0x0034: 57600,
    0x001A: 115200,
}


def check_bytes(frame: bytes) -> bytes:
    """CRC-16/XMODEM: polynomial 1021, from zero, highest bit first."""
    register = 0
    for byte in frame:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1 ^ 0x1021 if register & 0x8000 else register << 1) & 0xFFFF
    return register.to_bytes(2, "big")


class Gm65(TextScanner):
    """One engine, as it comes from the factory: continuous reading, CR after each code, set-up codes on."""

    def __init__(self) -> None:
        super().__init__()
        self.zones, self._saved = dict(_FACTORY), dict(_FACTORY)
        self._pending = b""

    @property
    def speed(self) -> int:
        """What zones 002A and 002B say."""
        return _BAUDS.get(self._zone(_BAUD) | self._zone(_BAUD + 1) << 8, 9600)

    @property
    def obeys_setup_codes(self) -> bool:
        """Until bit 1 of zone 0003 is set."""
        return not self._zone(_SETUP) & 0x02

    @property
    def saved(self) -> dict[int, int]:
        """What outlives the supply."""
        return dict(self._saved)

    def _zone(self, place: int) -> int:
        return self.zones.get(place, 0)

    def _restore_factory(self) -> None:
        self.keyboard = False
        self.zones = dict(_FACTORY)
        self._saved = dict(_FACTORY)
        self._apply()

    def _set_terminator(self, name: str) -> None:
        self.zones[_TRAILER] = (self._zone(_TRAILER) & 0x9E) | _TRAILERS.index(name) << 5 | 1
        self._saved = dict(self.zones)
        self._apply()

    def _apply(self) -> None:
        trailer = self._zone(_TRAILER)
        self.terminator = _TRAILERS[trailer >> 5 & 3] if trailer & 1 else "none"
        self.on_trigger_only = self._zone(_MODE) & 3 in (0, 1)

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        self._pending += data
        answers: list[Answer] = []
        while (start := self._pending.find(_HEAD)) >= 0:
            frame = self._pending[start:]
            if len(frame) < 4 or len(frame) < self._length(frame):
                self._pending = frame
                return answers
            frame = frame[: self._length(frame)]
            body, check = frame[2:-2], frame[-2:]
            if check not in (_ANY_CHECK, check_bytes(body)):
                self._pending = self._pending[start + 1 :]
                continue
            self._pending = self._pending[start + len(frame) :]
            answers += self._obey(body[0], int.from_bytes(body[2:4], "big"), body[4:], now_s)
        self._pending = self._pending[-1:] if self._pending.endswith(_HEAD[:1]) else b""
        return answers

    @staticmethod
    def _length(frame: bytes) -> int:
        return 6 + (frame[3] or 256) + 2 if frame[2] == 0x08 else 9

    def _obey(self, kind: int, zone: int, data: bytes, now_s: float) -> list[Answer]:
        match kind:
            case 0x07:
                found = bytes(self._zone(zone + place) for place in range(data[0] or 256))
                body = bytes((0x00, len(found) & 0xFF)) + found
                return [Answer(data=b"\x02\x00" + body + check_bytes(body), at_s=now_s)]
            case 0x08 if zone + len(data) <= _ZONES:
                return self._write(zone, data, now_s)
            case 0x09:
                self._saved = dict(self.zones)
                self._happen("setting", now_s, 0, "saved")
                return [Answer(data=_DONE, at_s=now_s)]
            case _:
                return []

    def _write(self, zone: int, data: bytes, now_s: float) -> list[Answer]:
        for place, value in enumerate(data, start=zone):
            self.zones[place] = value
        done = [Answer(data=_DONE, at_s=now_s)]
        if zone == _TRIGGER and data[0] & 1:
            self.zones[_TRIGGER] &= 0xFE
            return done + self._trigger(now_s)
        self._apply()
        self._happen("setting", now_s, zone, f"zone {zone:04X} = {data.hex()}")
        return done

    def _lose_power(self, now_s: float) -> None:
        super()._lose_power(now_s)
        self.zones, self._pending = dict(self._saved), b""
        self._apply()
