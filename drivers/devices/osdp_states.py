"""What a reader reported of its inputs, outputs and housing, and the events of each change."""

from drivers.devices.osdp_commands import Reports
from drivers.devices.osdp_panel import About, Levels
from drivers.model import Alarm, AnyEvent, Certainty, Identity, InputEdge

ALARMS = ("tamper", "power")


class States:
    """The states of one reader; at rest until it says otherwise, and kept over a lost line.

    Args:
        inputs: How many inputs are used.
    """

    def __init__(self, inputs: int) -> None:
        self._inputs = inputs
        self._levels = [False] * inputs
        self._alarms = [False] * len(ALARMS)
        self.closed_bits = 0  # of the outputs: bit 0 is output 1

    def is_closed(self, channel: int) -> bool:
        """Whether an output was closed when it was reported last."""
        return bool(self.closed_bits >> (channel - 1) & 1)

    def take(self, report: Levels, now_s: float) -> list[AnyEvent]:
        """Take a report; the reader has debounced it."""
        events: list[AnyEvent] = []
        levels = [bool(level) for level in report.levels]
        match report.what:
            case Reports.OUTPUTS:
                self.closed_bits = sum(level << place for place, level in enumerate(levels))
            case Reports.INPUTS:
                for place, level in enumerate(levels[: self._inputs]):
                    if level != self._levels[place]:
                        events.append(InputEdge(channel=place + 1, active=level, at_s=now_s))
                        self._levels[place] = level
            case Reports.LOCAL:
                for place, level in enumerate(levels[: len(ALARMS)]):
                    if level != self._alarms[place]:
                        events.append(Alarm(what=ALARMS[place], active=level))
                        self._alarms[place] = level
        return events


def identity(about: About, id_: str = "") -> Identity:
    """Who the reader says it is; nobody else has its key."""
    firmware = (about.firmware >> 16 & 0xFF, about.firmware >> 8 & 0xFF, about.firmware & 0xFF)
    return Identity(
        id=id_,
        maker=f"{about.vendor:06x}",
        model=f"{about.model}.{about.version}",
        firmware=".".join(map(str, firmware)),
        serial=f"{about.serial:08x}",
        certainty=Certainty.STRONG,
    )
