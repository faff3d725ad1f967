"""Where a broker is: ``mqtt://host:port`` and nothing else, one rule for whoever reads it.

BrokerUrlError (a ValueError)   this is no address of a broker
"""

from urllib.parse import urlsplit

from shell.masking import masked_value


class BrokerUrlError(ValueError):
    """A broker address that cannot be used; the message tells no password."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(f"Broker address {masked_value(url)!r}: {problem}. Write it as mqtt://host:port")
        self.url = url


def parse_broker_url(url: str) -> tuple[str, int]:
    """Host and port of ``mqtt://host[:port]``; raises ``BrokerUrlError`` for anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port or 1883
    except ValueError:  # whose words would repeat what may be a password
        raise BrokerUrlError(url, "host or port cannot be read") from None
    if parts.scheme != "mqtt":
        raise BrokerUrlError(url, f"the scheme {parts.scheme!r} is not known")
    if not parts.hostname:
        raise BrokerUrlError(url, "the host is missing")
    if parts.username is not None or parts.password is not None:
        raise BrokerUrlError(url, "no user and no password can be given")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise BrokerUrlError(url, "only a host and a port can be given")
    return parts.hostname, port
