"""Virtual devices under any bytes: nothing makes one raise, and how bytes are cut never changes what it does."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.boards.cable import Cable
from simulators.boards.device import Device
from simulators.boards.knobs import Knobs
from simulators.boards.modbus_makes import WaveshareIo
from simulators.boards.modbus_tcp import MbapDevice
from simulators.boards.probing import BOARDS
from simulators.devices.modem import Modem
from simulators.devices.scanner import TextScanner
from simulators.devices.scanner_gm65 import Gm65
from simulators.devices.scanner_menus import Honeywell, Newland
from simulators.devices.thermometers import Cjmcu90614, Gy614V, Mcu90614
from simulators.devices.voice import Syn6288

DEVICES: dict[str, Callable[[], Device]] = {
    **BOARDS,
    "modbus-tcp": lambda: MbapDevice(WaveshareIo()),
    "text": TextScanner,
    "gm65": Gm65,
    "honeywell": Honeywell,
    "newland": Newland,
    "mcu90614": Mcu90614,
    "614v": Gy614V,
    "cjmcu": Cjmcu90614,
    "modem": Modem,
    "syn6288": Syn6288,
}
# Bytes that mean something to somebody, so that random ones come anywhere.
WORDS = [
    bytes.fromhex(text)
    for text in (
        "01 05 00 00 FF 00 8C 3A",
        "01 0F 00 00 00 08 01 FF BE D5",
        "A0 01 01 A2",
        "FF 01 01",
        "7E 00 01 80 01 00 00 FF",
        "EB 01 40 00 AA",
        "A5 15 BA",
        "A4 03 08 06 B5",
        "66 66 02 56",
        "FD 00 02 21 DE",
        "7E 00 07 01 00 2A 02 D8 0F",
        "00 01 00 00 00 06 01 05 00 00 FF 00",
    )
]
WORDS += [
    b"relay on 0\r",
    b"AT+CMGF=0\r",
    b"AT+CMGS=29\r",
    b"0021\x1a",
    b"\x16M\r232BAD?.",
    b"\x7e\x010000@TSUENA*;\x03",
]
streams = st.lists(st.one_of(st.sampled_from(WORDS), st.binary(max_size=12)), max_size=8).map(b"".join)


def outcome(device: Device, pieces: list[bytes]) -> tuple[bytes, list[tuple[str, int, str]]]:
    """What a device says and does when it hears pieces a millisecond apart."""
    said = b""
    for count, piece in enumerate(pieces):
        said += b"".join(answer.data for answer in device.receive(piece, count / 1_000_000))
    happened = device.take_happenings()
    return said, [(each.what, each.channel, each.text) for each in happened]


@pytest.mark.parametrize("name", DEVICES)
@settings(derandomize=True, max_examples=60, deadline=None)
@given(stream=streams, cuts=st.lists(st.integers(0, 200), max_size=6))
def test_cuts_never_change_what_a_device_says_and_does(name: str, stream: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    whole = outcome(DEVICES[name](), [stream])
    assert outcome(DEVICES[name](), [stream[a:b] for a, b in pairwise(places)]) == whole
    assert outcome(DEVICES[name](), [bytes((byte,)) for byte in stream]) == whole


@pytest.mark.parametrize("name", DEVICES)
@settings(derandomize=True, max_examples=25, deadline=None)
@given(events=st.lists(st.tuples(streams, st.floats(0, 3), st.integers(0, 9)), max_size=8))
def test_no_bytes_at_any_time_stop_a_device_on_a_bad_cable(
    name: str, events: list[tuple[bytes, float, int]]
) -> None:
    device, now_s = DEVICES[name](), 0.0
    knobs = Knobs(drop=0.1, flip=0.1, duplicate=0.1, jitter_ms=5, wrong_unit=0.3, stale=0.3, echo=True)
    cable = Cable([device], knobs=knobs, seed=len(events))
    for stream, gap_s, deed in events:
        now_s += gap_s
        if deed == 0:
            cable.unplug(now_s)
        elif deed == 1:
            cable.plug(now_s)
        cable.send(stream, now_s, baud=device.speed or 9600)
        assert all(cable.take(now_s))
    cable.plug(now_s)
    cable.take(now_s + 400)
    assert device.powered
