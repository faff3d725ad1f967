"""What goes wrong between gate and broker by TLS: no name, no certificate, a silent line, a lost receipt, a rival."""

import os
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from shell.clock import SystemClock
from sync.intake import Intake
from sync.link import KEEPALIVE_S, SILENCE_MAX_KEEPALIVES, LinkSettings, Message, MqttLink
from sync.mailbox import LinkDown, LinkUp, Mailbox
from sync.tls import TlsFiles
from sync.topics import down
from sync.uplink import Uplink
from tests.brokers import free_port
from tests.house import HOST, House, Program, find_nats, mosquitto_of, refusal, started
from tests.real.test_sync_delivery import all_ids, delivered, health
from tests.sync_stores import BOOT, MemoryOutbox, SqliteIntake
from tests.waiting import until

pytestmark = pytest.mark.real
SITE, GATE = 7, "south"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    made = House(tmp_path_factory.mktemp("faults") / "house")
    made.gate(GATE)
    return made


@contextmanager
def broker_at(house: House, name: str) -> Iterator[tuple[Program, str]]:
    port = free_port()
    broker = mosquitto_of(house, name, port)
    with started(broker):
        yield broker, f"mqtts://localhost:{port}"


@contextmanager
def gate(
    url: str, tls: TlsFiles | None, journal: MemoryOutbox, *, keepalive_s: int = KEEPALIVE_S
) -> Iterator[Uplink]:
    uplink = Uplink(
        journal,
        link=LinkSettings(url=url, client_id=GATE, tls=tls, retry_max_s=0.5, keepalive_s=keepalive_s),
        gate=GATE,
        site=SITE,
        clock=SystemClock(),
        software="test 1",
        boot=BOOT,
        health=health,
        rng=Random(7),
    )
    uplink.start()
    try:
        yield uplink
    finally:
        uplink.stop()


@contextmanager
def centre(url: str, tls: TlsFiles | None, path: Path) -> Iterator[SqliteIntake]:
    store = SqliteIntake(path)
    settings = LinkSettings(url=url, client_id="centre-1", tls=tls, retry_max_s=0.5, in_flight_max=1000)
    intake = Intake(store, link=settings, clock=SystemClock(), rng=Random(8))
    intake.start()
    try:
        yield store
    finally:
        intake.stop()
        store.close()


def test_net1_a_month_without_a_broker_arrives_whole_when_there_is_one(house: House, tmp_path: Path) -> None:
    port, journal = free_port(), MemoryOutbox()
    url, events = f"mqtts://localhost:{port}", 20_000  # one in two minutes for a month
    with gate(url, house.files(GATE), journal) as uplink:
        journal.record(events)
        uplink.wake()
        assert not uplink.status().connected
        with (
            started(mosquitto_of(house, "late", port)),
            centre(url, house.centre(), tmp_path / "c.db") as kept,
        ):
            until(lambda: delivered(journal), within_s=60, what="the month")
            assert kept.ids(GATE) == all_ids(events)


def test_b3_a_broker_that_lost_its_store_loses_no_event(tmp_path: Path) -> None:
    port, client, journal = free_port(), free_port(), MemoryOutbox()
    config, data = tmp_path / "nats.conf", tmp_path / "data"
    config.write_text(
        f"server_name: n\nlisten: {HOST}:{client}\njetstream {{ store_dir: {data} }}\n"
        f"mqtt {{ host: {HOST}, port: {port} }}\n"
    )
    broker = Program([find_nats(), "-c", str(config)], log=tmp_path / "log", ready=lambda: _listens(port))
    url = f"mqtt://{HOST}:{port}"
    with started(broker), centre(url, None, tmp_path / "c.db") as kept, gate(url, None, journal) as uplink:
        for _ in range(2):
            journal.record(500)
            uplink.wake()
            until(lambda: delivered(journal), within_s=30)
            journal.record(500)
            uplink.wake()
            broker.kill()
            shutil.rmtree(data)
            broker.start()
        until(lambda: delivered(journal), within_s=60, what="what was under way")
        assert kept.ids(GATE) == all_ids(2_000)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def test_b6_receipts_that_are_lost_delay_and_double_nothing(house: House, tmp_path: Path) -> None:
    journal = MemoryOutbox()
    with (
        broker_at(house, "deaf") as (broker, url),
        centre(url, house.centre(), tmp_path / "c.db") as kept,
        gate(url, house.files(GATE), journal) as uplink,
    ):
        until(lambda: uplink.status().last_ack_at, what="the answer to hello")
        acl = house.folder / "deaf" / "acl"
        rules = acl.read_text()

        assert "topic write postern/1/dn/#" in rules
        acl.write_text(rules.replace(f"topic read {down(SITE, GATE, '+')}\n", ""))
        os.kill(broker.pid, signal.SIGHUP)
        until(lambda: "Reloading" in (house.folder / "deaf" / "log").read_text(), what="the changed rules")
        journal.record(700)
        uplink.wake()
        until(lambda: kept.ids(GATE), what="the first events, whose receipt is lost")
        assert journal.acked() == 0
        acl.write_text(rules)
        os.kill(broker.pid, signal.SIGHUP)
        until(lambda: delivered(journal), within_s=30, what="the receipts")
        assert kept.ids(GATE) == all_ids(700)


