"""One opening, timed: from the command to the bytes on the line, to the board's word, to what was seen of it.

A relay board closes an output; a turnstile controller lets one person through on a side, of which output 1 is the left
and 2 the right one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from drivers.devices.osdp_frames import order, orders_output
from drivers.model import Admit, AnyEvent, Done, DriverInfo, Grade, Hearing, Pulse, Refused, TimedOut
from drivers.relay_codec import Ask
from drivers.tool.console import Exit, fail, say
from drivers.tool.looking import codec_of
from drivers.tool.opening import NAMED_FIRST, Session, fresh_id
from drivers.tool.proof import demand_proof
from drivers.tool.target import Target, driver_of
from drivers.tool.trace import Trace
from passes.words import Pair

_KMTRONIC_ASKED: Final = 4  # boards with fewer relays do not know the question to all of them
ANSWER_WITHIN_S: Final = 1.5  # beyond the pulse itself


class Stopwatch:
    """When bytes passed a port, in monotonic seconds."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, str, bytes]] = []

    def put(self, do: str, data: bytes = b"", **more: str) -> None:  # noqa: ARG002  # the shape of notes
        """Bytes went out or came in, now."""
        self._rows.append((time.monotonic(), do, data))

    def sent_s(self, since_s: float, opens: Callable[[bytes], bool]) -> float | None:
        """When the first bytes that open, or else the first at all, went out."""
        sent = [row for row in list(self._rows) if row[0] >= since_s and row[1] == "tx"]
        exact = [row for row in sent if opens(row[2])]
        return next((row[0] for row in exact or sent), None)

    def heard_s(self, since_s: float) -> float | None:
        """When the first bytes came after that moment."""
        return next((row[0] for row in list(self._rows) if row[0] > since_s and row[1] == "rx"), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What became of one opening.

    Args:
        outcome: The driver's word; None when there was none in time.
        issued_s: When the command was given, in monotonic seconds.
        took_ms: Until the outcome.
        sent_ms: Until the bytes were handed to the line.
        answered_ms: Until the board said something; None for a board that says nothing.
        unheard: The bytes went out to a board that should answer, and nothing was ever heard of it.
    """

    outcome: AnyEvent | None
    issued_s: float
    took_ms: float
    sent_ms: float | None = None
    answered_ms: float | None = None
    unheard: bool = False

    @property
    def is_maybe(self) -> bool:
        """Whether it may have moved, and nobody knows."""
        return self.outcome is None or (isinstance(self.outcome, TimedOut) and self.outcome.maybe_executed)

    @property
    def result(self) -> dict[str, Any]:
        """For ``--json``."""
        match self.outcome:
            case Done(grade=grade):
                row: dict[str, Any] = {"result": "done", "grade": grade.value, "took_ms": self.took_ms}
            case Refused(why=why):
                return {"result": "refused", "why": why.value}
            case TimedOut(maybe_executed=maybe):
                row = {"result": "timed_out", "maybe_executed": maybe}
            case _:
                row = {"result": "timed_out", "maybe_executed": True}
        return row | {"sent_ms": self.sent_ms, "answered_ms": self.answered_ms}


@dataclass(slots=True)
class Mover:
    """Opens the outputs of one device, one at a time.

    Args:
        session: The open device.
        target: What it is.
        stopwatch: Told of every byte of the session.
    """

    session: Session
    target: Target
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    def move(
        self,
        channel: int,
        ms: int,
        *,
        meanwhile: Callable[[AnyEvent], None] | None = None,
        issued: Callable[[], None] = lambda: None,
    ) -> Moved:
        """Open once, and wait for the outcome; ``issued`` is called when the command is on its way."""
        opens = _opens(self.target, channel, ms)
        issued_s = time.monotonic()
        command = command_for(self.session.info, channel, ms, issued_s)
        issued()
        within_s = ms / 1000 + ANSWER_WITHIN_S + self.session.info.answers_within_s
        outcome = self.session.answer(command, within_s=within_s, meanwhile=meanwhile)
        took_ms = _ms(issued_s, time.monotonic())
        never = isinstance(outcome, TimedOut) and not outcome.maybe_executed
        sent_s = None if never else self.stopwatch.sent_s(issued_s, opens)
        heard_s = None if sent_s is None else self.stopwatch.heard_s(sent_s)
        quiet = not self.session.info.answers_within_s
        unheard = isinstance(outcome, Done) and outcome.grade is Grade.SENT and self.session.is_unheard
        return Moved(
            outcome=outcome,
            issued_s=issued_s,
            took_ms=took_ms,
            sent_ms=None if sent_s is None else _ms(issued_s, sent_s),
            answered_ms=None if heard_s is None or quiet or unheard else _ms(issued_s, heard_s),
            unheard=unheard,
        )


def demand_own(target: Target, lane: str, *, trace: Path | Trace | None = None) -> None:
    """Before orders to open go out: a board that can be asked harmlessly must have answered; exit code 1, 3 or 4.

    A stranger closes relays by orders that were meant to open those of another board. A board that answers nothing
    cannot be asked, and where it cannot be told by a question the lane's name, which somebody typed, has to do.

    Args:
        target: The device.
        lane: The lane that somebody has confirmed.
        trace: Where to write the bytes of the question.
    """
    driver = driver_of(target)
    info = driver.info
    answers = isinstance(driver, Hearing) and bool(info.answers_within_s or info.reads_outputs)
    few = target.protocol == "kmtronic" and info.outputs < _KMTRONIC_ASKED
    if info.outputs and answers and not few and target.protocol not in NAMED_FIRST:
        demand_proof(target, driver, None, typed=lane, trace=trace)


def command_for(info: DriverInfo, channel: int, ms: int, issued_s: float) -> Pulse | Admit:
    """What opens this output; raises ``AssertionError`` where ``check_output`` was not asked before."""
    if info.outputs:
        return Pulse(channel=channel, ms=ms, id=fresh_id(), issued_s=issued_s)
    assert 1 <= channel <= len(info.sides), "nobody checked the channel"
    return Admit(side=info.sides[channel - 1], id=fresh_id(), issued_s=issued_s)


def outputs_of(info: DriverInfo) -> int:
    """How many things it can open."""
    return info.outputs or len(info.sides)


def timed_by(info: DriverInfo) -> str:
    """Who ends an opening: ``host`` or ``board``."""
    return "host" if info.host_timed else "board"


def closing_frame(target: Target, channel: int, ms: int) -> bytes:
    """The bytes that open the lane."""
    return next(
        (bytes.fromhex(row["hex"]) for row in frames_of(target, channel, ms) if row["what"] == "open"), b""
    )


def _opens(target: Target, channel: int, ms: int) -> Callable[[bytes], bool]:
    """Whether bytes on the line are those that open the lane."""
    if target.protocol == "osdp":
        return orders_output
    frame = closing_frame(target, channel, ms)
    return lambda data: data == frame


def frames_of(target: Target, channel: int, ms: int) -> list[dict[str, Any]]:
    """Everything that would be written for one opening, with its moment: ``at_ms``, ``what`` and ``hex``.

    What goes through a secure channel is ``encrypted``: the line never shows the same bytes twice, so ``hex`` is then
    the order before that, its code and its data.
    """
    driver = driver_of(target)
    if target.protocol == "osdp":
        return _osdp_orders(driver.info, channel, ms)
    if not driver.info.outputs:
        driver.line_up(0.0)
        driver.submit(command_for(driver.info, channel, ms, 0.0), 0.0)
        return [_row(0, "open", frame) for frame in driver.take_output()]
    codec, host_timed = codec_of(target), driver.info.host_timed
    everything = codec.encode(Ask.ALL_OFF)
    each = [codec.encode(Ask.OFF, channel=number) for number in range(1, driver.info.outputs + 1)]
    rows = [_row(0, "rest", frame) for frame in ([everything] if everything else each)]
    closing = Ask.ON if host_timed else Ask.PULSE
    rows.append(_row(0, "open", codec.encode(closing, channel=channel, ms=0 if host_timed else ms)))
    if host_timed:
        rows.append(_row(ms, "end", codec.encode(Ask.OFF, channel=channel)))
    return rows


def _osdp_orders(info: DriverInfo, channel: int, ms: int) -> list[dict[str, Any]]:
    say(
        Pair(
            "OSDP 经安全通道加密，线上的字节每次都不同；以下是加密前的命令",
            "OSDP goes through a secure channel: the bytes on the line differ each time. These are the orders before "
            "their encryption",
        )
    )
    rows = [_row(0, "rest", order(number)) for number in range(1, info.outputs + 1)]
    rows.append(_row(0, "open", order(channel, tenths=ms // 100)))
    return [row | {"encrypted": True} for row in rows]


def check_output(info: DriverInfo, channel: int, ms: int | None = None) -> None:
    """End with exit code 2 when the device has no such output, or cannot open it for so long."""
    most = outputs_of(info)
    if not most:
        fail(
            Exit.USAGE,
            Pair(
                "{protocol} 设备没有继电器可动作",
                "{protocol} devices have no relay to pulse. Use for example --protocol lcus",
            ),
            protocol=info.protocol,
        )
    if not 1 <= channel <= most:
        fail(
            Exit.USAGE,
            Pair(
                "--channel {channel} 不在此板上，可用 1 到 {most}",
                "--channel {channel} is not on this board. Use 1 to {most}",
            ),
            channel=channel,
            most=most,
        )
    shortest_ms, longest_ms = info.pulse_ms
    if ms is None or info.sides:
        return
    if not shortest_ms <= ms <= longest_ms:
        fail(
            Exit.USAGE,
            Pair(
                "--ms {ms} 超出范围，可用 {shortest} 到 {longest}",
                "--ms {ms} is out of range. Use {shortest} to {longest}",
            ),
            ms=ms,
            shortest=shortest_ms,
            longest=longest_ms,
        )
    if ms % info.pulse_step_ms:
        fail(
            Exit.USAGE,
            Pair(
                "--ms {ms}：此板按 {step} 毫秒一档计时，可用 {step}、{double}…",
                "--ms {ms}: this board times pulses in steps of {step} ms. Use {step}, {double} …",
            ),
            ms=ms,
            step=info.pulse_step_ms,
            double=2 * info.pulse_step_ms,
        )


def default_ms(info: DriverInfo, wanted: int | None) -> int:
    """The wanted length, or 300 ms, or what comes nearest to that on this board."""
    if wanted is not None:
        return wanted
    step, (shortest, longest) = info.pulse_step_ms, info.pulse_ms
    return min(max(shortest, -(-300 // step) * step), longest)


def _row(at_ms: int, what: str, frame: bytes | None) -> dict[str, Any]:
    assert frame is not None, f"the board has no bytes to {what}"
    return {"at_ms": at_ms, "what": what, "hex": frame.hex(" ").upper()}


def _ms(from_s: float, to_s: float) -> float:
    return round((to_s - from_s) * 1000, 1)
