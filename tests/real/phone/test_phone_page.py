"""The phone's page in a real browser: its screenshots are read by the gate's reader and judged by the gate's check."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from passes import base45
from passes.check import Rejected, Verified
from passes.claims import KeyLevel
from passes.vocabulary import Category, Reason
from tests.real.controller.centre import NOON
from tests.real.phone.conftest import Phones, Site, accepted, shown_at

pytestmark = pytest.mark.real
PAGE_BYTES_MAX = 41_000

REFUSE_KEYS = """
for (const name of ["put", "add"]) {
  const real = IDBObjectStore.prototype[name];
  IDBObjectStore.prototype[name] = function (value, ...rest) {
    if (Object.values(value).some((part) => part instanceof CryptoKey)) {
      throw new DOMException("The object can not be cloned.", "DataCloneError");
    }
    return real.call(this, value, ...rest);
  };
}
"""
NO_STORAGE = "IDBFactory.prototype.open = () => { throw new DOMException('denied', 'SecurityError'); };"
NO_CRYPTO = "Object.defineProperty(crypto, 'subtle', { value: undefined });"
KEPT_KEY = "import('/p/keep.js').then((keep) => keep.all()).then(([record]) => record)"


def test_a_link_becomes_a_code_that_the_gate_accepts(site: Site, phones: Phones) -> None:
    phone = phones()
    text = phone.take_pass(site.link())
    claims = accepted(site, text).claims
    assert (claims.category, claims.unit, claims.site) == (Category.COURIER, 12, 7)
    assert claims.holder_key is not None
    assert phone.page.url == f"{site.server.url}/p"  # the secret is gone from the address
    expect(phone.page.locator("#word")).to_have_text("蓝码 BLUE")
    expect(phone.page.locator("#category")).to_have_text("快递 Courier")


def test_a_new_code_comes_within_ten_seconds_and_its_time_rises(site: Site, phones: Phones) -> None:
    phone = phones()
    first = phone.take_pass(site.link())
    phone.pass_by(10)
    second = phone.code(other_than=first)
    assert 9 <= shown_at(second) - shown_at(first) <= 20
    accepted(site, second, after_s=10)
    stale = site.judge(first, now=NOON + timedelta(seconds=45))
    assert isinstance(stale, Rejected) and stale.reason is Reason.STALE_CODE


@pytest.mark.parametrize("site", [True], indirect=True)
def test_full_and_short_codes_take_turns_where_gates_know_both(site: Site, phones: Phones) -> None:
    phone = phones()
    full = phone.take_pass(site.link())
    claims = accepted(site, full).claims
    phone.pass_by(5)
    short = phone.code(other_than=full)
    assert len(short) == 120
    held = {claims.pass_id: phone.sealed()}
    judged = site.judge(short, now=NOON + timedelta(seconds=5), stored=held.get)
    assert isinstance(judged, Verified)
    assert judged.claims == claims
    assert judged.shown_at is not None and judged.shown_at > shown_at(full)
    phone.pass_by(5)
    again = phone.code(other_than=short)
    assert accepted(site, again, after_s=10).shown_at == shown_at(again)


def test_base45_of_the_page_is_that_of_the_gate(site: Site, phones: Phones) -> None:
    phone = phones()
    phone.open(f"{site.server.url}/p")
    samples = [bytes(range(first, first + length)) for length in range(7) for first in (0, 77, 249)]
    spelled = phone.page.evaluate(
        "(all) => import('/p/gp1.js').then((gp1) => all.map((hex) => gp1.base45(gp1.bytesOfHex(hex))))",
        [sample.hex() for sample in samples],
    )
    assert spelled == [base45.encode(sample) for sample in samples]


@pytest.mark.parametrize("behind", [timedelta(days=3), timedelta(hours=-8)])
def test_a_phone_whose_clock_is_wrong_shows_the_centres_time(
    site: Site, phones: Phones, behind: timedelta
) -> None:
    text = phones(behind=behind).take_pass(site.link())
    assert abs(shown_at(text) - NOON.timestamp()) <= 10


def test_a_clock_that_is_set_back_gets_a_new_code_at_once(site: Site, phones: Phones) -> None:
    phone = phones()
    first = phone.take_pass(site.link())
    phone.page.clock.set_system_time(NOON - timedelta(minutes=30))
    phone.pass_by(1)
    second = phone.code(other_than=first)
    assert abs(shown_at(second) - (NOON - timedelta(minutes=30)).timestamp()) <= 10
    expect(phone.page.locator("#hint")).to_be_visible()


@pytest.mark.parametrize(("round_trip_s", "ahead_s"), [(4, 2), (7.9, 3.95), (9, 0)])
def test_half_of_the_round_trip_is_taken_off_and_of_a_slow_answer_nothing_is_believed(
    site: Site, phones: Phones, round_trip_s: float, ahead_s: float
) -> None:
    phone = phones()
    phone.open(f"{site.server.url}/p")
    phone.page.locator("#note-head").wait_for()
    asked = (
        "(waitMs) => import('/p/clock.js').then((clock) => { window.asked = clock.contact(() =>"
        " new Promise((answer) => setTimeout(() => answer({ now_ms: Date.now() }), waitMs))); })"
    )
    # The largest of several: a browser that has to wait between the two readings takes from the difference.
    offset = (
        "import('/p/clock.js').then((clock) =>"
        " Math.max(...Array(9).fill().map(() => clock.nowMs() - Date.now())))"
    )
    phone.page.wait_for_load_state("networkidle")  # the page asks once by itself
    before = phone.page.evaluate(offset)
    phone.page.evaluate(asked, round_trip_s * 1000)
    phone.pass_by(round_trip_s + 0.1)
    ahead = phone.page.evaluate(f"window.asked.then(() => {offset})")
    assert ahead == pytest.approx(ahead_s * 1000 if ahead_s else before, abs=300)


def test_a_pass_is_forgotten_a_day_after_its_end_and_not_before(site: Site, phones: Phones) -> None:
    phone = phones(locale="en-GB")
    phone.take_pass(site.link(valid_minutes=1))
    count = "import('/p/keep.js').then((keep) => keep.all()).then((all) => all.length)"
    for hours, head, kept in ((23.5, "This pass has expired", 1), (1, "No pass on this phone", 0)):
        phone.page.clock.fast_forward(int(hours * 3600 * 1000))
        site.clock.pass_by(hours * 3600)
        phone.open(f"{site.server.url}/p")
        expect(phone.page.locator("#note-head")).to_have_text(head)
        assert phone.page.evaluate(count) == kept


def test_without_centre_and_network_the_reloaded_page_still_opens_the_gate(
    site: Site, phones: Phones
) -> None:
    phone = phones(behind=timedelta(minutes=7))
    first = phone.take_pass(site.link())
    phone.kept_for_offline()
    phone.excuse("net::ERR_")
    site.server.stop()
    phone.context.set_offline(True)
    phone.pass_by(3600)
    phone.page.reload()
    text = phone.code(other_than=first)
    assert accepted(site, text, after_s=3600 + 5).shown_at == shown_at(text)
    expect(phone.page.locator("#hint")).to_have_text("离线中，仍可使用")
    phone.pass_by(10)
    assert shown_at(phone.code(other_than=text)) > shown_at(text)


def test_the_key_cannot_be_taken_out_of_the_browser(site: Site, phones: Phones) -> None:
    phone = phones()
    phone.take_pass(site.link())
    kept = phone.page.evaluate(
        f"{KEPT_KEY}.then(({{ privateKey, level }}) => ({{ level, extractable: privateKey.extractable }}))"
    )
    assert kept == {"level": 2, "extractable": False}
    for form in ("jwk", "pkcs8", "raw"):
        outcome = phone.page.evaluate(
            f"{KEPT_KEY}.then(({{ privateKey }}) => crypto.subtle.exportKey('{form}', privateKey))"
            ".then(() => 'exported', (error) => error.name)"
        )
        assert outcome in {"InvalidAccessError", "NotSupportedError"}


def test_a_second_phone_is_told_and_the_first_may_open_its_link_again(site: Site, phones: Phones) -> None:
    url = site.link()
    first, second = phones(), phones(locale="en-GB")
    text = first.take_pass(url)
    second.excuse("409 (Conflict)")
    second.open(url)
    expect(second.page.locator("#note-head")).to_have_text("No pass")
    expect(second.page.locator("#note-text")).to_contain_text("已在另一部手机上领取")
    expect(second.page.locator("#note-text")).to_contain_text("already been enrolled on another phone")
    assert second.codes_seen() == []
    first.open("about:blank")
    first.open(url)
    assert accepted(site, first.code()).claims == accepted(site, text).claims


def test_a_lost_answer_costs_nothing_the_same_phone_gets_the_pass(site: Site, phones: Phones) -> None:
    url = site.link()
    phone = phones()
    phone.excuse("net::ERR_")
    phone.open(url)
    # The centre enrols the key, and its answer does not arrive.
    phone.page.route("**/p/enrol", lambda route: (route.fetch(), route.abort())[1])
    phone.page.locator("#note-do").click()
    expect(phone.page.locator("#note-head")).to_have_text("无法连接")
    phone.page.unroute("**/p/enrol")
    phone.page.reload()
    accepted(site, phone.code())


def test_a_lost_answer_costs_a_phone_with_a_soft_key_nothing_either(site: Site, phones: Phones) -> None:
    phone = phones(before=REFUSE_KEYS)
    phone.excuse("net::ERR_")
    phone.open(site.link())
    phone.page.locator("#note-do").click()
    expect(phone.page.locator("#note-head")).to_have_text("此浏览器不能安全保存密钥")
    phone.page.route("**/p/enrol", lambda route: (route.fetch(), route.abort())[1])
    phone.page.locator("#note-do").click()
    expect(phone.page.locator("#note-head")).to_have_text("无法连接")
    phone.page.unroute("**/p/enrol")
    phone.page.locator("#note-do").click()  # try again, on the same page
    assert accepted(site, phone.code()).claims.key_level is KeyLevel.SOFT


@pytest.mark.parametrize(("life", "secret"), [(timedelta(hours=1), "wrong"), (timedelta(0), None)])
def test_a_wrong_and_an_expired_link_are_told_the_same(
    site: Site, phones: Phones, life: timedelta, secret: str | None
) -> None:
    phone = phones()
    phone.excuse("404 (Not Found)")
    url = site.link(life=life)
    phone.open(f"{url.split('#')[0]}#{secret}" if secret else url)
    expect(phone.page.locator("#note-text")).to_contain_text("链接无效或已过期")
    expect(phone.page.locator("#note-text")).to_contain_text("wrong or has expired")
    expect(phone.page.locator("#note-do")).to_be_hidden()


def test_a_browser_that_refuses_to_store_a_key_goes_one_rung_down_and_says_so(
    site: Site, phones: Phones
) -> None:
    phone = phones(before=REFUSE_KEYS)
    phone.open(site.link())
    phone.page.locator("#note-do").click()
    expect(phone.page.locator("#note-head")).to_have_text("此浏览器不能安全保存密钥")
    expect(phone.page.locator("#note-text")).to_contain_text("限进一次")
    assert phone.codes_seen() == []
    phone.page.locator("#note-do").click()
    claims = accepted(site, phone.code()).claims
    assert claims.expires_at == int((NOON + timedelta(hours=12)).timestamp())  # 24 h were ordered
    assert (claims.entries, claims.key_level) == (1, KeyLevel.SOFT)
    expect(phone.page.locator("#soft")).to_have_text("软密钥 SOFT KEY · 限进一次 ONE ENTRY")
    phone.page.reload()  # it was written down as text
    assert accepted(site, phone.code()).claims == claims


def test_a_repeat_visitor_reads_when_the_pass_opens(site: Site, phones: Phones) -> None:
    phone = phones()
    phone.take_pass(site.link(category="service", hours=["mon-fri 09:00-12:00", "sat,sun 10:00-11:00"]))
    hours = phone.page.locator("#hours")
    expect(hours).to_have_text("进入时间 周一至周五 09:00-12:00；周六、周日 10:00-11:00")
    phone.page.locator("#language").click()
    expect(hours).to_have_text("Entry hours Mon–Fri 09:00-12:00; Sat, Sun 10:00-11:00")
    other = phones()
    other.take_pass(site.link())
    expect(other.page.locator("#hours")).to_be_hidden()


def test_a_browser_without_any_storage_keeps_the_pass_while_the_page_is_open(
    site: Site, phones: Phones
) -> None:
    phone = phones(before=NO_STORAGE, locale="en-GB")
    phone.open(site.link())
    phone.page.locator("#note-do").click()
    expect(phone.page.locator("#note-head")).to_have_text("This browser cannot keep a key safely")
    phone.page.locator("#note-do").click()
    accepted(site, phone.code())
    expect(phone.page.locator("#hint")).to_have_text("Keep this page open until you are inside")


def test_a_browser_without_crypto_is_sent_to_paper(site: Site, phones: Phones) -> None:
    phone = phones(before=NO_CRYPTO, locale="en-GB")
    phone.open(site.link())
    expect(phone.page.locator("#note-head")).to_have_text("This browser cannot make a pass")
    expect(phone.page.locator("#note-text")).to_contain_text("printed pass")


def test_an_expired_pass_shows_no_code(site: Site, phones: Phones) -> None:
    phone = phones(locale="en-GB")
    phone.take_pass(site.link(valid_minutes=1))
    phone.pass_by(61)
    expect(phone.page.locator("#note-head")).to_have_text("This pass has expired")
    assert phone.codes_seen() == []


def test_two_passes_on_one_phone_are_both_there(site: Site, phones: Phones) -> None:
    phone = phones(locale="en-GB")
    phone.take_pass(site.link())
    site.clock.pass_by(1)
    phone.open("about:blank")
    second = phone.take_pass(site.link(category="resident"))
    expect(phone.page.locator("#word")).to_have_text("绿码 GREEN")
    assert accepted(site, second).claims.category is Category.RESIDENT
    phone.page.locator("#passes").select_option(index=1)
    expect(phone.page.locator("#word")).to_have_text("蓝码 BLUE")
    assert accepted(site, phone.code(other_than=second)).claims.category is Category.COURIER


def test_the_language_is_one_tap_away_and_stays(site: Site, phones: Phones) -> None:
    phone = phones()
    phone.take_pass(site.link())
    expect(phone.page.locator("[data-t=renews]")).to_have_text("自动更新，截图无效")
    phone.page.locator("#language").click()
    expect(phone.page.locator("[data-t=renews]")).to_have_text("Renews by itself. Screenshots do not work")
    phone.page.reload()
    expect(phone.page.locator("[data-t=renews]")).to_have_text("Renews by itself. Screenshots do not work")
    expect(phone.page.locator("html")).to_have_attribute("lang", "en")


def test_every_word_is_there_in_both_languages(site: Site, phones: Phones) -> None:
    phone = phones()
    phone.open(f"{site.server.url}/p")
    expect(phone.page.locator("#note-head")).to_have_text("此手机上没有通行码")
    words = phone.page.evaluate("import('/p/words.js').then((words) => words.WORDS)")
    assert len(words) > 20
    for name, pair in words.items():
        assert len(pair) == 2 and all(pair) and pair[0] != pair[1], name
        assert any("\u4e00" <= character <= "\u9fff" for character in pair[0] + pair[1]), name


@pytest.mark.parametrize(("width", "height", "scale"), [(390, 844, 3), (320, 568, 2), (320, 568, 1)])
@pytest.mark.parametrize("locale", ["zh-CN", "en-GB"])
def test_it_fits_small_phones_and_every_module_has_whole_pixels(
    site: Site, phones: Phones, width: int, height: int, scale: float, locale: str
) -> None:
    phone = phones(width=width, height=height, scale=scale, locale=locale)
    accepted(site, phone.take_pass(site.link()))
    assert phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    code = phone.page.locator("#code").bounding_box()
    left = phone.page.locator("#ring").bounding_box()
    assert code and left
    assert code["width"] >= 0.8 * width
    assert left["y"] + left["height"] <= height  # code and ring are on the screen without scrolling
    pixels, modules = phone.page.evaluate("[document.getElementById('code').width, 57 + 8]")
    assert pixels % modules == 0
    assert abs(code["width"] * scale - pixels) < 1


def test_on_its_side_a_phone_shows_the_whole_code(site: Site, phones: Phones) -> None:
    phone = phones(width=844, height=390)
    accepted(site, phone.take_pass(site.link()))
    assert phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_less_motion_is_less_motion(site: Site, phones: Phones) -> None:
    moving = "getComputedStyle(document.getElementById('ring')).transitionDuration"
    for motion, wanted in (("reduce", "0s"), ("no-preference", "0.25s")):
        phone = phones(reduced_motion=motion)
        phone.take_pass(site.link())
        assert phone.page.evaluate(moving) == wanted


def test_what_the_phone_keeps_of_the_page_is_small(site: Site, phones: Phones) -> None:
    phone = phones()
    phone.open(f"{site.server.url}/p")
    phone.kept_for_offline()
    sizes = phone.page.evaluate(
        """caches.keys().then(([name]) => caches.open(name)).then(async (cache) => {
          const sizes = {};
          for (const request of await cache.keys()) {
            const body = await (await cache.match(request)).arrayBuffer();
            sizes[new URL(request.url).pathname] = body.byteLength;
          }
          return sizes;
        })"""
    )
    assert {"/p", "/p/pass.js", "/p/vendor/lean-qr.js", "/static/kit/tokens.css"} <= sizes.keys()
    sizes["/p/worker.js"] = len(phone.page.evaluate("fetch('/p/worker.js').then((all) => all.text())"))
    assert sum(sizes.values()) <= PAGE_BYTES_MAX
