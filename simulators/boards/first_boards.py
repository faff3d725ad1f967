"""The two boards of the demo as devices like all others: LCUS relays, a Modbus input module."""

from typing import Literal

from simulators.boards.board import Board
from simulators.boards.device import Answer
from simulators.boards.lcus import LcusBoard
from simulators.boards.modbus_io import ModbusInputs, check_bytes

_STATUS = 0xFF  # not a byte of any LCUS frame, whose check is A9 at most

Status = Literal["none", "text", "bytes"]


class LcusDevice(Board):
    """An LCUS board, with the answer to ``FF`` that its batch has: none, lines of text, or a byte a relay.

    Args:
        relays: How many relays.
        status: What it answers to ``FF``; the sources disagree, and all three exist.
    """

    def __init__(self, relays: int = 8, *, status: Status = "none") -> None:
        super().__init__(relays=relays)
        self.status: Status = status
        self._board = LcusBoard(channels=relays)

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        answers = []
        for edge in self._board.receive(data):
            self.relays.switch(edge.channel, on=edge.on, now_s=now_s)
        if self.status != "none" and _STATUS in data:
            answers.append(Answer(data=self._status(), at_s=now_s))
        return answers

    def _status(self) -> bytes:
        if self.status == "bytes":
            return bytes(self.relays.closed)
        lines = (f"CH{n}:{'ON' if on else 'OFF'} \r\n" for n, on in enumerate(self.relays.closed, start=1))
        return "".join(lines).encode("ascii")

    def _lose_power(self, now_s: float) -> None:
        super()._lose_power(now_s)
        self._board.power_off()


class ModbusInputsDevice(Board):
    """A Modbus input module.

    Args:
        unit: Its address.
        inputs: How many inputs.
    """

    def __init__(self, unit: int = 1, inputs: int = 8) -> None:
        super().__init__(relays=0, inputs=inputs)
        self.module = ModbusInputs(unit, inputs)

    def set_input(self, channel: int, *, active: bool) -> None:
        """Close or open the contact on one input, counted from 1."""
        self.inputs.set(channel, active=active)

    def from_another_unit(self, answer: bytes) -> bytes:
        """The same answer from the next address, with a check that is right."""
        other = bytes(((answer[0] % 247) + 1,)) + answer[1:-2]
        return other + check_bytes(other)

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        for channel in range(1, len(self.inputs) + 1):
            self.module.set_input(channel, active=self.inputs.level(channel, now_s))
        answer = self.module.receive(data, now_s)
        return [Answer(data=answer, at_s=now_s)] if answer else []
