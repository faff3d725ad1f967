"""The gate's disk is full, to the byte and by somebody else's file: who is let in, who is let out, what is recorded."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from edge.journal import Journal
from tests.faults_tools import needs
from tests.faults_tools.amounts import scaled, seen
from tests.faults_tools.cut_disk import cut_disk
from tests.faults_tools.lives import chain_faults, read
from tests.faults_tools.small_disk import SmallDisk, small_disk
from tests.gate_world import FOREIGN, World, granted
from tests.ticking import HandClock

pytestmark = pytest.mark.real
SEED = 20261122
DISK_BYTES = 4 << 20
ROOM_MAX = 400 << 10  # with more room than this, these visitors do not fill it
VISITORS = 30
HEALED_S = 60.0
ROUNDS_MAX = 40


@contextmanager
def started(folder: Path) -> Iterator[World]:
    """A gate's core; its journal is closed in the end."""
    world = World(folder, HandClock())
    world.start()
    try:
        yield world
    finally:
        world.journal.close()


def visit(world: World, visitors: range) -> Counter[str]:
    """People come to the entry with good passes, and somebody leaves in between; nobody walks twice at once."""
    done: Counter[str] = Counter()
    for number in visitors:
        world.wait(8)
        if granted(world.show(world.fresh(number))):
            done["in"] += 1
            world.walk()
        else:
            done["refused"] += 1
        world.wait(8)
        assert granted(world.show(f"{FOREIGN}{number}", lane="exit"))
        done["out"] += 1
        world.walk("exit")
    return done


def entries_pulsed(world: World) -> set[str]:
    return {pulse.id for _, pulse in world.pulses if pulse.channel == 1}


def grants_recorded(journal: Journal) -> set[str]:
    bodies = [json.loads(body) for (body,) in journal.read("select body from event where kind = 'decision'")]
    return {
        row["id"]
        for row in bodies
        if (row["data"]["outcome"], row["data"]["direction"]) == ("grant", "entry")
    }


def filled_to(disk: SmallDisk, room_bytes: int) -> Counter[str]:
    """A day at a gate whose disk has so much room left, and which is freed in the end."""
    world = World(disk.folder / "gate", HandClock())
    world.start()
    disk.leave(room_bytes)
    done = visit(world, range(1, VISITORS + 1))
    assert sum(pulse.channel == 2 for _, pulse in world.pulses) == VISITORS  # nobody was held inside
    pulsed, recorded = entries_pulsed(world), grants_recorded(world.journal)
    assert pulsed <= recorded  # nobody was let in without a row
    assert len(pulsed) == done["in"]

    disk.free()
    world.wait(HEALED_S)
    done += visit(world, range(VISITORS + 1, VISITORS + 3))
    assert world.pulses[-2][1].channel == 1  # and it healed without a person
    rows, unreadable = read(world.journal)
    assert unreadable == []
    assert chain_faults(rows) == []
    walked = [row["data"]["direction"] for row in rows if row["kind"] == "passage"]
    assert Counter(walked) == {"entry": done["in"], "exit": done["out"]}
    world.journal.close()
    return done


def test_d1_a_disk_filled_to_any_byte_admits_nobody_without_a_row_and_lets_everybody_out(
    tmp_path: Path,
) -> None:
    needs.root_mounts()
    rng = Random(SEED)
    rooms = sorted({0, 4096, *(rng.randrange(ROOM_MAX) for _ in range(scaled(24) - 2))})
    found: Counter[str] = Counter()
    for number, room_bytes in enumerate(rooms):
        with small_disk(tmp_path / f"disk{number}", DISK_BYTES) as disk:
            found += filled_to(disk, room_bytes)
    seen(f"{len(rooms)} levels: {dict(found)}, seed {SEED}")
    assert found["refused"] > 0
    assert found["in"] > 2 * len(rooms)


def test_d8_a_disk_that_turns_read_only_admits_nobody_and_lets_everybody_out(tmp_path: Path) -> None:
    needs.loop_devices()
    with cut_disk(tmp_path) as disk:
        world = World(disk.folder / "gate", HandClock())
        world.start()
        assert visit(world, range(1, 4)) == {"in": 3, "out": 3}
        disk.turn_read_only()
        assert visit(world, range(4, 9)) == {"refused": 5, "out": 5}
        assert entries_pulsed(world) <= grants_recorded(world.journal)
        world.journal.close()
        disk.unmount()
        disk.mount()
        again = Journal(disk.folder / "gate", HandClock())
        assert entries_pulsed(world) <= grants_recorded(again)
        again.close()


def test_d2_a_disk_filled_by_receipted_rows_is_purged_and_takes_rows_again_by_itself(tmp_path: Path) -> None:
    needs.root_mounts()
    with small_disk(tmp_path / "disk", DISK_BYTES) as disk, started(disk.folder / "gate") as world:
        disk.leave(1500 << 10)
        number = 0
        while granted(world.show(world.fresh(number := number + 1))):
            world.walk()
            world.wait(8)
            world.journal.acknowledge(world.journal.epoch(), world.journal.last_seq())
        assert number > 20
        world.clock.advance(8 * 86_400)
        rounds = next(turn for turn in range(1, ROUNDS_MAX) if healed(world, number + turn))
        seen(f"{number} visitors filled the disk; somebody was let in after {rounds} rounds of housekeeping")


def healed(world: World, number: int) -> bool:
    """Whether somebody is let in after one more round of what the daemon does from time to time."""
    world.journal.prune()
    world.journal.tend()
    world.standings.forget_old(world.clock.now())
    world.wait(30)
    unix = int(world.clock.now().timestamp())
    return granted(
        world.show(world.fresh(number, not_before=unix - 60, issued_at=unix - 60, expires_at=unix + 3600))
    )
