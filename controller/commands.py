"""Commands to gates at the centre: ordered by somebody, signed, sent until they are answered, and ended.

A command is a row with a number that rises for its gate, also over a restored database: numbers are never below the
Unix time in milliseconds. It is published when it is ordered and with each hello of its gate, together with those
before it that have no answer yet; the gate does each once. What moves a relay is ordered only while the gate is online.

CommandError          it cannot be ordered; ``field`` says because of what
└── GateAwayError     its gate is not there, and this cannot wait
"""

import json
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import Connection, Row, func, select, text

from controller import audit, command_results, schema
from controller.command_results import NO_ANSWER
from controller.issuer_keys import IssuerKeyError
from controller.site_keys import ConfigKey
from controller.store import Store
from shell.clock import Clock
from shell.logs import get_logger
from sync.commands import MOVING, Command, CommandResult, Op, read_args, seal_command, ttl_max_s
from sync.link import Message
from sync.messages import Hello
from sync.topics import GateTopic, down

PENDING_MAX: Final = 100  # of one gate
LISTED_MAX: Final = 200
GRACE_S: Final = 5.0  # an answer may be on its way when the time is over
WAIT_S_MAX: Final = 5.0
_TTL_S: Final = {Op.PING: 10.0, Op.BUNDLE: 60.0}  # of the others, as long as they may
_PENDING: Final = text("command.state in ('waiting', 'sent')")  # as in the partial index, word for word
_FINAL: Final = frozenset({"done", "refused", "expired", "unknown"})
log = get_logger("commands")


class CommandError(Exception):
    """It cannot be ordered; ``field`` of what was asked is why."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field, self.problem = field, problem


class GateAwayError(CommandError):
    """The gate is not online, or the centre is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """One command, and how far it has come."""

    id: str
    site: int
    gate: str
    cseq: int
    op: str
    args: Mapping[str, Any]
    by: str
    reason: str
    issued_at: datetime
    expires_at: datetime
    state: str
    sent_at: datetime | None
    ended_at: datetime | None
    why: str | None
    detail: str

    @property
    def ended(self) -> bool:
        """Whether it is known what became of it, or that nobody knows."""
        return self.state in _FINAL


