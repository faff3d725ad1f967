"""Model of a Numato USB relay and GPIO module: lines of text, echoed, and a prompt.

Each command ends in CR. The module echoes what it gets, writes its answer on a line of its own and then ``>``.
Channels count from 0 and go on with letters after 9.
"""

import re
from typing import Final

from simulators.boards.board import Board
from simulators.boards.device import Answer

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
_LINE_MAX: Final = 64
_ADC_MAX: Final = 1023


class Numato(Board):
    """One module.

    Args:
        relays: How many relays.
        inputs: How many GPIO pins.
        wakes_after_s: How long after power-up it hears nothing.
    """

    baud = 0

    def __init__(self, *, relays: int = 8, inputs: int = 8, wakes_after_s: float = 0.0) -> None:
        super().__init__(relays=relays, inputs=inputs)
        self.version, self.id = "00000008", "00000000"
        self.adc = [0] * inputs
        self._wakes_after_s, self._deaf_until_s = wakes_after_s, float("-inf")
        self._line = b""

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        if now_s < self._deaf_until_s:
            return []
        out = b""
        for byte in data:
            if byte == 0x0D:
                line, self._line = self._line.decode("ascii", "replace").strip(), b""
                said = self._obey(line, now_s) if line else None
                out += b"\r\n" + (b"" if said is None else said.encode("ascii") + b"\n\r") + b">"
            elif byte != 0x0A and len(self._line) < _LINE_MAX:
                self._line += bytes((byte,))
                out += bytes((byte,))
        return [Answer(data=out, at_s=now_s)] if out else []

    def _obey(self, line: str, now_s: float) -> str | None:
        words = line.split()
        match words:
            case ["ver"]:
                return self.version
            case ["id", "get"]:
                return self.id
            case ["id", "set", text] if re.fullmatch(r"[\x21-\x7e]{8}", text):
                self.id = text
                self._happen("setting", now_s, 0, f"id {text}")
                return None
            case ["relay", ("on" | "off" | "read") as verb, place] if (
                number := self._place(place)
            ) in self.relays:
                if verb == "read":
                    return "on" if self.relays.closed[number - 1] else "off"
                self.relays.switch(number, on=verb == "on", now_s=now_s)
                return None
            case ["relay", "readall"]:
                return f"{self.relays.mask():0{self._mask_digits()}x}"
            case ["relay", "writeall", mask] if re.fullmatch(rf"[0-9a-fA-F]{{{self._mask_digits()}}}", mask):
                self.relays.set_mask(int(mask, 16), now_s)
                return None
            case ["gpio", "read", place] if (number := self._place(place)) in self.inputs:
                return str(int(self.inputs.level(number, now_s)))
            case ["adc", "read", place] if (number := self._place(place)) in self.inputs:
                return str(min(self.adc[number - 1], _ADC_MAX))
            case _:
                return None

    def _mask_digits(self) -> int:
        return max(2, (len(self.relays) + 3) // 4)

    def _place(self, text: str) -> int:
        """Channel counted from 1, or 0 for none."""
        return _DIGITS.find(text) + 1 if len(text) == 1 else 0

    def _lose_power(self, now_s: float) -> None:
        super()._lose_power(now_s)
        self._line = b""

    def _start(self, now_s: float) -> list[Answer]:
        self._deaf_until_s = now_s + self._wakes_after_s
        return []
