"""Centre, broker, gate daemon and virtual board as they are: who tells a gate what, and what its relays do then."""

import hashlib
import inspect
import json
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog
from sqlalchemy import select
from typer.testing import CliRunner, Result

from controller import schema
from controller.cli import app
from controller.commands_cli import COMMANDS
from controller.config import load_centre
from controller.daemon import CentreDaemon
from controller.init import DemoPlan, create_demo
from controller.issuer_keys import load_key_set
from controller.site_keys import load_config_key
from drivers.gate.config import load_config
from edge.daemon import EdgeDaemon
from shell.clock import SystemClock
from shell.control import RefusedError
from simulators.boards.catalogue import make_board
from simulators.site import free_ports
from sync.commands import Command, Op, seal_command
from sync.topics import down
from tests.brokers import PlainClient
from tests.minting import SITE
from tests.real.drivers.stations import Running, on_pty
from tests.real.test_gate_boards import HEAD, ON_IO, WAVESHARE, Served
from tests.waiting import until

pytestmark = pytest.mark.real
WITHIN_S = 30.0
ROOT = Path(__file__).parents[2]
TOPIC = down(SITE, "south", "cmd")
WHO = ("--by", "王芳", "--reason", "业主忘带手机")
ONCE = [("relay_on", 1), ("relay_off", 1)]


class Office:
    """A demo centre that can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports()
        self.ports, self.folder = ports, folder
        create_demo(
            DemoPlan(folder=folder, web_port=ports.web, broker_port=ports.broker, kiosk_port=ports.kiosk),
            now=SystemClock().now(),
        )
        self.config = load_centre(folder / "centre.toml")
        token = (folder / "keys" / "api.token").read_text()
        self.api = httpx2.Client(
            base_url=f"http://127.0.0.1:{ports.web}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
        )
        self.start()

    def start(self) -> None:
        self._stop = threading.Event()
        self.centre = CentreDaemon(self.config)
        self._thread = threading.Thread(target=self.centre.run, args=(self._stop,), name="centre")
        self._thread.start()
        until(lambda: self.centre._intake.status().connected, within_s=WITHIN_S, what="the centre")

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def close(self) -> None:
        self.api.close()
        self.stop()

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["gate", *arguments, "--config", str(self.folder / "centre.toml")])

    def post(self, **body: Any) -> httpx2.Response:
        return self.api.post(
            f"/sites/{SITE}/gates/south/commands", json={"by": "王芳", "reason": "业主忘带手机", **body}
        )

    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.get(f"/sites/{SITE}/commands?gate=south").json()["commands"]
        return found

    def signed(self, **changes: Any) -> bytes:
        """What this centre would send, or would have sent."""
        key = load_config_key(self.config.keys_dir, SITE, load_key_set(self.config.sites[SITE].keyset, SITE))
        assert key is not None
        now = SystemClock().now()
        command = Command(
            id="ab" * 8,
            site=SITE,
            gate="south",
            cseq=int(now.timestamp() * 1000),
            op="open",
            args={"lane": "entry"},
            issued_at=now,
            ttl_s=10.0,
            by="王芳",
            reason="业主忘带手机",
        )
        return seal_command(command.model_copy(update=changes), kid=key.key.kid, sign=key.key.private.sign)

    def audited(self) -> list[tuple[str, str, str]]:
        columns = (schema.audit.c.actor, schema.audit.c.action, schema.audit.c.subject)
        with self.centre._store.transaction() as connection:
            return [tuple(row) for row in connection.execute(select(*columns))]

    def gate_is(self, state: str) -> bool:
        with self.centre._store.transaction() as connection:
            found = connection.execute(
                select(schema.gate.c.state).where(schema.gate.c.gate == "south")
            ).scalar()
        return found == state

    def gate_file(self, folder: Path, more: str = "") -> Path:
        """``gate.toml`` of the gate south, with its data in this folder; its board is at ``dev/line``."""
        (folder / "south").mkdir(mode=0o700, exist_ok=True)
        (folder / "entry").mkdir(exist_ok=True)
        text = HEAD.format(broker=self.ports.broker, kiosk=self.ports.kiosk) + WAVESHARE + ON_IO
        text += "passage_wait_s = 60\n"  # whoever was let in is still walking when the next is asked for
        text += more
        for name in ("keyset", "units"):
            text = text.replace(f'"{name}.json"', f'"{self.folder}/{name}.json"')
        path = folder / "gate.toml"
        path.write_text(text, "utf-8")
        return path

    @contextmanager
    def gate(self, folder: Path) -> Iterator[Served]:
        """The gate south, deciding in a thread of this process."""
        path = self.gate_file(folder)
        daemon, stop = EdgeDaemon(load_config(path), path), threading.Event()
        thread = threading.Thread(target=daemon.run, args=(stop,), name="gate")
        thread.start()
        try:
            served = Served(daemon, folder)
            served.wait_up()
            yield served
        finally:
            stop.set()
            thread.join()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    factory = structlog.get_config()["logger_factory"]  # threads log; a command has stdout for itself
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))
    made = Office(tmp_path_factory.mktemp("office") / "demo")
    try:
        yield made
    finally:
        made.close()
        structlog.configure(logger_factory=factory)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Running]:
    with on_pty(tmp_path, make_board("modbus-relay", profile="waveshare-io-8ch")) as (station, _):
        yield station


@contextmanager
def at_work(office: Office, folder: Path) -> Iterator[Served]:
    """The gate, once the centre has heard of it and it of the centre's time."""
    with office.gate(folder) as gate:
        until(gate.daemon._uplink.centre_now, within_s=WITHIN_S, what="an ack")
        until(lambda: office.gate_is("online"), within_s=WITHIN_S, what="the gate at the centre")
        yield gate


