"""What a gate keeps of an emergency: over a restart, a full disk and a broken journal, until somebody resets it."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import apsw
import pytest
from pydantic import BaseModel

from drivers.model import Fault
from edge.inputs import BoardReported
from edge.journal import Recorded
from edge.orders import HandsError, Order
from sync.messages import DeviceData, Kind
from tests.gate_world import World, reason
from tests.ticking import HandClock

pytestmark = pytest.mark.real
FIRE = 4
GUARD = Order(by="王强", reason="现场检查")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, HandClock(), inputs=[{"role": "fire", "board": "inputs", "channel": FIRE}])
    world.start()
    yield world
    world.journal.close()


def emergency_rows(world: World) -> list[str]:
    return [row["state"] for row in world.events("emergency")]


def restart(world: World) -> None:
    world.journal.close()
    world.start()


def test_d1_an_emergency_that_no_journal_took_outlives_a_restart(world: World) -> None:
    world.journal.read("pragma query_only = on")
    world.input(FIRE, active=True)
    restart(world)
    assert world.screen.snapshot().emergency == "clear"
    assert emergency_rows(world) == []
    assert reason(world.show(world.fresh())) == "emergency"


@pytest.mark.parametrize(("burnt", "phase"), [(True, "clear"), (False, "")])
def test_d4_an_emergency_outlives_a_broken_journal(world: World, burnt: bool, phase: str) -> None:
    world.input(FIRE, active=burnt)
    world.wait(0.1)
    world.journal.close()
    world.journal.path.write_bytes(b"not a database" * 1000)
    world.start()
    assert world.journal.set_aside is not None
    assert world.screen.snapshot().emergency == phase


@pytest.mark.parametrize("left", [None, b"", b"\xff\xfe", b"maybe"])
def test_d4_where_nobody_knows_whether_there_is_an_emergency_there_is(
    world: World, left: bytes | None
) -> None:
    world.wait(0.1)
    world.journal.close()
    kept = world.folder / "emergency"
    if left is None:
        kept.unlink()
        world.journal.path.write_bytes(b"not a database" * 1000)
    else:
        kept.write_bytes(left)
    world.start()
    assert world.screen.snapshot().emergency == "clear"
    restart(world)
    assert world.screen.snapshot().emergency == "clear"
    world.wait(2.5)
    world.gate.hands.fire_reset(GUARD)
    restart(world)
    assert world.screen.snapshot().emergency == ""


def test_d1_an_emergency_is_kept_as_soon_as_the_disk_takes_it(world: World) -> None:
    world.wait(0.1)
    block = world.folder / f"emergency.{os.getpid()}.part"
    block.mkdir()  # in the place of the file that is written first
    world.input(FIRE, active=True)
    assert world.screen.snapshot().emergency == "active"
    assert (world.folder / "emergency").read_text() == "none\n"
    block.rmdir()
    world.wait(0.3)
    assert (world.folder / "emergency").read_text() == "active\n"
    world.input(FIRE, active=False)
    world.wait(2.1)
    block.mkdir()
    with pytest.raises(HandsError) as refused:
        world.gate.hands.fire_reset(GUARD)
    assert refused.value.code == "not_recorded"
    assert emergency_rows(world) == ["began", "input_clear"]
    block.rmdir()
    world.gate.hands.fire_reset(GUARD)
    assert (world.folder / "emergency").read_text() == "none\n"


def test_d1_what_is_owed_of_an_emergency_is_recorded_before_its_reset_or_it_is_not_reset(
    world: World,
) -> None:
    world.journal.read("pragma query_only = on")
    for _ in range(1001):  # more than is kept of other rows
        world.gate.note(Kind.DEVICE, DeviceData(device="x", state="fault", detail=""))
    world.input(FIRE, active=True)
    world.input(FIRE, active=False)
    world.wait(2.1)
    with pytest.raises(HandsError) as refused:
        world.gate.hands.fire_reset(GUARD)
    assert refused.value.code == "not_recorded"
    assert world.screen.snapshot().emergency == "clear"
    world.journal.read("pragma query_only = off")
    world.gate.hands.fire_reset(GUARD)
    assert emergency_rows(world) == ["began", "input_clear", "reset"]
    assert len(world.events("device")) == 1000


class Endless(BaseModel):
    """What no journal takes, however often it is asked."""

    text: str = "x" * 1_000_000


def test_d1_while_anything_of_an_emergency_is_owed_it_is_not_reset(world: World) -> None:
    has_room = False

    def takes_much_room(_db: apsw.Connection, _recorded: Recorded) -> None:
        if not has_room:
            raise apsw.FullError("for smaller rows there is room")

    told = DeviceData(device="camera entry", state="fault")
    world.gate._owed.write(partial(world.journal.append, Kind.DEVICE, told, takes_much_room))
    world.input(FIRE, active=True)
    world.input(FIRE, active=False)
    world.wait(2.1)
    with pytest.raises(HandsError) as refused:
        world.gate.hands.fire_reset(GUARD)
    assert refused.value.code == "not_recorded"
    assert emergency_rows(world) == []
    assert world.screen.snapshot().emergency == "clear"
    has_room = True
    world.gate.hands.fire_reset(GUARD)
    assert emergency_rows(world) == ["began", "input_clear", "reset"]


def test_a_row_that_can_never_be_recorded_does_not_keep_an_emergency_going(world: World) -> None:
    world.gate._owed.write(partial(world.journal.append, Kind.EMERGENCY, Endless()), reserved=True)
    world.input(FIRE, active=True)
    world.input(FIRE, active=False)
    world.wait(2.1)
    world.gate.hands.fire_reset(GUARD)
    assert emergency_rows(world) == ["began", "input_clear", "reset"]


def test_d1_a_reset_that_no_journal_takes_leaves_nothing_behind(world: World) -> None:
    world.input(FIRE, active=True)
    world.input(FIRE, active=False)
    world.wait(2.1)
    world.journal.read("pragma query_only = on")
    with pytest.raises(HandsError) as refused:
        world.gate.hands.fire_reset(GUARD)
    assert refused.value.code == "not_recorded"
    assert (world.folder / "emergency").read_text() == "clear\n"
    assert list(world.folder.glob("emergency.*")) == []


def test_a_fire_input_in_fault_is_not_reset(world: World) -> None:
    world.input(FIRE, active=True)
    world.input(FIRE, active=False)
    world.wait(2.1)
    fault = Fault(active=True, why="the board does not answer")
    world.gate.handle(BoardReported(board="inputs", event=fault))
    with pytest.raises(HandsError, match="cannot be read") as refused:
        world.gate.hands.fire_reset(GUARD)
    assert refused.value.code == "not_clear"
    world.gate.handle(BoardReported(board="inputs", event=Fault(active=False, why="over")))
    world.gate.hands.fire_reset(GUARD)
