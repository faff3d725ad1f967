"""Scanners, thermometers, modems and voices under any bytes in any pieces."""

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.devices.at import Dialogue
from drivers.devices.gsm_modem import GsmModem
from drivers.devices.pdu import PARTS_MAX, Delivered, decode, encode_submit, split
from drivers.devices.scanner_gm65 import Gm65Codec, crc_ccitt
from drivers.devices.scanner_honeywell import HoneywellCodec
from drivers.devices.scanner_newland import NewlandCodec
from drivers.devices.scanner_setup import SetUpCodec, SetUpScanner
from drivers.devices.scanner_stream import TEXT_MAX, TextStream
from drivers.devices.scanner_text import TextScanner
from drivers.devices.scanner_words import Setting
from drivers.devices.thermometer_614v import Gy614vCodec
from drivers.devices.thermometer_cjmcu import CjmcuCodec
from drivers.devices.thermometer_mcu90614 import Mcu90614Codec
from drivers.devices.thermometer_sampling import Thermometer, ThermometerCodec
from drivers.devices.voice_syn6288 import Syn6288Driver
from drivers.model import AnyEvent, Command, Done, Driver, Refused, TimedOut
from drivers.peripherals import Commission, Measure, Measured, Say, Scanned, SendSms, SetUp, SmsSent
from tests.unit.drivers.turns import turn

LOCK = Setting(name="MNUENA", locked="0")
CODECS: list[SetUpCodec] = [Gm65Codec(), HoneywellCodec(LOCK), NewlandCodec(LOCK)]
THERMOMETERS: list[tuple[ThermometerCodec, bytes]] = [
    (Mcu90614Codec(), bytes.fromhex("5A 5A 45 04")),
    (Gy614vCodec(), bytes.fromhex("A4 03 08 06")),
    (CjmcuCodec(), bytes.fromhex("66 66 01 04")),
]
cuts = st.lists(st.integers(0, 400))
chunks = st.lists(st.tuples(st.binary(max_size=40), st.floats(0, 0.3)), max_size=40)


