"""Modbus relay boards by maker, from the makers' frames: each has its own idea of "on" and of a timed pulse."""

from collections.abc import Callable
from typing import Final

from simulators.boards.device import Answer
from simulators.boards.modbus_board import (
    ILLEGAL_ADDRESS,
    ILLEGAL_VALUE,
    IllegalError,
    ModbusBoard,
    packed,
    split_words,
    words,
)

Functions = dict[int, Callable[[bytes, float], bytes]]
_ALL: Final = 0x00FF  # coil that stands for all of them
_ON, _OFF, _TOGGLE = 0xFF00, 0x0000, 0x5500
_FLASH_ON, _FLASH_OFF = 0x0200, 0x0400
_TENTH_S: Final = 0.1
_UNIT, _UART, _VERSION, _MODES = 0x4000, 0x2000, 0x8000, 0x1000
_UART_CODES: Final = {
    4800: 0,
    9600: 1,
    19200: 2,
    38400: 3,
    57600: 4,
    115200: 5,
}  # low byte; the high one is parity
_LC_UNIT, _LC_READ_SPEED, _LC_WRITE_SPEED = 0x0000, 0x03E8, 0x03E9
_LC_CODES: Final = {4800: 2, 9600: 3, 19200: 4}
_NORMAL, _LINKED, _TOGGLING, _EDGE = 0, 1, 2, 3  # what an input of an IO board does to its output


class WaveshareRelay(ModbusBoard):
    """Waveshare Modbus RTU Relay: standard coils, all at once on coil 00FF, pulses timed by the board."""

    answers_unit_0 = True  # the maker's way to ask a board for its address

    def __init__(self, *, unit: int = 1, relays: int = 8, inputs: int = 0) -> None:
        super().__init__(unit=unit, relays=relays, inputs=inputs)
        self.version = 200  # read as V2.00

    def functions(self) -> Functions:
        """Coils, flash, and a few registers."""
        return {
            1: self._read_relays,
            3: self._read_registers,
            5: self._write_relay,
            6: self._write_register,
            15: self._write_relays,
        }

    def _write_relay(self, body: bytes, now_s: float) -> bytes:
        address, value = split_words(body)
        kind, place = address & 0xFF00, address & 0x00FF
        if kind in (_FLASH_ON, _FLASH_OFF):
            self._flash(place, on=kind == _FLASH_ON, tenths=value, now_s=now_s)
        elif kind == 0 and value in (_ON, _OFF, _TOGGLE):
            for channel in self._channels(place):
                if value == _TOGGLE:
                    self.relays.toggle(channel, now_s)
                else:
                    self.relays.switch(channel, on=value == _ON, now_s=now_s)
        else:
            raise IllegalError(ILLEGAL_VALUE if kind == 0 else ILLEGAL_ADDRESS)
        return body

    def _flash(self, place: int, *, on: bool, tenths: int, now_s: float) -> None:
        if place + 1 not in self.relays:
            raise IllegalError(ILLEGAL_ADDRESS)
        if not 1 <= tenths <= 0x7FFF:
            raise IllegalError(ILLEGAL_VALUE)
        self.relays.switch(place + 1, on=on, now_s=now_s, for_s=tenths * _TENTH_S)

    def _channels(self, place: int) -> list[int]:
        if place == _ALL:
            return list(range(1, len(self.relays) + 1))
        if place + 1 not in self.relays:
            raise IllegalError(ILLEGAL_ADDRESS)
        return [place + 1]

    def _register(self, address: int) -> int:
        known = {_UNIT: self.unit, _UART: _UART_CODES[self.kept_speed], _VERSION: self.version}
        if address not in known:
            raise IllegalError(ILLEGAL_ADDRESS)
        return known[address]

    def _read_registers(self, body: bytes, _now_s: float) -> bytes:
        first, count = split_words(body)
        if not 1 <= count <= 16:
            raise IllegalError(ILLEGAL_VALUE)
        return words(*(self._register(first + place) for place in range(count)))

    def _write_register(self, body: bytes, now_s: float) -> bytes:
        address, value = split_words(body)
        if address == _UNIT and 1 <= value <= 255:
            self.unit = value
            self._happen("setting", now_s, value, f"unit {value}")
        elif address == _UART and value in _UART_CODES.values():
            self.set_speed(_baud_of(_UART_CODES, value), now_s)
        else:
            raise IllegalError(ILLEGAL_VALUE if address in (_UNIT, _UART) else ILLEGAL_ADDRESS)
        return body


