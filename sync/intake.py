"""The centre's receiving loop: everything that waits goes into one transaction, and each gate gets one ack for it.

An ack leaves only after ``IntakeStore.apply`` returned, which is after its commit. When ``apply`` fails nothing is
acknowledged and the gates say hello again; a group that fails is tried batch by batch, so that one gate's trouble
stays its own. Payloads that cannot be read go to the dead-letter shelf, at a bounded rate. How much each gate may send
is ``sync.load``'s part.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from random import Random
from typing import Final, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from shell.clock import Clock
from shell.logs import get_logger
from sync.link import LinkSettings, Message, MqttLink
from sync.load import Allowances, GateLimit, Load
from sync.mailbox import Item, LinkDown, LinkUp, Mailbox, Received
from sync.messages import BEYOND_MAX, Ack, CentreState, GateState, Health, Hello
from sync.received import ReceivedBatch, UnreadableError, check_origin, explain, read_batch
from sync.topics import ALL_UP, CENTRE_STATE, GateTopic, down, parse_up

ROWS_MAX: Final = 2000  # in one transaction
READ_WITHIN_S: Final = 0.2  # … or as much as can be read in this time
ITEMS_MAX: Final = 32  # taken out of the mailbox at once; what is in it is bounded for each gate
OF_ONE_GATE_MAX: Final = (
    24  # messages of one gate that may wait: a full window, alarms apart, and what goes beside
)
DEAD_LETTER_BYTES_MAX: Final = 16 * 1024
DEAD_LETTERS_BURST: Final = 200
DEAD_LETTERS_PER_S: Final = 1.0
PAUSE_AFTER_ERROR_S: Final = 0.2
M = TypeVar("M", bound=BaseModel)
Gate = tuple[int, str]
log = get_logger("intake")


class IntakeStore(Protocol):
    """Where the centre keeps what gates report. Called from the intake's thread only."""

    def apply(self, batches: list[ReceivedBatch]) -> dict[Gate, tuple[str, int]]:
        """Store the rows and move the cursors in one transaction, and commit it before returning.

        Rows are keyed by (site, gate, epoch, seq) and may come again. A poison row (``why`` is set) goes to the
        dead-letter shelf in the same transaction and counts as applied. A batch beyond the cursor is stored, but
        the cursor moves only as far as there is no hole.

        Returns:
            For each (site, gate) in ``batches``: the epoch and the highest seq below which nothing is missing.
        """

    def greet(self, hello: Hello) -> int:
        """The highest seq of this epoch below which nothing is missing; 0 for an epoch never seen, which is noted."""

    def row_hash(self, site: int, gate: str, epoch: str, seq: int) -> str | None:
        """The hash in this row as its gate sent it; None when it is not recorded as an event of this epoch."""

    def doubled(self, site: int, gate: str, epoch: str) -> bool:
        """Whether rows of two histories came under this epoch: of a clone, or of a journal restored from a copy."""

    def pass_hole(self, hello: Hello, first: int, last: int) -> int:
        """Rows ``first`` to ``last`` no longer exist at the gate: record that, move the cursor over them, return it."""

    def gate_state(self, site: int, gate: str, state: GateState) -> None:
        """Keep a gate's state. A ``lost`` whose birth is not that of the last ``online`` is from an old connection."""

    def health(self, site: int, gate: str, health: Health) -> None:
        """Keep a gate's newest health report."""

    def dead_letter(self, topic: str, payload: bytes, why: str) -> None:
        """Keep an unreadable message (cut to ``DEAD_LETTER_BYTES_MAX``) for a person to see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeStatus:
    """What the centre's page shows about its own side of the link."""

    connected: bool
    batches: int
    last_batch_at: datetime | None
    dead_letters: int  # including those that were only counted
    held_back: int  # batches of gates beyond their limit: not taken, not acknowledged
    dropped: int  # messages that did not fit into the mailbox