def pieces(data: bytes, at: list[int]) -> list[bytes]:
    """``data`` cut at the given places, which may repeat or lie outside."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in at)})
    return [data[a:b] for a, b in pairwise(places)]


def summed(body: bytes) -> bytes:
    return body + bytes((sum(body) & 0xFF,))


# -- scanners


@settings(derandomize=True, deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=40).filter(lambda data: not set(data) & set(b"\r\n\t"))),
    st.sampled_from([b"\r", b"\n", b"\r\n", b"\t"]),
    cuts,
)
def test_pieces_never_change_what_a_scanner_read(texts: list[bytes], end: bytes, at: list[int]) -> None:
    stream = b"".join(text + end for text in texts)
    whole, slow, bytewise = TextStream(), TextStream(), TextStream()
    wanted = whole.feed(stream, 1.0)
    assert [text for piece in pieces(stream, at) for text in slow.feed(piece, 1.0)] == wanted
    assert [text for byte in stream for text in bytewise.feed(bytes((byte,)), 1.0)] == wanted
    assert whole.take_garbage() == slow.take_garbage() == bytewise.take_garbage()
    assert [text for text in texts if max(text) > 0x20 and min(text) < 0x7F] == [
        text for text in wanted if max(text) > 0x20 and min(text) < 0x7F
    ]


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3000), st.booleans()), max_size=12))
def test_a_scanner_that_never_ends_a_code_is_bounded_and_every_byte_is_accounted_for(
    runs: list[tuple[int, bool]],
) -> None:
    stream, read, fed = TextStream(), 0, 0
    for length, ended in runs:
        for text in stream.feed(b"x" * length + (b"\r" if ended else b""), 1.0):
            read += len(text)
            assert len(text) <= TEXT_MAX
        fed += length
        assert len(stream._buffer) <= TEXT_MAX
    read += sum(map(len, stream.flush(9.0)))
    assert read + stream.take_garbage() == fed


@pytest.mark.parametrize("codec", CODECS)
@settings(derandomize=True, deadline=None, max_examples=60)
@given(data=chunks)
def test_no_bytes_prove_that_a_scanner_is_locked(codec: SetUpCodec, data: list[tuple[bytes, float]]) -> None:
    scanner, now_s = SetUpScanner(codec), 1.0
    scanner.line_up(now_s)
    scanner.submit(Commission(id="c"), now_s)
    told: list[AnyEvent] = []
    for chunk, gap_s in data:
        now_s += gap_s
        told += turn(scanner, now_s, chunk)[1]
        assert scanner.next_deadline() is not None
    assert not [event for event in told if isinstance(event, SetUp) and event.proved]


LOCKED_ANSWERS = [
    bytes.fromhex("02 00 00 01 02") + crc_ccitt(bytes.fromhex("00 01 02")),
    b"MNUENA0\x06.",
    b"\x02\x010000#MNUENA0\x06;\x03",
]

ANSWERED = list(zip(CODECS, LOCKED_ANSWERS, strict=True))


@pytest.mark.parametrize(("codec", "answer"), ANSWERED)
@settings(derandomize=True, deadline=None, max_examples=60)
@given(before=st.binary(max_size=20), end=st.sampled_from([b"\r", b"\n", b"\r\n", b"\t"]))
def test_c12_no_code_of_a_scanner_that_ends_its_codes_is_its_answer(
    codec: SetUpCodec, answer: bytes, before: bytes, end: bytes
) -> None:
    """The lens may see any bytes while a question is open; what it sees goes out with the terminator behind it."""
    scanner = SetUpScanner(codec)
    scanner.line_up(1.0)
    assert turn(scanner, 1.0)[0] == [codec.ask()]
    told = turn(scanner, 1.05, before + answer + end)[1] + turn(scanner, 1.2)[1]
    assert not [event for event in told if isinstance(event, SetUp) and event.proved]


@pytest.mark.parametrize(("codec", "answer"), ANSWERED)
@settings(derandomize=True, deadline=None, max_examples=60)
@given(at=cuts)
def test_an_answer_in_any_pieces_proves(codec: SetUpCodec, answer: bytes, at: list[int]) -> None:
    scanner = SetUpScanner(codec)
    scanner.line_up(1.0)
    assert turn(scanner, 1.0)[0] == [codec.ask()]
    for piece in pieces(answer, at):
        assert turn(scanner, 1.05, piece) == ([], [])
    (event,) = turn(scanner, 1.2)[1]
    assert isinstance(event, SetUp)
    assert (event.good, event.proved) == (True, True)


# -- thermometers


@pytest.mark.parametrize(("codec", "head"), THERMOMETERS)
@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    data=st.lists(
        st.tuples(
            st.binary(max_size=8).map(lambda noise: noise.translate(None, b"\x5a\xa4\x66")),
            st.binary(min_size=8, max_size=8),
        )
    ),
    at=cuts,
)
def test_pieces_and_noise_never_change_a_thermometers_frames(
    codec: ThermometerCodec, head: bytes, data: list[tuple[bytes, bytes]], at: list[int]
) -> None:
    frames = [summed(head + values[: head[3]]) for _, values in data]
    stream = b"".join(noise + frame for (noise, _), frame in zip(data, frames, strict=True))
    search, bytewise = codec.frames(), codec.frames()
    assert [frame for piece in pieces(stream, at) for frame in search.feed(piece)] == frames
    assert [frame for byte in stream for frame in bytewise.feed(bytes((byte,)))] == frames
    noise = sum(len(before) for before, _ in data)
    assert search.take_garbage() == bytewise.take_garbage() == noise
    for frame in frames:
        assert -328 < codec.reading(frame).target_c < 328


@pytest.mark.parametrize("codec", [codec for codec, _ in THERMOMETERS])
@settings(derandomize=True, deadline=None, max_examples=60)
@given(data=chunks)
def test_noise_is_never_a_temperature_and_a_measurement_always_ends(
    codec: ThermometerCodec, data: list[tuple[bytes, float]]
) -> None:
    thermometer, now_s = Thermometer(codec), 1.0
    thermometer.line_up(now_s)
    thermometer.submit(Measure(id="m"), now_s)
    told: list[AnyEvent] = []
    for chunk, gap_s in [*data, (b"", 0.0), (b"", 3.0)]:
        now_s += gap_s
        told += turn(thermometer, now_s, chunk)[1]
    measured = [event for event in told if isinstance(event, Measured)]
    assert [(event.id, event.target_c, event.body_c) for event in measured] == [("m", None, None)]


# -- modem


said = st.sampled_from(
    [
        b"OK",
        b"ERROR",
        b"RING",
        b"+CMS ERROR: 38",
        b"+CREG: 1",
        b"+CSQ: 18,99",
        b"+CDS: 26",
        b"0006AB",
        b"AT",
        b"+CMGS: 7",
    ]
)


@settings(derandomize=True, deadline=None)
@given(st.lists(said), cuts)
def test_pieces_never_change_what_a_modem_said(lines: list[bytes], at: list[int]) -> None:
    stream = b"".join(b"\r\n" + line + b"\r\n" for line in lines)
    found = []
    for cut in ([], at, list(range(len(stream)))):
        dialogue = Dialogue()
        dialogue.ask("AT", answer=r"\+CSQ: .*")
        found.append([one for piece in pieces(stream, cut) for one in dialogue.feed(piece)])
    assert found[0] == found[1] == found[2]


@settings(derandomize=True, deadline=None)
@given(st.text(max_size=700))
def test_a_text_arrives_as_it_was_in_parts_that_fit(text: str) -> None:
    parts = split(text)
    assert b"".join(parts) == text.encode("utf-16-be", errors="replace")
    if 1 <= len(parts) <= PARTS_MAX:
        for index, pdu in enumerate(encode_submit("+8613800138000", text, reference=9), start=1):
            octets = bytes.fromhex(pdu.hex)
            assert len(octets) == pdu.length + 1
            content = octets[15:]
            assert octets[14] == len(content) <= 140
            if len(parts) > 1:
                assert content[:6] == bytes((5, 0, 3, 9, len(parts), index))
                content = content[6:]
            assert content == parts[index - 1]


@settings(derandomize=True, deadline=None)
@given(st.one_of(st.text(max_size=400), st.binary(max_size=200).map(bytes.hex)))
def test_no_octets_make_the_decoder_raise(text: str) -> None:
    found = decode(text)
    if isinstance(found, Delivered):
        assert len(found.text or "") <= 176
        assert found.sender.removeprefix("+").isdigit() or found.sender == ""


fragments = st.one_of(
    st.sampled_from(
        [
            b"\r\nOK\r\n",
            b"\r\nERROR\r\n",
            b"\r\n> ",
            b"\r\n+CMGS: 3\r\n",
            b"\r\n+CPIN: READY\r\n",
            b"+CREG: 0,1\r\n",
        ]
    ),
    st.sampled_from(
        [b"\r\n+CMS ERROR: 38\r\n", b"\r\n+CREG: 0\r\n", b"\r\n+CREG: 1\r\n", b"+CDS: 9\r\n", b"AT\r"]
    ),
    st.binary(max_size=20),
)


@settings(derandomize=True, deadline=None, max_examples=120)
@given(st.lists(st.tuples(fragments, st.floats(0, 8), st.booleans()), max_size=60))
def test_whatever_a_modem_says_a_text_is_written_once_and_every_message_ends_once(
    turns: list[tuple[bytes, float, bool]],
) -> None:
    modem, now_s = GsmModem(), 1.0
    modem.line_up(now_s)
    texts: Counter[bytes] = Counter()
    ends: Counter[str] = Counter()
    submitted = confirmed = 0
    told: list[AnyEvent] = []
    for data, gap_s, send in [*turns, (b"", 61.0, False), (b"", 61.0, False), (b"", 61.0, False)]:
        now_s += gap_s
        if send:
            submitted += 1
            text = "访" * (100 if submitted % 2 else 5) + str(submitted)
            modem.submit(SendSms(to="+8613800138000", text=text, id=str(submitted)), now_s)
        confirmed += data.count(b"+CMGS: 3")
        frames, events = turn(modem, now_s, data)
        texts.update(frame for frame in frames if frame.endswith(b"\x1a"))
        told += events
    modem.line_lost(now_s)
    told += modem.take_events()
    assert set(texts.values()) <= {1}
    for event in told:
        if isinstance(event, SmsSent | TimedOut | Refused):
            ends[event.id] += 1
    assert ends == Counter(map(str, range(1, submitted + 1)))
    assert sum(len(event.references) for event in told if isinstance(event, SmsSent)) <= confirmed


# -- all of them


def drivers() -> list[Driver]:
    scanner: TextScanner[None] = TextScanner()
    made: list[Driver] = [scanner, GsmModem(), Syn6288Driver()]
    made += [SetUpScanner(codec) for codec in CODECS]
    made += [Thermometer(codec) for codec, _ in THERMOMETERS]
    return made


ORDERS: Mapping[str, Callable[[str], Command]] = {
    "measure": lambda id_: Measure(id=id_),
    "say": lambda id_: Say(text="请", id=id_),
    "commission": lambda id_: Commission(id=id_, save=True),
    "sms": lambda id_: SendSms(to="+8613800138000", text="好", id=id_),
}
LINE = ("up", "lost")


def settle(driver: Driver, now_s: float) -> list[AnyEvent]:
    """Everything that is due at this moment; no driver may keep its bus awake for ever."""
    told: list[AnyEvent] = []
    for _ in range(30):
        due_s = driver.next_deadline()
        if due_s is None or due_s > now_s:
            return told
        told += turn(driver, now_s)[1]
    raise AssertionError(f"{type(driver).__name__} spins")


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.lists(
        st.one_of(st.binary(max_size=40), st.sampled_from([*ORDERS, *LINE]), st.floats(0, 10)), max_size=40
    )
)
def test_nothing_makes_a_peripheral_raise_spin_or_speak_on_a_dead_line(
    steps: list[bytes | str | float],
) -> None:
    for driver in drivers():
        now_s, up = 1.0, False
        for count, step in enumerate(steps):
            if isinstance(step, bytes):
                driver.receive(step, now_s)
            elif isinstance(step, float):
                now_s += step
            elif step in ORDERS:
                driver.submit(ORDERS[step](str(count)), now_s)
            elif (step == "lost") == up:
                up = not up
                (driver.line_up if up else driver.line_lost)(now_s)
            frames, events = turn(driver, now_s)
            events += settle(driver, now_s)
            assert up or frames == []
            assert not [event for event in events if isinstance(event, SmsSent)]
            assert up or not [event for event in events if isinstance(event, Scanned | Done)]


def test_every_peripheral_says_that_its_device_may_speak_unasked() -> None:
    assert all(driver.info.streams for driver in drivers())
