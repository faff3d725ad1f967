"""No command of the tool switches a relay on any modelled board, unless somebody has said that the lane is isolated.

The boards are the virtual ones, written from the makers' command sets; the bytes are what the commands send.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from drivers.tool.families import FAMILIES, Family
from drivers.tool.gate_file import GateFile
from drivers.tool.looking import looking
from drivers.tool.modbus_asking import READS, UNITS, answer, question
from drivers.tool.modbus_scan import DEFAULT_UNITS, units_of
from drivers.tool.proof import Plan, Way, asked_of, plan_for, said_by
from drivers.tool.switching import harmless, switched
from drivers.tool.target import Target
from drivers.usb_socket import PortIdentity
from simulators.boards.board import Board
from simulators.boards.device import Device
from simulators.boards.gate_controller import GateController
from simulators.boards.probing import BOARDS, HOPELESS, effects_of
from tests.unit.drivers.bench import Bench, twin

MODELLED = [name for name in BOARDS if name not in HOPELESS]


def moved(*writes: bytes) -> set[str]:
    """Boards that closed or opened a relay, or changed a setting; the hopeless ones apart."""
    shut, locked = effects_of(writes), effects_of(writes, relays_closed=True)
    return {
        name
        for name in MODELLED
        if shut[name].closed or shut[name].settings or locked[name].opened or locked[name].settings
    }


def writes_of(family: Family) -> list[bytes]:
    return [*family.writes, *([family.closing] if family.closing else [])]


def default_scan() -> list[bytes]:
    sent: list[bytes] = []
    for unit in units_of(DEFAULT_UNITS):
        for function in READS:
            frame = question(unit, function, before=b"".join(sent))
            assert frame is not None, f"unit {unit} cannot be asked function {function}"
            sent.append(frame)
    return sent


def test_a_default_scan_of_a_modbus_line_moves_no_board() -> None:
    assert len(default_scan()) == 3 * 32
    assert moved(*default_scan()) == set()


def test_every_question_that_the_tool_calls_harmless_is() -> None:
    asked = [frame for unit in UNITS for function in READS if (frame := question(unit, function)) is not None]
    assert len(asked) > 600
    assert [frame.hex(" ") for frame in asked if moved(frame)] == []


@pytest.mark.parametrize("family", [family for family in FAMILIES.values() if harmless(family.all_bytes)])
def test_what_identify_sends_without_asking_moves_no_board(family: Family) -> None:
    assert moved(*writes_of(family)) == set()


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_whoever_is_moved_by_a_probe_is_named_before_it_is_sent(family: Family) -> None:
    warned = {name.lower().split()[0].split("-")[0] for name in switched(family.all_bytes)}
    assert {name.split("-")[0] for name in moved(*writes_of(family))} <= warned


def test_two_harmless_families_one_after_the_other_move_no_board() -> None:
    safe = [family for family in FAMILIES.values() if harmless(family.all_bytes)]
    assert {"devantech", "kmtronic", "lcus", "gm65", "thermometer-614v", "modem"} <= {
        family.name for family in safe
    }
    for first in safe:
        for second in safe:
            assert moved(*writes_of(first), *writes_of(second)) == set(), (first.name, second.name)


def test_the_model_does_see_the_known_accidents() -> None:
    assert "devantech" in moved(b"ver\r")
    assert "kmtronic" in moved(b"\xff", bytes.fromhex("0101000000083DCC"))
    assert "conrad" in moved(bytes.fromhex("0101000000083DCC"))
    assert "icstation-cold" in moved(b"\x50\x51", b"\x00")


@pytest.mark.parametrize(
    ("data", "boards"),
    [
        (b"ver\r", ("Devantech USB-RLY",)),
        (b"\xff", ("KMtronic",)),
        (b"\xff\x00\x00", ()),
        (b"\xff\x09\x00", ()),
        (bytes.fromhex("A00101A2"), ("LCUS",)),
        (bytes.fromhex("0101000000083DCC"), ("Conrad 197720",)),
        (bytes.fromhex("EB014000AA"), ("turnstile-eb",)),
        (bytes.fromhex("7E000180020000FE"), ("turnstile-7e",)),
        (b"ask//", ("Devantech USB-RLY", "Denkovi 16")),
        (b"\x51", ("ICStation",)),
        (b"\x5a", ()),
        (bytes.fromhex("010500000100CC5B"), ()),  # a wrong check
        (bytes.fromhex("00010500 00FF008C3A"), ("Modbus",)),
        (bytes.fromhex("060600010600D80D"), ()),
        (bytes.fromhex("010600010100D99A"), ("Modbus",)),
        (bytes.fromhex("010F00000008 01FFBED5"), ("Modbus",)),
        (b"gpio set 0\r", ("Devantech USB-RLY", "Numato")),
    ],
)
def test_the_boards_that_bytes_would_switch(data: bytes, boards: tuple[str, ...]) -> None:
    assert tuple(each for each in switched(data)) == boards


LOOKED_AT = [
    ("modbus-inputs", {}),
    ("modbus-relay", {"profile": "waveshare-relay-8"}),
    ("modbus-relay", {"profile": "waveshare-io-8ch"}),
    ("modbus-relay", {"profile": "eletechsup-r421a08"}),
    ("modbus-relay", {"profile": "generic-0100-4"}),
    ("modbus-relay", {"profile": "lctech-2ch"}),
    ("modbus-relay", {"profile": "kmtronic-modbus-8"}),
    ("numato", {}),
    ("kmtronic", {}),
    ("devantech-usb", {}),
    ("lcus", {}),
    ("turnstile-7e", {}),
    ("turnstile-eb", {}),
    ("scanner", {"make": "text"}),
    ("scanner", {"make": "gm65"}),
    ("scanner", {"make": "honeywell"}),
    ("scanner", {"make": "newland"}),
    ("thermometer", {"make": "mcu90614"}),
    ("thermometer", {"make": "614v"}),
    ("thermometer", {"make": "cjmcu"}),
    ("modem", {}),
    ("syn6288", {}),
]


@pytest.mark.parametrize(("protocol", "options"), LOOKED_AT)
def test_whoever_only_looks_moves_nobody_or_must_see_a_proof_first(
    protocol: str, options: dict[str, str]
) -> None:
    """What ``watch``, ``selftest --level read`` and the commands of small devices say by themselves."""
    said = said_by(looking(Target(name="x", port="x", protocol=protocol, options=options)))
    proof_first = not harmless(said)
    assert proof_first or moved(said) == set()


def test_reading_a_board_never_asks_its_own_kind_to_switch() -> None:
    own = {
        "numato": ("numato", {}),
        "kmtronic": ("kmtronic", {}),
        "devantech": ("devantech-usb", {}),
        "waveshare-io-8ch": ("modbus-relay", {"profile": "waveshare-io-8ch"}),
        "eletechsup-r421a08": ("modbus-relay", {"profile": "eletechsup-r421a08"}),
        "turnstile-7e": ("turnstile-7e", {}),
    }
    for board, (protocol, options) in own.items():
        said = said_by(looking(Target(name="x", port="x", protocol=protocol, options=options)))
        assert said, board
        assert board not in moved(said), board


NO_USB = PortIdentity()
CH340 = PortIdentity(socket="1-2:1.0", usb="1a86:7523")
FTDI = PortIdentity(socket="1-2:1.0", usb="0403:6001", serial="A1")
NUMATO = PortIdentity(socket="1-2:1.0", usb="2a19:0c05")
DEVANTECH = PortIdentity(socket="1-2:1.0", usb="04d8:ffee")


def configured(protocol: str, options: Mapping[str, Any]) -> Target:
    """A board that the gate's file claims to be at the port."""
    gate = GateFile(path=Path("gate.toml"), data_dir=Path())
    return Target(name="b", port="x", protocol=protocol, options=options, gate=gate, board="b")


