"""What comes late: a relay that opens slowly, an answer behind its time, a line that goes under a release."""

import pytest

from drivers.devices.modbus_relay import modbus_relay
from drivers.model import Done, Fault, Grade, Pulse, Release, TimedOut
from drivers.relay_codec import Ask
from drivers.shared_line import ECHO_WITHIN_S, SharedLine
from tests.unit.drivers.scripted import Bench, Kind
from tests.unit.drivers.test_relay import hold


@pytest.mark.parametrize(("late_s", "faults"), [(0.250, 0), (60.0, 1)])
def test_s13_a_relay_that_opens_slowly_has_not_welded(late_s: float, faults: int) -> None:
    bench = Bench(Kind())
    bench.run(1.0)
    bench.submit(Pulse(channel=1, ms=300, id="a", issued_s=bench.now_s))
    bench.run(1.1)
    bench.board.until_s[1] += late_s
    bench.run(2.5)
    assert len([one for one in bench.events if isinstance(one, Fault) and one.active]) == faults
    (done,) = [one for one in bench.events if isinstance(one, Done)]
    assert done.grade is (Grade.ACCEPTED if faults else Grade.CONFIRMED)


@pytest.mark.parametrize("kind", [Kind(), Kind(host_timed=True)])
def test_s2_a_release_under_which_the_line_goes_may_have_been_carried_out(kind: Kind) -> None:
    bench = Bench(kind)
    bench.run(1.0)
    bench.submit(hold(bench))
    bench.run(1.5)
    bench.board.mute = True
    bench.submit(Release(channel=1, id="written"))
    bench.turn()
    assert bench.asks(Ask.OFF) == [(Ask.OFF, 1)]
    bench.submit(Release(channel=2, id="waits"))
    bench.driver.line_lost(bench.now_s)
    ends: dict[str, object] = {getattr(one, "id", ""): one for one in bench.take_events()}
    assert ends["written"] == TimedOut(id="written", maybe_executed=True)
    assert not isinstance(ends["waits"], TimedOut | Done)


@pytest.mark.parametrize("heard_s", [ECHO_WITHIN_S / 2, ECHO_WITHIN_S + 0.010])
def test_what_comes_long_after_a_frame_is_no_echo_of_it(heard_s: float) -> None:
    """The board's answer to a write equals the frame; this adapter sends nothing back."""
    driver = modbus_relay("waveshare-relay-8")
    line = SharedLine({"relays": driver}, echo=True)
    line.line_up(0.0)
    line.tick(0.0)
    (frame,) = line.take_output()
    line.receive(frame, heard_s)
    line.tick(ECHO_WITHIN_S + 0.080)
    assert driver.holds_line() is (heard_s < ECHO_WITHIN_S)
