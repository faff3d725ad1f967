"""The sender's policy, one promise at a time."""

import json
from collections.abc import Sequence
from random import Random

import pytest

from sync.messages import BATCH_BYTES_MAX, Batch
from sync.outbox import (
    PROGRESS_WITHIN_MAX_S,
    EpochLeft,
    Output,
    Phase,
    PublishBatch,
    PublishHello,
    Sender,
    batch_json,
)
from sync.pace import BYTES_MAX
from tests.sync_stores import MemoryOutbox

FIRST, SECOND = f"{0:016x}", f"{1:016x}"


def spans(outputs: Sequence[Output]) -> list[tuple[int, int]]:
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


def quick(sender: Sender, now_s: float = 0.0) -> None:
    """Let the sender learn that its line is a fast one."""
    for _ in range(40):
        sender._pace.acked(sender._sent, (), now_s)
        sender._pace.sent(sender._sent, 0, 100_000, now_s)
        sender._pace.sent(sender._sent, 0, 1_000_000, now_s)
    sender._pace.acked(sender._sent, (), now_s)


def test_the_window_holds_four_batches_and_eight_over_fifty_milliseconds() -> None:
    store = MemoryOutbox()
    store.record(20_000)
    for far_s, window in ((0.049, 4), (0.051, 8)):
        sender = Sender(store, rng=Random(7))
        sender.connected(0.0)
        outputs = sender.acked(FIRST, 0, far_s)
        assert (sender.window, len(outputs), sender.in_flight) == (window, window, window)
        assert sender.pump(far_s) == []
        last = spans(outputs)[0][1]
        assert len(sender.acked(FIRST, last, 2 * far_s)) == 1


def test_on_a_fast_line_batches_grow_to_128_kib() -> None:
    store = MemoryOutbox()
    store.record(20_000)
    sender = streaming(store)
    quick(sender)
    outputs = [out for out in sender.pump(0.0) if isinstance(out, PublishBatch)]
    sizes = [sum(len(text.encode()) for text in out.texts) for out in outputs]
    assert len(sizes) == 4
    assert all(0.98 * BATCH_BYTES_MAX < size <= BATCH_BYTES_MAX for size in sizes)


def test_no_batch_has_more_than_500_rows() -> None:
    class ShortRows(MemoryOutbox):
        def rows_after(self, seq: int, limit: int, bytes_max: int) -> list[tuple[int, str]]:
            return super().rows_after(seq, limit, 100 * bytes_max)

    store = ShortRows()
    store.record(5_000)
    sender = Sender(store, rng=Random(7))
    sender.connected(0.0)
    assert spans(sender.acked(FIRST, 0, 0.0))[0] == (1, 500)


def test_a_long_row_travels_alone_however_slow_the_line() -> None:
    class LongRows(MemoryOutbox):
        def rows_after(self, seq: int, limit: int, bytes_max: int) -> list[tuple[int, str]]:
            assert bytes_max <= BATCH_BYTES_MAX
            return [(number, text + " " * BYTES_MAX) for number, text in super().rows_after(seq, limit, 300)]

    store = LongRows()
    store.record(3)
    sender = Sender(store, rng=Random(7))
    sender.connected(0.0)
    assert spans(sender.acked(FIRST, 0, 0.0)) == [(1, 1)]
    assert spans(sender.acked(FIRST, 1, 0.1)) == [(2, 2)]


