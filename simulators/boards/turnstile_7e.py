"""Model of the "7E/7F" swing and flap gate controller, as the one published source shows it.

Eight bytes in: ``7E 00 id cmd d0 d1 d2 ck``. Eighteen out, for every command: ``7F ver id fault gate alarm``, two
24-bit counters, ``ir exec vcc - - ck``. ``ck`` is the complement of the sum of all before it. What the bits of
``gate``, ``alarm`` and ``ir`` mean nobody has published; here ``gate`` is 0 closed, 1 left, 2 right, 3 both open,
``alarm`` bit 0 a passage without permit, ``ir`` bit 0 left and bit 1 right beam, ``exec`` the last command obeyed.
"""

from typing import Final

from simulators.boards.device import Answer
from simulators.boards.gate_controller import SIDES, GateController

INTER_BYTE_S: Final = 0.08
_ASK, _ANSWER = 0x7E, 0x7F
_FRAME_BYTES: Final = 8


def check_byte(frame: bytes) -> int:
    """Complement of the sum of all bytes before it."""
    return ~sum(frame) & 0xFF


class Turnstile7E(GateController):
    """One controller.

    Args:
        unit: Its id on the line.
    """

    baud = 19200

    def __init__(self, *, unit: int = 1) -> None:
        super().__init__(unit=unit, counter_bits=24)
        self.fault, self.version, self.tenth_volts = 0, 0x12, 240
        self.menu: dict[int, int] = {}
        self._executed = 0
        self._pending, self._heard_s = b"", 0.0

    def from_another_unit(self, answer: bytes) -> bytes:
        """The same answer with the next id."""
        other = answer[:2] + bytes((answer[2] + 1 & 0xFF,)) + answer[3:-1]
        return other + bytes((check_byte(other),))

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        if now_s - self._heard_s > INTER_BYTE_S:
            self._pending = b""
        self._heard_s = now_s
        self._pending += data
        answers: list[Answer] = []
        while (start := self._pending.find(_ASK)) >= 0:
            frame = self._pending[start : start + _FRAME_BYTES]
            if len(frame) < _FRAME_BYTES:
                self._pending = frame
                return answers
            if check_byte(frame[:-1]) != frame[-1]:
                self._pending = self._pending[start + 1 :]
                continue
            self._pending = self._pending[start + _FRAME_BYTES :]
            if frame[2] == self.unit:
                self._obey(frame[3], frame[4:7], now_s)
                answers.append(Answer(data=self._state(now_s), at_s=now_s))
        self._pending = b""
        return answers

    def _obey(self, command: int, data: bytes, now_s: float) -> None:
        match command:
            case 0x10:
                pass
            case 0x20 | 0x21:
                self.clear_count(SIDES[command - 0x20], now_s)
            case 0x80 | 0x82:
                self.permit("left" if command == 0x80 else "right", data[0], now_s)
            case 0x81 | 0x83:
                self.keep_open("left" if command == 0x81 else "right", now_s)
            case 0x84:
                self.close(now_s)
            case 0x88 | 0x89:
                self.forbid(self.forbidden | {SIDES[command - 0x88]}, now_s)
            case 0x8F:
                self.forbid(set(), now_s)
            case 0x96:
                self.menu[data[0]] = data[1]
                self._happen("setting", now_s, data[0], f"menu {data[0]} = {data[1]}")
            case _:
                return
        self._executed = command

    def _state(self, now_s: float) -> bytes:
        gate = sum(self.is_open(side) << place for place, side in enumerate(SIDES))
        beams = sum(self.beam_covered(side, now_s) << place for place, side in enumerate(SIDES))
        counts = b"".join(self.counts[side].to_bytes(3, "big") for side in SIDES)
        head = bytes((_ANSWER, self.version, self.unit, self.fault, gate, self.alarm))
        frame = head + counts + bytes((beams, self._executed, self.tenth_volts, 0, 0))
        return frame + bytes((check_byte(frame),))

    def _lose_power(self, now_s: float) -> None:
        super()._lose_power(now_s)
        self._pending, self._executed = b"", 0
