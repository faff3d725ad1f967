"""A gate and a centre in memory with a plausible afternoon in them, for pages without a site behind them.

Tests push verdicts through them into real browsers, and the screenshots are taken from them.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from controller.web.view import GateLane, GateRow, InsideRow, Now, OverstayRow, SmsRow
from edge.kiosk.view import AlarmView, Inside, LaneView, Listener, Snapshot, Uplink, Verdict
from passes.decide import Note
from passes.vocabulary import ClockTrust, Colour, Direction
from sync.messages import Outcome

AFTERNOON = datetime(2026, 11, 22, 6, 24, 30, tzinfo=UTC)  # 14:24:30 in Shanghai
ZONE = "Asia/Shanghai"
VERDICTS_KEPT = 20


class StillClock:
    """A clock that shows the moment it was given until it is moved."""

    def __init__(self, moment: datetime = AFTERNOON, trust: ClockTrust = ClockTrust.TRUSTED) -> None:
        self._moment, self._trust = moment, trust

    def monotonic_s(self) -> float:
        """Seconds since the staged afternoon began."""
        return (self._moment - AFTERNOON).total_seconds()

    def now(self) -> datetime:
        """The moment."""
        return self._moment

    def trust(self) -> ClockTrust:
        """As it was given."""
        return self._trust

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self._moment += timedelta(seconds=seconds)


class StagedKiosk:
    """A gate's side of the kiosk: holds a snapshot, keeps the last verdicts, tells its listeners."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._lock = threading.Lock()
        self._snapshot = snapshot
        self._verdicts: list[Verdict] = sorted(snapshot.last, key=lambda verdict: verdict.seq)
        self._listeners: list[Listener] = []

    def snapshot(self) -> Snapshot:
        """The screen as it is now."""
        with self._lock:
            return self._snapshot

    def verdicts_after(self, seq: int) -> list[Verdict]:
        """Verdicts behind ``seq``, oldest first."""
        with self._lock:
            return [verdict for verdict in self._verdicts if verdict.seq > seq][-VERDICTS_KEPT:]

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` from now on."""
        with self._lock:
            self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def push(self, verdict: Verdict) -> Verdict:
        """Record a verdict under the next sequence and show it; returns it as recorded."""
        with self._lock:
            verdict = replace(verdict, seq=self._snapshot.seq + 1)
            self._verdicts.append(verdict)
            refused = self._snapshot.refused
            if verdict.outcome is not Outcome.GRANT:
                refused = (verdict, *refused)[:VERDICTS_KEPT]
            last = (verdict, *self._snapshot.last)[:6]
            self._snapshot = replace(self._snapshot, seq=verdict.seq, last=last, refused=refused)
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener(verdict)
        return verdict

    def show(self, snapshot: Snapshot) -> None:
        """Change what is on the screen besides verdicts."""
        with self._lock:
            self._snapshot = snapshot
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener(None)


class StagedConsole:
    """A centre's side of its page: holds what is shown, tells its listeners."""

    def __init__(self, shown: Now) -> None:
        self._shown = shown
        self._listeners: list[Callable[[], None]] = []

    def now(self) -> Now:
        """The page as it is now."""
        return self._shown

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` from now on."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def show(self, shown: Now) -> None:
        """Change the page."""
        self._shown = shown
        for listener in tuple(self._listeners):
            listener()


def verdict(
    outcome: Outcome,
    *,
    seq: int = 0,
    ago_s: float = 0.0,
    direction: Direction = Direction.ENTRY,
    colour: Colour | None = None,
    reason: str | None = None,
    category: str | None = None,
    room: str | None = None,
    stay_minutes: int | None = None,
    tail: str | None = None,
    notes: tuple[Note, ...] = (),
) -> Verdict:
    """One verdict of the staged afternoon, ``ago_s`` before its now."""
    at = AFTERNOON - timedelta(seconds=ago_s)
    return Verdict(
        seq=seq,
        at=at,
        lane=direction.value,
        direction=direction,
        outcome=outcome,
        colour=colour,
        reason=reason,
        category=category,
        room=room,
        stay_minutes=stay_minutes,
        due_at=None if stay_minutes is None else at + timedelta(minutes=stay_minutes),
        pass_tail=tail,
        notes=notes,
    )


def green() -> Verdict:
    """A resident comes home."""
    return verdict(Outcome.GRANT, colour=Colour.GREEN, category="resident", room="5-1803", tail="7c1e")


