"""From a gate's journal to the centre's commit: a backlog against a bare loop, a far line, one event after the other.

The gate is a process of its own, as the bare sender is. The bare loop does nothing but carry: ready payloads of the
same bytes over the same broker, parsed, written with ``executemany`` under the same durable commits, acknowledged.
"""

import gc
import json
import multiprocessing
import shutil
import socket
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from random import Random
from statistics import quantiles
from typing import Any, Final

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from benchmarks.result import Options, Outcome, Result
from controller.intake_store import CentreIntake
from controller.store import PRAGMAS, Store
from edge.journal import Journal
from passes.vocabulary import ClockTrust, Direction
from shell.clock import SystemClock
from simulators.line import Line
from sync.broker import EmbeddedBroker
from sync.intake import Intake
from sync.link import LinkSettings
from sync.messages import BATCH_BYTES_MAX, BATCH_EVENTS_MAX, DecisionData, Health, Kind, PassageData
from sync.messages import Outcome as Answer
from sync.outbox import PublishBatch, batch_json
from sync.topics import down, up
from sync.uplink import Uplink

SITE, GATE = 7, "south"
BACKLOG: Final = 100_000
VISITS: Final = 10_000  # events of a backlog in which every second one is a passage
BARE_WINDOW: Final = 4
BARE_GROUP_ROWS: Final = 2000  # in one commit, as ours
FAR_DELAY_S: Final = 0.025  # each way
FAR_PER_S: Final = 10_000.0
ONE_BY_ONE_PER_S: Final = 100.0
LATENCY_MS: Final = 30.0
LONE_EVENTS: Final = 200
WITHIN_S: Final = 300.0


def run(options: Options) -> list[Outcome]:
    """Measure everything over one broker, in wall time."""
    gc.freeze()  # as the centre's daemon does
    build = Path("build")
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as name, _gates_disk() as gates:
        folder = Path(name)
        broker = EmbeddedBroker(_free_port(), folder / "broker")
        broker.start()
        try:
            broker.wait_ready(20.0)
            decisions, visits = _recorded(gates / "decisions", BACKLOG), _recorded_visits(gates / "visits")
            return [
                _drain(broker, folder, decisions, "drain of a backlog of 100,000 decisions", ratio_min=0.5),
                _drain(broker, folder, visits, "drain of a backlog of visits"),
                _far(broker, folder, decisions),
                *_lone(broker, folder, options),
            ]
        finally:
            broker.stop()


@contextmanager
def _gates_disk() -> Iterator[Path]:
    """Where the gate's journal is filled: in memory where that is possible, for only the centre's commits are timed."""
    memory = Path("/dev/shm")  # a folder of our own is made in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else "build") as name:
        yield Path(name)


def _decision(number: int) -> DecisionData:
    person = f"{number % 5000:016x}"
    return DecisionData(
        pass_id=person,
        person=person,
        category="courier",
        unit=12,
        purpose=1,
        outcome=Answer.GRANT,
        lane="entry",
        direction=Direction.ENTRY,
        stay_id=f"{number:016x}",
    )


def _recorded(folder: Path, count: int) -> Path:
    journal = Journal(folder, SystemClock())
    for number in range(count):
        journal.append(Kind.DECISION, _decision(number))
    journal.close()
    return folder


