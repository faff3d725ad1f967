"""The journal on a disk that fills, its quotas, and how much room it takes itself."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import pytest

from edge.journal import Journal, JournalFullError
from edge.journal.limits import Limits
from edge.journal.reading import JournalCopy
from edge.standing import Shown, Standings
from passes.decide import Grant
from passes.vocabulary import Direction
from sync.messages import DecisionData, Kind, LaneData, Outcome, RegistrationData
from tests.faults_tools import needs
from tests.faults_tools.lives import Life, chain_faults
from tests.faults_tools.small_disk import SmallDisk, small_disk
from tests.gate_world import config
from tests.minting import claims
from tests.ticking import HandClock

pytestmark = pytest.mark.real
ALL = (1_000_000, 1 << 40)
ALARM = LaneData(lane="entry")
GRANTED = DecisionData(outcome=Outcome.GRANT, lane="entry", direction=Direction.ENTRY)
LEFT = DecisionData(outcome=Outcome.GRANT, lane="exit", direction=Direction.EXIT)
RESERVE = "journal.db.reserve"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    needs.root_mounts()
    with small_disk(tmp_path / "disk", 6 << 20) as made:
        yield made


def rows_of(journal: Journal) -> list[dict[str, Any]]:
    return [json.loads(body) for _, body in journal.rows_after(0, *ALL)]


def until_full(journal: Journal) -> int:
    """Entries until one is refused; returns how many were recorded."""
    before = journal.last_seq()
    with pytest.raises(JournalFullError):
        for _ in range(10_000):
            journal.append(Kind.DECISION, GRANTED)
    return journal.last_seq() - before


def test_d2_on_a_full_disk_no_entry_is_recorded_and_exits_alarms_and_receipts_are(
    disk: SmallDisk, clock: HandClock
) -> None:
    journal = Journal(disk.folder / "gate", clock)
    reserve = disk.folder / "gate" / RESERVE
    assert reserve.stat().st_size == 1 << 20
    disk.leave(0)
    count = until_full(journal)
    assert journal.last_seq() == count
    for _ in range(300):
        journal.append(Kind.DECISION, LEFT)
        journal.append(Kind.FORCED, ALARM)
    assert (reserve.exists(), journal.short) == (False, True)
    journal.acknowledge(journal.epoch(), count + 100)
    assert journal.acked() == count + 100
    with pytest.raises(JournalFullError, match="exits go on"):
        journal.append(Kind.DECISION, GRANTED)
    registered = RegistrationData(by="a", reason="b", pass_end=clock.now())
    with pytest.raises(JournalFullError):
        journal.append(Kind.REGISTRATION, registered)

    disk.free()
    journal.append(Kind.DECISION, GRANTED)  # at once, without a person
    journal.tend()
    assert (reserve.exists(), journal.short) == (True, False)
    assert chain_faults(rows_of(journal)) == []
    assert journal.last_seq() == count + 601
    journal.close()


def test_d2_a_disk_that_receipted_rows_filled_heals_when_they_go(disk: SmallDisk, clock: HandClock) -> None:
    journal = Journal(disk.folder / "gate", clock)
    disk.leave(900 << 10)
    until_full(journal)
    journal.acknowledge(journal.epoch(), journal.last_seq())
    with pytest.raises(JournalFullError):
        journal.append(Kind.DECISION, GRANTED)
    clock.advance(8 * 86_400)
    while journal.prune():
        pass
    for _ in range(200):
        journal.append(Kind.DECISION, GRANTED)
    assert chain_faults(rows_of(journal), after=journal.pruned_to()) == []
    journal.close()


def test_d1_a_start_on_a_full_disk_records_exits_from_the_reserve(disk: SmallDisk, clock: HandClock) -> None:
    Journal(disk.folder / "gate", clock).close()
    disk.leave(0)
    journal = Journal(disk.folder / "gate", clock)
    journal.append(Kind.DECISION, LEFT)
    with pytest.raises(JournalFullError):
        journal.append(Kind.DECISION, GRANTED)
    journal.close()


def test_receipted_rows_beyond_the_quota_go_before_their_time_and_unreceipted_ones_never(
    tmp_path: Path, clock: HandClock
) -> None:
    limits = Limits(receipted_bytes=200_000, prune_rows=100)
    journal = Journal(tmp_path, clock, limits=limits)
    journal.read("pragma synchronous = off")
    for _ in range(1500):
        journal.append(Kind.DECISION, LEFT)
    assert journal.prune() == 0
    journal.acknowledge(journal.epoch(), 1200)
    batches = []
    while gone := journal.prune():
        batches.append(gone)
    assert max(batches) <= 100
    kept = 1200 - journal.pruned_to()
    body = len(journal.rows_after(1400, 1, 1)[0][1])
    assert 0.5 * limits.receipted_bytes < kept * body < 1.2 * limits.receipted_bytes
    assert [row["seq"] for row in rows_of(journal)][-300:] == list(range(1201, 1501))
    journal.close()


def test_d10_the_write_ahead_file_stays_below_its_cap(tmp_path: Path, clock: HandClock) -> None:
    journal = Journal(tmp_path, clock)
    wal = tmp_path / "journal.db-wal"
    journal.read("pragma synchronous = off")
    sizes = []
    for _ in range(1500):
        journal.append(Kind.DECISION, LEFT)
        sizes.append(wal.stat().st_size)
    assert max(sizes) <= 80 * 4120
    journal.read("pragma wal_autocheckpoint = 0")  # as if none of its checkpoints came through
    while wal.stat().st_size <= 4 << 20:
        journal.append(Kind.DECISION, LEFT)
    journal.tend()
    assert wal.stat().st_size == 0
    journal.close()


def test_x14_a_backup_is_whole_and_decisions_go_on_meanwhile(tmp_path: Path, clock: HandClock) -> None:
    journal = Journal(tmp_path / "gate", clock)
    journal.read("pragma synchronous = off")
    for _ in range(4000):
        journal.append(Kind.DECISION, LEFT)
    standings = Standings(journal, config(tmp_path).to_policy().zone)

    def decide(number: int) -> float:
        began_s = perf_counter()
        standings.record_entry_grant(Grant(claims(number)), "entry", Shown(number))
        return perf_counter() - began_s

    alone_s = [decide(number) for number in range(100)]
    copied: list[int] = []
    copying = threading.Thread(
        target=lambda: copied.append(journal.backup(tmp_path / "copy.db")), name="copying"
    )
    copying.start()
    meanwhile_s = []
    number = 100
    while copying.is_alive():
        meanwhile_s.append(decide(number := number + 1))
    copying.join()
    assert copied == [(tmp_path / "copy.db").stat().st_size]
    assert len(meanwhile_s) > 20  # the copy does not hold them up until it is done
    assert median(meanwhile_s) < median(alone_s) + 0.05
    copy = JournalCopy(tmp_path / "copy.db")
    assert copy.damage() == ""
    (report,) = copy.verify()
    assert report.breaks == ()
    assert report.last >= 4100
    copy.close()
    with pytest.raises(FileExistsError):
        journal.backup(tmp_path / "copy.db")
    journal.close()


def test_p6_a_backup_that_has_no_room_is_not_there(disk: SmallDisk, clock: HandClock, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "gate", clock)
    with pytest.raises(Exception, match="no room"):
        journal.backup(disk.folder / "copy.db")
    assert list(disk.folder.iterdir()) == []
    journal.close()


HOT = {
    "a row": ("select body from event where epoch = ? and seq = ?", ("e", 1)),
    "the newest row": ("select seq, body from event where epoch = ? order by seq desc limit 1", ("e",)),
    "a batch": ("select seq, body from event where epoch = ? and seq > ? order by seq limit ?", ("e", 1, 9)),
    "young rows": (
        "select min(seq) from event where epoch = ? and seq > ? and seq <= ? and at_ms >= ?",
        ("e", 1, 500, 1),
    ),
    "earlier epochs": ("select count(*) from event where epoch < ?", ("e",)),
}


@pytest.mark.parametrize("what", sorted(HOT))
def test_hot_questions_to_the_journal_look_at_no_more_rows_than_they_return(
    tmp_path: Path, clock: HandClock, what: str
) -> None:
    journal = Journal(tmp_path, clock)
    query, values = HOT[what]
    plan = journal.read(f"explain query plan {query}", values)
    assert all("SEARCH" in detail for *_, detail in plan), plan
    journal.close()


def test_a_visit_asks_nothing_of_standing_that_looks_at_every_stay(tmp_path: Path, clock: HandClock) -> None:
    journal = Journal(tmp_path, clock)
    asked: list[str] = []
    journal._db.trace_v2(1, lambda event: asked.append(event["sql"]))  # 1: SQLITE_TRACE_STMT
    standings = Standings(journal, config(tmp_path).to_policy().zone)
    standings.of(claims(1), clock.now())
    Life(journal, clock, lambda _: None).rows(30)
    standings.fell_due(clock.now(), clock.now())
    standings.forget_old(clock.now())
    standings.inside()
    journal.prune()
    journal._db.trace_v2(0)
    queries = {sql for sql in asked if sql.lstrip().startswith(("select", "update", "delete"))}
    assert len(queries) > 8
    whole = {"SCAN stay", "SCAN event", "SCAN pass_state"}
    scans = []
    for query in sorted(queries):
        plan = journal.read(f"explain query plan {query}", (1,) * query.count("?"))
        scans += [(query, detail) for *_, detail in plan if detail in whole]
    assert scans == []
    journal.close()
