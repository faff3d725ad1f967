"""Codecs of devices: however their answers arrive, and whatever else arrives, replies are the same (S7, S8).

Answers are what the virtual boards say, which are written from the makers' papers. Each codec has the noise that its
protocol can tell from an answer: where an answer has neither beginning nor check, any noise at all costs the answer,
and the promise is that it never becomes another one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.devices.devantech import DevantechUsbCodec
from drivers.devices.kmtronic import KmtronicCodec
from drivers.devices.modbus_frames import Tcp
from drivers.devices.modbus_profile import load_profile, profile_names
from drivers.devices.modbus_relay import ModbusRelayCodec
from drivers.devices.numato import NumatoCodec
from drivers.devices.turnstile_7e import Turnstile7eCodec
from drivers.devices.turnstile_controller import ControllerCodec, Heard, TurnstileDriver
from drivers.devices.turnstile_eb import TurnstileEbCodec
from drivers.model import Admit, Counted, Done, Driver, Hold, Identity, Pulse, Side
from drivers.relay import RelayDriver
from drivers.relay_codec import Accepted, Ask, Asked, Named, RelayCodec, Reply
from simulators.boards.devantech import Devantech
from simulators.boards.device import Device
from simulators.boards.kmtronic import Kmtronic
from simulators.boards.modbus_makes import (
    EletechsupR421A08,
    Generic0100,
    LcTech2,
    StandardCoils,
    WaveshareIo,
    WaveshareRelay,
)
from simulators.boards.numato import Numato
from simulators.boards.turnstile_7e import Turnstile7E
from simulators.boards.turnstile_eb import TurnstileEB


@dataclass(frozen=True, slots=True)
class Talk:
    """A question and the answer of the virtual board."""

    asked: Asked
    answer: bytes
    reply: Reply


def modbus(name: str) -> Callable[[], RelayCodec]:
    return lambda: ModbusRelayCodec(load_profile(name))


RELAYS: dict[str, tuple[Callable[[], RelayCodec], Callable[[], Device]]] = {
    "waveshare-relay-8": (modbus("waveshare-relay-8"), WaveshareRelay),
    "waveshare-io-8ch": (modbus("waveshare-io-8ch"), WaveshareIo),
    "eletechsup-r421a08": (modbus("eletechsup-r421a08"), EletechsupR421A08),
    "generic-0100-4": (modbus("generic-0100-4"), Generic0100),
    "lctech-2ch": (modbus("lctech-2ch"), LcTech2),
    "kmtronic-modbus-8": (modbus("kmtronic-modbus-8"), StandardCoils),
    "inputs-8": (modbus("inputs-8"), WaveshareIo),
    "numato": (lambda: NumatoCodec(outputs=8, inputs=8), Numato),
    "kmtronic": (lambda: KmtronicCodec(outputs=8), lambda: Kmtronic(8)),
    "kmtronic-2": (lambda: KmtronicCodec(outputs=2), lambda: Kmtronic(2)),
    "devantech-usb": (DevantechUsbCodec, lambda: Devantech("rly08")),
}
FRAMED = [name for name in RELAYS if name not in {"kmtronic", "kmtronic-2", "devantech-usb"}]
CONTROLLERS: dict[str, tuple[Callable[[], ControllerCodec], Callable[[], Any]]] = {
    "turnstile-7e": (Turnstile7eCodec, Turnstile7E),
    "turnstile-eb": (TurnstileEbCodec, TurnstileEB),
}


def ask_all(codec: RelayCodec, board: Device) -> list[Talk]:
    """Everything that the codec can ask and the board answers, each in its one piece."""
    talks = []
    for ask in Ask:
        for channel in range(codec.info.outputs + 1):
            frame = codec.encode(ask, channel=channel, ms=codec.info.pulse_ms[0])
            if frame is None:
                continue
            answer = b"".join(one.data for one in board.receive(frame, 0.0))
            asked = Asked(ask=ask, channel=channel, frame=frame)
            reply = codec.feed(answer, asked) or codec.flush(asked)
            assert (reply is not None) == bool(answer), (ask, channel, answer)
            if reply is not None:
                talks.append(Talk(asked, answer, reply))
    assert codec.take_garbage() == 0
    return talks


TALKS = {name: ask_all(make(), board()) for name, (make, board) in RELAYS.items()}


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """``data`` cut at the given places, which may repeat or lie outside."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


def hear(codec: RelayCodec, asked: Asked, chunks: list[bytes]) -> Reply | None:
    """The reply that a driver would see: the first one, or the one when no more bytes come."""
    for chunk in chunks:
        reply = codec.feed(chunk, asked)
        if reply is not None:
            return reply
    return codec.flush(asked)


