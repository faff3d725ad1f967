"""Numato modules: text that is echoed, prompts, and what a missing or foreign echo means."""

from typing import Any

import pytest

from drivers.devices.numato import KEPT_MAX, NumatoCodec, numato
from drivers.model import (
    AllOff,
    Certainty,
    Done,
    Fault,
    Grade,
    Identify,
    Identity,
    InputEdge,
    Outputs,
    Pulse,
    ReadOutputs,
    Refusal,
    Refused,
    TimedOut,
)
from drivers.relay_codec import Accepted, Ask, Asked, Levels, Named
from simulators.boards.numato import Numato
from tests.unit.drivers.bench import Bench, twin

ON_1 = Asked(ask=Ask.ON, channel=1, frame=b"relay on 0\r")
READ_1 = Asked(ask=Ask.OUTPUTS, channel=1, frame=b"relay read 0\r")


def pulse(bench: Bench, channel: int = 1) -> Pulse:
    return Pulse(channel=channel, ms=300, id="a", issued_s=bench.now_s)


@pytest.mark.parametrize(
    ("asked", "wire"),
    [
        ({"ask": Ask.ON, "channel": 1}, b"relay on 0\r"),
        ({"ask": Ask.OFF, "channel": 1}, b"relay off 0\r"),
        ({"ask": Ask.ON, "channel": 11}, b"relay on A\r"),
        ({"ask": Ask.OUTPUTS, "channel": 1}, b"relay read 0\r"),
        ({"ask": Ask.INPUTS, "channel": 1}, b"gpio read 0\r"),
        ({"ask": Ask.IDENTIFY}, b"id get\r"),
        ({"ask": Ask.ALL_OFF}, b"relay writeall 0000\r"),
        ({"ask": Ask.OUTPUTS}, None),
        ({"ask": Ask.PULSE, "channel": 1, "ms": 300}, None),
        ({"ask": Ask.ON, "channel": 17}, None),
    ],
)
def test_commands_are_the_makers_words(asked: dict[str, Any], wire: bytes | None) -> None:
    assert NumatoCodec(outputs=16, inputs=2).encode(**asked) == wire


def test_a_size_whose_mask_width_is_not_known_is_opened_one_by_one() -> None:
    assert NumatoCodec(outputs=4).encode(Ask.ALL_OFF) is None
    bench = Bench(numato(outputs=4), twin(Numato(relays=4)))
    bench.run(0.2)
    assert bench.written[:4] == [f"relay off {channel}\r".encode() for channel in range(4)]


@pytest.mark.parametrize("breaks", ["\r\n", "\n\r", "\n", "\r\r\n"])
def test_echo_and_prompt_are_stripped_whatever_ends_the_lines(breaks: str) -> None:
    codec = NumatoCodec()
    assert codec.feed(f"relay on 0{breaks}>".encode(), ON_1) == Accepted()
    assert codec.feed(f"relay read 0{breaks}on{breaks}>".encode(), READ_1) == Levels(mask=1, bits=1)
    assert codec.feed(f">{breaks}relay read 0{breaks}off{breaks}>".encode(), READ_1) == Levels(mask=1, bits=0)
    asked = Asked(ask=Ask.IDENTIFY, channel=0, frame=b"id get\r")
    named = Named(maker="Numato Lab", model="USB relay module", serial="0A1B2C3D")
    assert codec.feed(f"id get{breaks}0A1B2C3D{breaks}>".encode(), asked) == named
    assert codec.take_garbage() == 0


@pytest.mark.parametrize(
    "wire",
    [
        b"relay off 0\r\n>",  # late: another command
        b"relay on 1\r\n>",  # another relay
        b"relay rrelay on 0\r\n>",  # the module got more than we sent
        b"relay on 0\r\non\r\n>",  # no relay answers a command with a value
        b"relay on 0\r\n",  # no prompt yet
        b"on\r\n>",
        b">>>",
    ],
)
def test_s8_what_is_not_this_echo_is_no_success(wire: bytes) -> None:
    assert NumatoCodec().feed(wire, ON_1) is None


@pytest.mark.parametrize("value", [b"ON", b"1", b"onn", b"", b"on\r\noff", b"\xff\xfe"])
def test_s8_a_state_that_is_no_word_of_the_maker_is_no_answer(value: bytes) -> None:
    assert NumatoCodec().feed(b"relay read 0\r\n" + value + b"\r\n>", READ_1) is None


def test_s8_endless_noise_is_bounded_and_counted() -> None:
    codec = NumatoCodec()
    for _ in range(100):
        assert codec.feed(b"x" * 1000, ON_1) is None
    assert codec.take_garbage() >= 100_000 - KEPT_MAX
    codec.flush(None)
    assert codec.feed(b"relay on 0\r\n>", ON_1) == Accepted()


def test_a_pulse_is_closed_opened_and_read_back() -> None:
    board = Numato()
    bench = Bench(numato(), twin(board))
    bench.run(1)
    assert bench.submit(pulse(bench), then_s=1) == [Done(id="a", grade=Grade.CONFIRMED)]
    assert [(seen.what, seen.channel) for seen in board.take_happenings()] == [
        ("relay_on", 1),
        ("relay_off", 1),
    ]
    assert bench.submit(ReadOutputs(id="r"), then_s=1) == [Outputs(id="r", bits=0, read=True)]


