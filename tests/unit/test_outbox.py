"""The sender's policy, one promise at a time."""

import json
from random import Random

import pytest

from sync.messages import BATCH_BYTES_MAX, Batch
from sync.outbox import (
    PROGRESS_WITHIN_MAX_S,
    Phase,
    PublishBatch,
    PublishHello,
    Sender,
    batch_json,
)
from tests.sync_stores import MemoryOutbox

FIRST, SECOND = f"{0:016x}", f"{1:016x}"


def spans(outputs: list[PublishHello | PublishBatch]) -> list[tuple[int, int]]:
    return [(out.first, out.last) for out in outputs if isinstance(out, PublishBatch)]


def streaming(store: MemoryOutbox) -> Sender:
    sender = Sender(store, rng=Random(7))
    sender.connected(0.0)
    sender.acked(store.epoch(), store.acked(), 0.0)
    assert sender.phase is Phase.STREAMING
    return sender


def test_hello_goes_first_and_rows_wait_for_its_answer() -> None:
    store = MemoryOutbox()
    store.record(3)
    sender = Sender(store, rng=Random(7))
    assert sender.pump(0.0) == []
    assert sender.connected(0.0) == [PublishHello(epoch=FIRST, acked=0, last=3, pruned_to=0)]
    assert sender.pump(0.1) == []
    assert spans(sender.acked(FIRST, 0, 0.2)) == [(1, 3)]


def test_a_lone_event_leaves_at_the_next_pump_and_once() -> None:
    store = MemoryOutbox()
    sender = streaming(store)
    store.record()
    assert spans(sender.pump(1.0)) == [(1, 1)]
    assert sender.pump(1.0) == []


def test_the_window_holds_four_batches_of_at_most_500() -> None:
    class ShortRows(MemoryOutbox):
        def rows_after(self, seq: int, limit: int, bytes_max: int) -> list[tuple[int, str]]:
            return super().rows_after(seq, limit, 10 * bytes_max)

    store = ShortRows()
    store.record(5_000)
    sender = streaming(store)
    sender.disconnected()
    sender.connected(0.0)
    assert spans(sender.acked(FIRST, 0, 0.0)) == [(1, 500), (501, 1000), (1001, 1500), (1501, 2000)]
    assert sender.pump(0.0) == []
    assert spans(sender.acked(FIRST, 1000, 0.1)) == [(2001, 2500), (2501, 3000)]


def test_a_batch_keeps_its_bytes_and_a_long_row_travels_alone() -> None:
    class LongRows(MemoryOutbox):
        def rows_after(self, seq: int, limit: int, bytes_max: int) -> list[tuple[int, str]]:
            assert bytes_max == BATCH_BYTES_MAX
            return super().rows_after(seq, limit, 300)

    store = LongRows()
    store.record(3)
    sender = Sender(store, rng=Random(7))
    sender.connected(0.0)
    assert spans(sender.acked(FIRST, 0, 0.0)) == [(1, 1), (2, 2), (3, 3)]


def test_an_ack_is_cumulative_and_moves_the_durable_cursor() -> None:
    store = MemoryOutbox()
    sender = streaming(store)
    for _ in range(3):
        store.record()
        sender.pump(0.0)
    sender.acked(FIRST, 3, 0.1)
    assert (store.acked(), sender.in_flight, sender.deadline_s) == (3, 0, None)


def test_an_ack_of_another_epoch_changes_nothing() -> None:
    store = MemoryOutbox()
    sender = streaming(store)
    store.record()
    sender.pump(0.0)
    assert sender.acked("f" * 16, 1, 0.1) == []
    assert (store.acked(), sender.in_flight) == (0, 1)


def test_an_ack_above_the_last_row_begins_a_new_epoch() -> None:
    store = MemoryOutbox()
    store.record(2)
    sender = Sender(store, rng=Random(7))
    sender.connected(0.0)
    assert sender.acked(FIRST, 150, 0.1) == [PublishHello(epoch=SECOND, acked=0, last=2, pruned_to=0)]
    outputs = sender.acked(SECOND, 0, 0.2)
    assert spans(outputs) == [(1, 2)]
    assert [out.epoch for out in outputs] == [SECOND]


