"""Lanes that are held open by hand: each hold has an end, and whoever watches the feed is told which.

A hold that its board lost is not asserted again. In an emergency no hold ends: what was held stays so until the reset,
without a moment in between, for the board is told to go on before its time is over.
"""

from collections.abc import Callable, Iterable
from os import urandom
from typing import Final

from drivers.model import BoardCommand, Hold, Release
from edge.emergency import Emergency
from edge.feed import Feed
from edge.lane import Event
from edge.lane_state import Held, LaneState
from edge.lanes import Lanes
from passes.vocabulary import Direction
from shell.clock import Clock
from shell.logs import get_logger

log = get_logger("holds")

HOLD_S_MAX: Final = 900.0  # longer than any delivery; a lane that is to stay open has a key
RELEASE_AFTER_S: Final = 1.0  # the driver ends a hold by itself; this is for when it did not
RENEW_BEFORE_S: Final = 2.0  # a slow line, its repeats, and a deciding thread that was busy
_NEVER: Final = float("inf")


class Holds:
    """The holds that run. Not thread-safe: the deciding thread owns it.

    Args:
        lanes, emergency, feed: The gate's.
        clock: Time.
        submit: Hands a command to a board; False when it was not taken.
    """

    def __init__(
        self,
        *,
        lanes: Lanes,
        emergency: Emergency,
        feed: Feed,
        clock: Clock,
        submit: Callable[[str, BoardCommand], bool],
    ) -> None:
        self._lanes, self._emergency, self._feed = lanes, emergency, feed
        self._clock, self._submit = clock, submit
        self._ending: dict[str, tuple[str, str]] = {}  # by the hold's id: why it ends, and by whom
        self._runs_s: dict[str, float] = {}  # by the hold's id: until when its board holds

    def begin(self, state: LaneState, seconds: float, id_: str) -> Hold:
        """From now on people walk through this lane; the command that holds it."""
        state.held = Held(id=id_, until_s=self._clock.monotonic_s() + seconds)
        self._lanes.advance(state, Event.FREED)
        return self._command(state, seconds, id_)

    def not_begun(self, state: LaneState) -> None:
        """Its board took no command."""
        if state.held is not None:
            self._over(state, state.held, "board")

    def will_end(self, states: Iterable[LaneState], why: str, by: str) -> None:
        """Somebody ends the holds of these lanes: ``released`` or ``off``."""
        for state in states:
            if state.held is not None:
                self._ending[state.held.id] = why, by

    def wont_end(self, states: Iterable[LaneState]) -> None:
        """The board did not take that."""
        for state in states:
            if state.held is not None:
                self._ending.pop(state.held.id, None)

    def heard(self, id_: str, *, by_itself: bool) -> None:
        """A board says that a command is over; ``by_itself``: as it was meant to be."""
        for state in self._lanes.states.values():
            if state.held is not None and state.held.id == id_:
                self._ended(state, state.held, by_itself=by_itself)

    def tick(self) -> None:
        """End holds that should have ended by themselves; in an emergency have them go on."""
        now_s = self._clock.monotonic_s()
        if self._emergency:
            for state in self._lanes.states.values():
                if (
                    state.held is not None
                    and now_s >= self._runs_s.get(state.held.id, _NEVER) - RENEW_BEFORE_S
                ):
                    self._go_on(state, state.held)
            return
        for state in self._lanes.states.values():
            if state.held is not None and now_s >= state.held.until_s + RELEASE_AFTER_S:
                log.warning("a hold is ended", lane=state.section.name)
                self._let_go(state)
                self._over(state, state.held, "time")

    def _ended(self, state: LaneState, held: Held, *, by_itself: bool) -> None:
        """Its board says that a hold is over; in an emergency no lane is locked again before the reset."""
        if not self._emergency:
            if not by_itself:
                self._let_go(state)  # perhaps it is closed: opening it is never wrong
            self._over(state, held, "time" if by_itself else "board")
            return
        self._ending.pop(held.id, None)
        self._runs_s.pop(held.id, None)
        state.held = Held(id=urandom(8).hex(), until_s=min(held.until_s, self._clock.monotonic_s()))
        if by_itself:
            log.warning("a hold goes on until the emergency is reset", lane=state.section.name)
            self._submit(state.section.board, self._command(state, HOLD_S_MAX, state.held.id))

    def _go_on(self, state: LaneState, held: Held) -> None:
        """Have the board hold on from a hold that is about to end; it says of that one that it is done."""
        renewed = Held(id=urandom(8).hex(), until_s=held.until_s)
        self._runs_s.pop(held.id, None)
        if self._submit(state.section.board, self._command(state, HOLD_S_MAX, renewed.id)):
            log.warning("a hold goes on until the emergency is reset", lane=state.section.name)
            state.held = renewed
        else:
            self._runs_s.pop(renewed.id, None)

    def _command(self, state: LaneState, seconds: float, id_: str) -> Hold:
        """At an exit it is tried, whatever the board says of itself."""
        section, now_s = state.section, self._clock.monotonic_s()
        assert section.channel is not None, "only relays are held"
        self._runs_s[id_] = now_s + seconds
        leaves = section.direction is Direction.EXIT
        return Hold(channel=section.channel, seconds=seconds, id=id_, issued_s=now_s, insist=leaves)

    def _let_go(self, state: LaneState) -> None:
        channel = state.section.channel
        assert channel is not None, "only relays are held"
        self._submit(state.section.board, Release(channel=channel, id=urandom(8).hex()))

    def _over(self, state: LaneState, held: Held, why: str) -> None:
        """The lane guards again; ``why`` unless somebody has ended it."""
        state.held = None
        self._runs_s.pop(held.id, None)
        why, by = self._ending.pop(held.id, (why, ""))
        self._lanes.advance(state, Event.FREED if self._emergency else Event.GUARDED)
        self._feed.put(
            {"event": "hold_ended", "lane": state.section.name, "id": held.id, "why": why, "by": by}
        )
