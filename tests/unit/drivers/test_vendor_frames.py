"""Every virtual board against the frames that its vendor printed: what they switch, and what comes back."""

import pytest

from simulators.boards import modbus_makes
from simulators.boards.board import Board
from simulators.boards.devantech import Devantech, Model
from simulators.boards.device import Device, Happening
from simulators.boards.first_boards import LcusDevice, ModbusInputsDevice
from simulators.boards.kmtronic import Kmtronic
from simulators.boards.modbus_board import ModbusBoard
from simulators.boards.modbus_io import check_bytes
from simulators.boards.modbus_tcp import MbapDevice
from simulators.boards.numato import Numato


def ask(device: Device, text: str, now_s: float = 1.0) -> str:
    """The answer to some bytes in hex, as hex."""
    return b"".join(answer.data for answer in device.receive(bytes.fromhex(text), now_s)).hex(" ").upper()


def type_in(board: Numato, text: str, now_s: float = 1.0) -> str:
    return b"".join(answer.data for answer in board.receive(text.encode("ascii") + b"\r", now_s)).decode(
        "ascii"
    )


def closed(board: Board) -> list[int]:
    return [channel for channel, on in enumerate(board.relays.closed, start=1) if on]


def edges(device: Device) -> list[tuple[str, int, float]]:
    return [
        (each.what, each.channel, round(each.at_s, 6))
        for each in device.take_happenings()
        if each.what.startswith("relay")
    ]


def with_check(text: str) -> str:
    frame = bytes.fromhex(text)
    return (frame + check_bytes(frame)).hex(" ").upper()


@pytest.mark.parametrize(
    ("make", "on", "channels"),
    [
        (modbus_makes.WaveshareRelay, "01 05 00 FF FF 00 BC 0A", [1, 2, 3, 4, 5, 6, 7, 8]),
        (lambda: modbus_makes.EletechsupR421A08(unit=1), "01 06 00 01 01 00 D9 9A", [1]),
        (modbus_makes.Generic0100, "01 05 00 01 01 00 9D 9A", [1]),
        (modbus_makes.Generic0100, "01 05 00 FF FF FF FC 4A", [1, 2, 3, 4]),
        (modbus_makes.StandardCoils, with_check("01 05 00 02 FF 00"), [3]),
        (modbus_makes.LcTech2, with_check("FF 05 00 01 FF 00"), [2]),
        (modbus_makes.WaveshareIo, with_check("01 0F 00 00 00 08 01 A5"), [1, 3, 6, 8]),
    ],
)
def test_printed_orders_close_relays_and_are_echoed(
    make: type[ModbusBoard], on: str, channels: list[int]
) -> None:
    board = make()
    echo = ask(board, on)
    assert closed(board) == channels
    assert echo == on or (on.startswith("01 0F") and echo == with_check("01 0F 00 00 00 08"))


def test_waveshare_switches_reads_and_times_a_pulse_by_itself() -> None:
    board = modbus_makes.WaveshareRelay()
    assert ask(board, "01 05 02 00 00 07 8D B0", 1.0) == "01 05 02 00 00 07 8D B0"
    assert ask(board, "01 01 00 00 00 08 3D CC", 1.1) == with_check("01 01 01 01")
    assert board.next_deadline() == pytest.approx(1.7)
    board.tick(5.0)
    assert edges(board) == [("relay_on", 1, 1.0), ("relay_off", 1, 1.7)]
    ask(board, with_check("01 05 00 03 55 00"), 6.0)
    assert ask(board, "01 01 00 00 00 08 3D CC", 7.0) == with_check("01 01 01 08")
    assert ask(board, "01 05 00 00 FF 00 8C 3A", 8.0) == "01 05 00 00 FF 00 8C 3A"
    assert ask(board, with_check("01 05 00 00 00 00"), 9.0) == with_check("01 05 00 00 00 00")
    assert closed(board) == [4]


