"""What boards and cameras report, and what that means for lanes, for the screen and for the record.

Outputs and inputs of drivers have numbers; here they get their roles. Events that a gate has no use for (what scanners,
thermometers and modems say) pass by.
"""

from collections.abc import Callable
from typing import Final

from pydantic import BaseModel

from drivers.gate.config import GateConfig
from drivers.gate.hardware import InputSection, LaneSection
from drivers.model import (
    Alarm,
    AnyEvent,
    Counted,
    Done,
    Fault,
    Garbage,
    Grade,
    Identity,
    InputEdge,
    Line,
    Outputs,
    Refusal,
    Refused,
    TimedOut,
)
from edge.alarms import Alarms
from edge.board_facts import BoardFacts
from edge.emergency import Emergency
from edge.feed import Feed
from edge.inputs import CameraChanged
from edge.lane import Lane
from edge.lane_state import LaneState, note_detail
from edge.lane_table import Event, State
from edge.lanes import Lanes
from edge.roles import RoleChanged, Roles
from edge.screen import Screen
from passes.vocabulary import Direction
from shell.clock import Clock
from shell.logs import get_logger
from sync.messages import AgainstData, DeviceData, Kind, LaneData

log = get_logger("devices")

_EXPECTED: Final = {State.GRANTED, State.PASSING}


