"""Ctrl-C and what is like it: a termination, a hang-up, Ctrl-\\ all end a command with open relays; Ctrl-Z waits.

It imports nothing heavy: it is what the program stands on while everything else is still being imported.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

EXIT_CODE: Final = 130  # as shells have it for Ctrl-C
ENDING_S: Final = 5.0  # so long after the first one nobody is interrupted again: relays are being opened
_ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_SUSPENDS: Final = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)


def quit_at_once() -> None:
    """End the process with exit code 130 and no words: for a time in which nothing is open yet."""
    for number in _heeded():
        signal.signal(number, _quit)


def raise_interrupts() -> None:
    """Every signal that ends a command is a ``KeyboardInterrupt`` from now on, and a second one does not hurry it."""
    interrupts = _Interrupts()
    for number in _heeded():
        signal.signal(number, interrupts)


def stops() -> threading.Event:
    """An event that they all set from now on, as often as they come."""
    stop = threading.Event()
    came: list[int] = []

    def heard(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # the shape of handlers
        if (
            not came
        ):  # setting it takes a lock: a second signal in the midst of that would wait for the first for ever
            came.append(number)
            stop.set()

    for number in {*_heeded(), signal.SIGINT, signal.SIGTERM}:
        signal.signal(number, heard)
    return stop


def ignore_interrupts() -> None:
    """Nothing interrupts what is left: the exit code is known, and the interpreter only ends its threads."""
    for number in _ENDS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def unsuspended() -> Iterator[None]:
    """Ctrl-Z does nothing meanwhile: a program that sleeps opens no relay when its time is over."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _SUSPENDS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Interrupts:
    """Raises at the first one, and not again while that ends the command."""

    def __init__(self) -> None:
        self._ends_by_s: float | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  # the shape of handlers
        now_s = time.monotonic()
        if self._ends_by_s is not None and now_s < self._ends_by_s:
            return
        self._ends_by_s = now_s + ENDING_S
        raise KeyboardInterrupt


def _heeded() -> list[signal.Signals]:
    """Those that whoever started this program does not want ignored, as ``nohup`` does with a hang-up."""
    return [number for number in _ENDS if signal.getsignal(number) is not signal.SIG_IGN]


def _quit(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001  # the shape of handlers
    os._exit(EXIT_CODE)