def refused(gate: Served) -> list[str]:
    return [row["why"] for row in gate.events("command") if row["state"] != "done"]


def was_reset(gate: Served) -> bool:
    try:
        gate.ask("fire_reset", by="李工", reason="现场检查")
    except RefusedError:
        return False
    return True


def test_i16_a_lane_is_opened_from_the_shell_once_and_audited_at_both_ends(
    office: Office, board: Running, tmp_path: Path
) -> None:
    with at_work(office, tmp_path) as gate:
        done = office.run("open", "7", "south", "entry", *WHO)
        assert (done.exit_code, done.stdout) == (0, "已执行 done (confirmed)\n"), done.stderr
        assert board.whats() == ONCE
        (row,) = gate.events("override")
        assert (row["by"], row["lane"]) == ("王芳", "entry")
        newest = office.listed()[0]
        assert (newest["id"], newest["state"]) == (row["command"], "done")
        assert ("王芳", "gate_command", "south") in office.audited()
        listed = office.run("commands", "7", "south")
        assert (listed.exit_code, "open entry" in listed.stdout) == (0, True)
        again = office.run("open", "7", "south", "entry", *WHO, "--json")
        assert (again.exit_code, json.loads(again.stdout)["why"]) == (1, "walking")
        assert board.whats() == ONCE


def test_b8_m4_m6_what_is_retained_old_or_unsigned_is_refused_on_record_and_the_tape_is_empty(
    office: Office, board: Running, tmp_path: Path
) -> None:
    hour_ago = SystemClock().now() - timedelta(hours=1)
    with PlainClient(office.ports.broker) as broker:
        broker.publish(TOPIC, office.signed(), retain=True)
        try:
            with at_work(office, tmp_path) as gate:
                until(lambda: refused(gate) == ["retained"], within_s=WITHIN_S, what="the refusal")
                queued = office.signed(id="cd" * 8, issued_at=hour_ago)
                broker.publish(TOPIC, queued)
                forged = json.loads(office.signed()) | {"sig": "00" * 64}
                broker.publish(TOPIC, json.dumps(forged).encode())
                broker.publish(TOPIC, b'{"op":"open","lane":"entry"}')
                broker.publish(TOPIC, office.signed(gate="north"))
                until(
                    lambda: (
                        sorted(refused(gate))
                        == ["bad_signature", "expired", "malformed", "retained", "wrong_gate"]
                    ),
                    within_s=WITHIN_S,
                    what="the refusals",
                )
                assert board.whats() == []
                assert gate.events("override") == []
                genuine = office.run("open", "7", "south", "entry", *WHO)
                assert (genuine.exit_code, board.whats()) == (0, ONCE)
        finally:
            broker.publish(TOPIC, b"", retain=True)


