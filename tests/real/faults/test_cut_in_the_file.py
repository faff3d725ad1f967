"""The power goes at each of the journal's own writes: every disk that may be left is built, and opened by the journal.

The disks come from a record of what SQLite wrote, so that none of the ways in which a cache may be lost needs luck.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random

import apsw
import pytest

from edge.journal import Journal, JournalError
from edge.journal.schema import STEPS
from sync.messages import Kind
from sync.outbox import AckResult
from tests.faults_tools.amounts import scaled, seen
from tests.faults_tools.crash_states import State, of_a_lying_card, put, states
from tests.faults_tools.lives import Examined, Life, Row, chain_faults, examine, read
from tests.faults_tools.recording import MARK, Op, Said, recorded
from tests.ticking import HandClock

pytestmark = pytest.mark.real
SEED = 20261122
Act = Callable[[Life], None]


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: what is built there was never on a disk anyway."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    folder = memory / f"postern-{os.getpid()}-{tmp_path.name}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def lived(folder: Path, *acts: Act) -> list[Op]:
    """The record of a journal's life from its first file on."""
    clock = HandClock()
    with recorded(folder) as trace:
        journal = Journal(folder, clock)
        life = Life(journal, clock, lambda said: trace.note(Said(said)))
        for act in acts:
            act(life)
        journal.close()
    return trace


def rows(count: int) -> Act:
    return lambda life: life.rows(count)


def judged(folder: Path, found: Iterable[State]) -> tuple[Counter[str], list[str]]:
    """Each state opened by the journal: how many were good or lost something, and what is wrong with the others."""
    kinds: Counter[str] = Counter()
    wrong: list[str] = []
    for number, state in enumerate(found):
        place = folder / f"state{number}"
        put(place, state)
        try:
            told = examine(place, [one.what for one in state.said], HandClock())
        except JournalError as error:
            told = Examined((), (f"does not open: {error}",))
        kinds["lost" if told.lost else "wrong" if told.wrong else "good"] += 1
        if told.lost or told.wrong:
            wrong.append(f"state {number} at call {state.at}: lost {told.lost}, {'; '.join(told.wrong)}")
        shutil.rmtree(place)
    return kinds, wrong


def test_p3_a_cut_at_any_write_of_a_row_leaves_every_row_that_was_said_to_be_durable(quick: Path) -> None:
    trace = lived(quick / "life", rows(60))
    kinds, wrong = judged(quick, states(trace, Random(SEED), count=scaled(1200)))
    seen(f"{dict(kinds)} of a record of {len(trace)} calls, seed {SEED}")
    assert wrong == []
    assert kinds["good"] >= scaled(1200)


def test_p4_a_cut_at_any_write_of_a_checkpoint_leaves_every_row(quick: Path) -> None:
    def small_checkpoints(life: Life) -> None:
        life.journal.read("pragma wal_autocheckpoint = 8")

    trace = lived(quick / "life", small_checkpoints, rows(40))
    checkpoints = [op for op in trace if not isinstance(op, Said) and op.file == "journal.db"]
    assert len(checkpoints) > 100
    kinds, wrong = judged(quick, states(trace, Random(SEED + 1), count=scaled(1000)))
    seen(f"{dict(kinds)} of a record of {len(trace)} calls, seed {SEED + 1}")
    assert wrong == []
    assert kinds["good"] >= scaled(1000)


def test_p6_a_cut_while_receipts_are_noted_and_old_rows_deleted_loses_no_row_before_its_time(
    quick: Path,
) -> None:
    trace = lived(
        quick / "life",
        rows(30),
        lambda life: life.receipt(20),
        rows(5),
        Life.week_passes,
        rows(5),
        lambda life: life.receipt(38),
        Life.week_passes,
        rows(3),
    )
    kinds, wrong = judged(quick, states(trace, Random(SEED + 2), count=scaled(1000)))
    seen(f"{dict(kinds)} of a record of {len(trace)} calls, seed {SEED + 2}")
    assert wrong == []
    assert kinds["good"] >= scaled(1000)


