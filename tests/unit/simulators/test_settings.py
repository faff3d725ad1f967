"""Boards whose address and speed are set over the line, by the makers' frames."""

import pytest

from simulators.boards.cable import Cable
from simulators.boards.modbus_board import ModbusBoard
from simulators.boards.modbus_io import check_bytes
from simulators.boards.modbus_makes import LcTech2, WaveshareIo, WaveshareRelay

READ_COILS = "01 01 00 00 00 08 3D CC"


def with_check(text: str) -> bytes:
    return bytes.fromhex(text) + check_bytes(bytes.fromhex(text))


def said(cable: Cable, frame: bytes | str, now_s: float, baud: int) -> str:
    """What the host hears within half a second."""
    cable.send(bytes.fromhex(frame) if isinstance(frame, str) else frame, now_s, baud=baud)
    return b"".join(cable.take(now_s + 0.5)).hex(" ").upper()


@pytest.mark.parametrize("board", [WaveshareRelay(), WaveshareIo()])
def test_waveshare_answers_at_the_old_speed_and_listens_at_the_new_one(board: ModbusBoard) -> None:
    cable = Cable([board])
    assert said(cable, with_check("01 03 20 00 00 01"), 1.0, 9600).startswith("01 03 02 00 01")
    assert said(cable, "00 06 20 00 00 05 43 D8", 2.0, 9600) == "00 06 20 00 00 05 43 D8"
    assert said(cable, READ_COILS, 3.0, 9600) == ""
    assert said(cable, READ_COILS, 4.0, 115200).startswith("01 01 01 00")
    assert said(cable, with_check("01 03 20 00 00 01"), 5.0, 115200).startswith("01 03 02 00 05")
    board.reboot(6.0)
    assert said(cable, READ_COILS, 7.0, 115200).startswith("01 01 01 00")
    refused = said(cable, with_check("01 06 20 00 01 01"), 8.0, 115200)
    assert refused.startswith("01 86 03")  # a parity that no virtual line has


def test_a_board_may_wait_for_its_next_power_cycle() -> None:
    board = WaveshareRelay()
    board.restarts_for_speed = True
    cable = Cable([board])
    said(cable, with_check("01 06 20 00 00 02"), 1.0, 9600)
    assert said(cable, with_check("01 03 20 00 00 01"), 2.0, 9600).startswith("01 03 02 00 02")
    assert said(cable, READ_COILS, 3.0, 19200) == ""
    board.reboot(4.0)
    assert said(cable, READ_COILS, 5.0, 9600) == ""
    assert said(cable, READ_COILS, 6.0, 19200).startswith("01 01 01 00")


def test_lctech_takes_address_and_speed_by_its_makers_frames() -> None:
    board = LcTech2()
    cable = Cable([board])
    assert said(cable, "00 03 00 00 00 01 85 DB", 1.0, 9600) == "00 03 02 00 FF C5 C4"
    assert said(cable, "FF 10 03 E9 00 01 02 00 04 CA 0E", 2.0, 9600) == "FF 10 03 E9 00 01 C5 A7"
    assert said(cable, "FF 03 03 E8 00 01 11 A4", 3.0, 9600) == ""
    assert said(cable, "FF 03 03 E8 00 01 11 A4", 4.0, 19200) == "FF 03 02 00 04 90 53"
    whole = "00 10 00 00 00 01 02 00 01 6A 00"
    assert (said(cable, whole, 5.0, 19200), board.unit) == (whole, 1)
    assert said(cable, with_check("01 10 03 E9 00 01 02 00 09"), 6.0, 19200).startswith("01 90 02")
    assert [each.text for each in board.take_happenings()] == ["19200 baud", "unit 1"]
