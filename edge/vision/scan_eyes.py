"""Eyes for pictures that are looked at once: patient ones, and several side by side for folders.

Each has a child of its own; a picture that kills it costs that picture alone.
"""

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from edge.vision.eye import Eye
from edge.vision.nursery import START_WITHIN_S, Nursery, NurseryError
from edge.vision.shot import EyeError, Seen, Shot, Wanted
from shell.clock import Clock

WITHIN_S: Final = 10.0  # 40 million pixels, every pass, on a slow and busy machine
FILE_BYTES_MAX: Final = 64 * 1024 * 1024
SIDE_BY_SIDE_MAX: Final = 4
AHEAD: Final = 2  # files in work for each eye: the slowest one holds up the order of lines, not the others

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class PatientEye:
    """An eye that waits for its nursery, whose libraries take a second to load.

    Args:
        eye: What it looks with.
        clock: For the wait.
    """

    def __init__(self, eye: Eye, clock: Clock) -> None:
        self._eye, self._clock = eye, clock
        self._stop = threading.Event()

    def look(self, shot: Shot, wanted: Wanted) -> Seen:
        """Look at one shot.

        Raises:
            EyeError: The picture is none, or it ended or hung the process that looked at it.
        """
        until_s = self._clock.monotonic_s() + START_WITHIN_S
        while True:
            try:
                return self._eye.look(shot, wanted)
            except EyeError as error:
                waits = isinstance(error.__cause__, NurseryError) and not self._stop.is_set()
                if not waits or self._clock.monotonic_s() > until_s:
                    raise

    def close(self) -> None:
        """End its child; from any thread."""
        self._stop.set()
        self._eye.close()


def patient_eye(name: str, nursery: Nursery, clock: Clock, *, kind: str) -> PatientEye:
    """An eye for files and for what they hold; ``kind`` is one of ``scan_process.KINDS``."""
    eye = Eye(
        name,
        nursery,
        clock,
        kind=kind,
        within_s=WITHIN_S,
        cpu_within_s=WITHIN_S,
        picture_bytes=FILE_BYTES_MAX,
    )
    return PatientEye(eye, clock)


def side_by_side() -> int:
    """How many eyes are worth having here."""
    return min(SIDE_BY_SIDE_MAX, len(os.sched_getaffinity(0)))


def looked_at(
    items: Iterable[Item], eyes: list[PatientEye], look: Callable[[PatientEye, Item], Outcome]
) -> Iterator[Outcome]:
    """``look`` at each item with any of the eyes, several at a time; the outcomes come in the order of the items."""
    free: queue.SimpleQueue[PatientEye] = queue.SimpleQueue()
    for eye in eyes:
        free.put(eye)

    def one(item: Item) -> Outcome:
        eye = free.get()
        try:
            return look(eye, item)
        finally:
            free.put(eye)

    pool = ThreadPoolExecutor(len(eyes), thread_name_prefix="scan")
    under_way: deque[Future[Outcome]] = deque()
    try:
        for item in items:
            under_way.append(pool.submit(one, item))
            if len(under_way) >= AHEAD * len(eyes):
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:  # also when whoever asked has stopped asking
        if under_way:
            for eye in eyes:
                eye.close()
        pool.shutdown(cancel_futures=True)
