"""SYN6288 voice modules: one text at a time, spoken to its end; a newer text replaces the one that waits.

A frame is ``FD``, the length in two bytes, a command, data and the XOR of everything before it. Text goes out as
GB2312, or as GBK where a character needs it. What the module says about itself (41 taken, 45 not understood, 4E busy,
4F idle) is not confirmed by a document that we have, so it only ever improves on what the text's length tells: nothing
waits for it, and a module that says nothing works (drivers reference 1.5 and 8).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from operator import xor
from typing import ClassVar, Final

from drivers.devices.peripheral import Peripheral
from drivers.exchange import End, Request
from drivers.model import Command, Done, DriverInfo, Grade, LineSettings, Refusal, TimedOut, Urgency
from drivers.peripherals import Say

HEAD: Final = 0xFD
SPEAK: Final = 0x01
QUERY: Final = 0x21
GB2312: Final = 0x00
GBK: Final = 0x01
TEXT_MAX: Final = 200  # bytes; a module's buffer, to the nearest round number below what sources say
TAKEN, NOT_UNDERSTOOD, BUSY, IDLE, STARTED = 0x41, 0x45, 0x4E, 0x4F, 0x4A
ANSWER_WITHIN_S: Final = 0.300
WAKE_S: Final = 0.016  # drivers reference 1.5
ASK_EVERY_S: Final = 0.500
LONGEST_S_PER_BYTE: Final = 0.250  # slow speech: half a second a syllable
LONGEST_S: Final = 2.0


class UnspeakableError(ValueError):
    """The module's character sets do not have ``character``."""

    def __init__(self, character: str) -> None:
        super().__init__(f"The voice module cannot say {character!r} (U+{ord(character):04X}). Leave it out")
        self.character = character


def frame(command: int, data: bytes = b"") -> bytes:
    """One frame to the module."""
    body = bytes((HEAD,)) + (len(data) + 2).to_bytes(2, "big") + bytes((command,)) + data
    return body + bytes((reduce(xor, body),))


def spoken(text: str) -> tuple[int, bytes]:
    """The text for the module: which character set, and its bytes.

    Control characters become spaces, and square brackets too: inside them the module reads orders about volume, speed
    and music, which are not a visitor's to give.

    Raises:
        UnspeakableError: A character is in neither set.
    """
    plain = "".join(
        " " if character in "[]" or not character.isprintable() else character for character in text
    )
    for parameter, encoding in ((GB2312, "gb2312"), (GBK, "gbk")):
        try:
            return parameter, plain.strip().encode(encoding)
        except UnicodeEncodeError as error:
            missing = error.object[error.start]
    raise UnspeakableError(missing)


class Ask(StrEnum):
    """What went out."""

    SPEAK = "speak"
    STATE = "state"


@dataclass(slots=True, kw_only=True)
class _Speech:
    """One text."""

    id: str
    data: bytes
    heard: bool = False  # the module said something about it
    told: bool = False  # how it ended has been reported


