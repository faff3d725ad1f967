import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from edge.journal import GENESIS, Journal, JournalBusyError, JournalError, chain_hash
from sync.messages import Event, Kind, LaneData
from sync.outbox import AckResult
from tests.ticking import HandClock

pytestmark = pytest.mark.real
ALL = (1000, 1 << 30)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def journal(tmp_path: Path, clock: HandClock) -> Iterator[Journal]:
    opened = Journal(tmp_path, clock)
    yield opened
    opened.close()


def record(journal: Journal, count: int) -> None:
    for _ in range(count):
        journal.append(Kind.FORCED, LaneData(lane="entry"))


def test_what_is_recorded_is_there_after_a_restart_with_its_number_and_epoch(
    tmp_path: Path, clock: HandClock
) -> None:
    journal = Journal(tmp_path, clock)
    record(journal, 3)
    before = (journal.epoch(), journal.last_seq(), journal.rows_after(0, *ALL))
    journal.close()
    again = Journal(tmp_path, clock)
    assert (again.epoch(), again.last_seq(), again.rows_after(0, *ALL)) == before
    record(again, 1)
    assert again.last_seq() == 4
    again.close()


def test_rows_are_valid_events_chained_from_the_first(journal: Journal) -> None:
    record(journal, 5)
    head = GENESIS
    for seq, body in journal.rows_after(0, *ALL):
        row = json.loads(body)
        assert (row["seq"], row["prev"], row["hash"]) == (seq, head, chain_hash(row))
        assert Event.model_validate(row).kind == "forced"
        head = row["hash"]


def test_i22_a_changed_row_breaks_the_chain(journal: Journal) -> None:
    record(journal, 2)
    row = json.loads(journal.rows_after(0, *ALL)[0][1])
    assert chain_hash(row | {"data": {"lane": "exit"}}) != row["hash"]


def test_a_change_that_fails_leaves_neither_event_nor_number_used(journal: Journal) -> None:
    record(journal, 1)

    def spoil(db: apsw.Connection, _: object) -> None:
        db.execute("insert into pass_state (pass_id, pass_end_ms) values ('aa', 1)")
        raise RuntimeError("crash in the middle")

    with pytest.raises(RuntimeError, match="crash"):
        journal.append(Kind.FORCED, LaneData(lane="entry"), spoil)
    assert journal.read("select count(*) from pass_state") == [(0,)]
    record(journal, 1)
    assert [seq for seq, _ in journal.rows_after(0, *ALL)] == [1, 2]


def test_only_the_centres_receipt_of_this_epoch_moves_the_cursor_and_never_back(journal: Journal) -> None:
    record(journal, 4)
    epoch = journal.epoch()
    assert journal.acknowledge("0" * 16, 4) is AckResult.OTHER_EPOCH
    assert journal.acknowledge(epoch, 5) is AckResult.BEYOND_LAST
    assert journal.acked() == 0
    assert journal.acknowledge(epoch, 3) is AckResult.ACCEPTED
    assert journal.acknowledge(epoch, 2) is AckResult.ACCEPTED
    assert journal.acked() == 3


def test_receipted_rows_stay_seven_days_and_unreceipted_ones_for_ever(
    journal: Journal, clock: HandClock
) -> None:
    record(journal, 4)
    journal.acknowledge(journal.epoch(), 3)
    clock.advance(timedelta(days=7).total_seconds() - 1)
    assert journal.prune() == 0
    clock.advance(2)
    assert journal.prune() == 3
    assert [seq for seq, _ in journal.rows_after(0, *ALL)] == [4]
    assert journal.pruned_to() == 3


def test_rows_are_handed_out_in_bounded_portions_but_never_none(journal: Journal) -> None:
    record(journal, 5)
    assert [seq for seq, _ in journal.rows_after(1, 2, 1 << 30)] == [2, 3]
    assert [seq for seq, _ in journal.rows_after(1, 9, 1)] == [2]


