"""The ring of slots between the thread that grabs pictures and the daemon that has them looked at.

One slot is held by the daemon, one has the newest picture, and one is being written: no picture is ever torn,
and none waits behind another.
"""

import threading

import numpy as np
import numpy.typing as npt

from edge.vision.capture_messages import SLOT_BYTES, SLOTS, Ended, Failed, Taken
from edge.vision.shot import Pixels


class Ring:
    """The writer's side.

    Args:
        memory: Of ``SLOTS`` slots.
    """

    def __init__(self, memory: memoryview) -> None:
        self._slots = [memory[at * SLOT_BYTES : (at + 1) * SLOT_BYTES] for at in range(SLOTS)]
        self._changed = threading.Condition()
        self._newest: Taken | None = None
        self._held: int | None = None
        self._end: Ended | Failed | None = None
        self._wanted_s = 0.0

    def wants(self, at_s: float) -> bool:
        """Whether a picture that arrived then may be asked for; any other need not be put."""
        return at_s >= self._wanted_s

    def put(self, picture: npt.NDArray[np.uint8], pixels: Pixels, at_s: float) -> None:
        """Make this the newest: (height, width) grey, (height, width, 3) BGR, or the bytes of a JPEG in a row."""
        with self._changed:
            newest = None if self._newest is None else self._newest.slot
            slot = next(one for one in range(SLOTS) if one not in {self._held, newest})
        flat = picture.reshape(-1)
        np.frombuffer(self._slots[slot], np.uint8, flat.size)[:] = flat
        height, width = (0, 0) if pixels is Pixels.JPEG else picture.shape[:2]
        with self._changed:
            self._newest = Taken(
                slot=slot, pixels=pixels, length=flat.size, width=width, height=height, at_s=at_s
            )
            self._changed.notify()

    def end(self, how: Ended | Failed) -> None:
        """There will be no more."""
        with self._changed:
            self._end = how
            self._changed.notify()

    def take(self, not_before_s: float) -> Taken | Ended | Failed:
        """Give the held slot back; wait for the newest picture that arrived then or later, and hold it."""
        with self._changed:
            self._held, self._wanted_s = None, not_before_s
            while True:
                newest = self._newest
                if newest is not None and newest.at_s >= not_before_s:
                    self._newest, self._held = None, newest.slot
                    return newest
                if self._end is not None:
                    return self._end
                self._changed.wait()
