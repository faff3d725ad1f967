"""Every protocol name leads to a driver that knows itself by that name."""

import platform
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.devices import osdp_library
from drivers.devices.modbus_profile import profile_names
from drivers.devices.modbus_tcp import NetworkAddressError
from drivers.devices.osdp_library import has_libosdp
from drivers.model import AnyEvent, Driver, LineSettings
from drivers.registry import PROTOCOLS, OptionError, UnknownProtocolError, make_driver, make_line, make_port
from drivers.shared_line import LineMismatchError


def some_driver(protocol: str) -> Driver:
    needs, values = PROTOCOLS[protocol].needs, PROTOCOLS[protocol].values()
    match needs:
        case "make":
            return make_driver(protocol, make=values[0])
        case "profile":
            return make_driver(protocol, profile=values[0])
        case "key_file":
            return make_driver(protocol, key_file="none.key")
        case _:
            return make_driver(protocol)


BY_EXTRA = {"osdp"} if not has_libosdp() else set()


@pytest.mark.parametrize("protocol", sorted(set(PROTOCOLS) - BY_EXTRA))
def test_every_driver_bears_its_registered_name_and_starts_without_a_line(protocol: str) -> None:
    driver = some_driver(protocol)
    assert driver.info.protocol == protocol
    assert (driver.wants_line(), driver.holds_line(), driver.take_events()) == (None, False, [])
    assert driver.next_deadline() is None


@pytest.mark.parametrize("protocol", ["modbus-relay", "modbus-tcp"])
def test_every_profile_that_comes_with_the_program_is_a_board(protocol: str) -> None:
    infos = [make_driver(protocol, profile=name, unit=3).info for name in profile_names()]
    assert len(infos) >= 6
    assert all(info.outputs + info.inputs > 0 for info in infos)


@pytest.mark.parametrize(
    ("protocol", "makes"),
    [
        ("scanner", ["text", "gm65", "honeywell", "newland"]),
        ("thermometer", ["mcu90614", "614v", "cjmcu"]),
    ],
)
def test_every_make_is_a_driver_whose_speed_can_be_set(protocol: str, makes: list[str]) -> None:
    assert PROTOCOLS[protocol].values() == makes
    assert [make_driver(protocol, make=make, baud=57600).info.line.baud for make in makes] == [57600] * len(
        makes
    )


def test_an_unknown_protocol_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        UnknownProtocolError, match=r"'lcu' is unknown\. Use one of: devantech-usb, .*, lcus, "
    ):
        make_driver("lcu")


def test_options_that_do_not_fit_are_named() -> None:
    cases: dict[str, Callable[[], Driver]] = {
        "'lcus' knows no profile. Leave it out": lambda: make_driver("lcus", profile="x"),
        "'modbus-relay' needs a profile: one of .*waveshare-relay-8": lambda: make_driver("modbus-relay"),
        "make 'acme' is unknown. Use one of: text": lambda: make_driver("scanner", make="acme"),
        "make 'gm65' takes no setting": lambda: make_driver("scanner", make="gm65", setting="MNUENA=0"),
        "make 'text' cannot be locked": lambda: make_driver("scanner", make="text", lock=True),
        'needs setting = "NAME=VALUE"': lambda: make_driver("scanner", make="newland", lock=True),
        "write NAME=VALUE": lambda: make_driver("scanner", make="honeywell", setting="MNUENA"),
        "'MNU;NA' = '0' is not a setting": lambda: make_driver(
            "scanner", make="honeywell", setting="MNU;NA=0"
        ),
        "an LCUS board has 1 to 8 channels, not 9": lambda: make_driver("lcus", outputs=9),
    }
    for match, refused in cases.items():
        with pytest.raises(OptionError, match=match):
            refused()
    with pytest.raises(ValueError, match="none of this name"):
        make_driver("modbus-relay", profile="nothing")


def test_a_unit_is_ignored_by_who_has_none_and_nothing_said_is_nothing() -> None:
    assert make_driver("lcus", unit=7, profile=None).info.outputs == 8
    assert make_driver("lcus", outputs=2).info.outputs == 2


def test_a_modbus_board_whose_speed_was_changed_is_driven_at_it() -> None:
    relays = make_driver("modbus-relay", profile="waveshare-relay-8", baud=115_200)
    inputs = make_driver("modbus-inputs", baud=115_200)
    assert (relays.info.line.baud, inputs.info.line.baud) == (115_200, 115_200)
    assert make_driver("modbus-relay", profile="waveshare-relay-8").info.line.baud == 9600
    with pytest.raises(OptionError, match="300 baud is no speed"):
        make_driver("modbus-inputs", baud=300)
    with pytest.raises(OptionError, match="knows no baud"):
        make_driver("modbus-tcp", profile="waveshare-relay-8", baud=115_200)


def test_devices_on_one_line_must_agree_how_it_is_set() -> None:
    def ignore(_name: str, _event: AnyEvent) -> None:
        pass

    fast, slow = make_driver("turnstile-7e"), make_driver("modbus-inputs")
    with pytest.raises(LineMismatchError, match=r"slow needs 9600 8N1 and fast needs 19200 8N1"):
        make_line(name="pair", path="x", drivers={"fast": fast, "slow": slow}, on_event=ignore)


def test_an_address_is_a_network_port_and_everything_else_a_serial_one() -> None:
    assert make_port("tcp://192.0.2.10:502", LineSettings()).path == "tcp://192.0.2.10:502"
    assert make_port(Path("tcp://192.0.2.10:502"), LineSettings()).path == "tcp://192.0.2.10:502"
    assert make_port("/dev/ttyUSB0", LineSettings()).path == "/dev/ttyUSB0"
    with pytest.raises(NetworkAddressError):
        make_port("tcp://boards.example", LineSettings())


def test_osdp_is_tested_wherever_libosdp_has_wheels_and_says_elsewhere_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert has_libosdp() == (sys.platform == "linux" and platform.machine() in {"x86_64", "aarch64"})
    monkeypatch.setattr(osdp_library, "library", None)
    with pytest.raises(OptionError, match=r"pip install 'postern\[osdp\]'"):
        make_driver("osdp", key_file="none.key")


@pytest.mark.skipif(not has_libosdp(), reason="libosdp has no wheel here: the extra osdp is not installed")
def test_a_reader_shares_its_line_with_nobody_and_needs_a_key() -> None:
    reader, relays = make_driver("osdp", key_file="none.key"), make_driver("lcus")
    with pytest.raises(OptionError, match="osdp has its line for itself"):
        make_line(
            name="pair", path="x", drivers={"a": reader, "b": relays}, on_event=lambda _name, _event: None
        )
    with pytest.raises(OptionError, match=r"'osdp' needs a key_file$"):
        make_driver("osdp")
    with pytest.raises(OptionError, match="a reader's address is 0 to 126, not 127"):
        make_driver("osdp", key_file="none.key", unit=127)
