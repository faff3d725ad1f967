"""What a gate keeps in memory of passes and people that it never met: status list, RED people, rules, keys.

It is the site bundle as a gate reads it, verified and opened by the gate's own code.
"""

import random
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.result import Options, Outcome, Result
from edge.bundles import Holding, installed, judge
from passes.bundle import STATUS_PLACES, Before, Bundle, Red, RedCause, pack_statuses, seal_bundle
from passes.gp1 import Algorithm
from passes.keys import KeyEntry, KeySetFile, ed25519_public, key_id
from passes.vocabulary import ClockTrust, PassStatus

PASSES: Final = 20_000
RED_PEOPLE: Final = 500
RULES: Final = 100
LIMIT_KB: Final = 1000.0
NOW: Final = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
NOW_UNIX: Final = int(NOW.timestamp())
STATUS: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
WITHDRAWN: Final = (PassStatus.INVALID, PassStatus.SUSPENDED, PassStatus.USED_UP)
SITE: Final = 7


def run(_: Options) -> list[Outcome]:
    """Count the bytes that Python allocates: for what stays, and at most while a newer bundle takes its place."""
    anchor = _key_set()
    older, newer = _file(1), _file(2)
    tracemalloc.start()
    try:
        held = _taken(installed(anchor), older, anchor)
        kept_kb = tracemalloc.get_traced_memory()[0] / 1000
        tracemalloc.reset_peak()
        held = _taken(held, newer, anchor)
        most_kb = tracemalloc.get_traced_memory()[1] / 1000
    finally:
        tracemalloc.stop()
    assert held.bundle is not None
    assert sum(held.bundle.count(status) for status in WITHDRAWN) == PASSES
    assert (len(held.bundle.red), len(held.bundle.before)) == (3 * RED_PEOPLE, RULES)
    what = f"{PASSES:,} passes withdrawn or suspended, {RED_PEOPLE} RED people with phone and car"
    return [
        _result(what, kept_kb),
        _result("... at most, while the next bundle takes their place", most_kb),
        Result(
            name="... on the wire",
            value=len(newer) / 1000,
            unit="kB",
            baseline="the same as ids of eight bytes",
            baseline_value=(PASSES + 3 * RED_PEOPLE + RULES) * 8 / 1000,
        ),
    ]


def _result(name: str, value_kb: float) -> Result:
    return Result(
        name=name,
        value=value_kb,
        unit="kB",
        baseline="the most that is promised",
        baseline_value=LIMIT_KB,
        ratio_max=1.0,
    )


def _key_set() -> KeySetFile:
    public = ed25519_public(STATUS)
    entry = KeyEntry(
        kid=key_id(public).hex(),
        alg="ed25519",
        public=public.hex(),
        use="status",
        categories=[],
        not_before=NOW - timedelta(days=1),
        not_after=NOW + timedelta(days=1),
    )
    return KeySetFile(site=SITE, seq=1, keys=[entry])


def _file(seq: int) -> bytes:
    """A bundle with as many places marked as the site has passes, and RED and "made before" entries of random keys."""
    chance = random.Random(seq)
    places = {index: chance.choice(WITHDRAWN) for index in chance.sample(range(STATUS_PLACES), PASSES)}
    # A person, the phone and the car: three keys each.
    red = (Red(chance.randbytes(8), NOW_UNIX - number, RedCause.OVERSTAY) for number in range(3 * RED_PEOPLE))
    before = (Before(chance.randbytes(8), NOW_UNIX - number) for number in range(RULES))
    bundle = Bundle(
        site=SITE,
        seq=seq,
        issued_at=NOW_UNIX,
        ttl_s=60,
        expires_at=NOW_UNIX + 24 * 3600,
        keyset_seq=1,
        statuses=pack_statuses(places),
        red=tuple(sorted(red)),
        before=tuple(sorted(before)),
    )
    kid = key_id(ed25519_public(STATUS))
    return seal_bundle(bundle, algorithm=Algorithm.ED25519, kid=kid, sign=STATUS.sign)


def _taken(holding: Holding, data: bytes, anchor: KeySetFile) -> Holding:
    answer = judge(holding, data, anchor=anchor, now=NOW, trust=ClockTrust.TRUSTED)
    assert isinstance(answer, Holding), answer
    return answer
