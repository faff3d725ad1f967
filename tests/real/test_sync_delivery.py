"""Gate to centre over real brokers: everything that was recorded arrives, once, whatever dies on the way."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passes.vocabulary import ClockTrust, Direction
from shell.clock import SystemClock
from sync.broker import EmbeddedBroker
from sync.intake import Intake
from sync.link import LinkSettings
from sync.messages import EVENT_BYTES_MAX, MESSAGE_BYTES_MAX, Health, Hello, LaneHealth
from sync.outbox import AckResult, OutboxStore, PublishBatch, batch_json
from sync.topics import CENTRE_STATE, up
from sync.uplink import Uplink
from tests.brokers import KINDS, PlainClient, port_of, running_broker
from tests.sync_stores import BOOT, NOBODY, MemoryOutbox, SqliteIntake, event_text
from tests.waiting import until

pytestmark = pytest.mark.real
SITE, GATE = 7, "south"


@pytest.fixture(scope="module", params=KINDS)
def broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedBroker]:
    with running_broker(request.param, tmp_path_factory.mktemp("broker")) as running:
        yield running


def health() -> Health:
    return Health(
        now=SystemClock().now(),
        trust=ClockTrust.TRUSTED,
        software="test 1",
        outbox_depth=0,
        lanes=[LaneHealth(name="entry", direction=Direction.ENTRY, state="ready", camera="ok", board="ok")],
    )


@contextmanager
def gate(url: str, store: OutboxStore, name: str = GATE) -> Iterator[Uplink]:
    uplink = Uplink(
        store,
        link=LinkSettings(url=url, client_id=name, retry_max_s=0.5),
        gate=name,
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
def centre(url: str, path: Path) -> Iterator[tuple[Intake, SqliteIntake]]:
    store = SqliteIntake(path)
    intake = Intake(
        store,
        link=LinkSettings(url=url, client_id="centre-1", retry_max_s=0.5, in_flight_max=1000),
        clock=SystemClock(),
        rng=Random(8),
    )
    intake.start()
    try:
        until(lambda: intake.status().connected)
        yield intake, store
    finally:
        intake.stop()
        store.close()


def all_ids(count: int) -> list[str]:
    return [f"{number:016x}" for number in range(count)]


def delivered(store: MemoryOutbox) -> bool:
    return store.acked() == store.last_seq()


def test_a_backlog_drains_then_a_lone_event_follows_and_the_gate_knows_it(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    journal = MemoryOutbox()
    journal.record(3_000)
    with centre(broker.url, tmp_path / "c.db") as (intake, kept), gate(broker.url, journal) as uplink:
        until(lambda: delivered(journal), what="the backlog")
        journal.record()
        uplink.wake()
        until(lambda: delivered(journal), what="the lone event")
        status = uplink.status()
        assert (status.connected, status.centre_online, status.depth, status.garbage) == (True, True, 0, 0)
        assert status.last_ack_at is not None
        assert status.centre_offset_s is not None
        assert abs(status.centre_offset_s) < 1.0
        assert intake.status().connected
        assert kept.ids(GATE) == all_ids(3_001)
        assert kept.copies == 0


def test_kill_9_of_the_broker_in_the_middle_of_a_drain_loses_nothing_and_doubles_nothing(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    journal = MemoryOutbox()
    journal.record(12_000)
    with centre(broker.url, tmp_path / "c.db") as (_, kept), gate(broker.url, journal) as uplink:
        for threshold in (1_000, 5_000):
            until(lambda threshold=threshold: journal.acked() > threshold, within_s=20)  # type: ignore[misc]
            pid = broker.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            assert journal.acked() < journal.last_seq(), "the drain was over before the kill"
            journal.record(10)
            uplink.wake()
        until(lambda: delivered(journal), within_s=20, what="the drain")
        assert kept.ids(GATE) == all_ids(12_020)


def test_a_centre_that_restarts_in_the_middle_gets_the_rest_without_waiting_for_a_time_out(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    journal = MemoryOutbox()
    journal.record(6_000)
    with gate(broker.url, journal) as uplink:
        with centre(broker.url, tmp_path / "c.db"):
            until(lambda: journal.acked() > 500)
        until(lambda: uplink.status().centre_online is False)
        journal.record(500)
        uplink.wake()
        with centre(broker.url, tmp_path / "c.db") as (_, kept):
            until(lambda: delivered(journal), within_s=4.5, what="the rest")
            assert kept.ids(GATE) == all_ids(6_500)


def test_a_restarted_gate_goes_on_where_the_centre_stands(broker: EmbeddedBroker, tmp_path: Path) -> None:
    journal = MemoryOutbox()
    journal.record(2_500)
    with centre(broker.url, tmp_path / "c.db") as (_, kept):
        with gate(broker.url, journal):
            until(lambda: journal.acked() > 0)
        journal.record(5)
        with gate(broker.url, journal):
            until(lambda: delivered(journal))
            assert kept.ids(GATE) == all_ids(2_505)


def test_the_centre_hears_that_a_gate_is_online_stops_or_is_lost(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    def words(name: str) -> list[str]:
        """The states heard, without repetitions: a gate says it again when the centre appears."""
        said = [state.state for _, where, state in kept.states if where == name]
        return [word for place, word in enumerate(said) if place == 0 or said[place - 1] != word]

    with centre(broker.url, tmp_path / "c.db") as (_, kept):
        with gate(broker.url, MemoryOutbox(), "north"):
            until(lambda: words("north") == ["online"])
            until(lambda: [name for _, name, _ in kept.healths if name == "north"])
        until(lambda: words("north") == ["online", "stopping"])
        with gate(broker.url, MemoryOutbox(), "west") as uplink:
            until(lambda: words("west"))
            uplink._link.rebuild()
            until(
                lambda: (
                    words("west") in (["online", "lost", "online"], ["online", "lost"])
                    and uplink.status().connected
                )
            )
            births = {state.state: state.birth for _, where, state in kept.states if where == "west"}
            assert births["lost"] <= births["online"]


def test_health_leaves_at_once_when_a_lane_changes(broker: EmbeddedBroker, tmp_path: Path) -> None:
    with centre(broker.url, tmp_path / "c.db") as (_, kept), gate(broker.url, MemoryOutbox()) as uplink:
        until(lambda: kept.healths and uplink.status().centre_online)
        before = len(kept.healths)
        uplink.health_changed()
        until(lambda: len(kept.healths) > before, what="a report before the 30 seconds are over")
        assert kept.healths[-1][2].lanes == health().lanes


def test_nothing_is_acknowledged_that_could_not_be_stored_and_it_comes_again(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    journal = MemoryOutbox()
    with centre(broker.url, tmp_path / "c.db") as (intake, kept):
        kept.fail_next = [OSError("disk full")]
        with gate(broker.url, journal) as uplink:
            until(lambda: uplink.status().last_ack_at, what="the answer to hello")
            journal.record(3)
            uplink.wake()
            until(lambda: not kept.fail_next)
            assert journal.acked() == 0
            uplink._link.rebuild()
            until(lambda: delivered(journal))
        assert kept.ids(GATE) == all_ids(3)
        assert intake.status().dead_letters == 0


def test_an_unexpected_error_of_the_journal_does_not_end_the_uplink(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    class Failing(MemoryOutbox):
        failures = 2

        def acknowledge(self, epoch: str, upto: int) -> AckResult:
            if upto and self.failures:
                self.failures -= 1
                raise OSError("the disk said no")
            return super().acknowledge(epoch, upto)

    journal = Failing()
    journal.record(5)
    with centre(broker.url, tmp_path / "c.db") as (_, kept), gate(broker.url, journal):
        until(lambda: delivered(journal))
        assert (journal.failures, kept.ids(GATE)) == (0, all_ids(5))


def test_garbage_sent_to_a_gate_is_counted_and_changes_nothing(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    journal = MemoryOutbox()
    with centre(broker.url, tmp_path / "c.db"), gate(broker.url, journal) as uplink:
        until(lambda: uplink.status().last_ack_at)
        with PlainClient(port_of(broker)) as outside:
            for payload in (b"", b"\xff", b"{}", b'{"epoch":1}', b'{"a":"' + b"x" * 2000 + b'"}'):
                outside.publish(f"postern/1/dn/{SITE}/{GATE}/ack", payload)
            outside.publish(CENTRE_STATE, b"[]")
        until(lambda: uplink.status().garbage == 6)
        journal.record()
        uplink.wake()
        until(lambda: delivered(journal))


def test_a_centre_that_lost_rows_which_the_gate_pruned_passes_the_hole_and_says_so(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    journal = MemoryOutbox()
    journal.record(10)
    with centre(broker.url, tmp_path / "old.db"), gate(broker.url, journal):
        until(lambda: delivered(journal))
    journal.prune()
    journal.record(3)
    with centre(broker.url, tmp_path / "new.db") as (_, kept), gate(broker.url, journal):
        until(lambda: delivered(journal))
        assert kept.holes() == [(1, 10)]
        assert kept.ids(GATE) == all_ids(13)[10:]


def batch(texts: list[str], *, gate_id: str = GATE, first: int = 1, epoch: str = "e" * 16) -> bytes:
    whole = PublishBatch(epoch=epoch, first=first, last=first + len(texts) - 1, texts=tuple(texts))
    return batch_json(whole, gate=gate_id, site=SITE)


def test_a_poison_event_is_shelved_and_counts_as_applied(broker: EmbeddedBroker, tmp_path: Path) -> None:
    texts = [
        event_text(1, 1),
        '{"seq":2,"nonsense":true}',
        event_text(9, 3),  # says 9 in the place of 3
        event_text(4, 4, text="x" * EVENT_BYTES_MAX),
        event_text(5, 5).replace(f'"hash":"{NOBODY}"', f'"hash":"{"5" * 64}"'),
    ]
    with (
        centre(broker.url, tmp_path / "c.db") as (_, kept),
        PlainClient(port_of(broker), f"postern/1/dn/{SITE}/{GATE}/ack") as outside,
    ):
        outside.publish(up(SITE, GATE, "ev"), batch(texts))
        until(lambda: outside.messages)
        ack = json.loads(outside.messages[0][1])
        assert (ack["upto"], ack["row_hash"]) == (5, "5" * 64)
        assert [payload.decode() for _, payload, _ in kept.dead()] == texts[1:4]
        assert [why.split(",")[0] for _, _, why in kept.dead()] == [
            "id: Field required",
            "says seq 9 in the place of 3",
            f"{len(texts[3].encode())} bytes",
        ]


def test_what_cannot_be_read_is_shelved_with_the_reason(broker: EmbeddedBroker, tmp_path: Path) -> None:
    hello = Hello(
        gate="north", site=SITE, epoch="e" * 16, acked=0, last=0, boot=BOOT, software="x",
        now=SystemClock().now(), trust=ClockTrust.TRUSTED,
    ).model_dump_json().encode()  # fmt: skip
    ours = hello.replace(b'"north"', b'"south"')
    letters = [
        (up(SITE, GATE, "ev"), b"\x00\xff", "Invalid JSON"),
        (up(SITE, GATE, "ev"), batch([event_text(1, 1)], gate_id="north"), "speaks for gate 'north'"),
        (up(8, GATE, "ev"), batch([event_text(1, 1)]), "of site 7"),
        (up(SITE, GATE, "ev"), batch([]).replace(b'"last":0', b'"last":3'), "do not fit 0 events"),
        (up(SITE, GATE, "hello"), hello, "speaks for gate 'north'"),
        (up(SITE, GATE, "hello"), ours.replace(b'"pruned_to":0', b'"pruned_to":5000'), "not in this order"),
        (up(SITE, GATE, "hello"), ours.replace(b'"acked":0', b'"acked":1'), "not in this order"),
        (
            up(SITE, GATE, "hello"),
            ours.replace(b'"last":0', b'"last":9007199254740993'),
            "last: Input should",
        ),
        (up(SITE, GATE, "state"), b'{"state":"dancing","birth":1}', "state: Input should be"),
        (up(SITE, GATE, "health"), b"{}", "now: Field required"),
        (up(SITE, GATE, "music"), b"la", "nobody reads this topic"),
        ("postern/1/up/x", b"", "not a topic of a gate"),
    ]
    with centre(broker.url, tmp_path / "c.db") as (_, kept), PlainClient(port_of(broker)) as outside:
        for topic, payload, _ in letters:
            outside.publish(topic, payload)
        until(lambda: len(kept.dead()) == len(letters))
        for (topic, payload, why), (kept_topic, kept_payload, kept_why) in zip(
            letters, kept.dead(), strict=True
        ):
            assert (kept_topic, kept_payload) == (topic, payload)
            assert why in kept_why
        assert (kept.ids(GATE), kept.healths, kept.holes()) == ([], [], [])


def test_b10_an_oversized_message_is_shelved_cut_short(tmp_path: Path) -> None:
    with (  # mosquitto is configured to refuse it, amqtt carries it
        running_broker("amqtt", tmp_path) as broker,
        centre(broker.url, tmp_path / "c.db") as (_, kept),
        PlainClient(port_of(broker)) as outside,
    ):
        outside.publish(up(SITE, GATE, "ev"), b"[" * (MESSAGE_BYTES_MAX + 1))
        until(kept.dead)
        assert [(payload, why) for _, payload, why in kept.dead()] == [
            (b"[" * 4096, f"{MESSAGE_BYTES_MAX + 1} bytes are too many")
        ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
frames = st.fixed_dictionaries(
    {},
    optional={
        "gate": st.sampled_from([GATE, "north", "", 7]),
        "site": st.sampled_from([SITE, 8, -1, 10**30, "7"]),
        "epoch": st.sampled_from(["a" * 16, "x", None]),
        "first": st.sampled_from([1, 2, 0, -1, 2**60]),
        "last": st.sampled_from([1, 2, 3, 2**60]),
        "events": st.lists(json_values, max_size=3),
    },
)
payloads = st.binary(max_size=200) | (json_values | frames).map(lambda value: json.dumps(value).encode())
leaves = st.sampled_from(["ev", "hello", "state", "health", "res", "x", "ev/ev", ""])


def test_m8_no_payload_stops_the_intake(broker: EmbeddedBroker, tmp_path: Path) -> None:
    with (
        centre(broker.url, tmp_path / "c.db") as (intake, kept),
        PlainClient(port_of(broker), f"postern/1/dn/{SITE}/probe/ack") as outside,
    ):
        rounds = 0

        @settings(
            max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
        )
        @given(st.lists(st.tuples(leaves, payloads), min_size=1, max_size=8))
        def fuzz(messages: list[tuple[str, bytes]]) -> None:
            nonlocal rounds
            for leaf, payload in messages:
                outside.publish(up(SITE, GATE, leaf), payload)
            rounds += 1
            text = event_text(rounds, rounds)
            outside.publish(up(SITE, "probe", "ev"), batch([text], gate_id="probe", first=rounds))
            until(
                lambda: len(outside.messages) == rounds, what="the ack of the good batch behind the garbage"
            )

        fuzz()
        assert json.loads(outside.messages[-1][1])["upto"] == rounds
        assert intake.status().dead_letters > rounds
        assert len(kept.dead()) > rounds
