"""What the gate's own tools may do to lanes: recorded first, refused where nobody vouches, and ended by itself."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.model import (
    AllOff,
    Done,
    Fault,
    Grade,
    Hold,
    Line,
    Mode,
    Outputs,
    Pulse,
    Refusal,
    Refused,
    Release,
    SetMode,
    TimedOut,
)
from edge.inputs import BoardReported
from edge.orders import HandsError, Order
from tests.gate_world import World, granted
from tests.ticking import HandClock

pytestmark = pytest.mark.real
GUARD = Order(by="王强", reason="业主忘带手机")
FIRE = ({"role": "fire", "board": "inputs", "channel": 4},)
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
    return make(tested=True)


def tell(world: World, event: object) -> None:
    world.gate.handle(BoardReported(board="relays", event=event))  # type: ignore[arg-type]  # any event


def fire(world: World, *, active: bool = True) -> None:
    world.input(4, active=active)


def sent(world: World, kind: type[Any]) -> list[Any]:
    return [command for _, command in world.commands if isinstance(command, kind)]


# -- pulse


def test_a_pulse_by_hand_is_recorded_before_the_relay_and_its_passage_is_nobodys(world: World) -> None:
    outcome = world.gate.hands.pulse("entry", GUARD, ms=500)
    ((board, pulse),) = world.pulses
    assert (board, pulse.channel, pulse.ms) == ("relays", 1, 500)
    (row,) = world.events("override")
    assert (row["lane"], row["direction"], row["act"]) == ("entry", "entry", "pulse")
    assert (row["by"], row["reason"]) == (GUARD.by, GUARD.reason)
    assert world.rows_when_pulsed == [world.journal.last_seq()]
    tell(world, Done(id=pulse.id, grade=Grade.CONFIRMED))
    assert outcome.result(0) == {"outcome": "done", "grade": "confirmed"}
    world.walk()
    (passage,) = world.events("passage")
    assert (passage["direction"], passage.get("pass_id")) == ("entry", None)
    assert world.screen.snapshot().inside == ()
    assert world.events("forced") == []


def test_i1_without_a_durable_row_no_hand_opens_an_entry_and_the_exit_opens(world: World) -> None:
    world.journal.read("pragma query_only = on")
    with pytest.raises(HandsError) as refused:
        world.gate.hands.pulse("entry", GUARD)
    assert refused.value.code == "not_recorded"
    world.gate.hands.pulse("exit", GUARD)
    assert [pulse.channel for _, pulse in world.pulses] == [2]
    world.journal.read("pragma query_only = off")
    world.wait(0.1)
    assert [row["lane"] for row in world.events("override")] == ["exit"]


@pytest.mark.parametrize(
    ("event", "answer"),
    [
        (lambda id_: Refused(id=id_, why=Refusal.BAD_LENGTH), {"outcome": "refused", "why": "bad_length"}),
        (
            lambda id_: TimedOut(id=id_, maybe_executed=True),
            {"outcome": "timed_out", "maybe_executed": True},
        ),
    ],
)
def test_i3_what_did_not_go_well_is_said_and_never_repeated(
    world: World, event: Callable[[str], object], answer: dict[str, Any]
) -> None:
    outcome = world.gate.hands.pulse("entry", GUARD)
    tell(world, event(world.pulses[0][1].id))
    assert outcome.result(0) == answer
    world.wait(60)
    assert len(world.pulses) == 1


def test_s14_hands_are_not_quicker_than_a_lane(world: World) -> None:
    for _ in range(2):
        world.gate.hands.pulse("entry", GUARD)
        with pytest.raises(HandsError, match="a moment ago"):
            world.gate.hands.pulse("entry", GUARD)
        world.clock.advance(0.31)
        with pytest.raises(HandsError, match="is walking"):
            world.gate.hands.pulse("entry", GUARD)
        world.walk()
    assert len(world.pulses) == 2
    world.gate.hands.pulse("exit", GUARD)
    world.clock.advance(0.31)
    world.gate.hands.pulse("exit", GUARD)
    assert len(world.pulses) == 4


def test_in_an_emergency_hands_need_not_wait_for_whoever_walks(make: Make) -> None:
    world = make(inputs=FIRE)
    fire(world)
    world.gate.hands.pulse("entry", GUARD)
    world.clock.advance(0.31)
    world.gate.hands.pulse("entry", GUARD)
    assert len(world.pulses) == 2


def test_a_pulse_into_a_forced_lane_is_answered_by_its_board(world: World) -> None:
    world.input(1, active=True)
    assert world.screen.lane("entry").state == "forced"
    outcome = world.gate.hands.pulse("entry", GUARD)
    assert not outcome.done()
    tell(world, Done(id=world.pulses[0][1].id, grade=Grade.ACCEPTED))
    assert outcome.result(0) == {"outcome": "done", "grade": "accepted"}


@pytest.mark.parametrize("lane", ["entry", "exit"])
def test_a_pulse_that_no_board_took_is_said_at_once(world: World, lane: str) -> None:
    world.takes = False
    outcome = world.gate.hands.pulse(lane, GUARD)
    assert outcome.result(0) == {"outcome": "refused", "why": "not_taken"}


def test_a_lane_that_is_not_there_and_a_board_that_does_not_work_are_named(world: World) -> None:
    with pytest.raises(HandsError) as refused:
        world.gate.hands.pulse("side", GUARD)
    assert (refused.value.code, refused.value.next_step) == ("unknown_lane", "There are: entry, exit")
    tell(world, Line(up=False, why="unplugged"))
    for act in (world.gate.hands.pulse, lambda lane, order: world.gate.hands.hold(lane, order, 60)):
        with pytest.raises(HandsError, match="unplugged") as refused:
            act("entry", GUARD)
        assert refused.value.code == "board_fault"
    assert world.events("override") == []
    assert world.commands == []


def test_an_exit_is_tried_whatever_its_board_says_of_itself(world: World) -> None:
    tell(world, Fault(active=True, why="output 4 stays closed"))
    world.gate.hands.pulse("exit", GUARD)
    world.gate.hands.hold("exit", GUARD, 60)
    assert [pulse.channel for _, pulse in world.pulses] == [2]
    assert [hold.channel for hold in sent(world, Hold)] == [2]


# -- hold


def test_a_hold_is_recorded_shown_and_lets_people_walk_until_it_ends_by_itself(world: World) -> None:
    outcome = world.gate.hands.hold("entry", GUARD, 120)
    (hold,) = sent(world, Hold)
    assert (hold.channel, hold.seconds) == (1, 120)
    (row,) = world.events("override")
    assert (row["act"], row["seconds"]) == ("hold", 120)
    tell(world, Outputs(id=hold.id, bits=1, read=False))
    assert outcome.result(0) == {"outcome": "held"}
    assert world.screen.lane("entry").state == "kept_open"
    world.walk()
    assert world.events("forced") == []
    assert [passage["direction"] for passage in world.events("passage")] == ["entry"]
    world.wait(120)
    tell(world, Done(id=hold.id, grade=Grade.ACCEPTED))
    assert world.screen.lane("entry").state == "ready"
    world.walk()
    assert len(world.events("forced")) == 1


@pytest.mark.parametrize("grade", [Grade.ACCEPTED, None])
def test_no_hold_ends_in_an_emergency_and_all_end_at_its_reset(make: Make, grade: Grade | None) -> None:
    world = make(tested=True, inputs=FIRE)
    world.gate.hands.hold("exit", GUARD, 60)
    fire(world)
    world.wait(59)
    if grade is not None:  # by the driver's own timer
        tell(world, Done(id=sent(world, Hold)[0].id, grade=grade))
        assert [(hold.channel, hold.seconds) for hold in sent(world, Hold)[1:]] == [(2, 900)]
        world.wait(901)
        tell(world, Done(id=sent(world, Hold)[1].id, grade=grade))
        assert len(sent(world, Hold)) == 3
    world.wait(60)
    assert sent(world, Release) == []
    fire(world, active=False)
    world.wait(60)
    assert sent(world, Release) == []
    world.gate.hands.fire_reset(GUARD)
    world.wait(0.1)
    assert [release.channel for release in sent(world, Release)] == [2]
    assert world.screen.lane("exit").state == "ready"


def test_a_hold_goes_on_in_an_emergency_before_its_time_is_over_and_without_a_gap(make: Make) -> None:
    world = make(tested=True, inputs=FIRE)
    world.gate.hands.hold("exit", GUARD, 60)
    fire(world)
    tell(world, Outputs(id=sent(world, Hold)[0].id, bits=2, read=False))
    world.wait(54)
    assert len(sent(world, Hold)) == 1
    world.wait(1.5)
    first, second = sent(world, Hold)
    assert (second.channel, second.seconds, second.insist, second.id != first.id) == (2, 900, True, True)
    tell(world, Done(id=first.id, grade=Grade.ACCEPTED))  # its board holds on by the second one
    tell(world, Outputs(id=second.id, bits=2, read=False))
    world.wait(100)
    assert (len(sent(world, Hold)), sent(world, Release)) == (2, [])
    assert world.screen.lane("exit").state == "emergency"
    fire(world, active=False)
    world.wait(3)
    world.gate.hands.fire_reset(GUARD)
    world.wait(0.1)
    assert [release.channel for release in sent(world, Release)] == [2]


def test_only_the_hold_of_an_exit_insists(world: World) -> None:
    for lane in ("entry", "exit"):
        world.gate.hands.hold(lane, GUARD, 60)
    assert [(hold.channel, hold.insist) for hold in sent(world, Hold)] == [(1, False), (2, True)]


def test_a_hold_outlives_the_emergency_that_was_shorter(make: Make) -> None:
    world = make(tested=True, inputs=FIRE)
    world.gate.hands.hold("exit", GUARD, 900)
    fire(world)
    fire(world, active=False)
    world.wait(3)
    world.gate.hands.fire_reset(GUARD)
    world.wait(1)
    world.walk("exit")
    assert world.events("forced") == []
    assert world.screen.lane("exit").state == "kept_open"


def test_a_hold_that_no_board_took_in_an_emergency_leaves_its_lane_free(make: Make) -> None:
    world = make(tested=True, inputs=FIRE)
    fire(world)
    world.takes = False
    assert world.gate.hands.hold("exit", GUARD, 60).result(0) == {"outcome": "refused", "why": "not_taken"}
    world.walk("exit")
    assert world.events("forced") == []


def test_i1_without_a_durable_row_no_entry_is_held_and_an_exit_is(world: World) -> None:
    world.journal.read("pragma query_only = on")
    with pytest.raises(HandsError) as refused:
        world.gate.hands.hold("entry", GUARD, 60)
    assert refused.value.code == "not_recorded"
    assert world.commands == []
    world.gate.hands.hold("exit", GUARD, 60)
    assert [hold.channel for hold in sent(world, Hold)] == [2]


@pytest.mark.parametrize("why", [Refusal.DENIED, Refusal.BUSY])
def test_a_hold_that_was_refused_was_never_written_and_nothing_is_released_for_it(
    world: World, why: Refusal
) -> None:
    world.gate.hands.hold("exit", GUARD, 60)
    tell(world, Refused(id=sent(world, Hold)[0].id, why=why))
    assert sent(world, Release) == []  # it would cut short the pulse of whoever is leaving
    assert world.screen.lane("exit").state == "ready"


def test_a_hold_of_which_nobody_knows_is_released(world: World) -> None:
    world.gate.hands.hold("entry", GUARD, 60)
    tell(world, TimedOut(id=sent(world, Hold)[0].id, maybe_executed=True))
    assert [release.channel for release in sent(world, Release)] == [1]
    assert world.screen.lane("entry").state == "ready"


def test_a_release_that_a_full_bus_did_not_take_goes_out_later(world: World) -> None:
    world.gate.hands.hold("entry", GUARD, 60)
    world.takes = False
    world.wait(62)
    assert world.screen.lane("entry").state == "ready"
    world.takes = True
    before = len(sent(world, Release))
    world.wait(0.1)
    world.wait(60)
    assert [release.channel for release in sent(world, Release)[before:]] == [1]


def test_a_hold_that_does_not_end_by_itself_is_ended_here(world: World) -> None:
    world.gate.hands.hold("entry", GUARD, 60)
    world.wait(60.5)
    assert sent(world, Release) == []
    world.wait(1)
    assert [release.channel for release in sent(world, Release)] == [1]
    assert world.screen.lane("entry").state == "ready"


def test_f5_without_wiring_facts_nothing_is_held(make: Make) -> None:
    world = make()
    with pytest.raises(HandsError, match="Nobody signed") as refused:
        world.gate.hands.hold("entry", GUARD, 60)
    assert (refused.value.code, refused.value.why) == ("unsafe", "no_wiring_facts")
    assert world.commands == []
    assert world.events("override") == []
    world.gate.hands.pulse("entry", GUARD)  # a pulse needs none
    assert len(world.pulses) == 1


def test_a_turnstile_is_not_held(make: Make) -> None:
    world = make(passage="counter", tested=True)
    with pytest.raises(HandsError, match="both sides") as refused:
        world.gate.hands.hold("entry", GUARD, 60)
    assert (refused.value.code, refused.value.why, world.commands) == ("unsafe", "controller", [])


def test_p13_a_hold_that_a_board_lost_is_an_alarm_and_is_never_asserted_again(world: World) -> None:
    world.gate.hands.hold("entry", GUARD, 600)
    (hold,) = sent(world, Hold)
    tell(world, Outputs(id=hold.id, bits=1, read=False))
    tell(world, Fault(active=True, why="output 1 opened by itself"))
    tell(world, TimedOut(id=hold.id, maybe_executed=True))
    tell(world, Fault(active=False, why="over"))
    world.wait(900)
    assert len(sent(world, Hold)) == 1
    assert sent(world, Pulse) == []
    assert [row["state"] for row in world.events("device")] == ["fault", "recovered"]
    assert world.screen.lane("entry").state == "ready"
    world.clock.advance(1)
    assert granted(world.show(world.fresh(not_before=int(world.clock.now().timestamp()))))


def test_a_release_and_an_all_off_are_always_recorded_and_go_out(world: World) -> None:
    world.gate.hands.hold("exit", GUARD, 60)
    outcome = world.gate.hands.release("exit", GUARD)
    (release,) = sent(world, Release)
    tell(world, Done(id=release.id, grade=Grade.SENT))
    assert outcome.result(0) == {"outcome": "done", "grade": "sent"}
    assert world.gate.hands.off(GUARD) == {"boards": {"relays": True}}
    assert len(sent(world, AllOff)) == 1
    assert [row["act"] for row in world.events("override")] == ["hold", "release", "off"]
    with pytest.raises(HandsError, match="no board 'inputs' with outputs"):
        world.gate.hands.off(GUARD, "inputs")


def hold_ends(world: World, since: int) -> list[tuple[str, str, str, str]]:
    _, events = world.gate.feed.after(since, 0)
    return [(one["lane"], one["id"], one["why"], one["by"]) for one in events if one["event"] == "hold_ended"]


def test_who_watches_is_told_once_why_each_hold_ended(world: World) -> None:
    hands, ends = world.gate.hands, []

    def held() -> str:
        hands.hold("exit", GUARD, 60)
        return str(sent(world, Hold)[-1].id)

    since = world.gate.feed.newest
    id_ = held()
    tell(world, Done(id=id_, grade=Grade.ACCEPTED))
    ends.append(("exit", id_, "time", ""))
    id_ = held()
    hands.release("exit", Order(by="赵敏", reason="关门"))
    tell(world, Done(id=id_, grade=Grade.ACCEPTED))
    ends.append(("exit", id_, "released", "赵敏"))
    id_ = held()
    hands.off(GUARD)
    tell(world, TimedOut(id=id_, maybe_executed=True))
    ends.append(("exit", id_, "off", GUARD.by))
    id_ = held()
    tell(world, TimedOut(id=id_, maybe_executed=True))
    ends.append(("exit", id_, "board", ""))
    id_ = held()
    world.wait(62)
    ends.append(("exit", id_, "time", ""))
    assert hold_ends(world, since) == ends


def test_a_release_that_no_board_took_does_not_name_who_ended_the_hold_later(world: World) -> None:
    since = world.gate.feed.newest
    world.gate.hands.hold("exit", GUARD, 60)
    world.takes = False
    assert world.gate.hands.release("exit", GUARD).result(0)["why"] == "not_taken"
    assert world.gate.hands.off(GUARD) == {"boards": {"relays": False}}
    world.takes = True
    id_ = sent(world, Hold)[0].id
    tell(world, TimedOut(id=id_, maybe_executed=True))
    assert hold_ends(world, since) == [("exit", id_, "board", "")]


def test_a_release_that_its_board_refused_does_not_name_who_ended_the_hold_later(world: World) -> None:
    since = world.gate.feed.newest
    world.gate.hands.hold("exit", GUARD, 60)
    id_ = sent(world, Hold)[0].id
    tell(world, Outputs(id=id_, bits=2, read=False))
    world.gate.hands.release("exit", GUARD)
    tell(world, Refused(id=sent(world, Release)[0].id, why=Refusal.LINE_DOWN))
    world.wait(60)
    tell(world, Done(id=id_, grade=Grade.ACCEPTED))
    assert hold_ends(world, since) == [("exit", id_, "time", "")]


def test_off_sets_a_controller_to_normal_on_both_sides_and_says_what_came_of_it(make: Make) -> None:
    world = make(passage="counter")
    found = world.gate.hands.off(GUARD)
    (normal,) = sent(world, SetMode)
    assert (normal.mode, normal.side, found["boards"]) == (Mode.NORMAL, None, {"relays": True})
    tell(world, Done(id=normal.id, grade=Grade.SENT))
    assert found["modes"]["relays"].result(0) == {"outcome": "done", "grade": "sent"}
    world.takes = False
    assert world.gate.hands.off(GUARD) == {"boards": {"relays": False}}


def test_the_snapshot_tells_which_inputs_are_active_whatever_they_mean(world: World) -> None:
    def active() -> list[list[int]]:
        return [board["active"] for board in world.gate.hands.snapshot()["boards"]]

    assert active() == [[], []]
    for channel in (7, 2):
        world.input(channel, active=True)
    assert active() == [[], [2, 7]]
    world.input(7, active=False)
    assert active() == [[], [2]]


def test_a_long_feed_is_read_in_pages_and_each_answer_fits_its_line(world: World) -> None:
    feed = world.gate.feed
    since = first = feed.newest
    for _ in range(100):
        feed.put({"event": "fault", "why": "线" * 2000})
    seen: list[int] = []
    while events := (page := feed.after(since, 0))[1]:
        assert len(json.dumps(events)) < 60_000
        seen += [one["seq"] for one in events]
        since = page[0]
    assert seen == list(range(first + 1, first + 101))


def test_the_snapshot_tells_what_the_installer_needs(world: World) -> None:
    shot = world.gate.hands.snapshot()
    relays, inputs = shot["boards"]
    assert (relays["protocol"], relays["line"], relays["fault"], relays["host_timed"]) == (
        "lcus",
        "up",
        "",
        True,
    )
    assert (inputs["inputs"], inputs["outputs"]) == (8, 0)
    entry, _ = shot["lanes"]
    assert (entry["name"], entry["works"], entry["tested_by"], entry["tested_on"]) == (
        "entry",
        True,
        "李工",
        "2026-11-20",
    )
    assert shot["emergency"] == "none"


def test_who_watches_sees_edges_and_overrides_in_order(world: World) -> None:
    start = world.gate.feed.newest
    world.gate.hands.pulse("exit", GUARD)
    world.input(2, active=True)
    _, events = world.gate.feed.after(start, 0)
    assert [(one["event"], one.get("lane") or one.get("board")) for one in events] == [
        ("override", "exit"),
        ("input_edge", "inputs"),
    ]
    assert (events[1]["channel"], events[1]["active"]) == (2, True)
    assert world.gate.feed.after(start + 2, 0.01) == (start + 2, [])
