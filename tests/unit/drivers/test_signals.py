"""Lamps and buzzers: steps over time, never on a lane's output."""

from collections import Counter
from collections.abc import Mapping

import pytest

from drivers.devices.signals import PATTERNS, STEADY_S, Lamp, SignalChannelError, Signals
from drivers.model import Hold, Release
from drivers.peripherals import Signal

CHANNELS: Mapping[Lamp, int] = {Lamp.GREEN: 5, Lamp.RED: 6, Lamp.BUZZER: 7}


def play(signals: Signals, signal: Signal, seconds: float) -> list[tuple[float, int, float]]:
    """When which output was held for how long."""
    commands, now_s, told = signals.show(signal, 0.0), 0.0, []
    while True:
        told += [(round(now_s, 3), one.channel, one.seconds) for one in commands if isinstance(one, Hold)]
        due_s = signals.next_deadline()
        if due_s is None or due_s > seconds:
            return told
        now_s = due_s
        commands = signals.tick(now_s)


def lamps() -> Signals:
    return Signals(CHANNELS, lanes=[1, 2], name="south")


def test_every_signal_has_a_pattern() -> None:
    assert set(PATTERNS) == set(Signal)


def test_go_is_green_with_one_beep_and_stays_green() -> None:
    assert play(lamps(), Signal.GO, 10.0) == [(0.0, 7, 0.2), (0.0, 5, 0.2), (0.5, 5, STEADY_S)]


def test_stop_is_red_with_two_beeps() -> None:
    held = play(lamps(), Signal.STOP, 10.0)
    assert Counter(channel for _, channel, _ in held) == {6: 3, 7: 2}
    assert held[-1] == (0.8, 6, STEADY_S)


def test_a_fault_blinks_for_ever() -> None:
    held = play(lamps(), Signal.FAULT, 30.0)
    assert held == [(float(at), 6, 0.3) for at in range(0, 31, 3)]


def test_idle_is_dark_and_needs_no_timer() -> None:
    signals = lamps()
    assert signals.show(Signal.IDLE, 0.0) == []
    assert signals.next_deadline() is None


def test_the_next_signal_first_ends_the_one_before() -> None:
    signals = lamps()
    signals.show(Signal.GO, 0.0)
    signals.tick(0.2)
    signals.tick(0.5)
    assert signals.show(Signal.STOP, 5.0) == [Release(channel=5, id="south-4")]
    assert signals.tick(5.1) == []  # an output that is told to open cannot be held at once
    assert [one.channel for one in signals.tick(5.2)] == [7, 6]


def test_a_lamp_that_has_gone_out_by_itself_is_not_released() -> None:
    signals = lamps()
    signals.show(Signal.FAULT, 0.0)
    assert signals.show(Signal.IDLE, 1.0) == []


def test_every_command_has_an_id_of_its_own() -> None:
    signals = lamps()
    commands = signals.show(Signal.STOP, 0.0) + signals.tick(0.2) + signals.tick(0.4)
    assert len({one.id for one in commands}) == len(commands) == 4


def test_a_lamp_that_is_not_there_is_left_out() -> None:
    assert play(Signals({Lamp.RED: 3}, lanes=[1], name="n"), Signal.GO, 10.0) == []


@pytest.mark.parametrize(
    ("channels", "why"),
    [({Lamp.RED: 2}, "it opens a lane"), ({Lamp.RED: 3, Lamp.BUZZER: 3}, "another lamp")],
)
def test_an_output_of_a_lane_carries_no_lamp(channels: Mapping[Lamp, int], why: str) -> None:
    with pytest.raises(SignalChannelError, match=why):
        Signals(channels, lanes=[1, 2], name="n")
