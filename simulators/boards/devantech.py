"""Model of Devantech's USB-RLY boards: every byte is a command, and most letters are among them."""

from typing import Final, Literal

from simulators.boards.board import Board
from simulators.boards.device import Answer

Model = Literal["rly08", "rly16", "rly02", "rly16l"]
MODULES: Final[dict[str, tuple[int, int, bool]]] = {  # module id, relays, keeps its relays without supply
    "rly08": (8, 8, False),
    "rly16": (9, 8, False),
    "rly02": (10, 2, False),
    "rly16l": (15, 8, True),
}
_VERSION, _STATES, _SET_STATES, _VOLTS = 0x5A, 0x5B, 0x5C, 0x5D
_ALL_ON, _ON, _ALL_OFF, _OFF = 0x64, 0x65, 0x6E, 0x6F


class Devantech(Board):
    """One board.

    Args:
        model: Which of them.
    """

    baud = 0

    def __init__(self, model: Model = "rly08") -> None:
        self._module, relays, latching = MODULES[model]
        super().__init__(relays=relays, latching=latching)
        self.firmware, self.tenth_volts = 1, 121
        self._mask_comes = False

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        said = b"".join(self._obey(byte, now_s) for byte in data)
        return [Answer(data=said, at_s=now_s)] if said else []

    def _obey(self, byte: int, now_s: float) -> bytes:
        if self._mask_comes:
            self._mask_comes = False
            self.relays.set_mask(byte, now_s)
        elif byte == _VERSION:
            return bytes((self._module, self.firmware))
        elif byte == _STATES:
            return bytes((self.relays.mask(),))
        elif byte == _VOLTS:
            return bytes((self.tenth_volts,))
        elif byte == _SET_STATES:
            self._mask_comes = True
        elif byte in (_ALL_ON, _ALL_OFF):
            self.relays.set_mask(0xFF if byte == _ALL_ON else 0, now_s)
        elif byte - _ON + 1 in self.relays:
            self.relays.switch(byte - _ON + 1, on=True, now_s=now_s)
        elif byte - _OFF + 1 in self.relays:
            self.relays.switch(byte - _OFF + 1, on=False, now_s=now_s)
        return b""

    def _lose_power(self, now_s: float) -> None:
        super()._lose_power(now_s)
        self._mask_comes = False
