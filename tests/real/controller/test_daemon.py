"""The centre as a process: started, fed by a gate over a real broker, asked, and stopped."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from controller.cli import app
from controller.config import load_centre
from controller.daemon import CentreDaemon
from controller.init import DemoPlan, create_demo
from controller.issuer_keys import IssuerKeyError
from shell.pages.server import PortTakenError
from sync.broker import BrokerPortTakenError, port_is_free
from sync.topics import down, up
from tests.brokers import PlainClient, free_port
from tests.real.controller.centre import SITE, Journal
from tests.real.controller.gateway import ACCEPT, Gateway, running_gateway
from tests.waiting import until

pytestmark = pytest.mark.real
COMMAND = (sys.executable, "-m", "controller.cli", "run", "--config")


class Process:
    """``postern-controller run`` on a demo folder with free ports."""

    def __init__(self, plan: DemoPlan) -> None:
        self.plan = plan
        self.log = (plan.folder.parent / "log").open("a+b")
        self.child = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        command = [*COMMAND, str(self.plan.folder / "centre.toml")]
        before = self.said().count("centre serves")
        self.child = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        until(lambda: self.said().count("centre serves") > before, within_s=30, what="the centre")
        return self.child

    def said(self) -> str:
        return Path(self.log.name).read_text(encoding="utf-8")

    def status(self) -> dict[str, Any]:
        token = (self.plan.folder / "keys" / "api.token").read_text()
        url = f"http://127.0.0.1:{self.plan.web_port}/api/v1/status"
        answer = httpx2.get(url, headers={"Authorization": f"Bearer {token}"}, trust_env=False)
        found: dict[str, Any] = answer.json()
        return found

    def kill(self) -> None:
        self.child.kill()
        self.child.wait()

    def stop(self) -> int:
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        return self.child.wait(10)


@contextmanager
def running(plan: DemoPlan) -> Iterator[Process]:
    process = Process(plan)
    try:
        yield process
    finally:
        process.stop()
        process.log.close()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with running_gateway() as made:
        yield made


@pytest.fixture
def plan(tmp_path: Path, gateway: Gateway) -> DemoPlan:
    made = DemoPlan(
        folder=tmp_path / "demo",
        web_port=free_port(),
        broker_port=free_port(),
        sms_port=gateway.server_address[1],
    )
    create_demo(made, now=datetime.now(UTC))
    return made


def test_a_killed_centre_loses_nothing_and_a_hanging_gateway_does_not_hold_up_its_stop(
    plan: DemoPlan, gateway: Gateway
) -> None:
    """One long story, since each start of a process is dear: killed with an SMS on its way, then stopped with one."""
    journal, acks = Journal(), down(SITE, "south", "ack")
    gateway.answers = [None]
    journal.entry(datetime.now(UTC) - timedelta(minutes=5), minutes=1)
    with running(plan) as centre:
        with PlainClient(plan.broker_port, acks) as gate:
            gate.publish(up(SITE, "south", "ev"), journal.payload())
            until(lambda: gate.messages, what="the ack")
            answers = [json.loads(payload) for _, payload, _ in gate.messages]
            assert [(answer["epoch"], answer["upto"]) for answer in answers] == [(journal.epoch, 1)]
            until(lambda: gateway.messages, what="the SMS on its way")
        centre.kill()
        gateway.release.set()
        gateway.answers = [ACCEPT]

        centre.start()
        until(lambda: centre.status()["sms_accepted"] == 1, what="the repeated SMS")
        assert [message["key"] for message in gateway.messages] == [gateway.messages[0]["key"]] * 2
        gateway.release.clear()
        gateway.answers = [None]
        journal.leaving(datetime.now(UTC))
        journal.entry(datetime.now(UTC) - timedelta(minutes=3), minutes=1, stay="5b" * 8, person="bb" * 8)
        with PlainClient(plan.broker_port, acks) as gate:
            gate.publish(up(SITE, "south", "ev"), journal.payload())
            until(lambda: gate.messages, what="the ack after the kill")
            until(lambda: len(gateway.messages) == 3, what="the second SMS on its way")
        status = centre.status()
        assert (status["events"], status["visits"], status["inside"]) == (3, 2, 1)
        assert (status["overstays"], status["sms_accepted"], status["sms_waiting"]) == (2, 1, 1)
        begun_s = time.monotonic()
        assert centre.stop() == 0
        assert time.monotonic() - begun_s < 3
    assert gateway.messages[2]["key"] != gateway.messages[0]["key"]
    assert port_is_free(plan.broker_port)
    assert port_is_free(plan.web_port)


def test_a_port_that_is_taken_is_named_with_its_setting(plan: DemoPlan, gateway: Gateway) -> None:
    taken = gateway.server_address[1]
    config = load_centre(plan.folder / "centre.toml")
    with pytest.raises(PortTakenError, match=rf"Port {taken} .*\[web\] port in centre\.toml"):
        CentreDaemon(replace(config, web_port=taken))
    daemon = CentreDaemon(replace(config, broker_port=taken))
    with pytest.raises(BrokerPortTakenError, match=rf"Port {taken} .*\[broker\] port"):
        daemon.run(threading.Event())
    assert port_is_free(config.web_port)


def test_a_missing_key_is_named(plan: DemoPlan) -> None:
    path = plan.folder / "keys" / "site-7-visitor.pem"
    path.unlink()
    with pytest.raises(IssuerKeyError, match=r"site-7-visitor\.pem: cannot be read"):
        CentreDaemon(load_centre(plan.folder / "centre.toml"))


def test_a_wrong_configuration_ends_with_2_and_its_line(plan: DemoPlan) -> None:
    file = plan.folder / "centre.toml"
    text = file.read_text(encoding="utf-8").replace('host = "127.0.0.1"', 'hots = "x"')
    file.write_text(text, encoding="utf-8")
    done = subprocess.run([*COMMAND, str(file)], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{file}:15: web.hots: unknown key. Allowed here: host, port" in done.stderr


def test_init_makes_a_folder_once_and_says_what_comes_next(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    asked = ["init", "--demo", "--dir", str(folder), "--couriers-minutes", "2"]
    made = CliRunner().invoke(app, asked)
    assert (made.exit_code, made.stdout) == (0, "")
    assert "courier = 2" in (folder / "centre.toml").read_text(encoding="utf-8")
    assert CliRunner().invoke(app, asked).exit_code == 4
    assert CliRunner().invoke(app, [*asked, "--force"]).exit_code == 0
    assert CliRunner().invoke(app, ["init", "--dir", str(tmp_path / "real")]).exit_code == 2
    assert not (tmp_path / "real").exists()


def test_every_command_has_help_with_an_example() -> None:
    for command in app.registered_commands:
        assert command.callback is not None
        assert f"Example: postern-controller {command.callback.__name__}" in (command.callback.__doc__ or "")
