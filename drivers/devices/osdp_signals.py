"""What a reader's lamp and buzzer do for each signal, as OSDP commands; times in tenths of a second."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from drivers.devices.osdp_commands import Command
from drivers.devices.osdp_library import library
from drivers.peripherals import Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A colour that blinks (``dark`` of 0: steady), and beeps; ``colour`` as the standard counts them."""

    colour: int
    lit: int = 10
    dark: int = 0
    beep: int = 0
    pause: int = 2
    beeps: int = 0


_DARK, _RED, _GREEN, _AMBER = 0, 1, 2, 3

PATTERNS: Final[Mapping[Signal, Pattern]] = {
    Signal.IDLE: Pattern(colour=_DARK),
    Signal.GO: Pattern(colour=_GREEN, beep=2, beeps=1),
    Signal.STOP: Pattern(colour=_RED, beep=2, beeps=2),
    Signal.ATTENTION: Pattern(colour=_AMBER, lit=5, dark=5, beep=5, beeps=1),
    Signal.FAULT: Pattern(colour=_RED, lit=3, dark=27),
}


def lamp(signal: Signal) -> Command:
    """The lamp's part."""
    pattern = PATTERNS[signal]
    return {
        "command": library.CMD_LED,
        "reader": 0,
        "led_number": 0,
        "control_code": 1,
        "on_count": pattern.lit,
        "off_count": pattern.dark,
        "on_color": pattern.colour,
        "off_color": _DARK,
    }


def buzzer(signal: Signal) -> Command | None:
    """The buzzer's part, or None where it stays silent."""
    pattern = PATTERNS[signal]
    if not pattern.beeps:
        return None
    return {
        "command": library.CMD_BUZZER,
        "reader": 0,
        "control_code": 2,
        "on_count": pattern.beep,
        "off_count": pattern.pause,
        "rep_count": pattern.beeps,
    }
