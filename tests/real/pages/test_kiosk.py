"""The kiosk in a real browser."""

import re
from dataclasses import dataclass, replace

import pytest
from fastapi import FastAPI
from playwright.sync_api import Page, expect

from edge.kiosk.app import create_kiosk
from edge.kiosk.view import Verdict
from passes.words import REASONS, for_reason
from simulators import staged_pages as staged
from tests.real.pages.conftest import Opens, Serves

pytestmark = pytest.mark.real

GREEN, BLUE, RED, GREY = "rgb(76, 217, 138)", "rgb(26, 86, 214)", "rgb(140, 0, 20)", "rgb(58, 68, 77)"


@dataclass
class Gate:
    """A staged gate, and new applications over it, as after a restart of its daemon."""

    source: staged.StagedKiosk
    clock: staged.StillClock

    def app(self) -> FastAPI:
        return create_kiosk(self.source, clock=self.clock)


@pytest.fixture
def gate() -> Gate:
    return Gate(staged.StagedKiosk(staged.busy_gate()), staged.StillClock())


def is_live(page: Page) -> None:
    expect(page.locator("#stale")).to_be_hidden()
    expect(page.locator("#kiosk")).not_to_have_class(re.compile("stale"))


def style(page: Page, selector: str, name: str) -> str:
    return str(page.locator(selector).evaluate(f"element => getComputedStyle(element)['{name}']"))


@dataclass(frozen=True, kw_only=True)
class Look:
    """How the card of one verdict has to look."""

    kind: str
    shape: str
    ground: str
    zh: str
    en: str


LOOKS = [
    (staged.green(), Look(kind="green", shape="circle-tick", ground=GREEN, zh="请通行", en="Go")),
    (staged.blue(), Look(kind="blue", shape="square-arrow", ground=BLUE, zh="访客请通行", en="Go, visitor")),
    (
        staged.red(),
        Look(kind="red", shape="octagon-cross", ground=RED, zh="请联系保安", en="Stop, see the guard"),
    ),
    (staged.refused(), Look(kind="stop", shape="dashed-bar", ground=GREY, zh="不予通行", en="Not admitted")),
]


@pytest.mark.parametrize(("verdict", "look"), LOOKS, ids=[look.kind for _, look in LOOKS])
def test_a_verdict_is_painted_with_its_colour_shape_and_word(
    gate: Gate, serves: Serves, opens: Opens, verdict: Verdict, look: Look
) -> None:
    page = opens(serves(gate.app()).url).page
    is_live(page)
    gate.source.push(verdict)
    card = page.locator("#stage .card")
    expect(card).to_have_attribute("data-kind", look.kind)
    expect(card).to_have_attribute("data-shape", look.shape)
    expect(card.locator("use")).to_have_attribute("href", f"#shape-{look.shape}")
    expect(card.locator(".card__word")).to_have_text(look.zh)
    expect(card.locator(".card__word-en")).to_have_text(look.en)
    assert style(page, "#stage .card", "backgroundColor") == look.ground
    assert ("gradient" in style(page, "#stage .card", "backgroundImage")) == (look.kind == "red")
    if verdict.reason:
        expect(card.locator(".card__fact .zh")).to_have_text(for_reason(verdict.reason).fact.zh)
        expect(page.locator(".refusal").first).to_contain_text(for_reason(verdict.reason).fact.zh)


def test_a_card_shrinks_into_the_strip_after_eight_seconds(gate: Gate, serves: Serves, opens: Opens) -> None:
    server = serves(gate.app())
    gate.source.push(staged.blue())
    gate.clock.move(7.0)  # the page is opened when one second of the card is left
    page = opens(server.url).page
    expect(page.locator("#stage .card")).to_have_attribute("data-kind", "blue")
    first = page.locator("#strip .chip").first
    expect(first).to_have_attribute("data-seq", "512")
    expect(page.locator("#stage .card")).to_have_attribute("data-kind", "idle")
    expect(first).to_have_attribute("data-seq", "513")
    expect(page.locator("#strip .chip")).to_have_count(5)


def test_a_restarted_gate_is_found_again_and_what_was_missed_is_shown(
    gate: Gate, serves: Serves, opens: Opens
) -> None:
    server = serves(gate.app())
    watched = opens(server.url)
    page = watched.page
    is_live(page)
    gate.source.push(staged.green())
    expect(page.locator("#stage .card")).to_have_attribute("data-kind", "green")
    server.stop()
    expect(page.locator("#stale")).to_be_visible()
    expect(page.locator("#stale")).to_contain_text("连接断开，重连中")
    assert "grayscale(1)" in style(page, "#stage", "filter")
    old = gate.source.push(replace(staged.refused(), at=staged.AFTERNOON))
    gate.clock.move(30)
    newest = gate.source.push(replace(staged.red(), at=gate.clock.now()))
    serves(gate.app(), port=server.port)
    is_live(page)
    expect(page.locator("#stage .card")).to_have_attribute("data-seq", str(newest.seq))
    expect(page.locator("#strip .chip").first).to_have_attribute("data-seq", str(old.seq))
    expect(page.locator(f'[data-seq="{newest.seq}"]')).to_have_count(1)
    watched.forget_lost_connections()


