"""A centre that gives out links, and phones that open them: contexts of one real Chromium."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from controller.api import PassRequest
from controller.console import Console
from controller.phone.enrolment import Enrolment
from controller.phone.routers import phone_routers
from controller.units import load_units
from controller.web.app import create_console
from edge.vision.reader import Reader
from passes.check import Checked, Stored, Verified, check
from passes.gp1 import Envelope, from_text, open_body
from shell.pages.server import PageServer
from simulators.chromium import CHROMIUM_FLAGS, find_chromium
from tests.real.controller.centre import NOON, SITE
from tests.real.controller.demo import Demo, demo_at
from tests.waiting import until

OWN_HOSTS = {"localhost", "127.0.0.1"}
PATIENCE_MS = 15_000
TOKEN = "t" * 43


@pytest.fixture(scope="package")  # its event loop must end before other tests start theirs
def browser() -> Iterator[Browser]:
    chromium = find_chromium()
    if chromium is None:
        missing = "chromium is not installed (Debian: apt-get install chromium fonts-noto-cjk)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield started
        started.close()


class Site:
    """A centre with the phone's page, whose clock stands at noon until it is moved."""

    def __init__(self, demo: Demo, *, short_codes: bool = False) -> None:
        self.demo, self.clock = demo, demo.centre.clock
        self.enrolment = Enrolment(
            store=demo.centre.store,
            issuers={SITE: demo.issuer},
            clock=self.clock,
            random_bytes=os.urandom,
        )
        units = {site.id: load_units(site.units) for site in demo.config.sites.values()}
        console = Console(store=demo.centre.store, clock=self.clock, config=demo.config, units=units)
        routers = phone_routers(
            self.enrolment, clock=self.clock, config=demo.config, token=TOKEN, short_codes=short_codes
        )
        app = create_console(console, clock=self.clock, routers=routers)
        self.server = PageServer(app, port=0, setting="none")
        self.server.start()

    def link(self, *, life: timedelta = timedelta(hours=1), **changes: Any) -> str:
        """The whole address of a new one-time link."""
        wanted: dict[str, Any] = {
            "name": "李雷",
            "phone": "13800138001",
            "category": "courier",
            "unit": 12,
            "valid_minutes": 24 * 60,
            "gates": [0],
        }
        order = PassRequest(**{**wanted, **changes})
        made = self.enrolment.offer(order, site=SITE, life=life)
        return f"{self.server.url}/p#{made.secret}"

    def judge(self, text: str, *, now: datetime, stored: Stored | None = None) -> Checked:
        """What a gate of this site makes of a code; ``stored`` finds the passes that it holds."""
        return check(text, self.demo.keys, now=now, stored=stored or (lambda _: None))


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A centre; its gates take short codes when the test is parametrized so, indirectly."""
    with demo_at(tmp_path / "demo") as demo:
        made = Site(demo, short_codes=getattr(request, "param", False))
        yield made
        made.server.stop()


@dataclass
class Phone:
    """One phone: its own storage, its own clock, and everything that its page complained about."""

    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    excused: tuple[str, ...] = ()

    def open(self, url: str) -> None:
        self.page.goto(url)

    def take_pass(self, url: str) -> str:
        """Open a link, take the pass, and read its first code off the screen."""
        self.open(url)
        self.page.locator("#note-do").click()
        expect(self.page.locator("#card")).to_be_visible()
        return self.code()

    def code(self, *, other_than: str | None = None) -> str:
        """The text that the gate's own reader finds on a screenshot."""

        def look() -> str | None:
            found = [text for text in self.codes_seen() if text != other_than]
            return found[0] if found else None

        return until(look, within_s=15, what="a code on the phone's screen")

    def codes_seen(self) -> list[str]:
        picture = cv2.imdecode(np.frombuffer(self.page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        return [decoded.text for decoded in Reader().read(picture.astype(np.uint8))]

    def sealed(self) -> bytes:
        """The bytes of the pass, as the phone keeps them."""
        found = self.page.evaluate(
            "Promise.all([import('/p/keep.js'), import('/p/gp1.js')]).then(async ([keep, gp1]) =>"
            " gp1.hexOfBytes((await keep.all())[0].sealed))"
        )
        return bytes.fromhex(found)

    def pass_by(self, seconds: float) -> None:
        self.page.clock.run_for(int(seconds * 1000))

    def kept_for_offline(self) -> None:
        """Wait until the service worker has stored the page's files."""
        assert self.page.evaluate("navigator.serviceWorker.ready.then((ready) => Boolean(ready.active))")

    def excuse(self, *parts: str) -> None:
        """The browser itself logs failed requests; a test that makes them fail says so."""
        self.excused += parts

    def faults(self) -> tuple[list[str], list[str]]:
        heard = [line for line in self.complaints if not any(part in line for part in self.excused)]
        return heard, self.foreign


class Phones:
    """Makes phones and, at the end, asks each whether anything was wrong."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.made: list[Phone] = []

    def __call__(
        self,
        *,
        width: int = 390,
        height: int = 844,
        scale: float = 2,
        locale: str = "zh-CN",
        before: str | None = None,
        behind: timedelta = timedelta(0),
        **more: Any,
    ) -> Phone:
        """A new phone.

        Args:
            width: Of its screen, in CSS pixels.
            height: Likewise.
            scale: Screen pixels for a CSS pixel.
            locale: Its language.
            before: A script that runs before the page's own.
            behind: How far its clock is behind the centre's.
            more: For the browser's context.
        """
        context = self._browser.new_context(
            viewport={"width": width, "height": height}, device_scale_factor=scale, locale=locale, **more
        )
        if before is not None:
            context.add_init_script(before)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        phone = Phone(context, page)
        self.made.append(phone)
        page.on("console", lambda line: phone.complaints.append(f"{line.type}: {line.text}"))
        page.on("pageerror", lambda error: phone.complaints.append(str(error)))
        page.on(
            "request",
            lambda asked: (
                None if urlsplit(asked.url).hostname in OWN_HOSTS else phone.foreign.append(asked.url)
            ),
        )
        page.clock.install(time=NOON - behind)
        return phone


@pytest.fixture
def phones(browser: Browser) -> Iterator[Phones]:
    """Phones whose pages must not have complained, nor asked anybody but this machine."""
    made = Phones(browser)
    yield made
    for phone in made.made:
        phone.context.close()
        assert phone.faults() == ([], [])


def shown_at(text: str) -> int:
    """The moment that a rotating code claims."""
    opened = open_body(from_text(text))
    assert isinstance(opened, Envelope)
    return opened.shown_at


def accepted(site: Site, text: str, *, after_s: float = 0) -> Verified:
    """The claims of a code that a gate takes, ``after_s`` seconds after noon."""
    judged = site.judge(text, now=NOON + timedelta(seconds=after_s))
    assert isinstance(judged, Verified), judged
    return judged
