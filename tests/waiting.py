"""Waiting for a condition with a deadline, without fixed sleeps."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LOOK_EVERY_S = 0.02


def until(look: Callable[[], T | None], *, within_s: float = 10.0, what: str = "the condition") -> T:
    """Call ``look`` until it returns something truthy; fail, naming ``what``, when it does not in time."""
    pause = threading.Event()
    deadline_s = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline_s:
            raise AssertionError(f"{what} did not come true within {within_s:g} s (last value: {found!r})")
        pause.wait(LOOK_EVERY_S)
