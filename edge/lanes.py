"""The lanes of a gate: what their machines say is carried out here, and recorded, and shown.

The journal row of a grant is there before ``advance`` hears of it (``edge.gate``); a pulse is handed over once.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from os import urandom
from typing import Final, assert_never

from pydantic import BaseModel

from drivers.gate.config import GateConfig
from drivers.gate.hardware import LaneSection
from drivers.model import BoardCommand, Pulse
from edge import lane as machine
from edge.alarms import Alarms
from edge.boards import opening
from edge.lamps import Lamps
from edge.lane_state import LaneState, Let, openings
from edge.lane_table import Effect, Event, State
from edge.owed import Owed
from edge.screen import Screen
from edge.standing import Standings
from edge.unnamed import Unnamed
from edge.verdicts import Answer, verdict_of
from passes.decide import Policy, Refer
from passes.vocabulary import Direction, Reason
from shell.clock import Clock
from shell.logs import get_logger
from sync.messages import AgainstData, Kind, LaneData

log = get_logger("lanes")

GRANT_GAP_S: Final = 0.300  # least time between two grants at one entry (drivers reference 3)
_LANE_WORDS: Final = {
    State.LOCKED: "ready",
    State.GRANTED: "opening",
    State.PASSING: "open",
    State.FREE: "kept_open",
}
"""Words of the screen where they differ from the state's own."""
_ALARMS: Final = {
    Effect.RAISE_FORCED: Kind.FORCED,
    Effect.RAISE_TAILGATE: Kind.TAILGATE,
    Effect.RAISE_HELD: Kind.HELD_OPEN,
}


