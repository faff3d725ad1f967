"""The gate's thread that joins journal, sending policy and link, and never gives up.

It owns publishing. It wakes for a commit (``wake``), a message, news of the link or a deadline of ``Sender``. An
unexpected error is logged, the connection is rebuilt and the loop goes on: the journal has everything.
"""

import json
import os
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from pydantic import ValidationError

from passes.vocabulary import ClockTrust
from shell.clock import Clock
from shell.logs import get_logger
from sync.link import LinkSettings, Message, MqttLink
from sync.mailbox import Item, LinkDown, LinkUp, Mailbox, Received
from sync.messages import HIST_AFTER_S, Ack, CentreState, GateState, Health, Hello
from sync.outbox import (
    EpochLeft,
    OutboxStore,
    Output,
    Phase,
    PublishBatch,
    PublishHello,
    Sender,
    batch_json,
)
from sync.topics import CENTRE_STATE, down, site_bundle, up

HEALTH_EVERY_S: Final = 30.0
ANSWER_BYTES_MAX: Final = 1024  # an ack has about 120 bytes
ASK_TIME_EVERY_S: Final = 60.0  # a connection may last for months
ANSWER_WITHIN_S: Final = 60.0  # a later answer to a hello tells no time
MAILBOX_MESSAGES_MAX: Final = 256
PAUSE_AFTER_ERROR_S: Final = 0.1  # doubles with every error in a row
PAUSE_AFTER_ERROR_MAX_S: Final = 5.0
log = get_logger("uplink")


@dataclass(frozen=True, slots=True, kw_only=True)
class UplinkStatus:
    """What the kiosk shows about the way to the centre."""

    connected: bool
    centre_online: bool | None  # None until the centre's state was heard on this connection
    last_ack_at: datetime | None
    depth: int  # committed events that the centre has not acknowledged
    centre_offset_s: float | None  # add to the gate's clock to get the centre's; None before the first answer
    garbage: int  # messages that could not be read
    dropped: int  # messages that did not fit into the mailbox


