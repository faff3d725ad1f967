"""What lies in the gate's folder is not what the gate left there: nothing begins in silence with nothing."""

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

import apsw
import pytest

from edge.journal import Journal, JournalError
from sync.messages import Kind, LaneData
from tests.faults_tools import needs
from tests.faults_tools.amounts import scaled, seen
from tests.faults_tools.children import writing
from tests.faults_tools.forks import traced
from tests.faults_tools.lives import Life, Row, Said, chain_faults, examine, read
from tests.ticking import HandClock

pytestmark = pytest.mark.real
SEED = 20261122
ROWS = 300
PAGE = 4096


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row]]:
    """A folder as a gate leaves it, and the rows that it had said to be durable."""
    folder, clock = tmp_path_factory.mktemp("left") / "gate", HandClock()
    said: list[Said] = []
    journal = Journal(folder, clock)
    life = Life(journal, clock, said.append)
    life.rows(ROWS)
    life.receipt(40)
    journal.close()
    return folder, [one for one in said if isinstance(one, Row)]


@pytest.fixture
def folder(tmp_path: Path, left: tuple[Path, list[Row]]) -> Path:
    """A copy of it."""
    return shutil.copytree(left[0], tmp_path / "gate")


class Found(NamedTuple):
    """How the next start took it."""

    missing: list[int]  # numbers of rows that are in no row any more
    words: list[str]  # of the rows that say what was wrong
    renewed: bool
    aside: Path | None

    @property
    def named(self) -> int:
        """How many rows are said to be lost."""
        counts = [
            int(count) for words in self.words for count in re.findall(r"lost of epoch \w+: (\d+)", words)
        ]
        return sum(counts)


@contextmanager
def opened(folder: Path) -> Iterator[Journal]:
    journal = Journal(folder, HandClock())
    try:
        yield journal
    finally:
        journal.close()


def next_start(folder: Path, told: list[Row]) -> Found:
    """Open the folder; the journal that comes of it is whole and takes rows, whatever lay there."""
    with opened(folder) as journal:
        kept, unreadable = read(journal)
        assert (unreadable, chain_faults(kept)) == ([], [])
        bodies = [json.loads(body) for (body,) in journal.read("select body from event")]
        ids = {row["id"] for row in bodies}
        words = [
            row["data"]["detail"]
            for row in bodies
            if row["kind"] == Kind.DEVICE and row["data"]["device"] == "journal"
        ]
        assert journal.read("pragma integrity_check(3)") == [("ok",)]
        last = journal.last_seq()
        assert journal.append(Kind.FORCED, LaneData(lane="entry")).seq == last + 1
        missing = [row.seq for row in told if row.id not in ids]
        return Found(missing, words, journal.epoch() != told[-1].epoch, journal.set_aside)


def test_d6_of_pages_that_were_overwritten_at_random_what_is_lost_is_named_by_its_number(
    folder: Path, left: tuple[Path, list[Row]], tmp_path: Path
) -> None:
    rng, kinds, lost = Random(SEED), Counter[str](), 0
    for number in range(scaled(14)):
        place = shutil.copytree(folder, tmp_path / f"broken{number}")
        path = place / "journal.db"
        data = bytearray(path.read_bytes())
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(data) // PAGE) * PAGE
            data[at : at + PAGE] = rng.randbytes(PAGE) if rng.random() < 0.5 else bytes(PAGE)
        path.write_bytes(data)
        found = next_start(place, left[1])
        kinds["salvaged" if found.aside else "renewed" if found.renewed else "whole"] += 1
        lost += len(found.missing)
        assert found.named == len(found.missing), f"number {number}: {found.words}"
        assert not found.missing or (found.renewed and found.aside is not None)
        shutil.rmtree(place)
    seen(f"{dict(kinds)}, {lost} of {scaled(14) * len(left[1])} rows lost and named, seed {SEED}")
    assert kinds["salvaged"] > scaled(7)


def test_d5_a_page_that_cannot_be_read_is_salvaged_around_or_read_at_the_next_start(
    folder: Path, left: tuple[Path, list[Row]], tmp_path: Path
) -> None:
    needs.strace()
    rng, kinds = Random(SEED), Counter[str]()
    with traced("pread64", "error=EIO", tmp_path) as by:
        for at in sorted(rng.sample(range(1, 140), scaled(8))):
            place = shutil.copytree(folder, tmp_path / f"unread{at}")
            hit = by.run(place, "rows", 2, call="pread64", at=at)
            kinds["refused" if hit.error else "served"] += 1
            found = next_start(place, [*left[1], *(one for one in hit.said if isinstance(one, Row))])
            kinds["set aside"] += any("set aside" in words for words in found.words)
            assert found.named >= len(found.missing), f"read {at}: {found}"
            shutil.rmtree(place)
    seen(f"{dict(kinds)}, seed {SEED}")


