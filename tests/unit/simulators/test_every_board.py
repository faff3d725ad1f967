"""Every fault of a board on every virtual board: welded relays, reboots, stuck and bouncing inputs, fire, counters."""

import pytest

from simulators.boards.board import Board
from simulators.boards.catalogue import PROFILES, make_board
from simulators.boards.device import Device
from simulators.boards.gate_controller import SIDES, GateController
from simulators.boards.plan import read_plan

KINDS: list[tuple[str, str | None]] = [
    ("lcus", None),
    ("numato", None),
    ("kmtronic", None),
    ("modbus-inputs", None),
]
KINDS += [("devantech-usb", model) for model in ("rly08", "rly16", "rly02")]
KINDS += [("modbus-relay", profile) for profile in PROFILES]
BOARDS = pytest.mark.parametrize(("protocol", "profile"), KINDS)


def board_of(protocol: str, profile: str | None, *settings: str) -> Board:
    board = make_board(protocol, profile=profile)
    assert isinstance(board, Board)
    read_plan(settings)[0].prepare([board])
    return board


def edges(device: Device) -> list[tuple[str, int]]:
    return [(each.what, each.channel) for each in device.take_happenings() if each.what.startswith("relay")]


@BOARDS
def test_a_reboot_opens_every_relay_but_a_welded_one(protocol: str, profile: str | None) -> None:
    board = board_of(protocol, profile, "weld=1")
    for channel in range(1, len(board.relays) + 1):
        board.relays.switch(channel, on=True, now_s=1.0)
    board.reboot(2.0)
    assert board.relays.closed == tuple(channel == 1 for channel in range(1, len(board.relays) + 1))
    opened = [("relay_off", channel) for channel in range(2, len(board.relays) + 1)]
    assert edges(board) == [("relay_on", channel) for channel in range(1, len(board.relays) + 1)] + opened


@BOARDS
def test_inputs_stick_and_bounce(protocol: str, profile: str | None) -> None:
    board = board_of(protocol, profile, "stuck=1:on", "bounce_ms=50")
    if not len(board.inputs):
        assert 1 not in board.inputs  # this board has relays only
        return
    assert board.inputs.level(1, 0.0)
    board.inputs.set(1, active=False, now_s=1.0)
    assert board.inputs.level(1, 9.0)
    board.inputs.set(2, active=True, now_s=10.0)
    levels = [board.inputs.level(2, 10.0 + place / 1000) for place in range(0, 60, 5)]
    assert {True, False} == set(levels[:10])
    assert levels[10:] == [True, True]


@pytest.mark.parametrize(("protocol", "most"), [("turnstile-7e", 0xFFFFFF), ("turnstile-eb", 0xFFFF)])
def test_a_controllers_counters_begin_again_and_fire_opens_both_sides(protocol: str, most: int) -> None:
    controller = make_board(protocol)
    assert isinstance(controller, GateController)
    read_plan([f"counts={most}"])[0].prepare([controller])
    for side in SIDES:
        controller.permit(side, 1, 1.0)
        controller.walk(side, 1.5)
    assert controller.counts == dict.fromkeys(SIDES, 0)
    assert [each.what for each in controller.take_happenings() if each.what == "alarm"] == []
    controller.forbid(set(SIDES), 2.0)
    controller.set_fire(3.0, active=True)
    assert [controller.is_open(side) for side in SIDES] == [True, True]
    controller.set_fire(4.0, active=False)
    assert [controller.is_open(side) for side in SIDES] == [False, False]
    assert edges(controller) == [("relay_on", 1), ("relay_on", 2), ("relay_off", 1), ("relay_off", 2)]
