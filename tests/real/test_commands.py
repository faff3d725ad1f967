"""Commands of the centre at a gate: what opens a lane once, and everything that must not."""

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from drivers.model import Hold, Outputs, Refusal, Refused, Release, TimedOut
from edge import pending_config
from edge.command_ledger import KEPT
from edge.command_refusals import ROWS_MAX, WINDOW_S, Refusals
from edge.commands import WAITING_MAX
from edge.orders import HandsError, Order
from edge.standing import Shown
from passes.decide import Grant
from passes.vocabulary import ClockTrust
from sync.commands import COMMAND_BYTES_MAX, Command, Why
from tests.bundling import entry
from tests.commanding import OFFICE, CommandWorld, received, sealed, tampered
from tests.gate_world import granted, reason
from tests.minting import NOW, claims
from tests.ticking import HandClock

pytestmark = pytest.mark.real
GUARD = Order(by="李工", reason="现场检查")
DAY_S = 86_400.0
DONE = ("done", None)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[CommandWorld]:
    made = CommandWorld(tmp_path, HandClock(), tested=True)
    made.start()
    yield made
    made.journal.close()


# -- it does


def test_i16_an_open_pulses_once_and_its_row_with_who_and_why_is_there_before(world: CommandWorld) -> None:
    command = world.command()
    world.receive(command)
    ((board, pulse),) = world.pulses
    assert (board, pulse.channel) == ("relays", 1)
    (row,) = world.events("override")
    assert (row["act"], row["lane"], row["command"]) == ("pulse", "entry", command.id)
    assert (row["by"], row["reason"]) == (command.by, command.reason)
    assert world.rows_when_pulsed == [world.journal.last_seq()]
    assert world.said() == []  # nobody knows yet
    world.confirm()
    (result,) = world.results()
    assert (result.id, result.cseq, result.state, result.detail) == (
        command.id,
        command.cseq,
        "done",
        "confirmed",
    )
    (event,) = world.events("command")
    assert (event["id"], event["op"], event["lane"], event["state"]) == (command.id, "open", "entry", "done")


def test_a_hold_is_done_when_the_board_holds_and_ends_by_a_release(world: CommandWorld) -> None:
    world.receive(world.command("hold", seconds=60))
    (hold,) = [one for _, one in world.commands if isinstance(one, Hold)]
    assert hold.seconds == 60
    world.tell(Outputs(id=hold.id, bits=1, read=False))
    assert world.said() == [DONE]
    world.receive(world.command("release"))
    assert any(isinstance(one, Release) for _, one in world.commands)
    assert [row["act"] for row in world.events("override")] == ["hold", "release"]


def test_i9_a_blocked_lane_grants_no_entry_also_after_a_restart_and_no_exit_is_blocked(
    world: CommandWorld,
) -> None:
    world.receive(world.command("block"), world.command("block", lane="exit"))
    assert world.said() == [DONE, ("refused", "exit")]
    after = world.restarted()
    try:
        assert reason(after.show(after.fresh())) == "lane_blocked"
        assert after.screen.lane("entry").state == "blocked"
        assert granted(after.show(after.fresh(2), lane="exit"))
        after.receive(after.command("open"))
        assert after.said()[-1] == ("refused", "blocked")
        after.gate.hands.pulse("entry", GUARD)  # whoever stands there sees the lane
        after.clock.advance(30)
        after.turn()
        after.receive(after.command("unblock"))
        assert granted(after.show(after.fresh(3)))
    finally:
        after.journal.close()


