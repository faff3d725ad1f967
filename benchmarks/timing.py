"""Two pieces of work timed against each other, in turns, so that a busy machine slows both alike."""

import time
from collections.abc import Callable
from statistics import median


def in_turns(
    ours: Callable[[], object], baseline: Callable[[], object], *, seconds: float, wall: bool = False
) -> tuple[float, float]:
    """Median time of one call of each, in microseconds.

    Args:
        ours: The work to measure.
        baseline: The work to compare it with.
        seconds: How long to go on, in all.
        wall: Wall time, for work that waits (a disk); otherwise the CPU time of this process.
    """
    clock_ns = time.perf_counter_ns if wall else time.process_time_ns
    for work in (ours, baseline):
        work()  # first calls fill caches
    ours_ns: list[int] = []
    baseline_ns: list[int] = []
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s or len(ours_ns) < 3:
        for work, times_ns in ((ours, ours_ns), (baseline, baseline_ns)):
            began_ns = clock_ns()
            work()
            times_ns.append(clock_ns() - began_ns)
    return median(ours_ns) / 1000, median(baseline_ns) / 1000
