"""Modbus relay boards in virtual time: makers' frames, and the virtual boards built from the makers' papers."""

from dataclasses import replace
from pathlib import Path

import pytest

from drivers.devices.modbus_frames import AnswerFinder, Data, Question, Refusing, Rtu, Tcp, Written
from drivers.devices.modbus_relay import modbus_inputs, modbus_relay
from drivers.modbus_rtu import crc16
from drivers.model import (
    AllOff,
    AnyEvent,
    Done,
    Fault,
    Grade,
    Hold,
    InputEdge,
    Outputs,
    Pulse,
    ReadOutputs,
    Refusal,
    Refused,
    Release,
    TimedOut,
)
from drivers.peripherals import Commission, SetUp
from simulators.boards.modbus_board import ModbusBoard
from simulators.boards.modbus_makes import (
    EletechsupR421A08,
    Generic0100,
    LcTech2,
    StandardCoils,
    WaveshareIo,
    WaveshareRelay,
)
from tests.unit.drivers.bench import Bench, Device, silent, twin

ON_1 = bytes.fromhex("01 05 00 00 FF 00 8C 3A")
COILS = bytes.fromhex("01 01 00 00 00 08 3D CC")
BOARDS: list[tuple[str, type[ModbusBoard], int, Grade]] = [
    ("waveshare-relay-8", WaveshareRelay, 300, Grade.CONFIRMED),
    ("waveshare-io-8ch", WaveshareIo, 300, Grade.CONFIRMED),
    ("eletechsup-r421a08", EletechsupR421A08, 1000, Grade.CONFIRMED),
    ("generic-0100-4", Generic0100, 300, Grade.ACCEPTED),
    ("lctech-2ch", LcTech2, 300, Grade.CONFIRMED),
    ("kmtronic-modbus-8", StandardCoils, 300, Grade.CONFIRMED),
]


def frame(text: str) -> bytes:
    """A body in hex with its check."""
    body = bytes.fromhex(text)
    return body + crc16(body)


def relays(board: ModbusBoard) -> list[tuple[str, int, float]]:
    """What the board's relays did."""
    return [
        (seen.what, seen.channel, round(seen.at_s, 3))
        for seen in board.take_happenings()
        if seen.what.startswith("relay")
    ]


def but(device: Device, answers: dict[bytes, bytes]) -> Device:
    """The same device, but for these frames."""
    return lambda data, now_s: answers[data] if data in answers else device(data, now_s)


def pulse(bench: Bench, id_: str = "a", *, channel: int = 1, ms: int = 300) -> Pulse:
    return Pulse(channel=channel, ms=ms, id=id_, issued_s=bench.now_s)


@pytest.mark.parametrize(("name", "make", "ms", "grade"), BOARDS)
def test_a_pulse_moves_the_asked_relay_once(
    name: str, make: type[ModbusBoard], ms: int, grade: Grade
) -> None:
    board = make()
    bench = Bench(modbus_relay(name), twin(board))
    assert bench.run(1) == []
    begun_s = bench.now_s
    assert bench.submit(pulse(bench, channel=2, ms=ms), then_s=3) == [Done(id="a", grade=grade)]
    board.tick(bench.now_s)
    moved = relays(board)
    on_s, off_s = (at_s for _, _, at_s in moved)
    assert [(what, channel) for what, channel, _ in moved] == [("relay_on", 2), ("relay_off", 2)]
    assert on_s - begun_s <= 0.020
    assert off_s - on_s == pytest.approx(ms / 1000, abs=0.030)


@pytest.mark.parametrize(("name", "make", "ms", "grade"), BOARDS)
def test_s7_a_lost_answer_to_a_pulse_is_said_and_the_pulse_is_not_repeated(
    name: str, make: type[ModbusBoard], ms: int, grade: Grade
) -> None:
    board = make()
    bench = Bench(modbus_relay(name), twin(board))
    bench.run(1)
    board.silent = True
    events = bench.submit(pulse(bench, ms=ms), then_s=6)
    assert [event for event in events if isinstance(event, Done | TimedOut)] == [
        TimedOut(id="a", maybe_executed=True)
    ]
    board.tick(bench.now_s)
    assert [what for what, _, _ in relays(board)].count("relay_on") == 1


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("waveshare-relay-8", "01 05 02 00 00 07 8D B0"),
        ("eletechsup-r421a08", "01 06 00 01 05 00 DB 5A"),
    ],
)
def test_where_the_board_times_the_pulse_one_printed_frame_is_all_of_it(name: str, printed: str) -> None:
    board: ModbusBoard = WaveshareRelay() if name.startswith("w") else EletechsupR421A08()
    bench = Bench(modbus_relay(name), twin(board))
    bench.run(1)
    before = len(bench.written)
    bench.submit(pulse(bench, ms=700 if name.startswith("w") else 1000), then_s=0.5)
    writes = [one for one in bench.written[before:] if one[1] in {5, 6}]
    assert writes == [bytes.fromhex(printed)]
    assert not bench.driver.info.host_timed


