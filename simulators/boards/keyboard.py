"""What a person may type while virtual boards run: things that befall them, and knobs."""

from typing import Final, get_args

from simulators.boards.board import Board
from simulators.boards.knobs import NO_WORDS, YES_WORDS, KnobError, Knobs, turn
from simulators.boards.plan import Deed
from simulators.boards.station import Station

HELP: Final = (
    "unplug | plug | reboot | fire on|off | button on|off | walk LANE | input N on|off | weld N | free N | "
    "silent on|off | knob NAME=VALUE"
)


class Keyboard:
    """Carries out typed lines.

    Args:
        station: Whom they concern.
        knobs: How the lines are to begin with.
    """

    def __init__(self, station: Station, knobs: Knobs) -> None:
        self._station, self._knobs = station, knobs

    def obey(self, line: str, now_s: float) -> str:
        """Do what a line says; words for whoever typed it, or nothing when it went well."""
        words = line.split()
        match words:
            case []:
                return ""
            case ["walk", lane] if lane.isdigit():
                self._station.do("walk", int(lane))
            case [("fire" | "button") as what, ("on" | "off") as state]:
                deeds: dict[str, Deed] = {str(deed): deed for deed in get_args(Deed)}
                self._station.do(deeds[f"{what}_{state}"])
            case ["unplug"]:
                self._station.do("unplug")
            case ["plug"]:
                self._station.do("plug")
            case ["reboot"]:
                self._station.do("reboot")
            case ["silent", state] if state in YES_WORDS | NO_WORDS:
                for device in self._station.devices:
                    device.silent = state in YES_WORDS
            case [("input" | "weld" | "free") as what, channel, *rest] if channel.isdigit():
                return self._touch(what, int(channel), rest, now_s)
            case ["knob", setting]:
                return self._turn(setting)
            case _:
                return HELP
        return ""

    def _turn(self, setting: str) -> str:
        try:
            self._knobs = turn(self._knobs, [setting])
        except KnobError as error:
            return str(error)
        for end in self._station.ends:
            end.turn(self._knobs)
        return ""

    def _touch(self, what: str, channel: int, rest: list[str], now_s: float) -> str:
        boards = [device for device in self._station.devices if isinstance(device, Board)]
        touched = False
        for board in boards:
            if what == "input" and channel in board.inputs and rest in (["on"], ["off"]):
                board.inputs.set(channel, active=rest == ["on"], now_s=now_s)
                touched = True
            elif what != "input" and channel in board.relays and not rest:
                board.relays.weld(channel, stuck=what == "weld")
                touched = True
        return "" if touched else HELP
