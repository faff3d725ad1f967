"""Fire, exit button, tamper, doors and passages that nobody granted: what the gate makes of inputs and counters."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.model import (
    Admit,
    Alarm,
    AnyEvent,
    Counted,
    Done,
    Fault,
    Grade,
    Identity,
    InputEdge,
    Line,
    Outputs,
    Pulse,
    Refusal,
    Refused,
    Side,
    TimedOut,
)
from drivers.peripherals import Scanned
from edge.inputs import BoardReported
from edge.orders import HandsError, Order
from sync.messages import Outcome
from tests.gate_world import FOREIGN, World, granted, reason
from tests.ticking import HandClock

pytestmark = pytest.mark.real
FIRE, BUTTON, TAMPER, DOOR = 4, 5, 6, 7
INPUTS = (
    {"role": "fire", "board": "inputs", "channel": FIRE},
    {"role": "exit_button", "board": "inputs", "channel": BUTTON, "lane": "exit"},
    {"role": "tamper", "board": "inputs", "channel": TAMPER, "normally": "closed"},
    {"role": "door", "board": "inputs", "channel": DOOR, "lane": "entry"},
)
GUARD = Order(by="王强", reason="现场检查")


Make = Callable[..., World]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[World] = []

    def start(**settings: Any) -> World:
        world = World(tmp_path, HandClock(), **settings)
        world.start()
        made.append(world)
        return world

    yield start
    for world in made:
        world.journal.close()


@pytest.fixture
def world(make: Make) -> World:
    made = make(inputs=INPUTS)
    made.input(TAMPER, active=True)  # closed at rest: its current shows at once
    return made


def alarms(world: World) -> list[tuple[str, str]]:
    return [(alarm.what, alarm.place) for alarm in world.screen.snapshot().alarms]


def emergency_rows(world: World) -> list[str]:
    return [row["state"] for row in world.events("emergency")]


# -- fire


def test_f1_in_an_emergency_nobody_enters_and_everybody_leaves(world: World) -> None:
    world.input(FIRE, active=True)
    assert world.screen.snapshot().emergency == "active"
    assert [lane.state for lane in world.screen.snapshot().lanes] == ["emergency", "emergency"]
    verdict = world.show(world.fresh())
    assert verdict is not None
    assert (verdict.outcome, verdict.reason) == (Outcome.DENY, "emergency")
    assert granted(world.show(FOREIGN, lane="exit"))
    assert granted(world.show(world.fresh(2), lane="exit"))
    assert [pulse.channel for _, pulse in world.pulses] == [2, 2]
    assert emergency_rows(world) == ["began"]
    assert world.events("emergency")[0]["inputs"] == ["fire inputs/4"]


def test_people_who_flee_through_any_lane_are_no_alarm(world: World) -> None:
    world.input(FIRE, active=True)
    world.walk("entry")
    world.walk("exit")
    assert world.events("forced") == world.events("tailgate") == []
    assert world.screen.snapshot().counts["emergency_passages"] == 2


def test_f8_an_emergency_ends_by_a_clear_input_and_a_recorded_reset_and_by_nothing_else(world: World) -> None:
    world.input(FIRE, active=True)
    with pytest.raises(HandsError, match="still active"):
        world.gate.hands.fire_reset(GUARD)
    world.input(FIRE, active=False)
    world.wait(300)
    assert world.screen.snapshot().emergency == "clear"
    assert reason(world.show(world.fresh())) == "emergency"
    assert world.gate.hands.fire_reset(GUARD) == {"emergency": "none"}
    assert emergency_rows(world) == ["began", "input_clear", "reset"]
    assert (world.events("emergency")[-1]["by"], world.events("emergency")[-1]["reason"]) == (
        GUARD.by,
        GUARD.reason,
    )
    assert granted(world.show(world.fresh(2)))
    world.walk()
    world.wait(8)
    world.walk()
    assert len(world.events("forced")) == 1  # lanes are guarded again


def test_f2_a_loose_fire_wire_is_one_emergency(world: World) -> None:
    for _ in range(50):
        world.input(FIRE, active=True)
        world.wait(0.05)
        world.input(FIRE, active=False)
        world.wait(0.05)
    assert emergency_rows(world) == ["began"]
    with pytest.raises(HandsError, match="just become clear"):
        world.gate.hands.fire_reset(GUARD)
    world.wait(2)
    assert emergency_rows(world) == ["began", "input_clear"]


def test_p1_an_emergency_outlives_a_restart(world: World) -> None:
    world.input(FIRE, active=True)
    world.journal.close()
    world.start()
    assert world.screen.snapshot().emergency == "clear"
    assert reason(world.show(world.fresh())) == "emergency"
    with pytest.raises(HandsError, match="cannot be read"):
        world.gate.hands.fire_reset(GUARD)  # nobody knows yet whether it still burns
    world.wait(2.5)
    world.gate.hands.fire_reset(GUARD)
    assert granted(world.show(world.fresh()))


def test_d1_an_emergency_counts_at_once_on_a_full_disk_and_is_not_reset_there(world: World) -> None:
    world.journal.read("pragma query_only = on")
    world.input(FIRE, active=True)
    assert reason(world.show(world.fresh())) == "emergency"
    assert granted(world.show(FOREIGN, lane="exit"))
    world.input(FIRE, active=False)
    world.wait(2.1)
    with pytest.raises(HandsError) as refused:
        world.gate.hands.fire_reset(GUARD)
    assert refused.value.code == "not_recorded"
    world.journal.read("pragma query_only = off")
    world.wait(1)
    assert emergency_rows(world) == ["began", "input_clear"]
    world.gate.hands.fire_reset(GUARD)
    assert emergency_rows(world)[-1] == "reset"


def test_in_an_emergency_the_tools_may_open_and_may_not_lock(world: World) -> None:
    world.input(FIRE, active=True)
    for act in (lambda: world.gate.hands.release("exit", GUARD), lambda: world.gate.hands.off(GUARD)):
        with pytest.raises(HandsError) as refused:
            act()
        assert (refused.value.code, refused.value.why) == ("unsafe", "emergency")
    world.gate.hands.pulse("entry", GUARD)  # people may have to come out here
    assert [pulse.channel for _, pulse in world.pulses] == [1]


def test_a_fire_input_that_cannot_be_read_is_an_alarm_and_no_emergency(world: World) -> None:
    fault = Fault(active=True, why="the board does not answer")
    world.gate.handle(BoardReported(board="inputs", event=fault))
    assert ("fire_unread", "inputs") in alarms(world)
    assert world.screen.snapshot().emergency == ""
    world.gate.handle(BoardReported(board="inputs", event=Fault(active=False, why="over")))
    assert alarms(world) == []


@pytest.mark.parametrize("normally", ["open", "closed"])
def test_a_loop_that_never_shows_its_current_is_broken(make: Make, normally: str) -> None:
    world = make(inputs=[{**INPUTS[0], "normally": normally}])
    assert world.screen.snapshot().emergency == ""
    world.wait(2.5)
    assert world.screen.snapshot().emergency == ("active" if normally == "closed" else "")


@pytest.mark.parametrize(
    "heard",
    [
        InputEdge(channel=8, active=True, at_s=0.0),
        Done(id="x", grade=Grade.ACCEPTED),
        Outputs(id="x", bits=0, read=True),
        Identity(id="", maker="m", model="x"),
    ],
)
def test_a_fault_that_has_nothing_to_do_with_it_hides_no_broken_loop(make: Make, heard: AnyEvent) -> None:
    world = make(inputs=[{**INPUTS[0], "normally": "closed"}])
    said: list[AnyEvent] = [Fault(active=True, why="output 1 stays closed"), heard]
    for event in said:
        world.wait(1)
        world.gate.handle(BoardReported(board="inputs", event=event))
    world.wait(1.5)
    world.gate.handle(BoardReported(board="inputs", event=heard))
    assert world.screen.snapshot().emergency == ""
    world.wait(0.6)
    assert world.screen.snapshot().emergency == "active"


@pytest.mark.parametrize(
    "heard",
    [
        InputEdge(channel=8, active=True, at_s=0.0),
        Done(id="x", grade=Grade.SENT),
        Outputs(id="x", bits=0, read=False),
        TimedOut(id="x", maybe_executed=True),
    ],
)
def test_a_board_that_nobody_hears_is_no_emergency(make: Make, heard: AnyEvent) -> None:
    world = make(inputs=[{**INPUTS[0], "normally": "closed"}])
    silent = Fault(active=True, why="the board does not answer")
    said: list[AnyEvent] = [silent, heard, silent] if isinstance(heard, InputEdge) else [silent, heard]
    for event in said:
        world.wait(0.5)
        world.gate.handle(BoardReported(board="inputs", event=event))
    world.wait(5)
    assert world.screen.snapshot().emergency == ""


# -- exit button, tamper, doors


def test_who_presses_the_exit_button_leaves_without_a_name_and_forces_nothing(world: World) -> None:
    world.input(BUTTON, active=True)
    world.input(BUTTON, active=False)
    world.walk("exit")
    (passage,) = world.events("passage")
    assert (passage["direction"], passage.get("pass_id"), passage["assumed"]) == ("exit", None, False)
    assert world.events("forced") == []
    assert world.commands == []  # the button is only read
    world.wait(10)
    world.walk("exit")
    assert len(world.events("forced")) == 1  # one press is one passage


def test_a_press_that_nobody_used_permits_nothing_later(world: World) -> None:
    world.input(BUTTON, active=True)
    world.wait(5.1)
    world.walk("exit")
    assert len(world.events("forced")) == 1
    assert world.events("passage") == []


def test_a_tampered_device_is_recorded_and_shown_until_it_is_whole(world: World) -> None:
    world.input(TAMPER, active=False)  # cut: its loop is closed at rest
    assert alarms(world) == [("tamper", "inputs/6")]
    world.input(TAMPER, active=True)
    assert alarms(world) == []
    rows = [(row["device"], row["state"]) for row in world.events("device")]
    assert rows == [("tamper inputs/6", "fault"), ("tamper inputs/6", "recovered")]


def test_a_door_that_opens_without_a_grant_is_forced_and_one_that_stays_open_is_held(world: World) -> None:
    world.show(world.fresh())
    world.input(DOOR, active=True)
    world.walk()
    world.input(DOOR, active=False)
    assert world.events("forced") == []
    world.wait(8)
    world.input(DOOR, active=True)
    assert world.events("forced") == [{"lane": "entry", "detail": "door"}]
    world.wait(31)
    assert world.events("held_open") == [{"lane": "entry"}]
    assert ("held", "entry inputs/7") in alarms(world)
    world.input(DOOR, active=False)
    assert ("held", "entry inputs/7") not in alarms(world)


# -- passages that nobody granted


def test_a_second_person_behind_one_grant_is_a_tailgate(world: World) -> None:
    world.show(world.fresh())
    world.walk()
    world.clock.advance(0.1)
    world.input(1, active=True)
    world.input(1, active=False)
    assert world.events("tailgate") == [{"lane": "entry"}]
    assert world.events("forced") == []
    assert len(world.events("passage")) == 1
    assert alarms(world) == [("tailgate", "entry")]
    world.wait(61)
    assert alarms(world) == []


def test_s16_a_blocked_sensor_is_an_alarm_until_it_is_free(world: World) -> None:
    world.show(world.fresh())
    world.input(1, active=True)
    world.wait(31)
    assert world.events("held_open") == [{"lane": "entry"}]
    assert alarms(world) == [("held", "entry")]
    assert reason(world.show(world.fresh(2))) == "lane_fault"
    world.input(1, active=False)
    assert alarms(world) == []
    assert granted(world.show(world.fresh(2)))


def test_s13_a_welded_relay_lets_nobody_else_in_and_everybody_out(world: World) -> None:
    fault = Fault(active=True, why="output 1 stays closed")
    world.gate.handle(BoardReported(board="relays", event=fault))
    assert reason(world.show(world.fresh())) == "lane_fault"
    assert granted(world.show(FOREIGN, lane="exit"))
    world.gate.handle(BoardReported(board="relays", event=Line(up=True)))  # a line is no cure
    assert reason(world.show(world.fresh(2))) == "lane_fault"
    world.gate.handle(BoardReported(board="relays", event=Fault(active=False, why="over")))
    assert granted(world.show(world.fresh(3)))


def test_s14_an_entry_grants_at_most_every_300_ms_and_asks_again(make: Make) -> None:
    world = make(passage="assumed")
    for number in range(1, 101):
        world.show(world.fresh(number))
        for _, pulse in world.pulses[len(world.events("passage")) :]:
            world.gate.handle(BoardReported(board="relays", event=done(pulse)))
        world.clock.advance(0.01)
    assert 3 <= len(world.pulses) <= 4  # a second of a hundred passes
    assert world.asked_again == []
    world.wait(0.3)
    assert world.asked_again == ["entry"]


def done(pulse: Pulse) -> Done:
    return Done(id=pulse.id, grade=Grade.SENT)


# -- counters


@pytest.fixture
def counting(make: Make) -> World:
    return make(passage="counter")


def count(world: World, side: Side, people: int, total: int = 7) -> None:
    event = Counted(side=side, delta=people, total=total, at_s=world.clock.monotonic_s())
    world.gate.handle(BoardReported(board="relays", event=event))


def test_a_counted_person_is_the_passage_of_the_grant(counting: World) -> None:
    counting.show(counting.fresh())
    ((board, command),) = counting.commands
    assert isinstance(command, Admit)
    assert (board, command.side, command.people) == ("relays", Side.LEFT, 1)
    count(counting, Side.LEFT, 0)
    assert counting.events("passage") == []
    count(counting, Side.LEFT, 1)
    (passage,) = counting.events("passage")
    assert (passage["direction"], passage["assumed"]) == ("entry", False)
    assert len(counting.screen.snapshot().inside) == 1
    assert counting.screen.lane("entry").state == "ready"


def test_nobody_counted_is_a_no_show(counting: World) -> None:
    counting.show(counting.fresh())
    counting.wait(5.1)
    assert len(counting.events("no_show")) == 1
    assert counting.events("passage") == []


def test_two_counted_for_one_grant_are_a_passage_and_a_tailgate(counting: World) -> None:
    counting.show(counting.fresh())
    count(counting, Side.LEFT, 2)
    assert len(counting.events("passage")) == 1
    assert counting.events("tailgate") == [{"lane": "entry"}]


def test_somebody_who_walks_against_the_granted_direction_is_an_alarm_and_takes_no_grant(
    counting: World,
) -> None:
    counting.show(counting.fresh())
    count(counting, Side.RIGHT, 1)
    assert counting.events("forced") == [{"lane": "exit", "detail": "wrong_direction"}]
    assert alarms(counting) == [("wrong_direction", "exit")]
    count(counting, Side.LEFT, 1)
    assert len(counting.events("passage")) == 1


def test_many_counted_at_once_without_a_grant_are_one_alarm(counting: World) -> None:
    count(counting, Side.LEFT, 500)
    assert counting.events("forced") == [{"lane": "entry"}]
    assert counting.screen.lane("entry").state == "ready"


@pytest.mark.parametrize("pressed", [True, False])
def test_many_counted_behind_a_button_that_nobody_used_are_one_alarm(make: Make, pressed: bool) -> None:
    world = make(passage="counter", inputs=[INPUTS[1]])
    if pressed:
        world.input(BUTTON, active=True)
        world.input(BUTTON, active=False)
    world.wait(5.1)
    count(world, Side.RIGHT, 500)
    assert world.events("forced") == [{"lane": "exit"}]
    world.input(BUTTON, active=True)
    count(world, Side.RIGHT, 1)
    assert len(world.events("passage")) == 1


@pytest.mark.parametrize(("lane", "walked"), [("entry", 0), ("exit", 1)])
def test_a_busy_board_is_a_passage_at_an_exit_alone(make: Make, lane: str, walked: int) -> None:
    world = make(passage="assumed")
    world.show(world.fresh(), lane=lane)
    (_, pulse) = world.pulses[0]
    world.gate.handle(BoardReported(board="relays", event=Refused(id=pulse.id, why=Refusal.BUSY)))
    assert len(world.events("passage")) == walked
    assert len(world.events("no_show")) == 1 - walked


def test_s16_a_controller_that_went_silent_leaves_the_entry_assumed(counting: World) -> None:
    counting.show(counting.fresh())
    counting.gate.handle(BoardReported(board="relays", event=Line(up=False, why="gone")))
    counting.wait(5.1)
    (passage,) = counting.events("passage")
    assert (passage["direction"], passage["assumed"]) == ("entry", True)


# -- what has no meaning


def test_what_a_gate_has_no_use_for_passes_by(world: World) -> None:
    before = world.journal.last_seq()
    for event in (
        Identity(id="", maker="m", model="x"),
        Outputs(id="", bits=3, read=True),
        Scanned(data=b"https://example.org", at_s=1.0),
        Counted(side=Side.LEFT, delta=1, total=1, at_s=1.0),
    ):
        world.gate.handle(BoardReported(board="relays", event=event))
    world.input(32, active=True)
    assert world.journal.last_seq() == before
    assert world.screen.snapshot().counts.get("errors", 0) == 0
    assert granted(world.show(world.fresh()))
    assert world.screen.lane("entry").state == "opening"


def test_a_controllers_own_alarm_is_shown_and_recorded(world: World) -> None:
    for active, shown in ((True, [("controller", "relays alarm bit 2")]), (False, [])):
        alarm = Alarm(what="alarm bit 2", active=active)
        world.gate.handle(BoardReported(board="relays", event=alarm))
        assert alarms(world) == shown
    assert [row["state"] for row in world.events("device")] == ["fault", "recovered"]


def test_f3_the_exit_button_opens_in_hardware_and_neither_gate_nor_papers_say_otherwise(world: World) -> None:
    before = len(world.commands)
    world.input(BUTTON, active=True)
    world.wait(10)
    assert world.commands[before:] == []  # who presses it needs no program, and this one does not answer
    papers = Path(__file__).parents[2] / "docs"
    installer = " ".join((papers / "installer.md").read_text("utf-8").split())
    assert "Never wire fire release (消防联动) or an exit button (出门按钮) through this machine" in installer
    assert "Exit button, machine off (按钮，主机关机)" in installer  # tried and signed for at the acceptance
    assert "**The exit button** opens in hardware too" in (papers / "gate.md").read_text("utf-8")
