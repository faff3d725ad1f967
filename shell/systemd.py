"""Tells systemd that this program is alive: a datagram to the socket that it names, and nothing without one.

With ``WatchdogSec`` in the unit, systemd replaces a program that falls silent (sd_notify(3)). Say it from the loop that
does the work, and from nowhere else: a thread of its own would go on saying it for a loop that hangs.
"""

import os
import socket
from collections.abc import Callable
from typing import Final

ALIVE_EVERY_S: Final = 1.0


class Watchdog:
    """Says ``WATCHDOG=1``, at most once a second.

    Args:
        monotonic_s: The monotonic clock.
        address: Path of the socket, or ``@NAME`` for an abstract one; None for what the environment names.
    """

    def __init__(self, monotonic_s: Callable[[], float], address: str | None = None) -> None:
        self._monotonic_s = monotonic_s
        named = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._address = "\0" + named[1:] if named.startswith("@") else named
        self._next_s = float("-inf")

    def alive(self) -> None:
        """The loop has come round; never raises: whoever does not listen is no trouble of the loop."""
        now_s = self._monotonic_s()
        if not self._address or now_s < self._next_s:
            return
        self._next_s = now_s + ALIVE_EVERY_S
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as to:
                to.sendto(b"WATCHDOG=1", self._address)
        except OSError:
            return
