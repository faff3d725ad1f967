"""Which virtual boards there are, by the names of configuration files."""

import re
from collections.abc import Callable
from typing import Final, TypeVar, get_args

from simulators.boards import modbus_makes
from simulators.boards.devantech import MODULES, Devantech, Model
from simulators.boards.device import Device
from simulators.boards.first_boards import LcusDevice, ModbusInputsDevice, Status
from simulators.boards.kmtronic import Kmtronic
from simulators.boards.modbus_board import ModbusBoard
from simulators.boards.numato import Numato
from simulators.boards.osdp_pd import OsdpReader, has_libosdp
from simulators.boards.turnstile_7e import Turnstile7E
from simulators.boards.turnstile_eb import Check, TurnstileEB

T = TypeVar("T")

PROFILES: Final[dict[str, Callable[[int | None], ModbusBoard]]] = {
    "waveshare-relay-8": lambda unit: modbus_makes.WaveshareRelay(unit=_or(unit, 1)),
    "waveshare-io-8ch": lambda unit: modbus_makes.WaveshareIo(unit=_or(unit, 1)),
    "eletechsup-r421a08": lambda unit: modbus_makes.EletechsupR421A08(unit=_or(unit, 1)),
    "generic-0100-4": lambda unit: modbus_makes.Generic0100(unit=_or(unit, 1)),
    "lctech-2ch": lambda unit: modbus_makes.LcTech2(unit=_or(unit, 255)),
    "kmtronic-modbus-8": lambda unit: modbus_makes.StandardCoils(unit=_or(unit, 1)),
}
PROTOCOLS: Final = {
    "lcus": "LCUS USB relays; --profile none, text or bytes: what it answers to FF",
    "modbus-relay": f"Modbus RTU relays; --profile {', '.join(PROFILES)}",
    "modbus-inputs": "Modbus RTU input module",
    "modbus-tcp": "the profiles of modbus-relay behind TCP; --listen instead of --link",
    "numato": "Numato USB relays, GPIO and ADC",
    "kmtronic": "KMtronic USB or RS-485 relays; --profile 1, 2, 4 or 8 relays",
    "devantech-usb": f"Devantech USB-RLY; --profile {', '.join(MODULES)}",
    "osdp": "OSDP reader; --profile its key in hex, none: the published one",
    "turnstile-7e": "7E/7F swing gate controller, 19200 baud",
    "turnstile-eb": "Mach Power tripod; --profile rule or manual: its check of 42 and 43",
}


class UnknownBoardError(ValueError):
    """No such protocol or profile."""


def make_board(protocol: str, *, unit: int | None = None, profile: str | None = None) -> Device:
    """A board as it comes from the factory.

    Args:
        protocol: One of ``PROTOCOLS``; ``modbus-tcp`` gives the board that stands behind it.
        unit: Its address, where the protocol has one; None for the factory's.
        profile: Which kind of it, or None for the first.

    Raises:
        UnknownBoardError: No such protocol or profile.
    """
    match protocol:
        case "lcus":
            statuses: dict[str, Status] = {"none": "none", "text": "text", "bytes": "bytes"}
            return LcusDevice(status=_pick(profile, statuses))
        case "modbus-relay" | "modbus-tcp":
            return _pick(profile, PROFILES)(unit)
        case "modbus-inputs":
            return ModbusInputsDevice(_or(unit, 1))
        case "numato":
            return Numato()
        case "kmtronic":
            return Kmtronic(_pick(profile, {"8": 8, "1": 1, "2": 2, "4": 4}))
        case "devantech-usb":
            models: dict[str, Model] = {model: model for model in get_args(Model)}
            return Devantech(_pick(profile, models))
        case "osdp":
            return _reader(unit, profile)
        case "turnstile-7e":
            return Turnstile7E(unit=_or(unit, 1))
        case "turnstile-eb":
            checks: dict[str, Check] = {"rule": "rule", "manual": "manual"}
            return TurnstileEB(unit=_or(unit, 1), check=_pick(profile, checks))
        case _:
            raise UnknownBoardError(f"there is no board {protocol!r}; there are {', '.join(PROTOCOLS)}")


def make_neighbour(text: str) -> Device:
    """A board from ``PROTOCOL[:UNIT[:PROFILE]]``; raises ``UnknownBoardError``."""
    protocol, _, more = text.partition(":")
    unit, _, profile = more.partition(":")
    if protocol == "modbus-tcp" or (unit and not unit.isdigit()) or (unit and int(unit) > 255):
        raise UnknownBoardError(f"a neighbour is PROTOCOL[:UNIT[:PROFILE]] on the same wires, not {text!r}")
    return make_board(protocol, unit=int(unit) if unit else None, profile=profile or None)


def _pick(profile: str | None, kinds: dict[str, T]) -> T:
    if profile is None:
        return next(iter(kinds.values()))
    if profile not in kinds:
        raise UnknownBoardError(f"there is no profile {profile!r}; there are {', '.join(kinds)}")
    return kinds[profile]


def _reader(unit: int | None, profile: str | None) -> OsdpReader:
    if not has_libosdp():
        raise UnknownBoardError("the OSDP reader needs libosdp: pip install 'postern[osdp]'")
    if profile is not None and not re.fullmatch(r"[0-9a-fA-F]{32}", profile):
        raise UnknownBoardError("the profile of an OSDP reader is its key: 32 hexadecimal digits")
    return OsdpReader(unit=_or(unit, 0), key=bytes.fromhex(profile) if profile else None)


def _or(unit: int | None, factory: int) -> int:
    return factory if unit is None else unit
