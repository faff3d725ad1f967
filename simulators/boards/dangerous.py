"""Boards that a careless byte moves: nobody should buy them, and somebody has; for the probe-safety table only.

ICStation, boards on an FTDI chip in bit-bang mode, Conrad 197720, Denkovi's 16 relays, SainSmart's 16 relays.
"""

from functools import reduce
from operator import xor
from typing import Final

from simulators.boards.board import Board
from simulators.boards.device import Answer

_BUFFER_MAX: Final = 64


class IcStation(Board):
    """ICSE012/013/14A: ``50`` asks for its kind, ``51`` arms it, and from then on each byte is a bitmap, 0 = on.

    Args:
        armed: Somebody armed it since its power came; it cannot be asked any more.
    """

    _IDS: Final = {2: 0xAB, 4: 0xAD, 8: 0xAC}  # which id belongs to which size is one reading of the page

    def __init__(self, *, relays: int = 8, armed: bool = False) -> None:
        super().__init__(relays=relays)
        self.armed = armed

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        answers = []
        for byte in data:
            if self.armed:
                self.relays.set_mask(~byte & 0xFF, now_s)
            elif byte == 0x50:
                answers.append(Answer(data=bytes((self._IDS[len(self.relays)],)), at_s=now_s))
            elif byte == 0x51:
                self.armed = True
        return answers

    def _lose_power(self, now_s: float) -> None:
        super()._lose_power(now_s)
        self.armed = False


class BitBang(Board):
    """Eight relays on the pins of an FTDI chip: each byte is the state of all of them (Denkovi, SainSmart, others)."""

    baud = 0

    def __init__(self) -> None:
        super().__init__(relays=8)

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        for byte in data:
            self.relays.set_mask(byte, now_s)
        return []


class Conrad(Board):
    """Conrad 197720: ``cmd addr data XOR`` at 19200; SETUP gives the chain its addresses anew."""

    baud = 19200

    def __init__(self, *, address: int = 1) -> None:
        super().__init__(relays=8)
        self.address = address
        self._pending = b""

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        self._pending += data
        answers = []
        while len(self._pending) >= 4:
            frame = self._pending[:4]
            if reduce(xor, frame) != 0:
                self._pending = self._pending[1:]
                continue
            self._pending = self._pending[4:]
            answers += self._obey(frame[0], frame[1], frame[2], now_s)
        return answers

    def _obey(self, command: int, address: int, data: int, now_s: float) -> list[Answer]:
        if command == 1:
            self.address = address
            self._happen("setting", now_s, address, f"address {address}")
        elif command not in (0, 2, 3, 6, 7, 8) or address not in (0, self.address):
            return []
        bits = self.relays.mask()
        ordered = {3: data, 6: bits | data, 7: bits & ~data, 8: bits ^ data}.get(command)
        if ordered is not None:
            self.relays.set_mask(ordered, now_s)
        reply = bytes((255 - command, address, self.relays.mask()))
        return [Answer(data=reply + bytes((reduce(xor, reply),)), at_s=now_s)]

    def _lose_power(self, now_s: float) -> None:
        super()._lose_power(now_s)
        self._pending = b""


class Denkovi16(Board):
    """Denkovi's 16 relays: text that ends in ``//``; ``ask//`` reads, ``01+//`` and ``01-//`` switch."""

    def __init__(self) -> None:
        super().__init__(relays=16)
        self._pending = b""

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        self._pending += data
        answers = []
        while b"//" in self._pending:
            line, _, self._pending = self._pending.partition(b"//")
            answers += self._obey(line[-3:], now_s)
        self._pending = self._pending[-_BUFFER_MAX:]
        return answers

    def _obey(self, order: bytes, now_s: float) -> list[Answer]:
        if order == b"ask":
            states = self.relays.mask().to_bytes(2, "big")
            return [Answer(data=states, at_s=now_s)]
        if order[:2].isdigit() and int(order[:2]) in self.relays and order[2:] in (b"+", b"-"):
            self.relays.switch(int(order[:2]), on=order[2:] == b"+", now_s=now_s)
            return [Answer(data=order + b"//", at_s=now_s)]
        return []


class SainSmart16(Board):
    """SainSmart's 16 relays: Modbus ASCII to unit FE, ``:FE05....`` and a check; its status answers nothing."""

    def __init__(self) -> None:
        super().__init__(relays=16)
        self._pending = b""

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        self._pending += data
        answers = []
        while b"\r\n" in self._pending:
            line, _, self._pending = self._pending.partition(b"\r\n")
            answers += self._obey(line[line.rfind(b":") :], now_s)
        self._pending = self._pending[-_BUFFER_MAX:]
        return answers

    def _obey(self, line: bytes, now_s: float) -> list[Answer]:
        try:
            frame = bytes.fromhex(line[1:].decode("ascii"))
        except ValueError:
            return []
        if len(frame) != 7 or sum(frame) & 0xFF or frame[:2] != b"\xfe\x05":
            return []
        channel = int.from_bytes(frame[2:4], "big") + 1
        if channel in self.relays and frame[4:6] in (b"\xff\x00", b"\x00\x00"):
            self.relays.switch(channel, on=frame[4] == 0xFF, now_s=now_s)
            return [Answer(data=line + b"\r\n", at_s=now_s)]
        return []
