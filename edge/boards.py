"""The boards of a gate by their names, whatever lines they hang on: one bus a port, one name a board."""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack

from drivers.bus import Bus
from drivers.gate.hardware import BoardSection, LaneSection
from drivers.model import Admit, AnyEvent, BoardCommand, Driver, Pulse
from drivers.registry import PROTOCOLS, make_driver, make_line
from passes.vocabulary import Direction

Report = Callable[[str, AnyEvent], None]


class Boards:
    """Buses for configured boards, not started.

    Args:
        sections: The boards; those that name the same port share its bus.
        report: Gets (name, event) of every board in its bus's thread.
        used: Which inputs of each board mean anything (``drivers.gate.inputs``); None for all of all boards.
    """

    def __init__(
        self,
        sections: Iterable[BoardSection],
        report: Report,
        *,
        used: Mapping[str, Collection[int]] | None = None,
    ) -> None:
        lines: dict[str, list[BoardSection]] = {}
        for section in sections:
            lines.setdefault(section.port, []).append(section)
        self._bus_of: dict[str, Bus] = {}
        self._buses: list[Bus] = []
        for on_line in lines.values():
            first = on_line[0]
            bus = make_line(
                name="+".join(section.name for section in on_line),
                path=first.port,
                drivers={section.name: _driver(section, used) for section in on_line},
                on_event=report,
                on_reading=report,
                echo=first.echo,
                expect=first.expect.to_domain() if first.expect else None,
            )
            self._buses.append(bus)
            self._bus_of |= {section.name: bus for section in on_line}

    def start(self) -> None:
        """Start every line; ports may still be missing."""
        for bus in self._buses:
            bus.start()

    def submit(self, board: str, command: BoardCommand) -> bool:
        """Hand a command to a board; False when it was not taken, and no event follows."""
        return self._bus_of[board].submit(command, board)

    def heard_s(self, board: str) -> float | None:
        """When a board last answered, in monotonic seconds; None: nothing was heard of it since its line came up."""
        return self._bus_of[board].heard_s(board)

    def dead(self) -> list[str]:
        """Boards whose bus has ended for good, though nobody closed it."""
        return [name for name, bus in self._bus_of.items() if bus.is_dead]

    def close(self) -> None:
        """Open every relay and close every port; one failure keeps no other open."""
        with ExitStack() as rest:
            for bus in self._buses:
                rest.callback(bus.close)


def _driver(section: BoardSection, used: Mapping[str, Collection[int]] | None) -> Driver:
    """A driver that reads no input for nothing, where each is a question of its own."""
    options = section.options
    if used is not None and "watch" in PROTOCOLS[section.protocol].options:
        options["watch"] = used.get(section.name, ())
    if "hold_off_s" in PROTOCOLS[section.protocol].options:
        options["hold_off_s"] = 0.0  # every reading: what is one presentation is said in ``edge.scanners``
    return make_driver(section.protocol, **options)


def opening(lane: LaneSection, id_: str, *, issued_s: float, ms: int | None = None) -> Pulse | Admit:
    """The command that lets one person through a lane; ``ms`` instead of the lane's own length."""
    if lane.side is not None:
        return Admit(side=lane.side, id=id_, issued_s=issued_s)
    assert lane.channel is not None, "a lane has a channel or a side"
    # A board that cannot be heard may still obey: at an exit that is tried, at an entry it is not.
    insist = lane.direction is Direction.EXIT
    return Pulse(channel=lane.channel, ms=ms or lane.pulse_ms, id=id_, issued_s=issued_s, insist=insist)
