"""A house with TLS: an authority, parties with certificates, and real brokers that run on the centre's own rules."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from cryptography import x509
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from controller.broker_files import Plan, SiteBroker, write_mosquitto, write_nats
from controller.certificates import CENTRE, GateCa, own_uri
from shell.broker_url import BrokerAddress
from shell.clock import SystemClock
from sync.broker import find_mosquitto
from sync.tls import PinnedContext, TlsFiles, client_context
from tests.brokers import free_port, require
from tests.waiting import until

HOST = "127.0.0.1"
NATS_NODES = 3


class House:
    """One centre's authority and its gates; ``rows`` are as the centre lists certificates."""

    def __init__(self, folder: Path, *, sites: tuple[int, ...] = (7,)) -> None:
        self.folder, self.sites, self.now = folder, sites, SystemClock().now()
        (folder / "keys").mkdir(parents=True)
        self.ca = GateCa(folder / "keys", self.now)
        self.rows: list[dict[str, Any]] = []

    def gate(self, name: str, site: int = 7, *, now: datetime | None = None, box: str = "") -> TlsFiles:
        """A certificate for a gate, and a good row for it."""
        files = self.files(f"{name}{box}")
        self.ca.keep_client(files, name, now or self.now)
        held = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        uri, serial = own_uri(files.certificate), f"{held.serial_number:x}"
        self.rows.append({"state": "valid", "site": site, "gate": name, "uri": uri, "serial": serial})
        return files

    def centre(self) -> TlsFiles:
        return self.ca.party(CENTRE, self.now)

    def revoke(self, files: TlsFiles) -> None:
        uri = own_uri(files.certificate)
        for row in self.rows:
            if row["uri"] == uri:
                row |= {"state": "revoked", "revoked_at": self.now.isoformat()}

    def plan(self, name: str, port: int) -> Plan:
        here = self.folder / name
        here.mkdir(exist_ok=True)
        return Plan(
            folder=here,
            here=PurePosixPath(here),
            names=("localhost", HOST),
            port=port,
            bridges=self.sites,
            found=self.rows,
        )

    def files(self, name: str) -> TlsFiles:
        box = self.folder / "boxes" / name
        return TlsFiles(ca=self.ca.path, certificate=box / "gate.crt", key=box / "gate.pem")


class Program:
    """A broker's process that can be killed and started again."""

    def __init__(self, command: list[str], *, log: Path, ready: Callable[[], bool]) -> None:
        self._command, self._log, self._ready = command, log, ready
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def wait_ready(self, within_s: float = 20.0) -> None:
        until(self._ready, within_s=within_s, what=f"{self._command[0]} listening (see {self._log})")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        self.kill()
        self.start()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()


def listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), 1).close()
    except OSError:
        return False
    return True


def mosquitto_of(house: House, name: str, port: int, own: SiteBroker | None = None) -> Program:
    """Mosquitto on the files that the centre writes."""
    rewrite(house, name, port, own)
    return mosquitto_on(house.folder / name, port)


def mosquitto_on(folder: Path, port: int) -> Program:
    """Mosquitto on a folder of such files, as the user who runs the tests, and saying more."""
    require("mosquitto")
    program = find_mosquitto()
    assert program is not None
    (folder / "conf.d").mkdir()
    (folder / "conf.d" / "house.conf").symlink_to(folder / "mosquitto.conf")
    user = pwd.getpwuid(os.geteuid()).pw_name
    (folder / "run.conf").write_text(f"user {user}\nlog_type information\ninclude_dir {folder / 'conf.d'}\n")
    command = [program, "-c", str(folder / "run.conf")]
    return Program(command, log=folder / "log", ready=lambda: listens(port))


def rewrite(house: House, name: str, port: int, own: SiteBroker | None = None) -> None:
    """Write the rules again, as an operator does after each gate that came or went."""
    write_mosquitto(house.plan(name, port), house.ca, house.now, own)


def site_broker(port: int, site: int = 7) -> SiteBroker:
    return SiteBroker(site=site, uplink=BrokerAddress("localhost", port, tls=True))


