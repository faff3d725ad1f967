"""``postern-controller broker rules``: from the command to a gate and a centre that meet on a real broker."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from controller.cli import app
from controller.init import DemoPlan, create_demo
from edge.cli import app as edge_app
from edge.identity import tls_files
from shell.clock import SystemClock
from tests.brokers import free_port
from tests.house import mosquitto_on, refusal, started
from tests.real.controller.centre import NOON
from tests.real.controller.serving import Served, served_at
from tests.real.controller.test_daemon import running
from tests.waiting import until

pytestmark = pytest.mark.real
WHO = ("--by", "王芳")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with served_at(tmp_path / "demo") as made:
        made.demo.centre.clock.pass_by((SystemClock().now() - NOON).total_seconds())
        toml = made.folder / "centre.toml"
        toml.write_text(
            toml.read_text("utf-8").replace('url = "auto"', 'url = "mqtts://broker.example:8883"')
        )
        yield made


def lets_in(served: Served, *more: str) -> None:
    made = served.run("gate", "enroll", "--name", "south", *WHO, *more, "--json")
    code, gate = json.loads(made.stdout)["code"], str(served.folder / "gate.toml")
    asked = ["enroll", "--centre", served.url, "--code", code, "--config", gate]
    done = CliRunner().invoke(edge_app, asked)
    assert done.exit_code == 0, done.stderr


def rules(served: Served, *more: str) -> dict[str, Any]:
    done = served.run("broker", "rules", *more, "--json")
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_file_is_there_and_the_brokers_key_is_made_once_and_kept(
    served: Served, tmp_path: Path
) -> None:
    lets_in(served)
    folder = tmp_path / "broker"
    done = rules(served, "--mosquitto", str(folder))
    assert done["files"] == ["acl", "ca.crt", "mosquitto.conf", "revoked.pem"]
    assert done["certificates"] == 1
    key, certificate = folder / "broker.pem", folder / "broker.crt"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes(), certificate.read_bytes()
    rules(served, "--mosquitto", str(folder))
    assert (key.read_bytes(), certificate.read_bytes()) == before
    rules(served, "--mosquitto", str(folder), "--name", "broker.example", "--name", "192.0.2.7")
    assert key.read_bytes() == before[0] and certificate.read_bytes() != before[1]
    assert "\nuser south\n" in (folder / "acl").read_text()
    assert "site-7" not in (folder / "acl").read_text()
    rules(served, "--mosquitto", str(folder), "--bridge", "7")
    assert "\nuser site-7\n" in (folder / "acl").read_text()
    assert served.run("gate", "revoke", "south", *WHO, "--reason", "stolen").exit_code == 0
    assert rules(served, "--mosquitto", str(folder))["certificates"] == 0
    assert "\nuser south\n" not in (folder / "acl").read_text()


def test_files_for_another_machine_name_its_folder(served: Served, tmp_path: Path) -> None:
    rules(served, "--mosquitto", str(tmp_path / "m"), "--at", "/etc/mosquitto/house", "--port", "9883")
    config = (tmp_path / "m" / "mosquitto.conf").read_text()
    assert "listener 9883\n" in config and "keyfile /etc/mosquitto/house/broker.pem\n" in config
    assert str(tmp_path) not in config


def test_a_sites_broker_has_a_bridge_and_nats_its_users(served: Served, tmp_path: Path) -> None:
    lets_in(served)
    rules(served, "--mosquitto", str(tmp_path / "site"), "--site", "7", "--name", "site-7.example")
    config = (tmp_path / "site" / "mosquitto.conf").read_text()
    for line in (
        "address broker.example:8883",
        "bridge_protocol_version mqttv50",
        "cleansession true",
        "notifications true",
        "max_queued_messages 1000",
        "set_tcp_nodelay true",
        "require_certificate true",
        "use_identity_as_username true",
    ):
        assert f"{line}\n" in config
    assert "centre-1" not in (tmp_path / "site" / "acl").read_text()
    done = rules(served, "--nats", str(tmp_path / "nats"))
    assert done["files"] == ["ca.crt", "mqtt.conf", "revoked.pem", "users.conf"]
    assert "urn:postern:gate:south:" in (tmp_path / "nats" / "users.conf").read_text()


WRONG: list[tuple[str, ...]] = [
    (),
    ("--mosquitto", "m", "--nats", "n"),
    ("--nats", "n", "--site", "7"),
    ("--mosquitto", "m", "--site", "8"),
    ("--mosquitto", "m", "--bridge", "8"),
    ("--mosquitto", "m", "--bridge", "7", "--site", "7"),
    ("--nats", "n", "--bridge", "7"),
]


def test_what_is_not_clear_writes_nothing(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in WRONG:
        assert served.run("broker", "rules", *arguments).exit_code == 2, arguments
    assert rules(served, "--mosquitto", "m", "--dry-run")["files"] == []
    toml = served.folder / "centre.toml"
    toml.write_text(toml.read_text("utf-8").replace('url = "mqtts://broker.example:8883"', 'url = "auto"'))
    assert served.run("broker", "rules", "--mosquitto", "m").exit_code == 2
    assert served.run("broker", "rules", "--mosquitto", "m", "--site", "7").exit_code == 2
    assert not (tmp_path / "m").exists() and not (tmp_path / "n").exists()


@contextmanager
def gate_process(config: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        command = [sys.executable, "-m", "edge.cli", "run", "--config", str(config)]
        child = subprocess.Popen(command, stdout=out, stderr=out)
        try:
            until(lambda: "gate serves" in log.read_text("utf-8"), within_s=40, what="the gate")
            yield child
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(20)


def test_b15_gate_and_centre_of_a_fresh_house_meet_on_mosquitto_without_a_restart(tmp_path: Path) -> None:
    """One long story, since each start of a process is dear: from two configuration files to a receipt."""
    plan = DemoPlan(
        folder=tmp_path / "demo",
        web_port=free_port(),
        kiosk_port=free_port(),
        camera_port=free_port(),
        sms_port=free_port(),
        broker_port=free_port(),
    )
    create_demo(plan, now=datetime.now(UTC))
    port, folder = free_port(), tmp_path / "broker"
    url = f"mqtts://localhost:{port}"
    for name, old in (("centre.toml", "auto"), ("gate.toml", f"mqtt://127.0.0.1:{plan.broker_port}")):
        toml = plan.folder / name
        text = toml.read_text("utf-8")
        assert f'url = "{old}"' in text
        toml.write_text(text.replace(f'url = "{old}"', f'url = "{url}"', 1), "utf-8")

    def centre_says(*words: str) -> Result:
        return CliRunner().invoke(app, [*words, "--config", str(plan.folder / "centre.toml")])

    def write_rules() -> None:
        assert centre_says("broker", "rules", "--mosquitto", str(folder), "--port", str(port)).exit_code == 0

    with ExitStack() as stack:
        centre = stack.enter_context(running(plan))
        write_rules()
        broker, files = mosquitto_on(folder, port), tls_files(plan.folder / "south")
        stack.enter_context(started(broker))
        stack.enter_context(gate_process(plan.folder / "gate.toml", tmp_path / "gate.log"))
        assert centre.status()["events"] == 0
        made = centre_says("gate", "enroll", "--name", "south", *WHO, "--json")
        assert made.exit_code == 0, made.stderr
        code, page = json.loads(made.stdout)["code"], f"http://127.0.0.1:{plan.web_port}"
        asked = ["enroll", "--centre", page, "--code", code, "--config", str(plan.folder / "gate.toml")]
        came = CliRunner().invoke(edge_app, [*asked, "--json"])
        assert came.exit_code == 0, came.stderr
        assert json.loads(came.stdout)["configured"] is True
        write_rules()
        os.kill(broker.pid, signal.SIGHUP)
        until(lambda: centre.status()["events"] > 0, within_s=90, what="the boot event at the centre")
        assert refusal(port, files) is None
        revoked = centre_says("gate", "revoke", "south", *WHO, "--reason", "stolen", "--yes")
        assert revoked.exit_code == 0, revoked.stderr
        write_rules()
        broker.restart()
        broker.wait_ready()
        assert refusal(port, files) is not None
