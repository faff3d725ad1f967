"""The centre's time at a gate over a real broker: told by answers to the gate's own hellos, and by nothing older."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from passes.vocabulary import ClockTrust
from shell.clock import SystemClock
from sync.broker import EmbeddedBroker
from sync.intake import Intake
from sync.link import LinkSettings
from sync.messages import Ack, Health, Hello
from sync.topics import down, up
from sync.uplink import ASK_TIME_EVERY_S, Uplink
from tests.brokers import PlainClient, port_of, running_broker
from tests.sync_stores import BOOT, MemoryOutbox, SqliteIntake
from tests.waiting import until

pytestmark = pytest.mark.real
SITE, GATE = 7, "south"
ACKS = down(SITE, GATE, "ack")
HOUR_S = 3_600.0
NEARLY = timedelta(seconds=30)


class SetClock(SystemClock):
    """A clock that somebody sets, and whose seconds may be skipped."""

    ahead_s = skipped_s = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead_s)

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.skipped_s

    def trust(self) -> ClockTrust:
        return ClockTrust.TRUSTED


class Gate:
    """A gate's uplink, and what its clock was told."""

    def __init__(self, url: str) -> None:
        self.told: list[datetime] = []
        self.journal, self.clock = MemoryOutbox(), SetClock()
        self.uplink = Uplink(
            self.journal,
            link=LinkSettings(url=url, client_id=GATE, retry_max_s=0.5, keepalive_s=600),
            gate=GATE,
            site=SITE,
            clock=self.clock,
            software="test 1",
            boot=BOOT,
            health=lambda: Health(
                now=self.clock.now(), trust=self.clock.trust(), software="x", outbox_depth=0, lanes=[]
            ),
            rng=Random(7),
            told_time=self.told.append,
        )

    def believes(self, moment: datetime) -> bool:
        now = self.uplink.centre_now()
        return now is not None and abs(now - moment) < NEARLY

    def record(self) -> None:
        self.journal.record()
        self.uplink.wake()
        until(lambda: self.journal.acked() == self.journal.last_seq(), what="the receipt")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    with running_broker("amqtt", tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture
def outside(broker: EmbeddedBroker) -> Iterator[PlainClient]:
    with PlainClient(port_of(broker), ACKS, up(SITE, GATE, "hello")) as client:
        yield client


@pytest.fixture
def gate(broker: EmbeddedBroker) -> Iterator[Gate]:
    made = Gate(broker.url)
    yield made
    made.uplink.stop()


@contextmanager
def centre(broker: EmbeddedBroker, folder: Path) -> Iterator[SetClock]:
    clock, store = SetClock(), SqliteIntake(folder / "c.db")
    link = LinkSettings(url=broker.url, client_id="centre-1", retry_max_s=0.5)
    intake = Intake(store, link=link, clock=clock, rng=Random(8))
    intake.start()
    try:
        until(lambda: intake.status().connected)
        yield clock
    finally:
        intake.stop()
        store.close()


def hear(gate: Gate, outside: PlainClient, *payloads: bytes) -> None:
    """The gate gets these as acks, and has dealt with them."""
    before = gate.uplink.status().garbage
    for payload in payloads:
        outside.publish(ACKS, payload)
    outside.publish(ACKS, b"end")
    until(lambda: gate.uplink.status().garbage == before + 1)


def acks(outside: PlainClient) -> list[bytes]:
    return [payload for topic, payload, _ in outside.messages if topic == ACKS]


def asked_again(gate: Gate) -> None:
    """A new connection, whose hello was answered."""
    before = len(gate.told)
    gate.uplink._link.rebuild()
    until(lambda: len(gate.told) > before, what="an answer to the new connection's hello")


def test_b7_genuine_acks_that_come_hours_later_move_no_time_back_and_confirm_no_clock(
    broker: EmbeddedBroker, outside: PlainClient, gate: Gate, tmp_path: Path
) -> None:
    with centre(broker, tmp_path) as clock:
        gate.uplink.start()
        until(lambda: gate.told, what="the answer to hello")
        gate.record()
        until(lambda: len(acks(outside)) >= 2)
        old = acks(outside)
        clock.ahead_s = 3 * HOUR_S
        asked_again(gate)
        assert gate.believes(clock.now())
        answer = acks(outside)[-1]
        told = list(gate.told)
        hear(gate, outside, *old, answer, *old)
        assert gate.believes(clock.now())
        assert gate.told == told
        status = gate.uplink.status()
        assert status.centre_offset_s == pytest.approx(3 * HOUR_S, abs=30)


def test_a_centres_clock_that_was_set_is_followed_at_the_next_answer(
    broker: EmbeddedBroker, outside: PlainClient, gate: Gate, tmp_path: Path
) -> None:
    with centre(broker, tmp_path) as clock:
        clock.ahead_s = 3 * HOUR_S
        gate.uplink.start()
        until(lambda: gate.told)
        wrong = clock.now()
        clock.ahead_s = 0.0
        gate.record()  # its receipt answers no hello
        assert gate.believes(wrong)
        asked_again(gate)
        assert gate.believes(clock.now())
        assert abs(gate.told[-1] - clock.now()) < NEARLY
        clock.ahead_s, told = HOUR_S, list(gate.told)
        gate.record()
        assert gate.believes(clock.now())  # any ack may say that it is later
        assert gate.told == told


def test_b7_before_a_hello_was_answered_an_old_ack_tells_no_time(
    broker: EmbeddedBroker, outside: PlainClient, gate: Gate, tmp_path: Path
) -> None:
    gate.uplink.start()
    until(lambda: outside.messages, what="hello")
    hello = Hello.model_validate_json(outside.messages[0][1])
    assert hello.nonce is not None
    now = gate.clock.now() - timedelta(hours=3)
    for nonce in (None, "0" * 16):
        ack = Ack(epoch=hello.epoch, upto=0, now=now, nonce=nonce)
        hear(gate, outside, ack.model_dump_json().encode())
    assert (gate.uplink.centre_now(), gate.told) == (None, [])
    assert gate.uplink.status().last_ack_at is not None
    with centre(broker, tmp_path) as clock:
        until(lambda: gate.told)
        assert gate.believes(clock.now())


def test_an_answer_that_was_held_back_tells_no_time(outside: PlainClient, gate: Gate) -> None:
    gate.uplink.start()
    until(lambda: outside.messages, what="hello")
    hello = Hello.model_validate_json(outside.messages[0][1])
    held = Ack(epoch=hello.epoch, upto=0, now=gate.clock.now(), nonce=hello.nonce).model_dump_json().encode()
    gate.clock.skipped_s = 3 * HOUR_S
    hear(gate, outside, held)
    assert (gate.uplink.centre_now(), gate.told) == (None, [])


def test_a_connection_that_lasts_asks_for_the_time_again_and_sends_no_row_twice(
    broker: EmbeddedBroker, outside: PlainClient, gate: Gate, tmp_path: Path
) -> None:
    with centre(broker, tmp_path) as clock:
        gate.uplink.start()
        until(lambda: gate.told)
        gate.record()
        for times in (2, 3):
            clock.ahead_s -= 2 * HOUR_S
            gate.clock.skipped_s += ASK_TIME_EVERY_S
            gate.uplink.wake()
            until(lambda times=times: len(gate.told) == times, what="another answer")  # type: ignore[misc]
            assert gate.believes(clock.now())
        hellos = [payload for topic, payload, _ in outside.messages if topic != ACKS]
        nonces = {Hello.model_validate_json(payload).nonce for payload in hellos}
        assert len(nonces) == len(hellos) >= 3


def test_peers_that_know_no_nonce_are_served(
    broker: EmbeddedBroker, outside: PlainClient, gate: Gate, tmp_path: Path
) -> None:
    gate.journal.record()
    gate.uplink.start()
    until(lambda: outside.messages, what="hello")
    newer = Hello.model_validate_json(outside.messages[0][1])
    ack = Ack(epoch=newer.epoch, upto=1, now=gate.clock.now())
    outside.publish(ACKS, ack.model_dump_json(exclude={"nonce"}).encode())  # an older centre
    until(lambda: gate.journal.acked() == 1)
    gate.uplink.stop()
    with centre(broker, tmp_path):
        before = len(acks(outside))
        older = newer.model_dump_json(exclude={"nonce"}).encode()
        outside.publish(up(SITE, GATE, "hello"), older)
        until(lambda: len(acks(outside)) > before)
        assert Ack.model_validate_json(acks(outside)[-1]).nonce is None
