"""The table of a lane: from each state, by each event, to which state, and what is done. Data alone.

``edge.lane`` reads it at run time, ``scripts.lane_table`` draws docs/lanes.md from it: neither can differ from the
other. Of the rows for one state and event the first whose condition holds is taken; where none is, nothing changes.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a lane is: six states of who walks, and four that stand above them while they last."""

    LOCKED = "locked"  # nobody is let through; reader live
    GRANTED = "granted"  # opened; waiting for somebody to walk, or to drive
    PASSING = "passing"  # somebody is in the lane
    HELD = "held"  # ... and stays there for too long
    FORCED = "forced"  # somebody is in the lane without a grant, or against the granted direction
    TAILGATE = "tailgate"  # somebody is in the lane close behind one who had a grant
    FREE = "free"  # people walk without being asked: it is held open
    BLOCKED = "blocked"  # its entry is closed by order; its exit opens
    EMERGENCY = "emergency"  # nobody is let in, everybody out
    FAULT = "fault"  # its board does not work


WALK: Final = (
    State.LOCKED,
    State.GRANTED,
    State.PASSING,
    State.HELD,
    State.FORCED,
    State.TAILGATE,
)
ABOVE: Final = (State.FAULT, State.EMERGENCY, State.FREE, State.BLOCKED)
"""What stands above the walk; the first that stands is what people are shown."""


class Event(StrEnum):
    """What grants, boards, people and timers report."""

    GRANTED = "granted"
    BY_HAND = "by_hand"  # a guard lets somebody through
    SHOWN_AGAIN = (
        "shown_again"  # who was let out has not gone, and asks again; that opening is sent beside this
    )
    NEXT = "next"  # the other direction is through: whoever waits for that is let through
    PULSE_DONE = "pulse_done"
    PULSE_NOT_DONE = "pulse_not_done"  # surely not executed
    PULSE_DOUBTFUL = "pulse_doubtful"  # perhaps executed; never repeated
    CONTACT_ACTIVE = "contact_active"
    CONTACT_CLEAR = "contact_clear"
    CONTACT_LOST = "contact_lost"  # its module does not answer: passages cannot be seen
    CONTACT_BACK = "contact_back"
    PASSED = "passed"  # a counter counted one person: in and out of the lane in one
    LET_OUT = "let_out"  # the exit button was pressed; hardware opens, this only knows
    DEADLINE = "deadline"
    FREED = "freed"
    GUARDED = "guarded"
    BLOCK = "block"
    UNBLOCK = "unblock"
    ALARM = "alarm"
    ALL_CLEAR = "all_clear"
    BROKEN = "broken"
    MENDED = "mended"


BEGINS: Final = {
    Event.FREED: State.FREE,
    Event.BLOCK: State.BLOCKED,
    Event.ALARM: State.EMERGENCY,
    Event.BROKEN: State.FAULT,
}
ENDS: Final = {
    Event.GUARDED: State.FREE,
    Event.UNBLOCK: State.BLOCKED,
    Event.ALL_CLEAR: State.EMERGENCY,
    Event.MENDED: State.FAULT,
}
PARTS: Final[dict[Event, tuple[Event, ...]]] = {
    Event.BY_HAND: (Event.GRANTED,),
    Event.NEXT: (),  # the machine says it to itself
    Event.CONTACT_LOST: (Event.CONTACT_CLEAR,),  # whoever was in the lane is not seen there any more
    Event.PASSED: (Event.CONTACT_ACTIVE, Event.CONTACT_CLEAR),
}
"""Events that are others, one after the other, or nothing."""


class Effect(StrEnum):
    """What the shell carries out. Those that speak of one grant come with its token."""

    PULSE = "open"
    CLOSE = "close"  # the arm of a barrier that does not come down by itself
    RECORD_PASSAGE = "record a passage"
    RECORD_ASSUMED = "record an assumed passage"
    RECORD_NO_SHOW = "record a no-show"
    RECORD_LET_OUT = "record somebody who left by the button"
    RECORD_FREE = "record somebody who walked through a free lane"
    RAISE_FORCED = "alarm: forced"
    RAISE_TAILGATE = "alarm: tailgate"
    RAISE_AGAINST = "alarm: against the granted direction"
    RAISE_HELD = "alarm: held open"
    CLEAR_ALARM = "end the alarm"