def blue() -> Verdict:
    """A courier comes for an hour."""
    return verdict(
        Outcome.GRANT,
        colour=Colour.BLUE,
        category="courier",
        room="3-1202",
        stay_minutes=60,
        tail="9f3a",
    )


def watched() -> Verdict:
    """A guest with a soft key on the phone: let in, and the guard looks twice."""
    return verdict(
        Outcome.GRANT,
        colour=Colour.BLUE,
        category="invited",
        room="8-0601",
        stay_minutes=360,
        tail="51ae",
        notes=(Note.SOFT_KEY,),
    )


def red() -> Verdict:
    """A courier whose last visit was never closed."""
    return verdict(
        Outcome.DENY, colour=Colour.BLUE, reason="red", category="courier", room="3-1202", tail="b8d0"
    )


def refused(reason: str = "expired") -> Verdict:
    """An invited guest who is turned away for any other reason."""
    return verdict(Outcome.DENY, reason=reason, category="invited", room="8-0601", tail="04e2")


def _ago(minutes: float) -> datetime:
    return AFTERNOON - timedelta(minutes=minutes)


def _stay(category: str, room: str, ago_minutes: float, stay_minutes: int | None) -> Inside:
    entered_at = _ago(ago_minutes)
    due_at = None if stay_minutes is None else entered_at + timedelta(minutes=stay_minutes)
    overdue = due_at is not None and due_at <= AFTERNOON
    return Inside(category=category, room=room, entered_at=entered_at, due_at=due_at, overdue=overdue)


def busy_gate() -> Snapshot:
    """The south gate on a busy afternoon: one overstayer, eight in time, and a few who were refused."""
    last = (
        verdict(Outcome.GRANT, seq=512, ago_s=41, colour=Colour.GREEN, category="resident", room="5-1803"),
        verdict(
            Outcome.GRANT,
            seq=509,
            ago_s=95,
            direction=Direction.EXIT,
            colour=Colour.BLUE,
            category="food",
            room="2-0904",
        ),
        verdict(Outcome.DENY, seq=506, ago_s=162, reason="red", category="courier", room="3-1202"),
        verdict(Outcome.DENY, seq=505, ago_s=230, reason="stale_code", category="invited", room="8-0601"),
        verdict(
            Outcome.GRANT,
            seq=501,
            ago_s=304,
            colour=Colour.BLUE,
            category="service",
            room="6-1101",
            stay_minutes=240,
        ),
    )
    turned_away = (
        last[2],
        last[3],
        verdict(Outcome.DENY, seq=488, ago_s=640, reason="bad_signature"),
        verdict(Outcome.DENY, seq=480, ago_s=1120, reason="expired", category="food", room="1-0702"),
        verdict(Outcome.REFER, seq=466, ago_s=1893, reason="guard_confirm", category="other", room="7-1504"),
        verdict(
            Outcome.DENY, seq=431, ago_s=2710, reason="already_inside", category="courier", room="4-0301"
        ),
    )
    return Snapshot(
        gate="南门 South gate",
        site="阳光花园",
        zone=ZONE,
        lanes=(
            LaneView(name="entry", direction=Direction.ENTRY, state="ready", camera_ok=True, board_ok=True),
            LaneView(name="exit", direction=Direction.EXIT, state="open", camera_ok=True, board_ok=True),
        ),
        uplink=Uplink(connected=True, depth=0, last_ack_at=_ago(0.1)),
        inside=(
            _stay("courier", "3-1202", 73, 60),
            _stay("courier", "4-0301", 45, 60),
            _stay("food", "2-1605", 11, 30),
            _stay("food", "1-0702", 4, 30),
            _stay("invited", "8-0601", 95, 360),
            _stay("invited", "5-0303", 31, 360),
            _stay("service", "6-1101", 5, 240),
            _stay("renovation", "7-1504", 322, 657),
            _stay("courier", "9-2102", 18, 60),
        ),
        refused=turned_away,
        last=last,
        seq=512,
        counts={"scans": 214, "grants": 187, "passages": 181},
    )


def quiet_gate() -> Snapshot:
    """A gate that has just started: nobody inside, nothing refused, the centre not reached yet."""
    return replace(
        busy_gate(),
        inside=(),
        refused=(),
        last=(),
        seq=0,
        counts={},
        uplink=Uplink(connected=False, depth=0, last_ack_at=None),
    )