def test_an_emergency_holds_every_lane_until_somebody_at_the_gate_resets_it(world: CommandWorld) -> None:
    command = world.command("emergency")
    world.receive(command)
    holds = [one for _, one in world.commands if isinstance(one, Hold)]
    assert sorted(one.channel for one in holds) == [1, 2]
    (row,) = world.events("emergency")
    assert (row["state"], row["by"], row["command"]) == ("began", command.by, command.id)
    assert world.said() == [DONE]
    for hold in holds:
        world.tell(Outputs(id=hold.id, bits=hold.channel, read=False))
    assert reason(world.show(world.fresh())) == "emergency"
    world.receive(world.command("release"))
    assert world.said()[-1] == ("refused", "emergency")
    after = world.restarted()
    try:
        after.pass_by(6)
        assert {one.channel for _, one in after.commands if isinstance(one, Hold)} >= {1, 2}
        after.gate.hands.fire_reset(GUARD)
        after.pass_by(6)
        sent = len([one for _, one in after.commands if isinstance(one, Hold)])
        after.pass_by(60)
        assert len([one for _, one in after.commands if isinstance(one, Hold)]) == sent
        assert granted(after.show(after.fresh()))
        assert not after.ledger.freed()
    finally:
        after.journal.close()


def test_a_settlement_names_its_stay_and_clears_that_alone(world: CommandWorld) -> None:
    stays = []
    for number in (1, 2):
        pass_ = claims(pass_id=f"{number:016x}", person=f"{number:016x}")
        stay = world.standings.record_entry_grant(Grant(pass_), "entry", Shown(None))
        world.standings.record_entry(stay.id, "entry", at=NOW - timedelta(hours=9), assumed=False)
        world.standings.record_exit(pass_, stay.id, "exit", at=NOW, assumed=False)
        stays.append((pass_, stay.id))
    assert [world.standings.of(pass_, NOW).red for pass_, _ in stays] == [True, True]
    world.receive(world.command("settle", stay_id=stays[0][1]), world.command("settle", stay_id="ab" * 8))
    assert world.said() == [DONE, ("refused", "unknown_stay")]
    assert [world.standings.of(pass_, NOW).red for pass_, _ in stays] == [False, True]
    (row,) = world.events("settlement")
    assert (row["stay_id"], row["by"]) == (stays[0][1], "王芳")


def test_a_ping_and_a_look_for_bundles_are_answered_in_words(world: CommandWorld) -> None:
    world.receive(world.command("ping"), world.command("bundle"))
    assert [(result.state, result.detail) for result in world.results()] == [("done", "postern test")] * 2
    assert world.looks == 1


def test_k8_a_wanted_configuration_is_pending_until_a_start_has_it(world: CommandWorld) -> None:
    text = b"[gate]\n"
    sha256 = hashlib.sha256(text).hexdigest()
    world.receive(world.command("config", version="2026-11-23", sha256=sha256))
    assert world.said() == [DONE]
    missing = pending_config.look(world.folder, "0" * 64)
    assert missing is not None
    assert (missing.device, missing.state) == ("config", "fault")
    in_force = pending_config.look(world.folder, sha256)
    assert in_force is not None
    assert in_force.state == "recovered"
    assert pending_config.look(world.folder, sha256) is None
    (world.folder / pending_config.FILE).write_text("not one")
    assert pending_config.look(world.folder, sha256) is None


# -- it does not


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (lambda _world, _command: b"open sesame", "malformed"),
        (
            lambda _world, _command: b'{"kid":"00000000","body":"{}","sig":"' + b"0" * 128 + b'"}',
            "unknown_key",
        ),
        (lambda _world, _command: b" " * (COMMAND_BYTES_MAX + 1), "too_large"),
        (lambda _world, command: sealed(command, secret=OFFICE.status_secret), "unknown_key"),
        (lambda _world, command: tampered(sealed(command), gate="north"), "bad_signature"),
        (lambda _world, command: tampered(sealed(command), cseq=command.cseq + 1), "bad_signature"),
        (lambda _world, command: sealed(command.model_copy(update={"gate": "north"})), "wrong_gate"),
        (lambda _world, command: sealed(command.model_copy(update={"site": 8})), "wrong_gate"),
        (lambda _world, command: sealed(command.model_copy(update={"cseq": 0})), "malformed"),
        (lambda _world, command: sealed(command.model_copy(update={"id": ""})), "malformed"),
        (lambda _world, command: sealed(command.model_copy(update={"by": ""})), "malformed"),
    ],
    ids=[
        "m6-no-signature",
        "m6-key-that-nobody-has",
        "too-large",
        "m6-another-key-of-the-site",
        "m6-other-gate-written-in",
        "m6-other-number-written-in",
        "m4-for-another-gate",
        "m4-for-another-site",
        "m4-without-a-number",
        "m4-without-an-id",
        "i16-without-an-operator",
    ],
)
def test_m4_m6_i16_what_is_no_command_for_this_gate_moves_nothing_and_is_on_record(
    world: CommandWorld, changed: Callable[[CommandWorld, Command], bytes], why: str
) -> None:
    world.receive(changed(world, world.command()))
    assert (world.commands, world.said()) == ([], [])
    assert world.rows() == [("refused", why)]
    world.receive(world.command())
    assert len(world.pulses) == 1