class Listening:
    """A link and what it says."""

    def __init__(
        self, url: str, tls: TlsFiles | None, *, keepalive_s: int = KEEPALIVE_S, seed: int = 7
    ) -> None:
        self.mailbox, self.rivalry = Mailbox(), list[bool]()
        self.news: list[LinkUp | LinkDown] = []
        settings = LinkSettings(
            url=url,
            client_id=GATE,
            tls=tls,
            keepalive_s=keepalive_s,
            retry_max_s=2.0,
            rivalry=self.rivalry.append,
        )
        self.link = MqttLink(
            settings,
            subscriptions=[down(SITE, GATE, "ack")],
            will=lambda _: Message(topic=f"postern/1/up/{SITE}/{GATE}/state", payload=b"lost"),
            mailbox=self.mailbox,
            clock=SystemClock(),
            rng=Random(seed),
        )

    def ups(self) -> int:
        self.news += [item for item in self.mailbox.take(0.0) if isinstance(item, LinkUp | LinkDown)]
        return sum(isinstance(item, LinkUp) for item in self.news)

    def __enter__(self) -> "Listening":
        self.link.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.link.close()


def test_b9_two_with_one_id_back_off_and_both_tell_and_the_one_that_stays_says_so(house: House) -> None:
    with broker_at(house, "rivals") as (_, url), Listening(url, house.files(GATE)) as first:
        until(first.ups)
        with Listening(url, house.files(GATE), seed=9) as second:
            until(lambda: first.rivalry and second.rivalry, within_s=30, what="word of a rival")
            assert first.rivalry == second.rivalry == [True]
            assert first.ups() + second.ups() < 12
        until(lambda: first.rivalry == [True, False], within_s=40, what="word that it is over")
        assert first.link.connected


def test_net4_a_line_that_is_open_at_our_end_alone_is_given_up_and_made_anew(house: House) -> None:
    assert KEEPALIVE_S * SILENCE_MAX_KEEPALIVES <= 60
    with (
        broker_at(house, "frozen") as (broker, url),
        Listening(url, house.files(GATE), keepalive_s=1) as line,
    ):
        until(line.ups)
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            until(lambda: not line.link.connected, within_s=20, what="the end of a silent line")
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        until(lambda: line.ups() == 2 and line.link.connected, within_s=20, what="a new line")


