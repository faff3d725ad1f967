"""What befalls boards in the course of a run: written as knobs, done in order."""

import pytest

from simulators.boards.catalogue import PROFILES, PROTOCOLS, UnknownBoardError, make_board, make_neighbour
from simulators.boards.first_boards import ModbusInputsDevice
from simulators.boards.knobs import KnobError
from simulators.boards.modbus_makes import LcTech2, WaveshareRelay
from simulators.boards.osdp_pd import has_libosdp
from simulators.boards.plan import NAMES, read_plan
from simulators.boards.turnstile_7e import Turnstile7E
from simulators.boards.turnstile_eb import TurnstileEB


def test_deeds_come_in_the_order_of_their_times() -> None:
    plan, rest = read_plan(["unplug=5-8", "fire=1-6", "latency_ms=3", "button=7,2", "walk=2@4", "reboot=9"])
    assert rest == ["latency_ms=3"]
    assert plan.next_s() == 1.0
    assert plan.due(4.5) == [("fire_on", 0), ("button_on", 0), ("button_off", 0), ("walk", 2)]
    assert [deed for deed, _ in plan.due(100.0)] == [
        "unplug",
        "fire_off",
        "button_on",
        "button_off",
        "plug",
        "reboot",
    ]
    assert plan.next_s() is None


def test_a_board_is_prepared_with_what_is_wrong_with_it() -> None:
    plan, rest = read_plan(
        ["weld=1", "stuck=2:on,3:off", "bounce_ms=20", "counts=65536", "fire_input=4", "button_input=5"]
    )
    relays, inputs = WaveshareRelay(), ModbusInputsDevice()
    wide, narrow = Turnstile7E(), TurnstileEB()
    plan.prepare([relays, inputs, wide, narrow])
    relays.relays.switch(1, on=True, now_s=0.0)
    relays.relays.switch(1, on=False, now_s=1.0)
    assert relays.relays.closed[0]
    assert (inputs.inputs.level(2, 0.0), inputs.inputs.bounce_s) == (True, 0.02)
    assert (wide.counts["left"], narrow.counts["left"]) == (65536, 0)
    assert (plan.fire_input, plan.button_input, rest) == (4, 5, [])


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("unplug=5", "unplug takes FROM-TO in seconds"),
        ("fire=9-3", "fire ends after it begins"),
        ("weld=0", "weld counts from 1"),
        ("stuck=3", "stuck takes INPUT:on or INPUT:off"),
        ("walk=1", "walk takes a number, not ''"),
        ("button=soon", "button takes a number"),
    ],
)
def test_a_plan_that_cannot_be_is_named(setting: str, why: str) -> None:
    with pytest.raises(KnobError, match=why):
        read_plan([setting])


def test_every_name_of_a_plan_can_be_set() -> None:
    values = {"unplug": "1-2", "fire": "1-2", "walk": "1@2", "stuck": "1:on"}
    for name in NAMES:
        assert read_plan([f"{name}={values.get(name, '1')}"])[1] == []


def test_the_catalogue_makes_every_board_and_profile() -> None:
    for protocol in sorted(set(PROTOCOLS) - ({"osdp"} if not has_libosdp() else set())):
        assert make_board(protocol).powered
    for profile in PROFILES:
        assert make_board("modbus-relay", unit=3, profile=profile).powered
    for protocol, profiles in {
        "lcus": ("none", "text", "bytes"),
        "kmtronic": ("1", "2", "4", "8"),
        "devantech-usb": ("rly08", "rly16", "rly02", "rly16l"),
        "turnstile-eb": ("rule", "manual"),
    }.items():
        for profile in profiles:
            assert make_board(protocol, profile=profile).powered
    board = make_board("modbus-relay", profile="lctech-2ch")
    assert isinstance(board, LcTech2)
    assert board.unit == 255


def test_neighbours_are_written_with_unit_and_profile() -> None:
    board = make_neighbour("modbus-relay:7:lctech-2ch")
    assert isinstance(board, LcTech2)
    assert board.unit == 7
    assert isinstance(make_neighbour("modbus-inputs"), ModbusInputsDevice)


@pytest.mark.parametrize(
    "text", ["nothing", "modbus-tcp", "modbus-inputs:x", "modbus-relay:1:nothing", "lcus:300"]
)
def test_a_neighbour_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(UnknownBoardError):
        make_neighbour(text)
