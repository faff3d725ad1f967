"""What each board says of itself: is its line up, does it work, who is it."""

from dataclasses import dataclass

from drivers.model import AnyEvent, Fault, Garbage, Identity, Line


@dataclass(slots=True)
class BoardFacts:
    """One board as far as it was heard of."""

    line_up: bool | None = None  # None: not heard of yet
    line_why: str = ""
    fault: str = ""
    identity: Identity | None = None
    garbage_bytes: int = 0

    @property
    def ok(self) -> bool | None:
        """Whether its line is up and it shows no fault; None while nothing was heard."""
        return None if self.line_up is None else self.line_up and not self.fault

    @property
    def detail(self) -> str:
        """What is wrong with it; empty for nothing."""
        return "" if self.ok else self.fault if self.line_up else self.line_why

    def take(self, event: AnyEvent) -> None:
        """Learn from an event."""
        match event:
            case Line():
                self.line_up, self.line_why = event.up, event.why
            case Fault():
                self.fault = event.why if event.active else ""
            case Identity():
                self.identity = event
            case Garbage():
                self.garbage_bytes += event.count
            case _:
                pass
