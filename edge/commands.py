"""Commands of the centre at one gate: judged in one order, done once, and answered as often as they come.

Size, shape, signature, addressee and "retained" are judged where messages arrive, on the uplink's thread; whether a
command is new and young enough is judged by the deciding thread, which also does it. Its age is that by the centre's
own time, which the newest ack has told and this machine's monotonic clock has carried on: the gate's wall clock may be
wrong by days. What moves a relay is not done at all before the first ack of this run.

Every command leaves a row (``command``) that says what became of it, and the same on the topic ``res``; a copy gets
that answer again. What is no command for this gate leaves a row at a bounded rate, and no answer.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from typing import Any, Final

from pydantic import ValidationError

from edge.command_deeds import Deeds
from edge.command_ledger import Entry, Ledger
from edge.command_refusals import Refusals
from edge.inputs import Asked
from edge.journal import Journal, JournalError, RowError
from edge.orders import HandsError
from passes.keys import KeySetError, KeySetFile, KeyTable
from passes.trust import CONFIG_USE, keys_for
from passes.vocabulary import ClockTrust
from shell.clock import Clock
from shell.logs import get_logger, mask_typed
from sync.commands import (
    MOVING,
    Command,
    CommandResult,
    LaneArgs,
    Op,
    Refusal,
    Why,
    known_op,
    open_command,
    read_args,
    ttl_max_s,
)
from sync.link import Message
from sync.mailbox import Received
from sync.messages import CommandData, Kind
from sync.topics import up

log = get_logger("commands")

WAITING_MAX: Final = 16  # verified commands on their way to the deciding thread
EARLY_S: Final = 2.0  # a command may overtake the ack that came before it, on their way between two threads
AHEAD_MAX_S: Final = 5.0  # an ack that took this long makes the centre's time lag behind as much
PAY_AGAIN_S: Final = 1.0
_OWED_MAX: Final = 256


class Commands:
    """``receive`` from the uplink's thread; everything else belongs to the deciding thread.

    Args:
        site, gate: Who is addressed.
        journal, ledger: Where commands are recorded.
        deeds: Does them.
        key_set: The key set in force, with the config keys that sign commands.
        centre_now: The centre's time; None before the first ack of this run.
        not_before: A moment that the centre has signed, which has certainly passed; None for none.
        clock: This gate's.
        put: Hands something to the deciding thread.
        publish: Hands a message to the link.
        recorded: Called after rows were recorded.
    """

    def __init__(
        self,
        *,
        site: int,
        gate: str,
        journal: Journal,
        ledger: Ledger,
        deeds: Deeds,
        key_set: Callable[[], KeySetFile],
        centre_now: Callable[[], datetime | None],
        not_before: Callable[[], datetime | None],
        clock: Clock,
        put: Callable[[Asked], None],
        publish: Callable[[Message], None],
        recorded: Callable[[], None],
    ) -> None:
        self._site, self._gate = site, gate
        self._journal, self._ledger, self._deeds = journal, ledger, deeds
        self._key_set, self._clock = key_set, clock
        self._centre_now, self._not_before = centre_now, not_before
        self._put, self._publish, self._recorded = put, publish, recorded
        self._refusals = Refusals(clock)
        self._keys = KeyTable(())
        self._keys_of: KeySetFile | None = None  # what they were read from
        self._room = threading.Semaphore(WAITING_MAX)
        self._early: deque[tuple[Command, float]] = deque()
        self._owed: dict[int, Entry] = {}  # ended, and not in the journal yet; by number
        self._resumed, self._again_s = False, 0.0

    # -- on the uplink's thread

    def receive(self, message: Received) -> None:
        """Judge what needs no journal, and hand the rest to the deciding thread."""
        command = self._opened(message.payload)
        if isinstance(command, Refusal):
            self._refuse(command.why)
        elif (command.site, command.gate) != (self._site, self._gate):
            self._refuse(Why.WRONG_GATE, command)
        elif message.retained:
            self._refuse(Why.RETAINED, command)
        elif self._room.acquire(blocking=False):
            self._put(Asked(partial(self._take, command)))
        else:
            self._refuse(Why.TOO_MANY, command)

    def _opened(self, payload: bytes) -> Command | Refusal:
        key_set = self._key_set()
        if key_set is not self._keys_of:  # read once: a flood is to cost little
            try:
                self._keys = keys_for(CONFIG_USE, key_set)
            except KeySetError as error:
                log.error("no key of the centre can be used", error=str(error))
                self._keys = KeyTable(())
            self._keys_of = key_set
        return open_command(payload, self._keys, now=self._time())

    def _refuse(self, why: Why, command: Command | None = None) -> None:
        """Record that a message was refused; it has no number of its own in the ledger."""
        if not self._refusals.admits(why, room=not self._journal.short):
            return
        log.warning("command refused", why=why.value)
        data = CommandData(state="refused", why=why.value)
        if command is not None:
            entry = Entry.of(command, self._clock.now())
            data = _row(entry.model_copy(update={"state": "refused", "why": why.value}))
        self._put(Asked(partial(self._note, data)))

    # -- on the deciding thread

    def resume(self) -> None:
        """Take up what an earlier run left: of what had begun nobody knows how it ended; raises ``JournalError``."""
        self._deeds.resume()
        begun = self._ledger.begun()
        self._resumed = True
        for entry in begun:
            self._end(entry, "unknown", Why.RESTARTED)

    def tick(self) -> None:
        """Do what waits: commands that came before an ack, rows that are owed."""
        self._judge_early()
        now_s = self._clock.monotonic_s()
        if now_s >= self._again_s:
            self._again_s = now_s + PAY_AGAIN_S
            self._catch_up()
        self._deeds.tick(now_s)

    def _catch_up(self) -> None:
        if not self._resumed:
            try:
                self.resume()
            except JournalError as error:
                log.error("earlier commands cannot be read yet", error=str(error))
        self._pay()
        counted = None if self._journal.short else self._refusals.take_counted()
        if counted is not None:
            self._note(counted)

    def _take(self, command: Command) -> None:
        self._room.release()
        self._judge_early()
        if len(self._early) < WAITING_MAX:
            self._early.append((command, self._clock.monotonic_s() + EARLY_S))
            self._judge_early()
        else:  # to judge it now would raise the highest number over those that wait
            self._refuse(Why.TOO_MANY, command)

    def _judge_early(self) -> None:
        """In the order of their arrival; what moves a relay waits for an ack, and all that came later waits with it."""
        while self._early:
            command, until_s = self._early[0]
            waits = self._centre_now() is None and known_op(command.op) in MOVING
            if waits and self._clock.monotonic_s() < until_s:
                return
            self._early.popleft()
            self._judge(command)

    def _judge(self, command: Command) -> None:
        try:
            self._consider(command)
        except Exception:
            log.exception("a command could not be carried out", op=command.op)
            self._end(Entry.of(command, self._clock.now()), "unknown", Why.INTERNAL_ERROR)

    def _consider(self, command: Command) -> None:
        entry = Entry.of(command, self._clock.now())
        try:
            if not self._resumed:
                self.resume()
            known = self._owed.get(command.cseq) or self._ledger.find(command.cseq)
            highest = max(self._ledger.highest(), *self._owed, 0)
        except JournalError as error:  # nobody knows whether it was done: it is not done, and not answered
            log.error("a command cannot be looked up", error=str(error))
            return
        if known is not None and known.id == command.id:
            if known.state != "begun":
                self._answer(known)
        elif command.cseq <= highest:
            self._refuse(Why.REPLAYED, command)
            self._answer(entry.model_copy(update={"state": "refused", "why": Why.REPLAYED}))
        else:
            self._begin(command, entry)

    def _begin(self, command: Command, entry: Entry) -> None:
        op = known_op(command.op)
        if op is None:
            self._end(entry, "refused", Why.UNSUPPORTED)
            return
        try:
            args = read_args(op, command.args)
        except ValidationError:
            self._end(entry, "refused", Why.MALFORMED)
            return
        if isinstance(args, LaneArgs):
            entry = entry.model_copy(update={"lane": args.lane})
        why = self._untimely(command, op)
        if why is not None:
            self._end(entry, "expired" if why is Why.EXPIRED else "refused", why)
            return
        try:
            outcome = self._deeds.do(entry, op, args)
        except HandsError as error:
            self._end(entry, "refused", error.why or error.code, str(error))
            return
        if isinstance(outcome, str):
            self._end(entry, "done", detail=outcome)
        else:
            outcome.add_done_callback(partial(self._ended, entry))

    def _untimely(self, command: Command, op: Op) -> Why | None:
        """Why a command is not done for its age; None when it is young enough."""
        if op in MOVING and self._centre_now() is None:
            return Why.NO_TIME
        now = self._time()
        if now is None:
            return Why.NO_TIME
        age_s = (now - command.issued_at).total_seconds()
        if age_s < -AHEAD_MAX_S:
            return Why.AHEAD
        return Why.EXPIRED if age_s > min(command.ttl_s, ttl_max_s(op)) else None

    def _time(self) -> datetime | None:
        """The centre's time as well as it is known, never before what it has signed; None when nobody knows."""
        now = self._centre_now()
        if now is None and self._clock.trust() is ClockTrust.TRUSTED:
            now = self._clock.now()
        floor = self._not_before()
        return now if now is None or floor is None else max(now, floor)

    def _ended(self, entry: Entry, outcome: "Future[dict[str, Any]]") -> None:
        """Its board has said what came of it, or will not say any more."""
        answer = outcome.result()
        match answer["outcome"]:
            case "done" | "held":
                self._end(entry, "done", detail=answer.get("grade", answer["outcome"]))
            case "refused":
                self._end(entry, "refused", answer["why"])
            case _:
                maybe = answer.get("maybe_executed", True)
                self._end(entry, "unknown" if maybe else "refused", Why.NOT_CONFIRMED)

    def _end(self, entry: Entry, state: str, why: str | None = None, detail: str = "") -> None:
        """This became of a command: it is recorded, and the centre is told."""
        said = None if why is None else str(why)
        ended = entry.model_copy(
            update={"state": state, "why": said, "detail": detail[:200], "at": self._clock.now()}
        )
        log.info("command", op=entry.op, state=state, why=said)
        if len(self._owed) < _OWED_MAX:
            self._owed[entry.cseq] = ended
        self._pay()
        self._answer(ended)

    def _pay(self) -> None:
        for cseq, entry in list(self._owed.items()):
            try:
                self._journal.append(Kind.COMMAND, _row(entry), self._ledger.put(entry))
            except RowError:
                log.exception("a command can never be recorded")
            except JournalError as error:
                log.error("what became of a command is owed to the journal", error=str(error))
                break
            del self._owed[cseq]
            self._recorded()

    def _note(self, data: CommandData) -> None:
        try:
            self._journal.append(Kind.COMMAND, data)
        except JournalError as error:
            log.error("a refused command is not recorded", why=data.why, error=str(error))
        else:
            self._recorded()

    def _answer(self, entry: Entry) -> None:
        result: CommandResult = entry.result(self._site, self._gate)
        topic = up(self._site, self._gate, "res")
        self._publish(Message(topic=topic, payload=result.model_dump_json().encode()))


def _row(entry: Entry) -> CommandData:
    return CommandData.model_validate(
        {
            "state": entry.state,
            "why": entry.why,
            "id": entry.id,
            "cseq": entry.cseq,
            "op": entry.op,
            "lane": entry.lane,
            "by": mask_typed(entry.by),
            "reason": mask_typed(entry.reason),
            "detail": entry.detail,
        }
    )
