"""A board that is asked for its name is asked at every line-up: what was proved of another cable counts for nothing."""

import pytest

from drivers.model import AllOff, Done, Fault, Grade, Hold, Pulse, Refusal, Refused
from drivers.relay_codec import Ask, Named
from tests.unit.drivers.scripted import Bench, Kind

SWITCHING = (Ask.ON, Ask.OFF, Ask.PULSE, Ask.ALL_OFF)
OWN, OTHER = 7, 8


def swapped(kind: Kind) -> Bench:
    """The right board obeyed; then the cable was out, and an equal one with another number came."""
    bench = Bench(kind, expect=Named(maker="Nobody", model="Scripted", serial=str(OWN)), up=False)
    bench.board.serial = OWN
    bench.driver.line_up(0.0)
    bench.run(1.0)
    bench.submit(Pulse(channel=1, ms=300, id="before", issued_s=bench.now_s))
    bench.run(3.0)
    assert Done(id="before", grade=Grade.CONFIRMED) in bench.events
    bench.driver.line_lost(bench.now_s)
    bench.board.serial = OTHER
    bench.written.clear()
    bench.take_events()
    bench.driver.line_up(bench.now_s)
    return bench


@pytest.mark.parametrize("kind", [Kind(), Kind(host_timed=True)])
def test_s4_an_equal_board_behind_the_same_cable_is_asked_anew_and_not_switched(kind: Kind) -> None:
    bench = swapped(kind)
    bench.submit(Pulse(channel=1, ms=300, id="early", issued_s=bench.now_s))
    bench.run(4.0)
    bench.submit(Pulse(channel=1, ms=300, id="late", issued_s=bench.now_s))
    bench.submit(Hold(channel=2, seconds=5, id="hold", issued_s=bench.now_s))
    bench.submit(AllOff())
    bench.run(9.0)
    assert bench.asks(*SWITCHING) == []
    for id_ in ("early", "late", "hold"):
        assert Refused(id=id_, why=Refusal.WRONG_DEVICE) in bench.events
    assert [event.active for event in bench.events if isinstance(event, Fault)] == [True]


def test_s4_the_own_board_back_at_its_cable_obeys_again() -> None:
    bench = swapped(Kind())
    bench.run(4.0)
    bench.driver.line_lost(bench.now_s)
    bench.board.serial = OWN
    bench.driver.line_up(bench.now_s)
    bench.run(5.0)
    bench.submit(Pulse(channel=1, ms=300, id="again", issued_s=bench.now_s))
    bench.run(7.0)
    assert Done(id="again", grade=Grade.CONFIRMED) in bench.events


@pytest.mark.parametrize("kind", [Kind(), Kind(host_timed=True)])
def test_s13_that_a_relay_has_welded_is_told_before_its_pulse_is_done(kind: Kind) -> None:
    """Whoever hears of the pulse may grant the next one at once."""
    bench = Bench(kind)
    bench.run(1.0)
    bench.submit(Pulse(channel=1, ms=300, id="a", issued_s=bench.now_s))
    bench.run(1.2)
    bench.board.welded = {1}
    bench.take_events()
    bench.run(9.0)
    kinds = [type(one) for one in bench.events if isinstance(one, Fault | Done)]
    assert kinds.index(Fault) < kinds.index(Done)
    (fault, *_) = [one for one in bench.events if isinstance(one, Fault)]
    assert "output 1 stays closed" in fault.why