@pytest.mark.parametrize(
    ("request_", "refusal"),
    [
        ("01 05 00 00 12 34", "01 85 03"),
        ("01 05 00 08 FF 00", "01 85 02"),
        ("01 05 02 08 00 05", "01 85 02"),
        ("01 05 02 00 00 00", "01 85 03"),
        ("01 01 00 00 00 09", "01 81 02"),
        ("01 01 00 00 00 00", "01 81 03"),
        ("01 02 00 00 00 08", "01 82 01"),
        ("01 06 12 34 00 01", "01 86 02"),
    ],
)
def test_waveshare_refuses_what_it_has_not(request_: str, refusal: str) -> None:
    board = modbus_makes.WaveshareRelay()
    assert ask(board, with_check(request_)) == with_check(refusal)
    assert edges(board) == []


def test_waveshare_tells_and_takes_its_address_on_unit_0() -> None:
    board = modbus_makes.WaveshareRelay()
    assert ask(board, "00 03 40 00 00 01 90 1B", 1.0) == "00 03 02 00 01 44 44"
    assert ask(board, with_check("00 06 40 00 00 05"), 2.0) == with_check("00 06 40 00 00 05")
    assert ask(board, "01 01 00 00 00 08 3D CC", 3.0) == ""
    assert ask(board, with_check("05 01 00 00 00 08"), 4.0) == with_check("05 01 01 00")


def test_waveshares_io_board_reads_inputs_and_may_move_outputs_by_itself() -> None:
    board = modbus_makes.WaveshareIo()
    board.inputs.set(3, active=True)
    assert ask(board, "01 02 00 00 00 08 79 CC", 1.0) == with_check("01 02 01 04")
    assert edges(board) == []  # as it should be: every mode is 0
    ask(board, with_check("01 06 10 03 00 01"), 2.0)
    board.inputs.set(4, active=True, now_s=3.0)
    board.tick(3.0)
    board.inputs.set(4, active=False, now_s=4.0)
    board.tick(4.0)
    assert edges(board) == [("relay_on", 4, 3.0), ("relay_off", 4, 4.0)]
    assert ask(board, with_check("01 03 10 03 00 01"), 5.0) == with_check("01 03 02 00 01")
    ask(board, with_check("01 06 10 03 00 00"), 6.0)
    board.inputs.set(4, active=True, now_s=7.0)
    board.tick(7.0)
    assert edges(board) == []


def test_eletechsup_obeys_its_six_verbs() -> None:
    board = modbus_makes.EletechsupR421A08(unit=1)
    assert ask(board, "01 06 00 01 05 00 DB 5A", 1.0) == "01 06 00 01 05 00 DB 5A"
    assert ask(board, "01 06 00 01 06 03 9B AB", 5.0) == "01 06 00 01 06 03 9B AB"
    board.tick(9.0)
    assert edges(board) == [
        ("relay_on", 1, 1.0),
        ("relay_off", 1, 2.0),
        ("relay_on", 1, 5.0),
        ("relay_off", 1, 8.0),
    ]
    ask(board, with_check("01 06 00 02 03 00"), 10.0)
    assert ask(board, with_check("01 03 00 02 00 01"), 11.0) == with_check("01 03 02 00 01")
    ask(board, with_check("01 06 00 07 04 00"), 12.0)
    assert closed(board) == [7]
    ask(board, with_check("01 06 00 07 02 00"), 13.0)
    assert closed(board) == []
    assert ask(board, with_check("01 06 00 00 01 00"), 14.0) == with_check("01 86 02")
    assert ask(board, with_check("01 03 00 01 00 02"), 15.0) == with_check("01 83 03")
    assert ask(board, with_check("00 06 00 01 01 00"), 16.0) == ""


def test_the_nameless_board_takes_0100_for_on_and_refuses_ff00() -> None:
    board = modbus_makes.Generic0100()
    assert ask(board, with_check("01 05 00 01 FF 00"), 1.0) == with_check("01 85 03")
    assert ask(board, "00 03 40 00 00 01 90 1B", 2.0) == "00 03 02 00 01 44 44"
    assert ask(board, "00 06 40 00 00 01 5C 1B", 3.0) == "00 06 40 00 00 01 5C 1B"
    ask(board, with_check("01 05 00 02 01 00"), 4.0)
    assert ask(board, "01 01 00 01 00 04 6C 09", 5.0) == with_check("01 01 01 02")
    ask(board, "01 05 00 FF 00 00 FD FA", 6.0)
    assert closed(board) == []


