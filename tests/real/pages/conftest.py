"""One real Chromium for all page tests, which talks to nobody but this machine."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, expect, sync_playwright

from shell.pages.server import PageServer
from simulators.chromium import CHROMIUM_FLAGS, find_chromium

OWN_HOSTS = {"localhost", "127.0.0.1"}
PATIENCE_MS = 15_000  # on a machine that has other things to do


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


@dataclass
class Watched:
    """A page, and everything that it complained about or asked of others."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def forget_lost_connections(self) -> None:
        """The browser itself logs each refused connection while a server is away; that is not the page's fault."""
        self.complaints[:] = [text for text in self.complaints if "net::ERR_" not in text]


Opens = Callable[..., Watched]


@pytest.fixture
def opens(browser: Browser) -> Iterator[Opens]:
    """Open a page at a size; afterwards it must not have complained, nor asked anybody else for anything."""
    opened: list[Watched] = []

    def open_page(
        url: str, *, width: int = 1280, height: int = 800, dark: bool = True, own_time: bool = False
    ) -> Watched:
        page = browser.new_page(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        page.set_default_timeout(PATIENCE_MS)
        watched = Watched(page)
        opened.append(watched)
        page.on("console", lambda line: watched.complaints.append(f"{line.type}: {line.text}"))
        page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        page.on(
            "request",
            lambda asked: (
                None if urlsplit(asked.url).hostname in OWN_HOSTS else watched.foreign.append(asked.url)
            ),
        )
        if own_time:  # the page's timers go by page.clock
            page.clock.install()
        page.goto(url)
        return watched

    yield open_page
    for watched in opened:
        watched.page.close()
        assert (watched.complaints, watched.foreign) == ([], [])


Serves = Callable[..., PageServer]


@pytest.fixture
def serves() -> Iterator[Serves]:
    """Serve an application on a free port, or on the one of a server before it."""
    started: list[PageServer] = []

    def serve(app: FastAPI, *, port: int = 0) -> PageServer:
        server = PageServer(app, port=port, setting="[kiosk] port in gate.toml")
        started.append(server)
        server.start()
        return server

    yield serve
    for server in started:
        server.stop()
