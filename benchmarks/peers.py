"""How long one pass could be used twice: from a gate's durable grant until another gate of the site knows of it."""

import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.result import Options, Outcome, Result
from edge.gate_key import GateKey
from edge.journal import Journal
from edge.peers import Peers
from edge.standing import Shown, Standings
from edge.standing_peers import PeerStays
from passes.claims import Claims
from passes.decide import Grant, Presence
from passes.vocabulary import Category, ClockTrust, PassId, PersonId
from passes.walkin import Certificate, Delegation
from shell.clock import SystemClock
from sync.broker import EmbeddedBroker
from sync.link import LinkSettings, Message
from sync.mailbox import Received
from sync.messages import Health
from sync.topics import peer_topics, peers
from sync.uplink import Uplink

SITE: Final = 7
ROUNDS: Final = 200
WITHIN_S: Final = 10.0


class _Gate:
    """A gate's journal, link and part in the talk, with a thread that comes round when it is woken."""

    def __init__(self, folder: Path, number: int, url: str) -> None:
        self.clock = SystemClock()
        self.key = GateKey(Ed25519PrivateKey.from_private_bytes(bytes([number + 1]) * 32))
        self.journal = Journal(folder / f"gate{number}", self.clock)
        self.standings = Standings(self.journal, ZoneInfo("Asia/Shanghai"))
        self.certificates: list[Certificate] = []
        self.plain = threading.Event()  # a bare message came
        self._wake, self._stop = threading.Event(), threading.Event()
        name = f"gate{number}"
        self.uplink = Uplink(
            self.journal,
            link=LinkSettings(url=url, client_id=name),
            gate=name,
            site=SITE,
            clock=self.clock,
            software="bench",
            boot=self.journal.boot,
            health=self._health,
            rng=Random(number),
            others=dict.fromkeys(peer_topics(SITE), self._peer_spoke)
            | {peers(SITE, "bench"): lambda _: self.plain.set()},
        )
        self.peers = Peers(
            site=SITE,
            gate=name,
            number=number,
            stays=PeerStays(self.journal, name, self.clock),
            key=lambda: self.key,
            certificates=lambda: self.certificates,
            publish=self.uplink.publish,
            connected=lambda: self.uplink.status().connected,
            clock=self.clock,
            used_twice=lambda _: None,
            wake=self._wake.set,
        )
        now = self.clock.now()
        self.certificate = Certificate(
            delegation=Delegation(
                site=SITE,
                gate=number,
                categories=frozenset({Category.COURIER}),
                not_before=now,
                not_after=now + timedelta(hours=12),
            ),
            public=self.key.public,
        )
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        self.uplink.start()
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._wake.set()
        self._thread.join()
        self.uplink.stop()
        self.journal.close()

    def grant(self, claims: Claims) -> None:
        self.standings.record_entry_grant(Grant(claims), "entry", Shown(None))
        self._wake.set()

    def _peer_spoke(self, message: Received) -> None:
        self.peers.received(message)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(0.25)
            self._wake.clear()
            self.peers.tick()

    def _health(self) -> Health:
        return Health(
            now=self.clock.now(), trust=ClockTrust.TRUSTED, software="bench", outbox_depth=0, lanes=[]
        )


def run(options: Options) -> list[Outcome]:
    """Grants at one gate, looked for at the other; beside bare messages on the same connections. Wall time."""
    build = Path("build")
    build.mkdir(exist_ok=True)
    rounds = ROUNDS // 4 if options.quick else ROUNDS
    with tempfile.TemporaryDirectory(dir=build) as name, _site(Path(name)) as (here, there):
        ours, bare = [], []
        for number in range(rounds):
            ours.append(_until_known(here, there, _claims(number)))
            bare.append(_until_heard(here, there))
    return [
        Result(
            name=f"a grant known at the next gate, {label} of {rounds}",
            value=_of(ours, share) * 1000,
            unit="ms",
            baseline="a bare message on the same connections",
            baseline_value=_of(bare, share) * 1000,
        )
        for label, share in (("p50", 0.5), ("p99", 0.99))
    ]


@contextmanager
def _site(folder: Path) -> Iterator[tuple[_Gate, _Gate]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    broker = EmbeddedBroker(port, folder / "broker")
    broker.start()
    gates = [_Gate(folder, number, broker.url) for number in range(2)]
    certificates = [gate.certificate for gate in gates]
    for gate in gates:
        gate.certificates = certificates
        gate.start()
    try:
        _await(lambda: all(gate.uplink.status().connected for gate in gates))
        yield gates[0], gates[1]
    finally:
        for gate in gates:
            gate.close()
        broker.stop()


def _until_known(here: _Gate, there: _Gate, claims: Claims) -> float:
    """Seconds from the durable grant to the other gate's knowledge of it."""
    here.grant(claims)
    began_s = time.perf_counter()
    now = here.clock.now()
    _await(lambda: there.standings.of(claims, now).presence is Presence.PENDING)
    return time.perf_counter() - began_s


def _until_heard(here: _Gate, there: _Gate) -> float:
    there.plain.clear()
    began_s = time.perf_counter()
    here.uplink.publish(Message(topic=peers(SITE, "bench"), payload=b"x" * 600))
    assert there.plain.wait(WITHIN_S), "no message came through the broker"
    return time.perf_counter() - began_s


def _await(holds: Callable[[], bool]) -> None:
    until_s, pause = time.monotonic() + WITHIN_S, threading.Event()
    while not holds():
        assert time.monotonic() < until_s, "the other gate heard nothing"
        pause.wait(0.0005)


def _of(times_s: list[float], share: float) -> float:
    return statistics.quantiles(times_s, n=100, method="inclusive")[round(share * 100) - 1]


def _claims(number: int) -> Claims:
    now = int(time.time())
    return Claims(
        pass_id=PassId(f"{number:016x}"),
        person=PersonId(f"{0xABC000 + number:016x}"),
        site=SITE,
        category=Category.COURIER,
        unit=12,
        purpose=2,
        gates=0xFF,
        directions=3,
        entries=0,
        stay=60,
        status=number,
        flags=0,
        not_before=now - 60,
        expires_at=now + 3600,
        issued_at=now - 60,
    )