def test_a_lane_is_not_opened_for_a_gate_that_comes_later(
    office: Office, board: Running, tmp_path: Path
) -> None:
    with at_work(office, tmp_path):
        sha256 = hashlib.sha256((tmp_path / "gate.toml").read_bytes()).hexdigest()
        assert office.run("want-config", "7", "south", "v2", sha256, *WHO).exit_code == 0
    until(lambda: office.gate_is("stopping"), within_s=WITHIN_S, what="its end at the centre")
    gone = office.run("open", "7", "south", "entry", *WHO)
    assert (gone.exit_code, "门岗不在线" in gone.stderr) == (3, True)
    with at_work(office, tmp_path) as gate:
        ping = office.run("ping", "7", "south", *WHO)
        assert (ping.exit_code, ping.stdout.startswith("已执行 done (postern")) == (0, True)
        assert board.whats() == []
        told = [row for row in gate.events("device") if row["device"] == "config"]
        assert [(row["state"], row["detail"]) for row in told] == [("recovered", "version v2 is in force")]


def test_an_emergency_from_the_shell_holds_the_lane_also_after_a_restart_until_its_reset(
    office: Office, board: Running, tmp_path: Path
) -> None:
    with at_work(office, tmp_path):
        declared = office.run("emergency", "7", "south", *WHO, "--yes")
        assert declared.exit_code == 0, declared.stderr
        until(lambda: board.whats() == [("relay_on", 1)], what="the lane held open")
        shut = office.run("release", "7", "south", "entry", *WHO)
        assert (shut.exit_code, "紧急状态" in shut.stderr) == (4, True)
    until(lambda: board.whats() == ONCE, what="the end of the gate's program")
    with at_work(office, tmp_path) as gate:
        until(lambda: board.whats()[2:] == [("relay_on", 1)], within_s=WITHIN_S, what="the lane held again")
        until(lambda: was_reset(gate), within_s=WITHIN_S, what="the reset, once the fire input was read")
        until(lambda: board.whats()[2:] == ONCE, within_s=WITHIN_S, what="the lane's lock")
        assert [row["state"] for row in gate.events("emergency")][-1] == "reset"


def test_what_may_wait_is_done_when_the_gate_comes_also_after_a_restart_of_the_centre(
    office: Office, board: Running, tmp_path: Path
) -> None:
    with at_work(office, tmp_path):
        pass
    until(lambda: office.gate_is("stopping"), within_s=WITHIN_S, what="its end at the centre")
    ordered = office.post(op="block", lane="entry")
    assert ordered.status_code == 202, ordered.text
    office.stop()
    office.start()
    with at_work(office, tmp_path) as gate:
        until(lambda: office.listed()[0]["state"] == "done", within_s=WITHIN_S, what="the block")
        until(lambda: gate.status()["lanes"][0]["state"] == "blocked", what="the block at the gate")
        said = office.run("open", "7", "south", "entry", *WHO)
        assert (said.exit_code, "通道已停用" in said.stderr) == (4, True)
        assert office.run("unblock", "7", "south", "entry", *WHO).exit_code == 0
        assert office.run("open", "7", "south", "entry", *WHO).exit_code == 0
        assert board.whats() == ONCE


def test_i3_a_gate_killed_in_mid_command_does_not_do_it_again_and_nobody_is_told_that_it_is_done(
    office: Office, board: Running, tmp_path: Path
) -> None:
    path = office.gate_file(tmp_path, "pulse_ms = 2000\n")  # time enough to be killed in it
    argv = [sys.executable, "-m", "edge.cli", "run", "--config", str(path)]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: office.gate_is("online"), within_s=WITHIN_S, what="the gate")
            until(lambda: office.run("ping", "7", "south", *WHO).exit_code == 0, within_s=60, what="a ping")
            until(lambda: office.post(op="open", lane="entry").status_code == 202, what="the order")
            until(board.whats, within_s=WITHIN_S, what="the relay")
        finally:
            process.kill()
    until(lambda: office.gate_is("lost"), within_s=WITHIN_S, what="the broker's word that it is gone")
    assert office.listed()[0]["state"] == "sent"
    with at_work(office, tmp_path) as gate:
        until(lambda: office.listed()[0]["state"] == "unknown", within_s=WITHIN_S, what="the answer")
        (ordered,) = [one for one in office.listed() if one["id"] == gate.events("override")[-1]["command"]]
        assert (ordered["op"], ordered["why"]) == ("open", "restarted")
        until(lambda: board.whats() == ONCE, what="the end of the one pulse")


