"""What the gate keeps for each of its lanes beside the pure machine: who was let through, and how its devices are."""

from dataclasses import dataclass, field

from drivers.gate.hardware import LaneSection
from edge.lane import Lane, Timing
from passes.check import Meant
from passes.claims import Claims
from passes.vocabulary import Direction

NEVER = float("-inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Let:
    """Somebody was let through a lane and has not walked yet."""

    lane: str
    direction: Direction
    stay_id: str | None
    claims: Claims | None
    issued_s: float  # a pulse for it is refused by the driver when this is older than two seconds
    meant: Meant | None = None  # which pass was shown, proved or not
    ms: int | None = None  # of its pulse, where somebody asked for another length


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Somebody holds the lane open by the gate's tools: the command's id, and until when at most."""

    id: str
    until_s: float


@dataclass(slots=True)
class LaneState:
    """One lane's running state beside the machine: who used it last, who waits, what its devices do."""

    section: LaneSection
    timing: Timing
    lane: Lane = field(default_factory=Lane)
    readers: dict[str, bool] = field(default_factory=dict)  # whether each works, as far as it was heard of
    details: dict[str, str] = field(default_factory=dict)  # what is wrong, by device
    last_pass: str | None = None
    last_pass_s: float = 0.0
    last_shown_at: int | None = None
    last_grant_s: float = NEVER
    turned_aside: bool = False  # a code was shown while somebody else was walking
    held: Held | None = None
    blocked: bool = False  # no entry is granted, until somebody unblocks it

    @property
    def readers_ok(self) -> bool:
        """Whether every reader of the lane works."""
        return all(self.readers.get(name, False) for name in self.section.readers)

    @property
    def reads(self) -> bool:
        """Whether at least one reader works, so that codes are read."""
        return any(self.readers.values())


def note_detail(state: LaneState, device: str, detail: str) -> None:
    """Remember, or forget, what is wrong with one device of a lane."""
    if detail:
        state.details[device] = detail
    else:
        state.details.pop(device, None)


def timing_of(section: LaneSection) -> Timing:
    """How a configured lane waits."""
    return Timing(
        passage_wait_s=section.passage_wait_s,
        has_contact=section.passage != "assumed",
        leads_out=section.direction is Direction.EXIT,
    )
