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
was lost). It may even lie above the last row that the journal has, or name a row whose hash is not ours: then this
journal is an old copy, or has a twin, its rows would be taken for others, and the store begins a new epoch.

Alarms do not wait behind a backlog: they leave apart, each as a batch of one, beyond the cursor, the newest first. The
centre keeps them and says so (``beyond``); the cursor passes them when the rest has come.

How much may be on the wire is ``sync.pace``'s part. Publishing the outputs is left to ``sync.uplink``; storing rows to
whoever implements ``OutboxStore``.
"""

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final, Protocol

from sync.messages import BATCH_BYTES_MAX, WIRE_VERSION
from sync.pace import Pace

PROGRESS_WITHIN_S: Final = 5.0  # first wait for an ack; doubles up to PROGRESS_WITHIN_MAX_S
PROGRESS_WITHIN_MAX_S: Final = 60.0
JITTER: Final = 0.2  # repeated waits vary by this share, so that gates do not knock in step
EPOCHS_WITHOUT_PROGRESS_MAX: Final = 3  # a centre that always acks too much may not make epochs for ever
ALARMS_LOOK_ROWS: Final = 2000  # looked through in one call, so that nobody waits long for the journal
FEW_ROWS: Final = 32  # so many leave at once in one batch, alarms among them


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

    def hash_of(self, seq: int) -> str | None:
        """The hash in row ``seq`` of this epoch; None when there is no such row (any more)."""

    def alarms_between(self, after: int, upto: int) -> list[int]:
        """Which of the rows with ``after < seq <= upto`` are of ``messages.ALARM_KINDS``, ascending."""

    def acknowledge(self, epoch: str, upto: int) -> AckResult:
        """Move the durable cursor to ``upto`` if that is forward, in this epoch, and not above the last row."""

    def new_epoch(self, *, centre_upto: int) -> str:
        """Begin a new epoch, because the centre knows rows up to ``centre_upto`` that are not this journal's.

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


@dataclass(frozen=True, slots=True)
class EpochLeft:
    """Nothing to publish: this journal was an older copy, or has a twin, and goes on under another epoch.

    ``forked`` when the centre has other rows than ours under our numbers, else it was ahead of us.
    """

    epoch: str
    centre_upto: int
    forked: bool


