"""Where a broker is: ``mqtts://host:port``, or ``mqtt://`` on this machine, one rule for whoever reads it.

Plain MQTT names nobody and hides nothing, so it is for this machine's own loopback alone; there is no way to have it
anywhere else.

BrokerUrlError (a ValueError)   this is no address of a broker, or one that must not be used
"""

import ipaddress
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from shell.masking import masked_value

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


class BrokerUrlError(ValueError):
    """A broker address that cannot be used; the message tells no password."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(
            f"Broker address {masked_value(url)!r}: {problem}. "
            "Write it as mqtts://host:port, or mqtt://127.0.0.1:port for a broker on this machine"
        )
        self.url = url


class BrokerAddress(NamedTuple):
    """Where to connect, and whether by TLS."""

    host: str
    port: int
    tls: bool


def parse_broker_url(url: str) -> BrokerAddress:
    """The parts of ``mqtts://host[:port]``; raises ``BrokerUrlError`` for anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:  # whose words would repeat what may be a password
        raise BrokerUrlError(url, "host or port cannot be read") from None
    if parts.scheme not in PORTS:
        raise BrokerUrlError(url, f"the scheme {parts.scheme!r} is not known")
    if not parts.hostname:
        raise BrokerUrlError(url, "the host is missing")
    if parts.username is not None or parts.password is not None:
        raise BrokerUrlError(url, "no user and no password can be given")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise BrokerUrlError(url, "only a host and a port can be given")
    if parts.scheme == "mqtt" and not is_loopback(parts.hostname):
        raise BrokerUrlError(
            url, "without TLS a broker is used on this machine alone, because anybody on the way could speak"
        )
    return BrokerAddress(parts.hostname, port, parts.scheme == "mqtts")


def is_loopback(host: str) -> bool:
    """Whether an address can only be reached from this machine; names other than ``localhost`` cannot be known."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
