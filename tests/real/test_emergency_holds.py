"""A lane that was opened in an emergency stays open until the reset, whatever one answer, one line or one board does.

The gate's deciding core, a real relay driver and a virtual board, in virtual time.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers.model import Fault, Hold, Refused, Release
from drivers.relay_codec import Ask
from edge.orders import HandsError, Order
from tests.gate_and_board import GateAndBoard
from tests.gate_world import granted
from tests.ticking import HandClock
from tests.unit.drivers.scripted import Kind

pytestmark = pytest.mark.real
GUARD = Order(by="王强", reason="业主忘带手机")
FIRE = ({"role": "fire", "board": "inputs", "channel": 4},)
KINDS = [Kind(host_timed=True, reads=False), Kind(host_timed=True), Kind()]
Make = Callable[..., GateAndBoard]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[GateAndBoard] = []

    def start(kind: Kind) -> GateAndBoard:
        gate = GateAndBoard(tmp_path, HandClock(), inputs=FIRE, tested=True, kind=kind)
        gate.start()
        made.append(gate)
        return gate

    yield start
    for gate in made:
        gate.journal.close()


def held(make: Make, kind: Kind, seconds: float = 10.0, *, lane: str = "exit") -> GateAndBoard:
    """A lane that is held, and an emergency."""
    gate = make(kind)
    gate.gate.hands.hold(lane, GUARD, seconds)
    gate.run(1.0)
    assert gate.is_open(lane)
    gate.input(4, active=True)
    return gate


def reset(gate: GateAndBoard) -> None:
    gate.input(4, active=False)
    gate.run(3.0)
    gate.gate.hands.fire_reset(GUARD)


def until_asked(gate: GateAndBoard, times: int) -> None:
    """Until the gate has told the board so often to hold; the command has not reached it."""
    for _ in range(40_000):
        if gate.sent(Hold) >= times:
            return
        gate.run(0.05)
    raise AssertionError("the hold is not renewed")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lane", ["entry", "exit"])
def test_a_held_lane_never_closes_before_the_reset_and_soon_after_it(
    make: Make, kind: Kind, lane: str
) -> None:
    gate = held(make, kind, lane=lane)
    assert gate.stays_open(lane, 2000, turn_s=0.5)
    assert gate.sent(Hold) <= 5
    reset(gate)
    gate.run(2.0)
    assert (gate.is_open(lane), gate.screen.lane(lane).state) == (False, "ready")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lane", ["entry", "exit"])
def test_one_lost_answer_of_a_renewal_costs_nothing(make: Make, kind: Kind, lane: str) -> None:
    gate = held(make, kind, lane=lane)
    until_asked(gate, 2)
    gate.bench.board.mute = True
    gate.turn()
    gate.run(0.3)
    gate.bench.board.mute = False
    assert gate.stays_open(lane, 1900, turn_s=0.5)
    reset(gate)
    gate.run(2.0)
    assert not gate.is_open(lane)


@pytest.mark.parametrize("kind", KINDS)
def test_one_lost_answer_of_the_first_hold_costs_nothing(make: Make, kind: Kind) -> None:
    gate = make(kind)
    gate.input(4, active=True)
    gate.bench.board.mute = True
    gate.gate.hands.hold("exit", GUARD, 60)
    gate.run(0.3)
    gate.bench.board.mute = False
    gate.run(2.0)
    assert gate.stays_open("exit", 1900, turn_s=0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_denied_renewal_opens_nothing_and_is_tried_again(make: Make, kind: Kind) -> None:
    gate = held(make, kind, 60)
    until_asked(gate, 2)
    gate.bench.board.denies = {Ask.ON}
    assert gate.stays_open("exit", 1.5)
    gate.bench.board.denies = set()
    assert gate.stays_open("exit", 1000, turn_s=0.5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seconds", [1, 1.5, 2, 3])
@pytest.mark.parametrize("fire_first", [True, False])
def test_a_short_hold_goes_on_too(make: Make, kind: Kind, seconds: float, fire_first: bool) -> None:
    gate = make(kind)
    if fire_first:
        gate.input(4, active=True)
    outcome = gate.gate.hands.hold("exit", GUARD, seconds)
    if not fire_first:
        gate.input(4, active=True)
    gate.gate.tick()
    gate.run(0.2)
    assert outcome.result(0) == {"outcome": "held"}
    assert gate.stays_open("exit", 20)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.3, 0.35, 0.4, 0.45])
def test_a_hold_while_somebody_leaves_holds(make: Make, kind: Kind, after_s: float) -> None:
    gate = make(kind)
    gate.input(4, active=True)
    gate.gate.hands.pulse("exit", GUARD, ms=300)
    gate.run(after_s)
    outcome = gate.gate.hands.hold("exit", GUARD, 60)
    gate.run(0.2)
    assert outcome.result(0) == {"outcome": "held"}
    gate.run(0.5)
    assert gate.stays_open("exit", 20)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hold_cuts_no_pulse_short_without_an_emergency(make: Make, kind: Kind) -> None:
    gate = make(kind)
    gate.gate.hands.pulse("exit", GUARD, ms=2000)
    gate.run(0.3)
    outcome = gate.gate.hands.hold("exit", GUARD, 5)
    assert gate.stays_open("exit", 4.5)
    assert (outcome.result(0), gate.sent(Release)) == ({"outcome": "held"}, 0)
    gate.run(2.0)
    assert (gate.is_open("exit"), gate.screen.lane("exit").state) == (False, "ready")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lane", ["entry", "exit"])
def test_a_line_that_was_out_holds_again_when_it_is_back(make: Make, kind: Kind, lane: str) -> None:
    gate = held(make, kind, 600, lane=lane)
    gate.lose_line()
    gate.run(60)
    assert (gate.is_open(lane), gate.sent(Hold) <= 2) == (False, True)  # nobody is asked who is not there
    gate.line_returns()
    gate.run(0.5)
    assert gate.stays_open(lane, 1000, turn_s=0.5)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_board_that_lost_its_supply_holds_again(make: Make, kind: Kind) -> None:
    gate = held(make, kind, 600)
    gate.bench.board.until_s.clear()
    gate.run(3.0)
    assert [event for event in gate.heard if isinstance(event, Fault) and "by itself" in event.why]
    assert gate.stays_open("exit", 100)


def test_a_board_that_answers_nothing_any_more_is_tried_seldom_and_goes_on(make: Make) -> None:
    gate = held(make, KINDS[0])
    gate.bench.board.mute = True
    assert gate.stays_open("exit", 600)
    assert 100 < gate.sent(Hold) < 200
    gate.bench.board.mute = False
    gate.run(6.0)
    asked = gate.sent(Hold)
    assert gate.stays_open("exit", 600)
    assert gate.sent(Hold) == asked


@pytest.mark.parametrize("kind", KINDS)
def test_a_bus_that_is_full_once_costs_nothing(make: Make, kind: Kind) -> None:
    gate = held(make, kind)
    gate.takes = False
    until_asked(gate, 2)
    gate.takes = True
    assert gate.stays_open("exit", 1000, turn_s=0.5)


def test_a_hold_that_its_board_does_not_have_may_be_given_anew(make: Make) -> None:
    gate = held(make, KINDS[1], 600)
    gate.lose_line()
    gate.run(1.0)
    gate.gate.hands.hold("exit", GUARD, 600)  # nobody need wait until the gate tries again
    gate.line_returns()
    gate.run(0.5)
    assert gate.is_open("exit")
    with pytest.raises(HandsError, match="held open already"):
        gate.gate.hands.hold("exit", GUARD, 600)
    with pytest.raises(HandsError, match="not locked again"):
        gate.gate.hands.release("exit", GUARD)
    assert gate.stays_open("exit", 1000, turn_s=0.5)


def test_an_entry_whose_hold_was_refused_has_not_been_open_and_is_not_opened_later(make: Make) -> None:
    gate = make(KINDS[1])
    gate.input(4, active=True)
    gate.takes = False
    gate.gate.hands.hold("entry", GUARD, 60)
    gate.gate.hands.hold("exit", GUARD, 60)
    gate.takes = True
    gate.run(2.0)
    assert (gate.is_open("entry"), gate.is_open("exit")) == (False, True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hold_of_which_nobody_knows_at_the_reset_is_over(make: Make, kind: Kind) -> None:
    gate = held(make, kind, 900, lane="entry")
    gate.lose_line()
    gate.run(1.0)
    reset(gate)
    gate.run(0.2)
    gate.line_returns()
    gate.run(60)
    assert (gate.is_open("entry"), gate.screen.lane("entry").state) == (False, "ready")


@pytest.mark.parametrize("kind", [*KINDS, Kind(reads=False)])
@pytest.mark.parametrize("hundredths", [30, 32, 35, 40, 44, 50])
def test_s1_two_people_close_behind_each_other_at_an_exit_get_out(
    make: Make, kind: Kind, hundredths: int
) -> None:
    gate = make(kind)
    before = gate.closings()
    assert granted(gate.show(gate.fresh(1), lane="exit"))
    gate.run(hundredths / 100, turn_s=0.01)
    was_open = gate.is_open("exit")
    assert granted(gate.show(gate.fresh(2), lane="exit"))
    gate.run(3.0, turn_s=0.01)
    assert gate.closings() - before == 2 or was_open
    assert [event for event in gate.heard if isinstance(event, Refused)] == [] or was_open
    assert {row["outcome"] for row in gate.events("decision")} == {"grant"}
