"""What one rendered camera shows at a moment: the empty scene, or a code that is held up for so long.

Frames are JPEG. Those of the empty scene are drawn once and shown in random order; those of a code are drawn
as they are first asked for, at most a dozen, and then shown in random order too. No two frames in a row are
the same, as with a real sensor.
"""

import threading
from collections.abc import Callable
from typing import Final

import numpy as np

from simulators.cameras.look import Look
from simulators.cameras.pixels import Generator, Grain, Picture
from simulators.cameras.scene import compose, frame_of, grains, jpeg, noise_fields, noise_strength, tinted

POOL: Final = 12
IDLE_POOL: Final = 6
IDLE_NOISE: Final = 4.0


class Shots:
    """A still scene as an endless run of differing JPEG frames.

    Args:
        scene: The scene without noise.
        noise: Fields of sensor noise.
        rng: Where the variation comes from.
        pool: How many different frames are made at most.
    """

    def __init__(self, scene: Picture, noise: list[Grain], rng: Generator, *, pool: int) -> None:
        self._scene = scene
        self._noise = noise
        self._rng = rng
        self._pool = pool
        self._made: list[bytes] = []
        self._last = -1

    def next(self) -> bytes:
        """A frame that differs from the one before."""
        if len(self._made) < self._pool:
            self._made.append(jpeg(frame_of(self._scene, self._noise, self._rng)))
            self._last = len(self._made) - 1
        else:
            step = int(self._rng.integers(1, self._pool))
            self._last = (self._last + step) % self._pool
        return self._made[self._last]


class Stage:
    """One camera's view.

    Args:
        background: Its photograph.
        seed: All variation of this camera comes from it.
        monotonic_s: Time, for how long a code is held up.
    """

    def __init__(self, background: Picture, seed: int, monotonic_s: Callable[[], float]) -> None:
        self._rng = np.random.default_rng(seed)
        self._monotonic_s = monotonic_s
        self._background = tinted(background, self._rng)
        self._noise = noise_fields(self._rng)
        idle_rng = np.random.default_rng(self._rng.integers(2**63))
        self._idle = Shots(self._background, grains(self._noise, IDLE_NOISE), idle_rng, pool=IDLE_POOL)
        self._shown: Shots | None = None
        self._until_s = 0.0
        self._lock = threading.Lock()

    def show(self, text: str, look: Look, seconds: float) -> None:
        """Hold up a code from now on; it replaces what was held up."""
        with self._lock:
            rng = np.random.default_rng(self._rng.integers(2**63))
        noise = grains(self._noise, noise_strength(look))
        shots = Shots(compose(text, look, self._background, rng), noise, rng, pool=POOL)
        with self._lock:
            self._shown = shots
            self._until_s = self._monotonic_s() + seconds

    def clear(self) -> None:
        """Take down what is held up."""
        with self._lock:
            self._shown = None

    def next_jpeg(self) -> bytes:
        """The camera's next frame."""
        with self._lock:
            if self._shown is not None and self._monotonic_s() >= self._until_s:
                self._shown = None
            return (self._shown or self._idle).next()