def test_m6_what_the_key_signs_elsewhere_is_no_command(world: CommandWorld) -> None:
    """A bundle and a key set under the config key's signature: their domain words differ."""
    key = OFFICE.config_secret
    bundle = OFFICE.sealed(OFFICE.bundle(), secret=key)
    signature = bundle[-64:].hex()
    command = world.command()
    shaped = json.loads(sealed(command)) | {"sig": signature}
    world.receive(bundle, json.dumps(shaped).encode())
    assert world.rows() == [("refused", "malformed"), ("refused", "bad_signature")]
    assert world.pulses == []


def test_b8_a_retained_command_is_refused_and_on_record(world: CommandWorld) -> None:
    world.receive(world.command(), retained=True)
    assert (world.commands, world.said()) == ([], [])
    assert world.rows() == [("refused", "retained")]


def test_m4_a_copy_gets_the_recorded_answer_and_moves_nothing_also_after_a_restart(
    world: CommandWorld,
) -> None:
    command = world.command()
    world.receive(command, command)
    world.confirm()
    world.receive(command)
    assert len(world.pulses) == 1
    assert world.said() == [DONE, DONE]
    after = world.restarted()
    try:
        after.receive(command)
        assert after.pulses == []
        assert [result.id for result in after.results()] == [command.id]
        assert after.said() == [DONE]
        assert after.rows() == [DONE]
    finally:
        after.journal.close()


def test_m4_a_number_below_the_highest_is_refused(world: CommandWorld) -> None:
    early, late = world.command(), world.command("ping")
    world.receive(late, early)
    assert world.said() == [DONE, ("refused", "replayed")]
    twin = world.command("ping", cseq=late.cseq)
    world.receive(twin)
    assert world.said()[-1] == ("refused", "replayed")
    assert world.pulses == []


def test_m4_of_many_commands_the_newest_are_kept_and_no_number_is_used_again(world: CommandWorld) -> None:
    first = world.command("ping")
    world.receive(first)
    for _ in range(KEPT):
        world.receive(world.command("ping"))
    assert world.ledger.find(first.cseq) is None
    world.receive(first)
    assert world.said()[-1] == ("refused", "replayed")
    assert world.journal.read("select count(*) from meta where key like 'command:%'") == [(KEPT,)]


@pytest.mark.parametrize("op", ["open", "hold", "release", "emergency"])
def test_i16_what_moves_a_relay_is_refused_after_ten_seconds_whatever_it_says_itself(
    world: CommandWorld, op: str
) -> None:
    late = world.command(op, seconds=60, ttl_s=DAY_S)
    world.pass_by(10.5)
    world.receive(late)
    assert world.commands == []
    assert (world.said(), world.rows()) == ([("expired", "expired")],) * 2
    world.receive(late)
    assert world.said()[-1] == ("expired", "expired")
    world.receive(world.command(op, seconds=60))
    assert len(world.commands) == (2 if op == "emergency" else 1)


def test_other_commands_live_as_long_as_they_say_and_a_day_at_most(world: CommandWorld) -> None:
    short, long_ = world.command("block", ttl_s=60), world.command("block", ttl_s=DAY_S)
    world.pass_by(61)
    world.receive(short, long_)
    assert world.said() == [("expired", "expired"), DONE]
    old = world.command("unblock", ttl_s=DAY_S)
    world.pass_by(DAY_S + 1)
    world.receive(old)
    assert world.said()[-1] == ("expired", "expired")


