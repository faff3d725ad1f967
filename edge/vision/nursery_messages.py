"""What a daemon and its nursery say to each other: one JSON object a packet, with descriptors beside it."""

import json
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Final

PACKET_MAX: Final = 4096
FDS_MAX: Final = 8


class NurseryPacketError(ValueError):
    """A packet that is not one of ours."""


def send(link: socket.socket, message: Mapping[str, Any], fds: Sequence[int] = ()) -> None:
    """Send one packet.

    Raises:
        NurseryPacketError: It is too large, or has too many descriptors.
        OSError: The other end is gone, or took it not in the time that the socket gives.
    """
    data = json.dumps(message).encode()
    if len(data) > PACKET_MAX or len(fds) > FDS_MAX:
        raise NurseryPacketError(f"{len(data)} bytes with {len(fds)} descriptors in one packet")
    socket.send_fds(link, [data], list(fds))


def receive(link: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Wait for one packet: the object and its descriptors, which are now the caller's; None at the end.

    Raises:
        NurseryPacketError: It is no object, or was cut.
        OSError: The link broke, or nothing came in the time that the socket gives.
    """
    data, fds, flags, _ = socket.recv_fds(link, PACKET_MAX, FDS_MAX, socket.MSG_CMSG_CLOEXEC)
    if not data and not fds:
        return None
    try:
        message = json.loads(data) if not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) else None
    except ValueError:
        message = None
    if not isinstance(message, dict):
        close_all(fds)
        raise NurseryPacketError("a packet that is no whole object")
    return message, fds


def close_all(fds: Sequence[int]) -> None:
    """Close each descriptor."""
    for fd in fds:
        os.close(fd)
