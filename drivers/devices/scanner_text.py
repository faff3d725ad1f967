"""Any scanner on a serial line, or a USB one that shows a serial port: it sends what it reads, and is told nothing."""

from collections.abc import Iterator
from typing import Final

from drivers.devices.peripheral import P, Peripheral
from drivers.devices.scanner_stream import HOLD_OFF_S, IDLE_GAP_S, TERMINATORS, HoldOff, TextStream
from drivers.model import Command, DriverInfo, LineSettings
from drivers.peripherals import Scanned

BAUD: Final = 9600


class TextScanner(Peripheral[P]):
    """One scanner.

    Args:
        terminators, idle_gap_s: What ends a content; see ``TextStream``.
        hold_off_s: How long a code must be away before it is reported again.
        baud: Speed of the line.
        answers_within_s: For scanners that can also be asked something.
    """

    def __init__(
        self,
        *,
        terminators: bytes = TERMINATORS,
        idle_gap_s: float = IDLE_GAP_S,
        hold_off_s: float = HOLD_OFF_S,
        baud: int = BAUD,
        answers_within_s: float = 0.0,
    ) -> None:
        super().__init__(
            DriverInfo(
                protocol="scanner",
                line=LineSettings(baud=baud),
                answers_within_s=answers_within_s,
                streams=True,
                reads_codes=True,
            )
        )
        self._stream = TextStream(terminators=terminators, idle_gap_s=idle_gap_s)
        self._hold_off = HoldOff(hold_off_s)

    def _command(self, command: Command) -> None:
        raise AssertionError(f"{type(command).__name__} is refused before")

    def _bytes(self, data: bytes) -> None:
        self._scanned(self._stream.feed(data, self._now_s))

    def _due(self) -> None:
        self._scanned(self._stream.flush(self._now_s))

    def _deadlines(self) -> Iterator[float]:
        due_s = self._stream.due_s()
        if due_s is not None:
            yield due_s

    def _end(self) -> None:
        self._stream.reset()  # half a code is none

    def _scanned(self, texts: list[bytes]) -> None:
        self._tally.add(self._stream.take_garbage(), self._now_s)
        for text in texts:
            if self._hold_off.is_new(text, self._now_s):
                self._events.append(Scanned(data=text, at_s=self._now_s))
