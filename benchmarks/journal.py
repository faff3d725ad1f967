"""What a durable decision costs at the gate, next to a bare durable row on the same disk."""

import tempfile
from functools import partial
from pathlib import Path

import apsw

from benchmarks.result import Options, Outcome, Result
from benchmarks.timing import in_turns
from edge.journal import Journal
from passes.vocabulary import Direction
from shell.clock import SystemClock
from sync.messages import DecisionData, Kind
from sync.messages import Outcome as Answer

DECISION = DecisionData(
    pass_id="00112233aabbccdd",
    person="8899aabbccddeeff",
    category="courier",
    unit=12,
    purpose=1,
    outcome=Answer.GRANT,
    lane="entry",
    direction=Direction.ENTRY,
    stay_id="0123456789abcdef",
)
ROW = "x" * 300


def run(options: Options) -> list[Outcome]:
    """Time one recorded decision against one bare commit, both WAL with synchronous=FULL, in wall time."""
    # In the tree, not in /tmp: on a memory file system every commit would be free.
    build = Path("build")
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as name:
        bare = apsw.Connection(str(Path(name) / "bare.db"))
        bare.execute("pragma journal_mode = wal")
        bare.execute("pragma synchronous = full")
        bare.execute("create table row (seq integer primary key, body text not null)")
        journal = Journal(Path(name) / "gate", SystemClock())
        try:
            ours_us, baseline_us = in_turns(
                partial(journal.append, Kind.DECISION, DECISION),
                partial(bare.execute, "insert into row (body) values (?)", (ROW,)),
                seconds=options.seconds,
                wall=True,
            )
        finally:
            journal.close()
            bare.close()
    return [
        Result(
            name="durable record of a decision",
            value=ours_us,
            unit="us",
            baseline="one bare SQLite commit, WAL, FULL",
            baseline_value=baseline_us,
        )
    ]