def troubled_gate() -> Snapshot:
    """A gate with everything wrong at once: a camera and a board gone, the centre away for twelve minutes."""
    return replace(
        busy_gate(),
        lanes=(
            LaneView(name="entry", direction=Direction.ENTRY, state="ready", camera_ok=False, board_ok=True),
            LaneView(
                name="exit",
                direction=Direction.EXIT,
                state="fault",
                camera_ok=True,
                board_ok=False,
                detail="relays: dev/relays",
            ),
        ),
        uplink=Uplink(connected=False, depth=37, last_ack_at=_ago(12.4)),
    )


def emergency_gate(phase: str = "active") -> Snapshot:
    """A gate whose fire input is active, or was and waits for its reset, with alarms beside it."""
    alarms = (("tailgate", "entry", 0.4), ("tamper", "inputs/4", 6))
    return replace(
        busy_gate(),
        lanes=tuple(
            LaneView(name=way.value, direction=way, state="emergency", camera_ok=True, board_ok=True)
            for way in Direction
        ),
        emergency=phase,
        alarms=tuple(AlarmView(what=what, place=place, at=_ago(ago)) for what, place, ago in alarms),
    )


def busy_centre() -> Now:
    """A centre with two gates, an overstay and the SMS about it."""

    def row(category: str, person: str | None, room: str, gate: str, *, ago: float, stay: int) -> InsideRow:
        entered_at = _ago(ago)
        return InsideRow(
            category=category,
            person=person,
            room=room,
            gate=gate,
            entered_at=entered_at,
            due_at=entered_at + timedelta(minutes=stay),
        )

    south, north = "南门 South gate", "北门 North gate"
    lanes = (
        GateLane(name="entry", direction=Direction.ENTRY, state="ready", camera_ok=True, board_ok=True),
        GateLane(name="exit", direction=Direction.EXIT, state="open", camera_ok=True, board_ok=True),
    )
    north_lanes = (lanes[0], replace(lanes[1], state="ready", camera_ok=False))
    return Now(
        centre="阳光花园 Sunny Garden",
        sites=("阳光花园",),
        zone=ZONE,
        inside=(
            row("courier", "王*", "3-1202", south, ago=73, stay=60),
            row("food", "陈*", "1-0702", south, ago=34, stay=30),
            row("courier", "刘**", "4-0301", south, ago=45, stay=60),
            row("food", "孙*", "2-1605", south, ago=11, stay=30),
            row("courier", None, "9-2102", north, ago=18, stay=60),
            row("service", "周**", "6-1101", south, ago=5, stay=240),
            row("invited", "李*", "8-0601", south, ago=95, stay=360),
            row("invited", "赵**", "5-0303", north, ago=31, stay=360),
            row("renovation", "马**", "7-1504", south, ago=322, stay=657),
        ),
        overstays=(
            OverstayRow(
                incident=118,
                since=_ago(13),
                category="courier",
                person="王*",
                room="3-1202",
                gate=south,
                sms="accepted",
            ),
            OverstayRow(
                incident=119,
                since=_ago(4),
                category="food",
                person="陈*",
                room="1-0702",
                gate=south,
                sms="waiting",
            ),
        ),
        sms=(
            SmsRow(
                at=_ago(4),
                to="+8613800138000",
                text="【阳光物业】外卖 1-0702 已超时，14:20 到期，请处理。编号 119",
                state="waiting",
            ),
            SmsRow(
                at=_ago(8),
                to="+8613900139001",
                text="【阳光物业】第二次提醒：快递 3-1202 超时未离场，编号 118",
                state="accepted",
            ),
            SmsRow(
                at=_ago(13),
                to="+8613800138000",
                text="【阳光物业】快递 3-1202 已超时，14:11 到期，请处理。编号 118",
                state="accepted",
            ),
            SmsRow(
                at=_ago(171),
                to="+8613800138000",
                text="【阳光物业】外卖 6-0204 已超时，11:33 到期，请处理。编号 117",
                state="accepted",
            ),
        ),
        sms_today=6,
        gates=(
            GateRow(
                id="south",
                name=south,
                state="online",
                heard_at=_ago(0.2),
                outbox_depth=0,
                clock_trust=ClockTrust.TRUSTED,
                software="postern 0.1.0",
                lanes=lanes,
            ),
            GateRow(
                id="north",
                name=north,
                state="lost",
                heard_at=_ago(6.5),
                outbox_depth=12,
                clock_trust=ClockTrust.TRUSTED,
                software="postern 0.1.0",
                lanes=north_lanes,
            ),
        ),
        dead_letters=0,
        counts={"events": 1204},
    )


def empty_centre() -> Now:
    """A centre on its first morning."""
    return replace(
        busy_centre(), inside=(), overstays=(), sms=(), sms_today=0, gates=(), dead_letters=0, counts={}
    )
