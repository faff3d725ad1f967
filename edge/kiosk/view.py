"""What the kiosk shows: plain values, and the port by which it asks the gate for them.

The gate implements ``KioskSource``; this package knows nothing else of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from passes.decide import Note
from passes.vocabulary import Colour, Direction
from sync.messages import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One scan and its answer. ``seq`` is its place in the journal: rising, with holes.

    ``category`` and ``reason`` are codes (``passes.vocabulary``); unknown ones are shown as they are. ``room`` is what
    the guard calls the unit, ``pass_tail`` the last four hex digits of the pass.
    """

    seq: int
    at: datetime
    lane: str
    direction: Direction
    outcome: Outcome
    colour: Colour | None = None
    reason: str | None = None
    category: str | None = None
    room: str | None = None
    due_at: datetime | None = None
    stay_minutes: int | None = None
    pass_tail: str | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneView:
    """One lane: the word of its state, whether its devices answer, and a fault in words when there is one."""

    name: str
    direction: Direction
    state: str
    camera_ok: bool
    board_ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmView:
    """One alarm: its code (``edge.kiosk.alarm_words``), the lane or input where it is, and since when."""

    what: str
    place: str
    at: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    """The way to the centre: is it up, how many events wait, and when the centre last confirmed some."""

    connected: bool
    depth: int
    last_ack_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """One open stay; ``due_at`` is None for those without a limit."""

    category: str
    room: str | None
    entered_at: datetime
    due_at: datetime | None
    overdue: bool
    pass_tail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything on the screen at one moment.

    ``seq`` is the newest verdict's (0 before the first). ``last`` holds the newest six verdicts (one for the stage,
    five for the strip), ``refused`` the newest twenty refusals and referrals, both newest first. ``counts`` are totals
    since start, for scripts. ``emergency`` is ``active``, ``clear`` (its cause is over, it was not reset) or empty;
    ``alarms`` are the newest first.
    """

    gate: str
    site: str
    zone: str
    lanes: tuple[LaneView, ...]
    uplink: Uplink
    inside: tuple[Inside, ...]
    refused: tuple[Verdict, ...]
    last: tuple[Verdict, ...]
    seq: int
    counts: Mapping[str, int] = field(default_factory=dict)
    emergency: str = ""
    alarms: tuple[AlarmView, ...] = ()


Listener = Callable[[Verdict | None], None]
"""Gets each new verdict, or None when anything else on the screen changed. It returns at once and never raises."""


class KioskSource(Protocol):
    """What the gate offers to its screen. Every method is called from other threads than the gate's own."""

    def snapshot(self) -> Snapshot:
        """The screen as it is now."""

    def verdicts_after(self, seq: int) -> list[Verdict]:
        """Verdicts behind ``seq``, oldest first, at most the newest twenty."""

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` from now on, a verdict only after it is in the journal; returns how to end that."""
