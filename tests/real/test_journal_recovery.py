"""What the journal makes of a folder in which it is broken, missing, foreign, or not what it was."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import apsw
import pytest

from edge.journal import (
    Journal,
    JournalBusyError,
    JournalError,
    JournalFullError,
    JournalLostError,
    demand_usable,
)
from edge.journal.broken import Carved
from edge.journal.chaining import chained
from edge.journal.errors import is_damage
from edge.journal.reading import JournalCopy
from edge.journal.salvage import Doubt
from edge.starts import Starts
from sync.messages import Kind, LaneData
from tests.faults_tools.lives import Life, chain_faults
from tests.ticking import HandClock

pytestmark = pytest.mark.real
ALL = (1_000_000, 1 << 40)
PAGE = 4096
SEED = 20261122


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@cache
def past(rows: int) -> dict[str, bytes]:
    """The files of a journal in which people came and went, thirty of its rows receipted."""
    with tempfile.TemporaryDirectory() as name:
        clock = HandClock()
        journal = Journal(Path(name), clock)
        life = Life(journal, clock, lambda _: None)
        life.rows(rows)
        life.receipt(30)
        journal.close()
        return {path.name: path.read_bytes() for path in Path(name).iterdir()}


def lived(folder: Path, clock: HandClock, rows: int = 120) -> Journal:
    """An open journal that has a past."""
    folder.mkdir(exist_ok=True)
    for name, data in past(rows).items():
        (folder / name).write_bytes(data)
    return Journal(folder, clock)


def rows_of(journal: Journal) -> list[dict[str, Any]]:
    return [json.loads(body) for _, body in journal.rows_after(0, *ALL)]


def ids(rows: Iterable[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows if row["data"].get("device") != "journal"]


def said(journal: Journal) -> str:
    """What the journal put on record about itself, once."""
    (row,) = [row for row in rows_of(journal) if row["data"].get("device") == "journal"]
    assert row["data"]["state"] == "fault"
    return str(row["data"]["detail"])


def goes_on(journal: Journal) -> None:
    """It takes rows, and its chain is whole."""
    before = journal.last_seq()
    assert journal.append(Kind.FORCED, LaneData(lane="entry")).seq == before + 1
    assert chain_faults(rows_of(journal)) == []


def page_of(path: Path, row: dict[str, Any]) -> int:
    """The page that holds this row."""
    return path.read_bytes().index(f'"hash":"{row["hash"]}"'.encode()) // PAGE


def overwrite(path: Path, page: int, rng: Random) -> None:
    with path.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(rng.randbytes(PAGE))


def test_d6_an_overwritten_page_of_rows_costs_its_rows_alone_and_they_are_named(
    tmp_path: Path, clock: HandClock
) -> None:
    journal = lived(tmp_path, clock, rows=300)
    epoch, before, people = journal.epoch(), rows_of(journal), journal.read("select * from stay")
    journal.close()
    victim = before[150]
    overwrite(journal.path, page_of(journal.path, victim), Random(SEED))

    again = Journal(tmp_path, clock)
    assert again.set_aside is not None
    assert again.epoch() != epoch
    carried = ids(rows_of(again))
    lost = [row["id"] for row in before[30:] if row["id"] not in carried]
    assert victim["id"] in lost
    assert 1 <= len(lost) <= 12  # one page
    assert carried == [row["id"] for row in before[30:] if row["id"] not in lost]
    first = 151 - lost.index(victim["id"])
    assert f"lost of epoch {epoch}: {len(lost)} ({first}-{first + len(lost) - 1})" in said(again)
    assert again.read("select * from stay") == people
    assert again.read("select count(*) from event where epoch = ?", (epoch,)) == [(300 - len(lost),)]
    goes_on(again)
    again.close()
    calm = Journal(tmp_path, clock)
    assert calm.set_aside is None
    assert calm.epoch() == again.epoch()
    calm.close()


@pytest.mark.parametrize("seed", range(12))
def test_d6_whatever_pages_are_overwritten_the_gate_records_again_and_says_what_is_lost(
    tmp_path: Path, clock: HandClock, seed: int
) -> None:
    rng = Random(SEED + seed)
    journal = lived(tmp_path, clock, rows=150)
    epoch, before = journal.epoch(), rows_of(journal)
    journal.close()
    pages = journal.path.stat().st_size // PAGE
    for page in rng.sample(range(pages), rng.randint(1, 4)):
        overwrite(journal.path, page, rng)

    again = Journal(tmp_path, clock)
    if again.set_aside is None:  # pages of what was deleted, of no meaning
        assert again.epoch() == epoch
        assert rows_of(again) == before
    else:
        carried = ids(rows_of(again))
        whole = [row["id"] for row in before]
        assert [one for one in whole if one in carried] == carried
        gone = len([row for row in before[30:] if row["id"] not in carried])
        assert "salvaged" in said(again)
        assert gone < 110 or "lost of epoch" in said(again)
    goes_on(again)
    again.close()


def test_d6_without_its_first_page_the_rows_are_found_in_the_bytes(tmp_path: Path, clock: HandClock) -> None:
    journal = lived(tmp_path, clock)
    before = rows_of(journal)
    journal.close()
    overwrite(journal.path, 0, Random(SEED))
    again = Journal(tmp_path, clock)
    assert ids(rows_of(again)) == ids(before[30:])
    assert "no row is known to be lost" in said(again)
    goes_on(again)
    again.close()


def two_epochs(folder: Path, clock: HandClock) -> tuple[Journal, list[dict[str, Any]]]:
    """A journal whose file still has every row of an earlier epoch, thirty numbers apart; and the rows of the newer."""
    journal = lived(folder, clock, rows=300)
    journal.new_epoch(centre_upto=400)
    for _ in range(5):
        journal.append(Kind.FORCED, LaneData(lane="entry"))
    return journal, rows_of(journal)


def test_d6_rows_of_an_earlier_epoch_do_not_stand_in_for_those_that_are_lost(
    tmp_path: Path, clock: HandClock
) -> None:
    journal, before = two_epochs(tmp_path, clock)
    epoch = journal.epoch()
    journal.close()
    overwrite(journal.path, page_of(journal.path, before[150]), Random(SEED))
    again = Journal(tmp_path, clock)
    kept = dict(again.read("select seq, body from event where epoch = ?", (epoch,)))
    assert all(json.loads(body) == before[seq - 1] for seq, body in kept.items())
    lost = [row["seq"] for row in before if row["seq"] not in kept]
    assert before[150]["seq"] in lost
    assert f"lost of epoch {epoch}: {len(lost)} ({lost[0]}-{lost[-1]})" in said(again)
    assert ids(rows_of(again)) == ids(row for row in before if row["seq"] in kept)
    again.close()


def test_d6_without_its_first_page_the_rows_of_the_newest_chain_are_found_alone(
    tmp_path: Path, clock: HandClock
) -> None:
    journal, before = two_epochs(tmp_path, clock)
    journal.close()
    overwrite(journal.path, 0, Random(SEED))
    again = Journal(tmp_path, clock)
    assert ids(rows_of(again)) == ids(before)
    goes_on(again)
    again.close()


def test_rows_in_the_bytes_count_where_they_hang_on_rows_that_could_be_read() -> None:
    def row(seq: int, prev: str, digest: str) -> Carved:
        return Carved(seq, prev, digest, f"2026-11-22T09:{seq:02}:00Z", "forced", "")

    ours = [row(seq, f"a{seq - 1}", f"a{seq}") for seq in range(1, 10)]
    theirs = [row(seq, f"b{seq - 1}", f"b{seq}") for seq in range(1, 12)]
    held = {seq: (f"a{seq - 1}", f"a{seq}") for seq in (3, 7)}
    both = [*ours, *theirs]
    assert [one.digest for one in chained(both, held, set())] == ["a1", "a2", "a4", "a5", "a6", "a8", "a9"]
    no_bridge = [one for one in both if one.digest not in {"a4", "a6"}]
    assert [one.digest for one in chained(no_bridge, held, set())] == ["a1", "a2", "a8", "a9"]
    assert [one.digest for one in chained(ours, held, {"a8", "a5"})] == ["a1", "a2", "a4", "a5", "a6"]
    assert [one.digest for one in chained(both, {}, set())] == [f"b{seq}" for seq in range(1, 12)]
    apart = [one for one in ours if one.seq not in {4, 5}]
    assert chained(apart, {}, set()) == apart
    assert chained([], {}, set()) == []


def test_d7_a_write_ahead_file_that_is_gone_is_noticed_and_a_shared_memory_file_is_not_missed(
    tmp_path: Path, clock: HandClock
) -> None:
    journal = lived(tmp_path / "gate", clock)
    shutil.copytree(tmp_path / "gate", tmp_path / "cut")  # as a cut leaves it: with its write-ahead file
    shutil.copytree(tmp_path / "gate", tmp_path / "whole")
    epoch, last = journal.epoch(), journal.last_seq()
    journal.close()

    (tmp_path / "whole" / "journal.db-shm").unlink()
    whole = Journal(tmp_path / "whole", clock)
    assert (whole.epoch(), whole.last_seq()) == (epoch, last)
    whole.close()

    (tmp_path / "cut" / "journal.db-wal").unlink()
    cut = Journal(tmp_path / "cut", clock)
    assert cut.epoch() != epoch
    assert "write-ahead file is gone" in said(cut)
    goes_on(cut)
    cut.close()


def test_d7_to_look_whether_a_file_can_be_used_makes_no_write_ahead_file(
    tmp_path: Path, clock: HandClock
) -> None:
    lived(tmp_path, clock).close()
    before = sorted(tmp_path.iterdir())
    demand_usable(tmp_path)
    assert sorted(tmp_path.iterdir()) == before


def folder_in_its_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def pipe_in_its_place(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("spoil", "words", "aside"),
    [
        (Path.unlink, "the journal was missing", False),
        (emptied, "it was empty", True),
        (folder_in_its_place, "no file in its place", True),
        (pipe_in_its_place, "no file in its place", True),
    ],
)
def test_d14_a_journal_that_is_missing_empty_or_no_file_is_told_of_and_another_begins(
    tmp_path: Path, clock: HandClock, spoil: Callable[[Path], None], words: str, *, aside: bool
) -> None:
    journal = lived(tmp_path, clock)
    epoch, last = journal.epoch(), journal.last_seq()
    journal.close()
    spoil(journal.path)
    again = Journal(tmp_path, clock)
    assert again.epoch() != epoch
    assert words in said(again)
    assert epoch in said(again)
    assert str(last) in said(again)
    assert (again.set_aside is not None) == aside
    goes_on(again)
    again.close()


def test_k12_a_first_start_has_nothing_to_tell(tmp_path: Path, clock: HandClock) -> None:
    for cut in ("", "zero bytes"):
        folder = tmp_path / f"gate {cut}"
        folder.mkdir()
        if cut:
            (folder / "journal.db").write_bytes(b"")
        journal = Journal(folder, clock)
        assert (journal.last_seq(), journal.set_aside) == (0, None)
        journal.close()


def test_d14_a_journal_of_another_user_is_set_aside_unread(clock: HandClock) -> None:
    if os.geteuid() != 0:
        pytest.skip("wants root, to become another user")
    with tempfile.TemporaryDirectory() as name:  # others may not come into the folders of pytest
        folder = Path(name) / "gate"
        journal = lived(folder, clock)
        journal.close()
        journal.path.chmod(0o600)
        Path(name).chmod(0o755)
        folder.chmod(0o777)
        (folder / "lock").unlink()
        child = os.fork()
        if child == 0:  # no test runner in here: only an exit code comes back
            try:
                os.setgid(65534)
                os.setuid(65534)
                again = Journal(folder, clock)
                told = again.set_aside is not None and "belongs to another user" in said(again)
                os._exit(0 if told else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_power_cut_in_the_middle_of_a_salvage_is_taken_up_by_the_next_start(
    tmp_path: Path, clock: HandClock
) -> None:
    journal = lived(tmp_path / "gate", clock)
    before = rows_of(journal)
    journal.close()
    overwrite(journal.path, 0, Random(SEED))
    mark = json.loads((tmp_path / "gate" / "journal.db.mark").read_text())
    mark |= {"salvaging": "journal.db.broken-x", "why": "a page was wrong"}
    for moment in ("named", "moved", "half made"):
        folder = tmp_path / moment
        shutil.copytree(tmp_path / "gate", folder)
        (folder / "journal.db.mark").write_text(json.dumps(mark))
        if moment != "named":
            (folder / "journal.db").rename(folder / "journal.db.broken-x")
        if moment == "half made":
            (folder / "journal.db.part").write_bytes(b"half of it")
        again = Journal(folder, clock)
        assert again.set_aside == folder / "journal.db.broken-x"
        assert ids(rows_of(again)) == ids(before[30:])
        assert "a page was wrong" in said(again)
        goes_on(again)
        again.close()


def test_k9_a_row_that_ends_every_start_is_left_behind_at_the_third(tmp_path: Path, clock: HandClock) -> None:
    journal = lived(tmp_path, clock)
    journal.append(Kind.DECISION, LaneData(lane="entry"))  # no reader of decisions takes that
    before = rows_of(journal)
    journal.close()
    doubts = []
    for _ in range(3):  # no start comes to serving
        doubts.append(Starts(tmp_path).begin())
        journal = Journal(tmp_path, clock, doubt=lambda: doubts[-1])
        journal.close()
    assert doubts == [Doubt.NONE, Doubt.NONE, Doubt.ROWS]
    again = Journal(tmp_path, clock)
    assert ids(rows_of(again)) == ids(before[30:-1])
    assert again.read("select count(*) from stay") != [(0,)]
    assert "ended at every start" in said(again)
    again.close()


def test_k9_starts_that_serve_and_starts_of_another_boot_are_not_counted(tmp_path: Path) -> None:
    starts = Starts(tmp_path)
    for _ in range(5):
        assert starts.begin() is Doubt.NONE
        starts.serving()
    for _ in range(5):  # power cuts
        assert starts.begin() is Doubt.NONE
        count = json.loads((tmp_path / "starts").read_text())
        (tmp_path / "starts").write_text(json.dumps(count | {"boot": "an earlier one"}))
    assert [Starts(tmp_path).begin() for _ in range(6)] == [
        Doubt.NONE,
        Doubt.NONE,
        Doubt.ROWS,
        Doubt.NONE,
        Doubt.NONE,
        Doubt.PEOPLE,
    ]


def test_k9_starts_that_say_nothing_of_the_file_are_taken_back(tmp_path: Path, clock: HandClock) -> None:
    journal = lived(tmp_path, clock)

    def start() -> None:
        starts = Starts(tmp_path)
        with starts:
            Journal(tmp_path, clock, doubt=starts.begin).close()
            raise JournalFullError("no room for the first row")

    for _ in range(7):
        with pytest.raises(JournalBusyError):
            start()
    assert not (tmp_path / "starts").exists()  # the process that has the folder counts there, nobody else
    people = journal.read("select * from stay")
    journal.close()
    for _ in range(7):
        with pytest.raises(JournalFullError):
            start()
    again = Journal(tmp_path, clock, doubt=Starts(tmp_path).begin)
    assert again.set_aside is None
    assert again.read("select * from stay") == people
    again.close()


@pytest.mark.parametrize("cause", [apsw.CorruptError(), apsw.MismatchError(), None])
def test_k9_starts_that_the_file_may_have_ended_stay_counted(
    tmp_path: Path, cause: apsw.Error | None
) -> None:
    for _ in range(2):
        starts = Starts(tmp_path)
        with pytest.raises(Exception, match="ended"), starts:
            starts.begin()
            if cause is None:
                raise ValueError("ended by what a row says")
            raise JournalError("ended") from cause
    assert Starts(tmp_path).begin() is Doubt.ROWS


def test_k9_what_is_still_believed_when_that_did_not_help_is_events_alone(
    tmp_path: Path, clock: HandClock
) -> None:
    journal = lived(tmp_path, clock)
    before = rows_of(journal)
    journal.close()
    again = Journal(tmp_path, clock, doubt=lambda: Doubt.PEOPLE)
    assert ids(rows_of(again)) == ids(before[30:])
    assert again.read("select count(*) from stay") == [(0,)]
    again.close()


def test_d5_damage_that_shows_while_the_gate_runs_closes_the_file_for_good_and_the_next_start_salvages(
    tmp_path: Path, clock: HandClock
) -> None:
    journal = lived(tmp_path, clock, rows=300)
    journal.read("pragma wal_checkpoint(truncate)")
    journal.read("pragma shrink_memory")
    rng = Random(SEED)
    for page in range(2, journal.path.stat().st_size // PAGE):
        overwrite(journal.path, page, rng)
    with pytest.raises(JournalLostError, match="the gate ends"):
        journal.read("select * from event")
    for act in (
        lambda: journal.append(Kind.FORCED, LaneData(lane="entry")),
        lambda: journal.acknowledge(journal.epoch(), 40),
        journal.prune,
        journal.demand_alive,
    ):
        with pytest.raises(JournalLostError):
            act()
    journal.close()
    again = Journal(tmp_path, clock)
    assert again.set_aside is not None
    goes_on(again)
    again.close()


def test_errors_that_are_no_damage_do_not_close_the_file(tmp_path: Path, clock: HandClock) -> None:
    journal = lived(tmp_path, clock)
    with pytest.raises(JournalError):
        journal.read("select * from no_such_table")
    assert not is_damage(apsw.FullError())
    journal.demand_alive()
    goes_on(journal)
    journal.close()


def test_what_was_set_aside_stays_as_it_was_found(tmp_path: Path, clock: HandClock) -> None:
    journal = lived(tmp_path / "gate", clock)
    journal.read("pragma wal_checkpoint(truncate)")
    journal.append(Kind.FORCED, LaneData(lane="entry"))
    shutil.copytree(tmp_path / "gate", tmp_path / "cut")
    victim = rows_of(journal)[10]
    journal.close()
    overwrite(tmp_path / "cut" / "journal.db", page_of(journal.path, victim), Random(SEED))
    found = {name: (tmp_path / "cut" / name).read_bytes() for name in ("journal.db", "journal.db-wal")}
    again = Journal(tmp_path / "cut", clock)
    assert again.set_aside is not None
    for name, data in found.items():
        assert (
            again.set_aside.with_name(name.replace("journal.db", again.set_aside.name)).read_bytes() == data
        )
    again.close()
    salvaged = JournalCopy(again.path)
    assert salvaged.damage() == ""
    salvaged.close()
