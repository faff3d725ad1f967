"""A port whose USB number belongs to another maker's devices: refused before a byte, at the gate and in the tool."""

import os
import tty
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from drivers.model import LineSettings
from drivers.port import PortForeignError, SerialPort
from drivers.tool.opening import port_words
from drivers.usb_ids import foreign_hint
from drivers.usb_socket import PortIdentity


@pytest.fixture
def ends() -> Iterator[tuple[int, str]]:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def port_at(path: str, usb: str, *speaks: str, expect: PortIdentity | None = None) -> SerialPort:
    def found(_: Path) -> PortIdentity:
        return PortIdentity(socket="1-1:1.0", usb=usb)

    return SerialPort(path, LineSettings(), expect=expect, identify=found, speaks=speaks)


@pytest.mark.parametrize(
    ("usb", "speaks"),
    [
        ("04d8:ffee", ("numato",)),
        ("04d8:ffee", ("modbus-relay", "modbus-inputs")),
        ("2a19:0c05", ("devantech-usb",)),
        ("0c2e:0b6a", ("lcus",)),
        ("2c7c:0125", ("turnstile-7e",)),
    ],
)
@pytest.mark.parametrize("expect", [None, PortIdentity(socket="1-1:1.0")])
def test_s4_a_board_of_another_protocol_gets_no_byte(
    ends: tuple[int, str], usb: str, speaks: Collection[str], expect: PortIdentity | None
) -> None:
    port = port_at(ends[1], usb, *speaks, expect=expect)
    with pytest.raises(PortForeignError, match=rf"leads to USB {usb} .*nothing was sent") as caught:
        port.open()
    with pytest.raises(BlockingIOError):
        os.read(ends[0], 1)
    assert f"USB {usb}" in port_words(caught.value).zh
    assert "没有发送任何字节" in port_words(caught.value).zh


@pytest.mark.parametrize(
    ("usb", "speaks", "expect"),
    [
        ("2a19:0c05", ("numato",), None),
        ("04D8:FFEE", ("devantech-usb",), None),
        ("", ("numato",), None),  # a virtual port
        ("dead:beef", ("numato",), None),  # an unknown number
        ("1a86:7523", ("numato",), None),  # an adapter: anything may be behind it
        ("04d8:ffee", (), None),
        ("04d8:ffee", ("lcus",), PortIdentity(usb="04d8:ffee")),  # somebody wrote down that it is so
    ],
)
def test_the_right_board_and_an_unknown_one_are_opened(
    ends: tuple[int, str], usb: str, speaks: Collection[str], expect: PortIdentity | None
) -> None:
    port = port_at(ends[1], usb, *speaks, expect=expect)
    port.open()
    port.write(b"x")
    port.close()
    assert os.read(ends[0], 1) == b"x"


def test_a_number_that_many_share_is_foreign_to_nobody() -> None:
    assert [
        foreign_hint(usb, ("numato",)) for usb in ("1a86:7523", "0403:6001", "067b:2303", "10c4:ea60")
    ] == [None] * 4
