"""Before bytes go out that a stranger could take for an order: is the right device at the other end at all?

What is harmless to every board that we know of may be sent at once. Anything else wants a proof first: the port's USB
number, the answer to a question that is harmless itself, or the name of a lane that may open. The gate's file alone
proves nothing: it says what should be at the port, and a plug in the wrong socket is what this is for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

from drivers.devices.modbus_profile import load_profile
from drivers.model import Certainty, Command, Driver, DriverInfo, Identify, ReadOutputs
from drivers.peripherals import Measure
from drivers.registry import PROTOCOLS
from drivers.tool.asking import ask_family, at_speed
from drivers.tool.confirm import confirmed_isolated
from drivers.tool.console import Exit, at_terminal, fail, say
from drivers.tool.expected_port import demand_expected, expected_of
from drivers.tool.families import FAMILIES, Family
from drivers.tool.modbus_asking import READS, UNITS, answer, question
from drivers.tool.opening import check_port
from drivers.tool.switching import OWN_USB, harmless, switched
from drivers.tool.target import Target, options_of
from drivers.tool.trace import Trace
from drivers.tool.wire import collect, hexed, raw_port
from drivers.usb_socket import PortIdentity, identity_of
from passes.words import Pair

_LOOKED_FOR_S: Final = 3.0  # of virtual time, in which a driver says everything that it says by itself
_STEP_S: Final = 0.01
_ANSWER_S: Final = 0.3
_MODBUS: Final = frozenset({"modbus-relay", "modbus-inputs"})


class Way(Enum):
    """How it is made sure that bytes move nobody."""

    HARMLESS = auto()  # no board that we know of takes them for an order
    USB = auto()  # the port's USB number is that of the device's own kind, or excludes whoever would move
    QUESTION = auto()  # the device must first answer bytes that are harmless themselves
    TYPED = auto()  # somebody must say that nothing can move, or which lane may


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a device is to be proved.

    Args:
        way: How.
        modbus: The questions to a Modbus board, of which one must be answered.
        family: Whose question it is otherwise.
        stranger: The family to which the port's USB number belongs, when that is another one.
    """

    way: Way
    modbus: tuple[bytes, ...] = ()
    family: Family | None = None
    stranger: Family | None = None


def asked_of(info: DriverInfo) -> list[Command]:
    """Every command with which the tool looks at a device of this kind."""
    commands: list[Command] = []
    if info.identifies is not Certainty.NONE:
        commands.append(Identify(id="who"))
    if info.reads_outputs:
        commands.append(ReadOutputs(id="outputs"))
    if info.protocol == "thermometer":
        commands.append(Measure(id="measure"))
    return commands


def said_by(driver: Driver) -> bytes:
    """What a driver that only looks writes to a port where nobody answers, by itself and asked; in virtual time."""
    written = b""
    driver.line_up(0.0)
    steps = int(_LOOKED_FOR_S / _STEP_S)
    for step in range(2 * steps):
        if step == steps:
            for command in asked_of(driver.info):
                driver.submit(command, step * _STEP_S)
        driver.tick(step * _STEP_S)
        written += b"".join(driver.take_output())
        driver.take_events()
    driver.line_lost(2 * _LOOKED_FOR_S)
    driver.take_events()
    return written


def unit_of(target: Target) -> int:
    """The address of a Modbus board: as given, or as its profile says that it is delivered."""
    profile = options_of(target).get("profile")
    return target.unit or (1 if profile is None else load_profile(profile).unit)


def plan_for(target: Target, risky: bytes, found: PortIdentity) -> Plan:
    """How a device is proved before ``risky`` is sent to it.

    Args:
        target: The device, as it is described.
        risky: Everything that will be sent.
        found: Who is at its port now, as far as USB says.
    """
    family, usb = _family(target), found.usb.lower()
    stranger = next(
        (
            each
            for each in FAMILIES.values()
            if usb and each.usb and usb.startswith(each.usb) and each.protocol != target.protocol
        ),
        None,
    )
    if stranger is not None and risky:
        return Plan(way=Way.TYPED, stranger=stranger)
    if PROTOCOLS[target.protocol].network or harmless(risky):
        return Plan(way=Way.HARMLESS)
    if family is not None and family.usb:
        return Plan(way=Way.USB if usb.startswith(family.usb) else Way.TYPED)
    if target.protocol in _MODBUS and (asked := _modbus_questions(target)):
        return Plan(way=Way.QUESTION, modbus=asked)
    if family is not None and target.protocol not in _MODBUS and harmless(family.all_bytes):
        return Plan(way=Way.QUESTION, family=family)
    return Plan(way=Way.USB if _is_bound(target, risky, found) else Way.TYPED)


