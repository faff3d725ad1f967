"""Models of three infrared thermometer modules, which differ in their frames and not in their sensor.

They measure all the time; without a person they see the wall, which is about as warm as the air.
"""

import random
from collections.abc import Callable
from typing import Final

from simulators.boards.device import Answer, Device

_BUFFER_MAX: Final = 32


class Thermometer(Device):
    """What all three share: temperatures, noise, and a stream of frames at a pace.

    Args:
        person_c: Temperature of the forehead in front of it, or None for nobody.
        ambient_c: Temperature of the air.
        seed: Decides the noise.
    """

    FRAMES_A_SECOND = 10.0

    def __init__(
        self, *, person_c: float | None = None, ambient_c: float = 25.0, seed: int = 0, noise_c: float = 0.0
    ) -> None:
        super().__init__()
        self.person_c, self.ambient_c, self.noise_c = person_c, ambient_c, noise_c
        self.streams = True
        self._chance = random.Random(seed)  # noqa: S311  # a sensor's noise
        self._next_s: float | None = None
        self._pending = b""

    def _target_c(self) -> float:
        true_c = self.ambient_c if self.person_c is None else self.person_c
        return true_c + self._chance.uniform(-self.noise_c, self.noise_c)

    def _body_c(self) -> float:
        """Forehead to body, as the modules estimate it: about a degree more at a forehead's temperature."""
        target_c = self._target_c()
        return target_c + 1.0 if self.person_c is not None else target_c

    def _frame(self) -> bytes:
        raise NotImplementedError

    def _pass_time(self, now_s: float) -> list[Answer]:
        if not self.streams:
            self._next_s = None
            return []
        if self._next_s is None:
            self._next_s = now_s + 1 / self.FRAMES_A_SECOND
        answers = []
        while self._next_s <= now_s:
            answers.append(Answer(data=self._frame(), at_s=self._next_s))
            self._next_s += 1 / self.FRAMES_A_SECOND
            if now_s - self._next_s > 1.0:  # nobody asked for so long: what was not heard is gone
                self._next_s = now_s
        return answers

    def _next_deadline(self) -> float | None:
        if not self.streams:
            return None
        return float("-inf") if self._next_s is None else self._next_s

    def _lose_power(self, now_s: float) -> None:  # noqa: ARG002  # the shape of every device
        self._next_s, self._pending = None, b""

    def _take_commands(self, data: bytes, first: int, length: Callable[[bytes], int]) -> list[bytes]:
        """Commands among the bytes so far that begin with ``first`` and have the length that ``length`` tells."""
        self._pending += data
        found = []
        while (start := self._pending.find(first)) >= 0:
            frame = self._pending[start : start + length(self._pending[start:])]
            if len(frame) < length(self._pending[start:]):
                break
            if sum(frame[:-1]) & 0xFF == frame[-1]:
                found.append(frame)
                self._pending = self._pending[start + len(frame) :]
            else:
                self._pending = self._pending[start + 1 :]
        self._pending = self._pending[-_BUFFER_MAX:]
        return found


def _hundredths(celsius: float) -> bytes:
    return round(celsius * 100).to_bytes(2, "big", signed=True)


def _summed(frame: bytes) -> bytes:
    return frame + bytes((sum(frame) & 0xFF,))


class Mcu90614(Thermometer):
    """GY-MCU90614: ``5A 5A 45 length target ambient sum``, by itself or when asked; commands ``A5 xx sum``.

    Args:
        body: The newer kind, whose frames are a byte longer: length 5, a body value at the end.
    """

    def __init__(
        self,
        *,
        person_c: float | None = None,
        ambient_c: float = 25.0,
        seed: int = 0,
        noise_c: float = 0.0,
        body: bool = False,
    ) -> None:
        super().__init__(person_c=person_c, ambient_c=ambient_c, seed=seed, noise_c=noise_c)
        self._body, self._streams_at_start, self._speed, self._next_speed = body, True, 9600, 9600

    @property
    def speed(self) -> int:
        """9600, or 115200 after ``A5 AF 54`` and a power cycle."""
        return self._speed

    def _frame(self) -> bytes:
        data = _hundredths(self._target_c()) + _hundredths(self.ambient_c)
        if self._body:
            data += bytes((min(255, max(0, round((self._body_c() - 20) * 10))),))
        return _summed(b"\x5a\x5a\x45" + bytes((len(data),)) + data)

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        answers = []
        for command in self._take_commands(data, 0xA5, lambda _: 3):
            match command[1]:
                case 0x45:
                    self.streams = True
                case 0x15:
                    self.streams = False
                    answers.append(Answer(data=self._frame(), at_s=now_s))
                case 0xAE | 0xAF:
                    self._next_speed = 9600 if command[1] == 0xAE else 115200
                case 0x51 | 0x52:
                    self._streams_at_start = command[1] == 0x51
                case _:
                    continue
            self._happen("setting", now_s, 0, command.hex())
        return answers

    def _start(self, now_s: float) -> list[Answer]:  # noqa: ARG002  # the shape of every device
        self._speed, self.streams = self._next_speed, self._streams_at_start
        return []