def test_net3_what_is_in_flight_on_a_slow_line_is_two_seconds_of_it() -> None:
    """A line of 8,000 bytes a second with a queue before it: each batch arrives when those before it have."""
    store = MemoryOutbox()
    store.record(5_000)
    sender = Sender(store, rng=Random(7))
    sender.connected(0.0)
    now_s, free_at_s, flying, waits = 0.1, 0.1, [], []
    outputs = sender.acked(FIRST, 0, now_s)
    while now_s < 120.0:
        for out in outputs:
            assert isinstance(out, PublishBatch)
            size = sum(len(text.encode()) for text in out.texts)
            free_at_s = max(free_at_s, now_s) + size / 8_000
            flying.append((free_at_s + 0.05, out.last))
        waits.append(free_at_s - now_s)
        now_s, last = flying.pop(0)
        outputs = sender.acked(FIRST, last, now_s)
    assert max(waits) < 4.0
    assert max(waits[len(waits) // 2 :]) < 2.6
    assert min(waits[len(waits) // 2 :]) > 0.5, "the line is kept busy"


def test_b12_alarms_of_a_backlog_leave_first_and_newest_first_each_apart_and_once() -> None:
    store = MemoryOutbox()
    store.record(5_000)
    store.record(2, alarm=True)
    store.record(5_000)
    store.record(1, alarm=True)
    store.record(1_000)
    sender = Sender(store, rng=Random(7))
    sender.connected(0.0)
    out = spans(sender.acked(FIRST, 0, 0.01))
    assert out[:3] == [(10_003, 10_003), (5_002, 5_002), (5_001, 5_001)]
    assert out[3][0] == 1
    assert sender.in_flight == 3, "bytes count together, places in the window do not"
    outputs = sender.acked(FIRST, out[3][1], 0.02, beyond=(10_003, 5_001))
    assert [first for first, last in spans(outputs) if first == last] == []
    store.record(1, alarm=True)
    assert spans(sender.pump(0.03)) == [(11_004, 11_004)]
    assert sender.pump(0.04) == []


def test_b12_what_was_not_confirmed_leaves_again_after_a_timeout_and_what_was_does_not() -> None:
    store = MemoryOutbox()
    store.record(3_000)
    store.record(2, alarm=True)
    sender = Sender(store, rng=Random(7))
    sender.connected(0.0)
    sender.acked(FIRST, 0, 0.0)
    sender.acked(FIRST, 0, 0.1, beyond=(3_001,))
    deadline_s = sender.deadline_s
    assert deadline_s is not None
    assert isinstance(sender.pump(deadline_s)[0], PublishHello)
    out = spans(sender.acked(FIRST, 0, deadline_s))
    assert [first for first, last in out if first == last] == [3_002]


def test_b12_with_many_alarms_waiting_a_new_one_is_the_next_to_leave() -> None:
    store = MemoryOutbox()
    store.record(100)
    store.record(50, alarm=True)
    store.record(100)
    sender = Sender(store, rng=Random(7))
    sender.connected(0.0)
    apart = [first for first, last in spans(sender.acked(FIRST, 0, 0.5)) if first == last]
    assert apart == list(range(150, 142, -1))
    store.record(1, alarm=True)
    assert sender.pump(0.6) == []
    assert spans(sender.acked(FIRST, 0, 0.7, beyond=(150,))) == [(251, 251)]


def test_a_lone_alarm_is_an_ordinary_row() -> None:
    store = MemoryOutbox()
    sender = streaming(store)
    store.record(3)
    store.record(alarm=True)
    assert spans(sender.pump(0.0)) == [(1, 4)]
    assert sender.pump(0.0) == []


def test_b14_a_credit_bounds_the_rate_and_its_end_frees_it() -> None:
    store = MemoryOutbox()
    store.record(20_000)
    sender = Sender(store, rng=Random(7))
    sender.connected(0.0)
    sent, now_s = 0, 0.0
    outputs = sender.acked(FIRST, 0, now_s, credit=100)
    while now_s < 10.0:
        for first, last in spans(outputs):
            sent += last - first + 1
            outputs = sender.acked(FIRST, last, now_s, credit=100)
        due_s = sender.deadline_s
        assert due_s is not None
        assert due_s > now_s
        now_s = due_s
        outputs = sender.pump(now_s)
    assert 900 <= sent <= 1_150
    quick(sender, now_s)
    assert len(spans(sender.acked(FIRST, sent, now_s))) > 0
    freed = spans(sender.pump(now_s))
    sender.acked(FIRST, 20_000, now_s + 0.1)
    assert sender.deadline_s is None, freed


def test_b14_an_alarm_needs_no_credit() -> None:
    store = MemoryOutbox()
    store.record(1_000)
    sender = Sender(store, rng=Random(7))
    sender.connected(0.0)
    assert spans(sender.acked(FIRST, 0, 0.0, credit=10)) == [(1, 10)]
    store.record(1, alarm=True)
    assert spans(sender.pump(0.1)) == [(1_001, 1_001)]


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


def test_k1_an_ack_above_the_last_row_begins_a_new_epoch() -> None:
    store = MemoryOutbox()
    store.record(2)
    sender = Sender(store, rng=Random(7))
    sender.connected(0.0)
    assert sender.acked(FIRST, 150, 0.1) == [
        EpochLeft(epoch=FIRST, centre_upto=150, forked=False),
        PublishHello(epoch=SECOND, acked=0, last=2, pruned_to=0),
    ]
    outputs = sender.acked(SECOND, 0, 0.2)
    assert spans(outputs) == [(1, 2)]
    assert [out.epoch for out in outputs] == [SECOND]


def test_k1_numbers_that_were_used_twice_begin_a_new_epoch_and_every_row_is_sent_in_it() -> None:
    store = MemoryOutbox()
    store.record(10)
    copy = store.copy_of_disk()
    store.record(5)
    theirs = store.hash_of(15)
    store.restore_disk(copy)
    store.record(20)  # more than were lost: the centre's cursor is not above our last row
    sender = Sender(store, rng=Random(7))
    sender.connected(0.0)
    assert sender.acked(FIRST, 15, 0.1, row_hash=theirs) == [
        EpochLeft(epoch=FIRST, centre_upto=15, forked=True),
        PublishHello(epoch=SECOND, acked=0, last=30, pruned_to=0),
    ]
    assert store.rows() == [*range(10), *range(15, 35)]
    assert spans(sender.acked(SECOND, 0, 0.2))[0][0] == 1


def test_k1_the_hash_of_our_own_row_is_no_reason_to_leave() -> None:
    store = MemoryOutbox()
    store.record(10)
    sender = Sender(store, rng=Random(7))
    sender.connected(0.0)
    sender.acked(FIRST, 7, 0.1, row_hash=store.hash_of(7))
    sender.acked("f" * 16, 7, 0.1, row_hash="a" * 64)  # of another epoch: says nothing about this one
    assert (store.epoch(), store.acked(), sender.phase) == (FIRST, 7, Phase.STREAMING)


def test_k3_of_two_that_live_with_one_identity_the_second_leaves_at_the_first_ack() -> None:
    store = MemoryOutbox()
    store.record(4)
    sender = streaming(store)
    sender.acked(FIRST, 4, 0.1, row_hash=store.hash_of(4))
    store.record()
    sender.pump(0.2)
    (left, hello) = sender.acked(FIRST, 5, 0.3, row_hash="c" * 64)
    assert left == EpochLeft(epoch=FIRST, centre_upto=5, forked=True)
    assert isinstance(hello, PublishHello)
    assert spans(sender.acked(SECOND, 0, 0.4)) == [(1, 1)]


def test_d2_epochs_that_could_not_be_begun_are_not_counted() -> None:
    class Full(MemoryOutbox):
        full = True

        def new_epoch(self, *, centre_upto: int) -> str:
            if self.full:
                raise OSError("no room")
            return super().new_epoch(centre_upto=centre_upto)

    store = Full()
    store.record(2)
    sender = streaming(store)
    for _ in range(10):
        with pytest.raises(OSError, match="no room"):
            sender.acked(FIRST, 150, 0.1)
    store.full = False
    assert [type(out) for out in sender.acked(FIRST, 150, 0.2)] == [EpochLeft, PublishHello]


def test_a_centre_that_always_acks_too_much_does_not_make_epochs_for_ever() -> None:
    store = MemoryOutbox()
    store.record()
    sender = Sender(store, rng=Random(7))
    sender.connected(0.0)
    made = [len(sender.acked(store.epoch(), 99, 0.0)) for _ in range(10)]
    assert made == [2, 2, 2, 0, 0, 0, 0, 0, 0, 0]
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


def test_b7_a_centre_restored_from_a_backup_gets_the_rows_again_that_are_still_kept() -> None:
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


def test_b6_a_lost_receipt_is_asked_for_and_the_outbox_drains() -> None:
    store = MemoryOutbox()
    store.record(3)
    sender = streaming(store)
    assert spans(sender.pump(0.0)) == [] or store.acked() == 0
    deadline_s = sender.deadline_s
    assert deadline_s is not None, "the receipt that never comes is missed"
    assert sender.pump(deadline_s) == [PublishHello(epoch=FIRST, acked=0, last=3, pruned_to=0)]
    assert sender.acked(FIRST, 3, deadline_s + 0.1) == [], "the centre had them: nothing leaves again"
    assert (store.acked(), sender.deadline_s) == (3, None)
