"""The gate's sending policy, without socket, clock or database: which rows leave when, and what an ack means.

The journal is the outbox. Only an acknowledgement that the centre sent after its own commit moves the cursor; what
was published, or acknowledged by a broker, means nothing here. ``Sender`` is a small state machine:

    OFFLINE --connected--> GREETING --ack of our epoch--> STREAMING
       ^                     ^   |                           |
       |                     |   +--no answer: hello again   |
       |                     +--no progress, or centre back--+
       +--disconnected from either

Every conversation begins with a hello, and its answer says where the centre stands. That answer may lie below what
the journal believes (a centre restored from a backup: rows that are still kept are sent again) or above it (an ack
was lost). It may even lie above the last row that the journal has: then this journal is an old copy, its next rows
would be dropped as duplicates, and the store begins a new epoch.

Publishing the outputs is left to ``sync.uplink``; storing rows to whoever implements ``OutboxStore``.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final, Protocol

from sync.messages import BATCH_BYTES_MAX, BATCH_EVENTS_MAX, WIRE_VERSION

WINDOW_BATCHES: Final = 4  # unacknowledged batches on the wire; hides a bridge or a slow line
PROGRESS_WITHIN_S: Final = 5.0  # first wait for an ack; doubles up to PROGRESS_WITHIN_MAX_S
PROGRESS_WITHIN_MAX_S: Final = 60.0
JITTER: Final = 0.2  # repeated waits vary by this share, so that gates do not knock in step
EPOCHS_WITHOUT_PROGRESS_MAX: Final = 3  # a centre that always acks too much may not make epochs for ever


class AckResult(StrEnum):
    """What the store made of an acknowledgement."""

    ACCEPTED = (
        "accepted"  # of this epoch and not above the last row; the durable cursor is at least there now
    )
    OTHER_EPOCH = "other_epoch"  # nothing changed
    BEYOND_LAST = "beyond_last"  # the centre knows rows that this journal does not have; nothing changed


class OutboxStore(Protocol):
    """The journal as the sender sees it. Calls are thread-safe; ``seq`` counts from 1 in each epoch, without holes."""

    def epoch(self) -> str:
        """The epoch (16 hex digits) that new rows get."""

    def last_seq(self) -> int:
        """The highest committed ``seq`` of this epoch, 0 when it has no row yet."""

    def acked(self) -> int:
        """The highest ``seq`` of this epoch that the centre ever acknowledged. Never falls within an epoch."""

    def pruned_to(self) -> int:
        """Acknowledged rows up to here were removed for good; 0 when none."""

    def rows_after(self, seq: int, limit: int, bytes_max: int) -> list[tuple[int, str]]:
        """Committed rows of this epoch after ``seq``, ascending, as ``(seq, event JSON text)``.

        At most ``limit`` rows and ``bytes_max`` bytes of UTF-8 text together, but always at least one row when
        there is one: a single long row must not block the rest. Rows that were acknowledged before are returned
        as well while they are kept.
        """

    def acknowledge(self, epoch: str, upto: int) -> AckResult:
        """Move the durable cursor to ``upto`` if that is forward, in this epoch, and not above the last row."""

    def new_epoch(self, *, centre_upto: int) -> str:
        """Begin a new epoch, because the centre knows rows up to ``centre_upto`` that this journal lacks.

        Rows that the centre may never have seen have to be in the new epoch, numbered from 1. Returns its id.
        """


@dataclass(frozen=True, slots=True)
class PublishHello:
    """Publish ``hello`` with these figures."""

    epoch: str
    acked: int
    last: int
    pruned_to: int


@dataclass(frozen=True, slots=True)
class PublishBatch:
    """Publish these event texts, exactly as stored, as rows ``first`` to ``last``."""

    epoch: str
    first: int
    last: int
    texts: tuple[str, ...]


Output = PublishHello | PublishBatch


class Phase(StrEnum):
    """Where the conversation with the centre stands."""

    OFFLINE = "offline"
    GREETING = "greeting"  # hello sent, answer awaited; no row leaves
    STREAMING = "streaming"


class Sender:
    """Decides what to publish next. Not thread-safe: one thread owns it.

    Args:
        store: The journal.
        rng: Source of the jitter on repeated waits.
        window: How many batches may be unacknowledged.
    """

    def __init__(self, store: OutboxStore, *, rng: Random, window: int = WINDOW_BATCHES) -> None:
        self._store, self._rng, self._window = store, rng, window
        self._epoch = store.epoch()
        self._confirmed = store.acked()  # where the centre stands, as it said on this connection
        self._sent = self._confirmed
        self._in_flight: deque[int] = deque()  # last seq of each batch that is not acknowledged yet
        self._tries = 0  # waits that ran out since the last progress
        self._epochs_made = 0
        self._deadline_s: float | None = None
        self.phase = Phase.OFFLINE

    @property
    def deadline_s(self) -> float | None:
        """Monotonic time at which ``pump`` wants to be called although nothing happened."""
        return self._deadline_s

    @property
    def in_flight(self) -> int:
        """Batches published and not acknowledged."""
        return len(self._in_flight)

    def connected(self, now_s: float) -> list[Output]:
        """The link is up: hello first."""
        self._tries = 0
        return [self._greet(now_s)]

    def disconnected(self) -> None:
        """The link is down: whatever was on the wire may be gone."""
        self.phase = Phase.OFFLINE
        self._in_flight.clear()
        self._deadline_s = None

    def centre_returned(self, now_s: float) -> list[Output]:
        """The centre (re)appeared while we stayed connected: what it missed is sent again at once."""
        return [] if self.phase is Phase.OFFLINE else self.connected(now_s)

    def acked(self, epoch: str, upto: int, now_s: float) -> list[Output]:
        """The centre says that it committed everything up to ``upto`` of ``epoch``."""
        match self._store.acknowledge(epoch, upto):
            case AckResult.OTHER_EPOCH:
                return []
            case AckResult.BEYOND_LAST:
                return self._leave_epoch(upto, now_s)
            case AckResult.ACCEPTED:
                pass
        if self.phase is Phase.OFFLINE:
            return []
        progress = upto > self._confirmed
        if self.phase is Phase.GREETING:
            self.phase = Phase.STREAMING
            self._confirmed = self._sent = upto
            self._deadline_s = None
        elif progress:
            self._confirmed = upto
            self._sent = max(self._sent, upto)
            while self._in_flight and self._in_flight[0] <= upto:
                self._in_flight.popleft()
            self._deadline_s = None
        if progress or upto == self._store.last_seq():
            self._tries = self._epochs_made = 0
        return self.pump(now_s)

    def pump(self, now_s: float) -> list[Output]:
        """New rows may be there, or time has passed: what is to be published now."""
        if self._deadline_s is not None and now_s >= self._deadline_s:
            self._tries += 1
            return [self._greet(now_s)]
        outputs: list[Output] = []
        while self.phase is Phase.STREAMING and len(self._in_flight) < self._window:
            rows = self._store.rows_after(self._sent, BATCH_EVENTS_MAX, BATCH_BYTES_MAX)
            if not rows:
                break
            outputs.append(self._batch(rows))
        if self._in_flight and self._deadline_s is None:
            self._deadline_s = now_s + self._wait_s()
        return outputs

    def _batch(self, rows: list[tuple[int, str]]) -> PublishBatch:
        """The rows up to the first hole as one batch: a receiver numbers events by their place."""
        first = rows[0][0]
        run = [text for place, (seq, text) in enumerate(rows) if seq == first + place]
        last = first + len(run) - 1
        assert first > self._sent, f"the journal returned row {first} when asked for rows after {self._sent}"
        self._sent = last
        self._in_flight.append(last)
        return PublishBatch(epoch=self._epoch, first=first, last=last, texts=tuple(run))

    def _greet(self, now_s: float) -> PublishHello:
        self.phase = Phase.GREETING
        self._in_flight.clear()
        self._epoch = self._store.epoch()
        self._deadline_s = now_s + self._wait_s()
        return PublishHello(
            epoch=self._epoch,
            acked=self._store.acked(),
            last=self._store.last_seq(),
            pruned_to=self._store.pruned_to(),
        )

    def _leave_epoch(self, centre_upto: int, now_s: float) -> list[Output]:
        if self._epochs_made >= EPOCHS_WITHOUT_PROGRESS_MAX:
            return []  # the wait that is running says hello again
        self._epochs_made += 1
        self._epoch = self._store.new_epoch(centre_upto=centre_upto)
        self._confirmed = self._sent = self._store.acked()
        return [] if self.phase is Phase.OFFLINE else [self._greet(now_s)]

    def _wait_s(self) -> float:
        if self._tries == 0:
            return PROGRESS_WITHIN_S
        wait_s = min(PROGRESS_WITHIN_MAX_S, PROGRESS_WITHIN_S * 2.0 ** min(self._tries, 10))
        return wait_s * self._rng.uniform(1 - JITTER, 1 + JITTER)


def batch_json(batch: PublishBatch, *, gate: str, site: int) -> bytes:
    """The wire form of a batch: the stored event texts spliced in byte for byte, as they were hashed."""
    head = (
        f'{{"v":{WIRE_VERSION},"gate":"{gate}","site":{site},"epoch":"{batch.epoch}",'
        f'"first":{batch.first},"last":{batch.last},"events":['
    )
    return "".join((head, ",".join(batch.texts), "]}")).encode()