class Uplink:
    """Carries the journal of one gate to the centre. ``start`` and ``stop`` once each; the rest from any thread.

    Args:
        store: The journal.
        link: Where the broker is; the client id is the gate's id.
        gate: This gate.
        site: Its site.
        clock: The gate's clock.
        software: Name and version, for ``hello``.
        boot: This run's boot id.
        health: Makes a fresh health report; called on the uplink's thread.
        rng: Source of all jitter.
        bundle: Takes the site's bundles as they come, unread; called on the uplink's thread. None: not subscribed.
        told_time: Told the centre's time with each answer to a hello of ours; called on the uplink's thread.
        epoch_left: Told in words when the journal turned out to be an older copy, or to have a twin; called on the
            uplink's thread.
        others: Who takes the messages of which further topic, whole ones only; called on the uplink's thread.
    """

    def __init__(
        self,
        store: OutboxStore,
        *,
        link: LinkSettings,
        gate: str,
        site: int,
        clock: Clock,
        software: str,
        boot: str,
        health: Callable[[], Health],
        rng: Random,
        bundle: Callable[[bytes], None] | None = None,
        told_time: Callable[[datetime], None] = lambda _: None,
        epoch_left: Callable[[str], None] = lambda _: None,
        others: Mapping[str, Callable[[Received], None]] | None = None,
    ) -> None:
        self._told_time, self._epoch_left = told_time, epoch_left
        self._bundle, self._bundle_topic = bundle, site_bundle(site)
        self._others = dict(others or {})
        self._outgoing: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._store, self._gate, self._site, self._clock = store, gate, site, clock
        self._software, self._boot, self._health = software, boot, health
        self._mailbox = Mailbox(messages_max=MAILBOX_MESSAGES_MAX, bytes_max=4 * 1024 * 1024)
        self._sender = Sender(store, rng=rng)
        self._ack_topic = down(site, gate, "ack")
        self._link = MqttLink(
            link,
            subscriptions=[
                self._ack_topic,
                CENTRE_STATE,
                *([self._bundle_topic] if bundle else []),
                *self._others,
            ],
            will=lambda birth: self._state("lost", birth),
            mailbox=self._mailbox,
            clock=clock,
            rng=rng,
        )
        self._thread = threading.Thread(target=self._run, name=f"uplink-{gate}", daemon=True)
        self._stop, self._health_due = threading.Event(), threading.Event()
        self._health_at_s = 0.0
        self._birth = 0
        self._centre: CentreState | None = None
        self._last_ack_at: datetime | None = None
        self._nonce: str | None = None  # of this connection's newest hello, while no answer came
        self._asked_s = 0.0  # when that hello left, monotonic
        self._centre_time: tuple[datetime, float] | None = (
            None  # as an ack told it, and our monotonic second then
        )
        self._garbage = 0

    def start(self) -> None:
        """Begin connecting and sending."""
        self._link.start()
        self._thread.start()

    def stop(self) -> None:
        """Tell the centre that this gate stops, disconnect, end both threads. What is unsent stays in the journal."""
        self._stop.set()
        self._mailbox.wake()
        if self._thread.ident is not None:
            self._thread.join()
        self._link.close(self._state("stopping", self._birth))

    def wake(self) -> None:
        """Call after each commit: new rows leave now."""
        self._mailbox.wake()

    def health_changed(self) -> None:
        """Call when a lane changed: a health report leaves now."""
        self._health_due.set()
        self._mailbox.wake()

    def publish(self, message: Message) -> None:
        """Send a message beside the events when the link is up, and drop it when it is not; from any thread."""
        self._outgoing.put(message)
        self._mailbox.wake()

    def centre_now(self) -> datetime | None:
        """The centre's time by its acks and our monotonic clock; None before a hello of this run was answered.

        Late by what that answer took on its way. The gate's wall clock, which may be wrong, has no part in it.
        """
        if self._centre_time is None:
            return None
        told, at_s = self._centre_time
        return told + timedelta(seconds=self._clock.monotonic_s() - at_s)

    def status(self) -> UplinkStatus:
        """Where things stand."""
        centre_now = self.centre_now()
        offset_s = None if centre_now is None else (centre_now - self._clock.now()).total_seconds()
        return UplinkStatus(
            connected=self._link.connected,
            centre_online=self._centre.online if self._centre else None,
            last_ack_at=self._last_ack_at,
            depth=max(0, self._store.last_seq() - self._store.acked()),
            centre_offset_s=offset_s,
            garbage=self._garbage,
            dropped=self._mailbox.dropped,
        )

    def _run(self) -> None:
        errors = 0
        while not self._stop.is_set():
            try:
                self._turn(self._mailbox.take(self._patience_s()))
                errors = 0
            except Exception:
                log.exception("sending failed, the connection is rebuilt", gate=self._gate)
                self._sender.disconnected()
                self._link.rebuild()
                self._stop.wait(min(PAUSE_AFTER_ERROR_MAX_S, PAUSE_AFTER_ERROR_S * 2.0 ** min(errors, 10)))
                errors += 1

    def _patience_s(self) -> float | None:
        if not self._link.connected:
            return None
        deadlines = [self._health_at_s]
        if self._sender.phase is not Phase.OFFLINE:
            deadlines.append(self._asked_s + ASK_TIME_EVERY_S)
        if self._sender.deadline_s is not None:
            deadlines.append(self._sender.deadline_s)
        return max(0.0, min(deadlines) - self._clock.monotonic_s())

    def _turn(self, items: list[Item]) -> None:
        acks: list[Ack] = []
        for item in items:
            match item:
                case LinkUp():
                    self._connected(item)
                case LinkDown():
                    self._sender.disconnected()
                    self._centre = self._nonce = None
                case Received():
                    ack = self._received(item)
                    if ack is not None:
                        acks.append(ack)
        if acks:
            self._acked(acks)
        self._send(self._sender.pump(self._clock.monotonic_s()))
        while not self._outgoing.empty():
            message = self._outgoing.get()
            if self._link.connected:
                self._link.publish(message)
        if self._link.connected and (
            self._health_due.is_set() or self._clock.monotonic_s() >= self._health_at_s
        ):
            self._report_health()
        may_ask = self._sender.phase is not Phase.OFFLINE
        if may_ask and self._clock.monotonic_s() >= self._asked_s + ASK_TIME_EVERY_S:
            self._ask_time()

    def _connected(self, news: LinkUp) -> None:
        self._birth = news.birth
        self._centre = None
        self._link.publish(self._state("online", self._birth))
        self._send(self._sender.connected(self._clock.monotonic_s()))
        self._health_due.set()

    def _received(self, message: Received) -> Ack | None:
        """The ack in a message, if it is one; the centre's state and the bundle are dealt with at once."""
        if not message.payload and message.topic != self._ack_topic:
            return None  # somebody cleared the retained message
        if message.topic == self._bundle_topic:
            self._take_bundle(message)
            return None
        if message.topic in self._others:
            self._hand_on(message)
            return None
        if message.size > ANSWER_BYTES_MAX:
            self._note_garbage(message, f"{message.size} bytes")
            return None
        try:
            if message.topic == self._ack_topic:
                return Ack.model_validate_json(message.payload)
            self._heard_of_centre(CentreState.model_validate_json(message.payload), retained=message.retained)
        except ValidationError as error:
            self._note_garbage(message, f"{error.error_count()} problems in the payload")
        return None

    def _take_bundle(self, message: Received) -> None:
        if not message.whole:
            self._note_garbage(message, f"{message.size} bytes")
        elif self._bundle is not None:
            self._bundle(message.payload)

    def _hand_on(self, message: Received) -> None:
        if message.whole:
            self._others[message.topic](message)
        else:
            self._note_garbage(message, f"{message.size} bytes")

    def _note_garbage(self, message: Received, why: str) -> None:
        self._garbage += 1
        if (
            self._garbage & (self._garbage - 1) == 0
        ):  # the 1st, 2nd, 4th, 8th …: a flood must not flood the log
            log.warning("unreadable message dropped", topic=message.topic, why=why, times=self._garbage)

    def _heard_of_centre(self, state: CentreState, *, retained: bool) -> None:
        before, self._centre = self._centre, state
        if not state.online or (before is not None and before.online and before.birth == state.birth):
            return
        if before is None and retained:
            return  # how things stood when we subscribed: our hello is on its way already
        self._link.publish(self._state("online", self._birth))
        self._send(self._sender.centre_returned(self._clock.monotonic_s()))
        self._health_due.set()

    def _acked(self, acks: list[Ack]) -> None:
        """Cumulative: the newest of those that waited says it all, for one commit; rows beyond are named once each."""
        ack = acks[-1]
        beyond = tuple(seq for one in acks if one.epoch == ack.epoch for seq in one.beyond)
        for one in acks:
            if one.epoch == self._store.epoch():
                self._last_ack_at = self._clock.now()
                self._hear_time(one)
        self._send(
            self._sender.acked(
                ack.epoch,
                ack.upto,
                self._clock.monotonic_s(),
                row_hash=ack.row_hash,
                beyond=beyond,
                credit=ack.credit,
                doubled=ack.doubled,
            )
        )

    def _hear_time(self, ack: Ack) -> None:
        """What answers our newest hello says what time it is; anything else may be old, and says "not before" at most.

        At the centre it is not before ``ack.now``, nor later than that and the time since our hello left.
        """
        now_s, known = self._clock.monotonic_s(), self.centre_now()
        since_s = now_s - self._asked_s
        if ack.nonce is not None and ack.nonce == self._nonce and since_s < ANSWER_WITHIN_S:
            self._nonce = None  # a copy of it answers nothing
            latest = ack.now + timedelta(seconds=since_s)
            self._centre_time = (max(ack.now, min(known or ack.now, latest)), now_s)
            if ack.trust is ClockTrust.TRUSTED:
                self._told_time(ack.now)
        elif known is not None and known < ack.now:
            self._centre_time = (ack.now, now_s)

    def _ask_time(self) -> None:
        """A hello with which no row is sent again."""
        self._link.publish(
            self._hello(
                PublishHello(
                    epoch=self._store.epoch(),
                    acked=self._store.acked(),
                    last=self._store.last_seq(),
                    pruned_to=self._store.pruned_to(),
                )
            )
        )

    def _send(self, outputs: list[Output]) -> None:
        """Publish in order. What the link does not take is not retried here: no ack will come, and hello follows."""
        for output in outputs:
            match output:
                case PublishHello():
                    self._link.publish(self._hello(output))
                case PublishBatch():
                    hist = _is_history(output.texts[-1], self._clock.now())
                    payload = batch_json(output, gate=self._gate, site=self._site, hist=hist)
                    self._link.publish(Message(topic=up(self._site, self._gate, "ev"), payload=payload))
                case EpochLeft():
                    self._tell_epoch_left(output)

    def _tell_epoch_left(self, left: EpochLeft) -> None:
        """An older copy or a twin: whoever has this box has to know, and so has the centre."""
        what = "has other rows" if left.forked else "knows more rows than this journal"
        log.error("journal is an older copy, or has a twin", epoch=left.epoch, centre_upto=left.centre_upto)
        self._epoch_left(f"older copy or twin: the centre {what} at {left.epoch}/{left.centre_upto}")

    def _hello(self, figures: PublishHello) -> Message:
        self._nonce, self._asked_s = os.urandom(8).hex(), self._clock.monotonic_s()
        hello = Hello(
            gate=self._gate,
            site=self._site,
            epoch=figures.epoch,
            acked=figures.acked,
            last=figures.last,
            pruned_to=figures.pruned_to,
            boot=self._boot,
            software=self._software,
            now=self._clock.now(),
            trust=self._clock.trust(),
            nonce=self._nonce,
        )
        return Message(topic=up(self._site, self._gate, "hello"), payload=hello.model_dump_json().encode())

    def _state(self, state: str, birth: int) -> Message:
        payload = GateState.model_validate({"state": state, "birth": birth}).model_dump_json().encode()
        return Message(topic=up(self._site, self._gate, "state"), payload=payload, retain=True)

    def _report_health(self) -> None:
        self._health_due.clear()
        self._health_at_s = self._clock.monotonic_s() + HEALTH_EVERY_S
        try:
            payload = self._health().model_dump_json().encode()
        except Exception:  # a report about cameras must not stop events
            log.exception("no health report could be made")
            return
        self._link.publish(Message(topic=up(self._site, self._gate, "health"), payload=payload, qos=0))


def _is_history(text: str, now: datetime) -> bool:
    """Whether an event's own time lies so far back that nobody can act on it at once."""
    try:
        recorded_at = datetime.fromisoformat(json.loads(text)["at"])
        return (now - recorded_at).total_seconds() > HIST_AFTER_S
    except (ValueError, KeyError, TypeError):
        return False  # whoever reads it will say so
