"""Exit pulses and boards that do not say that they are open: nobody stays inside for that."""

from dataclasses import replace

import pytest

from drivers.model import AllOff, Done, Grade, Refusal, Refused, Release
from drivers.relay_codec import Ask
from tests.unit.drivers.scripted import Bench, Kind
from tests.unit.drivers.test_relay import BOARD, HOST, hold, outcomes, pulse


@pytest.mark.parametrize(
    "kind", [Kind(reads=False, answers=False), HOST, BOARD, Kind(host_timed=True, reads=False)]
)
@pytest.mark.parametrize("deaf", ["mute", "denies"])
def test_m2_an_exit_pulse_goes_to_a_board_that_does_not_say_that_it_is_open(kind: Kind, deaf: str) -> None:
    bench = Bench(kind, up=False)
    bench.board.mute = deaf == "mute"
    bench.board.denies = {Ask.OFF, Ask.ALL_OFF} if deaf == "denies" else set()
    bench.driver.line_up(0.0)
    for number in range(6):  # the first one before anybody knows, the others with openings owed
        bench.submit(replace(pulse(bench, f"exit {number}"), insist=True))
        bench.run(bench.now_s + 3.0)
    assert len(bench.asks(Ask.ON, Ask.PULSE)) == 6
    ended = [type(outcome) for number in range(6) for outcome in outcomes(bench, f"exit {number}")]
    assert len(ended) == 6
    assert Refused not in ended
    bench.board.mute, bench.board.denies = False, set()
    bench.run(bench.now_s + 5.0)
    assert bench.board.closed(bench.now_s) == set()
    bench.submit(pulse(bench, "entry"))
    bench.run(bench.now_s + 3.0)
    assert [type(outcome) for outcome in outcomes(bench, "entry")] == [Done]


def test_m2_an_exit_pulse_behind_a_release_is_not_cut_short_by_it() -> None:
    bench = Bench(BOARD)
    bench.submit(hold(bench))
    bench.run(1.0)
    bench.submit(Release(channel=1, id="release"))
    bench.submit(replace(pulse(bench), insist=True))
    bench.run(1.2)
    assert bench.board.closed(1.2) == {1}
    bench.run(3.0)
    assert outcomes(bench, "a") == [Done(id="a", grade=Grade.CONFIRMED)]
    assert bench.asks(Ask.ON, Ask.OFF, Ask.PULSE) == [(Ask.ON, 1), (Ask.OFF, 1), (Ask.PULSE, 1)]


def test_m2_an_exit_pulse_is_overtaken_by_an_all_off_like_any_other() -> None:
    bench = Bench(BOARD)
    bench.run(1.0)
    bench.submit(replace(pulse(bench), insist=True))
    bench.submit(AllOff())
    bench.run(3.0)
    assert outcomes(bench, "a") == [Refused(id="a", why=Refusal.OVERTAKEN)]
    assert bench.asks(Ask.PULSE) == []
