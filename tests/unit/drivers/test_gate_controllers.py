"""The virtual turnstile controllers: printed frames, permits, people in the beams, counters, alarms, fire."""

from collections.abc import Callable

import pytest

from simulators.boards.device import Device
from simulators.boards.gate_controller import GateController
from simulators.boards.turnstile_7e import Turnstile7E, check_byte
from simulators.boards.turnstile_eb import TurnstileEB


def ask(device: Device, text: str, now_s: float) -> bytes:
    return b"".join(answer.data for answer in device.receive(bytes.fromhex(text), now_s))


def framed(text: str) -> str:
    """A 7E command with its check."""
    frame = bytes.fromhex(text)
    return (frame + bytes((check_byte(frame),))).hex(" ")


def seen(device: Device) -> list[tuple[str, int, float]]:
    return [(each.what, each.channel, round(each.at_s, 6)) for each in device.take_happenings()]


def test_7e_obeys_the_published_frames_and_answers_eighteen_bytes() -> None:
    gate = Turnstile7E()
    status = ask(gate, "7E 00 01 10 00 00 00 70", 1.0)
    assert (len(status), status[0], status[2], check_byte(status[:-1])) == (18, 0x7F, 1, status[-1])
    opened = ask(gate, "7E 00 01 80 01 00 00 FF", 2.0)
    assert (opened[4], opened[13]) == (1, 0x80)
    gate.walk("left", 3.0)
    after = ask(gate, "7E 00 01 10 00 00 00 70", 3.1)
    assert (after[4], after[5], after[6:9], after[9:12], after[12]) == (0, 0, b"\0\0\1", b"\0\0\0", 1)
    assert ask(gate, "7E 00 01 10 00 00 00 70", 4.0)[12] == 0  # the beam is free again
    assert seen(gate) == [("relay_on", 1, 2.0), ("passage", 1, 3.0), ("relay_off", 1, 3.0)]


def test_7e_counts_permits_and_forgets_them_after_five_seconds() -> None:
    gate = Turnstile7E()
    ask(gate, framed("7E 00 01 82 02 00 00"), 1.0)
    gate.walk("right", 2.0)
    assert gate.permits["right"] == 1
    gate.tick(6.0)
    assert gate.permits["right"] == 0
    gate.walk("right", 7.0)
    assert ask(gate, "7E 00 01 10 00 00 00 70", 8.0)[5] == 1
    assert seen(gate) == [
        ("relay_on", 2, 1.0),
        ("passage", 2, 2.0),
        ("relay_off", 2, 6.0),
        ("passage", 2, 7.0),
        ("alarm", 2, 7.0),
    ]


def test_7e_counters_are_24_bits_wide_and_begin_again() -> None:
    gate = Turnstile7E()
    gate.counts["left"] = 0xFFFFFF
    ask(gate, framed("7E 00 01 81 00 00 00"), 1.0)
    gate.walk("left", 2.0)
    gate.walk("left", 3.0)
    assert ask(gate, "7E 00 01 10 00 00 00 70", 4.0)[6:9] == b"\0\0\1"
    assert ask(gate, framed("7E 00 01 20 00 00 00"), 5.0)[6:9] == b"\0\0\0"
    assert not gate.alarm


def test_7e_bans_and_lifts_them() -> None:
    gate = Turnstile7E()
    ask(gate, framed("7E 00 01 88 00 00 00"), 1.0)
    assert ask(gate, "7E 00 01 80 01 00 00 FF", 2.0)[4] == 0
    ask(gate, framed("7E 00 01 8F 00 00 00"), 3.0)
    assert ask(gate, "7E 00 01 80 01 00 00 FF", 4.0)[4] == 1
    assert ask(gate, framed("7E 00 01 84 00 00 00"), 5.0)[4] == 0
    ask(gate, framed("7E 00 01 96 07 09 00"), 6.0)
    assert gate.menu == {7: 9}


def test_7e_forgets_half_a_frame_after_80_ms_and_ignores_other_ids_and_wrong_checks() -> None:
    gate = Turnstile7E()
    assert ask(gate, "7E 00 01 80", 1.0) == b""
    assert ask(gate, "01 00 00 FF", 1.2) == b""
    assert ask(gate, "7E 00 01 80 01 00 00 FE", 2.0) == b""
    assert ask(gate, framed("7E 00 02 80 01 00 00"), 3.0) == b""
    assert not gate.is_open("left")
    assert ask(gate, "7E 00 01 80", 4.0) + ask(gate, "01 00 00 FF", 4.05) != b""
    assert gate.is_open("left")


def test_eb_opens_each_side_and_tells_its_counter() -> None:
    gate = TurnstileEB()
    assert ask(gate, "EB 01 40 00 AA", 1.0) == bytes.fromhex("EB 01 C0 00 00 2A")
    gate.walk("left", 2.0)
    gate.counts["right"] = 0xFFFF
    ask(gate, "EB 01 41 00 AB", 3.0)
    gate.walk("right", 4.0)
    assert ask(gate, "EB 01 41 00 AB", 5.0)[2:5] == b"\xc1\0\0"  # 16 bits, and it began again
    assert ask(gate, "EB 01 40 00 AA", 6.0)[3:5] == b"\0\1"


@pytest.mark.parametrize(("check", "down", "deaf_to"), [("rule", "A8", "AB"), ("manual", "AB", "A8")])
def test_eb_lowers_its_arm_by_the_rule_or_by_the_printed_example(check: str, down: str, deaf_to: str) -> None:
    gate = TurnstileEB(check=check)  # type: ignore[arg-type]  # a literal of the table
    assert ask(gate, f"EB 01 42 00 {deaf_to}", 1.0) == b""
    assert not gate.is_open("left")
    assert ask(gate, f"EB 01 42 00 {down}", 2.0)[2] == 0xC2
    assert gate.is_open("left") and gate.is_open("right")


def test_eb_drops_its_arm_without_supply_and_raises_it_after() -> None:
    gate = TurnstileEB()
    gate.power_off(1.0)
    assert gate.is_open("left")
    gate.power_on(2.0)
    assert not gate.is_open("left")


def test_eb_bans_everybody_until_it_is_lifted() -> None:
    gate = TurnstileEB()
    ask(gate, "EB 01 4A 00 A0", 1.0)
    ask(gate, "EB 01 40 00 AA", 2.0)
    assert not gate.is_open("left")
    ask(gate, "EB 01 4B 00 A1", 3.0)
    ask(gate, "EB 01 40 00 AA", 4.0)
    assert gate.is_open("left")


@pytest.mark.parametrize("make", [Turnstile7E, TurnstileEB])
def test_fire_opens_a_gate_that_is_banned_and_closes_it_with_the_input(
    make: Callable[[], GateController],
) -> None:
    gate = make()
    gate.forbid({"left", "right"}, 1.0)
    gate.set_fire(2.0, active=True)
    assert gate.is_open("left") and gate.is_open("right")
    gate.walk("left", 3.0)
    assert not gate.alarm
    gate.set_fire(4.0, active=False)
    assert not gate.is_open("left")
