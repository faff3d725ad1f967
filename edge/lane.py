"""One lane as a pure state machine, without clock, port or journal: events in, effects out.

A grant puts a token into the lane. People walk in the order in which they were let in, so a passage takes the oldest
token, and tokens that are left when the wait is over are no-shows. Who walks without one was let out by the button, or
uses a lane that is free, or came close behind somebody (a tailgate), or forced it. A vehicle has passed when it has
left the presence input behind. Through a lane that leads both ways, one direction is let at a time: whoever leaves
waits for somebody who is about to come in, and for no longer than that takes.

What follows from what is a table (``edge.lane_table``); here is what its conditions and acts mean. Whether an event may
be granted at all is decided before; a lane that is blocked or in fault turns an entry away all the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from edge.lane_table import ABOVE, BEGINS, ENDS, PARTS, TRANSITIONS, Act, Effect, Event, State, Wait, When
from passes.vocabulary import Direction

MAX_TOKENS: Final = 32  # more people than a lane holds; only a queue of held-up codes gets here
NEVER: Final = float("-inf")

Effects = tuple[tuple[Effect, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What kind of lane this is, and how it waits, in seconds.

    Args:
        passage_wait_s: How long a grant waits for its walk.
        held_open_after_s: Somebody in the lane for longer than this is an alarm.
        has_contact: Whether a contact, counter or presence input reports passages.
        close_behind_s: Whoever follows within this came with the one before.
        barrier: The contact is a presence input: active means a vehicle, and its end is the passage.
        needs_presence: An entry is granted only to a vehicle that stands there.
        closes: Its arm comes down by an order, and not by itself.
    """

    passage_wait_s: float = 5.0
    held_open_after_s: float = 30.0
    has_contact: bool = True
    close_behind_s: float = 0.25
    barrier: bool = False
    needs_presence: bool = False
    closes: bool = False


class Token(NamedTuple):
    """A grant that nobody has walked for yet, and its direction."""

    id: str
    way: Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The lane between two events.

    Args:
        walk: Who walks: one of ``lane_table.WALK``.
        above: What stands above that.
        opened: Grants for which it was opened, the oldest first.
        queued: Grants that wait until the other direction is through: exits first, the oldest before the others.
        deadline_s: When the state ends by itself.
        blind: Its passage contact does not answer.
        occupied: Its contact is active.
        let_out_until_s: Until then the next passage is somebody who pressed the exit button.
        followed_until_s: Whoever walks without a grant until then comes behind somebody who had one.
    """

    walk: State = State.LOCKED
    above: frozenset[State] = frozenset()
    opened: tuple[Token, ...] = ()
    queued: tuple[Token, ...] = ()
    deadline_s: float | None = None
    blind: bool = False
    occupied: bool = False
    let_out_until_s: float | None = None
    followed_until_s: float = field(default=NEVER, compare=False)  # a memory, and no state

    @property
    def state(self) -> State:
        """What people are shown: what stands above the walk, or the walk."""
        return next((one for one in ABOVE if one in self.above), self.walk)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The grants that nobody has walked for yet, the oldest first."""
        return tuple(token.id for token in (*self.opened, *self.queued))

    @property
    def free(self) -> bool:
        """Whether people walk without being asked."""
        return bool(self.above & {State.FREE, State.EMERGENCY})

    def may_close(self) -> bool:
        """Whether nobody can be under the arm of this barrier, as far as its presence input tells."""
        return not (self.occupied or self.blind or self.free or self.opened or self.queued)


class _Now(NamedTuple):
    """One event with all that it brings."""

    cause: Event
    event: Event  # the cause, or a part of it
    at_s: float
    traits: Traits
    token: str
    way: Direction | None


def step(
    lane: Lane, event: Event, now_s: float, traits: Traits, token: str = "", *, way: Direction | None = None
) -> tuple[Lane, Effects]:
    """Advance one lane by one event.

    Args:
        lane: The lane before the event.
        event: What happened.
        now_s: Monotonic time of the event, in seconds.
        traits: What kind of lane this is.
        token: The stay or scan that a grant, or the end of a pulse, is about.
        way: The direction that a grant is for, or in which somebody was seen to walk; None where nothing tells it
            (a grant without a direction is for the entry).

    Returns:
        The lane after the event and the effects to carry out, in order. Boards can report anything at any time: what
        does not fit changes nothing and never raises.
    """
    now = _Now(event, event, now_s, traits, token, way)
    if event is Event.DEADLINE and (lane.deadline_s is None or now_s < lane.deadline_s):
        return lane, ()
    lane, effects = _remembering(lane, now), Effects()
    for part in PARTS.get(event, (event,)):
        lane, more = _taken(lane, now._replace(event=part))
        effects += more
        while lane.queued and not _other_way(lane, lane.queued[0].way):
            lane, more = _taken(lane, now._replace(event=Event.NEXT))
            effects += more
    return lane, effects


