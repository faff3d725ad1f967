"""Lanes that are held open by hand: each hold has an end, and whoever watches the feed is told which.

What is wanted of a lane (``LaneState.held``: since whose order, and until when) is one thing; what its board was told
last, and said of that, is another. Outside an emergency a hold that its board does not have is over, and is not
asserted again. In an emergency no hold ends: what was held stays so until the reset. Its board is told to go on before
its time is over, and is told anew, by a new command and never too often, for as long as it does not say that it holds.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from os import urandom
from typing import Final

from drivers.model import AnyEvent, BoardCommand, Done, Hold, Outputs, Refused, Release, TimedOut
from edge.board_facts import BoardFacts
from edge.emergency import Emergency
from edge.feed import Feed
from edge.lane_state import Held, LaneState
from edge.lane_table import Event
from edge.lanes import Lanes
from passes.vocabulary import Direction
from shell.clock import Clock
from shell.logs import get_logger

log = get_logger("holds")

HOLD_S_MAX: Final = 900.0  # longer than any delivery; a lane that is to stay open has a key
RELEASE_AFTER_S: Final = 1.0  # the driver ends a hold by itself; this is for when it did not
RENEW_BEFORE_S: Final = 5.0  # a slow line, a deciding thread that was busy, and several attempts
AGAIN_S: Final = 0.25  # in an emergency, after the first attempt that failed; twice as long after each more
AGAIN_S_MAX: Final = 5.0
OUTCOME_WITHIN_S: Final = 10.0  # every driver says sooner what became of a command
_NEVER: Final = float("-inf")


@dataclass(slots=True)
class _Told:
    """What a board was told for one held lane, and what it said of that."""

    asked: str = ""  # the newest command, while nothing is known of it
    asked_s: float = _NEVER  # when
    asked_until_s: float = _NEVER  # ... and until when it would hold
    runs: str = ""  # the command by which the board holds, as it said
    runs_until_s: float = _NEVER
    opened: bool = False  # whether the lane was held, or perhaps
    failed: int = 0  # attempts since it was
    again_s: float = _NEVER  # no attempt before

    def fails(self, now_s: float) -> None:
        """An attempt came to nothing."""
        self.asked, self.failed = "", self.failed + 1
        self.again_s = now_s + min(AGAIN_S_MAX, AGAIN_S * 2 ** (min(self.failed, 10) - 1))

    def holds(self) -> None:
        """The board has taken the newest command."""
        self.runs, self.runs_until_s = self.asked, self.asked_until_s
        self.asked, self.opened, self.failed = "", True, 0


class Holds:
    """The holds that run. Not thread-safe: the deciding thread owns it.

    Args:
        facts: What each board said of itself.
        lanes, emergency, feed: The gate's.
        clock: Time.
        submit: Hands a command to a board; False when it was not taken.
    """

    def __init__(
        self,
        *,
        facts: dict[str, BoardFacts],
        lanes: Lanes,
        emergency: Emergency,
        feed: Feed,
        clock: Clock,
        submit: Callable[[str, BoardCommand], bool],
    ) -> None:
        self._facts, self._lanes, self._emergency, self._feed = facts, lanes, emergency, feed
        self._clock, self._submit = clock, submit
        self._told: dict[str, _Told] = {}  # by lane; one for each that is held
        self._ending: dict[str, tuple[str, str, str]] = {}  # by hold: why it ends, by whom, by which command
        self._to_open: set[str] = set()  # lanes whose hold is over, and whose board did not take the opening

    # -- what people do

    def stands(self, state: LaneState) -> bool:
        """Whether a lane is held, so that nobody need hold it: in an emergency only its board's word counts."""
        told = self._told.get(state.section.name)
        return told is not None and bool(told.runs or (told.asked and not self._emergency))

    def begin(self, state: LaneState, seconds: float, id_: str) -> Hold:
        """From now on people walk through this lane; the command that holds it."""
        before = self._told.get(state.section.name)
        if state.held is not None:
            self._over(state, state.held, "board")  # one that its board does not have
        state.held = Held(id=id_, until_s=self._clock.monotonic_s() + seconds)
        self._told[state.section.name] = _Told(opened=before is not None and before.opened)
        self._to_open.discard(state.section.name)
        self._lanes.advance(state, Event.FREED)
        return self._command(state, HOLD_S_MAX if self._emergency else seconds, id_)

    def not_begun(self, state: LaneState) -> None:
        """Its board took no command."""
        if state.held is not None:
            self._told[state.section.name].fails(self._clock.monotonic_s())
            self._look_after(state, state.held, "board", let_go=False)

    def will_end(self, states: Iterable[LaneState], why: str, by: str, command: str = "") -> None:
        """Somebody ends the holds of these lanes: ``released`` (by this command) or ``off``."""
        for state in states:
            if state.held is not None:
                self._ending[state.held.id] = why, by, command

    def wont_end(self, states: Iterable[LaneState]) -> None:
        """The board did not take that."""
        for state in states:
            if state.held is not None:
                self._ending.pop(state.held.id, None)

    # -- what boards say

    def heard(self, event: AnyEvent) -> None:
        """A board said something; what is not about the newest command or the hold that runs is old."""
        match event:
            case Outputs(id=id_, read=False):
                for told in self._told.values():
                    if told.asked == id_:
                        told.holds()
            case Done() | TimedOut() | Refused():
                if isinstance(event, Refused):
                    self._release_refused(event.id)
                for state in list(self._lanes.states.values()):
                    told_of = self._told.get(state.section.name)
                    if state.held is not None and told_of is not None:
                        self._ended(state, state.held, told_of, event)

    def _ended(self, state: LaneState, held: Held, told: _Told, event: Done | TimedOut | Refused) -> None:
        by_itself, now_s = isinstance(event, Done), self._clock.monotonic_s()
        maybe = isinstance(event, TimedOut) and event.maybe_executed
        if event.id == told.asked:
            told.fails(now_s)
            told.opened = told.opened or by_itself or maybe
        elif event.id == told.runs:
            told.runs = ""
            if not (told.asked or by_itself):
                told.fails(now_s)
        else:
            return
        if not (told.asked or told.runs):
            let_go = isinstance(event, TimedOut)  # perhaps it is closed; what was refused was never written
            self._look_after(state, held, "time" if by_itself else "board", let_go=let_go)

    def _release_refused(self, id_: str) -> None:
        self._ending = {held: end for held, end in self._ending.items() if end[2] != id_}

    # -- time

    def tick(self) -> None:
        """End holds that should have ended by themselves; in an emergency have them go on."""
        now_s = self._clock.monotonic_s()
        for state in self._lanes.states.values():
            held = state.held
            if held is None:
                if state.section.name in self._to_open and not self._emergency:
                    self._let_go(state)
                continue
            told = self._told[state.section.name]
            if self._emergency or (state.must_stay_open and now_s >= held.until_s - RENEW_BEFORE_S):
                self._keep(state, told, now_s)  # no arm comes down on a vehicle because a time is over
            elif now_s >= held.until_s + RELEASE_AFTER_S:
                log.warning("a hold is ended", lane=state.section.name)
                self._let_go(state)
                self._over(state, held, "time")
            elif not (told.asked or told.runs):  # an emergency is over in which nobody knew
                self._let_go(state)
                self._over(state, held, "board")

    def _look_after(self, state: LaneState, held: Held, why: str, *, let_go: bool) -> None:
        """Its board does not hold, as far as is known; in an emergency no lane is locked again before the reset."""
        told = self._told[state.section.name]
        leaves = state.section.direction is Direction.EXIT
        if self._emergency and (leaves or told.opened):  # an entry that was refused has not been open
            self._ending.pop(held.id, None)
            self._keep(state, told, self._clock.monotonic_s())
            return
        if let_go and not self._emergency:
            self._let_go(state)
        self._over(state, held, why)

    def _keep(self, state: LaneState, told: _Told, now_s: float) -> None:
        """Have the board hold on, or anew; of a hold that it goes on from it says that it is done."""
        waits = told.asked and now_s < told.asked_s + OUTCOME_WITHIN_S
        holds = told.runs and now_s < told.runs_until_s - RENEW_BEFORE_S
        gone = self._facts[state.section.board].line_up is False  # it is told as soon as it is back
        if waits or holds or gone or now_s < told.again_s:
            return
        if not told.failed:
            until = "the emergency is reset" if self._emergency else "the vehicle has gone"
            log.warning("a hold goes on", lane=state.section.name, until=until)
        if not self._submit(state.section.board, self._command(state, HOLD_S_MAX, urandom(8).hex())):
            told.fails(now_s)

    def _command(self, state: LaneState, seconds: float, id_: str) -> Hold:
        """At an exit it is tried, whatever the board says of itself."""
        section, now_s = state.section, self._clock.monotonic_s()
        assert section.channel is not None, "only relays are held"
        told = self._told[section.name]
        told.asked, told.asked_s, told.asked_until_s = id_, now_s, now_s + seconds
        leaves = section.direction is Direction.EXIT
        return Hold(channel=section.channel, seconds=seconds, id=id_, issued_s=now_s, insist=leaves)

    def _let_go(self, state: LaneState) -> None:
        channel = state.section.channel
        assert channel is not None, "only relays are held"
        if self._submit(state.section.board, Release(channel=channel, id=urandom(8).hex())):
            self._to_open.discard(state.section.name)
        else:
            self._to_open.add(state.section.name)

    def _over(self, state: LaneState, held: Held, why: str) -> None:
        """The lane guards again; ``why`` unless somebody has ended it."""
        state.held = None
        self._told.pop(state.section.name, None)
        why, by, _ = self._ending.pop(held.id, (why, "", ""))
        self._lanes.advance(state, Event.GUARDED)
        self._feed.put(
            {"event": "hold_ended", "lane": state.section.name, "id": held.id, "why": why, "by": by}
        )