class Act(StrEnum):
    """What is done with grants; most come with an effect."""

    OPEN = "open for it; it waits for its walk"
    QUEUE = "it waits until the other direction is through, exits first"
    OPEN_QUEUED = "open for the first that waits for the other direction"
    TURN_AWAY = "no opening; record a no-show"
    TAKE = "the oldest grant of that direction is a passage"
    TAKE_THIS = "open, and its grant is a passage at once"
    GIVE_BACK = "its grant is a no-show"
    ASSUME = "its grant is an assumed passage"
    GIVE_UP = "each grant is a no-show; or an assumed passage, where the contact cannot tell"
    EXPECT_ONE = "whoever walks next was let out"
    FOLLOWED = "whoever follows at once is a tailgate"
    CLOSE = "close a barrier that has to be closed, unless a vehicle may be under it"


class When(StrEnum):
    """Conditions of rows."""

    ALWAYS = ""
    TURNED_AWAY = "an entry in fault; or, unless by hand, one that is blocked, or lacks its vehicle"
    OTHER_WAY = (
        "somebody was let through the other way and has not walked yet; or, for an entry, an exit waits"
    )
    VEHICLE = "a vehicle stands at the barrier"
    BARRIER = "a barrier"
    DROVE_LAST = "a barrier whose input works, and nobody else has a grant"
    DROVE = "a barrier whose input works"
    DROVE_OUT = "a barrier, and the button was pressed just before"
    DROVE_FREE = "a barrier that is free, or in an emergency"
    WAITS_ALONE = "it waits for its walk, and nobody for the other direction"
    WAITS = "it waits for its walk"
    NO_CONTACT = "no contact, and it waits"
    NO_CONTACT_LAST = "no contact, and nobody else waits"
    LOST = "an entry, or no contact; and it waits"
    LOST_LAST = "an entry, or no contact; and nobody else waits"
    EXPECTED = "somebody has a grant of that direction"
    LET_OUT = "the button was pressed just before, and nobody used it"
    FREE = "free, or an emergency"
    AGAINST = "only the other direction was granted"
    CLOSE_BEHIND = "a grant or its walk was just before"
    TOKENS = "somebody has a grant"


class Wait(StrEnum):
    """When the state after a row ends by itself."""

    KEEP = "as before"
    NEVER = "never"
    PASSAGE = "passage wait"
    HELD = "held-open wait"
    PASSAGE_IF_ANY = "passage wait, where somebody has a grant"


@dataclass(frozen=True, slots=True)
class Row:
    """In each of ``states``, by ``event``, where ``when`` holds: to ``to`` (None: it stays), doing ``does``."""

    states: tuple[State, ...]
    event: Event
    when: When
    to: State | None
    does: tuple[Act | Effect, ...] = ()
    wait: Wait = Wait.KEEP


_L, _G, _P, _H, _F, _T = WALK
_WITHIN: Final = (_P, _H, _F, _T)  # somebody is in the lane
_UNASKED: Final = (_F, _T)  # ... without a grant

