"""Tells a settled, empty scene from one in which something is: so that nobody's gate burns a core all night.

Pure: small pictures and times go in. A scene that was searched for a minute without a move and without anything like
a code is settled; from then on it is compared by some two thousand pixels. Whoever comes is seen at the next frame. Who
comes and then stands still is not taken for the scene: that takes a quarter of an hour without a move, as a parked car
does it.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from edge.vision.filters import Picture

SAMPLES_ACROSS: Final = 64  # of the longest side: a code that can be read covers dozens of them
SETTLES_S: Final = 60.0
RESETTLES_S: Final = 900.0  # once there is a settled scene, another one
NOISE_MIN: Final = 6.0  # of 255: a change below is never one
NOISE_TIMES: Final = 5.0
CHANGED_SHARE: Final = 0.004  # of the samples: about nine of them at 16 to 9
LEARNS: Final = 0.2  # how fast the light of a scene is followed
LEARNS_EACH: Final = 4  # frames
MEDIAN_EACH: Final = 5  # samples

Samples = npt.NDArray[np.float32]


class _Scene:
    """Samples of a scene that stands still, and how much each of them flickers."""

    def __init__(self, now: Samples, at_s: float) -> None:
        self.since_s = at_s
        self._mean, self._noise = now.copy(), np.full_like(now, NOISE_MIN / NOISE_TIMES)
        self._limit = np.full_like(now, NOISE_MIN)
        self._frames = 0

    def shows(self, now: Samples) -> bool:
        """Whether a frame is this scene; if so, its light is followed."""
        if now.shape != self._mean.shape:
            return False
        change = now - self._mean
        everywhere = np.median(change[::MEDIAN_EACH])  # a cloud before the sun, the camera's own exposure
        size = np.abs(change - everywhere)
        if np.count_nonzero(size > self._limit) > max(2, int(CHANGED_SHARE * now.size)):
            return False
        self._frames += 1
        if self._frames % LEARNS_EACH == 0:
            self._mean += LEARNS * change
            self._noise += LEARNS * (size - self._noise)
            self._limit = np.maximum(NOISE_MIN, NOISE_TIMES * self._noise)
        return True


class Background:
    """The scene behind the people, of one camera.

    Call ``quiet`` with each frame, then ``searched`` with what a whole search of it found.
    """

    def __init__(self) -> None:
        self._settled: _Scene | None = None
        self._next: _Scene | None = None  # still since a while, and not yet long enough

    def quiet(self, grey: Picture, at_s: float) -> bool:
        """Take the next frame, shrunk by averages so that it does not flicker, and its time (monotonic seconds).

        Returns:
            Whether it is the settled empty scene and nothing else.
        """
        now = sampled(grey)
        if self._settled is not None and self._settled.shows(now):
            self._next = None
            return True
        if self._next is None or not self._next.shows(now):
            self._next = _Scene(now, at_s)
        return False

    def searched(self, at_s: float, *, empty: bool) -> None:
        """A whole search of the newest frame is over: ``empty`` when no code was read and none located."""
        if not empty:
            self._next = None
            return
        if self._next is not None:
            still_s = at_s - self._next.since_s
            if still_s >= (SETTLES_S if self._settled is None else RESETTLES_S):
                self._settled, self._next = self._next, None

    def forget(self) -> None:
        """Something like a code was found in the settled scene itself: it is not empty."""
        self._settled = self._next = None


def sampled(grey: Picture) -> Samples:
    """Some two thousand pixels of a picture, evenly, in one row."""
    step = max(1, max(grey.shape) // SAMPLES_ACROSS)
    return grey[step // 2 :: step, step // 2 :: step].astype(np.float32).ravel()
