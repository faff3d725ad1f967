"""A shared line that goes while one of its drivers fails, one that is up, and an exchange in which nothing fits."""

from typing import Any

import pytest

from drivers.devices.modbus_relay import modbus_relay
from drivers.exchange import WAITING_MAX, Exchange, Request
from drivers.lcus import LcusDriver
from drivers.model import Fault, Outputs, Pulse, Refusal, Refused, Urgency
from drivers.relay import RelayDriver
from drivers.relay_codec import Ask, Named
from drivers.shared_line import SharedLine
from tests.unit.drivers.scripted import (
    ACCEPTS,
    ANSWER,
    ASKS,
    NAME,
    Bench,
    Kind,
    ScriptedBoard,
    ScriptedCodec,
    frame,
)
from tests.unit.drivers.test_relay import hold

ANSWERED_S = 0.010


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


def settled_at_s(kind: Kind, *, until_s: float = 2.0) -> float | None:
    """When a board that takes openings and answers no read is said to have opened everything."""
    board, driver = ScriptedBoard(kind), RelayDriver(ScriptedCodec(kind))
    line = SharedLine({"relays": driver})
    line.line_up(0.0)
    now_s, answers = 0.0, list[bytes]()
    while now_s < until_s:
        for answer in answers:
            line.receive(answer, now_s)
        line.tick(now_s)
        asked = line.take_output()
        line.take_events()
        if line.is_settled("relays"):
            return now_s
        answers = [board.receive(data, now_s) for data in asked if ASKS[data[1]] in {Ask.OFF, Ask.ALL_OFF}]
        now_s += ANSWERED_S
    return None


@pytest.mark.parametrize("all_off", [True, False])
def test_a_board_that_took_its_opening_is_settled_whatever_else_it_does_not_answer(all_off: bool) -> None:
    found_s = settled_at_s(Kind(all_off=all_off))
    assert found_s is not None
    assert found_s <= 5 * ANSWERED_S
    assert (
        settled_at_s(Kind(all_off=all_off, reads=False)) == found_s
    )  # one that has no reads at all, as soon


def test_a_board_is_not_settled_while_its_opening_waits_or_has_no_answer() -> None:
    driver = RelayDriver(ScriptedCodec(Kind(all_off=False, outputs=2)))
    line = SharedLine({"relays": driver})
    line.line_up(0.0)
    assert not line.is_settled("relays")  # nothing was written yet
    now_s, written = 0.0, 0
    while written < 2:
        line.tick(now_s)
        for data in line.take_output():
            assert not line.is_settled("relays")
            line.receive(frame(ANSWER, Ask.OFF, data[2], ACCEPTS, 0), now_s)
            written += 1
    assert line.is_settled("relays")


def test_a_board_whose_name_is_asked_first_is_not_settled_before_it_is_known() -> None:
    kind = Kind(all_off=True)
    codec = ScriptedCodec(kind)
    line = SharedLine(
        {"relays": RelayDriver(codec, expect=Named(maker="Nobody", model="Scripted", serial="1"))}
    )
    line.line_up(0.0)
    line.tick(0.0)
    (question,) = line.take_output()
    assert ASKS[question[1]] is Ask.IDENTIFY
    assert not line.is_settled("relays")
    line.receive(frame(ANSWER, Ask.IDENTIFY, 0, NAME, 1), 0.01)
    assert not line.is_settled("relays")
    line.tick(0.01)
    (opening,) = line.take_output()
    assert ASKS[opening[1]] is Ask.ALL_OFF
    line.receive(frame(ANSWER, Ask.ALL_OFF, 0, ACCEPTS, 0), 0.02)
    assert line.is_settled("relays")