def _recorded_visits(folder: Path) -> Path:
    """Visitors come, and a hundred visits later they go; every passage has its decision."""
    journal = Journal(folder, SystemClock())
    for number in range(VISITS // 4 + 100):
        for visit, direction in ((number, Direction.ENTRY), (number - 100, Direction.EXIT)):
            if 0 <= visit < VISITS // 4:
                decided = _decision(visit).model_copy(update={"direction": direction})
                journal.append(Kind.DECISION, decided)
                shared = decided.model_dump(include={"pass_id", "person", "category", "unit", "purpose"})
                passage = PassageData(
                    **shared, lane=direction.value, direction=direction, stay_id=f"{visit:016x}"
                )
                journal.append(Kind.PASSAGE, passage)
    journal.close()
    return folder


def _drain(
    broker: EmbeddedBroker, folder: Path, backlog: Path, name: str, *, ratio_min: float | None = None
) -> Result:
    """A whole backlog, ours and bare in turns; the better of two rounds each, for a busy machine only slows."""
    ours, bare = [], []
    for _ in range(2):
        ours.append(_ours(broker.url, folder, backlog))
        bare.append(_bare(broker.url, folder, backlog))
    return Result(
        name=name,
        value=max(ours),
        unit="events/s",
        baseline="a bare loop: same payloads, broker and durable commits",
        baseline_value=max(bare),
        ratio_min=ratio_min,
    )


def _far(broker: EmbeddedBroker, folder: Path, backlog: Path) -> Result:
    with Line(_port_of(broker.url), delay_s=FAR_DELAY_S) as line:
        rate = _ours(broker.url, folder, backlog, gates_url=f"mqtt://127.0.0.1:{line.port}")
    return Result(
        name="the same at 50 ms round trip",
        value=rate,
        unit="events/s",
        baseline="what is promised",
        baseline_value=FAR_PER_S,
        ratio_min=1.0,
    )


def _ours(url: str, folder: Path, backlog: Path, *, gates_url: str | None = None) -> float:
    """Events a second from the gate's start to the moment in which all are acknowledged, in the gate's journal."""
    copy = backlog.with_name("drained")
    shutil.copytree(backlog, copy)
    try:
        with _centre(url, folder):
            return _timed(partial(_gate_process, gates_url or url, copy))
    finally:
        shutil.rmtree(copy)


@contextmanager
def _centre(url: str, folder: Path, changed: Callable[[], None] = lambda: None) -> Iterator[None]:
    path = folder / "centre.db"
    path.unlink(missing_ok=True)
    store = Store(path)
    intake = Intake(
        CentreIntake(store=store, clock=SystemClock(), changed=changed),
        link=LinkSettings(url=url, client_id="centre-1", in_flight_max=1000),
        clock=SystemClock(),
        rng=Random(8),
    )
    intake.start()
    try:
        _wait(lambda: intake.status().connected)
        yield
    finally:
        intake.stop()
        store.close()


@contextmanager
def _gate(url: str, folder: Path) -> Iterator[tuple[Journal, Uplink]]:
    clock = SystemClock()
    journal = Journal(folder, clock)
    uplink = Uplink(
        journal,
        link=LinkSettings(url=url, client_id=GATE),
        gate=GATE,
        site=SITE,
        clock=clock,
        software="benchmark",
        boot="b" * 16,
        health=lambda: Health(
            now=clock.now(), trust=ClockTrust.TRUSTED, software="benchmark", outbox_depth=0, lanes=[]
        ),
        rng=Random(7),
    )
    uplink.start()
    try:
        yield journal, uplink
    finally:
        uplink.stop()
        journal.close()


def _gate_process(url: str, folder: Path, result: Connection) -> None:
    begun_s = time.monotonic()
    with _gate(url, folder) as (journal, _):
        _wait(lambda: journal.acked() == journal.last_seq())
        result.send((journal.last_seq(), time.monotonic() - begun_s))


def _timed(work: Callable[[Connection], None]) -> float:
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=work, args=(theirs,))
    process.start()
    try:
        assert ours.poll(WITHIN_S), f"not drained within {WITHIN_S:g} s"
        count, took_s = ours.recv()
    finally:
        process.join()
    return float(count / took_s)


def _bare(url: str, folder: Path, backlog: Path) -> float:
    payloads = _payloads(backlog)
    with _BareCentre(url, folder / "bare.db"):
        return _timed(partial(_bare_process, url, payloads))


def _payloads(backlog: Path) -> list[bytes]:
    copy = backlog.with_name("read")
    shutil.copytree(backlog, copy)
    journal = Journal(copy, SystemClock())
    payloads, seq = [], 0
    while rows := journal.rows_after(seq, BATCH_EVENTS_MAX, BATCH_BYTES_MAX):
        texts = tuple(text for _, text in rows)
        batch = PublishBatch(epoch=journal.epoch(), first=seq + 1, last=rows[-1][0], texts=texts)
        payloads.append(batch_json(batch, gate=GATE, site=SITE))
        seq = batch.last
    journal.close()
    shutil.rmtree(copy)
    return payloads


def _bare_process(url: str, payloads: list[bytes], result: Connection) -> None:
    begun_s = time.monotonic()
    acks: SimpleQueue[int] = SimpleQueue()
    client = _client(url, down(SITE, GATE, "ack"), lambda payload: acks.put(json.loads(payload)["upto"]))
    lasts = [json.loads(payload)["last"] for payload in payloads]
    sent = done = 0
    while done < len(payloads):
        while sent < len(payloads) and sent - done < BARE_WINDOW:
            client.publish(up(SITE, GATE, "ev"), payloads[sent], qos=1)
            sent += 1
        upto = acks.get()
        while done < sent and lasts[done] <= upto:
            done += 1
    result.send((lasts[-1], time.monotonic() - begun_s))
    _leave(client)