@pytest.mark.parametrize(
    ("name", "ms"),
    [
        ("waveshare-relay-8", 250),
        ("waveshare-relay-8", 2100),
        ("eletechsup-r421a08", 300),
        ("eletechsup-r421a08", 3000),
    ],
)
def test_a_length_that_the_board_cannot_time_is_refused_and_never_rounded(name: str, ms: int) -> None:
    bench = Bench(modbus_relay(name), silent)
    assert bench.submit(pulse(bench, ms=ms)) == [Refused(id="a", why=Refusal.BAD_LENGTH)]


def test_the_first_frames_of_a_line_open_every_output() -> None:
    assert Bench(modbus_relay("waveshare-relay-8"), silent).written == [frame("01 05 00 FF 00 00")]
    board = EletechsupR421A08()
    bench = Bench(modbus_relay("eletechsup-r421a08"), twin(board))
    bench.run(0.2)
    assert bench.written[:8] == [frame(f"01 06 00 0{channel} 02 00") for channel in range(1, 9)]


def test_inputs_come_as_debounced_edges() -> None:
    board = LcTech2()
    bench = Bench(modbus_relay("lctech-2ch"), twin(board))
    bench.run(1)
    board.inputs.set(2, active=True)
    (edge,) = bench.run(1)
    assert isinstance(edge, InputEdge)
    assert (edge.channel, edge.active, round(edge.at_s, 1)) == (2, True, 1.0)
    assert {one for one in bench.written if one[1] == 2} == {bytes.fromhex("FF 02 00 00 00 08 6C 12")}


def test_the_protocol_for_inputs_is_another_name_of_their_profile() -> None:
    seen = []
    for driver in (modbus_relay("inputs-8"), modbus_inputs()):
        board = WaveshareIo()
        bench = Bench(driver, twin(board))
        bench.run(1)
        board.inputs.set(3, active=True)
        edges = [(event.channel, event.active) for event in bench.run(1) if isinstance(event, InputEdge)]
        seen.append((bench.written, edges, replace(driver.info, protocol="")))
    assert seen[0] == seen[1]
    assert seen[0][1] == [(3, True)]
    assert modbus_inputs().info.protocol == "modbus-inputs"


def test_outputs_are_read_back_also_where_each_has_its_own_register() -> None:
    board = EletechsupR421A08()
    bench = Bench(modbus_relay("eletechsup-r421a08"), twin(board))
    bench.run(1)
    bench.submit(Hold(channel=3, seconds=5, id="h", issued_s=bench.now_s), then_s=0.5)
    assert Outputs(id="r", bits=0b100, read=True) in bench.submit(ReadOutputs(id="r"), then_s=0.5)
    events = bench.submit(Release(channel=3, id="x"), then_s=1)
    assert Done(id="x", grade=Grade.ACCEPTED) in events
    assert board.relays.closed == (False,) * 8


def test_s8_a_refusing_board_is_no_success() -> None:
    refuse = but(twin(StandardCoils()), {ON_1: frame("01 85 03")})
    bench = Bench(modbus_relay("kmtronic-modbus-8"), refuse)
    bench.run(1)
    assert bench.submit(pulse(bench), then_s=1) == [Refused(id="a", why=Refusal.DENIED)]


def test_a_register_that_is_neither_on_nor_off_is_a_fault() -> None:
    odd = but(twin(EletechsupR421A08()), {frame("01 03 00 01 00 01"): frame("01 03 02 12 34")})
    bench = Bench(modbus_relay("eletechsup-r421a08"), odd)
    fault = bench.run(2)[0]
    assert isinstance(fault, Fault)
    assert "output 1 reads as 0x1234" in fault.why
    assert Refused(id="r", why=Refusal.DENIED) in bench.submit(ReadOutputs(id="r"), then_s=2)


