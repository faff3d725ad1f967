"""Which protocols there are, and how a configured device becomes a driver and a bus."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict, Unpack

from drivers.bus import Bus, OnEvent, OnReading
from drivers.devices.devantech import devantech_usb
from drivers.devices.gsm_modem import GsmModem
from drivers.devices.kmtronic import kmtronic
from drivers.devices.modbus_profile import profile_names
from drivers.devices.modbus_relay import modbus_inputs, modbus_relay
from drivers.devices.modbus_tcp import modbus_tcp, tcp_port
from drivers.devices.numato import numato
from drivers.devices.osdp import OsdpDriver
from drivers.devices.osdp_library import OsdpMissingError
from drivers.devices.scanner_gm65 import Gm65Codec
from drivers.devices.scanner_honeywell import HoneywellCodec
from drivers.devices.scanner_newland import NewlandCodec
from drivers.devices.scanner_setup import SetUpCodec, SetUpScanner
from drivers.devices.scanner_stream import HOLD_OFF_S
from drivers.devices.scanner_text import BAUD, TextScanner
from drivers.devices.scanner_words import Setting
from drivers.devices.thermometer_614v import Gy614vCodec
from drivers.devices.thermometer_cjmcu import CjmcuCodec
from drivers.devices.thermometer_mcu90614 import Mcu90614Codec
from drivers.devices.thermometer_sampling import Thermometer, ThermometerCodec
from drivers.devices.turnstile_7e import turnstile_7e
from drivers.devices.turnstile_eb import turnstile_eb
from drivers.devices.voice_syn6288 import Syn6288Driver
from drivers.lcus import LcusDriver
from drivers.model import Driver, LineSettings
from drivers.port import Port, SerialPort
from drivers.usb_socket import PortIdentity


class Options(TypedDict, total=False):
    """What configuration may say about a device; None is as good as nothing."""

    unit: int | None  # address on a shared line
    profile: str | Path | None  # which Modbus board: a name, or a file of the site
    make: str | None  # whose scanner or thermometer
    outputs: int | None  # relays on the board, where a family has several sizes
    inputs: int | None
    watch: Collection[int] | None  # inputs in use, where each is a question of its own
    model: str | None
    serial: str | None  # number that the board itself must give before anything is switched
    baud: int | None
    pin: str | None  # of a SIM
    check: str | None  # which reading of its maker's manual a turnstile-eb follows
    key_file: str | Path | None  # where the key of an OSDP reader is
    setting: (
        str | None
    )  # NAME=VALUE that makes a scanner deaf to printed set-up codes, where its maker must tell
    lock: bool | None  # a scanner's printed set-up codes are switched off whenever they are found on
    hold_off_s: float | None  # how long a code must be away from a scanner before it is reported again


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """One protocol, for configuration, ``--help`` and docs.

    Args:
        summary: What speaks it.
        make: Makes a driver from those options that were given.
        options: Options that it knows.
        needs: One of them that must be given; ``values`` says with what.
        values: What the option in ``needs`` can be, for the names that come with the program.
        network: It is reached over TCP, and not at a serial port.
        alone: It has its line for itself.
    """

    summary: str
    make: Callable[..., Driver]
    options: frozenset[str] = frozenset()
    needs: str = ""
    values: Callable[[], list[str]] = list
    network: bool = False
    alone: bool = False


SCANNERS: Final[dict[str, Callable[[Setting | None], SetUpCodec] | None]] = {
    "text": None,
    "gm65": lambda _: Gm65Codec(),
    "honeywell": HoneywellCodec,
    "newland": NewlandCodec,
}
TOLD_BY_MAKER: Final = {"honeywell", "newland"}  # scanners whose setting differs between engines
THERMOMETERS: Final[dict[str, Callable[[], ThermometerCodec]]] = {
    "mcu90614": Mcu90614Codec,
    "614v": Gy614vCodec,
    "cjmcu": CjmcuCodec,
}


def _scanner(
    *,
    make: str,
    baud: int | None = None,
    setting: str | None = None,
    lock: bool = False,
    hold_off_s: float = HOLD_OFF_S,
) -> Driver:
    codec = SCANNERS[make]
    if setting is not None and make not in TOLD_BY_MAKER:
        raise OptionError("scanner", "setting", f"A scanner of make {make!r} takes no setting. Leave it out")
    if lock and codec is None:
        raise OptionError("scanner", "lock", f"A scanner of make {make!r} cannot be locked. Leave lock out")
    if lock and setting is None and make in TOLD_BY_MAKER:
        words = f'lock of make {make!r} needs setting = "NAME=VALUE", from its maker'
        raise OptionError("scanner", "lock", words)
    if codec is None:
        return TextScanner(baud=baud or BAUD, hold_off_s=hold_off_s)
    return SetUpScanner(codec(_setting(setting)), lock=lock, baud=baud, hold_off_s=hold_off_s)


def _setting(words: str | None) -> Setting | None:
    if words is None:
        return None
    name, _, locked = words.partition("=")
    try:
        return Setting(name=name.strip(), locked=locked.strip())
    except ValueError as error:
        raise OptionError("scanner", "setting", f"setting: write NAME=VALUE; {error}") from error


def _thermometer(*, make: str, baud: int | None = None) -> Driver:
    return Thermometer(THERMOMETERS[make](), baud=baud)


PROTOCOLS: Final[dict[str, Protocol]] = {
    "lcus": Protocol(
        summary="LCUS USB relay boards, 1 to 8 relays; nothing is read back",
        make=lambda *, outputs=8: LcusDriver(channels=outputs),
        options=frozenset({"outputs"}),
    ),
    "modbus-inputs": Protocol(
        summary="Modbus RTU input modules, 8 inputs",
        make=modbus_inputs,
        options=frozenset({"unit", "baud"}),
    ),
    "modbus-relay": Protocol(
        summary="Modbus RTU relay and input boards, each by its profile",
        make=modbus_relay,
        options=frozenset({"unit", "profile", "baud"}),
        needs="profile",
        values=profile_names,
    ),
    "modbus-tcp": Protocol(
        summary="the same boards on a network of their own; nobody has to say who he is there",
        make=modbus_tcp,
        options=frozenset({"unit", "profile"}),
        needs="profile",
        values=profile_names,
        network=True,
    ),
    "numato": Protocol(
        summary="Numato USB relay and GPIO modules",
        make=numato,
        options=frozenset({"outputs", "inputs", "serial", "watch"}),
    ),
    "kmtronic": Protocol(
        summary="KMtronic USB relay boards, 1 to 8 relays",
        make=kmtronic,
        options=frozenset({"outputs"}),
    ),
    "devantech-usb": Protocol(
        summary="Devantech USB-RLY boards; they name themselves",
        make=devantech_usb,
        options=frozenset({"model"}),
    ),
    "turnstile-7e": Protocol(
        summary="swing and flap boards with frames that begin with 7E; experimental, one source only",
        make=turnstile_7e,
        options=frozenset({"unit"}),
    ),
    "turnstile-eb": Protocol(
        summary="tripod and swing controllers with frames that begin with EB",
        make=turnstile_eb,
        options=frozenset({"unit", "check"}),
    ),
    "scanner": Protocol(
        summary="QR scanners that send what they read as text",
        make=_scanner,
        options=frozenset({"make", "baud", "setting", "lock", "hold_off_s"}),
        needs="make",
        values=lambda: list(SCANNERS),
    ),
    "thermometer": Protocol(
        summary="infrared thermometers",
        make=_thermometer,
        options=frozenset({"make", "baud"}),
        needs="make",
        values=lambda: list(THERMOMETERS),
    ),
    "modem": Protocol(
        summary="GSM modems, for short messages",
        make=GsmModem,
        options=frozenset({"pin", "baud"}),
    ),
    "osdp": Protocol(
        summary="OSDP v2 readers, through a secure channel only; needs the extra osdp",
        make=OsdpDriver,
        options=frozenset({"unit", "outputs", "inputs", "baud", "key_file"}),
        needs="key_file",
        alone=True,
    ),
    "syn6288": Protocol(
        summary="SYN6288 voice modules",
        make=Syn6288Driver,
        options=frozenset({"baud"}),
    ),
}


class UnknownProtocolError(LookupError):
    """No driver speaks this protocol; ``protocol`` is what was asked for."""

    def __init__(self, protocol: str) -> None:
        super().__init__(f"Protocol {protocol!r} is unknown. Use one of: {', '.join(sorted(PROTOCOLS))}")
        self.protocol = protocol


class OptionError(ValueError):
    """A protocol does not know an option, needs one, or cannot be told this."""

    def __init__(self, protocol: str, option: str, message: str) -> None:
        super().__init__(message)
        self.protocol, self.option = protocol, option


def make_driver(protocol: str, **options: Unpack[Options]) -> Driver:
    """A new driver for one device.

    A unit is for those that have one; others ignore it.

    Raises:
        UnknownProtocolError: The protocol is not in ``PROTOCOLS``.
        OptionError: An option is missing, unknown to this protocol, or cannot be so.
        ProfileError: The profile does not exist, or cannot be used; a ``ValueError`` too.
    """
    known = PROTOCOLS.get(protocol)
    if known is None:
        raise UnknownProtocolError(protocol)
    given = {name: value for name, value in options.items() if value is not None}
    if "unit" not in known.options:
        given.pop("unit", None)
    for option in given:
        if option not in known.options:
            raise OptionError(protocol, option, f"Protocol {protocol!r} knows no {option}. Leave it out")
    values = ", ".join(known.values())
    if known.needs and known.needs not in given:
        one_of = f": one of {values}" if values else ""
        raise OptionError(protocol, known.needs, f"Protocol {protocol!r} needs a {known.needs}{one_of}")
    if known.needs == "make" and given["make"] not in known.values():
        raise OptionError(protocol, "make", f"make {given['make']!r} is unknown. Use one of: {values}")
    try:
        return known.make(**given)
    except OsdpMissingError as error:
        raise OptionError(protocol, "", str(error)) from error
    except AssertionError as error:  # devices assert what their caller promises; here that is a file
        raise OptionError(protocol, "", f"{protocol}: {error}") from error


def make_port(
    path: str | Path,
    line: LineSettings,
    *,
    expect: PortIdentity | None = None,
    speaks: Collection[str] = (),
) -> Port:
    """A closed port: a serial device, or a TCP connection for ``tcp://HOST:PORT``.

    Raises:
        NetworkAddressError: It begins like an address, and is none.
    """
    # A path that came from a file may have lost one of its slashes.
    text = str(path)
    if text.startswith("tcp:"):
        return tcp_port("tcp://" + text.removeprefix("tcp:").lstrip("/"))
    return SerialPort(path, line, expect=expect, speaks=speaks)


def make_bus(
    *,
    name: str,
    protocol: str,
    path: str | Path,
    on_event: OnEvent,
    on_reading: OnReading | None = None,
    echo: bool = False,
    expect: PortIdentity | None = None,
    **options: Unpack[Options],
) -> Bus:
    """A bus, not started, for one configured device that has its port for itself.

    Args:
        name: The device's name in configuration.
        protocol: A key of ``PROTOCOLS``.
        path: The serial device, which may be missing now, or ``tcp://HOST:PORT``.
        on_event: Gets (name, event) in the bus thread.
        on_reading: Gets (name, reading) likewise.
        echo: The adapter sends back what it is given.
        expect: Which socket and adapter the port must be.
        options: What ``make_driver`` takes.

    Raises:
        UnknownProtocolError, OptionError, ProfileError: As ``make_driver``.
        NetworkAddressError: As ``make_port``.
    """
    drivers = {name: make_driver(protocol, **options)}
    return make_line(
        name=name,
        path=path,
        drivers=drivers,
        on_event=on_event,
        on_reading=on_reading,
        echo=echo,
        expect=expect,
    )


def make_line(
    *,
    name: str,
    path: str | Path,
    drivers: Mapping[str, Driver],
    on_event: OnEvent,
    on_reading: OnReading | None = None,
    echo: bool = False,
    expect: PortIdentity | None = None,
) -> Bus:
    """A bus, not started, for several devices on one line; arguments as for ``make_bus``.

    Raises:
        LineMismatchError: They do not agree on how the line is set.
        OptionError: One of them must have the line for itself.
        NetworkAddressError: As ``make_port``.
    """
    for driver in drivers.values() if len(drivers) > 1 else ():
        protocol = driver.info.protocol
        if PROTOCOLS[protocol].alone:
            raise OptionError(protocol, "", f"{protocol} has its line for itself. Give it a port of its own")
    line = next(iter(drivers.values())).info.line
    port = make_port(path, line, expect=expect, speaks={each.info.protocol for each in drivers.values()})
    return Bus(name, port, drivers, on_event, on_reading=on_reading, echo=echo)