def plan_of(target: Target, found: PortIdentity = NO_USB) -> Plan:
    return plan_for(target, said_by(looking(target)), found)


def is_proved(plan: Plan, protocol: str, device: Device) -> bool:
    """Whether this device answers as the plan wants it to; it is asked as ``demand_proof`` does."""
    if plan.way is not Way.QUESTION:
        return plan.way is not Way.TYPED
    ask = twin(device)
    if plan.family is None:
        return any(answer(ask(frame, at * 0.4), frame) for at, frame in enumerate(plan.modbus))
    heard = [plan.family.read(ask(frame, at * 0.4)) for at, frame in enumerate(plan.family.writes)]
    ask(plan.family.closing, 2.0)
    return any(each is not None and each.protocol == protocol for each in heard)


def looked_at(protocol: str, options: Mapping[str, Any], device: Device) -> bool:
    """Whether a board of this claim was looked at, from its proof to everything that ``watch`` and ``selftest`` ask."""
    target = configured(protocol, options)
    if not is_proved(plan_of(target), protocol, device):
        return False
    bench = Bench(looking(target), lambda frame, now_s: twin(device)(frame, now_s + 10.0))
    bench.run(1.0)
    for command in asked_of(bench.driver.info):
        bench.submit(command, then_s=1.0)
    device.tick(100.0)
    return True


