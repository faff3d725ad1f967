"""A process dies, or the disk fails, at the n-th system call of a kind: by ``strace``, for each n that matters."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from tests.faults_tools import needs
from tests.faults_tools.amounts import scaled, seen
from tests.faults_tools.forks import Traced, traced
from tests.faults_tools.lives import copy_faults, examine
from tests.faults_tools.writer import SETTINGS, content
from tests.ticking import HandClock

pytestmark = pytest.mark.real
SEED = 20261122
WRITES = 130  # of one short life of a journal, its first start included


@pytest.fixture(autouse=True)
def needed() -> None:
    needs.strace()


def some(upto: int, *, usual: int) -> list[int]:
    """The first places and seeded ones after them."""
    first = min(upto, 4)
    later = range(first + 1, upto + 1)
    return [*range(1, first + 1), *sorted(Random(SEED).sample(later, min(len(later), scaled(usual))))]


def lives(folder: Path, by: Traced, role: str, turns: int, *, call: str, places: list[int]) -> Counter[str]:
    """One journal for each place; whatever was said in its life has to be there at the next start."""
    ends: Counter[str] = Counter()
    for at in places:
        place = folder / f"{role}{at}"
        hit = by.run(place, role, turns, call=call, at=at)
        ends["killed" if hit.killed else "refused" if hit.error else "ended"] += 1
        told = examine(place, hit.said, HandClock())
        assert (told.lost, told.wrong) == ((), ()), f"{role}, {call} {at}"
    return ends


@pytest.mark.parametrize(
    ("call", "upto", "usual"),
    [("pwrite64", WRITES, 10), ("fdatasync", 12, 3), ("ftruncate", 2, 0), ("unlink", 3, 0)],
)
@pytest.mark.parametrize(("name", "role", "turns"), [("p3", "rows", 4), ("p6", "prune", 1)])
def test_p3_p6_a_process_killed_at_any_call_has_lost_no_row(
    tmp_path: Path, name: str, role: str, turns: int, call: str, upto: int, usual: int
) -> None:
    places = some(upto, usual=usual)
    with traced(call, "signal=KILL", tmp_path) as by:
        ends = lives(tmp_path, by, role, turns, call=call, places=places)
    seen(f"{name}: killed at {call} {places}: {dict(ends)}")
    assert ends["killed"] > len(places) / 2


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "unlink"])
def test_p8_a_process_killed_while_it_replaces_a_file_leaves_the_old_or_the_new_one_whole(
    tmp_path: Path, call: str
) -> None:
    turns, killed = 3, 0
    with traced(call, "signal=KILL", tmp_path) as by:
        for at in range(1, 8):
            folder = tmp_path / f"{call}{at}"
            folder.mkdir()
            (folder / SETTINGS).write_bytes(content(25))
            hit = by.run(folder, "settings", turns, call=call, at=at)
            killed += hit.killed
            old = content(hit.turn) if hit.turn >= 0 else content(25)
            assert (folder / SETTINGS).read_bytes() in {old, content(hit.turn + 1)}, f"{call} {at}"
            again = by.run(folder, "settings", 1, call=call, at=200)  # what was left lying is in nobody's way
            assert again.turn == 0
            assert (folder / SETTINGS).read_bytes() == content(0)
    assert killed >= turns


def test_d4_a_row_whose_sync_failed_is_not_said_to_be_durable(tmp_path: Path) -> None:
    places = some(14, usual=4)
    with traced("fdatasync", "error=EIO", tmp_path) as by:
        ends = lives(tmp_path, by, "rows", 4, call="fdatasync", places=places)
    seen(f"EIO at fdatasync {places}: {dict(ends)}")
    assert ends["refused"] >= 2


def test_d1_a_disk_that_is_full_at_any_write_takes_no_row_and_loses_none(tmp_path: Path) -> None:
    places = some(WRITES, usual=12)
    with traced("pwrite64", "error=ENOSPC", tmp_path, lasting=True) as by:
        ends = lives(tmp_path, by, "rows", 4, call="pwrite64", places=places)
    seen(f"ENOSPC from pwrite64 {places} on: {dict(ends)}")
    assert ends["refused"] == len(places)


def test_d4_after_a_sync_that_failed_the_same_handle_says_nothing_is_durable_any_more(tmp_path: Path) -> None:
    places = some(20, usual=6)
    lost = 0
    with traced("fdatasync", "error=EIO", tmp_path) as by:
        for at in places:
            hit = by.run(tmp_path / f"insist{at}", "insist", 4, call="fdatasync", at=at)
            if any("JournalLostError" in error for error in hit.errors):
                lost += 1
                assert hit.after_errors == ()
            told = examine(tmp_path / f"insist{at}", hit.said, HandClock())
            assert (told.lost, told.wrong) == ((), ()), f"fdatasync {at}"
    seen(f"EIO at fdatasync {places}: the file was closed for good in {lost}")
    assert lost > 2


def test_p6_a_copy_of_the_journal_is_whole_or_not_there(tmp_path: Path) -> None:
    copies, kinds = 0, Counter[str]()
    for call, places in (
        ("pwrite64", some(240, usual=7)),
        ("fdatasync", some(40, usual=2)),
        ("rename", [1, 2]),
    ):
        with traced(call, "signal=KILL", tmp_path) as by:
            for at in places:
                folder = tmp_path / f"{call}{at}"
                hit = by.run(folder, "backup", 2, call=call, at=at)
                kinds["killed" if hit.killed else "ended"] += 1
                for copy in folder.glob("copy*[0-9]"):
                    copies += 1
                    assert copy_faults(copy) == [], f"{call} {at}"
                told = examine(folder, hit.said, HandClock())
                assert (told.lost, told.wrong) == ((), ()), f"{call} {at}"
    seen(f"{dict(kinds)}, {copies} whole copies")
    assert copies > 2
    assert kinds["killed"] > 5
