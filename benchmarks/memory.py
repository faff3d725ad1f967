"""What a gate keeps in memory of passes and people that it never met: status list, RED people, rules.

The structures are those of the format's site bundle: two bits for each index of the status list, RED as a set of
eight-byte keys with since and reason, and "made before" rules. They are built here from plain Python values.
"""

import random
import tracemalloc
from collections.abc import Callable
from typing import Final

from benchmarks.result import Options, Outcome, Result

PASSES: Final = 20_000
RED_PEOPLE: Final = 500
INDEXES: Final = 65_536  # indexes are handed out at random, so the list is as long as they can get
LIMIT_KB: Final = 1000.0


def run(_: Options) -> list[Outcome]:
    """Count the bytes that Python allocates for them."""
    everything_kb, kept = _allocated_kb(_knowledge)
    status, red, before = kept
    assert (len(status), len(red), len(before)) == (INDEXES // 4, 3 * RED_PEOPLE, 100)
    used = sum(status[index // 4] >> index % 4 * 2 & 3 != 0 for index in range(INDEXES))
    assert used == PASSES
    return [
        Result(
            name=f"{PASSES:,} passes withdrawn or suspended, {RED_PEOPLE} RED people with phone and car",
            value=everything_kb,
            unit="kB",
            baseline="the most that is promised",
            baseline_value=LIMIT_KB,
            ratio_max=1.0,
        )
    ]


Knowledge = tuple[bytes, dict[bytes, tuple[int, int]], dict[bytes, int]]


def _knowledge() -> Knowledge:
    """A status list with every pass of the site marked, and RED and "made before" entries of random keys."""
    chance = random.Random(20_000)
    bits = bytearray(INDEXES // 4)
    for index in chance.sample(range(INDEXES), PASSES):
        bits[index // 4] |= chance.randrange(1, 4) << index % 4 * 2
    # A person, the phone and the car: three keys each.
    red = {
        chance.randbytes(8): (1_795_339_800 + number, chance.randrange(4)) for number in range(3 * RED_PEOPLE)
    }
    before = {chance.randbytes(8): 1_795_339_800 + number for number in range(100)}
    return bytes(bits), red, before


def _allocated_kb(build: Callable[[], Knowledge]) -> tuple[float, Knowledge]:
    tracemalloc.start()
    try:
        kept = build()
        return tracemalloc.get_traced_memory()[0] / 1000, kept
    finally:
        tracemalloc.stop()
