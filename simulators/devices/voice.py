"""Model of a SYN6288 voice chip: frames of text in, one byte back, and the text is spoken.

``FD length(2) command param text XOR``, where the length counts from the command to the check. It answers 41 to a good
frame, 45 to a bad one, 4E while it speaks and 4F when it is silent; the latter also by itself at the end of a text.
A new text cuts the old one off. After the command to sleep the next frame only wakes it.
"""

from functools import reduce
from operator import xor
from typing import Final

from simulators.boards.device import Answer, Device

_START: Final = 0xFD
_READY, _GOOD, _BAD, _BUSY, _IDLE = 0x4A, 0x41, 0x45, 0x4E, 0x4F
_ENCODINGS: Final = {0: "gb2312", 1: "gbk", 2: "big5", 3: "utf-16-be"}
_TEXT_MAX: Final = 200
_FRAME_MAX: Final = 3 + 2 + _TEXT_MAX + 1
BYTE_S: Final = 0.1  # about four Chinese characters a second
WAKES_IN_S: Final = 0.016
_INTER_BYTE_S: Final = 0.1


class Syn6288(Device):
    """One chip."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._pending, self._heard_s = b"", 0.0
        self._speaks_until_s: float | None = None
        self._asleep = False
        self._deaf_until_s = float("-inf")

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        if self._asleep:
            self._asleep, self._deaf_until_s = False, now_s + WAKES_IN_S
            return []
        if now_s < self._deaf_until_s:
            return []
        if now_s - self._heard_s > _INTER_BYTE_S:
            self._pending = b""
        self._heard_s = now_s
        self._pending += data
        answers: list[Answer] = []
        while (start := self._pending.find(_START)) >= 0:
            self._pending = self._pending[start:]
            length = int.from_bytes(self._pending[1:3], "big")
            if len(self._pending) < 3 or (length <= _FRAME_MAX - 3 and len(self._pending) < 3 + length):
                return answers
            frame = self._pending[: 3 + length]
            if not 2 <= length <= _FRAME_MAX - 3 or reduce(xor, frame) != 0:
                self._pending = self._pending[1:]
                answers.append(_one(_BAD, now_s))
                continue
            self._pending = self._pending[len(frame) :]
            answers += self._obey(frame[3], frame[4:-1], now_s)
        self._pending = b""
        return answers

    def _obey(self, command: int, data: bytes, now_s: float) -> list[Answer]:
        match command:
            case 0x01 if data and len(data) > 1:
                encoding = _ENCODINGS.get(data[0] & 0x07)
                if encoding is None:
                    return [_one(_BAD, now_s)]
                text = data[1:].decode(encoding, "replace")
                self.said.append(text)
                self._happen("said", now_s, data[0] >> 4, text)
                self._speaks_until_s = now_s + BYTE_S * (len(data) - 1)
                return [_one(_GOOD, now_s)]
            case 0x21:
                return [_one(_BUSY if self._speaks_until_s is not None else _IDLE, now_s)]
            case 0x02 | 0x88:
                self._speaks_until_s = None
                self._asleep = command == 0x88
                return [_one(_GOOD, now_s)]
            case 0x03 | 0x04 | 0x31:
                return [_one(_GOOD, now_s)]
            case _:
                return [_one(_BAD, now_s)]

    def _pass_time(self, now_s: float) -> list[Answer]:
        if self._speaks_until_s is None or now_s < self._speaks_until_s:
            return []
        ended_s, self._speaks_until_s = self._speaks_until_s, None
        return [_one(_IDLE, ended_s)]

    def _next_deadline(self) -> float | None:
        return self._speaks_until_s

    def _lose_power(self, now_s: float) -> None:  # noqa: ARG002  # the shape of every device
        self._pending, self._speaks_until_s, self._asleep = b"", None, False

    def _start(self, now_s: float) -> list[Answer]:
        return [_one(_READY, now_s)]


def _one(byte: int, at_s: float) -> Answer:
    return Answer(data=bytes((byte,)), at_s=at_s)