def test_a_centre_that_always_acks_too_much_does_not_make_epochs_for_ever() -> None:
    store = MemoryOutbox()
    store.record()
    sender = Sender(store, rng=Random(7))
    sender.connected(0.0)
    made = [len(sender.acked(store.epoch(), 99, 0.0)) for _ in range(10)]
    assert made == [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    assert sender.deadline_s is not None, "the hello has to be said again later"


def test_no_progress_says_hello_after_5_then_10_20_40_60_seconds_with_jitter() -> None:
    store = MemoryOutbox()
    store.record()
    sender = streaming(store)
    sender.pump(0.0)
    now_s, waits = 0.0, []
    for _ in range(7):
        assert sender.deadline_s is not None
        waits.append(sender.deadline_s - now_s)
        assert sender.pump(sender.deadline_s - 0.001) == []
        now_s = sender.deadline_s
        assert sender.pump(now_s) == [PublishHello(epoch=FIRST, acked=0, last=1, pruned_to=0)]
    assert waits[0] == 5.0
    for wait_s, middle_s in zip(waits[1:], [10, 20, 40, 60, 60, 60], strict=True):
        assert 0.8 * middle_s <= wait_s <= 1.2 * middle_s
    assert len(set(waits)) == len(waits), "jitter: no two waits alike"
    assert waits[-1] <= 1.2 * PROGRESS_WITHIN_MAX_S


def test_an_answered_hello_without_progress_keeps_backing_off_and_progress_ends_that() -> None:
    store = MemoryOutbox()
    store.record()
    sender = streaming(store)
    sender.pump(0.0)
    sender.pump(5.0)
    assert spans(sender.acked(FIRST, 0, 5.1)) == [(1, 1)], "go back to what was acknowledged"
    assert sender.deadline_s is not None
    assert sender.deadline_s - 5.1 > 5.0
    sender.acked(FIRST, 1, 6.0)
    store.record()
    sender.pump(7.0)
    assert sender.deadline_s == pytest.approx(12.0)


def test_a_disconnect_forgets_what_was_in_flight_and_sends_it_again() -> None:
    store = MemoryOutbox()
    store.record(2)
    sender = streaming(store)
    sender.pump(0.0)
    sender.disconnected()
    assert (sender.in_flight, sender.deadline_s, sender.pump(99.0)) == (0, None, [])
    sender.connected(100.0)
    assert spans(sender.acked(FIRST, 1, 100.1)) == [(2, 2)]


def test_a_centre_restored_from_a_backup_gets_the_rows_again_that_are_still_kept() -> None:
    store = MemoryOutbox()
    store.record(10)
    sender = streaming(store)
    sender.pump(0.0)
    sender.acked(FIRST, 10, 0.1)
    assert sender.centre_returned(1.0) == [PublishHello(epoch=FIRST, acked=10, last=10, pruned_to=0)]
    assert spans(sender.acked(FIRST, 4, 1.1)) == [(5, 10)]
    assert store.acked() == 10


def test_a_hole_in_the_rows_ends_a_batch() -> None:
    class Holed(MemoryOutbox):
        def rows_after(self, seq: int, limit: int, bytes_max: int) -> list[tuple[int, str]]:
            return [row for row in super().rows_after(seq, limit, bytes_max) if row[0] not in {3, 4}]

    store = Holed()
    store.record(6)
    sender = Sender(store, rng=Random(7))
    sender.connected(0.0)
    assert spans(sender.acked(FIRST, 0, 0.0)) == [(1, 2), (5, 6)]


def test_a_batch_on_the_wire_holds_the_stored_texts_byte_for_byte() -> None:
    texts = ('{"seq":1,  "data":{"名":"王"}}', '{"seq":2,"data":{"t":36.50}}')
    payload = batch_json(PublishBatch(epoch="a" * 16, first=1, last=2, texts=texts), gate="south", site=7)
    assert all(text.encode() in payload for text in texts)
    assert Batch.model_validate_json(payload) == Batch(
        gate="south", site=7, epoch="a" * 16, first=1, last=2, events=[json.loads(text) for text in texts]
    )
