"""The one unit on a line: who answers there, and questions about its settings while nobody else is connected.

An answer counts when unit, function, length and check are those of the question. A question to unit 0, which is
everybody, may be answered under any number. Whatever else is heard beside an answer tells of two boards at once.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from drivers.devices.modbus_frames import EXCEPTION_WORDS, Data, Question, Refusing, Written
from drivers.devices.modbus_profile import WRITE_REGISTERS
from drivers.modbus_rtu import crc16
from drivers.port import Port
from drivers.tool.console import Exit, fail, progress
from drivers.tool.modbus_asking import READ_COILS, READ_REGISTERS, READS, any_question
from drivers.tool.wire import collect
from passes.words import Pair

Answer = Written | Data | Refusing
ASKED_WITHIN_S: Final = 0.3
PRESENT_WITHIN_S: Final = 0.06  # boards answer within 20 to 60 ms
_QUIET_S: Final = 0.02
_TRIES: Final = 3


@dataclass(slots=True)
class Present:
    """Who answered: units in order, and those where more was heard than one answer."""

    units: list[int] = field(default_factory=list)
    crowded: list[int] = field(default_factory=list)


def ask(port: Port, question: Question) -> Answer | None:
    """Send a question once and take its answer; raises ``PortLostError``."""
    collect(port, _QUIET_S)
    return _ask(port, question.body(), ASKED_WITHIN_S)[0]


def ask_register(port: Port, question: Question) -> int | None:
    """The value of a register, asked up to three times; None when it is refused, or nobody answers."""
    for _ in range(_TRIES):
        said = ask(port, question)
        if isinstance(said, Data):
            return int.from_bytes(said.data, "big")
        if isinstance(said, Refusing):
            break
    return None


def answers(port: Port, unit: int) -> bool:
    """Whether somebody answers a reading question to this unit, asked up to three times."""
    return any(_look(port, unit, ASKED_WITHIN_S)[0] for _ in range(_TRIES))


def present(port: Port, units: Iterable[int], *, what: Pair, own: int | None = None) -> Present:
    """Ask each unit for a register and a coil; unit 0 is never asked.

    Args:
        port: An open line on which nobody else asks.
        units: Whom to ask; one after the other, ``seconds_for`` of them at most.
        what: What is done, for the progress.
        own: The unit that should be there alone: asked first, and as patiently as later on. Somebody else is enough to
            know that it is not alone, and nobody is asked any more.
    """
    wanted, found = sorted(set(units) - {0}, key=lambda unit: (unit != own, unit)), Present()
    collect(port, _QUIET_S)  # what opening the port made
    with progress(what, len(wanted)) as step:
        for unit in wanted:
            step(str(unit))
            tries, within_s = (_TRIES, ASKED_WITHIN_S) if unit == own else (1, PRESENT_WITHIN_S)
            there, more = _look(port, unit, within_s, tries=tries)
            if there:
                found.units.append(unit)
            if more:
                found.crowded.append(unit)
            if own is not None and (found.crowded or found.units not in ([], [own])):
                break
        if collect(port, _QUIET_S) and not found.crowded:
            found.crowded.append(unit)  # somebody answers late
    return found


def seconds_for(units: Iterable[int]) -> float:
    """How long it takes to ask units of which none answers."""
    return 2 * PRESENT_WITHIN_S * len(set(units))


def demand_alone(found: Present, unit: int) -> None:
    """End with exit code 4 unless this unit answers, and nobody else; with 3 when nobody answers at all."""
    if found.crowded:
        fail(
            Exit.UNSAFE,
            Pair(
                "问 {units} 时听到的不止一个回答：两块板同一地址，或有干扰。拆下其他板。没有写入",
                "Asked for {units}, more was heard than one answer: two boards with one address, or noise. "
                "Take the others off the wires. Nothing was written",
            ),
            units=", ".join(map(str, found.crowded)),
        )
    if not found.units:
        fail(
            Exit.UNREACHABLE,
            Pair(
                "没有板回答。检查供电、A/B 线、速率（--baud）、地址（--unit）",
                "No board answers. Check supply, wires A and B, speed (--baud) and address (--unit)",
            ),
        )
    if found.units != [unit]:
        fail(
            Exit.UNSAFE,
            Pair(
                "线上有 {found}，应当只有 {unit}：拆下其他板，或用 --unit。没有写入",
                "Units {found} answer, and only {unit} may: take the others off the wires, or say --unit. "
                "Nothing was written",
            ),
            found=", ".join(map(str, found.units)),
            unit=unit,
        )


def _look(port: Port, unit: int, within_s: float, *, tries: int = 1) -> tuple[bool, bool]:
    """Ask one unit for a register, else for a coil: whether it answers, and whether more than that is heard."""
    for _ in range(tries):
        for function in (READ_REGISTERS, READ_COILS):
            said, more = _ask(port, any_question(unit, function)[:-2], within_s)
            if said is not None or more:
                return said is not None, bool(more)
    return False, False


def _ask(port: Port, body: bytes, within_s: float) -> tuple[Answer | None, bytes]:
    """The answer, and what else was heard but our own echo: also what somebody says late to the question before."""
    port.write(body + crc16(body))
    heard = collect(port, within_s, enough=lambda heard: _found(heard, body)[0] is not None)
    heard += collect(port, _QUIET_S) if heard else b""
    return _found(heard, body)


def _found(heard: bytes, body: bytes) -> tuple[Answer | None, bytes]:
    if body[1] in READS:
        heard = heard.replace(
            body + crc16(body), b"", 1
        )  # an adapter that echoes; a write is read back anyway
    for answer, pattern in _shapes(body):
        for match in re.finditer(b"(?=(" + pattern + b"..))", heard, re.DOTALL):
            frame = match[1]
            if crc16(frame[:-2]) == frame[-2:]:
                rest = heard[: match.start()] + heard[match.start() + len(frame) :]
                content = frame[2:-2]
                if answer is Data:
                    return Data(content[1:]), rest
                return (Refusing(content[0]) if answer is Refusing else Written()), rest
    return None, heard


def _shapes(body: bytes) -> list[tuple[type[Answer], bytes]]:
    """What may answer, as patterns without the check; the longer ones first."""
    unit = b"." if body[0] == 0 else re.escape(body[:1])
    function, count = body[1], int.from_bytes(body[4:6], "big")
    refused = unit + re.escape(bytes((function | 0x80,))) + b"[" + re.escape(bytes(EXCEPTION_WORDS)) + b"]"
    found: list[tuple[type[Answer], bytes]] = [(Refusing, refused)]
    if function in READS:
        size = 2 * count if function == READ_REGISTERS else (count + 7) // 8
        return [(Data, unit + re.escape(bytes((function, size))) + b".{%d}" % size), *found]
    short = (Written, unit + re.escape(body[1:6]))
    if function == WRITE_REGISTERS:
        return [(Written, unit + re.escape(body[1:])), short, *found]  # LC-Tech gives back the whole frame
    return [short, *found]
