"""Which protocols there are, and how a configured board becomes a driver and a bus."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from drivers.bus import Bus, OnEvent
from drivers.lcus import LcusDriver
from drivers.modbus_inputs import ModbusInputsDriver
from drivers.model import Driver
from drivers.port import SerialPort

# Each factory takes the unit address from configuration; boards without addresses ignore it.
DRIVERS: Final[dict[str, Callable[[int], Driver]]] = {
    "lcus": lambda _unit: LcusDriver(),
    "modbus-inputs": lambda unit: ModbusInputsDriver(unit=unit),
}


class UnknownProtocolError(LookupError):
    """No driver speaks this protocol; ``protocol`` is what was asked for."""

    def __init__(self, protocol: str) -> None:
        super().__init__(f"Protocol {protocol!r} is unknown. Use one of: {', '.join(sorted(DRIVERS))}")
        self.protocol = protocol


def make_driver(protocol: str, *, unit: int = 1) -> Driver:
    """A new driver for one board.

    Raises:
        UnknownProtocolError: The protocol is not in ``DRIVERS``.
    """
    factory = DRIVERS.get(protocol)
    if factory is None:
        raise UnknownProtocolError(protocol)
    return factory(unit)


def make_bus(*, name: str, protocol: str, path: str | Path, on_event: OnEvent, unit: int = 1) -> Bus:
    """A bus, not started, for one configured board.

    Args:
        name: The board's name in configuration.
        protocol: A key of ``DRIVERS``.
        path: The serial device; it may be missing now.
        on_event: Gets (board name, event) in the bus thread.
        unit: Address on a shared line (Modbus).

    Raises:
        UnknownProtocolError: The protocol is not in ``DRIVERS``.
    """
    driver = make_driver(protocol, unit=unit)
    return Bus(name, SerialPort(path, driver.info.line), driver, on_event)
