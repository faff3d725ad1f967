"""Every fault of a line on every virtual device: what comes back without it, and what it does to that.

Two different answers of each device are used: the second one shows a stale first.
"""

from collections.abc import Callable
from dataclasses import fields

import pytest

from simulators.boards.cable import Cable
from simulators.boards.catalogue import PROFILES, PROTOCOLS, make_board
from simulators.boards.device import Device
from simulators.boards.knobs import Knobs
from simulators.boards.modbus_board import ModbusBoard
from simulators.boards.modbus_io import check_bytes
from simulators.boards.modbus_tcp import MbapDevice
from simulators.devices.modem import Modem
from simulators.devices.scanner_gm65 import Gm65
from simulators.devices.scanner_menus import Honeywell, Newland
from simulators.devices.thermometers import Gy614V
from simulators.devices.voice import Syn6288

Asked = tuple[Callable[[], Device], bytes, bytes]


def hexed(text: str) -> bytes:
    return bytes.fromhex(text)


def rtu(text: str) -> bytes:
    return hexed(text) + check_bytes(hexed(text))


def behind_tcp() -> Device:
    board = make_board("modbus-tcp")
    assert isinstance(board, ModbusBoard)
    return MbapDevice(board)


def relays(profile: str) -> Callable[[], Device]:
    return lambda: make_board("modbus-relay", unit=1, profile=profile)


def asked_only() -> Device:
    module = Gy614V()
    module.receive(hexed("A4 06 03 01 AE"), 0.0)
    return module


COIL_AT_1 = (rtu("01 05 00 01 01 00"), rtu("01 05 00 02 01 00"))
COILS = (rtu("01 05 00 01 FF 00"), rtu("01 05 00 00 FF 00"))
ASKED: dict[str, Asked] = {
    "lcus": (lambda: make_board("lcus", profile="text"), b"\xff", hexed("A0 01 01 A2 FF")),
    **{profile: (relays(profile), *COILS) for profile in PROFILES},
    "eletechsup-r421a08": (relays("eletechsup-r421a08"), rtu("01 03 00 01 00 01"), rtu("01 06 00 02 02 00")),
    "generic-0100-4": (relays("generic-0100-4"), *COIL_AT_1),
    "modbus-inputs": (
        lambda: make_board("modbus-inputs"),
        rtu("01 02 00 00 00 08"),
        rtu("01 02 00 00 00 09"),
    ),
    "modbus-tcp": (
        behind_tcp,
        hexed("00 01 00 00 00 06 01 01 00 00 00 08"),
        hexed("00 02 00 00 00 06 01 01 00 00 00 04"),
    ),
    "numato": (lambda: make_board("numato"), b"ver\r", b"id get\r"),
    "kmtronic": (lambda: make_board("kmtronic"), hexed("FF 09 00"), hexed("FF 01 01 FF 09 00")),
    "devantech-usb": (lambda: make_board("devantech-usb"), b"\x5a", b"\x65\x5b"),
    "turnstile-7e": (
        lambda: make_board("turnstile-7e"),
        hexed("7E 00 01 10 00 00 00 70"),
        hexed("7E 00 01 80 01 00 00 FF"),
    ),
    "turnstile-eb": (lambda: make_board("turnstile-eb"), hexed("EB 01 40 00 AA"), hexed("EB 01 41 00 AB")),
    "gm65": (Gm65, hexed("7E 00 07 01 00 2A 02 D8 0F"), hexed("7E 00 07 01 00 03 01 AB CD")),
    "honeywell": (Honeywell, b"\x16M\rAAAAAA?.", b"\x16M\rAAAAAB?."),
    "newland": (Newland, b"~\x010000#SCNMOD*;\x03", b"~\x010000#AAAAAA*;\x03"),
    "614v": (asked_only, hexed("A4 03 07 01 AF"), hexed("A4 03 08 06 B5")),
    "modem": (Modem, b"AT\r", b"AT+CSQ\r"),
    "voice": (Syn6288, hexed("FD 00 02 21 DE"), hexed("FD 00 07 01 01 C4 E3 BA C3 A4")),
}
UNITLESS = {
    "lcus",
    "numato",
    "kmtronic",
    "devantech-usb",
    "gm65",
    "honeywell",
    "newland",
    "modem",
    "voice",
}


