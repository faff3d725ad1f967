"""Relay boards that must say who they are before anything is switched."""

import pytest

from drivers.model import (
    AllOff,
    Certainty,
    Done,
    Fault,
    Grade,
    Identify,
    Identity,
    Pulse,
    ReadOutputs,
    Refusal,
    Refused,
    Release,
)
from drivers.relay import RelayDriver
from drivers.relay_codec import Ask, Named
from tests.unit.drivers.scripted import Bench, Kind, ScriptedCodec

SWITCHING = (Ask.ON, Ask.OFF, Ask.PULSE, Ask.ALL_OFF)
HOST = Kind(host_timed=True)


def pulse(bench: Bench) -> Pulse:
    return Pulse(channel=1, ms=300, id="a", issued_s=bench.now_s)


def outcomes(bench: Bench, id_: str) -> list[object]:
    return [event for event in bench.events if getattr(event, "id", None) == id_]


class TestIdentity:
    EXPECT = Named(maker="Nobody", model="Scripted", serial="7")

    def test_s4_at_another_board_nothing_is_switched(self) -> None:
        bench = Bench(HOST, expect=self.EXPECT)
        bench.run(1.0)
        bench.submit(pulse(bench))
        bench.submit(AllOff())
        bench.submit(Release(channel=1, id="r"))
        bench.submit(ReadOutputs(id="o"))
        bench.run(5.0)
        assert bench.asks(*SWITCHING, Ask.OUTPUTS) == []
        assert {event.why for event in bench.events if isinstance(event, Refused)} == {Refusal.WRONG_DEVICE}
        (fault,) = [event for event in bench.events if isinstance(event, Fault)]
        assert "another device is at this port: Nobody Scripted 1" in fault.why

    def test_s3_the_expected_board_is_opened_and_obeys(self) -> None:
        bench = Bench(HOST, expect=self.EXPECT, up=False)
        bench.board.serial = 7
        bench.driver.line_up(0.0)
        bench.run(1.0)
        bench.submit(pulse(bench))
        bench.run(3.0)
        assert bench.asks(Ask.IDENTIFY, Ask.ALL_OFF, Ask.ON) == [
            (Ask.IDENTIFY, 0),
            (Ask.ALL_OFF, 0),
            (Ask.ON, 1),
        ]
        assert outcomes(bench, "a") == [Done(id="a", grade=Grade.CONFIRMED)]

    @pytest.mark.parametrize("trouble", ["mute", "denies"])
    def test_a_board_that_does_not_say_its_name_is_asked_until_it_does(self, trouble: str) -> None:
        bench = Bench(HOST, expect=self.EXPECT, up=False)
        bench.board.serial, bench.board.mute = 7, trouble == "mute"
        bench.board.denies = {Ask.IDENTIFY} if trouble == "denies" else set()
        bench.driver.line_up(0.0)
        bench.run(5.0)
        assert bench.asks(*SWITCHING) == []
        assert [event.active for event in bench.events if isinstance(event, Fault)] == [True]
        bench.board.mute, bench.board.denies = False, set()
        bench.run(6.0)
        assert bench.asks(*SWITCHING) == [(Ask.ALL_OFF, 0)]
        assert [event.active for event in bench.events if isinstance(event, Fault)] == [True, False]

    def test_who_it_is_is_told_to_whom_asks(self) -> None:
        bench = Bench(HOST)
        bench.submit(Identify(id="who"))
        bench.run(1.0)
        assert outcomes(bench, "who") == [
            Identity(id="who", maker="Nobody", model="Scripted", serial="1", certainty=Certainty.STRONG)
        ]

    def test_a_name_cannot_be_expected_of_a_board_that_has_none(self) -> None:
        with pytest.raises(AssertionError, match="no name to ask"):
            RelayDriver(ScriptedCodec(Kind(answers=False, reads=False)), expect=self.EXPECT)