def test_k1_an_older_copy_of_the_file_begins_a_new_epoch_and_carries_all_that_has_no_receipt(
    tmp_path: Path, clock: HandClock
) -> None:
    journal = Journal(tmp_path, clock)
    record(journal, 3)
    journal.acknowledge(journal.epoch(), 1)
    journal.close()
    restored = Journal(tmp_path, clock)  # the centre has seen more of this epoch than the copy holds
    record(restored, 2)
    old = restored.epoch()
    unreceipted = [json.loads(body)["id"] for _, body in restored.rows_after(1, *ALL)]
    assert restored.acknowledge(old, 40) is AckResult.BEYOND_LAST
    epoch = restored.new_epoch(centre_upto=40)
    rows = [json.loads(body) for _, body in restored.rows_after(0, *ALL)]
    assert epoch != old
    assert [(row["seq"], row["id"]) for row in rows] == list(enumerate(unreceipted, start=1))
    assert all(row["hash"] == chain_hash(row) for row in rows)
    record(restored, 1)
    assert restored.last_seq() == 5
    restored.close()
    again = Journal(tmp_path, clock)
    assert (again.epoch(), again.last_seq(), again.acked()) == (epoch, 5, 0)
    again.close()


def test_rows_of_an_earlier_epoch_go_after_their_seven_days(journal: Journal, clock: HandClock) -> None:
    record(journal, 3)
    journal.acknowledge(journal.epoch(), 3)
    journal.new_epoch(centre_upto=9)
    record(journal, 1)
    clock.advance(timedelta(days=8).total_seconds())
    assert journal.prune() == 3
    assert journal.read("select count(*) from event") == [(1,)]


def test_a_row_dated_by_a_wrong_clock_takes_no_younger_row_with_it(
    journal: Journal, clock: HandClock
) -> None:
    record(journal, 2)
    clock.wall -= timedelta(days=300)
    record(journal, 1)
    clock.wall += timedelta(days=300)
    record(journal, 2)
    journal.acknowledge(journal.epoch(), 5)
    assert journal.prune() == 0
    clock.advance(timedelta(days=7, seconds=1).total_seconds())
    assert journal.prune() == 5


def test_a_transaction_left_open_by_a_failed_rollback_is_closed_by_the_next_row(journal: Journal) -> None:
    journal.read("begin immediate")
    record(journal, 1)
    assert journal.last_seq() == 1


def test_a_second_process_is_told_that_the_folder_is_in_use(
    tmp_path: Path, journal: Journal, clock: HandClock
) -> None:
    with pytest.raises(JournalBusyError, match="in use by another gate"):
        Journal(tmp_path, clock)
    assert journal.last_seq() == 0


def test_i19_a_broken_file_is_set_aside_under_a_name_with_its_time_and_never_overwritten(
    tmp_path: Path, clock: HandClock
) -> None:
    broken = b"this is not a database" * 400
    (tmp_path / "journal.db").write_bytes(broken)
    journal = Journal(tmp_path, clock)
    assert journal.set_aside is not None
    assert journal.set_aside.read_bytes() == broken
    assert [json.loads(body)["data"]["device"] for _, body in journal.rows_after(0, *ALL)] == ["journal"]
    record(journal, 1)
    assert journal.last_seq() == 2
    journal.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, clock: HandClock) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be written"):
        Journal(tmp_path / "file" / "data", clock)


def test_the_pragmas_in_force_are_the_durable_ones(journal: Journal) -> None:
    names = ("journal_mode", "synchronous", "wal_autocheckpoint", "secure_delete")
    assert [journal.read(f"pragma {name}")[0][0] for name in names] == ["wal", 2, 64, 1]


WRITER = """
import sys
from pathlib import Path
from edge.journal import Journal
from shell.clock import SystemClock
from sync.messages import Kind, LaneData
journal = Journal(Path(sys.argv[1]), SystemClock())
while True:
    print(journal.append(Kind.FORCED, LaneData(lane="entry")).seq, flush=True)
"""


def test_i5_kill_nine_loses_nothing_that_was_said_to_be_recorded(tmp_path: Path, clock: HandClock) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        said = [int(writer.stdout.readline()) for _ in range(50)]
        os.kill(writer.pid, signal.SIGKILL)
        said += [int(line) for line in writer.stdout.read().split("\n") if line.endswith(tuple("0123456789"))]
    journal = Journal(tmp_path, clock)
    kept = [seq for seq, _ in journal.rows_after(0, 100_000, 1 << 40)]
    assert kept == list(range(1, len(kept) + 1))
    assert set(said) <= set(kept)
    journal.close()