def of_board(name: str, *, closed: bool) -> Device:
    device = BOARDS[name]()
    if closed and isinstance(device, Board):
        device.relays.set_mask((1 << len(device.relays)) - 1, 0.0)
    elif closed and isinstance(device, GateController):
        device.keep_open("left", 0.0)
    device.take_happenings()
    return device


@pytest.mark.parametrize(("protocol", "options"), LOOKED_AT)
def test_whatever_the_gates_file_claims_looking_moves_no_board(
    protocol: str, options: dict[str, str]
) -> None:
    """Every board of the table at the port of every claim, with all that it answers: S4 of the catalogue."""
    hurt = []
    for name in MODELLED:
        for closed in (False, True):
            device = of_board(name, closed=closed)
            looked_at(protocol, options, device)
            happened = [one for one in device.take_happenings() if one.what.startswith(("relay", "setting"))]
            hurt += [(name, closed, one.what, one.channel) for one in happened]
    assert hurt == []


@pytest.mark.parametrize(
    ("protocol", "options", "board"),
    [
        ("modbus-relay", {"profile": "waveshare-relay-8"}, "waveshare-relay-8"),
        ("modbus-relay", {"profile": "waveshare-io-8ch"}, "waveshare-io-8ch"),
        ("modbus-relay", {"profile": "eletechsup-r421a08"}, "eletechsup-r421a08"),
        ("modbus-relay", {"profile": "kmtronic-modbus-8"}, "kmtronic-modbus-8"),
        ("kmtronic", {}, "kmtronic"),
        ("devantech-usb", {}, "devantech"),
    ],
)
def test_the_right_board_proves_itself_and_is_looked_at(
    protocol: str, options: dict[str, str], board: str
) -> None:
    assert looked_at(protocol, options, BOARDS[board]())


@pytest.mark.parametrize(
    ("protocol", "options", "found", "way"),
    [
        ("numato", {}, NUMATO, Way.USB),  # the real thing at a real socket: no fuss
        ("numato", {}, CH340, Way.TYPED),  # letters go to nobody's adapter
        ("numato", {"expect": {"serial": "A1"}}, FTDI, Way.TYPED),
        ("numato", {}, DEVANTECH, Way.TYPED),
        ("modbus-inputs", {}, DEVANTECH, Way.TYPED),  # harmless, and yet another board than named
        ("devantech-usb", {}, DEVANTECH, Way.HARMLESS),
        ("turnstile-7e", {}, CH340, Way.USB),  # only a Devantech board would move, and this is none
        ("turnstile-7e", {}, DEVANTECH, Way.TYPED),
        ("modbus-relay", {"profile": "lctech-2ch"}, CH340, Way.USB),
        ("modbus-relay", {"profile": "lctech-2ch"}, FTDI, Way.TYPED),  # so is KMtronic's adapter
        ("modbus-relay", {"profile": "lctech-2ch", "expect": {"serial": "A1"}}, FTDI, Way.USB),
        ("modbus-relay", {"profile": "eletechsup-r421a08"}, CH340, Way.QUESTION),
    ],
)
def test_a_socket_proves_a_board_of_the_file_only_where_it_excludes_the_others(
    protocol: str, options: dict[str, Any], found: PortIdentity, way: Way
) -> None:
    assert plan_of(configured(protocol, options), found).way is way


def test_a_socket_proves_nothing_of_a_board_that_is_in_no_file() -> None:
    target = Target(name="x", port="x", protocol="turnstile-7e")
    assert plan_of(target, CH340).way is Way.TYPED
