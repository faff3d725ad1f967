"""What the pages answer, asked in memory: words, escaping, status, languages."""

from dataclasses import replace

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from jinja2 import UndefinedError

from controller.web.app import create_console
from controller.web.view import InsideRow, OverstayRow, SmsRow
from edge.kiosk.app import HERE, create_kiosk
from edge.kiosk.view import Snapshot
from passes.vocabulary import ClockTrust
from shell.pages.headers import SECURITY_HEADERS
from shell.pages.masking import mask_name, mask_phone
from shell.pages.templates import harmless, page_environment
from simulators import staged_pages as staged

HOSTILE = "<script>alert(1)</script>\"'\u202eevil\u2066\x00"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;\ufffdevil\ufffd\ufffd"


def ask(app: FastAPI) -> TestClient:
    return TestClient(app, base_url="http://localhost")


def kiosk(snapshot: Snapshot, trust: ClockTrust = ClockTrust.TRUSTED) -> FastAPI:
    return create_kiosk(staged.StagedKiosk(snapshot), clock=staged.StillClock(trust=trust))


def hostile_gate() -> Snapshot:
    busy = staged.busy_gate()
    verdict = replace(
        staged.refused(HOSTILE), seq=600, lane=HOSTILE, category=HOSTILE, room=HOSTILE, pass_tail=HOSTILE
    )
    return replace(
        busy,
        gate=HOSTILE,
        site=HOSTILE,
        lanes=(replace(busy.lanes[0], name=HOSTILE, state=HOSTILE, detail=HOSTILE),),
        inside=(replace(busy.inside[0], category=HOSTILE, room=HOSTILE),),
        refused=(verdict,),
        last=(verdict, verdict),
        seq=600,
    )


def test_hostile_text_is_only_text_on_the_kiosk() -> None:
    app = kiosk(hostile_gate())
    for path in ("/", "/fragments/state"):
        text = ask(app).get(path).text
        assert "alert(1)<" not in text
        assert "\u202e" not in text and "\u2066" not in text
        assert SHOWN in text


def test_hostile_text_is_only_text_at_the_centre() -> None:
    busy = staged.busy_centre()
    shown = replace(
        busy,
        centre=HOSTILE,
        sites=(HOSTILE,),
        inside=(replace(busy.inside[0], category=HOSTILE, person=HOSTILE, room=HOSTILE, gate=HOSTILE),),
        overstays=(replace(busy.overstays[0], person=HOSTILE, room=HOSTILE, gate=HOSTILE),),
        sms=(replace(busy.sms[0], to=HOSTILE, text="<script>alert(1)</script>"),),
        gates=(replace(busy.gates[0], name=HOSTILE, software=HOSTILE),),
    )
    text = ask(create_console(staged.StagedConsole(shown), clock=staged.StillClock())).get("/").text
    assert "alert(1)<" not in text
    assert "\u202e" not in text
    assert SHOWN in text


def test_what_disturbs_text_around_it_is_made_visible_and_the_rest_is_kept() -> None:
    assert harmless("南门\u200e 1\u202e2") == "南门\ufffd 1\ufffd2"
    assert harmless("tab\tand line\n") == "tab\tand line\n"
    assert harmless(7) == 7


def test_a_value_that_a_template_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        page_environment(HERE / "templates").from_string("{{ nothing }}").render()


def test_the_kiosk_says_what_is_wrong_with_lanes_uplink_and_clock() -> None:
    text = ask(kiosk(staged.troubled_gate(), ClockTrust.UNTRUSTED)).get("/").text
    for words in ("读码器离线", "继电器板离线", "离线 12 分钟", "待传 37 条", "时间不可信"):
        assert words in text
    healthy = ask(kiosk(staged.busy_gate())).get("/").text
    for words in ("读码器离线", "继电器板离线", "待传", "时间不可信"):
        assert words not in healthy


def test_a_few_events_on_their_way_are_not_worth_a_word_but_a_backlog_is() -> None:
    busy = staged.busy_gate()
    said = {
        depth: f"待传 {depth} 条"
        in ask(kiosk(replace(busy, uplink=replace(busy.uplink, depth=depth)))).get("/").text
        for depth in (0, 1, 9, 10, 300)
    }
    assert said == {0: False, 1: False, 9: False, 10: True, 300: True}


def test_a_lane_without_camera_and_board_says_both_at_once() -> None:
    busy = staged.busy_gate()
    dark = replace(busy, lanes=(replace(busy.lanes[0], camera_ok=False, board_ok=False),))
    assert "读码器和继电器板离线" in ask(kiosk(dark)).get("/").text


def test_an_empty_kiosk_says_so() -> None:
    text = ask(kiosk(staged.quiet_gate())).get("/").text
    for words in ("请出示通行码", "场内无人", "没有被拒记录", "尚未连上中心"):
        assert words in text