@pytest.mark.parametrize(
    "wrong",
    [
        "02 05 00 00 FF 00",  # another unit
        "01 05 00 01 FF 00",  # another output
        "01 05 00 00 00 00",  # the other way
        "01 06 00 00 FF 00",  # another function
        "01 01 01 01",  # the answer to a read
        "01 81 02",  # the refusal of a read
        "01 85 00",  # a refusal without a reason that there is
    ],
)
def test_s8_what_answers_another_question_is_garbage(wrong: str) -> None:
    finder = AnswerFinder(Rtu())
    assert finder.feed(frame(wrong), ON_1) is None
    assert finder.feed(ON_1, ON_1) == Written()
    assert finder.take_garbage() == len(frame(wrong))


def test_a_late_answer_to_an_earlier_question_never_counts_for_the_next() -> None:
    finder = AnswerFinder(Rtu())
    late = frame("01 02 01 07")
    assert finder.feed(late[:3], frame("01 02 00 00 00 08")) is None
    assert finder.feed(late[3:], COILS) is None
    assert finder.feed(frame("01 01 01 05"), COILS) == Data(b"\x05")


def test_tcp_tells_answers_apart_by_their_transaction() -> None:
    envelope = Tcp()
    body = Question(unit=1, function=2, address=0, value=8).body()
    first, second = envelope.wrap(body), envelope.wrap(body)
    assert first.hex(" ") == "00 01 00 00 00 06 01 02 00 00 00 08"
    finder = AnswerFinder(envelope)
    late = bytes.fromhex("00 01 00 00 00 04 01 02 01 FF")
    assert finder.feed(late, second) is None
    assert finder.feed(bytes.fromhex("00 02 00 00 00 04 01 02 01 05"), second) == Data(b"\x05")
    assert finder.feed(bytes.fromhex("00 01 00 00 00 03 01 82 02"), first) == Refusing(2)
    assert finder.take_garbage() == len(late)


@pytest.mark.parametrize("code", [4, 5, 6, 10, 11])
@pytest.mark.parametrize(
    ("name", "make"), [("waveshare-relay-8", WaveshareRelay), ("kmtronic-modbus-8", StandardCoils)]
)
def test_m4_a_pulse_that_a_gateway_speaks_for_is_doubtful(
    name: str, make: type[ModbusBoard], code: int
) -> None:
    board = make()
    plain = twin(board)

    def gateway(data: bytes, now_s: float) -> bytes:
        answer = plain(data, now_s)
        closes = data[1] == 5 and (data[2], data[4]) != (0, 0)
        return frame(f"01 85 {code:02X}") if closes else answer

    bench = Bench(modbus_relay(name), gateway)
    bench.run(1)
    board.take_happenings()
    events = bench.submit(pulse(bench), then_s=3)
    assert [event for event in events if getattr(event, "id", "") == "a"] == [
        TimedOut(id="a", maybe_executed=True)
    ]
    assert [what for what, _, _ in relays(board)] == ["relay_on", "relay_off"]


@pytest.mark.parametrize("code", [1, 2, 3])
def test_m4_a_pulse_that_the_board_does_not_understand_is_refused(code: int) -> None:
    plain = twin(WaveshareRelay())
    bench = Bench(
        modbus_relay("waveshare-relay-8"),
        lambda data, now_s: frame(f"01 85 {code:02X}") if data[1:3] == b"\5\2" else plain(data, now_s),
    )
    bench.run(1)
    assert Refused(id="a", why=Refusal.DENIED) in bench.submit(pulse(bench), then_s=3)


def set_ups(events: list[AnyEvent]) -> list[SetUp]:
    return [event for event in events if isinstance(event, SetUp)]


def test_inputs_that_drive_outputs_by_themselves_are_found_at_commissioning() -> None:
    board = WaveshareIo()
    bench = Bench(modbus_relay("waveshare-io-8ch"), twin(board))
    bench.run(1)
    good = set_ups(bench.submit(Commission(id="c"), then_s=0.3))
    assert [one.setting for one in good] == [f"linkage mode of output {number}" for number in range(1, 9)]
    assert all(one.good and one.proved for one in good)
    board.modes[4] = 1
    (bad,) = (one for one in set_ups(bench.submit(Commission(id="d"), then_s=0.3)) if not one.good)
    assert (bad.setting, bad.value) == ("linkage mode of output 5", "0x0001")
    assert board.modes[4] == 1, "commissioning reads, it does not write"
    assert frame("01 03 10 00 00 08") in bench.written


def test_a_board_without_such_registers_has_nothing_to_commission() -> None:
    bench = Bench(modbus_relay("waveshare-relay-8"), silent)
    assert bench.submit(Commission(id="c")) == [Refused(id="c", why=Refusal.UNSUPPORTED)]


