"""What the centre's page shows: plain values, and the port by which it asks the centre for them.

The centre implements ``ConsoleSource``; this package knows nothing else of it. The page masks names
(``李*``) and telephone numbers, also those that come masked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from passes.vocabulary import ClockTrust, Direction

SmsState = Literal["waiting", "accepted", "failed", "unknown"]
GateState = Literal["online", "stopping", "lost", "unheard"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InsideRow:
    """One open visit; ``person`` is a masked label, ``due_at`` None for those without a limit.

    ``last4`` is of the phone of somebody whom a guard registered, and whose name nobody knows.
    """

    category: str
    person: str | None
    last4: str | None = None
    room: str | None
    gate: str
    entered_at: datetime
    due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OverstayRow:
    """One open incident; ``sms`` is the state of its newest message, None when none was due yet."""

    incident: int
    since: datetime
    category: str
    person: str | None
    last4: str | None = None
    room: str | None
    gate: str
    sms: SmsState | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsRow:
    """One message to somebody."""

    at: datetime
    to: str
    text: str
    state: SmsState


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLane:
    """One lane as its gate last reported it."""

    name: str
    direction: Direction
    state: str
    camera_ok: bool
    board_ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """One gate; what was never reported is None."""

    id: str
    name: str
    state: GateState
    heard_at: datetime | None = None
    outbox_depth: int | None = None
    clock_trust: ClockTrust | None = None
    software: str | None = None
    lanes: tuple[GateLane, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """Everything on the page at one moment.

    ``inside`` may be cut short; ``counts["inside"]``, where given, is how many there are. ``sms`` holds the newest
    twenty, newest first; ``sms_today`` counts those of today, ``dead_letters`` what the centre refused to record.
    """

    centre: str
    sites: tuple[str, ...]
    zone: str
    inside: tuple[InsideRow, ...]
    overstays: tuple[OverstayRow, ...]
    sms: tuple[SmsRow, ...]
    sms_today: int
    gates: tuple[GateRow, ...]
    dead_letters: int
    counts: Mapping[str, int] = field(default_factory=dict)


class ConsoleSource(Protocol):
    """What the centre offers to its page. Every method is called from other threads than the centre's own."""

    def now(self) -> Now:
        """The page as it is now."""

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` whenever something on the page changed; it returns at once. Returns how to end that."""
