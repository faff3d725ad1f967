"""Tells systemd how this program is: a datagram to the socket that it names, and nothing without one (sd_notify(3)).

With ``WatchdogSec`` in the unit, systemd replaces a program that falls silent. Say that it is alive from the loop that
does the work: a thread of its own would go on saying it for a loop that hangs. Whoever says it for that loop does so
for a bounded time, and because ending the program would stop work of its own (``edge.exits_meanwhile``).
"""

import os
import socket
from collections.abc import Callable
from typing import Final

ALIVE_EVERY_S: Final = 1.0
STARTING_EVERY_S: Final = 5.0
STARTING_FOR_S: Final = 30  # longer than a busy machine is silent


class Systemd:
    """The way to systemd; nothing here ever raises, and whoever does not listen is no trouble of the program.

    Args:
        monotonic_s: The monotonic clock.
        address: Path of the socket, or ``@NAME`` for an abstract one; None for what the environment names.
    """

    def __init__(self, monotonic_s: Callable[[], float], address: str | None = None) -> None:
        self._monotonic_s = monotonic_s
        named = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._address = "\0" + named[1:] if named.startswith("@") else named
        self._next_s = self._next_starting_s = float("-inf")
        self._status = ""

    def starting(self) -> None:
        """It starts, and wants half a minute more from now, whatever the unit allows; said now and then."""
        now_s = self._monotonic_s()
        if now_s >= self._next_starting_s:
            self._next_starting_s = now_s + STARTING_EVERY_S
            self._say(f"EXTEND_TIMEOUT_USEC={STARTING_FOR_S * 1_000_000}")

    def ready(self, status: str) -> None:
        """It serves from now on, and how it is in words."""
        self._status = status
        self._say(f"READY=1\nSTATUS={_line(status)}")

    def status(self, status: str) -> None:
        """How it is in words, for ``systemctl status``; the same words again are not sent."""
        if status != self._status:
            self._status = status
            self._say(f"STATUS={_line(status)}")

    def alive(self) -> None:
        """The loop has come round; said at most once a second."""
        now_s = self._monotonic_s()
        if now_s >= self._next_s:
            self._next_s = now_s + ALIVE_EVERY_S
            self._say("WATCHDOG=1")

    def stopping(self) -> None:
        """It was told to stop, and closes what it has open."""
        self._say("STOPPING=1")

    def _say(self, words: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as to:
                to.sendto(words.encode(), self._address)
        except OSError:
            return


def _line(words: str) -> str:
    return " ".join(words.split())
