"""Thermometers: frames as printed, and measurements in virtual time."""

import pytest

from drivers.devices.framing import sums_up
from drivers.devices.thermometer_614v import Gy614vCodec
from drivers.devices.thermometer_cjmcu import CjmcuCodec
from drivers.devices.thermometer_mcu90614 import Mcu90614Codec
from drivers.devices.thermometer_sampling import Limits, Reading, Thermometer, ThermometerCodec
from drivers.model import AnyEvent, Fault, Garbage, Refusal, Refused
from drivers.peripherals import Measure, Measured
from tests.unit.drivers.turns import run, turn

PRINTED = bytes.fromhex("5A 5A 45 04 0E 42 09 C4 1A")  # 36.50 and 25.00, drivers reference 1.3


def summed(body: bytes) -> bytes:
    return body + bytes((sum(body) & 0xFF,))


def hundred(value_c: float) -> bytes:
    return round(value_c * 100).to_bytes(2, "big", signed=True)


def mcu(target_c: float, ambient_c: float = 25.0, more: bytes = b"") -> bytes:
    data = hundred(target_c) + hundred(ambient_c) + more
    return summed(b"\x5a\x5a\x45" + bytes((len(data),)) + data)


def gy614v(target_c: float, ambient_c: float = 25.0, body_c: float = 36.8) -> bytes:
    return summed(bytes.fromhex("A4 03 08 06") + hundred(target_c) + hundred(ambient_c) + hundred(body_c))


def cjmcu(target_c: float, ambient_c: float = 25.0) -> bytes:
    return summed(bytes.fromhex("66 66 01 04") + hundred(target_c) + hundred(ambient_c))


def measuring(codec: ThermometerCodec, **options: float) -> Thermometer:
    thermometer = Thermometer(codec, **options)  # type: ignore[arg-type]  # floats of its own options
    thermometer.line_up(0.0)
    turn(thermometer, 0.0)
    thermometer.submit(Measure(id="m"), 1.0)
    return thermometer


def feed(thermometer: Thermometer, frames: list[bytes], *, every_s: float = 0.1) -> list[AnyEvent]:
    return [
        event
        for at, frame in enumerate(frames, start=1)
        for event in turn(thermometer, 1 + at * every_s, frame)[1]
    ]


def none(samples: int, ambient_c: float | None = None) -> Measured:
    return Measured(id="m", target_c=None, body_c=None, ambient_c=ambient_c, samples=samples)


def test_the_printed_frame_is_read() -> None:
    codec = Mcu90614Codec()
    assert codec.frames().feed(PRINTED) == [PRINTED]
    assert codec.reading(PRINTED) == Reading(target_c=36.5, ambient_c=25.0)
    assert mcu(36.5) == PRINTED


@pytest.mark.parametrize(
    "text",
    ["A5 45 EA", "A5 15 BA", "A5 AE 53", "A5 51 F6", "A4 06 03 01 AE", "A4 06 01 06 B1", "A4 03 08 06 B5"],
)
def test_the_sum_is_that_of_the_printed_commands(text: str) -> None:
    assert sums_up(bytes.fromhex(text))


def test_questions_are_the_printed_ones() -> None:
    assert Mcu90614Codec().question == bytes.fromhex("A5 15 BA")
    assert Gy614vCodec().question == bytes.fromhex("A4 03 08 06 B5")


@pytest.mark.parametrize(
    ("more", "body_c"), [(b"", None), (b"\x7f", None), (hundred(36.9), 36.9), (hundred(36.9) + b"\1\2", 36.9)]
)
def test_the_length_byte_is_trusted(more: bytes, body_c: float | None) -> None:
    codec = Mcu90614Codec()
    (frame,) = codec.frames().feed(mcu(36.4, 24.0, more))
    assert codec.reading(frame) == Reading(target_c=36.4, ambient_c=24.0, body_c=body_c)


def test_the_sum_of_a_cjmcu_may_be_over_everything_or_over_the_temperatures() -> None:
    whole, part = cjmcu(34.0), cjmcu(34.0)[:-1] + bytes((sum(cjmcu(34.0)[4:-1]) & 0xFF,))
    frames = CjmcuCodec().frames()
    assert frames.feed(whole + part) == [whole, part]
    assert (frames.feed(whole[:-1] + b"\x00"), frames.take_garbage()) == ([], 9)


def test_below_zero_is_below_zero() -> None:
    assert CjmcuCodec().reading(cjmcu(-12.34, -0.01)) == Reading(target_c=-12.34, ambient_c=-0.01)


@pytest.mark.parametrize(
    ("codec", "frames", "body_c"),
    [
        (Mcu90614Codec(), [mcu(value) for value in (34.1, 34.3, 34.2, 34.9, 34.2)], None),
        (Gy614vCodec(), [gy614v(value) for value in (34.1, 34.3, 34.2, 34.9, 34.2)], 36.8),
        (CjmcuCodec(), [cjmcu(value) for value in (34.1, 34.3, 34.2, 34.9, 34.2)], None),
    ],
)
def test_five_readings_make_a_median(
    codec: ThermometerCodec, frames: list[bytes], body_c: float | None
) -> None:
    thermometer = measuring(codec)
    assert feed(thermometer, frames) == [
        Measured(id="m", target_c=34.2, body_c=body_c, ambient_c=25.0, samples=5)
    ]
    assert feed(thermometer, frames) == []  # nobody asked for more


