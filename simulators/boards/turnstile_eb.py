"""Model of the Mach Power tripod and swing controllers (AC-ATRI-018, AC-ASDSC-017): ``EB addr cmd 00 XOR``.

The manual's own examples for lowering and raising the arm end in AB, against its rule (A8 and A9). ``check`` says
which of the two this controller accepts. It answers ``EB addr cmd+80 hi lo XOR`` with the counter of the side that
the command names, and zeros where it names none.
"""

from functools import reduce
from operator import xor
from typing import Final, Literal

from simulators.boards.device import Answer
from simulators.boards.gate_controller import GateController, Side

Check = Literal["rule", "manual"]
_START: Final = 0xEB
_AS_PRINTED: Final = {0x42: 0xAB, 0x43: 0xAB}
_FRAME_BYTES: Final = 5
_SILENCE_S: Final = 0.1


class TurnstileEB(GateController):
    """One controller.

    Args:
        unit: Its address, 1 to 255.
        check: Whether commands 42 and 43 want the check of the manual's rule or that of its examples.
    """

    def __init__(self, *, unit: int = 1, check: Check = "rule") -> None:
        super().__init__(unit=unit, counter_bits=16)
        self.check: Check = check
        self.arm_down = False
        self._pending, self._heard_s = b"", 0.0

    def from_another_unit(self, answer: bytes) -> bytes:
        """The same answer with the next address."""
        other = answer[:1] + bytes((answer[1] + 1 & 0xFF,)) + answer[2:-1]
        return other + bytes((reduce(xor, other),))

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        if now_s - self._heard_s > _SILENCE_S:
            self._pending = b""
        self._heard_s = now_s
        self._pending += data
        answers: list[Answer] = []
        while (start := self._pending.find(_START)) >= 0:
            frame = self._pending[start : start + _FRAME_BYTES]
            if len(frame) < _FRAME_BYTES:
                self._pending = frame
                return answers
            if frame[4] != self._wanted(frame):
                self._pending = self._pending[start + 1 :]
                continue
            self._pending = self._pending[start + _FRAME_BYTES :]
            if frame[1] == self.unit and (side := self._obey(frame[2], now_s)) is not False:
                answers.append(Answer(data=self._reply(frame[2], side), at_s=now_s))
        self._pending = b""
        return answers

    def _wanted(self, frame: bytes) -> int:
        if self.check == "manual" and frame[2] in _AS_PRINTED:
            return _AS_PRINTED[frame[2]]
        return reduce(xor, frame[:4])

    def _obey(self, command: int, now_s: float) -> Side | Literal[False] | None:
        """Carry out; the side that the command names, None for no side, False for no such command."""
        match command:
            case 0x40 | 0x41:
                side: Side = "left" if command == 0x40 else "right"
                self.permit(side, 1, now_s)
                return side
            case 0x42 | 0x43:
                self._lower(now_s, down=command == 0x42)
            case 0x4A:
                self.forbid({"left", "right"}, now_s)
            case 0x4B:
                self.forbid(set(), now_s)
            case _:
                return False
        return None

    def _lower(self, now_s: float, *, down: bool) -> None:
        """Drop the arm, so that everybody can pass, or raise it again."""
        self.arm_down = down
        self._happen("setting", now_s, 0, "arm down" if down else "arm up")

    def is_open(self, side: Side) -> bool:
        """With its arm down the way is free for everybody."""
        return self.arm_down or super().is_open(side)

    def _reply(self, command: int, side: Side | None) -> bytes:
        count = 0 if side is None else self.counts[side]
        frame = bytes((_START, self.unit, command + 0x80 & 0xFF)) + count.to_bytes(2, "big")
        return frame + bytes((reduce(xor, frame),))

    def _lose_power(self, now_s: float) -> None:
        super()._lose_power(now_s)
        self._pending = b""
        self._lower(now_s, down=True)  # a tripod's arm falls when the supply fails

    def _start(self, now_s: float) -> list[Answer]:
        self._lower(now_s, down=False)
        return []
