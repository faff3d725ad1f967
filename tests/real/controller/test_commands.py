"""Commands at the centre: numbered, sent until they are answered, ended, and not ended by whoever is not their gate."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

from controller import command_words, schema
from controller.cli import app
from controller.command_results import OPEN
from controller.commands import GRACE_S, PENDING_MAX, CommandError, GateAwayError, GateCommands, Ordered
from controller.commands_cli import COMMANDS
from controller.site_keys import ConfigKey, load_config_key
from drivers.model import Refusal
from passes.keys import KeySetFile
from passes.trust import CONFIG_USE, keys_for
from sync.commands import Command, CommandResult, Op, Why, open_command
from sync.link import Message
from sync.messages import GateState, Hello
from sync.topics import GateTopic, down
from tests.real.controller.centre import SITE, Journal
from tests.real.controller.demo import Demo, demo_at

pytestmark = pytest.mark.real
GATE = "south"
WHO: dict[str, Any] = {"by": "王芳", "reason": "业主忘带手机"}


class Desk:
    """Commands on a real database; what would go to the broker is kept."""

    def __init__(self, demo: Demo) -> None:
        self.demo, self.centre, self.clock = demo, demo.centre, demo.centre.clock
        self.sent: list[Message] = []
        self.connected = True
        self.key_set: KeySetFile = demo.issuer.published
        self.commands = GateCommands(
            demo.centre.store,
            demo.centre.clock,
            sites=demo.config.sites,
            known=lambda _site, gate: gate in {GATE, "north"},
            key=self.key,
            publish=self.sent.append,
            connected=lambda: self.connected,
        )
        self.gate_is("online")

    def key(self, site: int) -> ConfigKey | None:
        return load_config_key(self.demo.config.keys_dir, site, self.key_set)

    def gate_is(self, state: str) -> None:
        found = GateState.model_validate({"state": state, "birth": 1})
        self.centre.intake.gate_state(SITE, GATE, found)

    def order(self, op: Op = Op.OPEN, **args: Any) -> Ordered:
        said = {"lane": "entry"} | args if op not in {Op.PING, Op.EMERGENCY} else args
        return self.commands.order(SITE, GATE, op, said, **WHO)

    def greet(self) -> None:
        hello = {"gate": GATE, "site": SITE, "epoch": "e" * 16, "acked": 0, "last": 0, "boot": "b" * 16}
        now = self.clock.now().isoformat()
        self.commands.greeted(
            Hello.model_validate({**hello, "software": "test", "now": now, "trust": "trusted"})
        )

    def read(self) -> list[Command]:
        """What was sent, as a gate reads it."""
        keys = keys_for(CONFIG_USE, self.key_set)
        found = [open_command(one.payload, keys, now=self.clock.now()) for one in self.sent]
        assert all(isinstance(one, Command) for one in found)
        assert {(one.topic, one.qos, one.retain) for one in self.sent} <= {
            (down(SITE, GATE, "cmd"), 1, False)
        }
        return [one for one in found if isinstance(one, Command)]

    def answer(self, ordered: Ordered, state: str = "done", *, gate: str = GATE, **changes: Any) -> None:
        result = CommandResult.model_validate(
            {
                "id": ordered.id,
                "cseq": ordered.cseq,
                "site": SITE,
                "gate": GATE,
                "op": ordered.op,
                "state": state,
                "at": self.clock.now(),
                **changes,
            }
        )
        self.commands.heard(GateTopic(SITE, gate, "res"), result.model_dump_json().encode())

    def now(self, ordered: Ordered) -> tuple[str, str | None]:
        found = self.commands.find(SITE, ordered.id)
        assert found is not None
        return found.state, found.why


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with demo_at(tmp_path / "demo") as demo:
        yield Desk(demo)


def test_i16_a_command_is_signed_numbered_and_audited_and_sent_at_once(desk: Desk) -> None:
    first, second = desk.order(), desk.order(Op.HOLD, seconds=60)
    assert (first.state, second.state) == ("sent", "sent")
    (one, again, two) = desk.read()
    assert (one.id, one.op, one.args, one.by, one.reason) == (
        first.id,
        "open",
        {"lane": "entry"},
        WHO["by"],
        WHO["reason"],
    )
    assert again == one  # what has no answer goes again, in front of the next
    assert (two.cseq > one.cseq, two.ttl_s, two.args) == (True, 10.0, {"lane": "entry", "seconds": 60.0})
    rows = desk.centre.rows(schema.audit, "actor", "action", "subject", "detail")
    assert rows[-1][:3] == (WHO["by"], "gate_command", GATE)
    assert rows[-1][3] == f"{second.id} hold entry 60.0: {WHO['reason']}"


def test_an_answer_ends_a_command_and_the_first_stands(desk: Desk) -> None:
    ordered = desk.order()
    desk.answer(ordered, detail="confirmed")
    desk.answer(ordered, "refused", why="replayed")
    found = desk.commands.find(SITE, ordered.id, wait_s=5)
    assert found is not None
    assert (found.state, found.detail, found.ended) == ("done", "confirmed", True)
    desk.greet()
    assert len(desk.sent) == 1


def test_m4_another_gates_answer_ends_nothing(desk: Desk) -> None:
    ordered = desk.order()
    desk.answer(ordered, gate="north")
    desk.commands.heard(GateTopic(SITE, GATE, "res"), b"\xff not json")
    north = CommandResult(
        id=ordered.id,
        cseq=1,
        site=SITE,
        gate="north",
        op="open",
        state="done",
        at=desk.clock.now(),
    )
    desk.commands.heard(GateTopic(SITE, "north", "res"), north.model_dump_json().encode())
    assert desk.now(ordered) == ("sent", None)


def test_the_journals_word_takes_the_place_of_any_quicker_one(desk: Desk, journal: Journal) -> None:
    quick, late = desk.order(), desk.order(Op.BLOCK)
    desk.answer(quick, "refused", why="busy")
    desk.clock.pass_by(3600 * 25)
    assert desk.now(late) == ("unknown", "no_answer")
    for ordered in (quick, late):
        journal.add(
            "command",
            desk.clock.now(),
            {"state": "done", "id": ordered.id, "cseq": ordered.cseq, "op": ordered.op},
        )
    journal.add("command", desk.clock.now(), {"state": "refused", "why": "bad_signature", "times": 3})
    copy = {"state": "refused", "why": "retained", "id": late.id}
    journal.add("command", desk.clock.now(), copy)
    journal.add("command", desk.clock.now(), {"state": "melted"})
    assert desk.centre.receive(journal.sent()) == 5
    assert [desk.now(one) for one in (quick, late)] == [("done", None)] * 2
    assert len(desk.centre.rows(schema.dead_letter)) == 1


def test_what_moves_a_relay_is_ordered_for_a_gate_that_is_there_alone(desk: Desk) -> None:
    desk.gate_is("lost")
    desk.connected = False
    for op in (Op.OPEN, Op.HOLD, Op.RELEASE, Op.EMERGENCY):
        with pytest.raises(GateAwayError):
            desk.order(op, seconds=60)
    desk.gate_is("online")
    with pytest.raises(GateAwayError):  # the centre itself is not
        desk.order()
    waits = desk.order(Op.BLOCK)
    assert (waits.state, desk.sent) == ("waiting", [])
    desk.connected = True
    desk.greet()
    assert [one.op for one in desk.read()] == ["block"]
    assert desk.now(waits) == ("sent", None)
    with pytest.raises(CommandError, match="never heard"):
        desk.commands.order(SITE, "north", Op.PING, {}, **WHO)


def test_a_command_without_an_answer_is_expired_if_it_was_never_sent_and_else_unknown(desk: Desk) -> None:
    sent = desk.order()
    desk.connected = False
    waits = desk.order(Op.PING)
    desk.clock.pass_by(10.5)
    assert desk.now(waits) == ("expired", "no_answer")
    assert desk.now(sent) == ("sent", None)  # its answer may be on its way
    desk.clock.pass_by(GRACE_S)
    assert desk.now(sent) == ("unknown", "no_answer")
    desk.connected = True
    desk.greet()
    assert len(desk.sent) == 1
    desk.answer(sent, "done")
    assert desk.now(sent) == ("done", None)


def test_d_numbers_rise_over_a_clock_that_was_set_back_and_over_a_database_of_before(desk: Desk) -> None:
    first = desk.order(Op.PING)
    desk.clock.pass_by(-3600)
    second = desk.order(Op.PING)
    assert second.cseq == first.cseq + 1
    desk.clock.pass_by(7200)
    with desk.centre.store.transaction() as connection:  # it knows of no command
        connection.execute(schema.command.delete())
    assert desk.order(Op.PING).cseq > second.cseq


def test_a_gate_that_does_not_answer_is_not_buried_in_commands(desk: Desk) -> None:
    desk.connected = False
    for _ in range(PENDING_MAX):
        desk.order(Op.BLOCK)
    with pytest.raises(CommandError, match="wait for gate"):
        desk.order(Op.BLOCK)


def test_k13_what_waits_is_signed_by_the_key_in_force_when_it_goes(desk: Desk) -> None:
    desk.connected = False
    desk.order(Op.BLOCK)
    desk.key_set = desk.key_set.model_copy(
        update={"keys": [one for one in desk.key_set.keys if one.use != CONFIG_USE]}
    )
    desk.connected = True
    desk.greet()
    with pytest.raises(CommandError, match="config key"):
        desk.order(Op.PING)
    assert desk.sent == []
    desk.key_set = desk.demo.issuer.published
    desk.greet()
    assert [one.op for one in desk.read()] == ["block"]


def test_whoever_waits_is_let_go_when_the_centre_ends(desk: Desk) -> None:
    ordered = desk.order()
    desk.commands.close()
    found = desk.commands.find(SITE, ordered.id, wait_s=5.0)
    assert found is not None
    assert found.state == "sent"
    assert desk.commands.find(SITE, "0" * 16, wait_s=5.0) is None
    assert [one.id for one in desk.commands.listed(SITE)] == [ordered.id]
    assert desk.commands.listed(SITE, "north") == []


def test_every_state_and_every_reason_of_a_gate_has_words_in_both_languages() -> None:
    of_messages = {
        Why.TOO_LARGE,
        Why.UNKNOWN_KEY,
        Why.BAD_SIGNATURE,
        Why.WRONG_GATE,
        Why.RETAINED,
        Why.TOO_MANY,
    }
    assert set(Why) - of_messages <= set(command_words.WHYS)  # those end no command
    assert set(Refusal) <= set(command_words.WHYS)
    assert set(command_words.WHYS) >= command_words.UNSAFE
    ends = set(get_args(CommandResult.model_fields["state"].annotation))
    assert set(command_words.STATES) == ends | set(OPEN)
    for words in (*command_words.WHYS.values(), *command_words.STATES.values()):
        assert words.zh
        assert words.en
    assert command_words.outcome("melted", "moon", "x") == "melted: moon (x)"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_command_has_help_with_an_example_that_stands_in_the_manual(name: str) -> None:
    done = CliRunner().invoke(app, ["gate", name, "--help"])
    assert (done.exit_code, f"Example: postern-controller gate {name}" in done.output) == (0, True)
    manual = (Path(__file__).parents[3] / "docs" / "commands.md").read_text("utf-8")
    assert f"`gate {name}" in manual


def test_a_dry_run_orders_nothing(tmp_path: Path) -> None:
    asked = ["gate", "open", "7", "south", "entry", "--by", "王芳", "--reason", "x", "--dry-run", "--json"]
    done = CliRunner().invoke(app, [*asked, "--config", str(tmp_path / "none.toml")])
    assert (done.exit_code, json.loads(done.stdout)["state"]) == (0, None)
    unnamed = CliRunner().invoke(app, ["gate", "open", "7", "south", "entry", "--by", "王芳"])
    assert unnamed.exit_code == 2


def test_an_expiry_is_never_longer_than_its_kind_allows(desk: Desk) -> None:
    long_ = desk.commands.order(SITE, GATE, Op.OPEN, {"lane": "entry"}, **WHO, ttl_s=3600)
    assert long_.expires_at - long_.issued_at == timedelta(seconds=10)
    short = desk.commands.order(SITE, GATE, Op.BLOCK, {"lane": "entry"}, **WHO, ttl_s=60)
    assert short.expires_at - short.issued_at == timedelta(seconds=60)