def test_what_came_before_the_order_does_not_count() -> None:
    thermometer = Thermometer(Mcu90614Codec())
    thermometer.line_up(0.0)
    turn(thermometer, 0.9, mcu(34.0) * 20)
    thermometer.submit(Measure(id="m"), 1.0)
    assert feed(thermometer, [mcu(35.0)] * 4) == []
    assert feed(thermometer, [mcu(35.0)])[0] == Measured(
        id="m", target_c=35.0, body_c=None, ambient_c=25.0, samples=5
    )


def test_a_wall_is_no_reading_and_no_exception() -> None:
    thermometer = measuring(Mcu90614Codec())
    assert feed(thermometer, [mcu(22.0)] * 15) == []
    assert turn(thermometer, 3.0)[1] == [none(0, 25.0)]


def test_surroundings_outside_of_the_limits_are_no_reading_but_are_told() -> None:
    thermometer = measuring(Mcu90614Codec())
    assert feed(thermometer, [mcu(34.0, ambient_c=-5.0)] * 10) == []
    assert turn(thermometer, 3.0)[1] == [none(0, -5.0)]


def test_a_person_who_comes_late_still_counts_and_a_jump_does_not() -> None:
    thermometer = measuring(Mcu90614Codec())
    late = (
        [mcu(22.0)] * 4
        + [mcu(34.0)] * 4
        + [mcu(22.0)]
        + [mcu(value) for value in (31, 31, 31, 34, 34, 34, 34, 34)]
    )
    assert feed(thermometer, late) == [
        Measured(id="m", target_c=34.0, body_c=None, ambient_c=25.0, samples=5)
    ]


def test_readings_before_and_behind_a_wall_are_not_of_one_person() -> None:
    thermometer = measuring(Mcu90614Codec())
    frames = [mcu(34.0)] * 4 + [mcu(22.0)] + [mcu(34.0)] * 4
    assert feed(thermometer, frames) == []
    assert turn(thermometer, 2.5, mcu(34.0))[1] == [
        Measured(id="m", target_c=34.0, body_c=None, ambient_c=25.0, samples=5)
    ]


def test_too_few_readings_in_time_are_none() -> None:
    thermometer = measuring(Mcu90614Codec())
    assert feed(thermometer, [mcu(34.0)] * 4) == []
    assert turn(thermometer, 3.0)[1] == [none(4, 25.0)]


def test_a_module_in_query_mode_is_asked_until_it_has_answered_five_times() -> None:
    thermometer = measuring(Gy614vCodec())
    asked, now_s = 0, 1.0
    told: list[AnyEvent] = []
    while not told:
        now_s += 0.01
        frames, told = turn(thermometer, now_s)
        asked += len(frames)
        for frame in frames:
            assert frame == bytes.fromhex("A4 03 08 06 B5")
            told += turn(thermometer, now_s, gy614v(34.0))[1]
    assert told == [Measured(id="m", target_c=34.0, body_c=36.8, ambient_c=25.0, samples=5)]
    assert (asked, now_s < 2.0) == (5, True)


def test_a_streaming_module_is_asked_nothing() -> None:
    thermometer = measuring(Mcu90614Codec())
    frames = [turn(thermometer, 1 + at * 0.1, mcu(22.0))[0] for at in range(1, 15)]
    assert frames == [[]] * 14


def test_silence_is_no_reading_and_one_fault_until_a_frame_comes() -> None:
    thermometer = measuring(CjmcuCodec())
    silent = Fault(active=True, why="the thermometer sends no readings: check its cable and speed")
    assert run(thermometer, 1.0, 5.0) == ([], [silent, none(0)])
    thermometer.submit(Measure(id="n"), 6.0)
    frames, events = run(thermometer, 6.0, 10.0)
    assert (frames, len(events)) == ([], 1)
    assert turn(thermometer, 11.0, cjmcu(34.0))[1] == [Fault(active=False, why=f"over: {silent.why}")]


def test_a_second_order_meanwhile_is_refused_and_the_first_goes_on() -> None:
    thermometer = measuring(Mcu90614Codec())
    thermometer.submit(Measure(id="n"), 1.0)
    thermometer.submit(Measure(id="m"), 1.0)
    assert feed(thermometer, [mcu(34.0)] * 5) == [
        Refused(id="n", why=Refusal.BUSY),
        Measured(id="m", target_c=34.0, body_c=None, ambient_c=25.0, samples=5),
    ]


def test_a_line_that_goes_ends_the_measurement_without_a_reading() -> None:
    thermometer = measuring(Mcu90614Codec())
    feed(thermometer, [mcu(34.0)] * 2)
    thermometer.line_lost(1.5)
    assert thermometer.take_events() == [none(2, 25.0)]
    thermometer.submit(Measure(id="n"), 1.6)
    assert thermometer.take_events() == [Refused(id="n", why=Refusal.LINE_DOWN)]


def test_frames_with_a_wrong_sum_are_garbage_and_the_next_is_found() -> None:
    thermometer = measuring(Mcu90614Codec())
    bad = PRINTED[:-1] + b"\x1b"
    told = feed(thermometer, [bad + mcu(34.0)] * 5)
    assert told == [Measured(id="m", target_c=34.0, body_c=None, ambient_c=25.0, samples=5)]
    assert turn(thermometer, 9.0)[1] == [Garbage(5 * len(bad))]


def test_the_echo_of_a_question_is_no_answer() -> None:
    codec = Gy614vCodec()
    frames = codec.frames()
    assert codec.question is not None
    assert frames.feed(codec.question + gy614v(34.0) + gy614v(35.0))[-1] == gy614v(35.0)


def test_limits_are_the_sites() -> None:
    assert Limits(target_c=(20.0, 30.0)).admits(Reading(target_c=22.0))
    assert not Limits().admits(Reading(target_c=22.0))
