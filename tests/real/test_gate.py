"""The deciding core on a real journal, with boards and people played by hand."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from drivers.model import Done, Grade, InputEdge, Line, Pulse, Refusal, Refused, TimedOut
from edge.config import GateConfig
from edge.gate import Gate
from edge.inputs import BoardReported, CameraChanged, ScanSeen
from edge.journal import Journal
from edge.kiosk.view import Uplink, Verdict
from edge.screen import Screen
from edge.standing import Standings
from passes.gp1 import to_text
from passes.keys import p256_signer
from passes.shortcode import make_short
from passes.vocabulary import Category, Colour, Direction
from sync.messages import BootData, Kind, Outcome
from tests.minting import SITE, Mint, claims, phone_key
from tests.ticking import HandClock

pytestmark = pytest.mark.real
FOREIGN = "https://example.org/"


def config(folder: Path, passage: str = "contact") -> GateConfig:
    lanes = [
        {
            "name": name,
            "direction": name,
            "camera": "none",
            "board": "relays",
            "channel": channel,
            "passage": passage,
            "release": "pulse_to_open",
            "on_power_loss": "open",
        }
        | ({"contact": {"board": "inputs", "channel": channel}} if passage == "contact" else {})
        for channel, name in ((1, "entry"), (2, "exit"))
    ]
    return GateConfig.model_validate(
        {
            "gate": {
                "id": "south",
                "site": SITE,
                "number": 0,
                "name": "南门",
                "zone": "Asia/Shanghai",
                "data_dir": folder,
                "keys": "k",
                "units": "u",
            },
            "broker": {"url": "mqtt://127.0.0.1:1"},
            "policy": {"static_needs_guard": False},
            "board": [
                {"name": "relays", "protocol": "lcus", "port": "a"},
                {"name": "inputs", "protocol": "modbus-inputs", "port": "b"},
            ],
            "lane": lanes,
        }
    )


@dataclass
class World:
    """One gate, its journal, and what reached its boards."""

    folder: Path
    clock: HandClock
    passage: str = "contact"

    def start(self) -> None:
        settings = config(self.folder, self.passage)
        self.journal = Journal(self.folder, self.clock)
        standings = Standings(self.journal, settings.to_policy().zone)
        self.screen = Screen(
            settings,
            units={12: "3-1202"},
            journal=self.journal,
            standings=standings,
            clock=self.clock,
            uplink=lambda: Uplink(connected=False, depth=0, last_ack_at=None),
        )
        self.pulses: list[tuple[str, Pulse]] = []
        self.asked_again: list[str] = []
        self.rows_when_pulsed: list[int] = []
        self.gate = Gate(
            settings,
            keys=Mint().table,
            journal=self.journal,
            standings=standings,
            screen=self.screen,
            clock=self.clock,
            submit=self._submit,
            recorded=lambda: None,
            health_changed=lambda: None,
            look_again=self.asked_again.append,
        )
        self.gate.resume()
        for board in ("relays", "inputs"):
            self.gate.handle(BoardReported(board=board, event=Line(up=True)))

    def _submit(self, board: str, pulse: Pulse) -> bool:
        self.pulses.append((board, pulse))
        self.rows_when_pulsed.append(self.journal.last_seq())
        return True

    def show(self, *texts: str, lane: str = "entry", age_s: float = 0.0) -> Verdict | None:
        before = self.screen.verdicts_after(-1)
        self.gate.handle(ScanSeen(lane=lane, texts=texts, at_s=self.clock.monotonic_s() - age_s))
        after = self.screen.verdicts_after(-1)
        return after[-1] if after != before else None

    def fresh(self, number: int = 1, **changes: Any) -> str:
        return Mint().phone(number, shown_at=int(self.clock.now().timestamp()), **changes)

    def walk(self, lane: str = "entry") -> None:
        channel = 1 if lane == "entry" else 2
        for active in (True, False):
            self.clock.advance(0.5)
            edge = InputEdge(channel=channel, active=active, at_s=self.clock.monotonic_s())
            self.gate.handle(BoardReported(board="inputs", event=edge))

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.gate.tick()

    def events(self, kind: str) -> list[dict[str, Any]]:
        rows = self.journal.read("select body from event where kind = ? order by seq", (kind,))
        return [json.loads(body)["data"] for (body,) in rows]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, HandClock())
    made.start()
    yield made
    made.journal.close()


def reason(verdict: Verdict | None) -> str | None:
    assert verdict is not None
    assert verdict.outcome is not Outcome.GRANT
    return verdict.reason


def granted(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.outcome is Outcome.GRANT


def test_a_visitor_enters_stays_and_leaves(world: World) -> None:
    verdict = world.show(world.fresh())
    assert granted(verdict)
    assert verdict is not None
    assert (verdict.colour, verdict.room, verdict.stay_minutes) == (Colour.BLUE, "3-1202", 60)
    world.walk()
    inside = world.screen.snapshot().inside
    assert [(one.category, one.room, one.overdue) for one in inside] == [("courier", "3-1202", False)]
    world.wait(30)
    assert granted(world.show(world.fresh(), lane="exit"))
    world.walk("exit")
    assert world.screen.snapshot().inside == ()
    entry, left = world.events("passage")
    assert entry["stay_id"] == left["stay_id"]
    assert (entry["direction"], left["direction"]) == ("entry", "exit")


def test_i1_the_decision_is_in_the_journal_before_the_relay_is_told(world: World) -> None:
    world.show(world.fresh())
    ((board, pulse),) = world.pulses
    (decision,) = world.events("decision")
    assert (board, pulse.channel, decision["outcome"]) == ("relays", 1, "grant")
    assert world.rows_when_pulsed == [world.journal.last_seq()]


def test_i1_without_a_durable_row_nobody_enters_but_exits_open(world: World) -> None:
    world.show(world.fresh(1))
    world.walk()
    world.journal.read("pragma query_only = on")  # every write fails from here, as on a disk that is full
    assert reason(world.show(world.fresh(2))) == "internal_error"
    assert len(world.pulses) == 1
    world.clock.advance(1)
    assert granted(world.show(world.fresh(1), lane="exit"))
    assert [pulse.channel for _, pulse in world.pulses] == [1, 2]
    world.walk("exit")
    world.journal.read("pragma query_only = off")
    world.wait(1)
    assert [row["direction"] for row in world.events("passage")] == ["entry", "exit"]


def test_i4_the_same_code_twice_is_one_admission(world: World) -> None:
    text = world.fresh()
    assert granted(world.show(text))
    world.walk()
    world.wait(8)
    assert reason(world.show(text)) == "replayed"
    assert len(world.pulses) == 1


def test_a_pass_inside_is_refused_at_the_entry(world: World) -> None:
    world.show(world.fresh())
    world.walk()
    world.wait(8)
    assert reason(world.show(world.fresh())) == "already_inside"


def test_the_person_inside_is_refused_with_another_pass(world: World) -> None:
    world.show(world.fresh(1, person="00000000000000aa"))
    world.walk()
    world.wait(8)
    assert reason(world.show(world.fresh(2, person="00000000000000aa"))) == "open_stay"


def test_red_begins_at_the_limit_refuses_entry_with_any_pass_and_never_an_exit(world: World) -> None:
    world.show(world.fresh(1, person="00000000000000aa", stay=1))
    world.walk()
    world.wait(50)
    assert reason(world.show(world.fresh(1, person="00000000000000aa", stay=1))) == "already_inside"
    world.wait(10)
    assert reason(world.show(world.fresh(1, person="00000000000000aa", stay=1))) == "red"
    world.wait(3)
    assert reason(world.show(world.fresh(2, person="00000000000000aa"))) == "red"
    assert granted(world.show(world.fresh(1, person="00000000000000aa", stay=1), lane="exit"))


def test_red_outlives_a_late_exit_and_a_restart(world: World) -> None:
    world.show(world.fresh(stay=1))
    world.walk()
    world.wait(60 + 601)
    world.show(world.fresh(stay=1), lane="exit")
    world.walk("exit")
    world.journal.close()
    world.start()
    world.wait(8)
    assert reason(world.show(world.fresh(stay=1))) == "red"


def test_an_exit_within_the_grace_leaves_no_red(world: World) -> None:
    world.show(world.fresh(stay=1))
    world.walk()
    world.wait(60 + 500)
    world.show(world.fresh(stay=1), lane="exit")
    world.walk("exit")
    world.wait(8)
    assert granted(world.show(world.fresh(stay=1)))


def test_a_no_show_gives_the_entry_back(world: World) -> None:
    assert granted(world.show(Mint().paper()))
    world.wait(5.1)
    assert [row["direction"] for row in world.events("no_show")] == ["entry"]
    assert granted(world.show(Mint().paper()))
    world.walk()
    world.wait(8)
    assert reason(world.show(Mint().paper())) == "already_inside"


def test_a_paper_pass_is_used_up_by_its_passage(world: World) -> None:
    world.show(Mint().paper())
    world.walk()
    world.wait(8)
    world.show(Mint().paper(), lane="exit")
    world.walk("exit")
    world.wait(8)
    assert reason(world.show(Mint().paper())) == "entries_used"


def test_p1_a_grant_cut_off_by_a_crash_is_assumed_to_be_an_entry_and_says_so(world: World) -> None:
    world.show(world.fresh())
    world.journal.close()
    world.start()
    assert world.pulses == []
    (passage,) = world.events("passage")
    assert (passage["assumed"], passage["direction"]) == (True, "entry")
    world.wait(8)
    assert reason(world.show(world.fresh())) == "already_inside"


def test_i18_an_error_of_ours_lets_nobody_in_and_keeps_nobody_from_leaving(world: World) -> None:
    world.show(world.fresh())
    world.walk()
    world.wait(8)
    world.journal.read("update stay set category = 'of another version'")
    assert granted(world.show(world.fresh(), lane="exit"))
    assert [pulse.channel for _, pulse in world.pulses] == [1, 2]
    world.walk("exit")
    assert world.events("passage")[-1]["direction"] == "exit"
    world.journal.read("drop table pass_state")
    assert reason(world.show(world.fresh(2))) == "internal_error"
    assert len(world.pulses) == 2


def test_a_foreign_code_is_ignored_at_the_entry_and_opens_the_exit(world: World) -> None:
    assert world.show(FOREIGN) is None
    assert world.events("decision") == []
    assert granted(world.show(FOREIGN, lane="exit"))
    (decision,) = world.events("decision")
    assert decision["notes"] == ["unidentified_exit"]


def test_c6_two_passes_in_view_are_refused_until_there_is_one(world: World) -> None:
    assert reason(world.show(world.fresh(1), world.fresh(2))) == "several_codes"
    assert granted(world.show(FOREIGN, world.fresh(1)))


def test_i3_a_scan_older_than_two_seconds_opens_nothing(world: World) -> None:
    assert world.show(world.fresh(), age_s=2.1) is None
    assert world.pulses == []
    assert granted(world.show(world.fresh(), age_s=1.9))


def test_a_phone_held_up_after_its_grant_is_not_a_second_visitor(world: World) -> None:
    world.show(world.fresh())
    world.clock.advance(0.5)
    assert world.show(world.fresh()) is None
    world.walk()
    world.clock.advance(3)
    assert world.show(world.fresh()) is None
    assert len(world.events("decision")) == 1


def test_q14_a_screenshot_of_the_code_that_just_opened_is_refused(world: World) -> None:
    text = world.fresh()
    world.show(text)
    world.walk()
    world.clock.advance(2)
    assert reason(world.show(text)) == "replayed"


def test_the_next_visitors_code_is_asked_for_again_when_the_lane_is_free(world: World) -> None:
    world.show(world.fresh(1))
    world.clock.advance(0.2)
    assert world.show(world.fresh(2)) is None  # somebody is walking
    assert world.asked_again == []
    world.walk()
    assert world.asked_again == ["entry"]
    assert granted(world.show(world.fresh(2)))
    assert len(world.pulses) == 2


def test_an_entry_whose_contact_is_stuck_answers_with_a_fault_and_never_with_silence(world: World) -> None:
    edge = InputEdge(channel=1, active=True, at_s=world.clock.monotonic_s())
    world.gate.handle(BoardReported(board="inputs", event=edge))
    assert reason(world.show(world.fresh())) == "lane_fault"
    world.wait(31)
    assert reason(world.show(world.fresh(2))) == "lane_fault"
    assert world.pulses == []


def test_x1_two_exits_while_one_pulse_runs_are_two_passages(world: World) -> None:
    for number in (1, 2):
        world.show(world.fresh(number))
        world.walk()
        world.wait(8)
    world.show(world.fresh(1), lane="exit")
    world.show(world.fresh(2), lane="exit")
    second = world.pulses[-1][1]
    world.gate.handle(BoardReported(board="relays", event=Refused(id=second.id, why=Refusal.BUSY)))
    world.walk("exit")
    world.walk("exit")
    assert world.screen.snapshot().inside == ()


def test_i3_a_grant_that_took_too_long_to_record_carries_the_age_of_its_scan(world: World) -> None:
    seen_s = world.clock.monotonic_s()
    world.show(world.fresh(), age_s=0.0)
    ((_, pulse),) = world.pulses
    assert pulse.issued_s == seen_s


def test_own_code_and_many_others_at_the_exit_close_no_stay_of_somebody_who_stays(world: World) -> None:
    world.show(world.fresh())
    world.walk()
    world.wait(8)
    world.show(world.fresh(), lane="exit")
    for number in range(40):
        world.show(f"{FOREIGN}{number}", lane="exit")
    world.wait(6)
    assert len(world.screen.snapshot().inside) == 1
    assert [row["direction"] for row in world.events("passage")] == ["entry"]


def test_d1_what_the_journal_could_not_take_is_recorded_in_order_with_its_own_time(world: World) -> None:
    world.show(world.fresh())
    world.journal.read("pragma query_only = on")
    world.walk()
    walked_at = world.clock.now()
    world.clock.advance(5)
    world.show(world.fresh(), lane="exit")
    world.walk("exit")
    world.clock.advance(3 * 3600)
    world.journal.read("pragma query_only = off")
    world.wait(1)
    rows = [
        json.loads(body) for (body,) in world.journal.read("select body from event where kind = 'passage'")
    ]
    assert [row["data"]["direction"] for row in rows] == ["entry", "exit"]
    assert (walked_at - datetime.fromisoformat(rows[0]["at"])).total_seconds() == 0.5
    world.wait(8)
    assert reason(world.show(world.fresh())) == "expired"  # and not RED: nobody pays for a full disk


def test_a_gate_that_starts_on_a_full_disk_opens_exits_and_owes_the_rest(tmp_path: Path) -> None:
    world = World(tmp_path, HandClock())
    world.start()
    world.show(world.fresh())
    world.journal.read("pragma query_only = on")
    world.gate.note(Kind.BOOT, BootData(software="test", config_sha256="0" * 64))
    assert granted(world.show(FOREIGN, lane="exit"))
    world.journal.read("pragma query_only = off")
    world.wait(1)
    assert len(world.events("boot")) == 1
    world.journal.close()


def test_after_a_long_outage_a_stay_begins_when_the_lane_was_opened(world: World) -> None:
    world.show(world.fresh())
    opened_at = world.clock.now()
    world.journal.close()
    world.clock.advance(20 * 60)
    world.start()
    (stay,) = world.screen.snapshot().inside
    assert stay.entered_at == opened_at.replace(microsecond=0)


def test_v2_ended_visits_are_forgotten_after_thirty_days_and_red_ones_are_not(world: World) -> None:
    for number, stay in ((1, 60), (2, 1)):
        world.show(world.fresh(number, stay=stay))
        world.walk()
        world.wait(8)
    world.wait(20 * 60)
    for number, stay in ((1, 60), (2, 1)):
        world.show(world.fresh(number, stay=stay), lane="exit")
        world.walk("exit")
        world.wait(8)
    world.clock.advance(31 * 86_400)
    standings = Standings(world.journal, config(world.folder).to_policy().zone)
    standings.forget_old(world.clock.now())
    assert world.journal.read("select pass_id from stay") == [(f"{2:016x}",)]
    assert world.journal.read("select count(*) from pass_state") == [(0,)]


def test_one_error_of_ours_leaves_no_pass_pending(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("edge.gate.machine.step", lambda *_: 1 / 0)
        world.show(world.fresh())
    assert world.pulses == []
    world.wait(10)
    assert granted(world.show(world.fresh()))


def test_a_short_code_opens_where_the_full_one_was_read_before_and_is_as_strict(world: World) -> None:
    def short(number: int = 1) -> str:
        shown_at = int(world.clock.now().timestamp())
        return to_text(
            make_short(claims(number).pass_id, shown_at=shown_at, sign=p256_signer(phone_key(number)))
        )

    assert reason(world.show(short())) == "unknown_pass"
    assert granted(world.show(world.fresh()))
    world.walk()
    world.wait(8)
    assert reason(world.show(short())) == "already_inside"
    world.wait(3)
    assert granted(world.show(short(), lane="exit"))
    world.walk("exit")
    assert world.screen.snapshot().inside == ()
    world.wait(8)
    text = short()
    assert granted(world.show(text))
    world.walk()
    world.wait(8)
    assert reason(world.show(text)) == "replayed"


def test_a_page_that_raises_is_not_the_gates_trouble(world: World) -> None:
    world.screen.subscribe(lambda _verdict: 1 / 0)  # type: ignore[arg-type]  # a broken page
    assert granted(world.show(world.fresh()))
    assert len(world.pulses) == 1


def test_a_lane_whose_board_is_gone_refers_to_the_guard_and_heals(world: World) -> None:
    world.gate.handle(BoardReported(board="relays", event=Line(up=False, why="cable out")))
    assert reason(world.show(world.fresh())) == "lane_fault"
    assert granted(world.show(FOREIGN, lane="exit"))  # perhaps by the button; the contact will tell
    lane = world.screen.snapshot().lanes[0]
    assert (lane.state, lane.board_ok, lane.detail) == ("fault", False, "cable out")
    world.gate.handle(BoardReported(board="relays", event=Line(up=True)))
    assert granted(world.show(world.fresh()))
    assert [row["state"] for row in world.events("device")] == ["fault", "recovered"]


def test_a_pulse_that_was_refused_gives_the_entry_back(world: World) -> None:
    world.show(world.fresh())
    ((_, pulse),) = world.pulses
    world.gate.handle(BoardReported(board="relays", event=Refused(id=pulse.id, why=Refusal.TOO_OLD)))
    assert len(world.events("no_show")) == 1
    assert len(world.pulses) == 1


def test_s2_a_doubtful_pulse_is_not_repeated_and_its_walker_counts(world: World) -> None:
    world.show(world.fresh())
    ((_, pulse),) = world.pulses
    world.gate.handle(BoardReported(board="relays", event=TimedOut(id=pulse.id, maybe_executed=True)))
    world.walk()
    assert len(world.pulses) == 1
    assert len(world.events("passage")) == 1


def test_a_lane_without_a_contact_counts_the_confirmed_pulse(tmp_path: Path) -> None:
    world = World(tmp_path, HandClock(), passage="assumed")
    world.start()
    world.show(world.fresh())
    ((_, pulse),) = world.pulses
    assert world.events("passage") == []
    world.gate.handle(BoardReported(board="relays", event=Done(id=pulse.id, grade=Grade.SENT)))
    assert [row["assumed"] for row in world.events("passage")] == [True]
    world.journal.close()


def test_walking_without_a_grant_is_recorded_as_forced(world: World) -> None:
    world.walk()
    assert world.events("forced") == [{"lane": "entry"}]
    assert world.events("passage") == []


def test_a_camera_that_goes_and_returns_is_shown_and_recorded_once_each(world: World) -> None:
    for ok in (True, False, False, True):
        world.gate.handle(CameraChanged(lane="entry", ok=ok, detail="no frame for 3 s"))
    assert [row["state"] for row in world.events("device")] == ["fault", "recovered"]
    assert world.screen.snapshot().lanes[0].camera_ok


def test_i12_with_an_untrusted_clock_visitors_go_to_the_guard_and_exits_work(world: World) -> None:
    world.clock.trusted = False
    assert reason(world.show(world.fresh())) == "clock_untrusted"
    assert granted(world.show(world.fresh(), lane="exit"))


def test_residents_may_have_left_by_the_button(world: World) -> None:
    resident = {"category": Category.RESIDENT, "stay": 0}
    world.show(world.fresh(**resident))
    world.walk()
    world.wait(60)
    verdict = world.show(world.fresh(**resident))
    assert granted(verdict)
    assert verdict is not None
    assert verdict.direction is Direction.ENTRY
    world.walk()
    assert len(world.screen.snapshot().inside) == 1


def test_verdicts_of_the_last_run_are_on_the_screen_after_a_restart(world: World) -> None:
    world.show(world.fresh())
    world.walk()
    world.journal.close()
    world.start()
    (verdict,) = world.screen.snapshot().last
    assert (verdict.outcome, verdict.room, verdict.category) == (Outcome.GRANT, "3-1202", "courier")