def test_old_facts_are_called_stale_even_while_the_stream_is_open(
    gate: Gate, serves: Serves, opens: Opens
) -> None:
    watched = opens(serves(gate.app()).url)
    page = watched.page
    is_live(page)
    page.route("**/fragments/state", lambda route: route.abort())
    gate.source.show(replace(gate.source.snapshot(), inside=()))
    expect(page.locator("#stale")).to_be_visible()
    page.unroute("**/fragments/state")
    is_live(page)  # it asks again by itself
    expect(page.locator(".panel__count")).to_have_text("0")
    watched.forget_lost_connections()


def test_a_gate_that_falls_silent_is_called_stale_after_twenty_seconds(
    gate: Gate, serves: Serves, opens: Opens
) -> None:
    watched = opens("about:blank", own_time=True)
    page = watched.page
    with page.expect_response(
        "**/fragments/state"
    ):  # asked for at the first word heard: the silence counts from here
        page.goto(serves(gate.app()).url)
    is_live(page)
    page.route("**/events*", lambda route: route.abort())  # the open stream stays; no new one gets through
    page.clock.run_for(19_000)
    is_live(page)
    page.clock.run_for(1_500)
    expect(page.locator("#stale")).to_be_visible()
    page.unroute("**/events*")
    page.clock.run_for(21_000)
    is_live(page)
    watched.forget_lost_connections()


def test_what_changes_besides_verdicts_is_shown_at_once(gate: Gate, serves: Serves, opens: Opens) -> None:
    page = opens(serves(gate.app()).url).page
    is_live(page)
    expect(page.locator(".lane--fault")).to_have_count(0)
    gate.source.show(staged.troubled_gate())
    expect(page.locator(".lane--fault")).to_have_count(2)
    expect(page.locator(".link--down")).to_contain_text("离线 12 分钟")
    gate.source.show(staged.busy_gate())
    expect(page.locator(".lane--fault")).to_have_count(0)


def fits(page: Page) -> None:
    """Nothing sticks out of the screen, the card, or its own line."""
    out = page.evaluate(
        """() => {
          const screen = document.documentElement, found = [];
          if (screen.scrollWidth > innerWidth || screen.scrollHeight > innerHeight) found.push("screen");
          const stage = document.querySelector("#stage").getBoundingClientRect();
          for (const part of document.querySelectorAll("#stage *")) {
            const box = part.getBoundingClientRect();
            if (box.right > stage.right + 1 || box.bottom > stage.bottom + 1 || box.top < stage.top - 1)
              found.push(part.className.baseVal ?? part.className);
          }
          const card = document.querySelector("#stage .card");
          if (card.scrollHeight > card.clientHeight) found.push("card too high");
          for (const part of [card, ...document.querySelectorAll("#stage p, .top__gate")])
            if (part.scrollWidth > part.clientWidth + 1) found.push(part.className + " too wide");
          return found;
        }"""
    )
    assert out == []


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1024, 600), (1920, 1080)])
def test_every_card_fits_and_its_word_is_read_at_two_metres(
    gate: Gate, serves: Serves, opens: Opens, width: int, height: int
) -> None:
    page = opens(serves(gate.app()).url, width=width, height=height).page
    is_live(page)
    verdicts = [staged.green(), staged.blue(), *(staged.refused(reason.value) for reason in REASONS)]
    for verdict in verdicts:
        pushed = gate.source.push(replace(verdict, category="renovation", room="12-3406"))
        expect(page.locator("#stage .card")).to_have_attribute("data-seq", str(pushed.seq))
        assert float(style(page, ".card__word", "fontSize").removesuffix("px")) >= 84
        fits(page)


def test_without_any_colour_the_cards_still_differ(gate: Gate, serves: Serves, opens: Opens) -> None:
    page = opens(serves(gate.app()).url).page
    is_live(page)
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setEmulatedVisionDeficiency", {"type": "achromatopsia"})
    seen: dict[str, tuple[str, str, bytes]] = {}
    for verdict in (staged.green(), staged.blue(), staged.red(), staged.refused()):
        pushed = gate.source.push(verdict)
        card = page.locator("#stage .card")
        expect(card).to_have_attribute("data-seq", str(pushed.seq))
        kind, shape = card.get_attribute("data-kind"), card.get_attribute("data-shape")
        drawn = page.locator("#stage .card__shape").screenshot(animations="disabled")
        seen[str(kind)] = (str(shape), page.locator(".card__word").inner_text(), drawn)
    assert set(seen) == {"green", "blue", "red", "stop"}
    for part in zip(*seen.values(), strict=True):
        assert len(set(part)) == 4


def test_hostile_text_does_nothing_in_the_browser(gate: Gate, serves: Serves, opens: Opens) -> None:
    page = opens(serves(gate.app()).url).page
    is_live(page)
    text = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    pushed = gate.source.push(replace(staged.refused(text), room=text))
    expect(page.locator("#stage .card")).to_have_attribute("data-seq", str(pushed.seq))
    expect(page.locator("#stage .card__who")).to_contain_text(text)
    expect(page.locator("#stage img, #stage script, .refused img")).to_have_count(0)


def test_a_long_day_leaves_the_page_as_small_as_it_was(gate: Gate, serves: Serves, opens: Opens) -> None:
    page = opens(serves(gate.app()).url).page
    is_live(page)
    sizes = []
    for _ in range(2):
        for _ in range(25):
            pushed = gate.source.push(staged.blue())
            expect(page.locator("#stage .card")).to_have_attribute("data-seq", str(pushed.seq))
        sizes.append(page.evaluate("document.querySelectorAll('*').length"))
    assert sizes[0] == sizes[1]
