"""A new epoch that is begun in portions: what is deleted, fails or ends between two of them."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.journal import Journal, JournalFullError
from edge.journal.epochs import CARRY_ROWS
from edge.journal.limits import Limits
from edge.journal.rows import Composed, renumbered
from sync.messages import Kind, LaneData
from tests.faults_tools import needs
from tests.faults_tools.lives import chain_faults
from tests.faults_tools.small_disk import SmallDisk, small_disk
from tests.ticking import HandClock

pytestmark = pytest.mark.real
ROWS = 6 * CARRY_ROWS + 100
ALL = (1_000_000, 1 << 40)
EPOCHS = "select distinct epoch from event"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Do something once, between two portions of the rows that are carried."""

    def set_up(act: Callable[[], object]) -> None:
        def hooked(body: str, seq: int, head: str) -> Composed:
            if seq == CARRY_ROWS + 1:
                act()
            return renumbered(body, seq, head)

        monkeypatch.setattr("edge.journal.epochs.renumbered", hooked)

    return set_up


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    needs.root_mounts()
    with small_disk(tmp_path / "disk", 8 << 20) as made:
        yield made


def filled(folder: Path, clock: HandClock, *, limits: Limits | None = None) -> Journal:
    """A journal without a receipt."""
    journal = Journal(folder, clock, limits=limits)
    journal.read("pragma synchronous = off")
    for _ in range(ROWS):
        journal.append(Kind.FORCED, LaneData(lane="entry"))
    return journal


def rows_of(journal: Journal) -> list[dict[str, Any]]:
    return [json.loads(body) for _, body in journal.rows_after(0, *ALL)]


def test_deletion_of_old_rows_takes_none_of_an_epoch_that_is_being_begun(
    tmp_path: Path, clock: HandClock, between: Callable[[Callable[[], object]], None]
) -> None:
    journal = filled(tmp_path, clock, limits=Limits(prune_rows=10 * ROWS))
    journal.new_epoch(centre_upto=ROWS + 9)  # so that there are rows of an earlier epoch, too
    ids = [row["id"] for row in rows_of(journal)]
    clock.advance(8 * 86_400)
    pruned: list[int] = []
    between(lambda: pruned.append(journal.prune()))
    journal.new_epoch(centre_upto=ROWS + 9)
    assert pruned == [0]
    assert [row["id"] for row in rows_of(journal)] == ids
    assert chain_faults(rows_of(journal)) == []
    gone = 0
    while some := journal.prune():  # now the earlier epoch goes
        gone += some
    assert gone == 2 * ROWS
    assert journal.read(EPOCHS) == [(journal.epoch(),)]
    journal.close()


def test_d2_an_epoch_that_has_no_room_leaves_nothing_behind_and_is_begun_when_there_is_some(
    disk: SmallDisk, clock: HandClock, between: Callable[[Callable[[], object]], None]
) -> None:
    journal = filled(disk.folder / "gate", clock)
    epoch, ids = journal.epoch(), [row["id"] for row in rows_of(journal)]
    between(lambda: disk.leave(0))
    with pytest.raises(JournalFullError):
        journal.new_epoch(centre_upto=ROWS + 9)
    assert journal.epoch() == epoch
    assert journal.read(EPOCHS) == [(epoch,)]
    journal.append(Kind.FORCED, LaneData(lane="exit"))
    disk.leave(200_000)
    between(lambda: pytest.fail("it was begun where it has no room"))
    with pytest.raises(JournalFullError, match=r"wants [0-9]+ kB"):
        journal.new_epoch(centre_upto=ROWS + 9)
    disk.free()
    between(lambda: None)
    assert journal.new_epoch(centre_upto=ROWS + 9) != epoch
    assert [row["id"] for row in rows_of(journal)][:-1] == ids
    assert chain_faults(rows_of(journal)) == []
    journal.close()


def test_p5_what_a_power_cut_leaves_of_an_epoch_is_deleted_and_the_rows_are_whole(
    tmp_path: Path, clock: HandClock, between: Callable[[Callable[[], object]], None]
) -> None:
    journal = filled(tmp_path / "gate", clock)
    epoch, ids = journal.epoch(), [row["id"] for row in rows_of(journal)]
    between(lambda: shutil.copytree(tmp_path / "gate", tmp_path / "cut"))
    journal.new_epoch(centre_upto=ROWS + 9)
    journal.close()
    cut = Journal(tmp_path / "cut", clock)
    assert len(cut.read(EPOCHS)) == 2
    while cut.prune():
        pass
    assert cut.read(EPOCHS) == [(epoch,)]
    assert [row["id"] for row in rows_of(cut)] == ids
    between(lambda: None)
    cut.new_epoch(centre_upto=ROWS + 9)
    assert [row["id"] for row in rows_of(cut)] == ids
    cut.close()
