"""TLS towards a broker: one CA that is ours, a certificate of our own, the server's name checked, nothing below 1.2.

The system's list of authorities has no part in it: whoever can get a certificate for a name from one of those is not
thereby our broker. The files are read anew for every connection, so that a renewed certificate needs no restart.
"""

import contextlib
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from shell.file_reading import read_at_most
from shell.files import write_whole

SOON: Final = timedelta(days=30)
ADDRESS_BYTES_MAX: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """The authority that signs all parties, and who we are; all in PEM form.

    ``address`` is where the address that last proved to be the broker's is kept, for a start without name service.
    """

    ca: Path
    certificate: Path
    key: Path
    address: Path | None = None


class PinnedContext(ssl.SSLContext):
    """A context for one connection: checks one server name, whatever address was dialled, and knows its socket.

    paho forgets the socket of a handshake that failed; ``close`` does not leave it to the garbage collector.
    """

    server_name: str = ""
    wrapped: ssl.SSLSocket | None = None

    def wrap_socket(  # noqa: PLR0917  # the signature is Python's
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        """A TLS socket whose peer must be ``server_name``; ``server_hostname`` is only what was dialled."""
        assert server_hostname and self.server_name
        self.wrapped = super().wrap_socket(
            sock,
            server_side=server_side,
            do_handshake_on_connect=do_handshake_on_connect,
            suppress_ragged_eofs=suppress_ragged_eofs,
            server_hostname=self.server_name,
            session=session,
        )
        return self.wrapped

    def close(self) -> None:
        """Close the connection's socket, if there is one."""
        if self.wrapped is not None:
            self.wrapped.close()
            self.wrapped = None


def proven_address(files: TlsFiles) -> str | None:
    """The address that was kept, None where there is none."""
    if files.address is None:
        return None
    try:
        return str(ip_address(read_at_most(files.address, ADDRESS_BYTES_MAX).decode("ascii").strip()))
    except (OSError, ValueError):
        return None


def keep_address(files: TlsFiles, address: str) -> None:
    """Keep an address that proved to be the broker's; one that cannot be written is proved again next time."""
    if files.address is not None and proven_address(files) != address:
        with contextlib.suppress(OSError):
            write_whole(files.address, f"{address}\n".encode())


def ends_soon(sock: ssl.SSLSocket, now: datetime) -> datetime | None:
    """When the certificate of the other end ends, if that is soon."""
    held = sock.getpeercert()
    if not held:
        return None
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(held["notAfter"])), UTC)
    return ends if ends - now < SOON else None


def client_context(files: TlsFiles, server_name: str) -> PinnedContext:
    """A context for one connection.

    Raises:
        OSError: A file is missing or cannot be used; ``ssl.SSLError`` is one, too.
    """
    context = PinnedContext(ssl.PROTOCOL_TLS_CLIENT)  # which checks certificate and name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.server_name = server_name
    context.load_verify_locations(files.ca)
    context.load_cert_chain(files.certificate, files.key)
    return context