class Devices:
    """Boards, inputs and cameras of one gate. Not thread-safe: the deciding thread owns it.

    Args:
        config: The gate.
        facts: What each board said of itself; kept here.
        lanes: Told what happened to them.
        emergency: Told of fire.
        screen, alarms: What people see.
        feed: What tools watch.
        clock: Time.
        note: Records an event.
        health_changed: Called when a camera or board went or came back.
        heard: Gets every event of a board, for whoever waits for an outcome.
    """

    def __init__(
        self,
        config: GateConfig,
        *,
        facts: dict[str, BoardFacts],
        lanes: Lanes,
        emergency: Emergency,
        screen: Screen,
        alarms: Alarms,
        feed: Feed,
        clock: Clock,
        note: Callable[[Kind, BaseModel], None],
        health_changed: Callable[[], None],
        heard: Callable[[AnyEvent], None],
    ) -> None:
        self._facts, self._lanes, self._emergency = facts, lanes, emergency
        self._screen, self._alarms, self._feed, self._clock = screen, alarms, feed, clock
        self._note, self._health_changed, self._heard = note, health_changed, heard
        self.roles = Roles(config.input)
        self.active: dict[str, set[int]] = {
            board.name: set() for board in config.board
        }  # inputs, as last heard
        self._scanners = {board.name for board in config.board if board.protocol == "scanner"}
        self._doors_s: dict[str, tuple[InputSection, float]] = {}  # open doors, and when that is too long

    # -- boards

    def board(self, board: str, event: AnyEvent) -> None:
        """A board has an event."""
        facts = self._facts[board]
        before, garbage = facts.ok, isinstance(event, Garbage)
        facts.take(event)
        if not garbage:
            self._feed.board(board, event)
        match event:
            case Done():
                self._lanes.ended(event.id, Event.PULSE_DONE)
            case TimedOut():
                end = Event.PULSE_DOUBTFUL if event.maybe_executed else Event.PULSE_NOT_DONE
                self._lanes.ended(event.id, end)
            case Refused():
                self._refused(board, event)
            case InputEdge():
                self._edge(board, event)
            case Counted():
                self._counted(board, event)
            case Alarm():
                self._alarm(board, event)
            case Garbage():
                self._screen.count("garbage_bytes")
            case Line() | Fault():
                self.roles.board(board, heard=facts.ok is True, now_s=self._clock.monotonic_s())
                self._health(board, before)
            case _:
                pass
        if facts.line_up and _is_of_the_board(event):  # also of one in fault: a welded output hides no fire
            self.roles.board(board, heard=True, now_s=self._clock.monotonic_s())
        self._heard(event)

    def _refused(self, board: str, event: Refused) -> None:
        log.error("command refused", board=board, why=event.why.value)
        let = self._lanes.let.get(event.id)
        leaves = let is not None and let.direction is Direction.EXIT
        opening = event.why is Refusal.BUSY and leaves  # with whoever the relay is closed for just before
        if not opening:
            self._lanes.did_not_open(event.id)
        self._lanes.ended(event.id, Event.PULSE_DOUBTFUL if opening else Event.PULSE_NOT_DONE)

    def _health(self, board: str, before: bool | None) -> None:
        facts = self._facts[board]
        ok = facts.ok is True
        if before == ok:
            return
        if before is not None or not ok:
            self._device(board, ok=ok, detail=facts.detail)
        reads_fire = any(one.role == "fire" and one.board == board for one, _ in self.roles.all())
        if reads_fire and not ok:
            self._alarms.begin("fire_unread", board, facts.detail)
        elif reads_fire:
            self._alarms.end("fire_unread", board)
        for state in self._lanes.states.values():
            section = state.section
            seen_by = section.senses.board if section.senses else section.board
            if section.passage != "assumed" and seen_by == board:
                self._lanes.advance(state, Event.CONTACT_BACK if ok else Event.CONTACT_LOST)
            if section.board == board:
                self._lanes.advance(state, Event.MENDED if ok else Event.BROKEN)
            if section.scanner == board:
                state.readers["scanner"] = ok
            if board in section.boards or section.scanner == board:
                note_detail(state, board, facts.detail)
            self._lanes.show_lane(state)
        self._health_changed()

    def camera(self, change: CameraChanged) -> None:
        """A camera went or came back."""
        state = self._lanes.states[change.lane]
        before = state.readers.get("camera")
        if before == change.ok:
            return
        first, state.readers["camera"] = before is None, change.ok
        if not (first and change.ok):
            self._device(f"camera {change.lane}", ok=change.ok, detail=change.detail)
        note_detail(state, "camera", "" if change.ok else change.detail)
        self._lanes.show_lane(state)
        self._health_changed()

    def _device(self, device: str, *, ok: bool, detail: str) -> None:
        state = "recovered" if ok else "fault"
        self._note(Kind.DEVICE, DeviceData(device=device, state=state, detail=detail[:200]))

    def _alarm(self, board: str, event: Alarm) -> None:
        """A controller says that something is wrong, and its maker knows what; or visitors can change a scanner."""
        self._device(board, ok=not event.active, detail=f"alarm: {event.what}")
        place, scans = f"{board} {event.what}", board in self._scanners
        if not event.active:
            self._alarms.end("scanner" if scans else "controller", place)
        elif scans:
            self._alarms.begin("scanner", place)
        else:
            self._alarms.begin("controller", place)

    # -- passages

    def _edge(self, board: str, event: InputEdge) -> None:
        if event.active:
            self.active[board].add(event.channel)
        else:
            self.active[board].discard(event.channel)
        happened = Event.CONTACT_ACTIVE if event.active else Event.CONTACT_CLEAR
        for through in self._lanes.openings:
            sees = [one for one in through.ways if _sees(one.section, board, event.channel)]
            if sees:
                way = sees[0].section.direction if through.is_told_by_contacts else None
                self._lanes.advance(sees[0], happened, way=way)
        for changed in self.roles.edge(board, event.channel, current=event.active):
            self._role(changed)

    def _counted(self, board: str, event: Counted) -> None:
        on_board = [state for state in self._lanes.states.values() if state.section.board == board]
        own = next((state for state in on_board if state.section.side is event.side), None)
        if own is not None and own.section.passage != "counter":
            return
        if own is not None and len(own.opening.ways) > 1:
            way = own.section.direction
            for _ in range(event.delta):
                expected = _expects(own.lane, self._clock.monotonic_s(), way)
                self._lanes.advance(own, Event.PASSED, way=way)
                if not expected:
                    return  # one alarm for however many
            return
        others = [state for state in on_board if state is not own and state.lane.tokens]
        now_s = self._clock.monotonic_s()
        for _ in range(event.delta):
            if own is not None and _expects(own.lane, now_s):
                self._lanes.advance(own, Event.PASSED)
                continue
            if others:
                self._lanes.walked_against((own or others[0]).section.name)
            elif own is not None:
                self._lanes.advance(own, Event.PASSED)
            return  # one alarm for however many

    # -- roles

    def tick(self) -> None:
        """Notice inputs that have never shown a current, and doors that stay open."""
        now_s = self._clock.monotonic_s()
        for changed in self.roles.due(now_s):
            self._role(changed)
        for label, (section, until_s) in list(self._doors_s.items()):
            if now_s >= until_s:
                del self._doors_s[label]
                assert section.lane is not None
                self._note(Kind.HELD_OPEN, LaneData(lane=section.lane))
                self._alarms.begin("held", section.spot)

    def _role(self, changed: RoleChanged) -> None:
        section, active = changed.section, changed.active
        match section.role:
            case "fire":
                self._emergency.fire(section.label, active=active)
            case "exit_button":
                if active and not self._emergency:
                    self._lanes.advance(self._lane_of(section), Event.LET_OUT)
            case "tamper":
                self._device(section.label, ok=not active, detail="opened or cut" if active else "")
                if active:
                    self._alarms.begin("tamper", section.spot)
                else:
                    self._alarms.end("tamper", section.spot)
            case "door":
                self._door(section, active=active)

    def _door(self, section: InputSection, *, active: bool) -> None:
        if not active:
            self._doors_s.pop(section.label, None)
            self._alarms.end("held", section.spot)
            return
        now_s, state = self._clock.monotonic_s(), self._lane_of(section)
        lane = state.lane
        self._doors_s[section.label] = section, now_s + state.traits.held_open_after_s
        expected = lane.walk in _EXPECTED or lane.free or now_s <= lane.followed_until_s
        if not expected:
            self._note(Kind.FORCED, AgainstData(lane=state.section.name, detail="door"))
            self._alarms.flash("forced", section.spot)

    def _lane_of(self, section: InputSection) -> LaneState:
        assert section.lane is not None, "the configuration demands a lane"
        return self._lanes.states[section.lane]


def _sees(section: LaneSection, board: str, channel: int) -> bool:
    place = section.senses
    return place is not None and (place.board, place.channel) == (board, channel)


def _is_of_the_board(event: AnyEvent) -> bool:
    """Whether a board can only have said this itself."""
    match event:
        case Done():
            return event.grade is not Grade.SENT
        case Outputs():
            return event.read
        case _:
            return isinstance(event, InputEdge | Identity | Counted)


def _expects(lane: Lane, now_s: float, way: Direction | None = None) -> bool:
    """Whether whoever is counted next, in this direction where there are two, may walk."""
    let_out = lane.let_out_until_s is not None and now_s <= lane.let_out_until_s
    granted = any(way in {None, token.way} for token in lane.opened)
    return granted or lane.free or (let_out and way is not Direction.ENTRY)