Output = PublishHello | PublishBatch | EpochLeft


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
    """

    def __init__(self, store: OutboxStore, *, rng: Random) -> None:
        self._store, self._rng, self._pace = store, rng, Pace()
        self._epoch = store.epoch()
        self._confirmed = store.acked()  # where the centre stands, as it said on this connection
        self._sent = self._confirmed
        self._alarms = _Alarms(store)
        self._tries = 0  # waits that ran out since the last progress
        self._epochs_made = 0
        self._deadline_s: float | None = None
        self._credit_at_s: float | None = None
        self.phase = Phase.OFFLINE

    @property
    def deadline_s(self) -> float | None:
        """Monotonic time at which ``pump`` wants to be called although nothing happened."""
        if self._deadline_s is None or self._credit_at_s is None:
            return self._credit_at_s if self._deadline_s is None else self._deadline_s
        return min(self._deadline_s, self._credit_at_s)

    @property
    def in_flight(self) -> int:
        """Batches published and not acknowledged; rows that left apart are not among them."""
        return self._pace.batches

    @property
    def window(self) -> int:
        """How many batches may be in flight on this line."""
        return self._pace.window

    def connected(self, now_s: float) -> list[Output]:
        """The link is up: hello first."""
        self._pace.reset()
        return self._begin(now_s)

    def disconnected(self) -> None:
        """The link is down: whatever was on the wire may be gone."""
        self.phase = Phase.OFFLINE
        self._pace.clear()
        self._deadline_s = self._credit_at_s = None

    def centre_returned(self, now_s: float) -> list[Output]:
        """The centre (re)appeared while we stayed connected: what it missed is sent again at once."""
        return [] if self.phase is Phase.OFFLINE else self._begin(now_s)

    def acked(
        self,
        epoch: str,
        upto: int,
        now_s: float,
        *,
        row_hash: str | None = None,
        beyond: tuple[int, ...] = (),
        credit: int | None = None,
        doubled: bool = False,
    ) -> list[Output]:
        """The centre says that it committed everything up to ``upto`` of ``epoch``, and the rows ``beyond``.

        Args:
            epoch: Whose rows these are.
            upto: The centre's cursor.
            now_s: Monotonic time.
            row_hash: The hash in the centre's row ``upto``, if it says so.
            beyond: Rows above the cursor that came apart.
            credit: How many events a second the centre wants at most; None for any number.
            doubled: Whether the centre has rows of two histories under this epoch.
        """
        if doubled and epoch == self._store.epoch():
            return self._leave_epoch(upto, now_s, forked=True)
        if self._is_forked(epoch, upto, row_hash):
            return self._leave_epoch(upto, now_s, forked=True)
        match self._store.acknowledge(epoch, upto):
            case AckResult.OTHER_EPOCH:
                return []
            case AckResult.BEYOND_LAST:
                return self._leave_epoch(upto, now_s, forked=False)
            case AckResult.ACCEPTED:
                pass
        if self.phase is Phase.OFFLINE:
            return []
        self._pace.set_credit(credit, now_s)
        progress = upto > self._confirmed
        if self.phase is Phase.GREETING:
            self.phase = Phase.STREAMING
            self._pace.answered(now_s)
            self._confirmed = self._sent = upto
            self._deadline_s = None
        elif progress:
            self._confirmed = upto
            self._sent = max(self._sent, upto)
        there = self._pace.acked(upto, beyond, now_s)
        self._alarms.arrived(there)
        if progress or there:
            self._deadline_s = None
        if progress or there or upto == self._store.last_seq():
            self._tries = self._epochs_made = 0
        return self.pump(now_s)

    def pump(self, now_s: float) -> list[Output]:
        """New rows may be there, or time has passed: what is to be published now."""
        if self._deadline_s is not None and now_s >= self._deadline_s:
            self._tries += 1
            self._pace.slow_down(now_s)
            return [self._greet(now_s)]
        if self.phase is not Phase.STREAMING:
            return []
        outputs: list[Output] = [*self._send_alarms(now_s), *self._send_rows(now_s)]
        if not self._pace.idle and self._deadline_s is None:
            self._deadline_s = now_s + self._wait_s()
        return outputs

    def _send_alarms(self, now_s: float) -> list[PublishBatch]:
        """Alarms that would have to wait, each apart from the rest."""
        few = self._store.last_seq() - self._sent <= FEW_ROWS
        if few and self._pace.has_room() and self._pace.wait_s(now_s) == 0.0:
            return []
        outputs = []
        while self._pace.may_send_apart() and (seq := self._alarms.next_after(self._sent)) is not None:
            rows = self._store.rows_after(seq - 1, 1, BATCH_BYTES_MAX)
            if rows and rows[0][0] == seq:
                text = rows[0][1]
                self._pace.sent_apart(seq, len(text.encode()), now_s)
                outputs.append(PublishBatch(epoch=self._epoch, first=seq, last=seq, texts=(text,)))
        return outputs

    def _send_rows(self, now_s: float) -> list[PublishBatch]:
        outputs: list[PublishBatch] = []
        self._credit_at_s = None
        while self._pace.has_room():
            wait_s = self._pace.wait_s(now_s)
            if wait_s > 0.0:
                if self._sent < self._store.last_seq():
                    self._credit_at_s = now_s + wait_s
                break
            rows = self._store.rows_after(self._sent, self._pace.batch_rows, self._pace.batch_bytes)
            if not rows:
                break
            outputs.append(self._batch(rows, now_s))
        return outputs

    def _batch(self, rows: list[tuple[int, str]], now_s: float) -> PublishBatch:
        """The rows up to the first hole as one batch: a receiver numbers events by their place."""
        first = rows[0][0]
        run = tuple(text for place, (seq, text) in enumerate(rows) if seq == first + place)
        last = first + len(run) - 1
        assert first > self._sent, f"the journal returned row {first} when asked for rows after {self._sent}"
        self._sent = last
        self._pace.sent(last, len(run), sum(map(len, run)), now_s)
        return PublishBatch(epoch=self._epoch, first=first, last=last, texts=run)

    def _begin(self, now_s: float) -> list[Output]:
        """A new conversation, perhaps with a centre that forgot something."""
        self._tries = 0
        self._alarms = _Alarms(self._store)
        return [self._greet(now_s)]

    def _greet(self, now_s: float) -> PublishHello:
        self.phase = Phase.GREETING
        self._pace.asked(now_s)
        self._alarms.look_again()
        self._epoch = self._store.epoch()
        self._deadline_s, self._credit_at_s = now_s + self._wait_s(), None
        return PublishHello(
            epoch=self._epoch,
            acked=self._store.acked(),
            last=self._store.last_seq(),
            pruned_to=self._store.pruned_to(),
        )

    def _is_forked(self, epoch: str, upto: int, row_hash: str | None) -> bool:
        """Whether the centre's row is not ours. A row's hash covers all rows before it: one comparison is enough."""
        if row_hash is None or epoch != self._store.epoch():
            return False
        own = self._store.hash_of(upto)
        return own is not None and own != row_hash

    def _leave_epoch(self, centre_upto: int, now_s: float, *, forked: bool) -> list[Output]:
        if self._epochs_made >= EPOCHS_WITHOUT_PROGRESS_MAX:
            return []  # the wait that is running says hello again
        left = EpochLeft(epoch=self._store.epoch(), centre_upto=centre_upto, forked=forked)
        self._epoch = self._store.new_epoch(centre_upto=centre_upto)
        self._epochs_made += 1  # one that failed, for want of room, is tried again
        self._confirmed = self._sent = self._store.acked()
        self._alarms = _Alarms(self._store)
        return [left] if self.phase is Phase.OFFLINE else [left, self._greet(now_s)]

    def _wait_s(self) -> float:
        if self._tries == 0:
            return PROGRESS_WITHIN_S
        wait_s = min(PROGRESS_WITHIN_MAX_S, PROGRESS_WITHIN_S * 2.0 ** min(self._tries, 10))
        return wait_s * self._rng.uniform(1 - JITTER, 1 + JITTER)


class _Alarms:
    """Which alarms of the backlog have not left yet in this conversation."""

    def __init__(self, store: OutboxStore) -> None:
        self._store = store
        self._waiting: list[int] = []  # ascending
        self._there: set[int] = set()  # the centre said that it has them
        self._looked_upto: int | None = None

    def look_again(self) -> None:
        """What was on its way may be lost."""
        self._waiting, self._looked_upto = [], None

    def arrived(self, seqs: tuple[int, ...]) -> None:
        """The centre has these."""
        self._there.update(seqs)

    def next_after(self, sent: int) -> int | None:
        """Take the newest alarm after row ``sent`` that waits; None when there is none."""
        last = self._store.last_seq()
        looked = sent if self._looked_upto is None else max(sent, self._looked_upto)
        while looked < last:
            upto = min(last, looked + ALARMS_LOOK_ROWS)
            found = self._store.alarms_between(looked, upto)
            self._waiting += (seq for seq in found if seq not in self._there)
            looked = upto
        self._looked_upto = looked
        while self._waiting:
            seq = self._waiting.pop()
            if seq > sent:
                return seq
        return None


def batch_json(batch: PublishBatch, *, gate: str, site: int, hist: bool = False) -> bytes:
    """The wire form of a batch: the stored event texts spliced in byte for byte, as they were hashed."""
    head = (
        f'{{"v":{WIRE_VERSION},"gate":"{gate}","site":{site},"epoch":"{batch.epoch}",'
        f'"first":{batch.first},"last":{batch.last},"hist":{"true" if hist else "false"},"events":['
    )
    return "".join((head, ",".join(batch.texts), "]}")).encode()
