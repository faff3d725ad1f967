"""What people do to the lanes by the gate's own tools: open once, hold open, release, everything off, reset after fire.

Each is recorded with who and why. An entry's row is there before its relay moves, and without a row it does not move;
an exit moves all the same, and is tried whatever its board says of itself. A hold needs wiring facts that somebody
signed for, and ends by itself; one that its board lost is not asserted again. In an emergency no hold ends: what was
held stays so until the reset.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from os import urandom
from typing import Any, Final

from drivers.model import (
    AllOff,
    AnyEvent,
    BoardCommand,
    Certainty,
    Done,
    DriverInfo,
    Hold,
    Identify,
    Identity,
    Outputs,
    Refused,
    Release,
    TimedOut,
)
from edge.board_facts import BoardFacts
from edge.config import GateConfig
from edge.devices import Devices
from edge.emergency import Emergency, NotClearError
from edge.feed import Feed
from edge.journal import Journal, JournalError
from edge.lane import Event, State
from edge.lane_state import Held, LaneState, Let
from edge.lanes import GRANT_GAP_S, Lanes
from edge.owed import Owed
from passes.vocabulary import Direction
from shell.clock import Clock
from shell.logs import get_logger
from sync.messages import Kind, OverrideData

log = get_logger("hands")

HOLD_S_MAX: Final = 900.0  # longer than any delivery; a lane that is to stay open has a key
_WALKING: Final = {State.GRANTED, State.PASSING}
RELEASE_AFTER_S: Final = 1.0  # the driver ends a hold by itself; this is for when it did not

Outcome = Future[dict[str, Any]]


class HandsError(Exception):
    """It is not done. ``code`` and ``why`` are for programs, the message and ``next_step`` for people."""

    def __init__(self, code: str, problem: str, next_step: str = "", *, why: str = "") -> None:
        super().__init__(problem)
        self.code, self.problem, self.next_step, self.why = code, problem, next_step, why


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Who asks, and why."""

    by: str
    reason: str


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
        self._config, self._facts, self._lanes, self._devices = config, facts, lanes, devices
        self._emergency, self._feed, self._journal, self._owed = emergency, feed, journal, owed
        self._clock, self._submit, self._recorded = clock, submit, recorded
        self._infos: dict[str, DriverInfo] = {board.name: board.driver().info for board in config.board}
        self._waiting: dict[str, Outcome] = {}

    # -- what is asked for

    def pulse(self, lane: str, order: Order, ms: int | None = None) -> Outcome:
        """Let one person through, as a grant would; raises ``HandsError``."""
        state = self._lane(lane)
        self._demand_working(state)
        now_s = self._clock.monotonic_s()
        if now_s - state.last_grant_s < GRANT_GAP_S:
            raise HandsError("busy", f"Lane {lane} opened a moment ago", "Try again")
        entry = state.section.direction is Direction.ENTRY
        if entry and state.lane.state in _WALKING and not self._emergency:
            raise HandsError("busy", f"Somebody is walking through lane {lane}", "Try again")
        token = self._record(state, "pulse", order)
        outcome = self._await(token)
        self._lanes.let[token] = Let(
            lane=lane, direction=state.section.direction, stay_id=None, claims=None, issued_s=now_s, ms=ms
        )
        if not self._lanes.advance(state, Event.GRANTED, token):
            self._answer(token, {"outcome": "refused", "why": "not_taken"})
        return outcome

    def hold(self, lane: str, order: Order, seconds: float) -> Outcome:
        """Hold a lane open for so long at most; raises ``HandsError``."""
        state = self._lane(lane)
        section = state.section
        if section.channel is None:
            raise HandsError(
                "unsupported", f"Lane {lane} has a turnstile controller, which is not held open from here"
            )
        if not section.is_tested:
            raise HandsError(
                "unsafe",
                f"Nobody signed for the wiring of lane {lane}, so it is not held open",
                "Pull the plug once, see what the lane does, and write tested_by and tested_on into gate.toml",
                why="no_wiring_facts",
            )
        if state.held is not None:
            raise HandsError("busy", f"Lane {lane} is held open already", "Release it first")
        self._demand_working(state)
        token = self._record(state, "hold", order, seconds)
        now_s = self._clock.monotonic_s()
        state.held = Held(id=token, until_s=now_s + seconds)
        self._lanes.advance(state, Event.FREED)
        command = Hold(channel=section.channel, seconds=seconds, id=token, issued_s=now_s)
        outcome = self._send(section.board, command, token)
        if outcome.done():
            self._hold_over(state)
        return outcome

    def release(self, lane: str, order: Order) -> Outcome:
        """End a hold or pulse of a lane; raises ``HandsError``."""
        state = self._lane(lane)
        self._demand_no_emergency(f"Lane {lane} is not locked again")
        if state.section.channel is None:
            raise HandsError("unsupported", f"Lane {lane} has a turnstile controller, which ends by itself")
        token = self._record(state, "release", order, demand_row=False)
        return self._send(state.section.board, Release(channel=state.section.channel, id=token), token)

    def off(self, order: Order, board: str | None = None) -> dict[str, Any]:
        """Open every output, of every board or of one; raises ``HandsError``."""
        boards = [name for name, info in self._infos.items() if info.outputs or info.sides]
        if board is not None and board not in boards:
            problem = f"This gate has no board {board!r} with outputs"
            raise HandsError("unknown_board", problem, f"There are: {', '.join(boards)}")
        self._demand_no_emergency("Nothing is locked again")
        self._owed.write(
            partial(
                self._journal.append,
                Kind.OVERRIDE,
                OverrideData(act="off", by=order.by, reason=order.reason),
                at=self._clock.now(),
            )
        )
        chosen = boards if board is None else [board]
        return {"boards": {name: self._submit(name, AllOff()) for name in chosen}}

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
            raise HandsError("not_clear", str(error)) from error
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
        for token in list(self._waiting):
            self._answer(token, {"outcome": "timed_out", "maybe_executed": True})

    # -- what is known

    def snapshot(self) -> dict[str, Any]:
        """Boards, lanes and inputs as they are now."""
        return {
            "emergency": self._emergency.phase.value,
            "boards": [self._board(section.name) for section in self._config.board],
            "lanes": [self._lane_facts(state) for state in self._lanes.states.values()],
            "inputs": [
                {
                    "role": section.role,
                    "board": section.board,
                    "channel": section.channel,
                    "lane": section.lane,
                    "active": active,
                }
                for section, active in self._devices.roles.all()
            ],
        }

    def _board(self, name: str) -> dict[str, Any]:
        section = next(board for board in self._config.board if board.name == name)
        facts, info = self._facts[name], self._infos[name]
        return {
            "name": name,
            "protocol": section.protocol,
            "port": section.port,
            "line": {None: "unknown", True: "up", False: "down"}[facts.line_up],
            "why": facts.line_why,
            "fault": facts.fault,
            "identity": None if facts.identity is None else identity_facts(facts.identity),
            "garbage_bytes": facts.garbage_bytes,
            "outputs": info.outputs,
            "inputs": info.inputs,
            "sides": [side.value for side in info.sides],
            "host_timed": info.host_timed,
        }

    def _lane_facts(self, state: LaneState) -> dict[str, Any]:
        section, now_s = state.section, self._clock.monotonic_s()
        left_s = None if state.held is None else round(max(0.0, state.held.until_s - now_s), 1)
        return {
            "name": section.name,
            "direction": section.direction.value,
            "board": section.board,
            "channel": section.channel,
            "side": section.side.value if section.side else None,
            "state": state.lane.state.value,
            "works": self._lanes.works(state),
            "held_s": left_s,
            "release": section.release,
            "on_power_loss": section.on_power_loss,
            "tested_by": section.tested_by,
            "tested_on": section.tested_on.isoformat() if section.tested_on else None,
        }

    # -- what comes back

    def heard(self, event: AnyEvent) -> None:
        """A board said something: outcomes of what was asked for, and ends of holds."""
        match event:
            case Done():
                self._answer(event.id, {"outcome": "done", "grade": event.grade.value})
            case TimedOut():
                self._answer(event.id, {"outcome": "timed_out", "maybe_executed": event.maybe_executed})
            case Refused():
                self._answer(event.id, {"outcome": "refused", "why": event.why.value})
            case Identity():
                self._answer(event.id, {"outcome": "done", "identity": identity_facts(event)})
            case Outputs():
                self._answer(event.id, {"outcome": "held"})
                return  # the hold has begun
            case _:
                return
        for state in self._lanes.states.values():
            if state.held is not None and state.held.id == event.id:
                self._hold_ended(state, state.held, by_itself=isinstance(event, Done))

    def tick(self) -> None:
        """End holds that should have ended by themselves, but none in an emergency."""
        if self._emergency:
            return
        now_s = self._clock.monotonic_s()
        for state in self._lanes.states.values():
            if state.held is not None and now_s >= state.held.until_s + RELEASE_AFTER_S:
                log.warning("a hold is ended", lane=state.section.name)
                self._let_go(state)
                self._hold_over(state)

    def _hold_ended(self, state: LaneState, held: Held, *, by_itself: bool) -> None:
        """Its board says that a hold is over; in an emergency no lane is locked again before the reset."""
        if not self._emergency:
            if not by_itself:
                self._let_go(state)  # perhaps it is closed: opening it is never wrong
            self._hold_over(state)
            return
        now_s, channel = self._clock.monotonic_s(), state.section.channel
        assert channel is not None, "only relays are held"
        state.held = Held(id=urandom(8).hex(), until_s=min(held.until_s, now_s))
        if by_itself:
            log.warning("a hold goes on until the emergency is reset", lane=state.section.name)
            again = Hold(channel=channel, seconds=HOLD_S_MAX, id=state.held.id, issued_s=now_s)
            self._submit(state.section.board, again)

    def _let_go(self, state: LaneState) -> None:
        channel = state.section.channel
        assert channel is not None, "only relays are held"
        self._submit(state.section.board, Release(channel=channel, id=urandom(8).hex()))

    def _hold_over(self, state: LaneState) -> None:
        state.held = None
        self._lanes.advance(state, Event.FREED if self._emergency else Event.GUARDED)

    def _send(self, board: str, command: BoardCommand, token: str) -> Outcome:
        outcome = self._await(token)
        if not self._submit(board, command):
            self._answer(token, {"outcome": "refused", "why": "not_taken"})
        return outcome

    def _await(self, token: str) -> Outcome:
        outcome: Outcome = Future()
        self._waiting[token] = outcome
        return outcome

    def _answer(self, token: str, answer: dict[str, Any]) -> None:
        outcome = self._waiting.pop(token, None)
        if outcome is not None and outcome.set_running_or_notify_cancel():
            outcome.set_result(answer)

    # -- what must be so first

    def _lane(self, name: str) -> LaneState:
        state = self._lanes.states.get(name)
        if state is None:
            there = ", ".join(self._lanes.states)
            raise HandsError("unknown_lane", f"This gate has no lane {name!r}", f"There are: {there}")
        return state

    def _demand_working(self, state: LaneState) -> None:
        """Of an entry; at an exit it is tried, and said what came of it."""
        facts = self._facts[state.section.board]
        if facts.ok is not True and state.section.direction is Direction.ENTRY:
            problem = (
                f"Board {state.section.board} of lane {state.section.name} does not work: {facts.detail}"
            )
            raise HandsError("board_fault", problem, "Repair it first; open by key meanwhile")

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
        )
        try:
            recorded = self._journal.append(Kind.OVERRIDE, data)
        except JournalError as error:
            log.error("override was not recorded", lane=section.name, error=str(error))
            if demand_row and section.direction is Direction.ENTRY:
                raise _not_recorded() from error
            self._owed.write(partial(self._journal.append, Kind.OVERRIDE, data, at=self._clock.now()))
            return urandom(8).hex()
        self._recorded()
        self._feed.put({"event": "override", "lane": section.name, "act": act})
        return recorded.id


def identity_facts(identity: Identity) -> dict[str, str]:
    """Who a device says it is."""
    return {
        "maker": identity.maker,
        "model": identity.model,
        "firmware": identity.firmware,
        "serial": identity.serial,
        "certainty": identity.certainty.value,
    }


def _not_recorded() -> HandsError:
    return HandsError(
        "not_recorded",
        "The gate's journal cannot be written, and without a record this is not done",
        "Free the gate's disk, or call the installer; open by key meanwhile",
    )
