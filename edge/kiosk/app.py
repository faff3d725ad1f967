"""The kiosk as a web application: one page, its fragments, one stream of events, one status for scripts."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, FastAPI, Header, Query
from fastapi.responses import HTMLResponse
from jinja2 import Environment
from pydantic import BaseModel

from edge.kiosk.alarm_words import for_alarm
from edge.kiosk.camera import Looks, camera_router
from edge.kiosk.card import STAYS_S, card_of, inside_rows
from edge.kiosk.view import KioskSource, Snapshot, Verdict
from passes.vocabulary import ClockTrust, Direction
from passes.words import Pair, for_category
from shell.clock import Clock
from shell.pages.app import page_app
from shell.pages.i18n import CHINESE, ENGLISH, Tongue, clock_text, whole_minutes
from shell.pages.stream import EventHub, EventStream, StreamEvent
from shell.pages.templates import (
    KIT_STATIC,
    assets_version,
    both_tongues,
    page_environment,
    two_lines,
)
from shell.pages.words import LANE_STATES, WAYS

HERE: Final = Path(__file__).parent
STRIP: Final = 5
BACKLOG: Final = 10  # events to send that are worth a word while connected: a few always are on their way


class LaneStatus(BaseModel):
    """One lane, for scripts."""

    name: str
    direction: Direction
    state: str
    camera_ok: bool
    board_ok: bool
    detail: str


class AlarmStatus(BaseModel):
    """One alarm, for scripts."""

    what: str
    place: str
    at: datetime
    detail: str


class UplinkStatus(BaseModel):
    """The way to the centre, for scripts."""

    connected: bool
    depth: int
    last_ack_at: datetime | None


class KioskStatus(BaseModel):
    """Answer of ``/api/v1/status``."""

    gate: str
    site: str
    now: datetime
    clock_trust: ClockTrust
    uplink: UplinkStatus
    lanes: list[LaneStatus]
    inside: int
    overdue: int
    pages: int
    seq: int
    counts: dict[str, int]
    emergency: str
    alarms: list[AlarmStatus]


class _Screen:
    """Renders the kiosk's templates for one source and clock."""

    def __init__(self, source: KioskSource, clock: Clock, cameras: Iterable[str]) -> None:
        self._source, self._clock, self._cameras = source, clock, frozenset(cameras)
        self.version = assets_version(HERE, KIT_STATIC)
        self.templates = _environment()

    def pulse(self) -> dict[str, object]:
        """What every ``hello`` and ``ping`` carries: the gate's time, and which page version it serves."""
        return {"version": self.version, "now": self._clock.now().isoformat()}

    def page(self) -> str:
        """The whole page."""
        values = self._values()
        newest = values["shot"].last[:1]
        shown = [verdict for verdict in newest if self._age_s(verdict) < STAYS_S]
        current = card_of(shown[0]) if shown else None
        strip = [card_of(verdict) for verdict in values["shot"].last[len(shown) : len(shown) + STRIP]]
        return self.templates.get_template("kiosk.html").render(
            values,
            cameras=self._cameras,
            current=current,
            age_s=self._age_s(shown[0]) if shown else 0,
            stays_s=STAYS_S,
            strip=strip,
            version=self.version,
        )

    def state(self) -> str:
        """The regions that change without a verdict: top bar, lanes, inside, refused."""
        return self.templates.get_template("state.html").render(self._values())

    def event(self, verdict: Verdict, *, age_s: float) -> StreamEvent:
        """One verdict as an event: the card to paint, and the chip that it later becomes."""

        def drawn() -> dict[str, object]:
            values = {"card": card_of(verdict), "zone": self.zone, "now": self._clock.now()}
            return {
                "seq": verdict.seq,
                "age_s": age_s,
                "card": self.templates.get_template("card.html").render(values),
                "chip": self.templates.get_template("chip.html").render(values),
            }

        return StreamEvent(name="verdict", data=drawn, seq=verdict.seq)

    def missed(self, after: int) -> list[StreamEvent]:
        """The verdicts behind ``after``, as events."""
        return [
            self.event(verdict, age_s=self._age_s(verdict)) for verdict in self._source.verdicts_after(after)
        ]

    def status(self, *, pages: int) -> KioskStatus:
        """The screen's facts for scripts; ``pages`` is how many kiosks are open."""
        shot = self._source.snapshot()
        return KioskStatus(
            gate=shot.gate,
            site=shot.site,
            now=self._clock.now(),
            clock_trust=self._clock.trust(),
            uplink=UplinkStatus(
                connected=shot.uplink.connected, depth=shot.uplink.depth, last_ack_at=shot.uplink.last_ack_at
            ),
            lanes=[
                LaneStatus(
                    name=lane.name,
                    direction=lane.direction,
                    state=lane.state,
                    camera_ok=lane.camera_ok,
                    board_ok=lane.board_ok,
                    detail=lane.detail,
                )
                for lane in shot.lanes
            ],
            inside=len(shot.inside),
            overdue=sum(stay.overdue for stay in shot.inside),
            pages=pages,
            seq=shot.seq,
            counts=dict(shot.counts),
            emergency=shot.emergency,
            alarms=[
                AlarmStatus(what=alarm.what, place=alarm.place, at=alarm.at, detail=alarm.detail)
                for alarm in shot.alarms
            ],
        )

    @cached_property
    def zone(self) -> ZoneInfo:
        """The site's zone; it does not change while the gate runs."""
        return ZoneInfo(self._source.snapshot().zone)

    def _age_s(self, verdict: Verdict) -> float:
        return max(0.0, (self._clock.now() - verdict.at).total_seconds())

    def _values(self) -> dict[str, Any]:
        shot: Snapshot = self._source.snapshot()
        now = self._clock.now()
        ack_at = shot.uplink.last_ack_at
        rows = inside_rows(shot.inside, now)
        return {
            "shot": shot,
            "now": now,
            "zone": self.zone,
            "clock_trusted": self._clock.trust() is ClockTrust.TRUSTED,
            "silent_minutes": None if ack_at is None else whole_minutes(now, ack_at),
            "rows": rows,
            "overdue": sum(row.overdue for row in rows),
            "refused": [card_of(verdict) for verdict in shot.refused],
        }