ROWS: Final = (
    Row(WALK, Event.GRANTED, When.TURNED_AWAY, None, (Act.TURN_AWAY,)),
    Row((_L, _G), Event.GRANTED, When.VEHICLE, _P, (Act.OPEN,), Wait.HELD),
    Row((_G,), Event.GRANTED, When.OTHER_WAY, None, (Act.QUEUE,)),
    Row((_L, _G), Event.GRANTED, When.ALWAYS, _G, (Act.OPEN,), Wait.PASSAGE),
    Row((_P,), Event.GRANTED, When.ALWAYS, None, (Act.OPEN,)),
    # The contact is stuck and will not tell: after the wait they count as gone through.
    Row((_H,), Event.GRANTED, When.ALWAYS, None, (Act.OPEN,), Wait.PASSAGE),
    # Who stands in the lane has shown a code after all.
    Row(_UNASKED, Event.GRANTED, When.ALWAYS, _P, (Act.TAKE_THIS,), Wait.HELD),
    Row((_L,), Event.NEXT, When.ALWAYS, _G, (Act.OPEN_QUEUED,), Wait.PASSAGE),
    Row((_G,), Event.NEXT, When.ALWAYS, None, (Act.OPEN_QUEUED,), Wait.PASSAGE),
    Row((_P, _F, _T), Event.NEXT, When.ALWAYS, None, (Act.OPEN_QUEUED,)),
    Row((_H,), Event.NEXT, When.ALWAYS, None, (Act.OPEN_QUEUED,), Wait.PASSAGE),
    Row((_G, _H), Event.SHOWN_AGAIN, When.WAITS_ALONE, None, (Act.FOLLOWED,), Wait.PASSAGE),
    Row(WALK, Event.SHOWN_AGAIN, When.WAITS, None, (Act.FOLLOWED,)),
    Row(WALK, Event.SHOWN_AGAIN, When.ALWAYS, None, (Act.EXPECT_ONE,)),
    Row((_G,), Event.PULSE_NOT_DONE, When.LOST_LAST, _L, (Act.GIVE_BACK,), Wait.NEVER),
    Row(WALK, Event.PULSE_NOT_DONE, When.LOST, None, (Act.GIVE_BACK,)),
    Row((_G,), Event.PULSE_DONE, When.NO_CONTACT_LAST, _L, (Act.ASSUME,), Wait.NEVER),
    Row(WALK, Event.PULSE_DONE, When.NO_CONTACT, None, (Act.ASSUME,)),
    Row((_G,), Event.PULSE_DOUBTFUL, When.NO_CONTACT_LAST, _L, (Act.ASSUME,), Wait.NEVER),
    Row(WALK, Event.PULSE_DOUBTFUL, When.NO_CONTACT, None, (Act.ASSUME,)),
    Row((_L,), Event.CONTACT_ACTIVE, When.BARRIER, None),
    Row((_G,), Event.CONTACT_ACTIVE, When.BARRIER, _P, (), Wait.HELD),
    Row((_L, _G), Event.CONTACT_ACTIVE, When.EXPECTED, _P, (Act.TAKE,), Wait.HELD),
    Row((_L, _G), Event.CONTACT_ACTIVE, When.LET_OUT, _P, (Effect.RECORD_LET_OUT,), Wait.HELD),
    Row((_L, _G), Event.CONTACT_ACTIVE, When.FREE, _P, (Effect.RECORD_FREE,), Wait.HELD),
    Row((_L, _G), Event.CONTACT_ACTIVE, When.AGAINST, _F, (Effect.RAISE_AGAINST,), Wait.HELD),
    Row((_L, _G), Event.CONTACT_ACTIVE, When.CLOSE_BEHIND, _T, (Effect.RAISE_TAILGATE,), Wait.HELD),
    Row((_L, _G), Event.CONTACT_ACTIVE, When.ALWAYS, _F, (Effect.RAISE_FORCED,), Wait.HELD),
    Row((_L,), Event.CONTACT_CLEAR, When.DROVE_OUT, None, (Effect.RECORD_LET_OUT, Act.CLOSE)),
    Row((_L,), Event.CONTACT_CLEAR, When.DROVE_FREE, None, (Effect.RECORD_FREE,)),
    Row((_P,), Event.CONTACT_CLEAR, When.DROVE_LAST, _L, (Act.TAKE, Act.CLOSE), Wait.NEVER),
    Row((_P,), Event.CONTACT_CLEAR, When.DROVE, _G, (Act.TAKE,), Wait.PASSAGE),
    Row(
        (_H,),
        Event.CONTACT_CLEAR,
        When.DROVE_LAST,
        _L,
        (Effect.CLEAR_ALARM, Act.TAKE, Act.CLOSE),
        Wait.NEVER,
    ),
    Row((_H,), Event.CONTACT_CLEAR, When.DROVE, _G, (Effect.CLEAR_ALARM, Act.TAKE), Wait.PASSAGE),
    Row((_P,), Event.CONTACT_CLEAR, When.TOKENS, _G, (Act.FOLLOWED,), Wait.PASSAGE),
    Row((_P,), Event.CONTACT_CLEAR, When.ALWAYS, _L, (Act.FOLLOWED,), Wait.NEVER),
    Row((_H,), Event.CONTACT_CLEAR, When.TOKENS, _G, (Effect.CLEAR_ALARM,), Wait.PASSAGE),
    Row((_H,), Event.CONTACT_CLEAR, When.ALWAYS, _L, (Effect.CLEAR_ALARM,), Wait.NEVER),
    Row(_UNASKED, Event.CONTACT_CLEAR, When.TOKENS, _G, (), Wait.PASSAGE),
    Row(_UNASKED, Event.CONTACT_CLEAR, When.ALWAYS, _L, (), Wait.NEVER),
    Row((_G,), Event.DEADLINE, When.ALWAYS, _L, (Act.GIVE_UP, Act.CLOSE), Wait.NEVER),
    Row((_P, _F, _T), Event.DEADLINE, When.ALWAYS, _H, (Effect.RAISE_HELD,), Wait.PASSAGE_IF_ANY),
    Row((_H,), Event.DEADLINE, When.ALWAYS, None, (Act.GIVE_UP,), Wait.NEVER),
)

TRANSITIONS: Final = {
    (state, event): tuple(row for row in ROWS if row.event is event and state in row.states)
    for state in WALK
    for event in Event
}
"""The same rows by state and event."""
