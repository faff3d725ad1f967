"""Gate to centre when the line is bad, the centre slow, a gate hostile, or a card cloned."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import select

from controller import schema
from controller.intake_store import CentreIntake
from controller.store import Store
from passes.vocabulary import ClockTrust
from shell.clock import SystemClock
from simulators.line import Line
from sync.broker import EmbeddedBroker
from sync.intake import Intake, IntakeStore
from sync.link import LinkSettings
from sync.load import GateLimit
from sync.messages import Health
from sync.outbox import OutboxStore, PublishBatch, batch_json
from sync.pace import WINDOW_BATCHES, WINDOW_FAR_BATCHES
from sync.received import ReceivedBatch
from sync.topics import up
from sync.uplink import Uplink
from tests.brokers import PlainClient, port_of, running_broker
from tests.sync_stores import BOOT, MemoryOutbox, SqliteIntake, event_text
from tests.waiting import until

pytestmark = pytest.mark.real
SITE, GATE = 7, "south"
ISDN_BYTES_PER_S = 8_000.0  # 64 kbit/s


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    with running_broker("amqtt", tmp_path_factory.mktemp("broker")) as running:
        yield running


def health() -> Health:
    return Health(
        now=SystemClock().now(), trust=ClockTrust.TRUSTED, software="test 1", outbox_depth=0, lanes=[]
    )


@contextmanager
def gate(
    url: str,
    store: OutboxStore,
    *,
    name: str = GATE,
    client_id: str | None = None,
    epoch_left: Callable[[str], None] = lambda _: None,
) -> Iterator[Uplink]:
    uplink = Uplink(
        store,
        link=LinkSettings(url=url, client_id=client_id or name, retry_max_s=0.5),
        gate=name,
        site=SITE,
        clock=SystemClock(),
        software="test 1",
        boot=BOOT,
        health=health,
        rng=Random(7),
        epoch_left=epoch_left,
    )
    uplink.start()
    try:
        yield uplink
    finally:
        uplink.stop()


@contextmanager
def centre(url: str, store: IntakeStore, **settings: Any) -> Iterator[Intake]:
    intake = Intake(
        store,
        link=LinkSettings(url=url, client_id="centre-1", retry_max_s=0.5, in_flight_max=1000),
        clock=SystemClock(),
        rng=Random(8),
        **settings,
    )
    intake.start()
    try:
        until(lambda: intake.status().connected)
        yield intake
    finally:
        intake.stop()


def delivered(store: MemoryOutbox) -> bool:
    return store.acked() == store.last_seq()


def all_ids(count: int) -> list[str]:
    return [f"{number:016x}" for number in range(count)]


def test_net3_b12_a_new_alarm_passes_a_backlog_of_100_000_rows_on_64_kbit_per_s(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    journal, kept = MemoryOutbox(), SqliteIntake(tmp_path / "c.db")
    journal.record(100_000)
    with (
        Line(port_of(broker), bytes_per_s=ISDN_BYTES_PER_S) as line,
        centre(broker.url, kept),
        gate(f"mqtt://127.0.0.1:{line.port}", journal) as uplink,
    ):
        until(lambda: line.carried > 4 * ISDN_BYTES_PER_S, within_s=30, what="the drain to fill its window")
        assert 0 < journal.acked() < 1_000
        journal.record(alarm=True)
        uplink.wake()
        ours = f"{journal.numbers - 1:016x}"
        until(lambda: ours in kept.ids(GATE), within_s=10, what="the alarm at the centre")
        assert journal.acked() < 1_000, "the backlog is still there"
        line.cut()
    kept.close()


def test_b12_alarms_of_the_backlog_arrive_beyond_the_cursor_and_everything_once(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    journal, kept = MemoryOutbox(), SqliteIntake(tmp_path / "c.db")
    for _ in range(4):
        journal.record(1_500)
        journal.record(alarm=True)
    with centre(broker.url, kept), gate(broker.url, journal):
        until(lambda: delivered(journal), within_s=30)
        assert kept.ids(GATE) == all_ids(6_004)
        assert kept.copies <= 4
    kept.close()


def test_b2_more_than_any_brokers_queue_waits_at_the_gate_while_the_centre_is_away(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    journal, kept = MemoryOutbox(), SqliteIntake(tmp_path / "c.db")
    with gate(broker.url, journal) as uplink:
        until(lambda: uplink.status().connected)
        journal.record(5_000)
        uplink.wake()
        with centre(broker.url, kept):
            until(lambda: delivered(journal), within_s=30)
        assert kept.ids(GATE) == all_ids(5_000)
    kept.close()


class SlowIntake(SqliteIntake):
    """Commits only when it is let."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.let = threading.Event()

    def apply(self, batches: list[ReceivedBatch]) -> dict[tuple[int, str], tuple[str, int]]:
        assert self.let.wait(30)
        return super().apply(batches)


