"""A scanner in keyboard mode types whatever it reads into the guard's page."""

import re

import pytest
from playwright.sync_api import Request, expect

from edge.kiosk.app import create_kiosk
from simulators import staged_pages as staged
from tests.real.pages.conftest import Opens, Serves

pytestmark = pytest.mark.real

TYPED = (
    "GP1:6BF+70-A2CD $%*./:\n",
    "https://evil.example/enter?code=1\n",
    "javascript:document.title=1\n",
    "/'?#\n",  # what a browser takes for the beginning of a search
)
KEYS = ("Tab", "Enter", "Space", "Tab", "Enter", "Backspace", "Escape", "ArrowDown", "Home", "Alt+ArrowLeft")


def test_c11_what_a_scanner_types_into_the_page_leads_nowhere_and_fills_nothing(
    serves: Serves, opens: Opens
) -> None:
    source = staged.StagedKiosk(staged.busy_gate())
    page = opens(serves(create_kiosk(source, clock=staged.StillClock())).url).page
    expect(page.locator("#kiosk")).not_to_have_class(re.compile("stale"))
    address = page.url
    page.evaluate("window.stillHere = true")
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(f"{request.method} {request.url.removeprefix(address)}")

    page.on("request", note)
    for text in TYPED:
        page.keyboard.type(text)
    for key in KEYS:
        page.keyboard.press(key)
    source.push(staged.green())  # the page lives, and shows the next verdict
    expect(page.locator("#stage .card")).to_have_attribute("data-kind", "green")
    assert page.url == address
    assert page.evaluate("window.stillHere")
    typed_in = (
        "[...document.querySelectorAll('input, textarea, select, [contenteditable]')].map(one => one.value)"
    )
    assert not any(page.evaluate(typed_in))
    assert {request for request in asked if not request.startswith("GET fragments/")} <= {
        "GET events?after=512"
    }
