"""What bytes do to boards that did not expect them: the table that keeps a search for boards from opening a gate.

    switched_by([bytes.fromhex("5A")])                     # nothing but an armed ICStation and a bit-bang board
    switched_by([b"ver\\r"])["devantech"]                   # {1}: "e" closes relay 1

Every board gets the writes in turn, half a second apart, whatever its speed: an adapter that is set to another
speed may still hand it these bits, and a table for safety assumes that it does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from simulators.boards import modbus_makes
from simulators.boards.board import Board
from simulators.boards.dangerous import BitBang, Conrad, Denkovi16, IcStation, SainSmart16
from simulators.boards.devantech import Devantech
from simulators.boards.device import Device
from simulators.boards.first_boards import LcusDevice
from simulators.boards.gate_controller import GateController
from simulators.boards.kmtronic import Kmtronic
from simulators.boards.numato import Numato
from simulators.boards.turnstile_7e import Turnstile7E
from simulators.boards.turnstile_eb import TurnstileEB

PAUSE_S: Final = 0.5  # between two writes
WATCH_S: Final = 30.0  # after the last one: a board's own timer may switch later

BOARDS: Final[dict[str, Callable[[], Device]]] = {
    "lcus": LcusDevice,
    "waveshare-relay-8": modbus_makes.WaveshareRelay,
    "waveshare-io-8ch": modbus_makes.WaveshareIo,
    "eletechsup-r421a08": lambda: modbus_makes.EletechsupR421A08(unit=1),
    "generic-0100-4": modbus_makes.Generic0100,
    "lctech-2ch": modbus_makes.LcTech2,
    "kmtronic-modbus-8": modbus_makes.StandardCoils,
    "numato": Numato,
    "kmtronic": Kmtronic,
    "kmtronic-2": lambda: Kmtronic(relays=2),
    "devantech": Devantech,
    "devantech-latching": lambda: Devantech("rly16l"),
    "turnstile-7e": Turnstile7E,
    "turnstile-eb": TurnstileEB,
    "conrad": Conrad,
    "icstation-cold": IcStation,
    "icstation-armed": lambda: IcStation(armed=True),
    "ftdi-bit-bang": BitBang,
    "denkovi-16": Denkovi16,
    "sainsmart-16": SainSmart16,
}
"""Every board of the table, as it comes from the factory and with all relays open."""

HOPELESS: Final = frozenset({"icstation-armed", "ftdi-bit-bang"})
"""Boards that take every byte for the state of their relays: no probe at all is safe on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What some writes did to one board: relays that closed, relays that opened, settings that changed."""

    closed: frozenset[int] = frozenset()
    opened: frozenset[int] = frozenset()
    settings: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.closed or self.opened or self.settings)


def effects_of(writes: Sequence[bytes], *, relays_closed: bool = False) -> dict[str, Effect]:
    """What these writes, one after the other, do to each board of the table.

    Args:
        writes: What is written to the port, in order.
        relays_closed: Every relay is closed before, as at a gate that is locked by current.

    Returns:
        An effect for every board, which is false when nothing happened.
    """
    return {name: _effect(make(), writes, relays_closed=relays_closed) for name, make in BOARDS.items()}


def switched_by(writes: Sequence[bytes]) -> dict[str, frozenset[int]]:
    """The relays that these writes close, for every board of the table; empty sets are boards that stay shut."""
    return {name: effect.closed for name, effect in effects_of(writes).items()}


def released_by(writes: Sequence[bytes]) -> dict[str, frozenset[int]]:
    """The relays that these writes open on boards whose relays were all closed: gates locked by current open."""
    return {name: effect.opened for name, effect in effects_of(writes, relays_closed=True).items()}


def _effect(device: Device, writes: Sequence[bytes], *, relays_closed: bool) -> Effect:
    if relays_closed and isinstance(device, Board):
        device.relays.set_mask((1 << len(device.relays)) - 1, 0.0)
    elif relays_closed and isinstance(device, GateController):
        device.keep_open("left", 0.0)
    device.take_happenings()
    now_s = PAUSE_S
    for write in writes:
        device.receive(write, now_s)
        now_s += PAUSE_S
    device.tick(now_s + WATCH_S)
    happened = device.take_happenings()
    return Effect(
        closed=frozenset(each.channel for each in happened if each.what == "relay_on"),
        opened=frozenset(each.channel for each in happened if each.what == "relay_off"),
        settings=tuple(each.text for each in happened if each.what == "setting"),
    )
