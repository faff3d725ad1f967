"""The demo: a site, a crowd, a time, and an account of what came of it."""

import time
from collections.abc import Callable
from random import Random
from threading import Event
from typing import Final

from simulators.crowd import Crowd, Line
from simulators.report import Report, count
from simulators.site import Site, SiteError

DRAIN_WITHIN_S: Final = 20.0
LOOK_EVERY_S: Final = 0.2
WATCH_EVERY_S: Final = 1.0


class Demo:
    """Plays the crowd on a running site.

    Args:
        site: A prepared site.
        seed: Seed of the crowd's story and looks. People are new in every run, since a RED person stays RED.
        tell: Gets each line of the story.
    """

    def __init__(self, site: Site, *, seed: int, tell: Callable[[Line], None]) -> None:
        self._site, self._seed = site, seed
        people = Random(f"{seed}:{time.time_ns()}")  # noqa: S311  # names and numbers of a simulation
        self._crowd = Crowd(site, site, rng=people, wall=time.time, tell=tell)
        self._played_s = 0.0

    def play(self, stop: Event, seconds: float | None) -> None:
        """Let the crowd come and go until ``stop`` is set or the time is over; raises ``SiteError``."""
        start_s = time.monotonic()
        watched_s = 0.0
        while not stop.is_set() and (seconds is None or self._played_s < seconds):
            now_s = time.monotonic() - start_s
            self._played_s = now_s
            if now_s >= watched_s:
                self._site.check_alive()
                watched_s = now_s + WATCH_EVERY_S
            again_s = min(self._crowd.play(now_s), watched_s)
            stop.wait(max(0.02, again_s - (time.monotonic() - start_s)))

    def settle(self, stop: Event) -> None:
        """Wait until the last walkers are through and the gate's outbox is empty."""
        calm = 0
        for _ in range(int(DRAIN_WITHIN_S / LOOK_EVERY_S)):
            status = self._site.gate_status()
            idle = status is not None and all(lane["state"] == "ready" for lane in status["lanes"])
            calm = calm + 1 if idle and status is not None and status["uplink"]["depth"] == 0 else 0
            if calm >= 3 or stop.wait(LOOK_EVERY_S):
                return
        raise SiteError(f"the gate's outbox was not empty {DRAIN_WITHIN_S:g} s after the crowd had gone")

    def account(self, sms: int) -> Report:
        """What the run came to; call it when the site is stopped."""
        return count(self._site.folder, seed=self._seed, seconds=self._played_s, sms=sms)
