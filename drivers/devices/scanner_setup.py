"""Scanners that can be told not to obey printed set-up codes, and asked whether that is still so.

A visitor who shows such a code to the lens could otherwise change the speed of the line or switch the scanner off
(reliability reference C12). The setting is read when the line comes up and once an hour; a change is an alarm. Nobody
but ``Commission`` ever writes it, unless the configuration says ``lock``: then each check that finds set-up codes on
switches them off, until power is lost. A scanner that does not answer is in fault, and asked again after a minute.

What the lens sees must not pass for the device's word: a code may hold the bytes of any answer. An answer counts only
when it stands alone between two silences, or at the end of what came, behind a whole code. A scanner that ends its
codes by a terminator therefore cannot be made to forge one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, Final, Protocol

from drivers.devices.scanner_stream import HOLD_OFF_S, IDLE_GAP_S, TERMINATORS, TEXT_MAX
from drivers.devices.scanner_text import TextScanner
from drivers.exchange import READ_REPEATS, End, Request
from drivers.model import Alarm, Command, Done, Grade, Refusal, TimedOut, Urgency
from drivers.peripherals import Commission, SetUp
from drivers.seen_ids import SeenIds

CHECK_EVERY_S: Final = 3600.0
CHECK_AGAIN_S: Final = 60.0  # where nobody answered
ANSWER_WITHIN_S: Final = 0.500
SETTING: Final = "printed set-up codes"
UNKNOWN: Final = "unknown"
SILENT: Final = "does not answer when it is asked about its set-up codes: check both wires, speed and make"


@dataclass(frozen=True, slots=True)
class Value:
    """The setting's value, as the device writes it; or its word that it took what it was told."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Rejected:
    """The device does not know the setting, or not this value."""

    why: str


class SetUpCodec(Protocol):
    """One maker's bytes for that one setting."""

    @property
    def baud(self) -> int:
        """Speed of the line as it leaves the factory."""

    def ask(self) -> bytes | None:
        """The question for the value; None when nobody told us the setting's name."""

    def lock(self, value: bytes, *, save: bool) -> list[bytes]:
        """What switches printed set-up codes off, given the value that was read; each is answered."""

    def answer(self, data: bytes) -> tuple[int, Value | Rejected] | None:
        """The answer that ends with the last byte of ``data``, and where it begins; None when there is none."""

    def leading(self, data: bytes) -> int:
        """Length of the answer with which ``data`` begins; 0 when it begins with none."""

    def is_locked(self, value: bytes) -> bool:
        """Whether this value means that printed set-up codes change nothing."""


