"""Processes that grab pictures and go wrong; the file that they are told to play says how often they still do."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from edge.vision.capture_feeds import Grabbed, Picture
from edge.vision.capture_messages import Opened, Taken, pack_capture
from edge.vision.capture_process import serve
from edge.vision.capture_ring import Ring
from edge.vision.shared_memory import attach
from edge.vision.shot import Pixels
from passes.words import Pair
from shell.clock import SystemClock
from tests.eyes.pictures import card

EYE: Final = {"eye": "edge.vision.eye_process:main"}
BLOCKING: Final = EYE | {"capture": "tests.eyes.captures:blocking"}
DYING: Final = EYE | {"capture": "tests.eyes.captures:dying"}
STOPPED: Final = EYE | {"capture": "tests.eyes.captures:stopped"}
MUTE: Final = EYE | {"capture": "tests.eyes.captures:mute"}
OBEDIENT: Final = {"capture": "tests.eyes.captures:obedient"}
LYING: Final = EYE | {"capture": "tests.eyes.captures:lying"}
GOOD_FRAMES: Final = 5


class Moving:
    """Frames of a live camera that shows one code, 25 a second, and has a fault after a while.

    Args:
        fault: Called after the good frames; None for a camera without one.
    """

    def __init__(self, fault: Callable[[], object] | None) -> None:
        self.refused: tuple[Pair, ...] = ()
        self._fault = fault

    def pictures(self) -> Iterator[Grabbed]:
        clock, pause, number = SystemClock(), threading.Event(), 0
        while True:
            if self._fault is not None and number == GOOD_FRAMES:
                self._fault()
            number += 1
            shade = number % 20
            yield Grabbed(clock.monotonic_s(), lambda: (_frame(shade), Pixels.GREY))  # noqa: B023  # used at once
            pause.wait(0.04)


def _frame(shade: int) -> Picture:
    return np.asarray(np.clip(card("PASS").astype(np.int16) - shade, 0, 255), np.uint8)


def blocking(fds: list[int], options: Mapping[str, Any]) -> None:
    """Blocks in the middle of a read."""
    _serve(fds, options, threading.Event().wait)


def dying(fds: list[int], options: Mapping[str, Any]) -> None:
    """Crashes."""
    _serve(fds, options, lambda: os.kill(os.getpid(), signal.SIGSEGV))


def stopped(fds: list[int], options: Mapping[str, Any]) -> None:
    """Does not run on, nor end when it is asked to."""
    _serve(fds, options, lambda: os.kill(os.getpid(), signal.SIGSTOP))


def mute(fds: list[int], _options: Mapping[str, Any]) -> None:
    """Never opens."""
    socket.socket(fileno=fds[0]).recv(1)


def obedient(fds: list[int], options: Mapping[str, Any]) -> None:
    """Says what it was told as what it did not take, and shows a code."""
    link = socket.socket(fileno=fds[0])
    feed = Moving(None)
    told = f"exposure_ms = {options['exposure_ms']}, focus = {options['focus']}"
    feed.refused = (Pair("收到", told),)
    serve(link, Ring(memoryview(attach(fds[1], writable=True))), feed)


def lying(fds: list[int], _options: Mapping[str, Any]) -> None:
    """Says that its second picture is of the future."""
    link = socket.socket(fileno=fds[0])
    link.send(pack_capture(Opened((Pair("对焦不行", "focus = 3: no"),))))
    times_s = [SystemClock().monotonic_s(), 1e12]
    while link.recv(100):
        picture = Taken(slot=0, pixels=Pixels.GREY, length=10_000, width=100, height=100, at_s=times_s.pop(0))
        link.send(pack_capture(picture))


def _serve(fds: list[int], options: Mapping[str, Any], fault: Callable[[], object]) -> None:
    link = socket.socket(fileno=fds[0])
    ring = Ring(memoryview(attach(fds[1], writable=True)))
    counter = Path(str(options["path"]))
    left = int(counter.read_text(encoding="ascii"))
    counter.write_text(str(max(0, left - 1)), encoding="ascii")
    serve(link, ring, Moving(fault if left else None))