def test_two_supervisors_at_once_open_once_and_each_gets_an_answer(
    office: Office, board: Running, tmp_path: Path
) -> None:
    before = {one["id"] for one in office.listed()}

    def ended() -> list[dict[str, Any]] | None:
        new = [one for one in office.listed() if one["id"] not in before]
        return new if len(new) == 2 and all(one["ended_at"] for one in new) else None

    with at_work(office, tmp_path), ExitStack() as after:
        for by in ("王芳", "李工"):
            body = {"op": "open", "lane": "entry", "by": by}
            thread = threading.Thread(target=office.post, kwargs=body)
            thread.start()
            after.callback(thread.join)
        both = until(ended, within_s=WITHIN_S, what="both answers")
        assert sorted(one["by"] for one in both) == ["李工", "王芳"]
        assert sorted(one["state"] for one in both) == ["done", "refused"]
        until(lambda: board.whats() == ONCE, what="one opening")


def test_k13_a_config_key_is_changed_and_commands_go_on(
    office: Office, board: Running, tmp_path: Path
) -> None:
    with at_work(office, tmp_path) as gate:
        until(lambda: gate.daemon._bundles.bundle, within_s=WITHIN_S, what="a bundle")
        old = office.signed(id="ef" * 8)
        before = gate.daemon._bundles.key_set.seq
        rotated = CliRunner().invoke(
            app,
            ["site", "keys", "rotate", "config", *WHO, "--config", str(office.folder / "centre.toml")],
        )
        assert rotated.exit_code == 0, rotated.output
        until(lambda: gate.daemon._bundles.key_set.seq > before, within_s=WITHIN_S, what="the new key set")
        with PlainClient(office.ports.broker) as broker:
            broker.publish(TOPIC, old)
        until(lambda: refused(gate) == ["unknown_key"], within_s=WITHIN_S, what="the refusal")
        assert board.whats() == []
        assert office.run("open", "7", "south", "entry", *WHO).exit_code == 0
        assert board.whats() == ONCE


def test_every_example_in_help_and_manual_reaches_a_gate_when_it_is_pasted(
    office: Office, board: Running, tmp_path: Path
) -> None:
    manual = (ROOT / "docs" / "commands.md").read_text("utf-8")
    pages = [manual, *(f"{inspect.getdoc(deed)}\n\n" for deed in COMMANDS.values())]
    typed = re.compile(r"postern-controller (gate [^`|]+?)(?=\n|$)")
    pasted = [shlex.split(found) for page in pages for found in typed.findall(page)]
    assert {example[1] for example in pasted} == set(COMMANDS)
    pasted.sort(
        key=lambda example: example[1] == "emergency"
    )  # the last, for what comes behind it is refused
    with at_work(office, tmp_path) as gate:
        for example in pasted:
            words = [{"SHA256": "0" * 64}.get(word, word) for word in example[1:]]
            if "--config" in words:
                del words[words.index("--config") : words.index("--config") + 2]
            more = ["--yes"] if example[1] == "emergency" else []
            done = office.run(*words, *more)
            assert done.exit_code in {0, 1}, (example, done.stderr)  # one at a time through the lane
            if example[1] not in {"open", "hold", "release", "settle"}:
                assert done.exit_code == 0, (example, done.stderr)
        assert {row["op"] for row in gate.events("command")} == {op.value for op in Op}
        assert board.whats()


def test_the_interface_refuses_what_no_gate_could_do(office: Office) -> None:
    for body, status in (
        ({"op": "open"}, 409),
        ({"op": "hold", "lane": "entry", "seconds": 9000}, 409),
        ({"op": "explode"}, 422),
        ({"op": "open", "lane": "entry", "by": ""}, 422),
        ({"op": "open", "lane": "entry", "retain": True}, 422),
    ):
        assert office.post(**body).status_code == status, body
    unknown = office.api.post(
        f"/sites/{SITE}/gates/nowhere/commands", json={"op": "ping", "by": "a", "reason": "b"}
    )
    assert unknown.status_code == 409
    assert office.api.get("/sites/8/commands").status_code == 404
    assert office.api.get(f"/sites/{SITE}/commands/{'0' * 16}").status_code == 404
    bare = httpx2.Client(base_url=office.api.base_url, trust_env=False)
    with bare:
        assert bare.get(f"/sites/{SITE}/commands").status_code == 401
        path = f"/sites/{SITE}/gates/south/commands"
        assert bare.post(path, json={"op": "open", "lane": "entry"}).status_code in {401, 403}
