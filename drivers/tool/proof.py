"""Before bytes go out that a stranger could take for an order: is the right device at the other end at all?

What is harmless to every board that we know of may be sent at once. Anything else wants a proof first: the port's USB
number, the answer to a question that is harmless itself, the gate's file, or somebody's word that nothing can move.
"""

from functools import partial
from pathlib import Path
from typing import Final

from drivers.devices.modbus_profile import load_profile
from drivers.model import Driver
from drivers.tool.asking import ask_family, at_speed
from drivers.tool.confirm import confirmed_isolated
from drivers.tool.console import Exit, at_terminal, fail, say
from drivers.tool.detect import usb_of
from drivers.tool.families import FAMILIES, Family
from drivers.tool.modbus_asking import READS, UNITS, answer, question
from drivers.tool.opening import check_port
from drivers.tool.switching import harmless, switched
from drivers.tool.target import Target, options_of
from drivers.tool.wire import collect, hexed, raw_port
from passes.words import Pair

_LOOKED_FOR_S: Final = 3.0  # of virtual time, in which a driver says everything that it says by itself
_STEP_S: Final = 0.01
_ANSWER_S: Final = 0.3
_MODBUS: Final = frozenset({"modbus-relay", "modbus-inputs"})


def said_by(driver: Driver) -> bytes:
    """Everything that a driver writes to a port where nobody answers, run in virtual time."""
    written = b""
    driver.line_up(0.0)
    for step in range(int(_LOOKED_FOR_S / _STEP_S)):
        driver.tick(step * _STEP_S)
        written += b"".join(driver.take_output())
        driver.take_events()
    driver.line_lost(_LOOKED_FOR_S)
    driver.take_events()
    return written


def unit_of(target: Target) -> int:
    """The address of a Modbus board: as given, or as its profile says that it is delivered."""
    profile = options_of(target).get("profile")
    return target.unit or (1 if profile is None else load_profile(profile).unit)


def demand_proof(
    target: Target, driver: Driver, confirm: str | None, *, more: bytes = b"", trace: Path | None = None
) -> None:
    """Return when what will be sent moves nobody; ends with exit code 1, 3 or 4 otherwise.

    Args:
        target: The device.
        driver: A driver like the one that will speak; it is used up.
        confirm: The word "isolated", when somebody gave it.
        more: What will be sent besides.
        trace: Where to write the bytes of the question.
    """
    risky = said_by(driver) + more
    if target.board is not None or target.port.startswith("tcp:") or harmless(risky):
        return
    family = _family(target)
    usb = (usb_of(target.port) or "").lower()
    if family is not None and family.usb and usb.startswith(family.usb):
        return
    if confirm is None and _is_proved(target, family, driver, trace):
        return
    risk = Pair(
        "要发送 {hex}…；若另一端是 {boards}，继电器会动作。",
        "{hex}… would be sent. If {boards} is at the other end, its relays move.",
    )
    values = {"hex": hexed(risky, most=8), "boards": ", ".join(switched(risky))}
    if confirm is None and not at_terminal():
        say(risk, **values)
    confirmed_isolated(confirm, risk, **values)


def _is_proved(target: Target, family: Family | None, driver: Driver, trace: Path | None) -> bool:
    """Whether the device answered a harmless question; False when there is none. Ends with 1 or 3 when it did not."""
    if target.protocol in _MODBUS:
        asked = _modbus_questions(target)
        if not asked:
            return False
        check_port(target)
        heard = b""
        with raw_port(target.port, driver.info.line, trace=trace, protocol=target.protocol) as port:
            for frame in asked:
                port.write(frame)
                said = collect(port, _ANSWER_S, enough=partial(_answers, frame))
                if _answers(frame, said):
                    return True
                heard += said
        _not_proved(target, heard)
    if family is None or not harmless(family.all_bytes):
        return False
    check_port(target)
    line = at_speed(family, driver.info.line.baud)
    with raw_port(target.port, line, trace=trace, protocol=target.protocol) as port:
        found, heard = ask_family(port, family)
    if found is None or found.protocol != target.protocol:
        _not_proved(target, heard)
    return True


def _answers(frame: bytes, heard: bytes) -> bool:
    return answer(heard, frame) is not None


def _modbus_questions(target: Target) -> list[bytes]:
    unit = unit_of(target)
    asked = [question(unit, function) for function in READS] if unit in UNITS else []
    return [frame for frame in asked if frame is not None]


def _not_proved(target: Target, heard: bytes) -> None:
    if heard:
        fail(
            Exit.FAILED,
            Pair(
                "{port} 上的设备没有按 {protocol} 回答，收到：{heard}。未发送其他字节",
                "What is at {port} does not answer as {protocol} does. It said: {heard}. Nothing else was sent",
            ),
            port=target.port,
            protocol=target.protocol,
            heard=hexed(heard),
        )
    fail(
        Exit.UNREACHABLE,
        Pair(
            "{port} 没有回答，未发送其他字节。检查供电、A/B 线、速率和地址",
            "No answer on {port}, and nothing else was sent. Check the supply, wires A and B, speed and address",
        ),
        port=target.port,
    )


def _family(target: Target) -> Family | None:
    make = target.options.get("make")
    name = make if target.protocol == "scanner" else f"thermometer-{make}"
    if target.protocol in {"scanner", "thermometer"}:
        return FAMILIES.get(str(name))
    return next((each for each in FAMILIES.values() if each.protocol == target.protocol), None)