class Step(StrEnum):
    """What a question is about."""

    CHECK = "check"  # at start and every hour
    READ = "read"  # the first of a commissioning
    WRITE = "write"
    PROVE = "prove"  # the last of a commissioning


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question, and the commissioning that it belongs to."""

    step: Step
    id: str = ""
    save: bool = False


class SetUpScanner(TextScanner[Asked]):
    """One scanner with a known maker.

    Args:
        codec: The maker's bytes.
        lock: Switch printed set-up codes off whenever a check finds them on.
        terminators, idle_gap_s, hold_off_s, baud: As for a ``TextScanner``; None for the factory's speed.
    """

    takes: ClassVar[tuple[type, ...]] = (Commission,)

    def __init__(
        self,
        codec: SetUpCodec,
        *,
        lock: bool = False,
        terminators: bytes = TERMINATORS,
        idle_gap_s: float = IDLE_GAP_S,
        hold_off_s: float = HOLD_OFF_S,
        baud: int | None = None,
    ) -> None:
        super().__init__(
            terminators=terminators,
            idle_gap_s=idle_gap_s,
            hold_off_s=hold_off_s,
            baud=codec.baud if baud is None else baud,
            answers_within_s=ANSWER_WITHIN_S,
        )
        self._codec, self._terminators, self._gap_s = codec, terminators, idle_gap_s
        self._heard = bytearray()  # since a question went out, up to the next silence
        self._heard_s = float("-inf")
        self._check_s = float("inf")
        self._stands: SetUp | None = None  # as last reported, without its id
        self._alarm = False
        self._lock_itself, self._locked = lock, 0  # how often it began to
        self._given_up = SeenIds()  # commissionings that ended without proof

    # -- questions

    def _begin(self) -> None:
        self._check_s = self._now_s

    def _command(self, command: Command) -> None:
        assert isinstance(command, Commission)
        question = self._codec.ask()
        if question is None:
            self._tell(_unproved(UNKNOWN), command.id)
            self._refuse(command.id, Refusal.UNSUPPORTED)
        else:
            self._put(question, Asked(step=Step.READ, id=command.id, save=command.save))

    def _put(self, data: bytes, asked: Asked) -> None:
        repeats = READ_REPEATS if asked.step is not Step.WRITE else 0  # such memories wear out
        self._exchange.put(
            Request(
                data=data,
                urgency=Urgency.POLL if asked.step is Step.CHECK else Urgency.CONFIGURE,
                purpose=asked,
                within_s=ANSWER_WITHIN_S,
                repeats=repeats,
            )
        )

    def _may_speak(self) -> bool:
        return not self._stream.within  # an answer in the middle of a code would spoil both

    # -- bytes

    def _bytes(self, data: bytes) -> None:
        self._hear_silence()
        if self._exchange.open is None:
            super()._bytes(data)
            return
        self._heard += data
        self._heard_s = self._now_s
        if len(self._heard) > TEXT_MAX:
            self._pass_on()

    def _before_answers_are_overdue(self) -> None:
        self._hear_silence()
        if self._exchange.overdue(self._now_s):
            self._pass_on()

    def _due(self) -> None:
        super()._due()
        if self._now_s >= self._check_s:
            self._check_s = self._now_s + CHECK_EVERY_S
            self._check()

    def _deadlines(self) -> Iterator[float]:
        yield from super()._deadlines()
        yield self._check_s
        if self._heard:
            yield self._heard_s + self._gap_s

    def _end(self) -> None:
        super()._end()
        self._tally.add(len(self._heard), self._now_s)
        self._heard.clear()
        self._check_s = float("inf")

    def _hear_silence(self) -> None:
        """Judge what came since the question, once nothing follows it."""
        if not self._heard or self._now_s < self._heard_s + self._gap_s:
            return
        found = self._codec.answer(bytes(self._heard))
        if found is None:
            self._pass_on()
            return
        at, answer = found
        before = self._without_answers(bytes(self._heard[:at]))
        if before and before[-1] not in self._terminators:
            self._pass_on()
            return
        self._heard.clear()
        self._scanned(self._stream.feed(before, self._heard_s))
        if self._exchange.open is not None:
            self._answered(self._exchange.answered(self._now_s).purpose, answer)

    def _pass_on(self) -> None:
        """What came was no answer: it is what the lens saw."""
        heard = self._without_answers(bytes(self._heard))
        self._heard.clear()
        if heard:
            self._scanned(self._stream.feed(heard, self._heard_s))

    def _without_answers(self, heard: bytes) -> bytes:
        """What the lens saw: an answer with a code right behind it is no proof, and no part of the code either."""
        seen = bytearray()
        at = 0
        while at < len(heard):
            begins = not seen or seen[-1] in self._terminators
            length = self._codec.leading(heard[at:]) if begins else 0
            if length:
                self._tally.add(length, self._now_s)
                at += length
            else:
                seen.append(heard[at])
                at += 1
        return bytes(seen)

    def _scanned(self, texts: list[bytes]) -> None:
        """A text that is an answer, word for word, came too late: no code of ours looks so."""
        late = [text for text in texts if (self._codec.answer(text) or (1,))[0] == 0]
        self._tally.add(sum(map(len, late)), self._now_s)
        super()._scanned([text for text in texts if text not in late])

    # -- answers

    def _check(self) -> None:
        question = self._codec.ask()
        if question is None:
            self._tell(_unproved(UNKNOWN))
        elif not self._exchange.waits(lambda request: request.purpose.step is Step.CHECK):
            self._put(question, Asked(step=Step.CHECK))

    def _answered(self, asked: Asked, answer: Value | Rejected) -> None:
        self._well("silent")
        if isinstance(answer, Rejected):
            if self._withdraw(asked):
                self._tell(_unproved(answer.why), asked.id)
                if asked.id:
                    self._refuse(asked.id, Refusal.DENIED)
            return
        match asked.step:
            case Step.CHECK:
                self._judge(asked, answer.raw)
                if self._lock_itself and not self._codec.is_locked(answer.raw):
                    self._locked += 1
                    self._lock(Asked(step=Step.READ, id=f"lock-{self._locked}"), answer.raw)
            case Step.PROVE:
                self._judge(asked, answer.raw)
            case Step.READ:
                self._lock(asked, answer.raw)
            case Step.WRITE:
                pass  # believed when it is read back

    def _lock(self, asked: Asked, value: bytes) -> None:
        if self._codec.is_locked(value) and not asked.save:
            self._judge(asked, value)
            return
        for frame in self._codec.lock(value, save=asked.save):
            self._put(frame, Asked(step=Step.WRITE, id=asked.id))
        question = self._codec.ask()
        assert question is not None, "it was asked before"
        self._put(question, Asked(step=Step.PROVE, id=asked.id))

    def _unanswered(self, purpose: Asked, end: End) -> None:
        lost_check = end is not End.UNANSWERED and not purpose.id  # the next line-up checks again
        if not lost_check and self._withdraw(purpose):
            self._tell(_unproved("no answer"), purpose.id)
            if purpose.id:
                written = purpose.step in {Step.WRITE, Step.PROVE}
                self._events.append(TimedOut(id=purpose.id, maybe_executed=written))
        if end is End.UNANSWERED and purpose.step is Step.CHECK:
            self._fault("silent", SILENT)
            self._check_s = min(self._check_s, self._now_s + CHECK_AGAIN_S)

    def _withdraw(self, asked: Asked) -> bool:
        """Give up the rest of a commissioning; False when that was done already."""
        if asked.id:
            self._exchange.withdraw(lambda request: request.purpose.id == asked.id)
            return self._given_up.is_new(asked.id)
        return True

    def _judge(self, asked: Asked, value: bytes) -> None:
        good = self._codec.is_locked(value)
        self._tell(
            SetUp(id="", setting=SETTING, value="off" if good else "on", good=good, proved=True), asked.id
        )
        if asked.id and good:
            self._events.append(Done(id=asked.id, grade=Grade.CONFIRMED))
        elif asked.id:
            self._refuse(asked.id, Refusal.DENIED)

    def _tell(self, stands: SetUp, id_: str = "") -> None:
        """Report how the setting stands, if it was asked for or is news; the alarm follows what is proved."""
        if id_ or stands != self._stands:
            self._events.append(replace(stands, id=id_))
        was_good = self._stands is not None and self._stands.good
        self._stands = stands
        alarm = not stands.good and (stands.proved or was_good or self._alarm)
        if alarm != self._alarm:
            self._alarm = alarm
            self._events.append(Alarm(what=SETTING, active=alarm))


def _unproved(value: str) -> SetUp:
    return SetUp(id="", setting=SETTING, value=value, good=False, proved=False)
