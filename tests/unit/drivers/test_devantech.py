"""Devantech USB boards: who answers is known before anything is switched, and every answer comes twice."""

from typing import Any

import pytest

from drivers.devices.devantech import MODELS, OUTPUTS, DevantechUsbCodec, devantech_usb
from drivers.model import AllOff, Certainty, Done, Fault, Grade, Identity, Pulse, Refusal, Refused
from drivers.relay_codec import Ask, Asked, Levels, Named
from simulators.boards.devantech import Devantech
from tests.unit.drivers.bench import Bench, silent, twin

WHO = Asked(ask=Ask.IDENTIFY, channel=0, frame=b"\x5a\x5a")
STATES = Asked(ask=Ask.OUTPUTS, channel=0, frame=b"\x5b\x5b")
TWINS: list[Any] = [
    ("USB-RLY02", "rly02"),
    ("USB-RLY08", "rly08"),
    ("USB-RLY16", "rly16"),
    ("USB-RLY16L", "rly16l"),
]


def pulse(bench: Bench) -> Pulse:
    return Pulse(channel=2, ms=300, id="a", issued_s=bench.now_s)


def test_commands_are_the_makers_bytes() -> None:
    codec = DevantechUsbCodec(model="USB-RLY08")
    assert [codec.encode(Ask.ON, channel=channel) for channel in (1, 8)] == [b"\x65", b"\x6c"]
    assert [codec.encode(Ask.OFF, channel=channel) for channel in (1, 8)] == [b"\x6f", b"\x76"]
    assert codec.encode(Ask.ALL_OFF) == b"\x6e"
    assert codec.encode(Ask.ON) is None  # 64, all on, is never sent
    assert codec.encode(Ask.ON, channel=9) is None
    assert DevantechUsbCodec(model="USB-RLY02").encode(Ask.ON, channel=3) is None


@pytest.mark.parametrize(("model", "make"), TWINS)
def test_the_right_model_works(model: str, make: Any) -> None:
    board = Devantech(make)
    bench = Bench(devantech_usb(model=model), twin(board))
    (identity,) = bench.run(1)
    assert isinstance(identity, Identity)
    assert (identity.model, identity.certainty) == (model, Certainty.STRONG)
    assert bench.submit(pulse(bench), then_s=1) == [Done(id="a", grade=Grade.CONFIRMED)]
    assert [(seen.what, seen.channel) for seen in board.take_happenings()] == [
        ("relay_on", 2),
        ("relay_off", 2),
    ]


def test_another_model_is_never_switched() -> None:
    bench = Bench(devantech_usb(model="USB-RLY16"), twin(Devantech("rly08")))
    faults = [event for event in bench.run(5) if isinstance(event, Fault)]
    assert "Devantech USB-RLY08" in faults[0].why
    assert bench.submit(pulse(bench)) == [Refused(id="a", why=Refusal.WRONG_DEVICE)]
    bench.submit(AllOff(), then_s=1)
    assert {*bench.written} == {b"\x5a\x5a"}, "nothing but the question who is there"


def test_a_silent_port_is_only_ever_asked_who_it_is() -> None:
    bench = Bench(devantech_usb(), silent)
    bench.submit(pulse(bench), then_s=10)
    assert {*bench.written} == {b"\x5a\x5a"}


@pytest.mark.parametrize(
    ("asked", "came", "reply"),
    [
        (WHO, "08 03 08 03", Named(maker="Devantech", model="USB-RLY08", firmware="3")),
        (WHO, "07 03 07 03", Named(maker="Devantech", model="unknown module 7", firmware="3")),
        (WHO, "08 03 08 04", None),
        (WHO, "08 03", None),
        (WHO, "08 03 08 03 08", None),
        (STATES, "05 05", Levels(mask=0xFF, bits=5)),
        (STATES, "05 04", None),
        (STATES, "05", None),
        (STATES, "", None),
    ],
)
def test_s8_an_answer_counts_when_it_came_twice(asked: Asked, came: str, reply: object) -> None:
    codec, data = DevantechUsbCodec(), bytes.fromhex(came)
    codec.feed(data, asked)
    assert codec.flush(asked) == reply
    assert codec.take_garbage() == (0 if reply else len(data))


def test_no_frame_of_ours_is_text() -> None:
    """Letters d to v switch relays: whatever is asked for, only the bytes for it are sent."""
    codec = DevantechUsbCodec()
    for ask in (Ask.IDENTIFY, Ask.OUTPUTS):
        assert not any(0x64 <= byte <= 0x76 for byte in codec.encode(ask) or b"")


def test_the_latching_model_says_so() -> None:
    assert {model for model in OUTPUTS if DevantechUsbCodec(model=model).info.latching} == {"USB-RLY16L"}
    assert {*MODELS.values()} == {*OUTPUTS}
