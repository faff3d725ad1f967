"""Commands that a bus took and whose outcome is still due, for when a driver cannot say any more what became of them.

A driver ends its own commands, also when its line goes. Only a programming error keeps it from that, and even then
nobody is left waiting: what was not handed to the driver was surely not carried out, and all else perhaps.
"""

from collections.abc import Iterable

from drivers.model import AllOff, AnyEvent, Command, Outputs, TimedOut
from drivers.seen_ids import SeenIds


class Pending:
    """Ids whose outcome is due, by device.

    Args:
        devices: Their names.
    """

    def __init__(self, devices: Iterable[str]) -> None:
        self._seen = {name: SeenIds() for name in devices}
        self._maybe: dict[tuple[str, str], bool] = {}  # whether bytes of it may have gone out
        self._handed: set[tuple[str, str]] = set()  # to the driver, and nothing was written since

    def taken(self, device: str, command: Command) -> None:
        """A command came out of the inbox; the same id again is nobody's second command."""
        if not isinstance(command, AllOff) and self._seen[device].is_new(command.id):
            self._maybe[device, command.id] = False

    def handed_over(self, device: str, command: Command) -> None:
        """Its driver gets it now."""
        if not isinstance(command, AllOff) and (device, command.id) in self._maybe:
            self._handed.add((device, command.id))

    def written(self) -> None:
        """Bytes go to the line; whose they are only the drivers know."""
        for key in self._handed:
            self._maybe[key] = True
        self._handed.clear()

    def told(self, device: str, event: AnyEvent) -> None:
        """An event is reported; most that bear an id end its command."""
        id_ = getattr(event, "id", "")
        if id_ and not (isinstance(event, Outputs) and not event.read):  # a hold that has begun
            self._maybe.pop((device, id_), None)
            self._handed.discard((device, id_))

    def give_up(self) -> list[tuple[str, AnyEvent]]:
        """Outcomes for all that is due: nobody else will give them."""
        given: list[tuple[str, AnyEvent]] = [
            (device, TimedOut(id=id_, maybe_executed=maybe)) for (device, id_), maybe in self._maybe.items()
        ]
        self._maybe.clear()
        self._handed.clear()
        return given
