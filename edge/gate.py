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

from drivers.gate.config import GateConfig
from drivers.gate.hardware import LaneSection
from drivers.model import AnyEvent, BoardCommand, Refusal, Refused
from edge.alarms import Alarms
from edge.board_facts import BoardFacts
from edge.boards import opening
from edge.devices import Devices
from edge.emergency import Emergency, Phase
from edge.feed import Feed
from edge.hands import Hands
from edge.inputs import Asked, BoardReported, CameraChanged, Input, ScanSeen
from edge.journal import Journal, JournalError
from edge.lamps import Lamps
from edge.lane_state import LaneState, Let
from edge.lane_table import Event, State
from edge.lanes import GRANT_GAP_S, Lanes
from edge.owed import Owed, Record
from edge.screen import Screen
from edge.set_aside import SetAside
from edge.standing import AlreadyGrantedError, Shown, Standings
from edge.unnamed import meant_by
from edge.verdicts import Answer
from passes.check import Checked, Foreign, Rejected, Verified, check
from passes.claims import Claims
from passes.decide import Decision, Deny, Grant, Ignore, LaneFacts, Policy, Refer, Standing, decide
from passes.keys import KeyTable
from passes.vocabulary import ClockTrust, Direction, Reason
from shell.clock import Clock
from shell.logs import get_logger
from sync.messages import DeviceData, Kind

log = get_logger("gate")

SCAN_AGE_MAX_S: Final = 2.0  # what was seen longer ago never opens an entry
SAME_PERSON_S: Final = 6.0  # a phone still held up after its grant is not a second visitor
RED_LOOK_EVERY_S: Final = 1.0
_AGAIN: Final = "+"  # in the id of an opening that repeats one for the same grant
_WALKING: Final = {State.GRANTED, State.PASSING}
_OCCUPIED: Final = {State.HELD, State.FORCED, State.TAILGATE}