def lose_wal(folder: Path) -> None:
    (folder / "journal.db-wal").unlink()


def lose_shared_memory(folder: Path) -> None:
    (folder / "journal.db-shm").unlink()


def lose_main_file(folder: Path) -> None:
    (folder / "journal.db").unlink()


def lose_both(folder: Path) -> None:
    lose_main_file(folder)
    lose_wal(folder)


def lose_all(folder: Path) -> None:
    for path in folder.glob("journal.db*"):
        path.unlink()


def empty_file(folder: Path) -> None:
    (folder / "journal.db").write_bytes(b"")


def no_database(folder: Path) -> None:
    (folder / "journal.db").write_bytes(b"nothing of the kind" * 1000)


def folder_in_its_place(folder: Path) -> None:
    lose_both(folder)
    (folder / "journal.db").mkdir()


def future(folder: Path) -> None:
    for path in folder.iterdir():
        os.utime(path, (4e9, 4e9))  # the year 2096


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row]]:
    """A folder as a gate leaves it that was killed, and the rows that it had said to be durable."""
    folder = tmp_path_factory.mktemp("torn") / "gate"
    with writing(folder, "rows") as child:
        child.listen(120)
    return folder, [one for one in child.said() if isinstance(one, Row)]


@pytest.mark.parametrize(
    ("harm", "renews"),
    [
        (lose_wal, True),
        (lose_shared_memory, False),
        (lose_main_file, True),
        (lose_both, True),
        (empty_file, True),
        (no_database, True),
        (folder_in_its_place, True),
        (future, False),
    ],
)
def test_d7_d14_d15_what_is_missing_beside_or_instead_of_the_journal_is_never_passed_over(
    tmp_path: Path, torn: tuple[Path, list[Row]], harm: Callable[[Path], None], renews: bool
) -> None:
    place = shutil.copytree(torn[0], tmp_path / "gate")
    harm(place)
    found = next_start(place, torn[1])
    assert found.renewed is renews
    assert bool(found.words) is renews
    if not renews:
        assert found.missing == []


def test_k12_a_folder_without_anything_is_another_epoch_and_the_centre_sees_what_it_never_got(
    tmp_path: Path, torn: tuple[Path, list[Row]]
) -> None:
    place = shutil.copytree(torn[0], tmp_path / "gate")
    lose_all(place)
    with opened(place) as journal:
        assert journal.epoch() != torn[1][0].epoch  # whose numbers the centre holds, and misses the rest of
        assert journal.last_seq() == 0


def test_d7_a_file_copied_while_the_gate_runs_and_put_back_is_known_for_an_older_copy(tmp_path: Path) -> None:
    folder, copy = tmp_path / "gate", tmp_path / "copy"
    with writing(folder, "rows") as child:
        child.listen(90)
        shutil.copy(folder / "journal.db", copy)  # as ``cp`` does it, without its write-ahead file
        child.listen(200)
    told = [one for one in child.said() if isinstance(one, Row)]
    shutil.copy(copy, folder / "journal.db")
    lose_wal(folder)
    found = next_start(folder, told)
    assert found.renewed
    assert found.words


def test_k6_a_file_of_a_later_version_is_refused_and_left_as_it_is(folder: Path) -> None:
    db = apsw.Connection(str(folder / "journal.db"))
    db.execute("pragma user_version = 99")
    db.close()
    before = (folder / "journal.db").read_bytes()
    with pytest.raises(JournalError, match="later version"):
        Journal(folder, HandClock())
    assert (folder / "journal.db").read_bytes() == before


def test_d10_a_forgotten_reader_of_another_program_loses_nothing_and_its_file_shrinks_when_it_goes(
    tmp_path: Path,
) -> None:
    said: list[Said] = []
    with opened(tmp_path) as journal:
        life = Life(journal, HandClock(), said.append)
        life.rows(20)
        reader = apsw.Connection(str(journal.path), flags=apsw.SQLITE_OPEN_READONLY)
        reader.execute("begin")
        assert reader.execute("select count(*) from event").get >= 20
        life.rows(scaled(300))
        journal.tend()
        wal = journal.path.with_name("journal.db-wal")
        grown = wal.stat().st_size
        reader.execute("rollback")
        reader.close()
        life.rows(20)
        journal.tend()
        seen(f"the write-ahead file had {grown} bytes while it was read, and {wal.stat().st_size} after")
        assert wal.stat().st_size <= 4 << 20
    told = examine(tmp_path, said, HandClock())
    assert (told.lost, told.wrong) == ((), ())