class WaveshareIo(WaveshareRelay):
    """Waveshare Modbus RTU IO 8CH: inputs as well, which may move outputs without any master."""

    def __init__(self, *, unit: int = 1) -> None:
        super().__init__(unit=unit, relays=8, inputs=8)
        self.modes = [_NORMAL] * 8
        self._seen = 0

    def functions(self) -> Functions:
        """Inputs, and the modes of the outputs, on top of a relay board's."""
        return super().functions() | {2: self._read_inputs}

    def obey_inputs(self, now_s: float) -> None:
        """Move the outputs whose mode ties them to their input; the board does so all by itself."""
        levels, before = self.inputs.mask(now_s), self._seen
        self._seen = levels
        for place, mode in enumerate(self.modes):
            level, changed = bool(levels >> place & 1), bool((levels ^ before) >> place & 1)
            if mode == _LINKED and self.relays.closed[place] != level:
                self.relays.switch(place + 1, on=level, now_s=now_s)
            elif changed and (mode == _EDGE or (mode == _TOGGLING and level)):
                self.relays.toggle(place + 1, now_s)

    def _pass_time(self, now_s: float) -> list[Answer]:
        self.obey_inputs(now_s)
        return super()._pass_time(now_s)

    def _register(self, address: int) -> int:
        if _MODES <= address < _MODES + 8:
            return self.modes[address - _MODES]
        return super()._register(address)

    def _write_register(self, body: bytes, now_s: float) -> bytes:
        address, value = split_words(body)
        if not _MODES <= address < _MODES + 8:
            return super()._write_register(body, now_s)
        if value not in (_NORMAL, _LINKED, _TOGGLING, _EDGE):
            raise IllegalError(ILLEGAL_VALUE)
        self.modes[address - _MODES] = value
        self._happen("setting", now_s, address - _MODES + 1, f"mode {value}")
        self._seen = self.inputs.mask(now_s)
        return body


class EletechsupR421A08(ModbusBoard):
    """eletechsup R421A08: function 6, relay numbers from 1 as registers, the verb in the high byte."""

    def __init__(self, *, unit: int = 1) -> None:
        assert 0 <= unit <= 63, f"the DIP switch has six places: 0 to 63, not {unit}"
        super().__init__(unit=unit, relays=8)

    def functions(self) -> Functions:
        """Verbs and a status of one relay at a time."""
        return {3: self._read_status, 6: self._obey}

    def _obey(self, body: bytes, now_s: float) -> bytes:
        channel, value = split_words(body)
        if channel not in self.relays:
            raise IllegalError(ILLEGAL_ADDRESS)
        match value >> 8:
            case 1:
                self.relays.switch(channel, on=True, now_s=now_s)
            case 2:
                self.relays.switch(channel, on=False, now_s=now_s)
            case 3:
                self.relays.toggle(channel, now_s)
            case 4:  # this one on, the others off
                self.relays.set_mask(1 << channel - 1, now_s)
            case 5:
                self.relays.switch(channel, on=True, now_s=now_s, for_s=1.0)
            case 6:
                self.relays.switch(channel, on=True, now_s=now_s, for_s=float(value & 0xFF))
            case _:
                raise IllegalError(ILLEGAL_VALUE)
        return body

    def _read_status(self, body: bytes, _now_s: float) -> bytes:
        channel, count = split_words(body)
        if channel not in self.relays:
            raise IllegalError(ILLEGAL_ADDRESS)
        if count != 1:
            raise IllegalError(ILLEGAL_VALUE)
        return words(int(self.relays.closed[channel - 1]))