@dataclass
class _BareCentre:
    url: str
    path: Path

    def __enter__(self) -> None:
        self._inbox: SimpleQueue[bytes | None] = SimpleQueue()
        self._client = _client(self.url, up(SITE, GATE, "ev"), self._inbox.put)
        self._thread = threading.Thread(target=self._store)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._inbox.put(None)
        self._thread.join()
        _leave(self._client)

    def _store(self) -> None:
        self.path.unlink(missing_ok=True)
        db = sqlite3.connect(self.path, isolation_level=None)
        for name, value in PRAGMAS.items():
            db.execute(f"pragma {name} = {value}").close()
        db.execute(
            "create table event (gate, epoch, seq, body, primary key (gate, epoch, seq)) without rowid"
        )
        db.execute("create table cursor (upto)")
        db.execute("insert into cursor values (0)")
        while (payload := self._inbox.get()) is not None:
            rows: list[tuple[Any, ...]] = []
            while payload is not None:
                batch = json.loads(payload)
                key = (batch["gate"], batch["epoch"])
                rows += [(*key, event["seq"], json.dumps(event)) for event in batch["events"]]
                more = not self._inbox.empty() and len(rows) < BARE_GROUP_ROWS
                payload = self._inbox.get() if more else None
            db.execute("begin immediate")
            db.executemany("insert into event values (?, ?, ?, ?) on conflict do nothing", rows)
            db.execute("update cursor set upto = ?", (batch["last"],))
            db.execute("commit")
            self._client.publish(down(SITE, GATE, "ack"), json.dumps({"upto": batch["last"]}), qos=1)
        db.close()


def _client(url: str, topic: str, take: Callable[[bytes], None]) -> paho.Client:
    ready = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
    client.on_socket_open = _no_delay
    client.on_message = lambda _c, _u, message: take(bytes(message.payload))
    client.on_subscribe = lambda *_: ready.set()
    client.connect("127.0.0.1", _port_of(url))
    client.loop_start()
    client.subscribe(topic, 1)
    assert ready.wait(10.0), "the broker did not answer"
    return client


def _no_delay(_client: paho.Client, _userdata: object, sock: Any) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _leave(client: paho.Client) -> None:
    client.disconnect()
    client.loop_stop()


def _lone(broker: EmbeddedBroker, folder: Path, options: Options) -> list[Result]:
    """One event after the other: how fast with an answer each, and how late the centre has one when all is idle."""
    commits: SimpleQueue[float] = SimpleQueue()
    pause = threading.Event()
    rng = Random(5)
    with (
        _centre(broker.url, folder, changed=lambda: commits.put(time.monotonic())),
        _gate(broker.url, folder / "gate") as (journal, uplink),
    ):
        _wait(lambda: uplink.status().last_ack_at is not None and uplink.status().centre_online)

        def record() -> float:
            seq = journal.append(Kind.DECISION, _decision(journal.last_seq() + 1)).seq
            recorded_s = time.monotonic()
            uplink.wake()
            _wait(lambda: journal.acked() >= seq, look_every_s=0.0005)
            return recorded_s

        late_ms = []
        for _ in range(LONE_EVENTS):
            pause.wait(rng.uniform(0.005, 0.02))
            while not commits.empty():
                commits.get()
            recorded_s = record()
            late_ms.append(1000 * (commits.get() - recorded_s))
        begun_s, answered = time.monotonic(), 0
        while time.monotonic() - begun_s < options.seconds:
            record()
            answered += 1
        rate = answered / (time.monotonic() - begun_s)
    p99 = quantiles(late_ms, n=100)[98]
    return [
        Result(
            name="one event after the other, each acknowledged",
            value=rate,
            unit="events/s",
            baseline="what is promised",
            baseline_value=ONE_BY_ONE_PER_S,
            ratio_min=1.0,
        ),
        Result(
            name="recorded to committed at the centre, idle, p99",
            value=p99,
            unit="ms",
            baseline="what is promised",
            baseline_value=LATENCY_MS,
            ratio_max=1.0,
        ),
    ]


def _wait(look: Callable[[], object], *, look_every_s: float = 0.005) -> None:
    pause, end_s = threading.Event(), time.monotonic() + WITHIN_S
    while not look():
        assert time.monotonic() < end_s, f"not within {WITHIN_S:g} s"
        pause.wait(look_every_s)


def _port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