def in_place_of(lane: Lane, earlier: str, token: str) -> Lane:
    """The lane with ``token`` where ``earlier`` stood: people walk in the order in which they were let in."""
    if token not in lane.tokens:
        return lane  # nobody waits by it: its pulse failed for sure

    def renamed(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
        others = (one for one in tokens if one.id != token)
        return tuple(one._replace(id=token) if one.id == earlier else one for one in others)

    return replace(lane, opened=renamed(lane.opened), queued=renamed(lane.queued))


def _remembering(lane: Lane, now: _Now) -> Lane:
    """What an event says by itself, whatever the state."""
    match now.event:
        case Event.CONTACT_ACTIVE | Event.CONTACT_CLEAR:
            return replace(lane, occupied=now.event is Event.CONTACT_ACTIVE)
        case Event.CONTACT_LOST | Event.CONTACT_BACK:
            return replace(lane, blind=now.event is Event.CONTACT_LOST, occupied=False)
        case Event.LET_OUT:
            until_s = now.at_s + now.traits.passage_wait_s
            return replace(lane, let_out_until_s=until_s, followed_until_s=until_s)
        case began if began in BEGINS:
            return replace(lane, above=lane.above | {BEGINS[began]})
        case ended if ended in ENDS:
            return replace(lane, above=lane.above - {ENDS[ended]})
        case _:
            return lane


def _taken(lane: Lane, now: _Now) -> tuple[Lane, Effects]:
    """The lane behind the first row that fits."""
    rows = TRANSITIONS[lane.walk, now.event]
    row = next((row for row in rows if CONDITIONS[row.when](lane, now)), None)
    if row is None:
        return lane, ()
    effects = Effects()
    for act in row.does:
        if isinstance(act, Effect):
            effects += ((act, ""),)
            if act is Effect.RECORD_LET_OUT:
                lane = replace(lane, let_out_until_s=None)
        else:
            lane, more = ACTS[act](lane, now)
            effects += more
    lane = replace(lane, walk=row.to or lane.walk)
    return replace(lane, deadline_s=_deadline_s(lane, row.wait, now)), effects


def _deadline_s(lane: Lane, wait: Wait, now: _Now) -> float | None:
    match wait:
        case Wait.KEEP:
            return lane.deadline_s
        case Wait.HELD:
            return now.at_s + now.traits.held_open_after_s
        case Wait.PASSAGE:
            return now.at_s + now.traits.passage_wait_s
        case Wait.PASSAGE_IF_ANY if lane.opened:
            return now.at_s + now.traits.passage_wait_s
        case _:
            return None


# -- conditions


def _entry(now: _Now) -> bool:
    return now.way is not Direction.EXIT


def _turned_away(lane: Lane, now: _Now) -> bool:
    missing = now.traits.barrier and now.traits.needs_presence and not (lane.occupied or lane.blind)
    by_pass = now.cause is Event.GRANTED  # whoever stands at the lane sees it, and decides
    return _entry(now) and (
        State.FAULT in lane.above or (by_pass and (missing or State.BLOCKED in lane.above))
    )


def _other_way(lane: Lane, way: Direction | None) -> bool:
    if lane.walk is not State.GRANTED or lane.free or len(lane.queued) >= MAX_TOKENS:
        return False
    leaving = way is Direction.ENTRY and any(token.way is Direction.EXIT for token in lane.queued)
    return leaving or any(token.way is not way for token in lane.opened)


def _waits(lane: Lane, now: _Now) -> bool:
    return any(token.id == now.token for token in lane.opened)


def _last(lane: Lane) -> bool:
    return len(lane.opened) <= 1


def _no_contact(lane: Lane, now: _Now) -> bool:
    return _waits(lane, now) and not now.traits.has_contact


def _lost(lane: Lane, now: _Now) -> bool:
    """At an exit somebody may walk although the pulse failed (by button or key), so the token waits for the contact."""
    entry = any(token == (now.token, Direction.ENTRY) for token in lane.opened)
    return _waits(lane, now) and (entry or not now.traits.has_contact)


def _drove(lane: Lane, now: _Now) -> bool:
    return now.traits.barrier and not lane.blind


def _fits(token: Token, now: _Now) -> bool:
    """Whether a grant is of the direction that was seen; under the arm of a barrier none is."""
    return now.traits.barrier or now.way is None or token.way is now.way


def _let_out(lane: Lane, now: _Now) -> bool:
    leaves = now.way is not Direction.ENTRY
    return leaves and lane.let_out_until_s is not None and now.at_s <= lane.let_out_until_s


CONDITIONS: Final[dict[When, Callable[[Lane, _Now], bool]]] = {
    When.ALWAYS: lambda _lane, _now: True,
    When.TURNED_AWAY: _turned_away,
    When.OTHER_WAY: lambda lane, now: _other_way(lane, now.way or Direction.ENTRY),
    When.VEHICLE: lambda lane, now: now.traits.barrier and lane.occupied,
    When.BARRIER: lambda _lane, now: now.traits.barrier,
    When.DROVE_LAST: lambda lane, now: _drove(lane, now) and _last(lane),
    When.DROVE: _drove,
    When.DROVE_OUT: lambda lane, now: _drove(lane, now) and _let_out(lane, now),
    When.DROVE_FREE: lambda lane, now: _drove(lane, now) and lane.free,
    When.WAITS_ALONE: lambda lane, now: now.token in lane.tokens and not lane.queued,
    When.WAITS: lambda lane, now: now.token in lane.tokens,
    When.NO_CONTACT: _no_contact,
    When.NO_CONTACT_LAST: lambda lane, now: _no_contact(lane, now) and _last(lane),
    When.LOST: _lost,
    When.LOST_LAST: lambda lane, now: _lost(lane, now) and _last(lane),
    When.EXPECTED: lambda lane, now: any(_fits(token, now) for token in lane.opened),
    When.LET_OUT: _let_out,
    When.FREE: lambda lane, _now: lane.free,
    When.AGAINST: lambda lane, now: now.way is not None and bool(lane.opened),
    When.CLOSE_BEHIND: lambda lane, now: now.at_s <= lane.followed_until_s,
    When.TOKENS: lambda lane, _now: bool(lane.opened),
}


# -- acts


def _granted(now: _Now) -> Token:
    return Token(now.token, now.way or Direction.ENTRY)


def _open(lane: Lane, now: _Now) -> tuple[Lane, Effects]:
    return _opened(lane, _granted(now), now)


def _opened(lane: Lane, token: Token, now: _Now) -> tuple[Lane, Effects]:
    before, opened = Effects(), lane.opened
    if len(opened) >= MAX_TOKENS:
        before, opened = ((_unseen(lane, now), opened[0].id),), opened[1:]
    after = replace(lane, opened=(*opened, token), followed_until_s=now.at_s + now.traits.passage_wait_s)
    return after, (*before, (Effect.PULSE, token.id))


def _queue(lane: Lane, now: _Now) -> tuple[Lane, Effects]:
    queued = sorted((*lane.queued, _granted(now)), key=lambda token: token.way is Direction.ENTRY)
    return replace(lane, queued=tuple(queued)), ()


def _open_queued(lane: Lane, now: _Now) -> tuple[Lane, Effects]:
    return _opened(replace(lane, queued=lane.queued[1:]), lane.queued[0], now)


def _take(lane: Lane, now: _Now) -> tuple[Lane, Effects]:
    found = next((token for token in lane.opened if _fits(token, now)), None)
    if found is None:
        return lane, ()
    rest = tuple(token for token in lane.opened if token != found)
    return replace(lane, opened=rest), ((Effect.RECORD_PASSAGE, found.id),)


def _take_this(lane: Lane, now: _Now) -> tuple[Lane, Effects]:
    followed = replace(lane, followed_until_s=now.at_s + now.traits.passage_wait_s)
    return followed, ((Effect.PULSE, now.token), (Effect.RECORD_PASSAGE, now.token))


def _without(effect: Effect) -> Callable[[Lane, _Now], tuple[Lane, Effects]]:
    def ended(lane: Lane, now: _Now) -> tuple[Lane, Effects]:
        rest = tuple(token for token in lane.opened if token.id != now.token)
        return replace(lane, opened=rest), ((effect, now.token),)

    return ended


def _give_up(lane: Lane, now: _Now) -> tuple[Lane, Effects]:
    return replace(lane, opened=()), tuple((_unseen(lane, now), token.id) for token in lane.opened)


def _unseen(lane: Lane, now: _Now) -> Effect:
    """What a token comes to whose walk nobody reported: only a contact that works can say that nobody walked."""
    can_tell = now.traits.has_contact and not lane.blind and lane.walk is not State.HELD
    return Effect.RECORD_NO_SHOW if can_tell else Effect.RECORD_ASSUMED


def _expect_one(lane: Lane, now: _Now) -> tuple[Lane, Effects]:
    until_s = now.at_s + now.traits.passage_wait_s
    let_out = until_s if now.traits.has_contact else lane.let_out_until_s
    return replace(lane, followed_until_s=until_s, let_out_until_s=let_out), ()


def _followed(lane: Lane, now: _Now) -> tuple[Lane, Effects]:
    shown = now.event is Event.SHOWN_AGAIN
    until_s = now.at_s + (now.traits.passage_wait_s if shown else now.traits.close_behind_s)
    return replace(lane, followed_until_s=max(lane.followed_until_s, until_s)), ()


def _close(lane: Lane, now: _Now) -> tuple[Lane, Effects]:
    return lane, (((Effect.CLOSE, ""),) if now.traits.closes and lane.may_close() else ())


ACTS: Final[dict[Act, Callable[[Lane, _Now], tuple[Lane, Effects]]]] = {
    Act.OPEN: _open,
    Act.QUEUE: _queue,
    Act.OPEN_QUEUED: _open_queued,
    Act.TURN_AWAY: lambda lane, now: (lane, ((Effect.RECORD_NO_SHOW, now.token),)),
    Act.TAKE: _take,
    Act.TAKE_THIS: _take_this,
    Act.GIVE_BACK: _without(Effect.RECORD_NO_SHOW),
    Act.ASSUME: _without(Effect.RECORD_ASSUMED),
    Act.GIVE_UP: _give_up,
    Act.EXPECT_ONE: _expect_one,
    Act.FOLLOWED: _followed,
    Act.CLOSE: _close,
}
