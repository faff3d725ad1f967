"""What befalls a board and its lane in the course of a run: ``--knob unplug=5-8 --knob fire=20-25 --knob weld=1``."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from simulators.boards.board import Board
from simulators.boards.device import Device
from simulators.boards.gate_controller import SIDES, GateController
from simulators.boards.knobs import NO_WORDS, YES_WORDS, KnobError, number

Deed = Literal["unplug", "plug", "reboot", "fire_on", "fire_off", "button_on", "button_off", "walk"]
PRESS_S: Final = 0.3  # how long somebody presses the exit button
NAMES: Final = (
    "unplug",
    "reboot",
    "fire",
    "fire_input",
    "button",
    "button_input",
    "walk",
    "weld",
    "stuck",
    "bounce_ms",
    "counts",
)
_DAY_S: Final = 86_400.0
_SPANS: Final[dict[str, tuple[Deed, Deed]]] = {"unplug": ("unplug", "plug"), "fire": ("fire_on", "fire_off")}


@dataclass(slots=True)
class Plan:
    """Deeds by seconds after the start, and what is wrong with the board from the beginning."""

    deeds: list[tuple[float, Deed, int]] = field(default_factory=list)
    fire_input: int = 8
    button_input: int = 7
    weld: list[int] = field(default_factory=list)
    stuck: dict[int, bool] = field(default_factory=dict)
    bounce_ms: float = 0.0
    counts: int | None = None

    def due(self, since_start_s: float) -> list[tuple[Deed, int]]:
        """Take the deeds up to now, in order."""
        due = [(deed, channel) for at_s, deed, channel in self.deeds if at_s <= since_start_s]
        self.deeds = self.deeds[len(due) :]
        return due

    def next_s(self) -> float | None:
        """When the next deed is due, in seconds after the start."""
        return self.deeds[0][0] if self.deeds else None

    def prepare(self, devices: Sequence[Device]) -> None:
        """Do to the boards what is wrong with them from the beginning."""
        for device in devices:
            if isinstance(device, Board):
                for channel in self.weld:
                    if channel in device.relays:
                        device.relays.weld(channel)
                for channel, level in self.stuck.items():
                    if channel in device.inputs:
                        device.inputs.stick(channel, level)
                device.inputs.bounce_s = self.bounce_ms / 1000
            if isinstance(device, GateController) and self.counts is not None:
                device.counts = dict.fromkeys(SIDES, self.counts & device.counter_max)


def read_plan(settings: Sequence[str]) -> tuple[Plan, list[str]]:
    """Take what is a plan's out of ``name=value`` texts; the plan and the rest. Raises ``KnobError``."""
    plan, rest = Plan(), []
    for setting in settings:
        name, _, text = setting.partition("=")
        if name in NAMES:
            _set(plan, name, text)
        else:
            rest.append(setting)
    plan.deeds.sort(key=lambda deed: deed[0])
    return plan, rest


def _set(plan: Plan, name: str, text: str) -> None:
    match name:
        case "unplug" | "fire":
            begin_s, end_s = _span(name, text)
            begin, end = _SPANS[name]
            plan.deeds += [(begin_s, begin, 0), (end_s, end, 0)]
        case "reboot" | "button" | "walk":
            plan.deeds += [deed for each in text.split(",") for deed in _moment(name, each)]
        case "weld":
            plan.weld = [_channel(name, each) for each in text.split(",")]
        case "stuck":
            plan.stuck = dict(_stuck(each) for each in text.split(","))
        case "fire_input" | "button_input":
            setattr(plan, name, _channel(name, text))
        case "bounce_ms":
            plan.bounce_ms = number(name, text, most=1000.0)
        case "counts":
            plan.counts = int(number(name, text, most=0xFFFFFF, whole=True))
        case _:
            raise AssertionError(name)


def _moment(name: str, text: str) -> list[tuple[float, Deed, int]]:
    if name == "walk":
        lane, _, text = text.partition("@")
        return [(number(name, text, most=_DAY_S), "walk", _channel(name, lane))]
    at_s = number(name, text, most=_DAY_S)
    if name == "button":
        return [(at_s, "button_on", 0), (at_s + PRESS_S, "button_off", 0)]
    return [(at_s, "reboot", 0)]


def _span(name: str, text: str) -> tuple[float, float]:
    begin, dash, end = text.partition("-")
    if not dash:
        raise KnobError(
            f"{name} takes FROM-TO in seconds after the start, for example {name}=5-8, not {text!r}"
        )
    span = number(name, begin, most=_DAY_S), number(name, end, most=_DAY_S)
    if span[0] >= span[1]:
        raise KnobError(f"{name} ends after it begins, not {text}")
    return span


def _channel(name: str, text: str) -> int:
    channel = int(number(name, text, most=64, whole=True))
    if channel < 1:
        raise KnobError(f"{name} counts from 1, not {text}")
    return channel


def _stuck(text: str) -> tuple[int, bool]:
    channel, _, level = text.partition(":")
    if level not in YES_WORDS | NO_WORDS:
        raise KnobError(f"stuck takes INPUT:on or INPUT:off, for example stuck=3:on, not {text!r}")
    return _channel("stuck", channel), level in YES_WORDS