def create_kiosk(
    source: KioskSource,
    *,
    clock: Clock,
    previews: Mapping[str, Looks] | None = None,
    hosts: Iterable[str] = (),
    routers: Iterable[APIRouter] = (),
) -> FastAPI:
    """Build the kiosk of one gate; serve it with ``shell.pages.server.PageServer``.

    Args:
        source: The gate.
        clock: The gate's clock: its time is on the screen, with a badge when it is not trusted.
        previews: The camera's picture by lane; none at all unless the site wants them shown.
        hosts: Names, besides localhost and plain addresses, by which the kiosk may be opened.
        routers: Further routes of the gate.
    """
    previews = previews or {}
    screen = _Screen(source, clock, previews)
    hub = EventHub(screen.pulse)

    def tell(verdict: Verdict | None) -> None:
        if verdict is not None:
            hub.publish(screen.event(verdict, age_s=0.0))
        hub.publish(StreamEvent(name="changed", data={}))

    def follow() -> Callable[[], None]:
        return source.subscribe(tell)

    app = page_app(
        title="Postern kiosk",
        static=HERE / "static",
        hub=hub,
        follow=follow,
        hosts=hosts,
        routers=(camera_router(previews), *routers),
    )

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def page() -> str:
        return screen.page()

    @app.get("/fragments/state", response_class=HTMLResponse, include_in_schema=False)
    def state() -> str:
        return screen.state()

    @app.get("/events", include_in_schema=False, response_model=None)
    def events(
        after: Annotated[int, Query(ge=0)] = 0,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> EventStream:
        wanted = int(last_event_id) if last_event_id and last_event_id.isdecimal() else after
        # A page may be older than a journal that was begun anew: it then gets the new one from its end.
        known = min(wanted, source.snapshot().seq)
        return hub.stream(after=known, replay=lambda: screen.missed(known))

    @app.get("/api/v1/status", response_model=KioskStatus)
    def status() -> KioskStatus:
        return screen.status(pages=hub.open_pages)

    return app


def _environment() -> Environment:
    chinese, english = Tongue(CHINESE, [HERE / "locale"]), Tongue(ENGLISH)

    def pair(words: Pair) -> str:
        return two_lines(words.zh, words.en)

    def category(code: str) -> str:
        return pair(for_category(code))

    def lasting(text: str, minutes: int, **values: object) -> str:
        """A text with a length of time at its ``%(time)s``, in both languages."""
        return two_lines(
            chinese(text, time=chinese.duration(minutes), **values),
            english(text, time=english.duration(minutes), **values),
        )

    return page_environment(
        HERE / "templates",
        both=both_tongues(chinese, english),
        zh=chinese,
        en=english,
        pair=pair,
        for_alarm=for_alarm,
        category=category,
        category_zh=lambda code: for_category(code).zh,
        category_en=lambda code: for_category(code).en,
        lasting=lasting,
        clock_text=clock_text,
        ways=WAYS,
        lane_states=LANE_STATES,
        backlog=BACKLOG,
    )