class Line:
    """A device on a cable, asked at 10 s and at 20 s of virtual time."""

    def __init__(self, name: str, **knobs: float) -> None:
        make, self._first, self._second = ASKED[name]
        self.device = make()
        self.cable = Cable([self.device], knobs=Knobs(**knobs), seed=3)  # type: ignore[arg-type]  # by name
        self.cable.take(9.0)  # what it says as it starts

    def pieces(self, asked: bytes, at_s: float, *, within_s: float = 4.0) -> list[tuple[float, bytes]]:
        self.cable.send(asked, at_s, baud=self.device.speed or 9600)
        found, now_s = [(0.0, each) for each in self.cable.take(at_s)], at_s
        while (due_s := self.cable.next_deadline()) is not None and due_s <= at_s + within_s:
            now_s = max(now_s + 1e-6, due_s)
            found += [(now_s - at_s, each) for each in self.cable.take(now_s)]
        return found

    def first(self) -> list[tuple[float, bytes]]:
        return self.pieces(self._first, 10.0)

    def second(self) -> list[tuple[float, bytes]]:
        return self.pieces(self._second, 20.0)

    @property
    def asked(self) -> bytes:
        return self._first


def together(pieces: list[tuple[float, bytes]]) -> bytes:
    return b"".join(data for _, data in pieces)


def test_every_protocol_and_knob_is_in_this_file() -> None:
    boards = {*PROTOCOLS, *PROFILES} - {"modbus-relay", "osdp"}  # OSDP is libosdp's own peripheral
    assert boards <= ASKED.keys()
    of_time = {"latency_ms", "jitter_ms", "pace", "split", "split_gap_ms", "merge_ms", "late", "late_ms"}
    of_bytes = {"drop", "duplicate", "flip", "drop_sent", "flip_sent", "echo"}
    of_answers = {"no_reply", "wrong_unit", "stale", "wrong_baud"}
    assert {field.name for field in fields(Knobs)} == of_time | of_bytes | of_answers


@pytest.mark.parametrize("name", ASKED)
def test_the_faults_of_time_and_of_bytes(name: str) -> None:
    plain = Line(name).first()
    answer, when_s = together(plain), plain[0][0]
    assert answer
    assert together(Line(name, duplicate=1.0).first()) == b"".join(bytes((byte, byte)) for byte in answer)
    assert together(Line(name, drop=1.0).first()) == b""
    flipped = together(Line(name, flip=1.0).first())
    assert [(one ^ other).bit_count() for one, other in zip(answer, flipped, strict=True)] == [1] * len(
        answer
    )
    split = Line(name, split=1, split_gap_ms=1.0).first()
    assert (together(split), max(len(data) for _, data in split)) == (answer, 1)
    late = Line(name, latency_ms=40.0).first()
    assert together(late) == answer
    assert late[0][0] == pytest.approx(when_s + 0.04, abs=0.001)
    merged = Line(name, merge_ms=700.0).first()
    assert together(merged) == answer
    assert when_s < merged[0][0] <= when_s + 1.5
    jitter = Line(name, jitter_ms=40.0).first()
    assert (together(jitter), when_s <= jitter[0][0] <= when_s + 0.041) == (answer, True)
    paced = Line(name, pace=True).first()
    assert together(paced) == answer
    speed = Line(name).device.speed or 9600
    assert paced[0][0] >= when_s + 10 * (len(ASKED[name][1]) + 1) / speed - 0.001


@pytest.mark.parametrize("name", ASKED)
def test_the_faults_of_answers(name: str) -> None:
    line = Line(name)
    first, second = together(line.first()), together(line.second())
    assert second not in {b"", first}
    assert together(Line(name, no_reply=1.0).first()) == b""
    assert together(Line(name, drop_sent=1.0).first()) == b""
    assert together(Line(name, flip_sent=1.0).first()) != first
    late = Line(name, late=1.0, late_ms=300.0).first()
    assert (together(late), late[0][0] >= 0.3) == (first, True)
    assert together(Line(name, echo=True).first()) == line.asked + first
    stale = Line(name, stale=1.0)
    stale.first()
    assert together(stale.second()) != second
    other = together(Line(name, wrong_unit=1.0).first())
    assert (other == first) == (name in UNITLESS)
    assert len(other) == len(first)


@pytest.mark.parametrize("name", ASKED)
def test_a_power_cut_and_another_speed(name: str) -> None:
    line = Line(name)
    speed = line.device.speed
    if speed and not isinstance(line.device, Modem):
        line.cable.send(line.asked, 10.0, baud=speed * 2)
        assert together([(0.0, each) for each in line.cable.take(12.0)]) == b""
    line.device.power_off(13.0)
    line.cable.send(line.asked, 14.0, baud=speed or 9600)
    assert line.cable.take(15.0) == []
    line.device.power_on(16.0)
    line.cable.take(29.0)
    assert together(line.pieces(line.asked, 30.0))
    whats = [each.what for each in line.device.take_happenings()]
    assert [what for what in whats if what.startswith("power")] == ["power_off", "power_on"]
