"""A Modbus board behind TCP: the same requests in another envelope, with an id that pairs answer and request."""

from typing import Final

from simulators.boards.device import Answer, Device
from simulators.boards.modbus_board import ModbusBoard

_HEAD_BYTES: Final = 7  # transaction(2) protocol(2) = 0, length(2), unit
_BODY_MAX: Final = 254


class MbapDevice(Device):
    """What one TCP connection speaks to; the board behind it may have several of these.

    Args:
        board: The board; its unit is the one answered, and so are 0 and 255, as the standard has it for a board
            that is alone at its address.
    """

    baud = 0

    def __init__(self, board: ModbusBoard) -> None:
        super().__init__()
        self.board = board
        self.broken = False  # the stream lost its frames: the server hangs up
        self._pending = b""

    def from_another_unit(self, answer: bytes) -> bytes:
        """The same answer from the next unit."""
        return answer[:6] + bytes((answer[6] % 247 + 1,)) + answer[7:]

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        self._pending += data
        answers: list[Answer] = []
        while len(self._pending) >= _HEAD_BYTES and not self.broken:
            length = int.from_bytes(self._pending[4:6], "big")
            if self._pending[2:4] != b"\0\0" or not 2 <= length <= _BODY_MAX:
                self.broken = True
                break
            if len(self._pending) < 6 + length:
                break
            frame, self._pending = self._pending[: 6 + length], self._pending[6 + length :]
            if frame[6] in (self.board.unit, 0, 255) and self.board.powered and not self.board.silent:
                body = frame[6:7] + self.board.answer(frame[7:], now_s)
                answers.append(Answer(data=frame[:4] + len(body).to_bytes(2, "big") + body, at_s=now_s))
        return answers
