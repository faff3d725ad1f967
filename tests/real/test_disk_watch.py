"""The watch over a gate's disk, on a small real one."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from edge.alarms import Alarms
from edge.disk_policy import Quotas
from edge.disk_watch import DiskWatch
from edge.journal import Journal, JournalFullError
from edge.kiosk.alarm_words import ALARMS
from passes.vocabulary import Direction
from sync.messages import DecisionData, DeviceData, Kind, LaneData, Outcome
from tests.faults_tools import needs
from tests.faults_tools.small_disk import SmallDisk, small_disk
from tests.gate_world import World
from tests.ticking import HandClock
from tests.waiting import until

pytestmark = pytest.mark.real
GRANTED = DecisionData(outcome=Outcome.GRANT, lane="entry", direction=Direction.ENTRY)
MB = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    needs.root_mounts()
    with small_disk(tmp_path / "disk", 12 * MB) as made:
        yield made


class Watched:
    """A watch whose notes are kept here."""

    def __init__(self, folder: Path, quotas: Quotas | None = None) -> None:
        self.world = World(folder, HandClock())
        self.world.start()
        self.journal: Journal = self.world.journal
        self.noted: list[tuple[str, str]] = []
        alarms = Alarms(self.world.screen, self.world.clock)
        self.watch = DiskWatch(self.journal, alarms, self._note, self.world.clock, quotas)

    def _note(self, kind: Kind, data: BaseModel) -> Any:
        assert kind is Kind.DEVICE
        assert isinstance(data, DeviceData)
        self.noted.append((data.device, data.state))
        self.journal.append(kind, data)

    def turn(self) -> list[str]:
        """One look, and what stands on the screen after it."""
        self.watch.look()
        self.watch.tick()
        return sorted(alarm.what for alarm in self.world.screen.snapshot().alarms)


def put(path: Path, size: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    return path


def test_d3_another_programs_file_costs_pictures_then_logs_and_no_event(disk: SmallDisk) -> None:
    gate = disk.folder / "gate"
    watched = Watched(gate, Quotas(free=2 * MB))
    pictures = [put(gate / "pictures" / "2026" / f"{number}.jpg", MB // 2) for number in range(6)]
    logs = [put(gate / "logs" / f"gate.log.{number}", MB // 2) for number in range(4)]
    kept = put(gate / "bundle.of.the.site", MB // 4)
    (gate / "logs" / "link").symlink_to(kept)
    rows = watched.journal.last_seq()
    disk.leave(MB)
    watched.watch.look()
    assert 0 < sum(path.exists() for path in pictures) < 6
    assert all(path.exists() for path in logs)
    disk.leave(0)
    watched.watch.look()
    assert not any(path.exists() for path in pictures)
    disk.leave(0)
    watched.watch.look()
    assert not any(path.exists() for path in logs)
    assert kept.stat().st_size == MB // 4
    assert watched.journal.last_seq() == rows
    watched.journal.close()


def test_d2_d3_a_full_disk_is_told_of_once_and_its_end_too_and_entries_come_back_by_themselves(
    disk: SmallDisk,
) -> None:
    watched = Watched(disk.folder / "gate")
    journal = watched.journal
    disk.leave(0)
    with pytest.raises(JournalFullError):
        for _ in range(5000):
            journal.append(Kind.DECISION, GRANTED)
    journal.append(Kind.FORCED, LaneData(lane="entry"))
    assert watched.turn() == ["disk", "disk_full"]
    assert watched.turn() == ["disk", "disk_full"]
    assert sorted(watched.noted) == [("disk", "fault"), ("disk_full", "fault")]
    disk.free()
    assert watched.turn() == []
    assert sorted(watched.noted[2:]) == [("disk", "recovered"), ("disk_full", "recovered")]
    journal.append(Kind.DECISION, GRANTED)
    journal.close()


def test_every_fault_of_the_disk_has_words_for_the_guard(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    found = watched.watch.look()._replace(tight=True, full=True, unsent=200_000)
    assert found.faults.keys() <= ALARMS.keys()
    assert len(found.faults) == 3
    watched.journal.close()


def test_copies_that_nobody_took_away_go_after_ten_minutes(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    copy = put(tmp_path / "journal-copies" / "a.db", 4096)
    watched.world.clock.wall = watched.world.clock.wall.fromtimestamp(
        copy.stat().st_mtime, watched.world.clock.wall.tzinfo
    )
    watched.watch.look()
    assert copy.exists()
    watched.world.clock.advance(601)
    watched.watch.look()
    assert not copy.exists()
    watched.journal.close()


def test_the_thread_looks_by_itself_and_ends_when_it_is_closed(tmp_path: Path) -> None:
    watched = Watched(tmp_path, Quotas(of=(0, 0, 0)))
    picture = put(tmp_path / "pictures" / "a.jpg", 10_000)
    watched.watch.start()
    until(lambda: not picture.exists())
    watched.watch.close()
    assert "disk-watch" not in {thread.name for thread in threading.enumerate()}
    watched.journal.close()