@contextmanager
def started(*programs: Program) -> Iterator[None]:
    try:
        for program in programs:
            program.start()
        for program in programs:
            program.wait_ready()
        yield
    finally:
        for program in programs:
            program.stop()


def find_nats() -> str:
    """The nats-server program; skips with a counted reason, and fails in CI."""
    found = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        assert "CI" not in os.environ, "nats-server is not installed, and CI has to try it"
        pytest.skip("nats-server is not installed (apt install nats-server)")
    return found


class TlsClient:
    """A client without any of our code but the TLS context, at MQTT 3.1.1."""

    def __init__(
        self, port: int, files: TlsFiles | PinnedContext, *subscriptions: str, client_id: str = ""
    ) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self.refused: str | None = None
        self.granted: list[bool] = []
        self.up = self.subscribed = False
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        self._context = client_context(files, "localhost") if isinstance(files, TlsFiles) else files
        client.tls_set_context(self._context)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = lambda _c, _u, got: self.messages.append((got.topic, bytes(got.payload)))
        self._client, self._subscriptions = client, subscriptions
        try:
            client.connect(HOST, port, 15)
            client.loop_start()
            until(lambda: self.up or self.refused or _ended(client), what="an answer")
        except OSError as error:
            self.refused = str(error)
        if not self.up and self.refused is None:
            self.refused = "closed"
        if self.up and subscriptions:
            until(lambda: self.subscribed, what="the subscription's answer")

    def _on_connect(
        self, client: paho.Client, _userdata: object, _flags: object, reason: Any, _p: object
    ) -> None:
        if reason.is_failure:
            self.refused = str(reason)
            return
        self.up = True
        if self._subscriptions:
            client.subscribe([(topic, 1) for topic in self._subscriptions])

    def _on_subscribe(self, _c: paho.Client, _u: object, _mid: int, reasons: list[Any], _p: object) -> None:
        self.granted = [not reason.is_failure for reason in reasons]
        self.subscribed = True

    @property
    def lost(self) -> bool:
        """Whether the broker ended the connection."""
        return _ended(self._client)

    def subscribe(self, topic: str) -> None:
        """Ask for one topic more, and wait for an answer or the end of the connection."""
        self.subscribed = False
        self._client.subscribe(topic, 1)
        until(lambda: self.subscribed or _ended(self._client), what="the subscription's answer")

    def publish(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1).wait_for_publish(5)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._context.close()
        self._client.on_connect = self._client.on_subscribe = self._client.on_message = None

    def __enter__(self) -> "TlsClient":
        assert self.up, self.refused
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _ended(client: paho.Client) -> bool:
    return client._thread is None or not client._thread.is_alive()


def refusal(port: int, files: TlsFiles | PinnedContext) -> str | None:
    """Why the broker does not take this client; None when it does."""
    client = TlsClient(port, files)
    client.close()
    return client.refused


def nats_of(house: House) -> tuple[list[Program], list[int]]:
    """Three NATS servers in one cluster, on the files that the centre writes; and their MQTT ports."""
    program = find_nats()
    clients, routes, ports = ([free_port() for _ in range(NATS_NODES)] for _ in range(3))
    addresses = ", ".join(f'"nats-route://{HOST}:{port}"' for port in routes)
    nodes = []
    for number in range(NATS_NODES):
        plan = house.plan(f"nats-{number}", ports[number])
        write_nats(plan, house.ca, house.now)
        config = plan.folder / "server.conf"
        config.write_text(
            f"server_name: n{number}\nlisten: {HOST}:{clients[number]}\n"
            f'jetstream {{ store_dir: "{plan.folder / "data"}", max_memory_store: 64MB, max_file_store: 256MB }}\n'
            f"cluster {{ name: house, listen: {HOST}:{routes[number]}, routes: [{addresses}] }}\n"
            "include mqtt.conf\ninclude users.conf\n"
        )
        port = ports[number]
        nodes.append(
            Program(
                [program, "-c", str(config)],
                log=plan.folder / "log",
                ready=lambda port=port: listens(port) and refusal(port, house.centre()) is None,  # type: ignore[misc]
            )
        )
    return nodes, ports
