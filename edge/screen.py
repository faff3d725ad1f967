"""What the gate shows: the deciding thread writes it, the kiosk's and the uplink's threads read it."""

import json
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from drivers.gate.config import GateConfig
from edge.journal import Journal
from edge.kiosk.view import AlarmView, Inside, LaneView, Listener, Snapshot, Uplink, Verdict
from edge.standing import Standings, Stay
from passes.vocabulary import Category, Colour, Direction
from shell.clock import Clock
from shell.logs import get_logger
from sync.messages import DecisionData, Health, Kind, LaneHealth, Outcome

log = get_logger("screen")

VERDICTS_KEPT: Final = 200
REFUSED_SHOWN: Final = 20
LAST_SHOWN: Final = 6  # the card and the strip of five below it
TAIL: Final = 4


class Screen:
    """The state of one gate as people see it. Implements the kiosk's source; thread-safe.

    Args:
        config: Names of gate and lanes.
        units: Room labels by unit index.
        journal: Where verdicts of earlier runs are read back from.
        standings: Who is inside.
        clock: Time for "overdue".
        uplink: Asked for the state of the way to the centre.
    """

    def __init__(
        self,
        config: GateConfig,
        *,
        units: Mapping[int, str],
        journal: Journal,
        standings: Standings,
        clock: Clock,
        uplink: Callable[[], Uplink],
    ) -> None:
        self._config, self._units, self._clock = config, units, clock
        self._journal, self._standings, self._uplink = journal, standings, uplink
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._verdicts: deque[Verdict] = deque(self._recent_verdicts(), maxlen=VERDICTS_KEPT)
        self._lanes = {
            lane.name: LaneView(
                name=lane.name, direction=lane.direction, state="ready", camera_ok=False, board_ok=False
            )
            for lane in config.lane
        }
        self._counts: Counter[str] = Counter()
        self._emergency, self._alarms = "", tuple[AlarmView, ...]()

    def room(self, unit: int | None) -> str | None:
        """What the guard calls a unit; its number when the directory does not know it."""
        return None if unit is None else self._units.get(unit, f"#{unit}")

    def show(self, verdict: Verdict) -> None:
        """Show one answer; it is in the journal already."""
        with self._lock:
            self._verdicts.append(verdict)
            self._counts["scans"] += 1
            self._counts["grants" if verdict.outcome is Outcome.GRANT else "refusals"] += 1
        self._tell(verdict)

    def count(self, what: str) -> None:
        """Count something that scripts ask for."""
        with self._lock:
            self._counts[what] += 1

    def lane_now(self, view: LaneView) -> None:
        """Replace how one lane is shown; tells the pages when that changed anything."""
        with self._lock:
            changed = self._lanes[view.name] != view
            self._lanes[view.name] = view
        if changed:
            self._tell(None)

    def alarms_now(self, alarms: tuple[AlarmView, ...]) -> None:
        """Replace the alarms, the newest first."""
        with self._lock:
            self._alarms = alarms
        self._tell(None)

    def emergency_now(self, phase: str) -> None:
        """Show an emergency: ``active``, ``clear`` (it was not reset), or empty for none."""
        with self._lock:
            self._emergency = phase
        self._tell(None)

    def refresh(self) -> None:
        """Something else on the screen changed: who is inside, or the way to the centre."""
        self._tell(None)

    def lane(self, name: str) -> LaneView:
        """How one lane is shown now."""
        with self._lock:
            return self._lanes[name]

    def snapshot(self) -> Snapshot:
        """The screen as it is now; raises ``JournalError`` when the journal cannot be read."""
        now = self._clock.now()
        inside = tuple(self._inside(stay, now) for stay in self._standings.inside())
        with self._lock:
            newest_first = list(reversed(self._verdicts))
            refused = [verdict for verdict in newest_first if verdict.outcome is not Outcome.GRANT]
            return Snapshot(
                gate=self._config.gate.name,
                site=self._config.gate.site_name or str(self._config.gate.site),
                zone=self._config.gate.zone,
                lanes=tuple(self._lanes.values()),
                uplink=self._uplink(),
                inside=inside,
                refused=tuple(refused[:REFUSED_SHOWN]),
                last=tuple(newest_first[:LAST_SHOWN]),
                seq=newest_first[0].seq if newest_first else 0,
                counts=dict(self._counts),
                emergency=self._emergency,
                alarms=self._alarms,
            )

    def verdicts_after(self, seq: int) -> list[Verdict]:
        """Verdicts behind ``seq``, oldest first, at most the newest twenty."""
        with self._lock:
            return [verdict for verdict in self._verdicts if verdict.seq > seq][-REFUSED_SHOWN:]

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` for each new verdict or change; returns how to end that."""
        with self._lock:
            self._listeners.append(listener)

        def end() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return end

    def health(self, software: str) -> Health:
        """The gate's state as the centre gets it."""
        uplink = self._uplink()
        with self._lock:
            lanes = [
                LaneHealth(
                    name=view.name,
                    direction=view.direction,
                    state=view.state,
                    camera="ok" if view.camera_ok else "fault",
                    board="ok" if view.board_ok else "fault",
                )
                for view in self._lanes.values()
            ]
        return Health(
            now=self._clock.now(),
            trust=self._clock.trust(),
            software=software,
            outbox_depth=uplink.depth,
            lanes=lanes,
        )

    def _tell(self, verdict: Verdict | None) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener(verdict)
            except Exception:  # a page's trouble is not the gate's
                log.exception("a page could not be told")

    def _inside(self, stay: Stay, now: datetime) -> Inside:
        assert stay.entered_at is not None
        return Inside(
            category=stay.category.code,
            room=self.room(stay.unit),
            entered_at=stay.entered_at,
            due_at=stay.due_at,
            overdue=stay.due_at is not None and now >= stay.due_at,
            pass_tail=stay.pass_id[-TAIL:],
        )

    def _recent_verdicts(self) -> list[Verdict]:
        """What the last run showed, so that a restarted gate does not start with an empty wall."""
        rows = self._journal.read(
            "select seq, body from event where epoch = ? and kind = ? order by seq desc limit ?",
            (self._journal.epoch(), Kind.DECISION.value, REFUSED_SHOWN),
        )
        return [self._verdict(seq, json.loads(body)) for seq, body in reversed(rows)]

    def _verdict(self, seq: int, row: Mapping[str, object]) -> Verdict:
        data = DecisionData.model_validate(row["data"])
        return Verdict(
            seq=seq,
            at=datetime.fromisoformat(str(row["at"])),
            lane=data.lane,
            direction=Direction(data.direction),
            outcome=data.outcome,
            colour=colour_of(data.category),
            reason=data.reason,
            category=data.category,
            room=self.room(data.unit),
            pass_tail=data.pass_id[-TAIL:] if data.pass_id else None,
        )


def colour_of(category: str | None) -> Colour | None:
    """The colour of a category code, None for none or an unknown one."""
    try:
        return Category.from_code(category).colour if category else None
    except KeyError:
        return None
