"""What people do to the lanes by the gate's own tools: open once, hold open, release, everything off, reset after fire.

Each is recorded with who and why. An entry's row is there before its relay moves, and without a row it does not move;
an exit moves all the same, and is tried whatever its board says of itself. A hold needs wiring facts that somebody
signed for; ``edge.holds`` has its end.
"""

from collections.abc import Callable
from functools import partial
from os import urandom
from typing import Any, Final

from drivers.gate.config import GateConfig
from drivers.model import (
    AllOff,
    AnyEvent,
    BoardCommand,
    Certainty,
    Done,
    DriverInfo,
    Identify,
    Identity,
    Mode,
    Outputs,
    Refused,
    Release,
    SetMode,
    TimedOut,
)
from edge.board_facts import BoardFacts
from edge.devices import Devices
from edge.emergency import Emergency, NotClearError
from edge.feed import Feed
from edge.holds import Holds
from edge.journal import Journal, JournalError
from edge.lane_state import LaneState, Let
from edge.lane_table import Event, State
from edge.lanes import GRANT_GAP_S, Lanes
from edge.orders import HandsError, Order, Outcome, Waiting
from edge.owed import Owed
from edge.snapshot import Snapshot, identity_facts
from passes.vocabulary import Direction
from shell.clock import Clock
from shell.logs import get_logger
from sync.messages import Kind, OverrideData

log = get_logger("hands")

_WALKING: Final = {State.GRANTED, State.PASSING}
_NOT_TAKEN: Final = "not_taken"
_UNTIL_RESET_S: Final = 1.0  # in an emergency no hold ends; this is how long it lasts after the reset