@pytest.mark.parametrize("step_s", [-DAY_S, DAY_S])
def test_t_i16_the_age_is_right_though_the_gates_clock_is_wrong_by_a_day(
    world: CommandWorld, step_s: float
) -> None:
    old = world.command()
    world.step_wall_clock(step_s)
    world.clock.trusted = False
    young = world.command()
    world.receive(young)
    assert len(world.pulses) == 1
    late = world.command()
    world.pass_by(11)
    world.receive(late, old)
    assert len(world.pulses) == 1
    assert world.said() == [("expired", "expired"), ("refused", "replayed")]
    assert world.clock.trust() is ClockTrust.UNTRUSTED


def test_i16_what_the_centre_signed_since_says_how_late_it_is_whatever_acks_claim(
    world: CommandWorld,
) -> None:
    command = world.command()
    world.signed_at = command.issued_at + timedelta(seconds=11)
    world.receive(command)
    assert (world.said(), world.pulses) == ([("expired", "expired")], [])


def test_a_command_from_the_future_is_refused(world: CommandWorld) -> None:
    command = world.command()
    world.receive(command.model_copy(update={"issued_at": command.issued_at + timedelta(seconds=6)}))
    assert (world.said(), world.pulses) == ([("refused", "ahead")], [])


def test_x_two_supervisors_at_once_open_once_and_both_are_answered(world: CommandWorld) -> None:
    world.receive(world.command(by="王芳"), world.command(by="李工"))
    world.confirm()
    assert len(world.pulses) == 1
    assert world.said() == [("refused", "just_opened"), DONE]
    assert [row["by"] for row in world.events("command")] == ["李工", "王芳"]


def test_i3_a_command_that_a_restart_cut_short_is_not_done_again_and_is_answered_unknown(
    world: CommandWorld,
) -> None:
    command = world.command()
    world.receive(command)
    assert len(world.pulses) == 1
    after = world.restarted()
    try:
        assert after.said() == [("unknown", "restarted")]
        after.receive(command)
        assert after.said() == [("unknown", "restarted")] * 2
        assert after.pulses == []
        assert after.rows() == [("unknown", "restarted")]
        after.receive(after.command())
        assert len(after.pulses) == 1
    finally:
        after.journal.close()


def test_i1_without_a_durable_row_no_command_opens_a_lane_the_exit_neither(world: CommandWorld) -> None:
    world.journal.read("pragma query_only = on")
    first, second = world.command(), world.command(lane="exit")
    world.receive(first, second)
    assert (world.commands, world.said()) == ([], [("refused", "not_recorded")] * 2)
    world.journal.read("pragma query_only = off")
    world.pass_by(2)
    assert world.rows() == [("refused", "not_recorded")] * 2
    world.receive(first)
    assert (world.commands, world.said()[-1]) == ([], ("refused", "not_recorded"))


def test_what_the_board_says_is_the_answer(world: CommandWorld) -> None:
    for event, answer in (
        (lambda id_: Refused(id=id_, why=Refusal.BAD_LENGTH), ("refused", "bad_length")),
        (lambda id_: TimedOut(id=id_, maybe_executed=True), ("unknown", "not_confirmed")),
        (lambda id_: TimedOut(id=id_, maybe_executed=False), ("refused", "not_confirmed")),
    ):
        world.receive(world.command(lane="exit"))
        world.tell(event(world.pulses[-1][1].id))
        assert world.said()[-1] == answer
        world.pass_by(30)
    world.takes = False
    world.receive(world.command(lane="exit"))
    assert world.said()[-1] == ("refused", "not_taken")
    assert len(world.pulses) == 4


