"""GSM modems: short messages out, their receipts back, and how SIM, network and signal stand.

A message is written to a modem once. Where nobody knows what became of it (the answer to a part is missing, or names
a doubt), it ends as ``TimedOut(maybe_executed=True)``, and whoever sent it decides: a driver that repeated it would pay
twice and annoy somebody. A modem without a network keeps messages for a while, then refuses them.

The text never touches a command line (it travels as hexadecimal), and the number only as digits inside of it; neither
is in any event or fault.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Final

from drivers.devices.at import Answer, Dialogue, News, Prompt
from drivers.devices.modem_watch import Probe, Watch
from drivers.devices.pdu import Pdu, StatusReport, UnsendableError, decode, encode_submit
from drivers.devices.peripheral import Peripheral
from drivers.exchange import End, Request
from drivers.model import (
    Certainty,
    Command,
    DriverInfo,
    Identify,
    Identity,
    LineSettings,
    Refusal,
    TimedOut,
    Urgency,
)
from drivers.peripherals import SendSms, SmsReported, SmsSent
from drivers.seen_ids import SeenIds

ANSWER_WITHIN_S: Final = 5.0
PROMPT_WITHIN_S: Final = 5.0  # drivers reference 1.5
SENT_WITHIN_S: Final = 60.0  # drivers reference 1.5
WAITING_MAX: Final = 16
WAITING_S_MAX: Final = 60.0  # for a network; then it is refused, surely not sent
BREATH_S: Final = 0.020  # modems drop the first letters of a command that comes too soon
LEAVE_S: Final = 0.3  # an answer to leaving must not pass for the next one
LEAVE_TEXT: Final = b"\x1b\r"  # the end of line for modems that take the escape for a letter
END_OF_TEXT: Final = "\x1a"
DOUBTFUL: Final = frozenset(
    {"+CMS ERROR: 332", "+CMS ERROR: 500"}
)  # network time-out; unknown: it may be out
REFERENCE: Final = r"\+CMGS: ?(\d{1,3})(?:,.*)?"
PIN_LENGTHS: Final = range(4, 9)


@dataclass(slots=True, kw_only=True)
class _Message:
    """One message on its way."""

    id: str
    parts: list[Pdu] = field(repr=False)
    waits_until_s: float
    written: int = 0  # parts whose octets went out
    references: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a line to the modem is about; for the watch, for a message, or for ``Identify``."""

    line: str = field(repr=False)
    answer: str | None = None
    probe: Probe | None = None
    message: _Message | None = None
    prompt: bool = False
    identify: str = ""