class Intake:
    """Receives from all gates of one centre. ``start`` and ``stop`` once each; ``status`` from any thread.

    Args:
        store: The centre's storage.
        link: Where the broker is.
        clock: The centre's clock.
        rng: Source of the jitter between connection attempts.
        greeted: Told of each hello after it was answered; called on the intake's thread.
        results: Takes what gates say on their ``res`` topics, unread and whole; called on the intake's thread.
        known_gate: Whether a gate belongs to a site; what others send goes to the dead-letter shelf. None: all do.
        limit: How much one gate may send.
    """

    def __init__(
        self,
        store: IntakeStore,
        *,
        link: LinkSettings,
        clock: Clock,
        rng: Random,
        greeted: Callable[[Hello], None] | None = None,
        results: Callable[[GateTopic, bytes], None] | None = None,
        known_gate: Callable[[int, str], bool] | None = None,
        limit: GateLimit | None = None,
    ) -> None:
        self._known_gate, self._load, self._allowances = known_gate, Load(), Allowances(limit or GateLimit())
        self._held_back: dict[Gate, int] = {}
        self._store, self._clock = store, clock
        self._greeted, self._results = greeted, results
        self._outgoing: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._mailbox = Mailbox(sender=_gate_of, of_one_max=OF_ONE_GATE_MAX)
        self._waiting: list[Item] = []
        self._link = MqttLink(
            link,
            subscriptions=[ALL_UP],
            will=lambda birth: self._centre_state(birth, online=False),
            mailbox=self._mailbox,
            clock=clock,
            rng=rng,
        )
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self._stop = threading.Event()
        self._birth = 0
        self._batches = self._dead_letters = 0
        self._last_batch_at: datetime | None = None
        self._held: dict[str, bytes] = {}  # by topic; what every connection begins with
        self._to_publish: deque[str] = deque()
        self._letters_left, self._letters_at_s = float(DEAD_LETTERS_BURST), clock.monotonic_s()

    def start(self) -> None:
        """Begin connecting and receiving."""
        self._link.start()
        self._thread.start()

    def stop(self) -> None:
        """Finish the transaction at hand, tell the gates that the centre goes, disconnect, end both threads."""
        self._stop.set()
        self._mailbox.wake()
        if self._thread.ident is not None:
            self._thread.join()
        self._link.close(self._centre_state(self._birth, online=False))

    def hold(self, topic: str, payload: bytes) -> None:
        """Publish ``payload`` retained, now and on every new connection, until another takes its place."""
        self._held[topic] = payload
        self._to_publish.append(topic)
        self._mailbox.wake()

    def publish(self, message: Message) -> None:
        """Send a message when the link is up, and drop it when it is not; from any thread."""
        self._outgoing.put(message)
        self._mailbox.wake()

    def status(self) -> IntakeStatus:
        """Where things stand."""
        return IntakeStatus(
            connected=self._link.connected,
            batches=self._batches,
            last_batch_at=self._last_batch_at,
            dead_letters=self._dead_letters,
            held_back=sum(self._held_back.values()),
            dropped=self._mailbox.dropped,
        )

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if not self._waiting:
                    self._waiting = self._mailbox.take(None, most=ITEMS_MAX)
                self._turn()
            except Exception:
                log.exception("receiving failed; nothing was acknowledged, the gates will send it again")
                self._stop.wait(PAUSE_AFTER_ERROR_S)

    def _turn(self) -> None:
        """Read what waits, up to one transaction's worth, store it, answer."""
        batches: list[ReceivedBatch] = []
        hellos: list[Hello] = []
        rows, read = 0, 0
        begun_s = self._clock.monotonic_s()
        try:
            for item in self._waiting:
                read += 1
                match item:
                    case LinkUp():
                        self._connected(item)
                    case LinkDown():
                        pass  # whatever was not acknowledged comes again
                    case Received():
                        found = self._read(item)
                        if isinstance(found, ReceivedBatch):
                            batches.append(found)
                            rows += len(found.rows)
                        elif found is not None:
                            hellos.append(found)
                if rows >= ROWS_MAX or self._clock.monotonic_s() - begun_s > READ_WITHIN_S:
                    break
        finally:
            del self._waiting[:read]  # the item that raised as well: it must not stop those behind it
        answers = self._apply(batches)
        self._load.stored(rows, self._clock.monotonic_s() - begun_s)
        nonces: dict[Gate, str | None] = {}
        for hello in hellos:
            self._apart(partial(self._greet, hello, answers, nonces))
        for gate, (epoch, upto) in answers.items():
            beyond = [
                batch.first
                for batch in batches
                if (batch.site, batch.gate, batch.epoch) == (*gate, epoch)
                and batch.first == batch.last > upto
            ]
            self._apart(partial(self._acknowledge, gate, epoch, upto, beyond, nonces.get(gate)))
        self._greeted_all(hellos)
        self._publish_outgoing()

    def _greeted_all(self, hellos: list[Hello]) -> None:
        if self._greeted is not None:
            for hello in hellos:
                self._apart(partial(self._greeted, hello))

    def _publish_outgoing(self) -> None:
        while not self._outgoing.empty():
            message = self._outgoing.get()
            if self._link.connected:
                self._link.publish(message)
        while self._to_publish:
            self._publish_held(self._to_publish.popleft())

    def _acknowledge(self, gate: Gate, epoch: str, upto: int, beyond: list[int], nonce: str | None) -> None:
        ack = Ack(
            epoch=epoch,
            upto=upto,
            beyond=tuple(beyond[:BEYOND_MAX]),
            credit=self._credit(gate),
            doubled=self._store.doubled(*gate, epoch),
            now=self._clock.now(),
            trust=self._clock.trust(),
            row_hash=self._store.row_hash(*gate, epoch, upto),
            nonce=nonce,
        )
        self._link.publish(Message(topic=down(*gate, "ack"), payload=ack.model_dump_json().encode()))

    def _credit(self, gate: Gate) -> int | None:
        now_s = self._clock.monotonic_s()
        waiting = len(self._waiting) + self._mailbox.waiting
        by_load = self._load.credit(gate, batches_waiting=waiting, now_s=now_s)
        by_limit = self._allowances.credit(gate, now_s)
        return min((one for one in (by_load, by_limit) if one is not None), default=None)

    def _publish_held(self, topic: str) -> None:
        self._link.publish(Message(topic=topic, payload=self._held[topic], retain=True))

    def _connected(self, news: LinkUp) -> None:
        self._birth = news.birth
        self._link.publish(self._centre_state(news.birth, online=True))
        self._to_publish.extend(tuple(self._held))

    def _apply(self, batches: list[ReceivedBatch]) -> dict[Gate, tuple[str, int]]:
        if not batches:
            return {}
        try:
            answers = self._store.apply(batches)
        except Exception:
            if len(batches) == 1:
                raise
            log.exception("storing a group of batches failed, trying them one by one", batches=len(batches))
            answers = self._apply_singly(batches)
        self._batches += len(batches)
        self._last_batch_at = self._clock.now()
        return answers

    def _apply_singly(self, batches: list[ReceivedBatch]) -> dict[Gate, tuple[str, int]]:
        """Keep in ``batches`` those that could be stored."""
        answers: dict[Gate, tuple[str, int]] = {}
        tried, batches[:] = tuple(batches), []
        for batch in tried:
            try:
                answers.update(self._store.apply([batch]))
                batches.append(batch)
            except Exception:
                log.exception("a batch cannot be stored", site=batch.site, gate=batch.gate, first=batch.first)
        return answers

    def _greet(
        self, hello: Hello, answers: dict[Gate, tuple[str, int]], nonces: dict[Gate, str | None]
    ) -> None:
        """Answer where the centre stands; only what the gate had receipted and deleted is passed over."""
        upto = self._store.greet(hello)
        if upto < hello.pruned_to:
            log.error("a gate lost rows for good", gate=hello.gate, first=upto + 1, last=hello.pruned_to)
            upto = self._store.pass_hole(hello, upto + 1, hello.pruned_to)
        answers[hello.site, hello.gate] = (hello.epoch, upto)
        nonces[hello.site, hello.gate] = hello.nonce

    def _read(self, message: Received) -> ReceivedBatch | Hello | None:
        """A batch or a hello; states and health are handed on, and what cannot be read goes to the shelf."""
        try:
            topic = parse_up(message.topic)
            if topic is None:
                raise UnreadableError("not a topic of a gate")
            if self._known_gate is not None and not self._known_gate(topic.site, topic.gate):
                raise UnreadableError(f"site {topic.site} has no gate {topic.gate[:40]!r}: enrol it first")
            if not message.whole:
                raise UnreadableError(f"{message.size} bytes are too many")
            return self._sort(topic, message.payload)
        except UnreadableError as error:
            self._shelve(message, str(error))
            return None

    def _sort(self, topic: GateTopic, payload: bytes) -> ReceivedBatch | Hello | None:
        match topic.leaf:
            case "ev":
                return self._read_batch(topic, payload)
            case "hello":
                hello = _read_model(Hello, payload)
                check_origin(topic, site=hello.site, gate=hello.gate)
                return hello
            case "state":
                if payload:  # empty: somebody cleared the retained message
                    state = _read_model(GateState, payload)
                    self._apart(lambda: self._store.gate_state(topic.site, topic.gate, state))
            case "res" if self._results is not None:
                self._apart(partial(self._results, topic, payload))
            case "health":
                health = _read_model(Health, payload)
                self._apart(lambda: self._store.health(topic.site, topic.gate, health))
            case _:
                raise UnreadableError("nobody reads this topic")
        return None

    def _read_batch(self, topic: GateTopic, payload: bytes) -> ReceivedBatch | None:
        """A batch, unless its gate is beyond its limit: then it is not even read, and comes again later."""
        gate, now_s = (topic.site, topic.gate), self._clock.monotonic_s()
        if self._allowances.left(gate, now_s) < 1:
            times = self._held_back[gate] = self._held_back.get(gate, 0) + 1
            if times & (times - 1) == 0:
                log.error(
                    "a gate sends more than any gate has: held back", site=gate[0], gate=gate[1], times=times
                )
            return None
        batch = read_batch(topic, payload)
        self._allowances.spend(gate, len(batch.rows), now_s)
        self._load.received(gate, len(batch.rows), hist=batch.hist, now_s=now_s)
        return batch

    def _shelve(self, message: Received, why: str) -> None:
        """Keep a dead letter while the shelf's rate allows; beyond it only count."""
        self._dead_letters += 1
        now_s = self._clock.monotonic_s()
        refill = (now_s - self._letters_at_s) * DEAD_LETTERS_PER_S
        self._letters_left = min(DEAD_LETTERS_BURST, self._letters_left + refill)
        self._letters_at_s = now_s
        if self._letters_left < 1:
            return
        self._letters_left -= 1
        log.warning("dead letter", topic=message.topic[:200], why=why, times=self._dead_letters)
        kept = message.payload[:DEAD_LETTER_BYTES_MAX]
        self._apart(lambda: self._store.dead_letter(message.topic[:512], kept, why))

    def _apart(self, work: Callable[[], None]) -> None:
        """Do what no batch depends on: when it fails, the batches that were read with it are stored all the same."""
        try:
            work()
        except Exception:
            log.exception("the store refused something beside the events")

    def _centre_state(self, birth: int, *, online: bool) -> Message:
        state = CentreState(online=online, birth=birth, now=self._clock.now())
        return Message(topic=CENTRE_STATE, payload=state.model_dump_json().encode(), retain=True)


def _gate_of(topic: str) -> str:
    """Whose messages share one bound in the mailbox: all topics of one gate, whatever it calls their leaves."""
    return "/".join(topic.split("/", 5)[:5])


def _read_model(model: type[M], payload: bytes) -> M:
    try:
        return model.model_validate_json(payload)
    except ValidationError as error:
        raise UnreadableError(explain(error)) from error
