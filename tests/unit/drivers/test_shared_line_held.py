"""A shared line that goes while one of its drivers fails, and an exchange in which nothing more fits."""

from typing import Any

import pytest

from drivers.devices.modbus_relay import modbus_relay
from drivers.exchange import WAITING_MAX, Exchange, Request
from drivers.lcus import LcusDriver
from drivers.model import Fault, Outputs, Pulse, Refusal, Refused, Urgency
from drivers.shared_line import SharedLine
from tests.unit.drivers.scripted import Bench, Kind
from tests.unit.drivers.test_relay import hold


class Broken(LcusDriver):
    """A driver with a programming error."""

    def line_lost(self, now_s: float) -> None:
        raise ZeroDivisionError(now_s)


def test_one_drivers_error_leaves_no_other_with_a_line_that_is_gone() -> None:
    sound = LcusDriver()
    line = SharedLine({"first": Broken(), "second": sound, "third": Broken()})
    line.line_up(0.0)
    with pytest.raises(ZeroDivisionError):
        line.line_lost(1.0)
    sound.submit(Pulse(channel=1, ms=300, id="a", issued_s=1.0), 1.0)
    assert Refused(id="a", why=Refusal.LINE_DOWN) in sound.take_events()


def test_what_an_adapter_did_not_send_back_is_forgotten_with_the_line() -> None:
    """The answer to the first frame after a replug equals that frame: it is no echo of the one before."""
    driver = modbus_relay("waveshare-relay-8")
    line = SharedLine({"relays": driver}, echo=True)
    line.line_up(0.0)
    line.tick(0.0)
    (frame,) = line.take_output()  # its echo never comes: the cable goes
    line.line_lost(0.010)
    line.line_up(0.020)
    line.tick(0.020)
    assert line.take_output() == [frame]
    line.receive(frame, 0.030)  # the echo
    assert driver.holds_line()
    line.receive(frame, 0.040)  # the answer
    line.tick(0.100)
    assert not driver.holds_line()


@pytest.mark.parametrize("urgency", list(Urgency))
def test_openings_find_room_where_nothing_else_does(urgency: Urgency) -> None:
    exchange: Exchange[str] = Exchange()
    one: Any = Request(data=b"x", urgency=Urgency.POLL, purpose="", within_s=None)
    assert all(exchange.put(one) for _ in range(WAITING_MAX))
    more = Request(data=b"x", urgency=urgency, purpose="", within_s=None)
    assert exchange.put(more) is (urgency in {Urgency.ALL_OFF, Urgency.RELEASE})


@pytest.mark.parametrize(("late_s", "faults"), [(0.100, 0), (9.0, 1)])
def test_p13_a_relay_that_takes_its_time_has_not_opened_by_itself(late_s: float, faults: int) -> None:
    """The outputs are read while the relay still moves; one that never closes is a fault."""
    bench = Bench(Kind())
    bench.run(0.985)  # a look at the outputs follows within a second of the first one
    bench.submit(hold(bench))
    bench.turn()
    closes_s = bench.now_s + late_s
    closed = bench.board.closed
    bench.board.closed = lambda now_s: closed(now_s) if now_s >= closes_s else set()  # type: ignore[method-assign]
    bench.run(4.0)
    assert any(isinstance(one, Outputs) for one in bench.events)
    told = [one.why for one in bench.events if isinstance(one, Fault) and one.active]
    assert len(told) == faults
    assert all("opened by itself" in why for why in told)