class Generic0100(ModbusBoard):
    """The nameless four-relay board ("Relay Board-4"): coils from 1, and 0100 means on.

    Coil 00FF stands for all: FFFF on, 0000 off. It answers to unit 0, which is how one learns its address.
    """

    answers_unit_0 = True

    def __init__(self, *, unit: int = 1) -> None:
        super().__init__(unit=unit, relays=4, inputs=4)

    def functions(self) -> Functions:
        """Coils, and the address in register 4000."""
        return {
            1: self._read_from_1,
            2: self._read_inputs,
            3: self._read_unit,
            5: self._write_relay,
            6: self._write_unit,
        }

    def _read_from_1(self, body: bytes, _now_s: float) -> bytes:
        first, count = split_words(body)
        if first < 1 or first - 1 + count > len(self.relays):
            raise IllegalError(ILLEGAL_ADDRESS)
        return packed(self.relays.mask() >> first - 1, count)

    def _read_unit(self, body: bytes, _now_s: float) -> bytes:
        if split_words(body) != (_UNIT, 1):
            raise IllegalError(ILLEGAL_ADDRESS)
        return words(self.unit)

    def _write_unit(self, body: bytes, now_s: float) -> bytes:
        address, value = split_words(body)
        if address != _UNIT or not 1 <= value <= 255:
            raise IllegalError(ILLEGAL_ADDRESS)
        self.unit = value
        self._happen("setting", now_s, value, f"unit {value}")
        return body

    def _write_relay(self, body: bytes, now_s: float) -> bytes:
        coil, value = split_words(body)
        if coil == _ALL and value in (0xFFFF, _OFF):
            self.relays.set_mask(0xF if value else 0, now_s)
        elif coil in self.relays and value in (0x0100, _OFF):
            self.relays.switch(coil, on=value == 0x0100, now_s=now_s)
        else:
            raise IllegalError(ILLEGAL_VALUE if coil in self.relays else ILLEGAL_ADDRESS)
        return body


class StandardCoils(ModbusBoard):
    """Coils by functions 1 and 5 with the standard's values and nothing else: KMtronic's Modbus boards."""

    def __init__(self, *, unit: int = 1, relays: int = 8, inputs: int = 0) -> None:
        super().__init__(unit=unit, relays=relays, inputs=inputs)

    def functions(self) -> Functions:
        """Read and write coils."""
        return {1: self._read_relays, 5: self._write_relay}

    def _write_relay(self, body: bytes, now_s: float) -> bytes:
        coil, value = split_words(body)
        if value not in (_ON, _OFF):
            raise IllegalError(ILLEGAL_VALUE)
        if coil + 1 not in self.relays:
            raise IllegalError(ILLEGAL_ADDRESS)
        self.relays.switch(coil + 1, on=value == _ON, now_s=now_s)
        return body


class LcTech2(StandardCoils):
    """LC-Tech's two relays with two opto inputs: unit 255, and only "read eight inputs" is understood.

    It answers to unit 0, by which its address is read and written (function 16). The code of its speed is read at
    03E8 and written at 03E9.
    """

    answers_unit_0 = True

    def __init__(self, *, unit: int = 255) -> None:
        super().__init__(unit=unit, relays=2, inputs=2)

    def functions(self) -> Functions:
        """Coils, inputs by the eight, address and speed."""
        return super().functions() | {
            1: self._read_eight_relays,
            2: self._read_eight,
            3: self._read_setting,
            15: self._write_relays,
            16: self._write_setting,
        }

    def _read_eight(self, body: bytes, now_s: float) -> bytes:
        if split_words(body) != (0, 8):
            raise IllegalError(ILLEGAL_VALUE)
        return packed(self.inputs.mask(now_s), 8)

    def _read_eight_relays(self, body: bytes, _now_s: float) -> bytes:
        first, count = split_words(body)
        if first != 0 or count not in (1, 2, 8):
            raise IllegalError(ILLEGAL_VALUE)
        return packed(self.relays.mask(), count)

    def _read_setting(self, body: bytes, _now_s: float) -> bytes:
        known = {_LC_UNIT: self.unit, _LC_READ_SPEED: _LC_CODES[self.kept_speed]}
        address, count = split_words(body)
        if address not in known or count != 1:
            raise IllegalError(ILLEGAL_ADDRESS)
        return words(known[address])

    def _write_setting(self, body: bytes, now_s: float) -> bytes:
        address, count = split_words(body[:4])
        value = int.from_bytes(body[5:], "big")
        if address == _LC_UNIT and count == 1 and 1 <= value <= 255:
            self.unit = value
            self._happen("setting", now_s, value, f"unit {value}")
            return (
                body  # the maker's list shows the whole frame coming back, and not the standard's short one
            )
        if address == _LC_WRITE_SPEED and count == 1 and value in _LC_CODES.values():
            self.set_speed(_baud_of(_LC_CODES, value), now_s)
            return body[:4]
        raise IllegalError(ILLEGAL_ADDRESS)


def _baud_of(codes: dict[int, int], code: int) -> int:
    return next(baud for baud, each in codes.items() if each == code)
