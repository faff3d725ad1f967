"""Boards and controllers on lines that lose, break, delay and mix up answers, in virtual time, one seed each.

Faults on: nothing is closed twice for one pulse, nothing is believed that did not happen, each command has one
outcome. Faults off: the next pulse works, and no fault is left.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from drivers.devices.devantech import devantech_usb
from drivers.devices.kmtronic import kmtronic
from drivers.devices.modbus_relay import modbus_relay
from drivers.devices.numato import numato
from drivers.devices.turnstile_7e import turnstile_7e
from drivers.devices.turnstile_eb import turnstile_eb
from drivers.model import (
    Admit,
    AnyEvent,
    Command,
    Counted,
    Done,
    Driver,
    Fault,
    Grade,
    Pulse,
    Refused,
    Side,
    TimedOut,
)
from simulators.boards.cable import Cable
from simulators.boards.devantech import Devantech
from simulators.boards.device import Device
from simulators.boards.kmtronic import Kmtronic
from simulators.boards.knobs import Knobs
from simulators.boards.modbus_makes import (
    EletechsupR421A08,
    Generic0100,
    LcTech2,
    StandardCoils,
    WaveshareIo,
    WaveshareRelay,
)
from simulators.boards.numato import Numato
from simulators.boards.turnstile_7e import Turnstile7E
from simulators.boards.turnstile_eb import TurnstileEB

DEVICES: dict[str, tuple[Callable[[], Driver], Callable[[], Device]]] = {
    "waveshare-relay-8": (lambda: modbus_relay("waveshare-relay-8"), WaveshareRelay),
    "waveshare-io-8ch": (lambda: modbus_relay("waveshare-io-8ch"), WaveshareIo),
    "eletechsup-r421a08": (lambda: modbus_relay("eletechsup-r421a08"), EletechsupR421A08),
    "generic-0100-4": (lambda: modbus_relay("generic-0100-4"), Generic0100),
    "lctech-2ch": (lambda: modbus_relay("lctech-2ch"), LcTech2),
    "kmtronic-modbus-8": (lambda: modbus_relay("kmtronic-modbus-8"), StandardCoils),
    "numato": (numato, Numato),
    "kmtronic": (kmtronic, lambda: Kmtronic(8)),
    "devantech-usb": (lambda: devantech_usb(model="USB-RLY16"), lambda: Devantech("rly16")),
    "turnstile-7e": (turnstile_7e, Turnstile7E),
    "turnstile-eb": (turnstile_eb, TurnstileEB),
}
CHECKED = [name for name in DEVICES if name not in {"numato", "kmtronic", "devantech-usb"}]
LINES = {
    "clean": Knobs(),
    "slow": Knobs(pace=True, latency_ms=5, jitter_ms=20),
    "cut": Knobs(split=1, split_gap_ms=1),
    "lossy": Knobs(drop=0.02, duplicate=0.01, flip=0.02),
    "late": Knobs(late=0.2, late_ms=230),
    "mute": Knobs(no_reply=0.2),
    "mixed up": Knobs(wrong_unit=0.1, stale=0.1),
}
# What a check protects on the way to the device as well; without one, a broken byte is another command.
BAD_BOTH_WAYS = {"broken there": Knobs(drop_sent=0.02, flip_sent=0.02), "lost there": Knobs(drop_sent=0.05)}
PULSES = 8
EVERY_S = 6.0  # longer than a permit lasts


@dataclass
class Run:
    """One device on one line: what was asked, what came of it, what an onlooker saw."""

    driver: Driver
    cable: Cable
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.events: list[AnyEvent] = []
        self.driver.line_up(0.0)

    def pass_time(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        for _ in range(200_000):
            self.turn()
            moments = [self.driver.next_deadline(), self.cable.next_deadline()]
            due_s = min((one for one in moments if one is not None), default=float("inf"))
            if due_s > until_s:
                break
            self.now_s = max(self.now_s + 1e-6, due_s)
        else:
            raise AssertionError("the driver spins")
        self.now_s = until_s

    def turn(self) -> None:
        for data in self.cable.take(self.now_s):
            self.driver.receive(data, self.now_s)
        self.driver.tick(self.now_s)
        for frame in self.driver.take_output():
            self.cable.send(frame, self.now_s, baud=self.driver.info.line.baud)
        self.events += self.driver.take_events()

    def command(self, number: int) -> Command:
        if self.driver.info.sides:
            return Admit(side=Side.LEFT, id=str(number), issued_s=self.now_s)
        ms = max(300, self.driver.info.pulse_ms[0])
        return Pulse(channel=2, ms=ms, id=str(number), issued_s=self.now_s)

    def closings(self) -> Counter[int]:
        """How often a relay closed, or the way was opened, after each command."""
        found: Counter[int] = Counter()
        for seen in self.cable.devices[0].take_happenings():
            if seen.what == "relay_on":
                found[int((seen.at_s - EVERY_S) // EVERY_S)] += 1
        return found


def drive(name: str, knobs: Knobs, seed: int) -> tuple[Run, Counter[int]]:
    """Eight pulses with the faults on, then one with the faults off."""
    make, board = DEVICES[name]
    run = Run(make(), Cable([board()], knobs=knobs, seed=seed))
    run.pass_time(EVERY_S)
    for number in range(PULSES):
        run.driver.submit(run.command(number), run.now_s)
        run.pass_time(EVERY_S)
    run.cable.knobs = Knobs()
    run.pass_time(3 * EVERY_S)
    run.driver.submit(run.command(PULSES + 3), run.now_s)
    run.pass_time(EVERY_S)
    return run, run.closings()


def judge(run: Run, closings: Counter[int], name: str) -> None:
    outcomes = {one.id: one for one in run.events if isinstance(one, Done | TimedOut | Refused)}
    told = Counter(one.id for one in run.events if isinstance(one, Done | TimedOut | Refused))
    asked = [*range(PULSES), PULSES + 3]
    assert told == Counter(map(str, asked)), "each command has one outcome"
    for number in asked:
        outcome = outcomes[str(number)]
        assert closings[number] <= 1, (name, number, outcome)
        if isinstance(outcome, Done) and outcome.grade is not Grade.SENT:
            assert closings[number] == 1, (name, number, outcome)
        if isinstance(outcome, Refused):
            assert closings[number] == 0, (name, number, outcome)
    assert set(closings) <= set(asked), "nothing moves by itself"
    assert isinstance(outcomes[str(PULSES + 3)], Done)
    assert closings[PULSES + 3] == 1
    faults = [one.active for one in run.events if isinstance(one, Fault)]
    assert faults[-1:] in ([], [False]), "no fault is left"
    assert all(one.delta == 0 for one in run.events if isinstance(one, Counted)), "nobody walked"


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("name", DEVICES)
def test_s8_a_bad_line_never_closes_twice_and_never_passes_for_success(name: str, line: str) -> None:
    run, closings = drive(name, LINES[line], seed=7)
    judge(run, closings, name)


@pytest.mark.parametrize("line", BAD_BOTH_WAYS)
@pytest.mark.parametrize("name", CHECKED)
def test_s8_a_frame_that_was_broken_on_its_way_moves_nothing(name: str, line: str) -> None:
    run, closings = drive(name, BAD_BOTH_WAYS[line], seed=11)
    judge(run, closings, name)
