"""How the centre shares what it can store: a hundred gates that come back, and one that floods."""

from collections import deque
from random import Random

from sync.load import CREDITS_FROM_GATES, Allowances, GateLimit, Load
from sync.outbox import Output, PublishBatch, PublishHello, Sender
from tests.sync_stores import MemoryOutbox

STORES_PER_S = 20_000.0


def test_a_gate_alone_and_a_gate_that_has_only_news_get_no_credit() -> None:
    load = Load()
    load.received((7, "south"), 500, hist=True, now_s=0.0)
    load.received((7, "north"), 1, hist=False, now_s=0.0)
    assert load.credit((7, "south"), batches_waiting=100, now_s=0.1) is None
    assert load.credit((7, "north"), batches_waiting=100, now_s=0.1) is None


def test_many_that_drain_share_the_capacity_and_the_credit_ends_with_the_backlog() -> None:
    load = Load()
    for number in range(100):
        load.received((7, f"g{number}"), 500, hist=True, now_s=0.0)
    for _ in range(30):
        load.stored(2_000, 2_000 / STORES_PER_S)
    shared = load.credit((7, "g1"), batches_waiting=0, now_s=1.0)
    assert shared is not None
    assert 0.6 * STORES_PER_S < 100 * shared <= 0.85 * STORES_PER_S
    assert load.credit((7, "g1"), batches_waiting=0, now_s=6.0) is None


def test_two_get_a_credit_only_when_work_piles_up() -> None:
    load = Load()
    for name in ("south", "north"):
        for _ in range(30):
            load.received((7, name), 300, hist=True, now_s=0.0)
    assert load.credit((7, "south"), batches_waiting=1, now_s=0.1) is None
    assert load.credit((7, "south"), batches_waiting=16, now_s=0.1) is not None


def test_m5_an_allowance_is_a_weeks_worth_and_comes_back_with_time() -> None:
    allowances, gate = Allowances(GateLimit(rows=1_000, rows_per_s=10)), (7, "south")
    allowances.spend(gate, 400, 0.0)
    assert (allowances.left(gate, 0.0), allowances.credit(gate, 0.0)) == (600, None)
    allowances.spend(gate, 600, 0.0)
    assert (allowances.left(gate, 0.0), allowances.credit(gate, 0.0)) == (0, 10)
    assert allowances.left(gate, 30.0) == 300
    assert allowances.left((7, "north"), 0.0) == 1_000
    assert allowances.left(gate, 1e9) == 1_000, "no more than the whole"


def test_b14_a_hundred_gates_that_come_back_at_once_drain_while_the_queue_stays_short() -> None:
    """In virtual time: one centre that stores so many rows a second, and everything waits in its one queue."""
    rng, load, now_s = Random(3), Load(), 0.0
    gates: dict[str, tuple[MemoryOutbox, Sender]] = {}
    queue: deque[tuple[str, Output]] = deque()
    for number in range(100):
        store = MemoryOutbox(first_number=number * 1_000_000)
        store.record(1_500)
        gates[f"g{number}"] = (store, Sender(store, rng=rng))
    for name, (_, sender) in gates.items():
        queue.extend((name, out) for out in sender.connected(now_s))
    longest, cursors = 0, dict.fromkeys(gates, 0)
    while any(store.acked() < store.last_seq() for store, _ in gates.values()):
        for name, (_, sender) in gates.items():
            due_s = sender.deadline_s
            if due_s is not None and due_s <= now_s:
                queue.extend((name, out) for out in sender.pump(now_s))
        if not queue:
            now_s += 0.01
            continue
        waiting = sum(out.last - out.first + 1 for _, out in queue if isinstance(out, PublishBatch))
        longest = max(longest, waiting) if now_s > 2.0 else 0
        name, out = queue.popleft()
        gate = (7, name)
        if isinstance(out, PublishBatch):
            rows = out.last - out.first + 1
            now_s += rows / STORES_PER_S
            load.received(gate, rows, hist=True, now_s=now_s)
            load.stored(rows, rows / STORES_PER_S)
            if out.first <= cursors[name] + 1:
                cursors[name] = max(cursors[name], out.last)
        else:
            assert isinstance(out, PublishHello)
            now_s += 0.0005
        credit = load.credit(gate, batches_waiting=len(queue), now_s=now_s)
        outputs = gates[name][1].acked(gates[name][0].epoch(), cursors[name], now_s, credit=credit)
        queue.extend((name, output) for output in outputs)
    assert len(gates) > CREDITS_FROM_GATES
    assert now_s < 3 * 150_000 / STORES_PER_S, "and the centre is kept busy"
    assert longest < 2 * STORES_PER_S, "nothing waits longer than two seconds"