class GateCommands:
    """The commands of all sites of a centre; from any thread.

    Args:
        store: The database.
        clock: Wall time.
        sites: The sites of this centre.
        known: Whether a gate of a site is one that is listened to.
        key: The config key in force at a site; None where there is none.
        publish: Hands a message to the link.
        connected: Whether the link is up.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        sites: Mapping[int, object],
        known: Callable[[int, str], bool],
        key: Callable[[int], ConfigKey | None],
        publish: Callable[[Message], None],
        connected: Callable[[], bool],
    ) -> None:
        self._store, self._clock, self._sites, self._known = store, clock, sites, known
        self._key, self._publish, self._connected = key, publish, connected
        self._news, self._closed = threading.Condition(), False
        self._unreadable = 0

    def has(self, site: int) -> bool:
        """Whether this site is at this centre."""
        return site in self._sites

    def order(
        self,
        site: int,
        gate: str,
        op: Op,
        args: Mapping[str, Any],
        *,
        by: str,
        reason: str,
        ttl_s: float | None = None,
    ) -> Ordered:
        """Order something, and send it if the gate can be reached; raises ``CommandError``.

        Args:
            site, gate: Whom.
            op, args: What, as ``sync.commands`` has it.
            by, reason: On whose word, and why.
            ttl_s: How old it may get; less than its kind allows.
        """
        said = _said(op, args)
        lives_s = min(ttl_s or _TTL_S.get(op, ttl_max_s(op)), ttl_max_s(op))
        table, now = schema.command, self._clock.now()
        key = self._signing_key(site, now)
        with self._store.transaction() as connection:
            self._demand_reachable(connection, site, gate, op)
            self._end_overdue(connection, now)
            waiting = select(func.count()).where(table.c.site == site, table.c.gate == gate, _PENDING)
            if connection.execute(waiting.select_from(table)).scalar_one() >= PENDING_MAX:
                raise CommandError("gate", f"{PENDING_MAX} commands wait for gate {gate} already")
            row = {
                "site": site,
                "gate": gate,
                "cseq": _next_cseq(connection, site, gate, now),
                "id": secrets.token_hex(8),
                "op": op.value,
                "args": json.dumps(said, ensure_ascii=False),
                "by": by,
                "reason": reason,
                "issued_at": now,
                "expires_at": now + timedelta(seconds=lives_s),
                "state": "waiting",
            }
            connection.execute(table.insert().values(**row))
            audit.note(
                connection,
                at=now,
                site=site,
                actor=by,
                action="gate_command",
                subject=f"{gate}",
                detail=f"{row['id']} {op.value} {' '.join(map(str, said.values()))}: {reason}"[:300],
            )
        self._send(site, gate, key)
        found = self.find(site, str(row["id"]))
        assert found is not None
        return found

    def greeted(self, hello: Hello) -> None:
        """A gate is there: send it what waits."""
        with self._store.transaction() as connection:
            waits = _pending(connection, hello.site, hello.gate)
        if not waits:
            return
        try:
            key = self._signing_key(hello.site, self._clock.now())
        except CommandError as error:
            log.error("commands wait for a key", site=hello.site, gate=hello.gate, error=str(error))
            return
        self._send(hello.site, hello.gate, key)

    def heard(self, topic: GateTopic, payload: bytes) -> None:
        """A gate says what became of a command; its journal will say it again."""
        try:
            result = CommandResult.model_validate_json(payload)
        except ValidationError:
            result = None
        if result is None or (result.site, result.gate) != (topic.site, topic.gate):
            self._unreadable += 1
            if self._unreadable & (self._unreadable - 1) == 0:  # the 1st, 2nd, 4th …
                log.warning("unreadable result", gate=topic.gate, times=self._unreadable)
            return
        with self._store.transaction() as connection:
            ended = command_results.hear(connection, result, self._clock.now())
        if ended:
            log.info("command ended", gate=result.gate, op=result.op, state=result.state, why=result.why)
            self.changed()

    def changed(self) -> None:
        """Rows of journals were stored: let those look who wait for an answer."""
        with self._news:
            self._news.notify_all()

    def close(self) -> None:
        """Let those go who wait."""
        with self._news:
            self._closed = True
            self._news.notify_all()

    def find(self, site: int, id_: str, *, wait_s: float = 0.0) -> Ordered | None:
        """One command; waits until it has ended, ``wait_s`` at most."""
        until_s = self._clock.monotonic_s() + min(wait_s, WAIT_S_MAX)
        while True:
            with self._news:
                found = self._look(site, id_)
                left_s = until_s - self._clock.monotonic_s()
                if found is None or found.ended or left_s <= 0 or self._closed:
                    return found
                self._news.wait(left_s)

    def listed(self, site: int, gate: str | None = None) -> list[Ordered]:
        """The newest commands of a site or of one gate, the newest first."""
        table, now = schema.command, self._clock.now()
        where = [table.c.site == site, *([table.c.gate == gate] if gate is not None else [])]
        query = select(table).where(*where).order_by(table.c.cseq.desc()).limit(LISTED_MAX)
        with self._store.transaction() as connection:
            self._end_overdue(connection, now)
            return [_ordered(row) for row in connection.execute(query)]

    def _look(self, site: int, id_: str) -> Ordered | None:
        table = schema.command
        with self._store.transaction() as connection:
            self._end_overdue(connection, self._clock.now())
            row = connection.execute(
                select(table).where(table.c.id == id_, table.c.site == site)
            ).one_or_none()
        return None if row is None else _ordered(row)

    def _demand_reachable(self, connection: Connection, site: int, gate: str, op: Op) -> None:
        table = schema.gate
        state = connection.execute(
            select(table.c.state).where(table.c.site == site, table.c.gate == gate)
        ).scalar()
        if state is None or not self._known(site, gate):
            raise CommandError("gate", f"this centre has never heard of gate {gate} at site {site}")
        if op in MOVING and not (state == "online" and self._connected()):
            raise GateAwayError("gate", f"{gate} is not online, and what moves a lane does not wait for it")

    def _signing_key(self, site: int, now: datetime) -> ConfigKey:
        try:
            key = self._key(site)
        except IssuerKeyError as error:
            raise CommandError("site", str(error)) from error
        if key is None or not key.not_before <= now < key.not_after:
            raise CommandError(
                "site",
                "has no config key in force; make one with: postern-controller site keys rotate config",
            )
        return key

    def _send(self, site: int, gate: str, key: ConfigKey) -> None:
        """Publish all that waits for this gate, in order; the gate answers copies and does nothing twice."""
        table, now = schema.command, self._clock.now()
        if not self._connected():
            return
        with self._store.transaction() as connection:
            self._end_overdue(connection, now)
            rows = _pending(connection, site, gate)
            sent = [row.cseq for row in rows if row.state == "waiting"]
            if sent:
                where = (table.c.site == site, table.c.gate == gate, table.c.cseq.in_(sent))
                connection.execute(table.update().where(*where).values(state="sent", sent_at=now))
        for row in rows:
            payload = seal_command(_command(row), kid=key.key.kid, sign=key.key.private.sign)
            self._publish(Message(topic=down(site, gate, "cmd"), payload=payload))

    def _end_overdue(self, connection: Connection, now: datetime) -> None:
        """What has no answer when its time is over: never sent, it is over; sent, nobody knows."""
        table = schema.command
        for state, end, late_s in (("waiting", "expired", 0.0), ("sent", "unknown", GRACE_S)):
            over = table.c.expires_at < now - timedelta(seconds=late_s)
            values = {"state": end, "why": NO_ANSWER, "ended_at": now}
            connection.execute(table.update().where(_PENDING, table.c.state == state, over).values(**values))


def _said(op: Op, args: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return read_args(op, dict(args)).model_dump()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise CommandError(".".join(map(str, first["loc"])) or "args", first["msg"]) from error


def _next_cseq(connection: Connection, site: int, gate: str, now: datetime) -> int:
    table = schema.command
    last = connection.execute(
        select(func.max(table.c.cseq)).where(table.c.site == site, table.c.gate == gate)
    ).scalar()
    return max((last or 0) + 1, int(now.timestamp() * 1000))


def _pending(connection: Connection, site: int, gate: str) -> Sequence[Row[Any]]:
    table = schema.command
    query = select(table).where(table.c.site == site, table.c.gate == gate, _PENDING)
    return connection.execute(query.order_by(table.c.cseq)).all()


def _command(row: Row[Any]) -> Command:
    return Command(
        id=row.id,
        site=row.site,
        gate=row.gate,
        cseq=row.cseq,
        op=row.op,
        args=json.loads(row.args),
        issued_at=row.issued_at,
        ttl_s=(row.expires_at - row.issued_at).total_seconds(),
        by=row.by,
        reason=row.reason,
    )


def _ordered(row: Row[Any]) -> Ordered:
    return Ordered(**{**row._asdict(), "args": json.loads(row.args)})