class Resolver:
    """The machine's own resolver, until it is told to lie or to fall silent."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._true, self.lie = socket.getaddrinfo, ""
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host: Any, port: Any, *more: Any, **named: Any) -> Any:
        if host == "localhost" and self.lie:
            if self.lie == "dead":
                raise socket.gaierror(-3, "Temporary failure in name resolution")
            return self._true(HOST, int(self.lie), *more, **named)
        return self._true(host, port, *more, **named)


def test_net5_without_a_name_service_and_with_one_that_lies_the_broker_is_found(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = Resolver(monkeypatch)
    foreign = House(tmp_path / "foreign")
    with (
        broker_at(foreign, "broker") as (_, elsewhere),
        broker_at(house, "named") as (broker, url),
        Listening(url, house.files(GATE)) as line,
    ):
        until(line.ups)
        for times, lie in enumerate(("dead", elsewhere.rpartition(":")[2]), start=2):
            resolver.lie = lie
            line.link.rebuild()
            until(lambda times=times: line.ups() == times, within_s=20, what=f"the broker, by {lie}")  # type: ignore[misc]
        assert broker.pid
        resolver.lie = "dead"
        kept = tmp_path / "address"
        remembering = replace(house.files(GATE), address=kept)
        with Listening(url, remembering) as forgetful:
            pause = threading.Event()
            pause.wait(0.5)
            assert forgetful.ups() == 0
        kept.write_text(f"{HOST}\n")
        with Listening(url, remembering) as reminded:
            until(reminded.ups, within_s=20, what="the broker, by what was kept")
        resolver.lie = ""
        kept.write_text("nonsense")
        with Listening(url, remembering) as fresh:
            until(fresh.ups)
            until(lambda: kept.read_text() == f"{HOST}\n", what="the address that was kept")


def test_b15_the_end_of_the_brokers_own_certificate_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house, port = House(tmp_path / "house"), free_port()
    house.gate(GATE)
    plan = house.plan("old", port)
    files = TlsFiles(ca=house.ca.path, certificate=plan.folder / "broker.crt", key=plan.folder / "broker.pem")
    broker = mosquitto_of(house, "old", port)
    url = f"mqtts://localhost:{port}"
    with started(broker), Listening(url, house.files(GATE)) as line:
        until(line.ups)
    assert "ends soon" not in capsys.readouterr().out
    files.certificate.unlink()
    house.ca.keep_server(files, plan.names, house.now - timedelta(days=800))
    with started(broker), Listening(url, house.files(GATE)) as line:
        until(line.ups)
    assert "ends soon" in capsys.readouterr().out


def test_net5_no_byte_leaves_in_plain_and_no_other_name_or_authority_is_taken(
    house: House, tmp_path: Path
) -> None:
    heard: list[bytes] = []
    with socket.create_server((HOST, 0)) as server:

        def listen() -> None:
            for _ in range(3):
                with server.accept()[0] as peer:
                    heard.append(peer.recv(64))

        thread = threading.Thread(target=listen)
        thread.start()
        with Listening(f"mqtts://localhost:{server.getsockname()[1]}", house.files(GATE)) as line:
            until(lambda: len(heard) == 3, within_s=20, what="three attempts")
            assert line.ups() == 0
        thread.join()
    assert {one[:2] for one in heard} == {b"\x16\x03"}  # a TLS handshake each time
    foreign = House(tmp_path / "foreign").gate(GATE)
    with broker_at(house, "strict") as (_, url):
        port = int(url.rpartition(":")[2])
        assert refusal(port, foreign) is not None
        with Listening(f"mqtts://127.0.0.2:{port}", house.files(GATE)) as misnamed:
            pause = threading.Event()
            pause.wait(1.0)
            assert misnamed.ups() == 0
        with Listening(url, house.files(GATE)) as good:
            until(good.ups)


def test_b15_without_a_certificate_or_with_an_old_one_a_gate_records_and_comes_in_with_the_next(
    house: House, tmp_path: Path
) -> None:
    journal, box = MemoryOutbox(), tmp_path / "box"
    files = TlsFiles(ca=house.ca.path, certificate=box / "gate.crt", key=box / "gate.pem")
    with (
        broker_at(house, "patient") as (_, url),
        centre(url, house.centre(), tmp_path / "c.db") as kept,
        gate(url, files, journal) as uplink,
    ):
        journal.record(10)
        uplink.wake()
        assert not uplink.status().connected
        house.ca.keep_client(files, GATE, house.now - timedelta(days=400))
        journal.record(10)
        uplink.wake()
        pause = threading.Event()
        pause.wait(1.0)
        assert not uplink.status().connected and journal.last_seq() == 20
        house.ca.keep_client(files, GATE, house.now)
        until(lambda: delivered(journal), within_s=20, what="what was recorded meanwhile")
        assert kept.ids(GATE) == all_ids(20)