def test_p5_a_cut_while_tables_are_brought_up_to_this_version_leaves_the_old_or_the_new_ones(
    quick: Path,
) -> None:
    """From the first version's tables, with visitors inside and events without a receipt."""
    folder = quick / "life"
    said = [op for op in lived(folder, rows(30)) if isinstance(op, Said)]
    as_first_version(folder)
    start = {"journal.db": (folder / "journal.db").read_bytes()}
    with recorded(folder) as trace:
        Journal(folder, HandClock()).close()
    found = (
        State(state.at, state.files, tuple(said))
        for state in states(trace, Random(SEED + 5), count=scaled(500), start=start)
    )
    kinds, wrong = judged(quick, found)
    seen(f"{dict(kinds)} of a record of {len(trace)} calls, seed {SEED + 5}")
    assert wrong == []
    assert kinds["good"] >= scaled(500)


def as_first_version(folder: Path) -> None:
    """Take back what later versions added; there was no mark beside that file either."""
    db = apsw.Connection(str(folder / "journal.db"))
    first = apsw.Connection(":memory:")
    first.execute(STEPS[0])
    indices = "select name, sql from sqlite_schema where type = 'index' and sql is not null"
    for name, _ in db.execute(indices).fetchall():
        db.execute(f"drop index {name}")
    for (table,) in db.execute("select name from sqlite_schema where type = 'table'").fetchall():
        known = {row[1] for row in first.execute(f"pragma table_info({table})")}
        if not known:
            db.execute(f"drop table {table}")
            continue
        for column in {row[1] for row in db.execute(f"pragma table_info({table})")} - known:
            db.execute(f"alter table {table} drop column {column}")
    for _, sql in first.execute(indices):
        db.execute(sql)
    db.execute("pragma user_version = 1")
    db.execute("pragma journal_mode = delete")
    db.close()
    first.close()
    (folder / MARK).unlink()


def test_p7_a_cut_while_the_journal_is_made_leaves_a_folder_that_the_next_start_takes(quick: Path) -> None:
    trace = lived(quick / "life", rows(1))
    kinds, wrong = judged(quick, states(trace, Random(SEED + 3), count=scaled(500)))
    seen(f"{dict(kinds)} of a record of {len(trace)} calls, seed {SEED + 3}")
    assert wrong == []
    assert kinds["good"] >= scaled(500)


def test_p3_a_journal_that_does_not_wait_for_the_disk_is_found_out(quick: Path) -> None:
    """The campaign can fail: with a weaker setting it sees rows lost, and broken files."""

    def careless(life: Life) -> None:
        life.journal.read("pragma synchronous = off")

    trace = lived(quick / "life", rows(5), careless, rows(30))
    kinds, _ = judged(quick, states(trace, Random(SEED), count=200))
    seen(dict(kinds))
    assert kinds["lost"] + kinds["wrong"] > 20


def test_p10_what_a_lying_card_has_lost_is_said_at_the_start_or_found_by_the_centres_cursor(
    quick: Path,
) -> None:
    trace = lived(quick / "life", rows(60))
    found: Counter[str] = Counter()
    silent = []
    for state in of_a_lying_card(trace, Random(SEED + 4), count=scaled(300), syncs_lost_max=12):
        place = quick / "card"
        put(place, state)
        told = [one.what for one in state.said if isinstance(one.what, Row)]
        found[how := discovered(place, told)] += 1
        if how == "silent":
            silent.append(state.at)
        shutil.rmtree(place)
    seen(f"{dict(found)}, seed {SEED + 4}")
    assert silent == []
    assert found["by the centre"] > scaled(50)
    assert found["salvaged"] > 0
    assert found["whole"] > 0


def discovered(folder: Path, told: list[Row]) -> str:
    """How a gate that has forgotten rows finds out; the centre had them all."""
    journal = Journal(folder, HandClock())
    try:
        kept, unreadable = read(journal)
        if unreadable or chain_faults(kept):
            return "silent"
        if journal.epoch() != told[-1].epoch:
            named = [row["data"]["detail"] for row in kept if row["kind"] == Kind.DEVICE]
            salvaged = journal.set_aside is not None
            return ("salvaged" if salvaged else "at the start") if named else "silent"
        ids = {row["seq"]: row["id"] for row in kept}
        if all(ids.get(row.seq) == row.id for row in told):
            return "whole"
        if journal.acknowledge(journal.epoch(), told[-1].seq) is not AckResult.BEYOND_LAST:
            return "silent"
        old = journal.epoch()
        return "by the centre" if journal.new_epoch(centre_upto=told[-1].seq) != old else "silent"
    finally:
        journal.close()