def test_s7_a_module_that_says_nothing_is_not_asked_to_close_twice() -> None:
    board = Numato()
    bench = Bench(numato(), twin(board))
    bench.run(1)
    board.silent = True
    events = bench.submit(pulse(bench), then_s=5)
    assert TimedOut(id="a", maybe_executed=True) in events
    assert any(isinstance(event, Fault) and event.active for event in events)
    assert bench.written.count(b"relay on 0\r") == 1


def test_the_module_names_itself() -> None:
    board = Numato()
    board.id = "0000C0DE"
    bench = Bench(numato(), twin(board))
    assert bench.submit(Identify(id="i"), then_s=1) == [
        Identity(
            id="i",
            maker="Numato Lab",
            model="USB relay module",
            serial="0000C0DE",
            certainty=Certainty.WEAK,
        )
    ]


def test_swapped_modules_switch_nothing() -> None:
    board = Numato()
    board.id = "00000002"
    bench = Bench(numato(serial="00000001"), twin(board))
    assert any(isinstance(event, Fault) and "another device" in event.why for event in bench.run(1))
    assert bench.submit(pulse(bench)) == [Refused(id="a", why=Refusal.WRONG_DEVICE)]
    bench.submit(AllOff(), then_s=1)
    assert {*bench.written} == {b"id get\r"}


def test_the_right_module_of_two_works() -> None:
    board = Numato()
    board.id = "00000001"
    bench = Bench(numato(serial="00000001"), twin(board))
    bench.run(1)
    assert Done(id="a", grade=Grade.CONFIRMED) in bench.submit(pulse(bench), then_s=1)


def test_inputs_are_read_in_turn_and_a_change_is_read_twice() -> None:
    board = Numato()
    bench = Bench(numato(inputs=3), twin(board))
    assert bench.run(1) == []
    assert {b"gpio read 0\r", b"gpio read 1\r", b"gpio read 2\r"} <= {*bench.written}
    for channel, active in ((2, True), (3, True), (2, False)):
        board.inputs.set(channel, active=active)
        (edge,) = bench.run(0.5)
        assert isinstance(edge, InputEdge)
        assert (edge.channel, edge.active) == (channel, active)


@pytest.mark.parametrize("pin", range(1, 9))
def test_a_contact_of_350_ms_is_seen_on_each_of_eight_pins_whenever_it_comes(pin: int) -> None:
    board = Numato()
    bench = Bench(numato(inputs=8), twin(board), latency_s=0.016)
    for phase in range(40):
        bench.run(1 - (bench.now_s % 1) + phase / 40)  # the outputs are read once a second
        seen: list[tuple[int, bool]] = []
        for active, seconds in ((True, 0.35), (False, 0.35)):
            board.inputs.set(pin, active=active)
            edges = [event for event in bench.run(seconds) if isinstance(event, InputEdge)]
            seen += [(edge.channel, edge.active) for edge in edges]
        assert seen == [(pin, True), (pin, False)], f"phase {phase}"


def test_pins_that_are_not_in_use_are_not_read() -> None:
    board = Numato()
    bench = Bench(numato(inputs=8, watch=[2, 7]), twin(board))
    bench.run(1)
    assert {frame for frame in bench.written if frame.startswith(b"gpio")} == {
        b"gpio read 1\r",
        b"gpio read 6\r",
    }
    board.inputs.set(7, active=True)
    (edge,) = bench.run(0.3)
    assert isinstance(edge, InputEdge)
    assert (edge.channel, edge.active) == (7, True)


def test_a_pin_that_is_not_there_cannot_be_in_use() -> None:
    with pytest.raises(AssertionError, match="inputs 1 to 2"):
        numato(inputs=2, watch=[3])


def test_a_changed_pin_is_read_again_before_the_others() -> None:
    board = Numato()
    bench = Bench(
        numato(outputs=1, inputs=8), twin(board), latency_s=0.016
    )  # a round takes longer than to settle
    bench.run(1.5)
    bench.written.clear()
    board.inputs.set(4, active=True)
    bench.run(0.2)
    reads = [frame for frame in bench.written if frame.startswith(b"gpio")]
    first = reads.index(b"gpio read 3\r")
    assert reads.index(b"gpio read 3\r", first + 1) - first <= 3


def test_a_relay_is_closed_at_once_however_many_pins_are_read() -> None:
    bench = Bench(numato(inputs=8), twin(Numato()), latency_s=0.016)
    bench.run(1.5)
    bench.written.clear()
    bench.submit(pulse(bench), then_s=0.02)
    assert b"relay on 0\r" in bench.written[:2]


def test_one_wrong_reading_of_an_input_is_no_edge() -> None:
    board = Numato()
    honest, lies = twin(board), iter([b"gpio read 1\r\n1\r\n>"])

    def once_wrong(frame: bytes, now_s: float) -> bytes:
        answer = honest(frame, now_s)
        return next(lies, answer) if frame == b"gpio read 1\r" else answer

    assert Bench(numato(inputs=2), once_wrong).run(2) == []