@pytest.mark.parametrize("name", RELAYS)
def test_every_question_of_a_codec_is_in_these_tests(name: str) -> None:
    codec = RELAYS[name][0]()
    answered = {talk.asked.ask for talk in TALKS[name]}
    assert answered
    for ask in Ask:
        frames = [codec.encode(ask, channel=channel, ms=codec.info.pulse_ms[0]) for channel in (0, 1)]
        if any(frames) and codec.within_s(ask) is not None:
            assert ask in answered


@pytest.mark.parametrize("name", RELAYS)
@settings(derandomize=True, max_examples=40)
@given(data=st.data())
def test_splits_never_change_a_reply(name: str, data: st.DataObject) -> None:
    talk = data.draw(st.sampled_from(TALKS[name]))
    cuts = data.draw(st.lists(st.integers(0, 40), max_size=6))
    codec = RELAYS[name][0]()
    assert hear(codec, talk.asked, pieces(talk.answer, cuts)) == talk.reply
    assert hear(codec, talk.asked, [bytes((byte,)) for byte in talk.answer]) == talk.reply
    assert codec.take_garbage() == 0


@pytest.mark.parametrize("name", FRAMED)
@settings(derandomize=True, max_examples=60)
@given(data=st.data())
def test_s8_noise_before_an_answer_never_changes_it(name: str, data: st.DataObject) -> None:
    talk = data.draw(st.sampled_from(TALKS[name]))
    noise = data.draw(st.binary(max_size=40))
    if name == "numato":
        noise += b"\r\n"  # noise on the line of the echo may have reached the module as well
    cuts = data.draw(st.lists(st.integers(0, 80), max_size=6))
    codec = RELAYS[name][0]()
    assert hear(codec, talk.asked, pieces(noise + talk.answer, cuts)) == talk.reply
    assert hear(codec, talk.asked, [talk.answer]) == talk.reply, "and none of it is left for the next"


@pytest.mark.parametrize("name", RELAYS)
@settings(derandomize=True, max_examples=60)
@given(data=st.data())
def test_s8_merged_answers_never_change_a_reply(name: str, data: st.DataObject) -> None:
    """An answer to something else in front: the true reply, or none, but never the other one."""
    late, talk = data.draw(st.sampled_from(TALKS[name])), data.draw(st.sampled_from(TALKS[name]))
    codec = RELAYS[name][0]()
    found = hear(codec, talk.asked, [late.answer + talk.answer])
    assert found == talk.reply or (found is None and name not in FRAMED)
    if late.asked.frame != talk.asked.frame:
        alone = hear(codec, talk.asked, [late.answer])
        assert alone is None or alone == talk.reply or not isinstance(alone, Accepted | Named)


@pytest.mark.parametrize("name", RELAYS)
@settings(derandomize=True, max_examples=60)
@given(data=st.data())
def test_s8_a_broken_answer_is_never_a_success(name: str, data: st.DataObject) -> None:
    talk = data.draw(st.sampled_from(TALKS[name]))
    at = data.draw(st.integers(0, len(talk.answer) - 1))
    flip = data.draw(st.integers(1, 255))
    broken = talk.answer[:at] + bytes((talk.answer[at] ^ flip,)) + talk.answer[at + 1 :]
    found = hear(RELAYS[name][0](), talk.asked, [broken])
    if name.startswith(("kmtronic", "numato")) and name != "kmtronic-modbus-8":
        # No check: another state may be read, and is looked at again; a command never counts as done.
        assert found is None or not isinstance(found, Accepted) or found == talk.reply
    else:
        assert found is None
    shorter = talk.answer[:at] + talk.answer[at + 1 :]
    found = hear(RELAYS[name][0](), talk.asked, [shorter])
    assert found is None or (name == "numato" and (found == talk.reply or not isinstance(found, Named)))


@pytest.mark.parametrize("name", RELAYS)
@settings(derandomize=True, max_examples=60)
@given(chunks=st.lists(st.binary(max_size=64), max_size=6), data=st.data())
def test_s8_random_bytes_are_never_a_success_and_never_raise(
    name: str, chunks: list[bytes], data: st.DataObject
) -> None:
    codec = RELAYS[name][0]()
    asked = data.draw(st.sampled_from([talk.asked for talk in TALKS[name]]))
    for chunk in chunks:
        assert not isinstance(codec.feed(chunk, asked), Accepted | Named)
        assert codec.feed(chunk, None) is None
    assert not isinstance(codec.flush(asked), Accepted | Named)
    assert 0 <= codec.take_garbage() <= 2 * sum(map(len, chunks))