class GsmModem(Peripheral[Asked]):
    """One modem.

    Args:
        pin: Of the SIM, if it has one. It is tried once: the third wrong one blocks a SIM.
        reports: Ask the network whether messages were delivered.
        baud: Speed of the line; USB modems ignore it.
    """

    takes: ClassVar[tuple[type, ...]] = (SendSms, Identify)

    def __init__(self, *, pin: str | None = None, reports: bool = True, baud: int = 115200) -> None:
        assert pin is None or (pin.isascii() and pin.isdigit() and len(pin) in PIN_LENGTHS), (
            "a PIN is 4 to 8 digits"
        )
        super().__init__(
            DriverInfo(
                protocol="modem",
                line=LineSettings(baud=baud),
                identifies=Certainty.WEAK,
                answers_within_s=SENT_WITHIN_S,
                streams=True,
            )
        )
        self._reports = reports
        self._dialogue = Dialogue()
        self._watch = Watch(pin=pin, reports=reports)
        self._waiting: deque[_Message] = deque()
        self._sending: _Message | None = None
        self._reference = 0  # of the latest message of several parts
        self._maker: str | None = None  # the first half of an identity
        self._unnamed = SeenIds()  # questions for it that ended without

    # -- commands

    def _command(self, command: Command) -> None:
        match command:
            case SendSms():
                self._send(command)
            case Identify():
                self._ask(Asked(line="AT+CGMI", answer=r"[^+].*", identify=command.id))
                self._ask(Asked(line="AT+CGMM", answer=r"[^+].*", identify=command.id))
            case _:
                raise AssertionError(f"{type(command).__name__} is refused before")

    def _send(self, command: SendSms) -> None:
        if len(self._waiting) >= WAITING_MAX:
            self._refuse(command.id, Refusal.FULL)
            return
        self._reference = (self._reference + 1) & 0xFF
        try:
            parts = encode_submit(command.to, command.text, reference=self._reference, report=self._reports)
        except UnsendableError:
            self._refuse(command.id, Refusal.BAD_LENGTH)
            return
        until_s = self._now_s + WAITING_S_MAX
        self._waiting.append(_Message(id=command.id, parts=parts, waits_until_s=until_s))
        self._next()

    def _next(self) -> None:
        """Begin the next message, when the modem is ready for it."""
        if self._sending is None and self._waiting and self._watch.ready:
            self._sending = self._waiting.popleft()
            self._announce(self._sending)

    def _announce(self, message: _Message) -> None:
        length = message.parts[message.written].length
        self._ask(
            Asked(line=f"AT+CMGS={length}", message=message, prompt=True), Urgency.OPEN, PROMPT_WITHIN_S
        )

    def _ask(self, asked: Asked, urgency: Urgency = Urgency.POLL, within_s: float = ANSWER_WITHIN_S) -> None:
        end = END_OF_TEXT if asked.message is not None and not asked.prompt else "\r"
        self._exchange.put(
            Request(
                data=(asked.line + end).encode("ascii"),
                urgency=urgency,
                purpose=asked,
                within_s=within_s,
                silence_s=0.0 if asked.prompt else BREATH_S,
            )
        )

    def _taken(self, request: Request[Asked]) -> None:
        asked = request.purpose
        self._dialogue.ask(asked.line, answer=asked.answer, prompt=asked.prompt)
        if asked.message is not None and not asked.prompt:
            asked.message.written += 1

    # -- what the modem says

    def _bytes(self, data: bytes) -> None:
        for said in self._dialogue.feed(data):
            match said:
                case Answer():
                    self._answered(said)
                case Prompt():
                    self._prompted()
                case News():
                    self._news(said)
        self._tally.add(self._dialogue.take_garbage(), self._now_s)

    def _answered(self, answer: Answer) -> None:
        if self._exchange.open is None:
            return
        asked = self._exchange.answered(self._now_s).purpose
        self._well("silent")
        if asked.probe is not None:
            self._watch.answered(asked.probe, answer)
            self._follow()
        elif asked.message is not None:
            self._part_answered(asked.message, answer, announced=asked.prompt)
        else:
            self._named(asked.identify, answer)

    def _prompted(self) -> None:
        request = self._exchange.open
        if request is None or request.purpose.message is None:
            return
        message = self._exchange.answered(self._now_s).purpose.message
        assert message is not None, "only messages are prompted for"
        self._ask(
            Asked(line=message.parts[message.written].hex, answer=REFERENCE, message=message),
            Urgency.ALL_OFF,  # the modem understands nothing else now
            SENT_WITHIN_S,
        )

    def _part_answered(self, message: _Message, answer: Answer, *, announced: bool) -> None:
        reference = _reference(answer)
        if announced:
            self._leave_text()  # a late answer to something older: the prompt may still come
        if announced or not answer.good or reference is None:
            # Announced and answered without a prompt: refused. A good answer without a number: nobody knows.
            doubtful = bool(message.references) or (
                not announced and (answer.good or answer.error in DOUBTFUL)
            )
            self._end_message(message, doubtful=doubtful, why=Refusal.DENIED)
            return
        message.references.append(reference)
        if message.written < len(message.parts):
            self._announce(message)
            return
        self._sending = None
        self._events.append(SmsSent(id=message.id, references=tuple(message.references)))
        self._next()

    def _end_message(self, message: _Message, *, doubtful: bool, why: Refusal) -> None:
        self._sending = None
        if doubtful:
            self._events.append(TimedOut(id=message.id, maybe_executed=True))
        else:
            self._refuse(message.id, why)
        self._next()

    def _named(self, id_: str, answer: Answer) -> None:
        words = " ".join(answer.lines).strip()
        if self._maker is None:
            self._maker = words
            return
        maker, self._maker = self._maker, None
        self._events.append(Identity(id=id_, maker=maker, model=words, certainty=self._info.identifies))

    def _news(self, news: News) -> None:
        if news.pdu:
            report = decode(news.pdu)
            if isinstance(report, StatusReport) and report.delivered is not None:
                self._events.append(SmsReported(reference=report.reference, delivered=report.delivered))
        elif self._watch.news(news.line):
            self._follow()

    # -- time and line

    def _begin(self) -> None:
        self._dialogue.reset()
        self._maker = None
        self._watch.begin(self._now_s)
        self._leave_text()  # that another program left open: it would take every command for words

    def _leave_text(self) -> None:
        """Have the modem leave a text that it may wait for; otherwise it ignores this."""
        self._exchange.put(
            Request(
                data=LEAVE_TEXT,
                urgency=Urgency.ALL_OFF,
                purpose=Asked(line=""),
                within_s=None,
                silence_s=LEAVE_S,
            )
        )

    def _due(self) -> None:
        if not self._exchange.waits(lambda request: request.purpose.probe is not None):
            for probe in self._watch.take_due(self._now_s):
                self._ask(Asked(line=probe.line, answer=probe.answer, probe=probe))
        while self._waiting and self._now_s >= self._waiting[0].waits_until_s:
            self._refuse(self._waiting.popleft().id, Refusal.TOO_OLD)

    def _deadlines(self) -> Iterator[float]:
        if not self._exchange.waits(lambda request: request.purpose.probe is not None):
            yield self._watch.due_s
        if self._waiting:
            yield self._waiting[0].waits_until_s

    def _unanswered(self, purpose: Asked, end: End) -> None:
        if end is End.WRITTEN:
            return
        self._dialogue.forget()
        if end is End.UNANSWERED:
            self._fault("silent", "the modem does not answer: is this its command port?")
        message = purpose.message
        if purpose.probe is not None:
            self._watch.missed(purpose.probe, self._now_s)
            if end is End.UNANSWERED:
                self._follow()
        elif message is not None:
            self._message_unanswered(message, end, announced=purpose.prompt)
        elif purpose.identify:
            self._exchange.withdraw(lambda request: request.purpose.identify == purpose.identify)
            if self._unnamed.is_new(purpose.identify):
                self._events.append(TimedOut(id=purpose.identify, maybe_executed=False))
            self._maker = None

    def _message_unanswered(self, message: _Message, end: End, *, announced: bool) -> None:
        if announced and end is End.UNANSWERED:
            self._leave_text()
        self._end_message(message, doubtful=message.written > 0, why=Refusal.LINE_DOWN)

    def _end(self) -> None:
        self._dialogue.reset()
        self._watch.end()  # from here on it is not ready
        if self._sending is not None:
            self._end_message(self._sending, doubtful=self._sending.written > 0, why=Refusal.LINE_DOWN)
        for message in self._waiting:
            self._refuse(message.id, Refusal.LINE_DOWN)
        self._waiting.clear()

    def _follow(self) -> None:
        """Report what the watch has found out, and go on."""
        self._events += self._watch.take_events()
        for kind in ("sim", "network"):
            why = self._watch.faults.get(kind)
            if why is None:
                self._well(kind)
            else:
                self._fault(kind, why)
        if self._watch.hopeless:
            for message in self._waiting:
                self._refuse(message.id, Refusal.DENIED)
            self._waiting.clear()
        self._next()


def _reference(answer: Answer) -> int | None:
    for line in answer.lines:
        digits = line.removeprefix("+CMGS:").split(",")[0].strip()
        if digits.isdigit() and int(digits) <= 0xFF:
            return int(digits)
    return None