def test_lctech_understands_eight_inputs_and_nothing_else_of_them() -> None:
    board = modbus_makes.LcTech2()
    board.inputs.set(2, active=True)
    assert ask(board, "FF 02 00 00 00 08 6C 12", 1.0) == with_check("FF 02 01 02")
    assert ask(board, with_check("FF 02 00 00 00 02"), 2.0) == with_check("FF 82 03")


def test_a_modbus_board_hears_nothing_in_wrong_checks_and_other_units() -> None:
    board = modbus_makes.WaveshareRelay()
    for at_s, text in enumerate(
        ("01 05 00 00 FF 00 8C 3B", "02 05 00 00 FF 00 8C 09", "01 05 00 00"), start=1
    ):
        assert ask(board, text, float(at_s)) == ""
    assert edges(board) == []
    assert ask(board, "01 05 00 00 FF 00 8C 3A", 10.0) != ""


def test_a_board_finds_its_request_between_the_answers_of_others() -> None:
    board = modbus_makes.WaveshareRelay(unit=2)
    request = with_check("02 01 00 00 00 08")
    assert ask(board, with_check("01 02 01 00") + " " + request) == with_check("02 01 01 00")


def test_lcus_answers_a_status_question_as_its_batch_does() -> None:
    for status, answer in (
        ("none", b""),
        ("bytes", b"\x01\x00"),
        ("text", b"CH1:ON \r\nCH2:OFF \r\n"),
    ):
        board = LcusDevice(relays=2, status=status)  # type: ignore[arg-type]  # a literal of the table
        ask(board, "A0 01 01 A2")
        assert bytes.fromhex(ask(board, "FF")) == answer


def test_a_power_cycle_opens_every_relay_and_forgets_half_a_frame() -> None:
    board = LcusDevice()
    ask(board, "A0 03 01 A4 A0 01")
    board.reboot(2.0)
    ask(board, "01 A2", 3.0)
    assert edges(board) == [("relay_on", 3, 1.0), ("relay_off", 3, 2.0)]


def test_a_board_without_supply_neither_hears_nor_answers() -> None:
    board = ModbusInputsDevice()
    board.power_off(0.5)
    assert ask(board, "01 02 00 00 00 08 79 CC", 1.0) == ""
    board.power_on(1.5)
    assert ask(board, "01 02 00 00 00 08 79 CC", 2.0) == "01 02 01 00 A1 88"


def test_numato_echoes_answers_and_prompts() -> None:
    board = Numato()
    assert type_in(board, "ver") == "ver\r\n00000008\n\r>"
    assert type_in(board, "relay on 0") == "relay on 0\r\n>"
    assert type_in(board, "relay read 0") == "relay read 0\r\non\n\r>"
    assert type_in(board, "relay off 0") == "relay off 0\r\n>"
    assert type_in(board, "relay writeall ff") == "relay writeall ff\r\n>"
    assert closed(board) == [1, 2, 3, 4, 5, 6, 7, 8]
    board.inputs.set(1, active=True)
    assert type_in(board, "gpio read 0") == "gpio read 0\r\n1\n\r>"
    assert type_in(board, "adc read 0") == "adc read 0\r\n0\n\r>"
    assert type_in(board, "id get") == "id get\r\n00000000\n\r>"
    assert type_in(board, "relay on 9") == "relay on 9\r\n>"
    assert type_in(board, "") == "\r\n>"


def test_numatos_channels_go_on_with_letters() -> None:
    board = Numato(relays=32)
    type_in(board, "relay on A")
    type_in(board, "relay on V")
    assert closed(board) == [11, 32]
    assert type_in(board, "relay readall").endswith("80000400\n\r>")


def test_numato_is_deaf_for_a_while_after_the_plug() -> None:
    board = Numato(wakes_after_s=2.0)
    board.reboot(10.0)
    assert type_in(board, "ver", 11.0) == ""
    assert type_in(board, "ver", 12.5) == "ver\r\n00000008\n\r>"


