"""Modbus boards on a network: the profiles of ``drivers.devices.modbus_relay`` in TCP frames.

Nobody on such a network has to say who he is: whoever reaches the board can open its relays (NET11). So a board is
only ever used at the address that was configured; there is no looking for boards, and no name service.
"""

from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from drivers.devices.modbus_frames import Tcp
from drivers.devices.modbus_profile import load_profile
from drivers.devices.modbus_relay import driver_of
from drivers.devices.modbus_tcp_port import TcpPort
from drivers.model import Driver

PROTOCOL: Final = "modbus-tcp"
TCP_PORT: Final = 502


class NetworkAddressError(ValueError):
    """This is no address of a board; ``address`` is what was given."""

    def __init__(self, address: str, why: str) -> None:
        super().__init__(
            f"{address!r} is no address of a network board: {why}. Write it as tcp://192.0.2.10:502"
        )
        self.address = address


def modbus_tcp(profile: str | Path, *, unit: int | None = None) -> Driver:
    """A driver for one board, or one unit behind a gateway.

    Args:
        profile: Name of a profile, or path of a site's own.
        unit: The board's address; None for the one it is delivered with.

    Raises:
        ProfileError: There is no such profile, or it cannot be used.
    """
    return driver_of(load_profile(profile), unit=unit, envelope=Tcp(), protocol=PROTOCOL)


def tcp_port(address: str) -> TcpPort:
    """A closed port for ``tcp://HOST[:PORT]``; the host is a number, so that nobody can answer for a name.

    Raises:
        NetworkAddressError: It is something else.
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise NetworkAddressError(address, str(error)) from error
    if parts.scheme != "tcp" or parts.hostname is None or parts.path or parts.query or parts.username:
        raise NetworkAddressError(address, "it needs the form tcp://HOST:PORT")
    try:
        host = ip_address(parts.hostname)
    except ValueError as error:
        raise NetworkAddressError(
            address, f"{parts.hostname} is a name, and only numbers are accepted"
        ) from error
    if host.is_multicast or host.is_unspecified or str(host) == "255.255.255.255":
        raise NetworkAddressError(address, f"{host} is not the address of one board")
    return TcpPort(str(host), TCP_PORT if port is None else port)