class Hands:
    """Carries out what tools ask for. Not thread-safe: the deciding thread owns it.

    Args:
        config: The gate.
        facts: What each board said of itself.
        lanes, devices, emergency, feed: The gate's.
        journal, owed: Where it is recorded.
        clock: Time.
        submit: Hands a command to a board; False when it was not taken.
        recorded: Called after rows were recorded.
    """

    def __init__(
        self,
        config: GateConfig,
        *,
        facts: dict[str, BoardFacts],
        lanes: Lanes,
        devices: Devices,
        emergency: Emergency,
        feed: Feed,
        journal: Journal,
        owed: Owed,
        clock: Clock,
        submit: Callable[[str, BoardCommand], bool],
        recorded: Callable[[], None],
    ) -> None:
        self._facts, self._lanes, self._devices = facts, lanes, devices
        self._emergency, self._feed, self._journal, self._owed = emergency, feed, journal, owed
        self._clock, self._submit, self._recorded = clock, submit, recorded
        self._infos: dict[str, DriverInfo] = {board.name: board.driver().info for board in config.board}
        self._waiting = Waiting()
        self._holds = Holds(
            facts=facts, lanes=lanes, emergency=emergency, feed=feed, clock=clock, submit=submit
        )
        self.snapshot = Snapshot(
            config,
            infos=self._infos,
            facts=facts,
            lanes=lanes,
            devices=devices,
            emergency=emergency,
            clock=clock,
        ).take

    # -- what is asked for

    def pulse(self, lane: str, order: Order, ms: int | None = None) -> Outcome:
        """Let one person through, as a grant would; raises ``HandsError``."""
        state = self._lane(lane)
        self._demand_working(state)
        self._demand_unblocked(state, order)
        now_s = self._clock.monotonic_s()
        if now_s - state.last_grant_s < GRANT_GAP_S:
            raise HandsError(
                "busy", f"Lane {lane} opened a moment ago", "Try again", why="just_opened", lane=lane
            )
        entry = state.section.direction is Direction.ENTRY
        if entry and state.lane.walk in _WALKING and not self._emergency:
            raise HandsError(
                "busy", f"Somebody is walking through lane {lane}", "Try again", why="walking", lane=lane
            )
        token = self._record(state, "pulse", order)
        outcome = self._waiting.begin(token, now_s)
        self._lanes.let[token] = Let(
            lane=lane, direction=state.section.direction, stay_id=None, claims=None, issued_s=now_s, ms=ms
        )
        if not self._lanes.advance(state, Event.BY_HAND, token):
            self._waiting.end(token, outcome="refused", why=_NOT_TAKEN)
        return outcome

    def hold(self, lane: str, order: Order, seconds: float) -> Outcome:
        """Hold a lane open for so long at most; raises ``HandsError``."""
        state = self._lane(lane)
        self._demand_holdable(state)
        if self._holds.stands(state):
            problem = f"Lane {lane} is held open already"
            raise HandsError("busy", problem, "Release it first", why="held", lane=lane)
        self._demand_working(state)
        self._demand_unblocked(state, order)
        token = self._record(state, "hold", order, seconds)
        outcome = self._send(state.section.board, self._holds.begin(state, seconds, token), token)
        if outcome.done():
            self._holds.not_begun(state)
        return outcome

    def release(self, lane: str, order: Order) -> Outcome:
        """End a hold or pulse of a lane; raises ``HandsError``."""
        state = self._lane(lane)
        self._demand_no_emergency(f"Lane {lane} is not locked again")
        if state.section.channel is None:
            problem = f"Lane {lane} has a turnstile controller, which ends by itself"
            raise HandsError("unsupported", problem, why="controller", lane=lane)
        self._demand_nobody_under([state])
        token = self._record(state, "release", order, demand_row=False)
        self._holds.will_end([state], "released", order.by, token)
        outcome = self._send(state.section.board, Release(channel=state.section.channel, id=token), token)
        if outcome.done():
            self._holds.wont_end([state])
        return outcome

    def block(self, lane: str, order: Order, *, blocked: bool) -> None:
        """Grant nobody entry through a lane, or again; raises ``HandsError``. Its row comes first."""
        state = self._lane(lane)
        if state.section.direction is Direction.EXIT:
            problem = f"Lane {lane} leads out, and exits open for everyone"
            raise HandsError("unsafe", problem, why="exit", lane=lane)
        self._record(state, "block" if blocked else "unblock", order)
        self.set_blocked(lane, blocked=blocked)

    def set_blocked(self, lane: str, *, blocked: bool) -> None:
        """As ``block``, of what is recorded already; a lane that is not there any more is passed over."""
        state = self._lanes.states.get(lane)
        if state is not None and state.section.direction is Direction.ENTRY:
            self._lanes.advance(state, Event.BLOCK if blocked else Event.UNBLOCK)

    @property
    def in_emergency(self) -> bool:
        """Whether there is an emergency that nobody has reset."""
        return bool(self._emergency)

    def free_all(self, order: Order) -> list[str]:
        """Declare an emergency and hold every lane open until somebody resets it; raises ``HandsError``.

        Returns:
            The lanes that no relay of ours can hold open; they want a key.
        """
        try:
            self._emergency.declare(
                by=order.by, reason=order.reason, command=order.command, claim=order.claim
            )
        except JournalError as error:
            log.error("emergency was not recorded", error=str(error))
            raise _not_recorded() from error
        self._recorded()
        return self.hold_all()

    def hold_all(self) -> list[str]:
        """Hold every lane open in an emergency that was declared; returns the lanes that cannot be."""
        states, shut = list(self._lanes.states.values()), []
        held = {(one.section.board, one.section.channel) for one in states if one.held is not None}
        for state in states:
            relay = state.section.board, state.section.channel
            try:
                self._demand_holdable(state)
            except HandsError:
                shut.append(state.section.name)
                continue
            if relay in held:  # it goes on by itself; two lanes through one opening have one relay
                continue
            held.add(relay)
            if not self._submit(relay[0], self._holds.begin(state, _UNTIL_RESET_S, urandom(8).hex())):
                self._holds.not_begun(state)
        return shut

    def off(self, order: Order, board: str | None = None) -> dict[str, Any]:
        """Open every output, and set controllers to normal, of every board or of one; raises ``HandsError``.

        Returns:
            ``boards``: whether each took it; ``modes``: what comes of the controllers among them.
        """
        boards = [name for name, info in self._infos.items() if info.outputs or info.sides]
        if board is not None and board not in boards:
            problem, known = f"This gate has no board {board!r} with outputs", ", ".join(boards)
            raise HandsError("unknown_board", problem, f"There are: {known}", board=board, known=known)
        self._demand_no_emergency("Nothing is locked again")
        chosen = boards if board is None else [board]
        self._demand_nobody_under(
            [state for state in self._lanes.states.values() if state.section.board in chosen]
        )
        self._owed.write(
            partial(
                self._journal.append,
                Kind.OVERRIDE,
                OverrideData(act="off", by=order.by, reason=order.reason),
                at=self._clock.now(),
            )
        )
        self._feed.put({"event": "override", "act": "off", "boards": chosen, "by": order.by})
        taken: dict[str, bool] = {}
        modes: dict[str, Outcome] = {}
        for name in chosen:
            on_board = [state for state in self._lanes.states.values() if state.section.board == name]
            self._holds.will_end(on_board, "off", order.by)
            taken[name] = self._submit(name, AllOff())
            if not taken[name]:
                self._holds.wont_end(on_board)
            elif self._infos[name].sides:  # all-off takes back what waits there, and moves nothing
                token = urandom(8).hex()
                modes[name] = self._send(name, SetMode(mode=Mode.NORMAL, id=token), token)
        return {"boards": taken} | ({"modes": modes} if modes else {})

    def fire_reset(self, order: Order) -> dict[str, Any]:
        """End an emergency whose input is clear; raises ``HandsError``."""
        unread = [
            section.label
            for section, active in self._devices.roles.all()
            if section.role == "fire" and (active is None or self._facts[section.board].ok is not True)
        ]
        try:
            self._emergency.reset(by=order.by, reason=order.reason, unread=unread)
        except NotClearError as error:
            raise HandsError("not_clear", str(error), detail=str(error)) from error
        except JournalError as error:
            log.error("reset was not recorded", error=str(error))
            raise _not_recorded() from error
        self._recorded()
        return {"emergency": self._emergency.phase.value}

    def identify(self) -> dict[str, Outcome]:
        """Ask each board that has a name for it."""
        asked: dict[str, Outcome] = {}
        for name, info in self._infos.items():
            if info.identifies is not Certainty.NONE and self._facts[name].line_up:
                token = urandom(8).hex()
                asked[name] = self._send(name, Identify(id=token), token)
        return asked

    def close(self) -> None:
        """Nobody hears outcomes any more: let those go who wait."""
        self._waiting.close()

    # -- what comes back

    def heard(self, event: AnyEvent) -> None:
        """A board said something: outcomes of what was asked for, and ends of holds."""
        match event:
            case Done():
                self._waiting.end(event.id, outcome="done", grade=event.grade.value)
            case TimedOut():
                self._waiting.end(event.id, outcome="timed_out", maybe_executed=event.maybe_executed)
            case Refused():
                self._waiting.end(event.id, outcome="refused", why=event.why.value)
            case Identity():
                self._waiting.end(event.id, outcome="done", identity=identity_facts(event))
            case Outputs():
                self._waiting.end(event.id, outcome="held")  # the hold has begun
            case _:
                return
        self._holds.heard(event)

    def tick(self) -> None:
        """End holds whose time is over."""
        self._holds.tick()

    def _send(self, board: str, command: BoardCommand, token: str) -> Outcome:
        outcome = self._waiting.begin(token, self._clock.monotonic_s())
        if not self._submit(board, command):
            self._waiting.end(token, outcome="refused", why=_NOT_TAKEN)
        return outcome

    # -- what must be so first

    def _lane(self, name: str) -> LaneState:
        state = self._lanes.states.get(name)
        if state is None:
            known = ", ".join(self._lanes.states)
            problem = f"This gate has no lane {name!r}"
            raise HandsError("unknown_lane", problem, f"There are: {known}", lane=name, known=known)
        return state

    def _demand_holdable(self, state: LaneState) -> None:
        lane = state.section.name
        if state.section.channel is None:  # its end would close both sides, and nothing can read it back
            raise HandsError(
                "unsafe",
                f"Lane {lane} has a turnstile controller, which is not held open: its end closes both sides at "
                "once, and takes back the permit of whoever is just let through",
                "Let people through one by one, or use the controller's own free mode",
                why="controller",
                lane=lane,
            )
        if not state.section.is_tested:
            raise HandsError(
                "unsafe",
                f"Nobody signed for the wiring of lane {lane}, so it is not held open",
                "Pull the plug once, see what the lane does, and write tested_by and tested_on into gate.toml",
                why="no_wiring_facts",
                lane=lane,
            )

    def _demand_working(self, state: LaneState) -> None:
        """Of an entry; at an exit it is tried, and said what came of it."""
        facts, section = self._facts[state.section.board], state.section
        if facts.ok is not True and section.direction is Direction.ENTRY:
            raise HandsError(
                "board_fault",
                f"Board {section.board} of lane {section.name} does not work: {facts.detail}",
                "Repair it first; open by key meanwhile",
                board=section.board,
                lane=section.name,
                detail=facts.detail,
            )

    def _demand_unblocked(self, state: LaneState, order: Order) -> None:
        """From afar; whoever stands at the lane sees it, and decides."""
        if state.blocked and order.command is not None:
            lane = state.section.name
            raise HandsError(
                "unsafe", f"Lane {lane} is blocked", "Unblock it first", why="blocked", lane=lane
            )

    def _demand_nobody_under(self, states: list[LaneState]) -> None:
        """No hand brings an arm down that a vehicle may be under."""
        for state in states:
            if state.must_stay_open and self._holds.stands(state):
                lane = state.section.name
                raise HandsError(
                    "unsafe",
                    f"A vehicle is at barrier {lane}, or its presence input cannot be read",
                    "Have it drive on; the hold ends then",
                    why="occupied",
                    lane=lane,
                )

    def _demand_no_emergency(self, problem: str) -> None:
        if self._emergency:
            raise HandsError(
                "unsafe",
                f"{problem} during an emergency",
                "End its cause, then reset it with name and reason",
                why="emergency",
            )

    def _record(
        self,
        state: LaneState,
        act: str,
        order: Order,
        seconds: float | None = None,
        *,
        demand_row: bool = True,
    ) -> str:
        """Record an override and return its id; without a row nobody is let in, and everybody out."""
        section = state.section
        data = OverrideData(
            lane=section.name,
            direction=section.direction,
            act=act,
            by=order.by,
            reason=order.reason,
            seconds=seconds,
            command=order.command,
        )
        try:
            recorded = self._journal.append(Kind.OVERRIDE, data, order.claim)
        except JournalError as error:
            log.error("override was not recorded", lane=section.name, error=str(error))
            if order.claim is not None or (demand_row and section.direction is Direction.ENTRY):
                raise _not_recorded() from error
            self._owed.write(partial(self._journal.append, Kind.OVERRIDE, data, at=self._clock.now()))
            return urandom(8).hex()
        self._recorded()
        self._feed.put({"event": "override", "lane": section.name, "act": act, "by": order.by})
        return recorded.id


def _not_recorded() -> HandsError:
    return HandsError(
        "not_recorded",
        "The gate's journal cannot be written, and without a record this is not done",
        "Free the gate's disk, or call the installer; open by key meanwhile",
    )
