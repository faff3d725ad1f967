"""The power of a real disk goes while a real process writes: ext4 on a loop device, shut down by the kernel.

What the process had said outside of that disk is compared with what the disk holds when it is mounted again.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from edge.journal import Journal
from shell.clock import SystemClock
from tests.faults_tools import needs
from tests.faults_tools.amounts import scaled, seen
from tests.faults_tools.children import booting, writing
from tests.faults_tools.cut_disk import CutDisk, cut_disk
from tests.faults_tools.lives import Said, chain_faults, copy_faults, examine, read
from tests.faults_tools.writer import SETTINGS, content
from tests.ticking import HandClock

pytestmark = pytest.mark.real
SEED = 20261122


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[CutDisk]:
    needs.loop_devices()
    with cut_disk(tmp_path) as made:
        yield made


def cut_while(disk: CutDisk, role: str, *, after: int) -> tuple[list[Said], int]:
    """Cut the power when the writer has said so many lines; returns what it had said, and its last turn."""
    with writing(disk.folder / "gate", role, disk=disk.folder) as child:
        child.listen(1 + after)
        disk.cut()
    disk.unmount()
    disk.mount()
    turns = [line[1] for line in child.lines if line[0] == "settings"]
    return child.said(), max(turns, default=-1)


def test_p3_a_real_power_cut_takes_no_row_that_was_said_to_be_durable(disk: CutDisk) -> None:
    rng, said, cuts = Random(SEED), [], scaled(10)
    for _ in range(cuts):
        more, _ = cut_while(disk, "rows", after=rng.randint(5, 60))
        assert more
        said += more
        told = examine(disk.folder / "gate", said, HandClock())
        assert (told.lost, told.wrong) == ((), ())
    seen(f"{cuts} cuts, {len(said)} times said, nothing lost, seed {SEED}")


def test_p6_a_real_power_cut_among_receipts_and_deletions_takes_no_row_before_its_time(
    disk: CutDisk,
) -> None:
    rng, said, cuts = Random(SEED), [], scaled(5)
    for _ in range(cuts):
        more, _ = cut_while(disk, "prune", after=rng.randint(10, 90))
        said += more
        told = examine(disk.folder / "gate", said, HandClock())
        assert (told.lost, told.wrong) == ((), ())
    seen(f"{cuts} cuts, {len(said)} times said, nothing lost, seed {SEED}")


def test_p6_a_real_power_cut_leaves_a_copy_of_the_journal_whole_or_none(disk: CutDisk) -> None:
    rng, said, cuts, copies = Random(SEED), [], scaled(4), 0
    for _ in range(cuts):
        more, _ = cut_while(disk, "backup", after=rng.randint(8, 40))
        said += more
        for copy in (disk.folder / "gate").glob("copy*[0-9]"):
            copies += 1
            assert copy_faults(copy) == []
            copy.unlink()
        told = examine(disk.folder / "gate", said, HandClock())
        assert (told.lost, told.wrong) == ((), ())
    seen(f"{cuts} cuts, {copies} whole copies, {len(said)} times said, nothing lost, seed {SEED}")
    assert copies > 0


def test_p7_a_real_power_cut_while_the_journal_is_made_leaves_a_folder_that_the_next_start_takes(
    disk: CutDisk,
) -> None:
    rng, cuts, clock, found = Random(SEED), scaled(6), SystemClock(), []
    for number in range(cuts):
        folder = disk.folder / f"gate{number}"
        with writing(folder, "rows", disk=disk.folder) as child:
            child.listen(1)
            wait_until_s = clock.monotonic_s() + rng.random() * 0.02
            while clock.monotonic_s() < wait_until_s:
                pass  # a few milliseconds: no waiting of the kernel's is as fine as this
            disk.cut()
        disk.unmount()
        disk.mount()
        told = examine(folder, child.said(), HandClock())
        assert (told.lost, told.wrong) == ((), ())
        found.append(len(child.said()))
    seen(f"{cuts} first starts, which had said {found} rows, seed {SEED}")


def test_p8_a_real_power_cut_while_a_file_is_replaced_leaves_the_old_or_the_new_one_whole(
    disk: CutDisk,
) -> None:
    rng, cuts = Random(SEED), scaled(6)
    (disk.folder / "gate").mkdir()
    for _ in range(cuts):
        _, turn = cut_while(disk, "settings", after=rng.randint(1, 40))
        assert (disk.folder / "gate" / SETTINGS).read_bytes() in {content(turn), content(turn + 1)}
    seen(f"{cuts} cuts, seed {SEED}")


def test_p3_a_file_that_was_not_synced_is_gone_after_a_cut(disk: CutDisk) -> None:
    """The cut is one: what only the kernel's memory held is not on the disk."""
    (disk.folder / "careless").write_bytes(b"x" * 10_000)
    disk.cut()
    disk.unmount()
    disk.mount()
    assert not (disk.folder / "careless").exists()


def test_p9_ten_power_cuts_in_a_row_are_ten_boots_and_somebody_is_let_in_after_each(disk: CutDisk) -> None:
    cuts, decided = scaled(10), 0
    for number in range(cuts):
        with booting(disk.folder / "gate", number, disk=disk.folder) as child:
            child.listen(1 + number % 3)
            disk.cut()
        disk.unmount()
        disk.mount()
        assert child.lines[0] == ["decided", True]
        decided += child.lines.count(["decided", True])
    journal = Journal(disk.folder / "gate", HandClock())
    rows, _ = read(journal)
    journal.close()
    kinds = Counter(row["kind"] for row in rows)
    seen(f"{cuts} cuts, {decided} decisions said, rows {dict(kinds)}")
    assert chain_faults(rows) == []
    assert kinds["boot"] == cuts
    assert kinds["decision"] >= decided


def test_d8_a_disk_that_turns_read_only_takes_no_row_and_says_so(disk: CutDisk) -> None:
    with writing(disk.folder / "gate", "rows") as child:
        child.listen(30)
        disk.turn_read_only()
        child.listen(1000)
        assert child.lines[-1][:2] == ["error", "JournalError"]
    disk.unmount()
    disk.mount()
    told = examine(disk.folder / "gate", child.said(), HandClock())
    assert (told.lost, told.wrong) == ((), ())
