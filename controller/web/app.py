"""The centre's page as a web application: one page in one of two languages, its fragment, one stream of events."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Cookie, FastAPI, Query
from fastapi.responses import HTMLResponse
from jinja2 import Environment

from controller.web.rows import by_category, overstays_by_age, stays_by_end
from controller.web.view import ConsoleSource
from passes.words import for_category
from shell.clock import Clock
from shell.logs import mask as mask_text
from shell.pages.app import page_app
from shell.pages.i18n import CHINESE, ENGLISH, LANGUAGES, Tongue, clock_text, mark, whole_minutes
from shell.pages.masking import mask_name, mask_phone
from shell.pages.stream import EventHub, EventStream, StreamEvent
from shell.pages.templates import KIT_STATIC, assets_version, page_environment
from shell.pages.words import LANE_STATES, WAYS

HERE: Final = Path(__file__).parent
COOKIE: Final = "lang"
COOKIE_S: Final = 365 * 24 * 3600
GATE_STATES: Final = {
    "online": mark("Online"),
    "stopping": mark("Stopping"),
    "lost": mark("Lost"),
    "unheard": mark("Not heard yet"),
}
SMS_STATES: Final = {
    "waiting": mark("Waiting"),
    "accepted": mark("Accepted"),
    "failed": mark("Failed"),
    "unknown": mark("Perhaps sent"),
}


class _Page:
    """Renders the centre's templates for one source and clock."""

    def __init__(self, source: ConsoleSource, clock: Clock) -> None:
        self._source, self._clock = source, clock
        self.version = assets_version(HERE, KIT_STATIC)
        self._environments = {code: _environment(Tongue(code, [HERE / "locale"])) for code in LANGUAGES}

    def pulse(self) -> dict[str, object]:
        """What every ``hello`` and ``ping`` carries: the centre's time, and which page version it serves."""
        return {"version": self.version, "now": self._clock.now().isoformat()}

    def render(self, template: str, language: str) -> str:
        """One template with everything on the page, in one language."""
        values = self._values()
        return self._environments[language].get_template(template).render(values, version=self.version)

    def _values(self) -> dict[str, Any]:
        shot, now = self._source.now(), self._clock.now()
        return {
            "shot": shot,
            "now": now,
            "zone": ZoneInfo(shot.zone),
            "inside": stays_by_end(shot.inside),
            "groups": by_category(shot.inside),
            "overstays": overstays_by_age(shot.overstays),
            "gates_online": sum(gate.state == "online" for gate in shot.gates),
        }


def create_console(
    source: ConsoleSource,
    *,
    clock: Clock,
    hosts: Iterable[str] = (),
    routers: Iterable[APIRouter] = (),
) -> FastAPI:
    """Build the pages of the centre; serve them with ``shell.pages.server.PageServer``.

    Args:
        source: The centre.
        clock: The centre's clock.
        hosts: Names, besides localhost and plain addresses, by which the pages may be opened.
        routers: Further routes, such as the API; commands need a page of ours or a bearer token.
    """
    page = _Page(source, clock)
    hub = EventHub(page.pulse)

    def tell() -> None:
        hub.publish(StreamEvent(name="changed", data={}))

    def follow() -> Callable[[], None]:
        return source.subscribe(tell)

    app = page_app(
        title="Postern centre", static=HERE / "static", hub=hub, follow=follow, hosts=hosts, routers=routers
    )

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def now(
        lang: Annotated[str | None, Query()] = None,
        cookie: Annotated[str | None, Cookie(alias=COOKIE)] = None,
    ) -> HTMLResponse:
        language = _language(lang, cookie)
        answer = HTMLResponse(page.render("console.html", language))
        if lang == language:
            answer.set_cookie(COOKIE, language, max_age=COOKIE_S, httponly=True, samesite="lax")
        return answer

    @app.get("/fragments/now", response_class=HTMLResponse, include_in_schema=False)
    def fragment(lang: Annotated[str | None, Query()] = None) -> str:
        return page.render("now.html", _language(lang))

    @app.get("/events", include_in_schema=False, response_model=None)
    def events() -> EventStream:
        return hub.stream()

    return app


def _language(*wishes: str | None) -> str:
    """The first wish that is a language here, else Chinese."""
    return next((wish for wish in wishes if wish in LANGUAGES), CHINESE)


def _environment(tongue: Tongue) -> Environment:
    def category(code: str) -> str:
        words = for_category(code)
        return words.en if tongue.code == ENGLISH else words.zh

    return page_environment(
        HERE / "templates",
        t=tongue,
        category=category,
        clock_text=clock_text,
        whole_minutes=whole_minutes,
        mask_name=mask_name,
        mask_phone=mask_phone,
        mask_text=mask_text,
        ways=WAYS,
        lane_states=LANE_STATES,
        gate_states=GATE_STATES,
        sms_states=SMS_STATES,
    )