def test_the_status_for_scripts_holds_counts_and_lanes() -> None:
    answer = ask(kiosk(staged.busy_gate())).get("/api/v1/status").json()
    assert answer["counts"] == {"scans": 214, "grants": 187, "passages": 181}
    assert [answer[name] for name in ("inside", "overdue", "pages", "seq")] == [9, 1, 0, 512]
    assert [lane["state"] for lane in answer["lanes"]] == ["ready", "open"]
    assert (answer["now"], answer["clock_trust"]) == ("2026-11-22T06:24:30Z", "trusted")


def test_the_centre_speaks_both_languages_and_remembers_the_choice() -> None:
    app = create_console(staged.StagedConsole(staged.busy_centre()), clock=staged.StillClock())
    client = ask(app)
    assert "在场" in client.get("/").text
    english = client.get("/?lang=en")
    assert "Inside now" in english.text and "在场" not in english.text
    assert "Inside now" in client.get("/").text  # by the cookie
    assert "在场" in client.get("/?lang=zh-CN").text
    assert "在场" in ask(app).get("/?lang=xx").text


def test_the_centre_masks_numbers_and_shows_every_part() -> None:
    text = (
        ask(create_console(staged.StagedConsole(staged.busy_centre()), clock=staged.StillClock()))
        .get("/?lang=en")
        .text
    )
    for words in (
        "#118",
        "over by 13 min",
        "138****8000",
        "Accepted",
        "Reader offline",
        "Lost",
        "北门 North gate",
    ):
        assert words in text
    assert "13800138000" not in text


def test_a_name_that_comes_whole_is_masked_and_the_count_is_the_centres() -> None:
    busy = staged.busy_centre()
    shown = replace(busy, inside=(replace(busy.inside[0], person="王小明"),), counts={"inside": 731})
    text = ask(create_console(staged.StagedConsole(shown), clock=staged.StillClock())).get("/").text
    assert ("王**" in text, "王小明" in text, ">731<" in text) == (True, False, True)


def test_an_empty_centre_says_so_kindly() -> None:
    app = create_console(staged.StagedConsole(staged.empty_centre()), clock=staged.StillClock())
    text = ask(app).get("/?lang=en").text
    for words in (
        "All is well",
        "Nobody is inside right now",
        "No gate has called yet",
        "No SMS were needed",
    ):
        assert words in text


def test_unknown_facts_are_dashes_not_errors() -> None:
    busy = staged.busy_centre()
    unheard = replace(
        busy.gates[0],
        state="unheard",
        heard_at=None,
        outbox_depth=None,
        clock_trust=None,
        software=None,
        lanes=(),
    )
    plain = InsideRow(
        category="drone", person=None, room=None, gate="?", entered_at=staged.AFTERNOON, due_at=None
    )
    late = OverstayRow(
        incident=1, since=staged.AFTERNOON, category="drone", person=None, room=None, gate="?", sms=None
    )
    sms = SmsRow(at=staged.AFTERNOON, to="12", text="", state="unknown")
    shown = replace(busy, gates=(unheard,), inside=(plain,), overstays=(late,), sms=(sms,))
    text = ask(create_console(staged.StagedConsole(shown), clock=staged.StillClock())).get("/?lang=en").text
    for words in ("drone", "Not heard yet", "none yet", "Perhaps sent", "no limit", "<dd>–</dd>"):
        assert words in text


def test_further_routes_are_served_and_pages_fail_in_words() -> None:
    router = APIRouter()

    @router.get("/api/v1/ping")
    def ping() -> dict[str, str]:
        return {"pong": "yes"}

    @router.get("/api/v1/broken")
    def broken() -> None:
        raise RuntimeError("disk gone")

    app = create_console(
        staged.StagedConsole(staged.busy_centre()), clock=staged.StillClock(), routers=[router]
    )
    assert ask(app).get("/api/v1/ping").json() == {"pong": "yes"}
    failed = TestClient(app, base_url="http://localhost", raise_server_exceptions=False).get("/api/v1/broken")
    assert (failed.status_code, "disk gone" in failed.text) == (500, False)
    assert failed.headers["content-security-policy"] == SECURITY_HEADERS["content-security-policy"]


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+8613800138000", "138****8000"),
        ("13800138000", "138****8000"),
        ("138****8000", "138****8000"),
        ("110", "****"),
    ],
)
def test_a_number_is_masked_however_it_is_written(number: str, shown: str) -> None:
    assert mask_phone(number) == shown


@pytest.mark.parametrize(("name", "shown"), [("李雷", "李*"), ("欧阳小明", "欧**"), ("王", "王"), ("", "")])
def test_a_name_keeps_its_first_character(name: str, shown: str) -> None:
    assert mask_name(name) == shown
