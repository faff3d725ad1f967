"""What the gate keeps for each of its lanes beside the pure machine: who was let through, and how its devices are."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from drivers.gate.hardware import LaneSection
from edge.lane import Lane, Traits
from edge.lane_table import State
from passes.check import Meant
from passes.claims import Claims
from passes.vocabulary import Direction

NEVER = float("-inf")
UNHEARD = Lane(above=frozenset({State.FAULT}))  # until its board has said something


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
class Opening:
    """What people walk through: one machine, and the lanes that lead through it, one or one for each direction."""

    traits: Traits
    lane: Lane = UNHEARD
    ways: list["LaneState"] = field(default_factory=list)

    def way(self, direction: Direction) -> "LaneState":
        """The lane of that direction; the only one where there is but one."""
        return next((one for one in self.ways if one.section.direction is direction), self.ways[0])

    @property
    def is_told_by_contacts(self) -> bool:
        """Whether each direction has a contact, or a side, of its own."""
        places = {(one.section.senses, one.section.side) for one in self.ways}
        return len(places) == len(self.ways) > 1


@dataclass(slots=True)
class LaneState:
    """One lane's running state beside the machine: who used it last, who waits, what its devices do."""

    section: LaneSection
    opening: Opening
    readers: dict[str, bool] = field(default_factory=dict)  # whether each works, as far as it was heard of
    details: dict[str, str] = field(default_factory=dict)  # what is wrong, by device
    last_pass: str | None = None
    last_pass_s: float = 0.0
    last_shown_at: int | None = None
    last_grant_s: float = NEVER
    turned_aside: bool = False  # a code was shown while somebody else was walking
    held: Held | None = None

    @property
    def lane(self) -> Lane:
        """The machine of its opening."""
        return self.opening.lane

    @property
    def traits(self) -> Traits:
        """What kind of opening it leads through."""
        return self.opening.traits

    @property
    def blocked(self) -> bool:
        """Whether no pass is granted an entry here, until somebody unblocks it."""
        return State.BLOCKED in self.lane.above and self.section.direction is Direction.ENTRY

    @property
    def lacks_vehicle(self) -> bool:
        """Whether an entry would be granted here, were there a vehicle."""
        lane = self.lane
        return self.section.needs_presence and not (lane.occupied or lane.blind)

    @property
    def must_stay_open(self) -> bool:
        """Whether a vehicle may be under the arm of this barrier."""
        return self.traits.barrier and (self.lane.occupied or self.lane.blind)

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


def openings(sections: Iterable[LaneSection]) -> list[Opening]:
    """What the configured lanes lead through, each with its lanes."""
    found: dict[str, Opening] = {}
    for section in sections:
        opening = found.setdefault(section.opening, Opening(traits_of(section)))
        opening.ways.append(LaneState(section, opening))
        opening.traits = _of_both(opening.traits, traits_of(section))
    return list(found.values())


def traits_of(section: LaneSection) -> Traits:
    """What kind of lane a configured one is."""
    return Traits(
        passage_wait_s=section.passage_wait_s,
        has_contact=section.passage != "assumed",
        barrier=section.kind == "barrier",
        needs_presence=section.needs_presence,
        closes=section.close is not None,
    )


def _of_both(first: Traits, second: Traits) -> Traits:
    """Only an entry can need a vehicle, so that either way may say it."""
    return replace(first, needs_presence=first.needs_presence or second.needs_presence)
