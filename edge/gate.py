"""The gate decides: one thread owns this object, and everything that happens reaches it as one input after another.

A scan is checked and decided by ``passes``; the answer is in the journal before a relay is told to move; the lane
machine says what boards and contacts mean. At an entry every failure keeps the lane shut; at an exit it opens.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final, assert_never

from pydantic import BaseModel

from drivers.model import Done, Fault, Garbage, InputEdge, Line, Pulse, Refusal, Refused, TimedOut
from drivers.model import Event as BoardEvent
from edge import lane as machine
from edge.config import GateConfig, LaneSection
from edge.inputs import Asked, BoardReported, CameraChanged, Input, ScanSeen
from edge.journal import Journal, JournalError
from edge.lane import Effect, Event, State
from edge.lane_state import LaneState, Let, note_detail, timing_of
from edge.owed import Owed
from edge.screen import Screen
from edge.standing import AlreadyGrantedError, Shown, Standings
from edge.unnamed import Unnamed, meant_by
from edge.verdicts import Answer, verdict_of
from passes.check import Checked, Foreign, Rejected, Verified, check
from passes.claims import Claims
from passes.decide import Decision, Deny, Grant, Ignore, LaneFacts, Policy, Refer, Standing, decide
from passes.keys import KeyTable
from passes.vocabulary import ClockTrust, Direction, Reason
from shell.clock import Clock
from shell.logs import get_logger
from sync.messages import DeviceData, Kind, LaneData

log = get_logger("gate")

SCAN_AGE_MAX_S: Final = 2.0  # what was seen longer ago never opens anything
SAME_PERSON_S: Final = 6.0  # a phone still held up after its grant is not a second visitor
RED_LOOK_EVERY_S: Final = 1.0
_WALKING: Final = {State.GRANTED, State.PASSING}
_LANE_WORDS: Final = {
    State.READY: "ready",
    State.GRANTED: "opening",
    State.PASSING: "open",
    State.HELD: "held",
    State.FORCED: "forced",
}


class Gate:
    """One access point with its lanes. Not thread-safe: the deciding thread owns it.

    Args:
        config: The gate and its lanes.
        keys: The issuer keys of the site.
        journal: Where events go first.
        standings: What is known of passes and people.
        screen: What people see.
        clock: Time.
        submit: Hands a pulse to a board's bus; False when it was not taken.
        recorded: Called after rows were recorded, to wake the uplink.
        health_changed: Called when a camera or board went or came back.
        look_again: Asks a lane's camera to report the code in view once more.
    """

    def __init__(
        self,
        config: GateConfig,
        *,
        keys: KeyTable,
        journal: Journal,
        standings: Standings,
        screen: Screen,
        clock: Clock,
        submit: Callable[[str, Pulse], bool],
        recorded: Callable[[], None],
        health_changed: Callable[[], None],
        look_again: Callable[[str], None],
    ) -> None:
        self._config, self._keys, self._clock = config, keys, clock
        self._journal, self._standings, self._screen = journal, standings, screen
        self._submit, self._recorded, self._health_changed = submit, recorded, health_changed
        self._look_again = look_again
        self._policy: Policy = config.to_policy()
        self._lanes = {section.name: LaneState(section, timing_of(section)) for section in config.lane}
        self._boards_ok: dict[str, bool | None] = {board.name: None for board in config.board}
        self._let: dict[str, Let] = {}
        self._owed = Owed(recorded=recorded, count=screen.count)
        self._unnamed = Unnamed(self._let, standings=standings, owed=self._owed)
        self._resumed = False
        self._next_look_s, self._looked_at = 0.0, clock.now()

    def resume(self) -> None:
        """Settle what an earlier run left open: a grant without an end counts as a passage, from then, and says so."""
        try:
            pending, leaving = self._standings.pending(), self._standings.leaving()
        except JournalError as error:
            log.error("what was left open cannot be read yet", error=str(error))
            return
        self._resumed = True
        for stay_id, lane, granted_at in pending:
            if stay_id not in self._let:
                self._owed.write(
                    partial(self._standings.record_entry, stay_id, lane, at=granted_at, assumed=True)
                )
        shown = {let.stay_id for let in self._let.values()}
        for stay_id, lane, granted_at in leaving:
            if stay_id not in shown:
                self._owed.write(
                    partial(self._standings.record_exit, None, stay_id, lane, at=granted_at, assumed=True)
                )

    def use_keys(self, keys: KeyTable) -> None:
        """Judge passes by these issuer keys from now on: a newer key set came with a bundle."""
        self._keys = keys

    def note(self, kind: Kind, data: BaseModel) -> None:
        """Record something that has happened; owed while the journal cannot take it."""
        self._owed.write(partial(self._journal.append, kind, data, at=self._clock.now()))

    def handle(self, item: Input) -> None:
        """Take one input and carry out what follows from it.

        A programming error ends with this input: it lets nobody in, and it keeps nobody from leaving.
        """
        try:
            self._take(item)
        except Exception:
            log.exception("input could not be handled", input=type(item).__name__)
            self._screen.count("errors")
            if isinstance(item, ScanSeen):
                self._scan_failed(self._lanes[item.lane])

    def _take(self, item: Input) -> None:
        match item:
            case ScanSeen():
                self._scan(item)
            case BoardReported():
                self._board(item.board, item.event)
            case CameraChanged():
                self._camera(item)
            case Asked():
                item.carry_out()
            case _:
                assert_never(item)

    def tick(self) -> None:
        """Do what is due by time: lane deadlines, rows that the journal owes."""
        now_s = self._clock.monotonic_s()
        for state in self._lanes.values():
            if state.lane.deadline_s is not None and now_s >= state.lane.deadline_s:
                try:
                    self._advance(state, Event.DEADLINE)
                except Exception:
                    log.exception("deadline could not be handled", lane=state.section.name)
                    self._abandon(state)
        self._owed.pay()
        if not self._resumed:
            self.resume()
        self._look_for_red(now_s)

    def _look_for_red(self, now_s: float) -> None:
        """Once a second: a stay that has just fallen due turns red on the screen at once."""
        if now_s < self._next_look_s:
            return
        self._next_look_s = now_s + RED_LOOK_EVERY_S
        since, self._looked_at = self._looked_at, self._clock.now()
        try:
            if self._standings.fell_due(since, self._looked_at):
                self._screen.refresh()
        except JournalError as error:
            log.error("stays cannot be read", error=str(error))

    def next_deadline_s(self) -> float | None:
        """Monotonic second of the next lane deadline."""
        return min(
            (state.lane.deadline_s for state in self._lanes.values() if state.lane.deadline_s is not None),
            default=None,
        )

    # -- scans

    def _scan(self, scan: ScanSeen) -> None:
        state = self._lanes[scan.lane]
        now_s = self._clock.monotonic_s()
        if now_s - scan.at_s > SCAN_AGE_MAX_S:
            self._screen.count("late_scans")
            return
        now, trust = self._clock.now(), self._clock.trust()
        entry = state.section.direction is Direction.ENTRY
        stored = self._standings.sealed
        read = partial(check, keys=self._keys, now=now, trust=trust, stored=stored, key_dates=entry)
        checked = _one_of([read(text) for text in scan.texts])
        claims = checked.claims if isinstance(checked, Verified) else None
        if isinstance(checked, Verified) and self._still_here(state, checked, now_s):
            return
        if entry and state.lane.state in _WALKING and not isinstance(checked, Foreign):
            state.turned_aside = True  # one at a time: the code is asked for again when the lane is free
            return
        if entry and isinstance(checked, Rejected) and checked.reason is Reason.UNKNOWN_PASS:
            self._screen.count("short_codes_unknown")  # the phone shows its full code within seconds
            return
        answer = self._decide(checked, claims, state, now, trust)
        if isinstance(answer, Ignore):
            self._screen.count("foreign_codes")
            return
        self._carry_out(answer, state, checked, scan)

    def _still_here(self, state: LaneState, scan: Verified, now_s: float) -> bool:
        """Whether this is the person who was just let through, with the phone still up and its code rolled on."""
        pass_id = scan.claims.pass_id
        let = (self._let[token].claims for token in state.lane.tokens if token in self._let)
        if any(claims is not None and claims.pass_id == pass_id for claims in let):
            return True
        if state.last_pass != pass_id or now_s - state.last_pass_s >= SAME_PERSON_S:
            return False
        return state.last_shown_at is None or scan.shown_at is None or scan.shown_at > state.last_shown_at

    def _decide(
        self, checked: Checked, claims: Claims | None, state: LaneState, now: datetime, trust: ClockTrust
    ) -> Decision:
        facts = LaneFacts(
            site=self._config.gate.site, gate=self._config.gate.number, direction=state.section.direction
        )
        try:
            standing = (
                self._standings.of(checked.claims, now, checked.kid)
                if isinstance(checked, Verified)
                else Standing()
            )
        except JournalError as error:
            log.error("standing cannot be read", error=str(error))
            if state.section.direction is Direction.ENTRY:
                return Deny(Reason.INTERNAL_ERROR, claims)
            standing = Standing()
        answer = decide(checked, standing, facts, self._policy, now=now, trust=trust)
        shut = not self._boards_ok[state.section.board] or state.lane.state in {State.HELD, State.FORCED}
        if isinstance(answer, Grant) and state.section.direction is Direction.ENTRY and shut:
            return Refer(Reason.LANE_FAULT, answer.claims)
        return answer

    def _carry_out(self, answer: Answer, state: LaneState, checked: Checked, scan: ScanSeen) -> None:
        section, now = state.section, self._clock.now()
        shown_at = checked.shown_at if isinstance(checked, Verified) else None
        if isinstance(answer, Grant):
            sealed = checked.sealed if isinstance(checked, Verified) else b""
            token, answer = self._record_grant(answer, section, Shown(shown_at, sealed), scan.at_s)
            if token is not None:
                assert isinstance(answer, Grant)
                state.last_pass = answer.claims.pass_id if answer.claims else None
                state.last_pass_s, state.last_shown_at = self._clock.monotonic_s(), shown_at
                seq = self._journal.last_seq()
                self._let[token] = replace(self._let[token], meant=meant_by(checked))
                self._advance(state, Event.GRANTED, token)
                self._unnamed.granted(state, token, checked, now, self._clock.monotonic_s())
                self._show(answer, section, now, seq)
                return
        assert not isinstance(answer, Grant)
        refused = partial(self._standings.record_refusal, answer, section.name, section.direction, shown_at)
        self._owed.write(refused)
        self._show(answer, section, now, self._journal.last_seq())

    def _record_grant(
        self, grant: Grant, section: LaneSection, shown: Shown, seen_s: float
    ) -> tuple[str, Grant] | tuple[None, Deny]:
        """Make the grant durable; returns its token, or what the visitor is told instead."""
        stay_id: str | None = None
        try:
            if section.direction is Direction.ENTRY:
                recorded = self._standings.record_entry_grant(grant, section.name, shown)
                stay_id = recorded.id
            else:
                stay = self._standings.open_stay(grant.claims) if grant.claims else None
                recorded = self._standings.record_exit_grant(grant, section.name, shown)
                stay_id = stay.stay_id if stay else None
            token = recorded.id
        except AlreadyGrantedError:
            return None, Deny(Reason.ALREADY_INSIDE, grant.claims)
        except JournalError as error:
            log.error("grant was not recorded", lane=section.name, error=str(error))
            if section.direction is Direction.ENTRY:
                return None, Deny(Reason.INTERNAL_ERROR, grant.claims)
            token = os.urandom(8).hex()  # exits open without a row; nobody is held inside by a full disk
        self._recorded()
        entry = section.direction is Direction.ENTRY
        self._let[token] = Let(
            lane=section.name,
            direction=section.direction,
            stay_id=stay_id,
            claims=grant.claims,
            issued_s=seen_s if entry else self._clock.monotonic_s(),
        )
        return token, grant

    def _scan_failed(self, state: LaneState) -> None:
        """After an error of ours: take back what was half granted; an exit opens all the same."""
        self._abandon(state)
        section, now, seq = state.section, self._clock.now(), self._journal.last_seq()
        if section.direction is Direction.ENTRY:
            self._show(Deny(Reason.INTERNAL_ERROR), section, now, seq)
            return
        token = os.urandom(8).hex()
        self._let[token] = Let(
            lane=section.name,
            direction=Direction.EXIT,
            stay_id=None,
            claims=None,
            issued_s=self._clock.monotonic_s(),
        )
        self._advance(state, Event.GRANTED, token)
        self._show(Grant(None), section, now, seq)

    def _abandon(self, state: LaneState) -> None:
        """Give back grants that the lane does not know of (an error came between)."""
        name = state.section.name
        for token in [
            token for token, let in self._let.items() if let.lane == name and token not in state.lane.tokens
        ]:
            let = self._let.pop(token)
            at = self._clock.now()
            self._owed.write(
                partial(self._standings.record_no_show, let.stay_id, let.lane, let.direction, at=at)
            )

    # -- boards and cameras

    def _board(self, board: str, event: BoardEvent) -> None:
        match event:
            case Done():
                self._pulse_ended(event.id, Event.PULSE_DONE)
            case TimedOut():
                self._pulse_ended(
                    event.id, Event.PULSE_DOUBTFUL if event.maybe_executed else Event.PULSE_NOT_DONE
                )
            case Refused():
                log.error("pulse refused", board=board, why=event.why.value)
                opening = event.why is Refusal.BUSY  # the relay is closed for somebody just before
                if not opening:
                    self._did_not_open(event.id)
                self._pulse_ended(event.id, Event.PULSE_DOUBTFUL if opening else Event.PULSE_NOT_DONE)
            case InputEdge():
                for state in self._lanes.values():
                    contact = state.section.contact
                    if contact and (contact.board, contact.channel) == (board, event.channel):
                        self._advance(state, Event.CONTACT_ACTIVE if event.active else Event.CONTACT_CLEAR)
            case Garbage():
                self._screen.count("garbage_bytes")
            case Line():
                self._board_health(board, ok=event.up, detail=event.why)
            case Fault():
                self._board_health(board, ok=not event.active, detail=event.why)
            case _:
                assert_never(event)

    def _did_not_open(self, token: str) -> None:
        """Take back what was said too early: the lane did not open."""
        let = self._let.get(token)
        if let is not None:
            section, answer = self._lanes[let.lane].section, Refer(Reason.LANE_FAULT, let.claims)
            self._owed.write(
                partial(self._standings.record_refusal, answer, section.name, section.direction, None)
            )
            self._show(answer, section, self._clock.now(), self._journal.last_seq())

    def _pulse_ended(self, token: str, event: Event) -> None:
        let = self._let.get(token)
        if let is not None:
            self._advance(self._lanes[let.lane], event, token)

    def _board_health(self, board: str, *, ok: bool, detail: str) -> None:
        if self._boards_ok[board] == ok:
            return
        first, self._boards_ok[board] = self._boards_ok[board] is None, ok
        if not (first and ok):
            self._device(board, ok=ok, detail=detail)
        for state in self._lanes.values():
            if state.section.contact and state.section.contact.board == board:
                self._advance(state, Event.CONTACT_BACK if ok else Event.CONTACT_LOST)
            if board in {state.section.board, state.section.contact and state.section.contact.board}:
                note_detail(state, board, "" if ok else detail)
            self._show_lane(state)
        self._health_changed()

    def _camera(self, change: CameraChanged) -> None:
        state = self._lanes[change.lane]
        if state.camera_ok == change.ok:
            return
        first, state.camera_ok = state.camera_ok is None, change.ok
        if not (first and change.ok):
            self._device(f"camera {change.lane}", ok=change.ok, detail=change.detail)
        note_detail(state, "camera", "" if change.ok else change.detail)
        self._show_lane(state)
        self._health_changed()

    def _device(self, device: str, *, ok: bool, detail: str) -> None:
        data = DeviceData(device=device, state="recovered" if ok else "fault", detail=detail[:200])
        self.note(Kind.DEVICE, data)

    # -- the lane machine's effects

    def _advance(self, state: LaneState, event: Event, token: str = "") -> None:
        now_s = self._clock.monotonic_s()
        state.lane, effects = machine.step(state.lane, event, now_s, state.timing, token)
        for effect, about in effects:
            self._effect(effect, about, state, now_s)
        self._show_lane(state)
        if state.turned_aside and state.lane.state is State.READY:
            state.turned_aside = False
            self._look_again(state.section.name)

    def _effect(self, effect: Effect, token: str, state: LaneState, now_s: float) -> None:
        section = state.section
        match effect:
            case Effect.PULSE:
                pulse = Pulse(
                    channel=section.channel, ms=section.pulse_ms, id=token, issued_s=self._let[token].issued_s
                )
                if not self._submit(section.board, pulse):
                    log.error("pulse not taken", lane=section.name)
                    self._did_not_open(token)
                    self._advance(state, Event.PULSE_NOT_DONE, token)
            case Effect.RECORD_PASSAGE | Effect.RECORD_ASSUMED:
                self._passage(self._let.pop(token, None), assumed=effect is Effect.RECORD_ASSUMED)
                state.last_pass_s = now_s
            case Effect.RECORD_NO_SHOW:
                let = self._let.pop(token, None)
                if let is not None:
                    at = self._clock.now()
                    self._owed.write(
                        partial(self._standings.record_no_show, let.stay_id, let.lane, let.direction, at=at)
                    )
                    self._screen.count("no_shows")
                state.last_pass = None
            case Effect.RAISE_FORCED:
                self.note(Kind.FORCED, LaneData(lane=section.name))
            case Effect.RAISE_HELD:
                self.note(Kind.HELD_OPEN, LaneData(lane=section.name))
            case Effect.CLEAR_ALARM:
                log.info("lane is clear again", lane=section.name)
            case _:
                assert_never(effect)

    def _passage(self, let: Let | None, *, assumed: bool) -> None:
        if let is None:
            return
        at = self._clock.now()
        self._unnamed.walked(let, at, self._clock.monotonic_s())
        if let.direction is Direction.ENTRY and let.stay_id is not None:
            self._owed.write(
                partial(self._standings.record_entry, let.stay_id, let.lane, at=at, assumed=assumed)
            )
        else:
            self._owed.write(
                partial(
                    self._standings.record_exit, let.claims, let.stay_id, let.lane, at=at, assumed=assumed
                )
            )
        self._screen.count("passages")
        self._screen.refresh()

    # -- recording and showing

    def _show(self, answer: Answer, section: LaneSection, now: datetime, seq: int) -> None:
        self._screen.show(
            verdict_of(answer, section, policy=self._policy, room=self._screen.room, at=now, seq=seq)
        )

    def _show_lane(self, state: LaneState) -> None:
        section = state.section
        boards = {section.board} | ({section.contact.board} if section.contact else set())
        board_ok = all(self._boards_ok[board] is True for board in boards)
        detail = "; ".join(state.details.values())
        word = _LANE_WORDS[state.lane.state] if board_ok else "fault"
        view = self._screen.lane(section.name)
        self._screen.lane_now(
            replace(view, state=word, camera_ok=state.camera_ok is True, board_ok=board_ok, detail=detail)
        )


def _one_of(checked: list[Checked]) -> Checked:
    """What several texts in one view come to: one verified pass, a refusal of several, or the first that is ours."""
    verified = [one for one in checked if isinstance(one, Verified)]
    if len({one.claims.pass_id for one in verified}) > 1:
        return Rejected(Reason.SEVERAL_CODES, f"{len(verified)} passes in view")
    if verified:
        return max(verified, key=lambda one: one.shown_at or 0)
    return next((one for one in checked if isinstance(one, Rejected)), Foreign())
