"""What a driver has to report: exactly one outcome for each id, and everything else in the order it happened."""

from drivers.model import AnyEvent, Done, Identity, Outputs, Refused, TimedOut
from drivers.seen_ids import SeenIds

Outcome = Done | TimedOut | Refused | Outputs | Identity


class Outcomes:
    """The events of one driver, and the commands whose outcome is still due."""

    def __init__(self) -> None:
        self._ids = SeenIds()
        self._due: set[str] = set()
        self._events: list[AnyEvent] = []

    def begin(self, id_: str) -> bool:
        """Whether this id comes for the first time; from now on an outcome is due for it."""
        if not self._ids.is_new(id_):
            return False
        self._due.add(id_)
        return True

    def end(self, outcome: Outcome) -> None:
        """Report what became of a command, unless that was reported before."""
        if outcome.id in self._due:
            self._due.discard(outcome.id)
            self._events.append(outcome)

    def tell(self, *events: AnyEvent) -> None:
        """Report what ends no command."""
        self._events += events

    def take(self) -> list[AnyEvent]:
        """Events since the last call, in order."""
        events, self._events = self._events, []
        return events