class Gy614V(Thermometer):
    """GY-614V: registers, read by ``A4 03 reg n sum`` and written by ``A4 06 reg value sum``; both come back.

    01 speed (6 is 115200), 03 mode (1 asked only), 06 offset ((v - 100) / 10), 07 emissivity, 08 target, 0A ambient,
    0C body, each in hundredths of a degree. Unasked it sends 08 to 0D ten times a second.
    """

    _UNIT: Final = 0xA4

    def __init__(
        self, *, person_c: float | None = None, ambient_c: float = 25.0, seed: int = 0, noise_c: float = 0.0
    ) -> None:
        super().__init__(person_c=person_c, ambient_c=ambient_c, seed=seed, noise_c=noise_c)
        self.registers = {0x00: self._UNIT, 0x01: 2, 0x02: 0, 0x03: 0, 0x04: 0, 0x05: 0, 0x06: 100, 0x07: 97}

    @property
    def speed(self) -> int:
        """9600, or 115200 while register 01 is 6."""
        return 115200 if self.registers[0x01] == 6 else 9600

    def from_another_unit(self, answer: bytes) -> bytes:
        """The same answer with the next id."""
        return _summed(bytes((answer[0] + 1 & 0xFF,)) + answer[1:-1])

    def _frame(self) -> bytes:
        return self._reading(0x08, 6)

    def _reading(self, first: int, count: int) -> bytes:
        offset_c = (self.registers[0x06] - 100) / 10
        measured = (
            _hundredths(self._target_c() + offset_c)
            + _hundredths(self.ambient_c)
            + _hundredths(self._body_c() + offset_c)
        )
        values = bytes(self.registers[place] for place in range(8)) + measured
        return _summed(bytes((self._UNIT, 0x03, first, count)) + values[first : first + count])

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        answers = []
        for command in self._take_commands(data, self._UNIT, lambda _: 5):
            _, kind, register, value, _ = command
            if kind == 0x03 and value and register + value <= 0x0E:
                answers.append(Answer(data=self._reading(register, value), at_s=now_s + 0.01))
            elif kind == 0x06 and register in self.registers:
                answers.append(Answer(data=command, at_s=now_s))
                self.registers[register] = value
                self.streams = self.registers[0x03] == 0
                self._happen("setting", now_s, register, f"register {register:02X} = {value}")
        return answers


class Cjmcu90614(Thermometer):
    """CJMCU-90614: ``66 66 mode length target ambient sum`` at 115200; ``66 66 01/02 56`` streams or asks.

    A published frame, ``66 66 01 04 0A 83 0A 83 1A``, shows that the sum is that of the four bytes of data alone.

    Args:
        sums_all: The other reading of "sum": over all bytes before it.
    """

    def __init__(
        self,
        *,
        person_c: float | None = None,
        ambient_c: float = 25.0,
        seed: int = 0,
        noise_c: float = 0.0,
        sums_all: bool = False,
    ) -> None:
        super().__init__(person_c=person_c, ambient_c=ambient_c, seed=seed, noise_c=noise_c)
        self._speed, self._sums_all = 115200, sums_all

    _SPEEDS: Final = {0x11: 9600, 0x12: 57600, 0x13: 115200}

    @property
    def speed(self) -> int:
        """115200 until a command says otherwise."""
        return self._speed

    def _frame(self) -> bytes:
        mode = 1 if self.streams else 2
        data = _hundredths(self._target_c()) + _hundredths(self.ambient_c)
        frame = b"\x66\x66" + bytes((mode, len(data))) + data
        return frame + bytes((sum(frame if self._sums_all else data) & 0xFF,))

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        self._pending += data
        answers = []
        while (start := self._pending.find(b"\x66\x66")) >= 0 and len(self._pending) >= start + 4:
            command, self._pending = self._pending[start : start + 4], self._pending[start + 4 :]
            if command[3] != 0x56:
                continue
            if command[2] == 0x01:
                self.streams = True
            elif command[2] == 0x02:
                self.streams = False
                answers.append(Answer(data=self._frame(), at_s=now_s))
            elif command[2] in self._SPEEDS:
                self._speed = self._SPEEDS[command[2]]
            self._happen("setting", now_s, 0, command.hex())
        self._pending = self._pending[-_BUFFER_MAX:]
        return answers