def test_commissioning_shares_the_line_with_pulses_and_polls() -> None:
    board = WaveshareIo()
    bench = Bench(modbus_relay("waveshare-io-8ch"), twin(board))
    bench.run(1)
    bench.submit(pulse(bench))
    bench.submit(Commission(id="c"))
    events = bench.run(2)
    assert Done(id="a", grade=Grade.CONFIRMED) in events
    assert len(set_ups(events)) == 8
    bench.driver.line_lost(bench.now_s)
    assert bench.submit(Commission(id="d")) == [Refused(id="d", why=Refusal.LINE_DOWN)]


def test_commissioning_wants_no_line_while_an_answer_is_due() -> None:
    driver = modbus_relay("waveshare-io-8ch")
    driver.line_up(0.0)
    driver.submit(Commission(id="c"), 0.0)
    driver.tick(0.0)
    assert driver.wants_line() is not None
    assert len(driver.take_output()) == 1  # the opening of all outputs
    assert driver.holds_line()
    assert driver.wants_line() is None  # else another unit's frame would be written over the answer
    assert driver.take_output() == []


def test_commissioning_an_absent_board_ends() -> None:
    bench = Bench(modbus_relay("waveshare-io-8ch"), silent)
    events = bench.submit(Commission(id="c"), then_s=10)
    assert TimedOut(id="c", maybe_executed=False) in events
    assert [event.active for event in events if isinstance(event, Fault)][:1] == [True]


def test_an_all_off_overtakes_commissioning() -> None:
    bench = Bench(modbus_relay("waveshare-io-8ch"), silent)
    assert bench.submit(Commission(id="d")) == []
    assert Refused(id="d", why=Refusal.OVERTAKEN) in bench.submit(AllOff())


def test_a_site_profile_drives_a_board(tmp_path: Path) -> None:
    path = tmp_path / "two-relays.toml"
    path.write_text(
        'name = "two-relays"\ntitle = "Two relays of this site"\nunit = 9\n'
        "[outputs]\ncount = 2\nfirst = 0\nwrite = 5\non = 0xFF00\noff = 0\n"
        '[[vector]]\nwhat = "on 1"\nframe = "09 05 00 00 FF 00 8D 72"\nsource = "vendor"\n'
        '[[vector]]\nwhat = "off 1"\nframe = "09 05 00 00 00 00 CC 82"\nsource = "rule"\n',
        encoding="utf-8",
    )
    board = StandardCoils(unit=9, relays=2)
    bench = Bench(modbus_relay(path), twin(board))
    bench.run(1)
    assert bench.submit(pulse(bench), then_s=1) == [Done(id="a", grade=Grade.ACCEPTED)]
    assert [what for what, _, _ in relays(board)] == ["relay_on", "relay_off"]


def echoing(device: Device) -> Device:
    """The same device behind an adapter that sends back what it is given."""
    return lambda data, now_s: data + device(data, now_s)


def test_s8_the_echo_of_an_adapter_is_not_the_board_obeying() -> None:
    board = StandardCoils()
    bench = Bench(modbus_relay("kmtronic-modbus-8"), echoing(twin(board)))
    bench.run(1)
    assert Done(id="a", grade=Grade.CONFIRMED) in bench.submit(pulse(bench), then_s=1)
    board.silent = True
    events = bench.submit(pulse(bench, "b"), then_s=2)
    assert TimedOut(id="b", maybe_executed=True) in events
    assert not any(isinstance(event, Done) for event in events)


def test_an_adapter_that_stops_echoing_is_believed_again() -> None:
    board = StandardCoils()
    bench = Bench(modbus_relay("kmtronic-modbus-8"), echoing(twin(board)))
    bench.run(2)
    bench.device = twin(board)
    bench.run(2)
    assert bench.submit(pulse(bench), then_s=1) == [Done(id="a", grade=Grade.CONFIRMED)]


def test_an_echo_in_pieces_is_an_echo() -> None:
    finder = AnswerFinder(Rtu())
    pieces = [bytes((byte,)) for byte in COILS + frame("01 01 01 05")]
    assert [answer for piece in pieces if (answer := finder.feed(piece, COILS))] == [Data(b"\x05")]
    assert finder.feed(ON_1[:5], ON_1) is None
    assert finder.feed(ON_1[5:], ON_1) is None
    assert finder.feed(ON_1, ON_1) == Written()
    assert finder.take_garbage() == 0