class Lanes:
    """Every lane's machine, and what it leads to. Not thread-safe: the deciding thread owns it.

    Args:
        config: The gate.
        policy: For what the screen says of stays.
        standings: Where passages are recorded.
        screen, alarms: What people see.
        owed: Rows of what has happened.
        clock: Time.
        submit: Hands a command to a board; False when it was not taken.
        last_seq: The newest row of the journal.
        note: Records an event.
        look_again: Asks a lane's camera to report the code in view once more.
        works: Whether a board works; None while it was not heard of.
        emergency: Whether there is one.
    """

    def __init__(
        self,
        config: GateConfig,
        *,
        policy: Policy,
        standings: Standings,
        screen: Screen,
        alarms: Alarms,
        owed: Owed,
        clock: Clock,
        submit: Callable[[str, BoardCommand], bool],
        last_seq: Callable[[], int],
        note: Callable[[Kind, BaseModel], None],
        look_again: Callable[[str], None],
        works: Callable[[str], bool | None],
        emergency: Callable[[], bool],
        lamps: Lamps,
    ) -> None:
        self._policy, self._standings, self._screen, self._alarms = policy, standings, screen, alarms
        self._owed, self._clock, self._submit, self._last_seq = owed, clock, submit, last_seq
        self._note, self._look_again = note, look_again
        self._works, self._emergency, self._lamps = works, emergency, lamps
        self.openings = openings(config.lane)
        self.states = {state.section.name: state for one in self.openings for state in one.ways}
        self.let: dict[str, Let] = {}
        self.unnamed = Unnamed(self.let, standings=standings, owed=owed)

    # -- time

    def next_deadline_s(self) -> float | None:
        """Monotonic second at which a lane or its lamps have something to do."""
        deadlines = [one.lane.deadline_s for one in self.openings]
        deadlines.append(self._lamps.next_deadline_s())
        return min((one for one in deadlines if one is not None), default=None)

    def tick(self) -> None:
        """Tell machines that their time is over, and look again for whoever was turned aside."""
        now_s = self._clock.monotonic_s()
        self._lamps.tick(lambda lane: self.works(self.states[lane]))
        for one in self.openings:
            if one.lane.deadline_s is not None and now_s >= one.lane.deadline_s:
                try:
                    self.advance(one.ways[0], Event.DEADLINE)
                except Exception:
                    log.exception("deadline could not be handled", lane=one.ways[0].section.name)
                    for state in one.ways:
                        self.abandon(state)
        for state in self.states.values():
            self._call_back(state, now_s)

    # -- the machines

    def advance(self, state: LaneState, event: Event, token: str = "", way: Direction | None = None) -> bool:
        """Tell a lane's machine what happened, and carry out what it says; False when its board took no pulse.

        Args:
            state: The lane.
            event: What happened.
            token: The grant that it is about.
            way: In which direction somebody was seen to walk, where something tells.
        """
        now_s, taken, through = self._clock.monotonic_s(), True, state.opening
        if event in {Event.GRANTED, Event.BY_HAND}:
            state.last_grant_s, way = now_s, state.section.direction
        through.lane, effects = machine.step(through.lane, event, now_s, through.traits, token, way=way)
        for effect, about in effects:
            if effect is Effect.PULSE:
                taken = self._open(about)
            else:
                self._effect(effect, about, state, now_s, way)
        for one in through.ways:
            self.show_lane(one)
            self._call_back(one, now_s)
        return taken

    def ended(self, token: str, event: Event) -> None:
        """The pulse of a grant has ended so."""
        let = self.let.get(token)
        if let is not None:
            self.advance(self.states[let.lane], event, token)

    def did_not_open(self, token: str) -> None:
        """Take back what was said too early: the lane did not open."""
        let = self.let.get(token)
        if let is not None:
            section, answer = self.states[let.lane].section, Refer(Reason.LANE_FAULT, let.claims)
            self._owed.write(
                partial(self._standings.record_refusal, answer, section.name, section.direction, None)
            )
            self.show(answer, section, self._clock.now(), self._last_seq())

    def abandon(self, state: LaneState) -> None:
        """Give back grants that the lane does not know of (an error came between)."""
        name = state.section.name
        for token in [
            token for token, let in self.let.items() if let.lane == name and token not in state.lane.tokens
        ]:
            self._no_show(self.let.pop(token))

    def _call_back(self, state: LaneState, now_s: float) -> None:
        """Whoever was turned aside is asked for the code again when the lane is free."""
        ready = state.lane.walk is State.LOCKED and now_s - state.last_grant_s >= GRANT_GAP_S
        ready = ready and not state.lacks_vehicle
        if state.turned_aside and ready:
            state.turned_aside = False
            self._look_again(state.section.name)

    def _effect(
        self, effect: Effect, token: str, state: LaneState, now_s: float, way: Direction | None
    ) -> None:
        name = state.section.opening
        match effect:
            case Effect.RECORD_PASSAGE | Effect.RECORD_ASSUMED:
                let = self.let.pop(token, None)
                self._passage(let, assumed=effect is Effect.RECORD_ASSUMED)
                self._of(let, state).last_pass_s = now_s
            case Effect.RECORD_NO_SHOW:
                let = self.let.pop(token, None)
                if let is not None:
                    self._no_show(let)
                    self._screen.count("no_shows")
                self._of(let, state).last_pass = None
            case Effect.RECORD_LET_OUT:
                self._walked(state.opening.way(Direction.EXIT).section.name, Direction.EXIT)
            case Effect.RECORD_FREE:
                self._walked_free(state, way)
            case Effect.RAISE_FORCED | Effect.RAISE_TAILGATE | Effect.RAISE_HELD:
                self._raise(effect, name)
            case Effect.RAISE_AGAINST:
                self.walked_against(name)
            case Effect.CLEAR_ALARM:
                log.info("lane is clear again", lane=name)
                self._alarms.end("held", name)
            case Effect.CLOSE:
                self._close(state, now_s)
            case Effect.PULSE:
                pass  # ``advance`` opens
            case _:
                assert_never(effect)

    def _of(self, let: Let | None, state: LaneState) -> LaneState:
        """The lane that somebody was let through."""
        return state if let is None else self.states[let.lane]

    def walked_against(self, lane: str) -> None:
        """Somebody walked where the other direction had been granted."""
        self._note(Kind.FORCED, AgainstData(lane=lane, detail="wrong_direction"))
        self._alarms.flash("wrong_direction", lane)

    def _walked_free(self, state: LaneState, way: Direction | None) -> None:
        """Somebody walked through what is open for everyone."""
        if self._emergency():  # people flee through whatever is open; nobody knows which way
            self._screen.count("emergency_passages")
        elif way is None and len(state.opening.ways) > 1:
            self._screen.count("free_passages")  # nobody knows which way here either
        else:
            walked = state if way is None else state.opening.way(way)
            self._walked(walked.section.name, walked.section.direction)

    def _close(self, state: LaneState, now_s: float) -> None:
        """Bring the arm of a barrier down; the machine has seen that nobody is under it."""
        close = state.section.close
        assert close is not None, "only a barrier with an output for it is closed"
        command = Pulse(channel=close.channel, ms=state.section.pulse_ms, id=urandom(8).hex(), issued_s=now_s)
        if not self._submit(close.board, command):
            log.error("closing not taken", lane=state.section.opening)

    def _raise(self, effect: Effect, lane: str) -> None:
        kind = _ALARMS[effect]
        self._note(kind, LaneData(lane=lane))
        if effect is Effect.RAISE_HELD:
            self._alarms.begin("held", lane)
        else:
            self._alarms.flash(kind.value, lane)
            self._screen.count(kind.value)

    def _open(self, token: str) -> bool:
        let = self.let[token]
        state = self.states[let.lane]
        section = state.section
        # An exit may have waited for somebody who came in; an entry that has waited is too old for its board.
        leaves = let.direction is Direction.EXIT
        issued_s = self._clock.monotonic_s() if leaves else let.issued_s
        command = opening(section, token, issued_s=issued_s, ms=let.ms)
        if self._submit(section.board, command):
            return True
        log.error("pulse not taken", lane=section.name)
        self.did_not_open(token)
        self.advance(state, Event.PULSE_NOT_DONE, token)
        return False

    # -- recording

    def _passage(self, let: Let | None, *, assumed: bool) -> None:
        if let is None:
            return
        self.unnamed.walked(let, self._clock.now(), self._clock.monotonic_s())
        if let.direction is Direction.ENTRY:
            self._entered(let.stay_id or "", let.lane, assumed=assumed)
            return
        at = self._clock.now()
        self._owed.write(
            partial(self._standings.record_exit, let.claims, let.stay_id, let.lane, at=at, assumed=assumed)
        )
        self._counted()

    def _walked(self, lane: str, direction: Direction) -> None:
        """Somebody walked whom nobody asked: by the button, or through a lane that is held open."""
        if direction is Direction.ENTRY:
            self._entered("", lane, assumed=False)
            return
        at = self._clock.now()
        self._owed.write(partial(self._standings.record_exit, None, None, lane, at=at, assumed=False))
        self._counted()

    def _entered(self, stay_id: str, lane: str, *, assumed: bool) -> None:
        at = self._clock.now()
        self._owed.write(partial(self._standings.record_entry, stay_id, lane, at=at, assumed=assumed))
        self._counted()

    def _counted(self) -> None:
        self._screen.count("passages")
        self._screen.refresh()

    def _no_show(self, let: Let) -> None:
        at = self._clock.now()
        self._owed.write(partial(self._standings.record_no_show, let.stay_id, let.lane, let.direction, at=at))

    # -- showing

    def show(self, answer: Answer, section: LaneSection, now: datetime, seq: int) -> None:
        """Show one answer."""
        self._lamps.answered(section.name, answer)
        self._screen.show(
            verdict_of(answer, section, policy=self._policy, room=self._screen.room, at=now, seq=seq)
        )

    def works(self, state: LaneState) -> bool:
        """Whether all the boards of a lane work."""
        return all(self._works(board) is True for board in state.section.boards)

    def show_lane(self, state: LaneState) -> None:
        """Show how a lane is."""
        section = state.section
        detail = "; ".join(state.details.values())
        board_ok = self.works(state)
        view = self._screen.lane(section.name)
        self._lamps.lane_is(section.name, works=board_ok and state.reads)
        self._screen.lane_now(
            replace(
                view,
                state=self._word(state) if board_ok else "fault",
                camera_ok=state.readers_ok,
                board_ok=board_ok,
                detail=detail,
            )
        )

    def _word(self, state: LaneState) -> str:
        if self._emergency():
            return "emergency"
        if state.held is not None:
            return "kept_open"
        if state.blocked and state.lane.walk is State.LOCKED:
            return "blocked"
        return _LANE_WORDS.get(state.lane.walk, state.lane.walk.value)
