"""The centre's page in a real browser."""

from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from controller.web.app import create_console
from simulators import staged_pages as staged
from tests.real.pages.conftest import Opens, Serves

pytestmark = pytest.mark.real


def no_sideways_scrolling(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(
    ("language", "live", "words"),
    [
        ("zh-CN", "实时", ["在场", "超时 13 分钟", "已受理", "失联", "出场: 读码器离线", "138****8000"]),
        (
            "en",
            "Live",
            ["Inside now", "over by 13 min", "Accepted", "Lost", "Exit: Reader offline", "138****8000"],
        ),
    ],
)
def test_the_page_is_whole_in_both_languages_and_stays_fresh(
    serves: Serves, opens: Opens, language: str, live: str, words: list[str]
) -> None:
    source = staged.StagedConsole(staged.busy_centre())
    server = serves(create_console(source, clock=staged.StillClock()))
    page = opens(f"{server.url}/?lang={language}", dark=False).page
    expect(page.locator("#live-text")).to_have_text(live)
    for text in words:
        expect(page.locator("#main")).to_contain_text(text)
    expect(page.locator(".tile__count").nth(1)).to_have_text("2")
    source.show(replace(staged.busy_centre(), overstays=()))
    expect(page.locator(".tile__count").nth(1)).to_have_text("0")
    expect(page.locator("html")).to_have_attribute("lang", language)
    expect(page.locator("#main")).to_contain_text(words[0])  # the fragment kept the language


def test_the_language_is_one_tap_away(serves: Serves, opens: Opens) -> None:
    server = serves(create_console(staged.StagedConsole(staged.empty_centre()), clock=staged.StillClock()))
    page = opens(server.url).page
    expect(page.locator("#main")).to_contain_text("没有人超时，一切正常。")
    page.get_by_role("link", name="English").click()
    expect(page.locator("#main")).to_contain_text("Nobody has stayed too long. All is well.")
    page.goto(server.url)
    expect(page.locator("#main")).to_contain_text("All is well")


@pytest.mark.parametrize(
    ("width", "height", "dark"), [(1280, 800, False), (1280, 800, True), (390, 844, False)]
)
def test_it_fits_a_desk_and_a_phone_in_light_and_dark(
    serves: Serves, opens: Opens, width: int, height: int, dark: bool
) -> None:
    server = serves(create_console(staged.StagedConsole(staged.busy_centre()), clock=staged.StillClock()))
    page = opens(f"{server.url}/?lang=en", width=width, height=height, dark=dark).page
    expect(page.locator(".live--on")).to_be_visible()
    no_sideways_scrolling(page)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(15, 20, 24)" if dark else "rgb(242, 244, 246)")


def test_a_centre_that_goes_away_is_said_and_found_again(serves: Serves, opens: Opens) -> None:
    source = staged.StagedConsole(staged.busy_centre())
    server = serves(create_console(source, clock=staged.StillClock()))
    watched = opens(f"{server.url}/?lang=en")
    expect(watched.page.locator("#live-text")).to_have_text("Live")
    server.stop()
    expect(watched.page.locator("#live-text")).to_have_text("Connection lost, reconnecting")
    source.show(replace(staged.busy_centre(), dead_letters=3))
    serves(create_console(source, clock=staged.StillClock()), port=server.port)
    expect(watched.page.locator("#live-text")).to_have_text("Live")
    expect(watched.page.locator(".tile__count").nth(4)).to_have_text("3")
    watched.forget_lost_connections()