def test_kmtronic_switches_and_answers_the_status_question_of_its_size() -> None:
    board, small = Kmtronic(), Kmtronic(relays=2)
    ask(board, "FF 03 01 FF 08 01")
    assert ask(board, "FF 09 00") == "00 00 01 00 00 00 00 01"
    assert ask(board, "FF 03 03") == ""
    ask(small, "FF 02 01")
    assert (ask(small, "FF 02 03"), ask(small, "FF 09 00")) == ("FF 02 01", "")


def test_kmtronic_takes_bytes_in_the_wrong_places_after_a_lost_one_until_three_zeros() -> None:
    board = Kmtronic()
    ask(board, "FF 01")  # the third byte was lost
    ask(board, "FF 02 01")  # FF ends the broken frame, and 02 01 begin none
    assert closed(board) == []
    ask(board, "FF 01")
    ask(board, "00 00 00")
    ask(board, "FF 02 01")
    assert closed(board) == [2]


@pytest.mark.parametrize(
    ("model", "module", "relays", "stays"),
    [("rly08", 8, 8, []), ("rly02", 10, 2, []), ("rly16l", 15, 8, [1])],
)
def test_devantech_tells_who_it_is_and_only_the_latching_one_keeps_its_relays(
    model: Model, module: int, relays: int, stays: list[int]
) -> None:
    board = Devantech(model)
    assert ask(board, "5A") == f"{module:02X} 01"
    assert ask(board, "65 5B") == "01"
    assert ask(board, "64 5B") == f"{(1 << relays) - 1:02X}"
    assert ask(board, "6E 5B 5D") == "00 79"
    assert ask(board, "5C 03 5B") == "03"
    ask(board, "70")
    assert closed(board) == [1]
    board.reboot(9.0)
    assert closed(board) == stays


def test_a_welded_contact_stays_closed_and_reads_so() -> None:
    board = modbus_makes.WaveshareRelay()
    ask(board, "01 05 00 00 FF 00 8C 3A", 1.0)
    board.relays.weld(1)
    ask(board, with_check("01 05 00 00 00 00"), 2.0)
    assert ask(board, "01 01 00 00 00 08 3D CC", 3.0) == with_check("01 01 01 01")
    board.relays.weld(1, stuck=False)
    ask(board, with_check("01 05 00 00 00 00"), 4.0)
    assert edges(board) == [("relay_on", 1, 1.0), ("relay_off", 1, 4.0)]


def test_inputs_bounce_and_stick() -> None:
    board = ModbusInputsDevice()
    board.inputs.bounce_s = 0.05
    board.inputs.set(1, active=True, now_s=1.0)
    seen = [board.inputs.level(1, 1.0 + place / 100) for place in range(7)]
    assert seen == [True, False, True, False, True, True, True]
    board.inputs.stick(2, level=True)
    board.inputs.set(2, active=False)
    assert ask(board, "01 02 00 00 00 08 79 CC", 9.0) == with_check("01 02 01 03")
    board.inputs.stick(2, None)
    assert ask(board, "01 02 00 00 00 08 79 CC", 10.0) == with_check("01 02 01 01")


def test_modbus_tcp_speaks_the_same_in_another_envelope() -> None:
    board = modbus_makes.WaveshareRelay()
    front = MbapDevice(board)
    assert ask(front, "00 07 00 00 00 06 01 05 00 00 FF 00") == "00 07 00 00 00 06 01 05 00 00 FF 00"
    assert ask(front, "00 08 00 00 00 06 01 01 00 00 00 08") == "00 08 00 00 00 04 01 01 01 01"
    assert ask(front, "00 09 00 00 00 06 02 01 00 00 00 08") == ""
    assert not front.broken
    ask(front, "00 0A 12 34 00 06 01 01 00 00 00 08")
    assert front.broken


def test_settings_are_seen_by_whoever_watches() -> None:
    board = modbus_makes.WaveshareRelay()
    ask(board, with_check("00 06 40 00 00 05"), 2.0)
    assert board.take_happenings() == [Happening(what="setting", at_s=2.0, channel=5, text="unit 5")]
