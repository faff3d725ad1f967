"""Model of KMtronic's USB and RS-485 relay boards: three bytes, no check, no answer but to a status question.

``FF ch 01/00`` switches. A board of one or two relays answers ``FF ch 03`` with ``FF ch state``; one of four or
eight answers ``FF 09 00`` with a byte for each relay. After a lost byte it takes the rest in the wrong places.
"""

from typing import Final

from simulators.boards.board import Board
from simulators.boards.device import Answer

_START: Final = 0xFF
_ALL: Final = 9


class Kmtronic(Board):
    """One board.

    Args:
        relays: 1, 2, 4 or 8.
    """

    def __init__(self, relays: int = 8) -> None:
        super().__init__(relays=relays)
        self._pending = b""

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        answers = []
        for byte in data:
            if self._pending or byte == _START:
                self._pending += bytes((byte,))
            if len(self._pending) == 3:
                _, channel, order = self._pending
                self._pending = b""
                answers += self._obey(channel, order, now_s)
        return answers

    def _obey(self, channel: int, order: int, now_s: float) -> list[Answer]:
        few = len(self.relays) <= 2
        if channel in self.relays and order in (0, 1):
            self.relays.switch(channel, on=order == 1, now_s=now_s)
        elif channel in self.relays and order == 3 and few:
            state = self.relays.closed[channel - 1]
            return [Answer(data=bytes((_START, channel, state)), at_s=now_s)]
        elif channel == _ALL and order == 0 and not few:
            return [Answer(data=bytes(self.relays.closed), at_s=now_s)]
        return []

    def _lose_power(self, now_s: float) -> None:
        super()._lose_power(now_s)
        self._pending = b""