class Syn6288Driver(Peripheral[Ask]):
    """One voice module.

    Args:
        volume: 0 (silent) to 15.
        baud: Speed of the line.
    """

    takes: ClassVar[tuple[type, ...]] = (Say,)

    def __init__(self, *, volume: int | None = None, baud: int = 9600) -> None:
        assert volume is None or 0 <= volume <= 15, f"volume {volume} is not 0 to 15"
        super().__init__(
            DriverInfo(
                protocol="syn6288",
                line=LineSettings(baud=baud),
                answers_within_s=ANSWER_WITHIN_S,
                streams=True,
            )
        )
        self._volume = b"" if volume is None else f"[v{volume}]".encode()
        self._speaks: _Speech | None = None
        self._waits: _Speech | None = None
        self._silent_s = self._ask_s = float("inf")  # when it must be silent again; when it is asked

    def _command(self, command: Command) -> None:
        assert isinstance(command, Say)
        try:
            parameter, data = spoken(command.text)
        except UnspeakableError:
            self._refuse(command.id, Refusal.UNSUPPORTED)
            return
        if not data or len(self._volume + data) > TEXT_MAX:
            self._refuse(command.id, Refusal.BAD_LENGTH)
            return
        if self._waits is not None:
            self._refuse(self._waits.id, Refusal.OVERTAKEN)
        self._waits = _Speech(id=command.id, data=frame(SPEAK, bytes((parameter,)) + self._volume + data))
        self._next()

    def _next(self) -> None:
        """Say what waits, when nothing is being said."""
        if self._speaks is None and self._waits is not None:
            self._speaks, self._waits = self._waits, None
            self._put(self._speaks.data, Ask.SPEAK)

    def _put(self, data: bytes, ask: Ask) -> None:
        urgency = Urgency.POLL if ask is Ask.STATE else Urgency.CONFIGURE
        self._exchange.put(
            Request(data=data, urgency=urgency, purpose=ask, within_s=ANSWER_WITHIN_S, silence_s=WAKE_S)
        )

    def _taken(self, request: Request[Ask]) -> None:
        if request.purpose is Ask.SPEAK:
            longest_s = LONGEST_S + LONGEST_S_PER_BYTE * len(request.data)
            self._silent_s, self._ask_s = self._now_s + longest_s, self._now_s + ASK_EVERY_S

    def _bytes(self, data: bytes) -> None:
        for byte in data:
            self._word(byte)

    def _word(self, byte: int) -> None:
        request, speaks = self._exchange.open, self._speaks
        if request is not None and byte in _ANSWERS[request.purpose]:
            self._exchange.answered(self._now_s)
            if speaks is not None:
                speaks.heard = True
            if byte == NOT_UNDERSTOOD and speaks is not None:
                self._refuse(speaks.id, Refusal.DENIED)
                self._over(told=True)
            elif byte == IDLE:
                self._over()
        elif byte == IDLE and request is None and speaks is not None and self._silent_s != float("inf"):
            speaks.heard = True  # it says so by itself when it has finished
            self._over()
        elif byte not in {TAKEN, BUSY, IDLE, STARTED}:
            self._tally.add(1, self._now_s)

    def _due(self) -> None:
        if self._now_s >= self._silent_s:
            self._over()
        elif self._now_s >= self._ask_s:
            self._ask_s = self._now_s + ASK_EVERY_S
            if not self._exchange.waits(lambda request: request.purpose is Ask.STATE):
                self._put(frame(QUERY), Ask.STATE)

    def _deadlines(self) -> Iterator[float]:
        if self._speaks is not None:
            yield min(self._silent_s, self._ask_s)

    def _unanswered(self, purpose: Ask, end: End) -> None:
        if purpose is Ask.STATE:
            self._ask_s = float("inf")  # it says nothing: its time will be over
        elif end in {End.LOST, End.LOST_OPEN} and self._speaks is not None:
            self._events.append(TimedOut(id=self._speaks.id, maybe_executed=end is End.LOST_OPEN))
            self._speaks.told = True

    def _end(self) -> None:
        if self._speaks is not None and not self._speaks.told:
            self._events.append(TimedOut(id=self._speaks.id, maybe_executed=True))
        if self._waits is not None:
            self._refuse(self._waits.id, Refusal.LINE_DOWN)
        self._speaks = self._waits = None
        self._silent_s = self._ask_s = float("inf")

    def _over(self, *, told: bool = False) -> None:
        """What was said is over."""
        self._exchange.withdraw(lambda request: request.purpose is Ask.STATE)
        if self._speaks is not None and not told:
            grade = Grade.ACCEPTED if self._speaks.heard else Grade.SENT
            self._events.append(Done(id=self._speaks.id, grade=grade))
        self._speaks, self._silent_s, self._ask_s = None, float("inf"), float("inf")
        self._next()


_ANSWERS: Final = {
    Ask.SPEAK: frozenset({TAKEN, NOT_UNDERSTOOD}),
    Ask.STATE: frozenset({BUSY, IDLE}),
}