def demand_proof(
    target: Target,
    driver: Driver,
    confirm: str | None,
    *,
    more: bytes = b"",
    trace: Path | Trace | None = None,
    typed: str | None = None,
) -> None:
    """Return when what will be sent moves nobody; ends with exit code 1, 3 or 4 otherwise.

    Args:
        target: The device.
        driver: A driver like the one that will speak; it is used up.
        confirm: The word "isolated", or the name of a lane that may open, when somebody gave it.
        more: What will be sent besides.
        trace: Where to write the bytes of the question.
        typed: The name of a lane that somebody has confirmed for this device already; it stands in for ``confirm``
            only where the device cannot prove itself.
    """
    risky = said_by(driver) + more
    found = identity_of(target.port)
    demand_expected(target)
    plan = plan_for(target, risky, found)
    if plan.way in (Way.HARMLESS, Way.USB):
        return
    if plan.stranger is None and confirm is None:
        if plan.way is Way.QUESTION:
            _demand_answer(target, plan, driver, trace)
            return
        if typed is not None:
            return
    risk, values = _risk(plan, risky, found)
    if confirm is None and not at_terminal():
        say(risk, **values)
    lanes = () if plan.stranger is not None else [lane.name for lane in target.lanes()]
    confirmed_isolated(confirm, risk, lanes=lanes, **values)


def _risk(plan: Plan, risky: bytes, found: PortIdentity) -> tuple[Pair, Mapping[str, object]]:
    """What may happen, in words, and the values in them."""
    if plan.stranger is not None:
        return (
            Pair(
                "端口的 USB 号 {usb} 属于{title.zh}，不是所配置的设备。改正线或配置（--protocol {protocol}）。",
                "The port's USB number {usb} is that of {title.en}, not of what was named. Put the cable right, "
                "or the description (--protocol {protocol}).",
            ),
            {"usb": found.usb, "title": plan.stranger.title, "protocol": plan.stranger.protocol},
        )
    return (
        Pair(
            "要发送 {hex}；若另一端是 {boards}，继电器会动作。",
            "{hex} would be sent. If {boards} is at the other end, its relays move.",
        ),
        {"hex": hexed(risky, most=8), "boards": ", ".join(switched(risky))},
    )


def _is_bound(target: Target, risky: bytes, found: PortIdentity) -> bool:
    """Whether a board of the gate's file is told from whoever would move by its adapter: the serial number that the
    file expects, or a USB number that none of them has."""
    if target.board is None or not found.usb:
        return False
    if expected_of(target).serial:
        return True
    usual = [OWN_USB.get(board) for board in switched(risky)]
    return all(number is not None and not found.usb.lower().startswith(number) for number in usual)


def _demand_answer(target: Target, plan: Plan, driver: Driver, trace: Path | Trace | None) -> None:
    """Ask, and end with exit code 1 or 3 unless the right device answers."""
    check_port(target)
    if plan.family is not None:
        line = at_speed(plan.family, driver.info.line.baud)
        with raw_port(target.port, line, trace=trace, protocol=target.protocol) as port:
            found, heard = ask_family(port, plan.family)
        if found is None or found.protocol != target.protocol:
            _not_proved(target, heard)
        return
    heard = b""
    with raw_port(target.port, driver.info.line, trace=trace, protocol=target.protocol) as port:
        for frame in plan.modbus:
            port.write(frame)
            said = collect(port, _ANSWER_S, enough=partial(_answers, frame))
            if _answers(frame, said):
                return
            heard += said
    _not_proved(target, heard)


def _answers(frame: bytes, heard: bytes) -> bool:
    return answer(heard, frame) is not None


def _modbus_questions(target: Target) -> tuple[bytes, ...]:
    unit, asked = unit_of(target), b""
    frames: list[bytes] = []
    for function in READS if unit in UNITS else ():
        frame = question(unit, function, before=asked)
        if frame is not None:
            frames.append(frame)
            asked += frame
    return tuple(frames)


def _not_proved(target: Target, heard: bytes) -> NoReturn:
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
