"""What the gate does when something fails, on a real journal."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from drivers.model import Done, Grade, InputEdge, Line, Refusal, Refused, TimedOut
from edge.inputs import BoardReported, CameraChanged
from edge.standing import Standings
from sync.messages import BootData, Kind, Outcome
from tests.gate_world import FOREIGN, World, config, granted, reason
from tests.ticking import HandClock

pytestmark = pytest.mark.real


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, HandClock())
    made.start()
    yield made
    made.journal.close()


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


def test_an_entrys_pulse_is_dated_by_its_frame_and_an_exits_by_now(world: World) -> None:
    now_s = world.clock.monotonic_s()
    world.show(world.fresh(1), age_s=1.5)
    world.show(world.fresh(2), lane="exit", age_s=1.5)
    assert [pulse.issued_s for _, pulse in world.pulses] == [now_s - 1.5, now_s]


def test_an_exit_opens_for_a_late_scan_and_an_entry_asks_to_look_again(world: World) -> None:
    assert world.show(world.fresh(1), age_s=2.1) is None
    assert world.pulses == []
    assert world.asked_again == ["entry"]
    assert granted(world.show(world.fresh(2), lane="exit", age_s=30.0))
    assert [pulse.channel for _, pulse in world.pulses] == [2]
    assert world.asked_again == ["entry", "exit"]


@pytest.mark.parametrize("refused", [True, False], ids=["the pulse failed", "the turnstile locked again"])
def test_who_still_stands_before_the_exit_is_let_out_again_and_leaves_once(
    world: World, refused: bool
) -> None:
    world.show(world.fresh())
    world.walk()
    world.wait(8)
    world.show(world.fresh(), lane="exit")
    first = world.pulses[-1][1]
    if refused:
        world.gate.handle(BoardReported(board="relays", event=Refused(id=first.id, why=Refusal.LINE_DOWN)))
    else:
        world.gate.handle(BoardReported(board="relays", event=Done(id=first.id, grade=Grade.CONFIRMED)))
    world.wait(4)
    assert granted(world.show(world.fresh(), lane="exit"))
    again = world.pulses[-1][1]
    assert again.channel == 2
    assert again.id != first.id  # the driver does each id once
    assert again.issued_s == world.clock.monotonic_s()
    world.gate.handle(BoardReported(board="relays", event=Refused(id=again.id, why=Refusal.LINE_DOWN)))
    assert reason(world.screen.verdicts_after(-1)[-1]) == "lane_fault"
    assert granted(world.show(world.fresh(), lane="exit"))
    world.wait(4)  # longer than the first wait, shorter than the latest
    world.walk("exit")
    assert [row["direction"] for row in world.events("passage")] == ["entry", "exit"]
    assert [row["outcome"] for row in world.events("decision")].count("grant") == 2
    assert world.events("no_show") == world.events("forced") == []
    assert world.screen.snapshot().inside == ()


def test_a_code_still_in_view_after_its_passage_opens_the_exit_once_more_and_is_no_alarm(
    world: World,
) -> None:
    world.show(world.fresh(), lane="exit")
    world.walk("exit")
    world.clock.advance(1)
    assert granted(world.show(world.fresh(), lane="exit"))
    assert [pulse.channel for _, pulse in world.pulses] == [2, 2]
    world.walk("exit")
    assert world.events("forced") == world.events("tailgate") == []
    assert len(world.events("decision")) == 1


def test_an_exit_without_a_contact_opens_again_for_the_same_code(tmp_path: Path) -> None:
    world = World(tmp_path, HandClock(), passage="assumed")
    world.start()
    try:
        world.show(world.fresh(), lane="exit")
        first = world.pulses[-1][1]
        world.gate.handle(BoardReported(board="relays", event=TimedOut(id=first.id, maybe_executed=True)))
        world.clock.advance(1)
        assert granted(world.show(world.fresh(), lane="exit"))
        assert [pulse.channel for _, pulse in world.pulses] == [2, 2]
        assert len(world.events("passage")) == 1
    finally:
        world.journal.close()


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
        broken.setattr("edge.lanes.machine.step", lambda *_: 1 / 0)
        world.show(world.fresh())
    assert world.pulses == []
    world.wait(10)
    assert granted(world.show(world.fresh()))


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


def test_p2_an_exit_cut_off_by_a_crash_is_assumed_too_and_a_no_show_is_not(world: World) -> None:
    for number in (1, 2):
        world.show(world.fresh(number))
        world.walk()
        world.wait(8)
    world.show(world.fresh(1), lane="exit")
    world.wait(6)  # turned back
    world.show(world.fresh(2), lane="exit")
    world.journal.close()
    world.start()
    assert [stay.pass_tail for stay in world.screen.snapshot().inside] == ["0001"]
    assert world.events("passage")[-1]["assumed"]
    assert world.pulses == []


def test_a_lane_that_did_not_open_does_not_go_on_saying_that_it_did(world: World) -> None:
    world.show(FOREIGN, lane="exit")
    ((_, pulse),) = world.pulses
    world.gate.handle(BoardReported(board="relays", event=Refused(id=pulse.id, why=Refusal.LINE_DOWN)))
    assert reason(world.screen.verdicts_after(-1)[-1]) == "lane_fault"
    world.walk("exit")  # by the button
    assert [row["direction"] for row in world.events("passage")] == ["exit"]


def test_each_fault_of_a_lane_is_named_until_its_own_end(world: World) -> None:
    world.gate.handle(BoardReported(board="relays", event=Line(up=False, why="cable out")))
    world.gate.handle(CameraChanged(lane="entry", ok=False, detail="no frame"))
    assert world.screen.lane("entry").detail == "cable out; no frame"
    world.gate.handle(CameraChanged(lane="entry", ok=True, detail=""))
    assert world.screen.lane("entry").detail == "cable out"
    world.gate.handle(BoardReported(board="relays", event=Line(up=True)))
    assert world.screen.lane("entry").detail == ""


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


def test_verdicts_of_the_last_run_are_on_the_screen_after_a_restart(world: World) -> None:
    world.show(world.fresh())
    world.walk()
    world.journal.close()
    world.start()
    (verdict,) = world.screen.snapshot().last
    assert (verdict.outcome, verdict.room, verdict.category) == (Outcome.GRANT, "3-1202", "courier")