@pytest.mark.parametrize("name", profile_names())
@settings(derandomize=True, max_examples=40)
@given(data=st.data())
def test_over_tcp_splits_and_noise_change_nothing_either(name: str, data: st.DataObject) -> None:
    codec = ModbusRelayCodec(load_profile(name), envelope=Tcp())
    talk = data.draw(st.sampled_from(TALKS[name]))
    frame = codec.encode(talk.asked.ask, channel=talk.asked.channel, ms=codec.info.pulse_ms[0])
    assert frame is not None
    asked = Asked(ask=talk.asked.ask, channel=talk.asked.channel, frame=frame)
    body = talk.answer[:-2]
    answer = frame[:2] + bytes((0, 0, 0, len(body))) + body
    noise = data.draw(st.binary(max_size=40))
    cuts = data.draw(st.lists(st.integers(0, 80), max_size=6))
    assert hear(codec, asked, pieces(noise + answer, cuts)) == talk.reply
    other = bytes((frame[0], frame[1] ^ 1)) + answer[2:]
    assert hear(codec, asked, [other]) is None, "another transaction's answer"


# -- turnstile controllers


def states(name: str) -> list[tuple[bytes, bytes]]:
    """Questions and answers of a virtual controller through which people walk."""
    codec, gate = CONTROLLERS[name][0](), CONTROLLERS[name][1]()
    found = []
    for side, people in ((Side.LEFT, 1), (Side.RIGHT, 1), (Side.LEFT, 1)):
        asked = codec.admit(side, people)
        assert asked is not None
        found.append((asked, b"".join(one.data for one in gate.receive(asked, 0.0))))
        gate.walk(side.value, 0.0)
    return found


STATES = {name: states(name) for name in CONTROLLERS}


def heard(codec: ControllerCodec, asked: bytes, chunks: list[bytes]) -> list[Heard]:
    """All frames; only the first that answers does, as in the driver."""
    found: list[Heard] = []
    for chunk in chunks:
        answered = any(one.answers for one in found)
        found += codec.feed(chunk, None if answered else asked)
    return found


@pytest.mark.parametrize("name", CONTROLLERS)
@settings(derandomize=True, max_examples=100)
@given(data=st.data())
def test_s8_splits_and_noise_never_change_what_a_controller_says(name: str, data: st.DataObject) -> None:
    make = CONTROLLERS[name][0]
    asked, answer = data.draw(st.sampled_from(STATES[name]))
    (wanted,) = make().feed(answer, asked)
    assert wanted.answers
    noise = data.draw(st.binary(max_size=40))
    cuts = data.draw(st.lists(st.integers(0, 80), max_size=6))
    assert heard(make(), asked, pieces(noise + answer, cuts)) == [wanted]
    assert heard(make(), asked, [bytes((byte,)) for byte in noise + answer]) == [wanted]


@pytest.mark.parametrize("name", CONTROLLERS)
@settings(derandomize=True, max_examples=100)
@given(data=st.data())
def test_s8_a_broken_state_is_no_state(name: str, data: st.DataObject) -> None:
    asked, answer = data.draw(st.sampled_from(STATES[name]))
    at = data.draw(st.integers(0, len(answer) - 1))
    flip = data.draw(st.integers(1, 255))
    broken = answer[:at] + bytes((answer[at] ^ flip,)) + answer[at + 1 :]
    assert all(not one.counts for one in CONTROLLERS[name][0]().feed(broken, asked))


def driver_of(name: str) -> Driver:
    if name in RELAYS:
        return RelayDriver(RELAYS[name][0]())
    return TurnstileDriver(CONTROLLERS[name][0]())


SPEAKS_NOT = {"kmtronic", "kmtronic-2", "devantech-usb"}  # what nothing answers is "sent" at best


@pytest.mark.parametrize("name", [*RELAYS, *CONTROLLERS])
@settings(derandomize=True, max_examples=40)
@given(chunks=st.lists(st.tuples(st.binary(max_size=40), st.floats(0, 0.5)), max_size=20))
def test_s8_random_bytes_never_make_a_driver_raise_spin_or_believe(
    name: str, chunks: list[tuple[bytes, float]]
) -> None:
    driver, now_s = driver_of(name), 0.0
    driver.line_up(now_s)
    driver.submit(Pulse(channel=1, ms=driver.info.pulse_ms[0], id="p", issued_s=0.0), now_s)
    driver.submit(Hold(channel=2, seconds=1, id="h", issued_s=0.0), now_s)
    driver.submit(Admit(side=Side.LEFT, id="a", issued_s=0.0), now_s)
    for data, gap_s in chunks:
        now_s += gap_s
        driver.tick(now_s)
        driver.take_output()
        driver.receive(data, now_s)
        events = driver.take_events()
        if name not in SPEAKS_NOT:
            assert not [event for event in events if isinstance(event, Done | Counted | Identity)]
    driver.line_lost(now_s)
    driver.take_events()
    assert driver.take_output() == []
