"""Files of other versions and of other boxes, and numbers at their end."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import apsw
import pytest

from edge.journal import Journal, JournalFullError, JournalNewerError, demand_usable
from edge.journal.identity import Box, this_box
from edge.journal.salvage import Doubt
from edge.journal.schema import SCHEMA_VERSION, STEPS
from edge.standing import Standings
from sync.messages import Kind, LaneData
from tests.faults_tools import needs
from tests.faults_tools.crash_states import put, states
from tests.faults_tools.lives import chain_faults
from tests.faults_tools.recording import recorded
from tests.faults_tools.small_disk import SmallDisk, small_disk
from tests.gate_world import config
from tests.ticking import HandClock

pytestmark = pytest.mark.real
ALL = (1_000_000, 1 << 40)
FIRST = Path(__file__).parents[1] / "data" / "journal-schema-1.db"  # 40 rows, 12 of them receipted
SEED = 20261122
HERE, ELSEWHERE = Box("a" * 16, "b" * 16), Box("c" * 16, "b" * 16)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def first(folder: Path) -> Path:
    """A journal as version 1 left it."""
    folder.mkdir(exist_ok=True)
    return Path(shutil.copyfile(FIRST, folder / "journal.db"))


def rows_of(journal: Journal) -> list[dict[str, Any]]:
    return [json.loads(body) for _, body in journal.rows_after(0, *ALL)]


def tables(path: Path) -> list[Any]:
    db = apsw.Connection(str(path))
    try:
        return list(db.execute("select type, name, sql from sqlite_schema order by name"))
    finally:
        db.close()


def test_k5_an_upgrade_keeps_a_full_outbox_its_numbers_and_who_is_inside(
    tmp_path: Path, clock: HandClock
) -> None:
    old = apsw.Connection(str(first(tmp_path)))
    before = list(old.execute("select seq, body from event order by seq"))
    people = list(old.execute("select stay_id, state from stay"))
    epoch = old.execute("select value from meta where key = 'epoch'").get
    old.close()
    journal = Journal(tmp_path, clock, box=HERE)
    assert journal.rows_after(0, *ALL) == before
    assert (journal.epoch(), journal.last_seq(), journal.acked()) == (epoch, 40, 12)
    assert journal.read("select stay_id, state from stay") == people
    assert journal.read("pragma user_version") == [(SCHEMA_VERSION,)]
    inside = Standings(journal, config(tmp_path).to_policy().zone).inside()
    assert len(inside) == 4
    journal.append(Kind.FORCED, LaneData(lane="entry"))
    assert chain_faults(rows_of(journal)) == []
    journal.close()


def test_an_upgraded_file_has_the_tables_of_a_new_one(tmp_path: Path, clock: HandClock) -> None:
    Journal(tmp_path / "new", clock).close()
    first(tmp_path / "old")
    Journal(tmp_path / "old", clock).close()
    new, old = (tables(tmp_path / name / "journal.db") for name in ("new", "old"))
    assert new == old


def test_p5_a_power_cut_at_any_write_of_an_upgrade_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, clock: HandClock
) -> None:
    first(tmp_path / "life")
    with recorded(tmp_path / "life") as trace:
        Journal(tmp_path / "life", clock).close()
    before = FIRST.read_bytes()
    count = 0
    for state in states(trace, Random(SEED), count=80, start={"journal.db": before}):
        place = tmp_path / f"state{count}"
        put(place, state)
        journal = Journal(place, clock)
        assert journal.set_aside is None
        assert [row["seq"] for row in rows_of(journal)] == list(range(1, 41))
        assert journal.read("pragma user_version") == [(SCHEMA_VERSION,)]
        journal.close()
        shutil.rmtree(place)
        count += 1
    assert count > 80


def test_k6_a_file_of_a_later_version_is_refused_in_words_and_not_changed(
    tmp_path: Path, clock: HandClock
) -> None:
    Journal(tmp_path, clock).close()
    path = tmp_path / "journal.db"
    db = apsw.Connection(str(path))
    db.execute(f"pragma user_version = {SCHEMA_VERSION + 1}")
    db.execute("create table of_tomorrow (x)")
    db.close()
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(JournalNewerError, match=r"later version.*left as it is"):
            Journal(tmp_path, clock)
        with pytest.raises(JournalNewerError):
            demand_usable(tmp_path)
    with pytest.raises(JournalNewerError):
        Journal(tmp_path, clock, doubt=lambda: Doubt.PEOPLE)  # however often it has ended the gate
    assert path.read_bytes() == before
    assert list(tmp_path.glob("*broken*")) == []
    db = apsw.Connection(str(path))
    db.execute(f"pragma user_version = {SCHEMA_VERSION}")  # the later version is back, so to speak
    db.close()
    demand_usable(tmp_path)
    Journal(tmp_path, clock).close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    needs.root_mounts()
    with small_disk(tmp_path / "disk", 12 << 20) as made:
        yield made


def third(folder: Path, clock: HandClock, rows: int) -> int:
    """A journal with many rows as version 3 left it; returns its size."""
    journal = Journal(folder / "newer", clock)
    journal.read("pragma synchronous = off")
    for _ in range(rows):
        journal.append(Kind.FORCED, LaneData(lane="entry"))
    journal.close()
    (folder / "gate").mkdir()
    old = apsw.Connection(str(folder / "gate" / "journal.db"))
    for step in STEPS[:3]:
        old.execute(step)
    old.execute("attach ? as newer", (str(journal.path),))
    for table in ("event", "meta"):
        old.execute(f"insert into main.{table} select * from newer.{table}")
    old.execute("detach newer; pragma user_version = 3; pragma journal_mode = wal")
    old.close()
    shutil.rmtree(folder / "newer")
    return (folder / "gate" / "journal.db").stat().st_size


@pytest.mark.parametrize("of_its_size", [0.2, 1.5, 4.0])
def test_d1_k5_an_upgrade_on_a_disk_without_room_leaves_the_rows_as_they_lie_and_serves(
    disk: SmallDisk, clock: HandClock, of_its_size: float
) -> None:
    size = third(disk.folder, clock, 3000)
    disk.leave(int(size * of_its_size))
    journal = Journal(disk.folder / "gate", clock)
    assert journal.set_aside is None
    assert journal.read("pragma user_version") == [(SCHEMA_VERSION,)]
    (sql,) = journal.read("select sql from sqlite_schema where name in ('event', 'event_key') limit 1")[0]
    assert ("without rowid" in sql) == (of_its_size < 3)
    assert chain_faults(rows_of(journal)) == []
    journal.append(Kind.FORCED, LaneData(lane="exit"))
    assert journal.last_seq() == 3001
    journal.close()


def test_d1_an_upgrade_that_meets_a_full_disk_says_so(disk: SmallDisk, clock: HandClock) -> None:
    third(disk.folder, clock, 100)
    path = disk.folder / "gate" / "journal.db"
    before = path.read_bytes()
    disk.leave(0)
    with pytest.raises(JournalFullError, match="disk is full"):
        Journal(disk.folder / "gate", clock)
    disk.free()
    assert path.read_bytes() == before
    journal = Journal(disk.folder / "gate", clock)
    assert journal.last_seq() == 100
    journal.close()


def test_every_version_has_a_step_and_the_first_is_that_of_the_kept_file(tmp_path: Path) -> None:
    assert len(STEPS) == SCHEMA_VERSION
    db = apsw.Connection(str(tmp_path / "one.db"))
    db.execute(STEPS[0])
    db.close()
    assert tables(tmp_path / "one.db") == tables(first(tmp_path))


@pytest.mark.parametrize(
    ("before", "now", "other"),
    [
        (HERE, HERE, False),
        (HERE, ELSEWHERE, True),
        (HERE, Box(HERE.machine, "d" * 16), True),
        (Box("", ""), HERE, False),
        (HERE, Box("", ""), False),
    ],
)
def test_k2_a_journal_that_another_box_takes_up_goes_on_in_an_epoch_of_its_own(
    tmp_path: Path, clock: HandClock, before: Box, now: Box, *, other: bool
) -> None:
    first(tmp_path)
    journal = Journal(tmp_path, clock, box=before)
    epoch, unreceipted = journal.epoch(), [row["id"] for row in rows_of(journal)[12:]]
    journal.close()
    again = Journal(tmp_path, clock, box=now)
    assert (again.epoch() != epoch) == other
    if other:
        rows = rows_of(again)
        assert [row["id"] for row in rows[:-1]] == unreceipted
        assert "came from elsewhere" in rows[-1]["data"]["detail"]
        assert chain_faults(rows) == []
    again.close()
    calm = Journal(tmp_path, clock, box=now)
    assert calm.epoch() == again.epoch()
    calm.close()


def test_k1_a_copy_that_is_put_back_goes_on_in_an_epoch_of_its_own(tmp_path: Path, clock: HandClock) -> None:
    first(tmp_path / "gate")
    journal = Journal(tmp_path / "gate", clock, box=HERE)
    epoch = journal.epoch()
    journal.close()
    shutil.copytree(tmp_path / "gate", tmp_path / "copy")
    copied = Journal(tmp_path / "copy", clock, box=HERE)  # both would give the same numbers to different rows
    assert copied.epoch() != epoch
    assert "other inode" in rows_of(copied)[-1]["data"]["detail"]
    copied.close()
    own = Journal(tmp_path / "gate", clock, box=HERE)
    assert own.epoch() == epoch
    own.close()


def test_k1_an_older_copy_of_the_file_alone_is_seen_by_the_mark_beside_it(
    tmp_path: Path, clock: HandClock
) -> None:
    first(tmp_path)
    Journal(tmp_path, clock).close()
    older = (tmp_path / "journal.db").read_bytes()
    journal = Journal(tmp_path, clock)
    epoch = journal.epoch()
    for _ in range(3):
        journal.append(Kind.FORCED, LaneData(lane="entry"))
    journal.close()
    (tmp_path / "journal.db").write_bytes(older)
    again = Journal(tmp_path, clock)
    assert again.epoch() != epoch
    assert "it had row 43, and has row 40" in rows_of(again)[-1]["data"]["detail"]
    again.close()


def test_k4_numbers_that_come_to_their_end_begin_anew_in_another_epoch(
    tmp_path: Path, clock: HandClock
) -> None:
    path = first(tmp_path)
    db = apsw.Connection(str(path))
    end = 2**53 - 1
    body = json.loads(db.execute("select body from event where seq = 40").get)
    db.execute("delete from event")
    epoch = db.execute("select value from meta where key = 'epoch'").get
    from_end = json.dumps(body | {"seq": end})
    db.execute("insert into event values (?, ?, 1, 'forced', ?)", (epoch, end, from_end))
    db.execute("update meta set value = ? where key in ('acked', 'pruned_to')", (str(end - 1),))
    db.close()
    journal = Journal(tmp_path, clock)
    assert journal.epoch() != epoch
    assert journal.last_seq() < 10
    journal.append(Kind.FORCED, LaneData(lane="entry"))
    assert chain_faults(rows_of(journal)) == []
    journal.close()


def test_a_box_is_the_same_box_each_time(tmp_path: Path) -> None:
    assert this_box(tmp_path) == this_box(tmp_path)
    assert this_box(tmp_path).key == ""
