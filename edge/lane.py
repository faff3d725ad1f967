"""One lane as a pure state machine, without clock, port or journal: events in, effects out.

A grant puts a token into the lane. People walk in the order in which they were let in, so a passage takes the oldest
token, and tokens that are left when the wait is over are no-shows. Who walks without one was let out by the button, or
uses a lane that is free, or came close behind somebody (a tailgate), or forced it. Whether an event may be granted at
all is decided before: an entry lane takes one token at a time, an exit lane takes each.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, assert_never

MAX_TOKENS: Final = 32  # more people than a lane holds; only a queue of held-up codes gets here


class State(StrEnum):
    """Where the lane is."""

    READY = "ready"  # nobody is let in; reader live
    GRANTED = "granted"  # opened; waiting for somebody to walk
    PASSING = "passing"  # somebody is in the lane
    HELD = "held"  # ... and stays there for too long
    FORCED = "forced"  # somebody is in the lane without a grant


class Event(StrEnum):
    """What grants, boards and timers report."""

    GRANTED = "granted"
    SHOWN_AGAIN = (
        "shown_again"  # who was let out has not gone, and asks again; the opening is sent beside this
    )
    PULSE_DONE = "pulse_done"
    PULSE_NOT_DONE = "pulse_not_done"  # surely not executed
    PULSE_DOUBTFUL = "pulse_doubtful"  # perhaps executed; never repeated
    CONTACT_ACTIVE = "contact_active"
    CONTACT_CLEAR = "contact_clear"
    CONTACT_LOST = "contact_lost"  # its module does not answer: passages cannot be seen
    CONTACT_BACK = "contact_back"
    PASSED = "passed"  # a counter counted one person: in and out of the lane in one
    LET_OUT = "let_out"  # the exit button was pressed; hardware opens, this only knows
    FREED = "freed"  # from now on people walk without being asked: held open, or an emergency
    GUARDED = "guarded"  # ... and no longer
    DEADLINE = "deadline"


class Effect(StrEnum):
    """What the shell carries out. Those that speak of one grant come with its token."""

    PULSE = "pulse"
    RECORD_PASSAGE = "record_passage"
    RECORD_ASSUMED = "record_assumed"
    RECORD_NO_SHOW = "record_no_show"
    RECORD_LET_OUT = "record_let_out"  # somebody left by the button
    RECORD_FREE = "record_free"  # somebody walked through a lane that is free
    RAISE_FORCED = "raise_forced"
    RAISE_TAILGATE = "raise_tailgate"
    RAISE_HELD = "raise_held"
    CLEAR_ALARM = "clear_alarm"


Effects = tuple[tuple[Effect, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How a lane waits, in seconds, whether a contact or counter reports passages, and whether it leads out.

    At an exit somebody may walk although the pulse failed (by button or key), so the token waits for the contact.
    """

    passage_wait_s: float = 5.0
    held_open_after_s: float = 30.0
    has_contact: bool = True
    leads_out: bool = False
    close_behind_s: float = 0.25  # whoever follows within this came with the one before


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The lane between two events.

    Args:
        state: Where it is.
        tokens: Grants that nobody has walked for yet, the oldest first.
        deadline_s: When the state ends by itself.
        blind: Its passage contact does not answer.
        free: People walk without being asked.
        let_out_until_s: Until then the next passage is somebody who pressed the exit button.
        followed_until_s: Whoever walks without a grant until then comes behind somebody who had one.
    """

    state: State = State.READY
    tokens: tuple[str, ...] = ()
    deadline_s: float | None = None
    blind: bool = False
    free: bool = False
    let_out_until_s: float | None = None
    followed_until_s: float = field(default=float("-inf"), compare=False)  # a memory, and no state


def step(lane: Lane, event: Event, now_s: float, timing: Timing, token: str = "") -> tuple[Lane, Effects]:
    """Advance one lane by one event.

    Args:
        lane: The lane before the event.
        event: What happened.
        now_s: Monotonic time of the event, in seconds.
        timing: How this lane waits.
        token: The stay or scan that a grant, or the end of a pulse, is about.

    Returns:
        The lane after the event and the effects to carry out, in order. Boards can report anything at any time: what
        does not fit changes nothing and never raises.
    """
    match event:
        case Event.GRANTED:
            return _granted(lane, now_s, timing, token)
        case Event.SHOWN_AGAIN:
            return _shown_again(lane, now_s, timing, token), ()
        case Event.PULSE_DONE | Event.PULSE_DOUBTFUL | Event.PULSE_NOT_DONE:
            return _pulse_ended(lane, event, timing, token)
        case Event.CONTACT_ACTIVE:
            return _contact_active(lane, now_s, timing)
        case Event.CONTACT_CLEAR:
            return _contact_clear(lane, now_s, timing)
        case Event.CONTACT_LOST:
            after, effects = _contact_clear(lane, now_s, timing)
            return replace(after, blind=True), effects
        case Event.PASSED:
            within, walked = _contact_active(lane, now_s, timing)
            after, cleared = _contact_clear(within, now_s, timing)
            return after, (*walked, *cleared)
        case Event.CONTACT_BACK | Event.LET_OUT | Event.FREED | Event.GUARDED:
            return _told(lane, event, now_s, timing), ()
        case Event.DEADLINE:
            return _deadline(lane, now_s, timing)
        case _:
            assert_never(event)


def _told(lane: Lane, event: Event, now_s: float, timing: Timing) -> Lane:
    """What changes nothing by itself, and only what comes next means."""
    if event is Event.CONTACT_BACK:
        return replace(lane, blind=False)
    if event is Event.LET_OUT:
        until_s = now_s + timing.passage_wait_s
        return replace(lane, let_out_until_s=until_s, followed_until_s=until_s)
    return replace(lane, free=event is Event.FREED)


def _pulse_ended(lane: Lane, event: Event, timing: Timing, token: str) -> tuple[Lane, Effects]:
    if token not in lane.tokens:
        return lane, ()
    if event is Event.PULSE_NOT_DONE:
        if timing.leads_out and timing.has_contact:
            return lane, ()
        return _without(lane, token), ((Effect.RECORD_NO_SHOW, token),)
    if timing.has_contact:
        return lane, ()
    return _without(lane, token), ((Effect.RECORD_ASSUMED, token),)


def _granted(lane: Lane, now_s: float, timing: Timing, token: str) -> tuple[Lane, Effects]:
    before: Effects = ()
    tokens = lane.tokens
    if len(tokens) >= MAX_TOKENS:
        before, tokens = ((_unseen(lane, timing), tokens[0]),), tokens[1:]
    pulse: Effects = (*before, (Effect.PULSE, token))
    wait_until_s = now_s + timing.passage_wait_s
    lane = replace(lane, followed_until_s=wait_until_s)
    match lane.state:
        case State.READY | State.GRANTED:
            return replace(lane, state=State.GRANTED, tokens=(*tokens, token), deadline_s=wait_until_s), pulse
        case State.PASSING:
            return replace(lane, tokens=(*tokens, token)), pulse
        case State.HELD:  # the contact is stuck and will not tell: after the wait they count as gone through
            return replace(lane, tokens=(*tokens, token), deadline_s=wait_until_s), pulse
        case State.FORCED:  # who stands in the lane has shown a code after all
            held_at_s = now_s + timing.held_open_after_s
            after = replace(lane, state=State.PASSING, tokens=tokens, deadline_s=held_at_s)
            return after, (*pulse, (Effect.RECORD_PASSAGE, token))
        case _:
            assert_never(lane.state)


def _shown_again(lane: Lane, now_s: float, timing: Timing, token: str) -> Lane:
    """The wait for a token begins anew; without one, whoever walks next is somebody who was let out."""
    wait_until_s = now_s + timing.passage_wait_s
    lane = replace(lane, followed_until_s=wait_until_s)
    if token not in lane.tokens:
        return replace(lane, let_out_until_s=wait_until_s if timing.has_contact else lane.let_out_until_s)
    waits = lane.state in {State.GRANTED, State.HELD}
    return replace(lane, deadline_s=wait_until_s if waits else lane.deadline_s)


def _unseen(lane: Lane, timing: Timing) -> Effect:
    """What a token comes to whose walk nobody reported: only a contact that works can say that nobody walked."""
    can_tell = timing.has_contact and not lane.blind and lane.state is not State.HELD
    return Effect.RECORD_NO_SHOW if can_tell else Effect.RECORD_ASSUMED


def _without(lane: Lane, token: str) -> Lane:
    tokens = tuple(other for other in lane.tokens if other != token)
    if tokens or lane.state is not State.GRANTED:
        return replace(lane, tokens=tokens)
    return replace(lane, state=State.READY, tokens=(), deadline_s=None)


def _contact_active(lane: Lane, now_s: float, timing: Timing) -> tuple[Lane, Effects]:
    if lane.state in {State.PASSING, State.HELD, State.FORCED}:
        return lane, ()
    deadline_s = now_s + timing.held_open_after_s
    within = replace(lane, state=State.PASSING, deadline_s=deadline_s)
    if lane.tokens:
        return replace(within, tokens=lane.tokens[1:]), ((Effect.RECORD_PASSAGE, lane.tokens[0]),)
    if lane.let_out_until_s is not None and now_s <= lane.let_out_until_s:
        return replace(within, let_out_until_s=None), ((Effect.RECORD_LET_OUT, ""),)
    if lane.free:
        return within, ((Effect.RECORD_FREE, ""),)
    alarm = Effect.RAISE_TAILGATE if now_s <= lane.followed_until_s else Effect.RAISE_FORCED
    return replace(within, state=State.FORCED), ((alarm, ""),)


def _contact_clear(lane: Lane, now_s: float, timing: Timing) -> tuple[Lane, Effects]:
    if lane.state not in {State.PASSING, State.HELD, State.FORCED}:
        return lane, ()
    cleared: Effects = ((Effect.CLEAR_ALARM, ""),) if lane.state is State.HELD else ()
    if lane.state is State.PASSING:
        lane = replace(lane, followed_until_s=max(lane.followed_until_s, now_s + timing.close_behind_s))
    if lane.tokens:
        return replace(lane, state=State.GRANTED, deadline_s=now_s + timing.passage_wait_s), cleared
    return replace(lane, state=State.READY, deadline_s=None), cleared


def _deadline(lane: Lane, now_s: float, timing: Timing) -> tuple[Lane, Effects]:
    if lane.deadline_s is None or now_s < lane.deadline_s:
        return lane, ()
    over = tuple((_unseen(lane, timing), token) for token in lane.tokens)
    match lane.state:
        case State.GRANTED:
            return replace(lane, state=State.READY, tokens=(), deadline_s=None), over
        case State.PASSING | State.FORCED:
            wait_until_s = now_s + timing.passage_wait_s if lane.tokens else None
            return replace(lane, state=State.HELD, deadline_s=wait_until_s), ((Effect.RAISE_HELD, ""),)
        case State.HELD:
            return replace(lane, tokens=(), deadline_s=None), over
        case State.READY:
            return replace(lane, deadline_s=None), ()
        case _:
            assert_never(lane.state)