class Gate:
    """One access point with its lanes. Not thread-safe: the deciding thread owns it.

    Args:
        config: The gate and its lanes.
        keys: The issuer keys of the site.
        journal: Where events go first.
        standings: What is known of passes and people.
        screen: What people see.
        clock: Time.
        submit: Hands a command to a board; False when it was not taken.
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
        submit: Callable[[str, BoardCommand], bool],
        recorded: Callable[[], None],
        health_changed: Callable[[], None],
        look_again: Callable[[str], None],
    ) -> None:
        self._config, self._keys, self._clock = config, keys, clock
        self._journal, self._standings, self._screen = journal, standings, screen
        self._recorded, self._submit, self._look_again = recorded, submit, look_again
        self._policy: Policy = config.to_policy()
        self._owed = Owed(
            recorded=recorded,
            count=screen.count,
            set_aside=SetAside(config.gate.data_dir, clock.now),
            fault=self._journal_fault,
        )
        self.alarms, self.feed = Alarms(screen, clock), Feed()
        self._emergency = Emergency(journal, clock, self._owed, self._emergency_changed)
        facts = {board.name: BoardFacts() for board in config.board}
        self._facts = facts
        self._lanes = Lanes(
            config,
            policy=self._policy,
            standings=standings,
            screen=screen,
            alarms=self.alarms,
            owed=self._owed,
            clock=clock,
            submit=submit,
            last_seq=journal.last_seq,
            note=self.note,
            look_again=look_again,
            works=lambda board: facts[board].ok,
            emergency=lambda: bool(self._emergency),
            lamps=Lamps(config.lane, clock=clock, submit=submit),
        )
        self._devices = Devices(
            config,
            facts=facts,
            lanes=self._lanes,
            emergency=self._emergency,
            screen=screen,
            alarms=self.alarms,
            feed=self.feed,
            clock=clock,
            note=self.note,
            health_changed=health_changed,
            heard=self._heard,
        )
        self.hands = Hands(
            config,
            facts=facts,
            lanes=self._lanes,
            devices=self._devices,
            emergency=self._emergency,
            feed=self.feed,
            journal=journal,
            owed=self._owed,
            clock=clock,
            submit=submit,
            recorded=recorded,
        )
        self._resumed = False
        self._next_look_s, self._looked_at = 0.0, clock.now()

    def resume(self) -> None:
        """Settle what an earlier run left open: a grant without an end counts as a passage, from then, and says so."""
        try:
            pending, leaving = self._standings.pending(), self._standings.leaving()
            self._emergency.load()
        except JournalError as error:
            log.error("what was left open cannot be read yet", error=str(error))
            return
        self._resumed = True
        for stay_id, lane, granted_at in pending:
            if stay_id not in self._lanes.let:
                self._owed.write(
                    partial(self._standings.record_entry, stay_id, lane, at=granted_at, assumed=True)
                )
        shown = {let.stay_id for let in self._lanes.let.values()}
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

    def _journal_fault(self, words: str) -> Record:
        """The row which says that the journal lacks another."""
        data = DeviceData(device="journal", state="fault", detail=words[:200])
        return partial(self._journal.append, Kind.DEVICE, data, at=self._clock.now())

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
                self._scan_failed(self._lanes.states[item.lane])

    def _take(self, item: Input) -> None:
        match item:
            case ScanSeen():
                self._scan(item)
            case BoardReported():
                self._devices.board(item.board, item.event)
            case CameraChanged():
                self._devices.camera(item)
            case Asked():
                item.carry_out()
            case _:
                assert_never(item)

    def tick(self) -> None:
        """Do what is due by time: lane deadlines, rows that the journal owes."""
        self._lanes.tick()
        self._devices.tick()
        self._emergency.tick()
        self.hands.tick()
        self.alarms.tick()
        self._owed.pay()
        if not self._resumed:
            self.resume()
        self._look_for_red(self._clock.monotonic_s())

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
        return self._lanes.next_deadline_s()

    def _heard(self, event: AnyEvent) -> None:
        if isinstance(event, Refused) and _AGAIN in event.id and event.why is not Refusal.BUSY:
            self._lanes.did_not_open(event.id.partition(_AGAIN)[0])
        self.hands.heard(event)

    def _emergency_changed(self) -> None:
        """It began, its cause is over, or it was reset: every lane knows, and so do people."""
        phase = self._emergency.phase
        self._screen.emergency_now("" if phase is Phase.NONE else phase.value)
        self.feed.put({"event": "emergency", "phase": phase.value})
        for state in self._lanes.states.values():
            self._lanes.advance(state, Event.ALARM if self._emergency else Event.ALL_CLEAR)

    # -- scans

    def _scan(self, scan: ScanSeen) -> None:
        state = self._lanes.states[scan.lane]
        now_s = self._clock.monotonic_s()
        entry = state.section.direction is Direction.ENTRY
        if now_s - scan.at_s > SCAN_AGE_MAX_S:
            self._screen.count("late_scans")
            self._look_again(scan.lane)
            if entry:
                return
        now, trust = self._clock.now(), self._clock.trust()
        stored = self._standings.sealed
        read = partial(check, keys=self._keys, now=now, trust=trust, stored=stored, key_dates=entry)
        checked = _one_of([read(text) for text in scan.texts])
        claims = checked.claims if isinstance(checked, Verified) else None
        if isinstance(checked, Verified) and self._still_here(state, checked, now_s):
            if not entry:
                self._open_again(state, checked.claims, now)
            return
        busy = state.lane.walk in _WALKING or now_s - state.last_grant_s < GRANT_GAP_S
        if entry and busy and not isinstance(checked, Foreign):
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
        if self._waiting(state, pass_id):
            return True
        if state.last_pass != pass_id or now_s - state.last_pass_s >= SAME_PERSON_S:
            return False
        return state.last_shown_at is None or scan.shown_at is None or scan.shown_at > state.last_shown_at

    def _waiting(self, state: LaneState, pass_id: str) -> str:
        """The grant of a pass that nobody has walked for yet; empty when there is none."""
        for token in state.lane.tokens:
            let = self._lanes.let.get(token)
            if let is not None and let.claims is not None and let.claims.pass_id == pass_id:
                return token
        return ""

    def _open_again(self, state: LaneState, claims: Claims, now: datetime) -> None:
        """Somebody stands before an exit that did not open, or has locked again: it opens, and the grant stays one.

        What becomes of this opening says nothing of the first, so its id is no grant's, and no lane waits for its end.
        """
        section, token = state.section, self._waiting(state, claims.pass_id)
        self._lanes.advance(state, Event.SHOWN_AGAIN, token)
        self._lanes.show(Grant(claims), section, now, self._journal.last_seq())
        id_ = f"{token}{_AGAIN}{os.urandom(8).hex()}"
        command = opening(section, id_, issued_s=self._clock.monotonic_s())
        if not self._submit(section.board, command):
            log.error("opening not taken", lane=section.name)
            self._lanes.did_not_open(token)

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
        if isinstance(answer, Ignore) or state.section.direction is Direction.EXIT:
            return answer
        if self._emergency:
            return Deny(Reason.EMERGENCY, answer.claims)
        if isinstance(answer, Grant) and state.blocked:
            return Deny(Reason.LANE_BLOCKED, answer.claims)
        board_works = self._facts[state.section.board].ok
        shut = not board_works or state.lane.walk in _OCCUPIED
        if isinstance(answer, Grant) and shut:
            return Refer(Reason.LANE_FAULT, answer.claims)
        if isinstance(answer, Grant) and state.lacks_vehicle:
            state.turned_aside = True  # asked for again when one is there
            return Deny(Reason.NO_VEHICLE, answer.claims)
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
                self._lanes.let[token] = replace(self._lanes.let[token], meant=meant_by(checked))
                self._lanes.advance(state, Event.GRANTED, token)
                self._lanes.unnamed.granted(state, token, checked, now, self._clock.monotonic_s())
                self._lanes.show(answer, section, now, seq)
                return
        assert not isinstance(answer, Grant)
        refused = partial(self._standings.record_refusal, answer, section.name, section.direction, shown_at)
        self._owed.write(refused)
        self._lanes.show(answer, section, now, self._journal.last_seq())

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
        self._lanes.let[token] = Let(
            lane=section.name,
            direction=section.direction,
            stay_id=stay_id,
            claims=grant.claims,
            issued_s=seen_s if entry else self._clock.monotonic_s(),
        )
        return token, grant

    def _scan_failed(self, state: LaneState) -> None:
        """After an error of ours: take back what was half granted; an exit opens all the same."""
        self._lanes.abandon(state)
        section, now, seq = state.section, self._clock.now(), self._journal.last_seq()
        if section.direction is Direction.ENTRY:
            self._lanes.show(Deny(Reason.INTERNAL_ERROR), section, now, seq)
            return
        token = os.urandom(8).hex()
        self._lanes.let[token] = Let(
            lane=section.name,
            direction=Direction.EXIT,
            stay_id=None,
            claims=None,
            issued_s=self._clock.monotonic_s(),
        )
        self._lanes.advance(state, Event.GRANTED, token)
        self._lanes.show(Grant(None), section, now, seq)


def _one_of(checked: list[Checked]) -> Checked:
    """What several texts in one view come to: one verified pass, a refusal of several, or the first that is ours."""
    verified = [one for one in checked if isinstance(one, Verified)]
    if len({one.claims.pass_id for one in verified}) > 1:
        return Rejected(Reason.SEVERAL_CODES, f"{len(verified)} passes in view")
    if verified:
        return max(verified, key=lambda one: one.shown_at or 0)
    return next((one for one in checked if isinstance(one, Rejected)), Foreign())
