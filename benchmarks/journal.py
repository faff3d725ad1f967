"""What the gate's journal costs: a durable decision beside a bare durable row, room on the disk, and a long life."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from typing import Final
from zoneinfo import ZoneInfo

import apsw

from benchmarks.result import Options, Outcome, Result
from benchmarks.timing import in_turns
from edge.journal import Journal
from edge.standing import Shown, Standings
from passes.check import Verified
from passes.claims import Claims
from passes.decide import Grant, LaneFacts, Policy, decide
from passes.vocabulary import Category, ClockTrust, Direction, PassId, PersonId
from shell.clock import SystemClock
from sync.messages import DecisionData, Kind
from sync.messages import Outcome as Answer

DECISION: Final = DecisionData(
    pass_id="00112233aabbccdd",
    person="8899aabbccddeeff",
    category="courier",
    unit=12,
    purpose=1,
    outcome=Answer.GRANT,
    lane="entry",
    direction=Direction.ENTRY,
    stay_id="0123456789abcdef",
    shown_at=1_795_424_400,
)
ROW: Final = "x" * 300
UNSENT: Final = 200_000
UNSENT_MB: Final = 150.0
SHORT, LONG = 1000, 1_000_000
SITE: Final = 7


def run(options: Options) -> list[Outcome]:
    """Time in wall seconds, for a durable row waits for the disk; what fills a long journal does not wait for it."""
    # In the tree, not in /tmp: on a memory file system every commit would be free.
    build = Path("build")
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as name:
        folder = Path(name)
        with _journal(folder / "long") as long:
            return [
                *_beside_a_bare_row(folder, options.seconds),
                *_unsent(long),
                _at_a_long_one(long, folder, options.seconds),
            ]


def _beside_a_bare_row(folder: Path, seconds: float) -> Iterator[Outcome]:
    with _bare(folder / "bare.db") as bare, _journal(folder / "gate") as journal:
        insert = partial(bare.execute, "insert into row (body) values (?)", (ROW,))
        for what, work in (
            ("durable record of a decision", partial(journal.append, Kind.DECISION, DECISION)),
            ("a decision and its durable record", _visits(journal)),
        ):
            ours_us, baseline_us = in_turns(work, insert, seconds=seconds, wall=True)
            yield Result(
                name=what,
                value=ours_us,
                unit="us",
                baseline="one bare SQLite commit, WAL, FULL",
                baseline_value=baseline_us,
                ratio_max=1.5,
            )


def _unsent(journal: Journal) -> Iterator[Outcome]:
    """A gate without its centre: how large its journal becomes, and whether rows cost more towards its end."""
    each_us = _fill(journal, UNSENT)
    size = sum(path.stat().st_size for path in journal.path.parent.iterdir())
    tenth = UNSENT // 10
    yield Result(
        name=f"{UNSENT:,} events without a receipt",
        value=size / 1_000_000,
        unit="MB",
        baseline="the most that is promised",
        baseline_value=UNSENT_MB,
        ratio_max=1.0,
    )
    yield Result(
        name="... a row among the last tenth of them",
        value=median(each_us[-tenth:]),
        unit="us",
        baseline="a row among the first tenth",
        baseline_value=median(each_us[:tenth]),
        ratio_max=1.2,
    )


def _at_a_long_one(long: Journal, folder: Path, seconds: float) -> Outcome:
    """The same decision at a journal of a thousand rows and at one of a million."""
    with _journal(folder / "short") as short:
        _fill(short, SHORT)
        _fill(long, LONG - long.last_seq())
        ours_us, baseline_us = in_turns(_visits(long), _visits(short), seconds=seconds, wall=True)
    return Result(
        name=f"a decision at a journal of {LONG:,} rows",
        value=ours_us,
        unit="us",
        baseline=f"at one of {SHORT:,} rows",
        baseline_value=baseline_us,
        ratio_max=1.2,
    )


def _fill(journal: Journal, rows: int) -> list[float]:
    """Append rows without waiting for the disk; returns what each took, in microseconds."""
    took_us: list[float] = []
    clock = SystemClock()
    journal.read("pragma synchronous = off")
    for _ in range(rows):
        began_s = clock.monotonic_s()
        journal.append(Kind.DECISION, DECISION)
        took_us.append((clock.monotonic_s() - began_s) * 1e6)
    journal.read("pragma wal_checkpoint(truncate)")
    journal.read("pragma synchronous = full")
    return took_us


def _visits(journal: Journal) -> Callable[[], object]:
    """What the deciding thread does for a good pass: look its standing up, decide, record. A new visitor each time."""
    zone = ZoneInfo("Asia/Shanghai")
    standings = Standings(journal, zone)
    now = datetime.now(UTC)
    number = count(1)
    lane, policy = LaneFacts(site=SITE, gate=0, direction=Direction.ENTRY), Policy(zone=zone)

    def visit() -> None:
        claims = _claims(next(number), now)
        checked = Verified(claims, int(now.timestamp()))
        answer = decide(checked, standings.of(claims, now), lane, policy, now=now, trust=ClockTrust.TRUSTED)
        assert isinstance(answer, Grant), answer
        standings.record_entry_grant(answer, "entry", Shown(checked.shown_at))

    return visit


def _claims(number: int, now: datetime) -> Claims:
    return Claims(
        pass_id=PassId(f"{number:016x}"),
        person=PersonId(f"{number + (1 << 40):016x}"),
        site=SITE,
        category=Category.COURIER,
        unit=12,
        purpose=2,
        gates=1,
        directions=3,
        entries=0,
        stay=60,
        status=100,
        flags=0,
        not_before=int((now - timedelta(minutes=1)).timestamp()),
        expires_at=int((now + timedelta(hours=1)).timestamp()),
        issued_at=int((now - timedelta(minutes=1)).timestamp()),
        holder_key=bytes([2]) + number.to_bytes(32),
    )


@contextmanager
def _journal(folder: Path) -> Iterator[Journal]:
    journal = Journal(folder, SystemClock())
    try:
        yield journal
    finally:
        journal.close()


@contextmanager
def _bare(path: Path) -> Iterator[apsw.Connection]:
    bare = apsw.Connection(str(path))
    bare.execute("pragma journal_mode = wal")
    bare.execute("pragma synchronous = full")
    bare.execute("create table row (seq integer primary key, body text not null)")
    try:
        yield bare
    finally:
        bare.close()