@pytest.mark.parametrize(
    ("op", "changes", "why"),
    [
        ("open", {"lane": "north"}, "unknown_lane"),
        ("open", {"lane": "NORTH; rm"}, "malformed"),
        ("hold", {}, "malformed"),
        ("hold", {"seconds": 901}, "malformed"),
        ("self_destruct", {}, "unsupported"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_reason(
    world: CommandWorld, op: str, changes: dict[str, Any], why: str
) -> None:
    world.receive(world.command(op, **changes))
    assert (world.said(), world.rows(), world.commands) == ([("refused", why)], [("refused", why)], [])


def test_m6_a_flood_of_forged_commands_fills_no_journal_and_hides_no_command(world: CommandWorld) -> None:
    forged = sealed(world.command(), secret=b"\x77" * 32)
    before = world.journal.last_seq()
    for _ in range(500):
        world.command_centre.receive(received(forged))
    assert len(world.asked) == ROWS_MAX
    world.turn()
    world.receive(world.command())
    assert len(world.pulses) == 1
    world.confirm()
    assert world.journal.last_seq() == before + ROWS_MAX + 2
    world.pass_by(WINDOW_S + 1)
    counted = world.events("command")[-1]
    assert (counted["why"], counted["times"], counted["detail"]) == (
        "too_many",
        500 - ROWS_MAX,
        f"unknown_key {500 - ROWS_MAX}",
    )
    world.pass_by(WINDOW_S + 1)
    assert world.events("command")[-1] == counted


def test_d1_a_full_disks_reserve_is_not_spent_on_forged_commands(world: CommandWorld) -> None:
    counted = Refusals(world.clock)
    assert not counted.admits(Why.BAD_SIGNATURE, room=False)
    assert counted.take_counted() is None
    world.clock.advance(WINDOW_S + 1)
    told = counted.take_counted()
    assert told is not None
    assert (told.why, told.times) == ("too_many", 1)


def test_a_flood_of_copies_waits_for_nobody_and_is_on_record(world: CommandWorld) -> None:
    command = world.command()
    for _ in range(100):
        world.command_centre.receive(received(sealed(command)))
    assert len(world.asked) == WAITING_MAX + ROWS_MAX
    world.turn()
    assert len(world.pulses) == 1
    assert world.rows() == [("refused", "too_many")] * ROWS_MAX


def test_k13_a_rolled_key_signs_and_the_old_one_no_longer_opens(world: CommandWorld) -> None:
    fresh = b"\x66" * 32
    by_new, by_old = world.command(), world.command()
    world.receive(sealed(by_new, secret=fresh))
    assert (world.rows(), world.pulses) == ([("refused", "unknown_key")], [])
    others = [one for one in world.key_set.keys if one.use != "config"]
    world.key_set = OFFICE.key_set(2, keys=[*others, entry(fresh, "config")])
    world.receive(sealed(by_new, secret=fresh))
    assert len(world.pulses) == 1
    world.receive(sealed(by_old))
    assert world.rows()[-1] == ("refused", "unknown_key")
    assert len(world.pulses) == 1


def test_a_command_of_a_key_that_is_over_is_refused(world: CommandWorld) -> None:
    world.pass_by(61 * DAY_S)
    world.receive(world.command())
    assert (world.rows(), world.pulses) == ([("refused", "unknown_key")], [])


def test_hands_at_the_gate_are_recorded_without_a_command(world: CommandWorld) -> None:
    world.gate.hands.pulse("entry", GUARD)
    (row,) = world.events("override")
    assert "command" not in row
    with pytest.raises(HandsError):
        world.gate.hands.block("exit", GUARD, blocked=True)


def test_an_emergency_says_which_lanes_no_relay_can_hold(tmp_path: Path) -> None:
    unsigned = CommandWorld(tmp_path, HandClock(), tested=False)
    unsigned.start()
    unsigned.receive(unsigned.command("emergency"))
    assert unsigned.commands == []
    (result,) = unsigned.results()
    assert (result.state, result.detail) == ("done", "not held open, use the key: entry, exit")
    assert granted(unsigned.show(unsigned.fresh(), lane="exit"))
    unsigned.journal.close()