def test_b16_a_slow_centre_holds_the_gates_back_and_loses_nothing(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    journals, kept = [MemoryOutbox(first_number=first) for first in (0, 100_000)], SlowIntake(tmp_path / "c")
    with (
        centre(broker.url, kept) as intake,
        gate(broker.url, journals[0]) as south,
        gate(broker.url, journals[1], name="north") as north,
    ):
        until(lambda: south.status().last_ack_at and north.status().last_ack_at)
        for journal, uplink in zip(journals, (south, north), strict=True):
            journal.record(3_000)
            uplink.wake()
        until(lambda: intake._mailbox.waiting >= WINDOW_BATCHES, what="a full window")
        assert intake._mailbox.waiting <= 2 * WINDOW_FAR_BATCHES
        assert [journal.acked() for journal in journals] == [0, 0]
        kept.let.set()
        until(lambda: all(map(delivered, journals)), within_s=30)
        assert intake.status().dropped == 0
        assert [len(kept.ids(name)) for name in (GATE, "north")] == [3_000, 3_000]
    kept.close()


def batch(name: str, first: int, count: int) -> bytes:
    texts = tuple(event_text(seq, seq) for seq in range(first, first + count))
    whole = PublishBatch(epoch="e" * 16, first=first, last=first + count - 1, texts=texts)
    return batch_json(whole, gate=name, site=SITE)


def test_m5_a_gate_that_floods_is_held_back_and_the_others_are_served(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    journal, kept = MemoryOutbox(), SqliteIntake(tmp_path / "c.db")
    limit = GateLimit(rows=1_000, rows_per_s=1)
    with (
        centre(broker.url, kept, limit=limit) as intake,
        PlainClient(port_of(broker)) as thief,
        gate(broker.url, journal) as uplink,
    ):
        for first in range(1, 4_001, 200):
            thief.publish(up(SITE, "stolen", "ev"), batch("stolen", first, 200))
        until(lambda: intake.status().held_back + intake.status().dropped >= 10)
        journal.record(50)
        uplink.wake()
        until(lambda: delivered(journal))
        assert kept.ids(GATE) == all_ids(50)
        assert 800 <= len(kept.ids("stolen")) <= 1_200
    kept.close()


def test_a_gate_that_was_never_enrolled_is_not_recorded_and_seen_by_a_person(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    journal, kept = MemoryOutbox(), SqliteIntake(tmp_path / "c.db")
    with (
        centre(broker.url, kept, known_gate=lambda site, name: (site, name) == (SITE, GATE)),
        PlainClient(port_of(broker)) as stranger,
        gate(broker.url, journal) as uplink,
    ):
        payload = batch("stranger", 1, 1)
        stranger.publish(up(SITE, "stranger", "ev"), payload)
        theirs = (up(SITE, "stranger", "ev"), payload, "site 7 has no gate 'stranger': enrol it first")
        until(lambda: theirs in kept.dead())
        journal.record()
        uplink.wake()
        until(lambda: delivered(journal))
        assert (kept.ids("stranger"), kept.ids(GATE)) == ([], all_ids(1))
    kept.close()


def test_k3_two_live_boxes_with_one_identity_are_an_alarm_and_both_arrive_whole(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    original = MemoryOutbox()
    original.record(5)
    twins = [MemoryOutbox(first_number=first) for first in (1_000_000, 2_000_000)]
    for twin in twins:
        twin.restore_disk(original.copy_of_disk())
    store, left = Store(tmp_path / "centre.db"), list[str]()
    kept = CentreIntake(store=store, clock=SystemClock())
    with (
        centre(broker.url, kept),
        gate(broker.url, twins[0], client_id="box-1", epoch_left=left.append) as one,
        gate(broker.url, twins[1], client_id="box-2", epoch_left=left.append) as other,
    ):
        for count in (1, 3, 40):
            for twin, uplink in zip(twins, (one, other), strict=True):
                twin.record(count)
                uplink.wake()
        until(lambda: left and all(map(delivered, twins)), within_s=60, what="both boxes' rows")
        with store.transaction() as connection:
            ids = sorted(connection.execute(select(schema.event.c.id)).scalars())
            alarms = set(connection.execute(select(schema.audit.c.action)).scalars())
        assert ids == sorted(
            f"{number:016x}"
            for first in (0, 1_000_000, 2_000_000)
            for number in range(first, first + (5 if first == 0 else 44))
        )
        assert "a new journal" in alarms
        assert twins[0].epoch() != twins[1].epoch()
    store.close()


def test_b13_a_will_that_speaks_of_a_living_gate_is_corrected_by_itself(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    store = Store(tmp_path / "centre.db")
    kept, said = CentreIntake(store=store, clock=SystemClock()), list[str]()
    keep = kept.gate_state

    def noted(site: int, name: str, state: Any) -> None:
        keep(site, name, state)
        said.append(state.state)

    kept.gate_state = noted  # type: ignore[assignment,method-assign]  # looked at, and done all the same
    with (
        Line(port_of(broker)) as line,
        centre(broker.url, kept),
        gate(f"mqtt://127.0.0.1:{line.port}", MemoryOutbox()),
    ):
        until(lambda: said == ["online"] or "online" in said)
        line.cut()
        until(lambda: "lost" in said and said[-1] == "online", what="lost, and online again")
        with store.transaction() as connection:
            until(lambda: connection.execute(select(schema.gate.c.state)).scalar() == "online")
    store.close()
