"""What ``sync.intake`` asks of the centre: rows into the records, states and health of gates, the dead-letter shelf."""

from collections.abc import Callable

from sqlalchemy import Connection, select

from controller import epochs, records, schema
from controller.store import Store
from controller.streams import Stream
from shell.clock import Clock
from shell.logs import get_logger
from sync.messages import GateState, Health, Hello
from sync.received import ReceivedBatch, ReceivedRow

_BIGGEST: int = 2**63 - 1
log = get_logger("gates")


class CentreIntake:
    """The centre's side of the intake.

    Args:
        store: The database.
        clock: Stamps what was received when.
        changed: Called after every commit that a page or the overstay monitor may want to look at.
    """

    def __init__(self, *, store: Store, clock: Clock, changed: Callable[[], None] = lambda: None) -> None:
        self._store, self._clock, self._changed = store, clock, changed
        self._said_last: dict[
            tuple[int, str], tuple[str, int]
        ] = {}  # of each gate: its journal, and how far it goes

    def apply(self, batches: list[ReceivedBatch]) -> dict[tuple[int, str], tuple[str, int]]:
        """Store the rows of all batches and move the cursors, in one transaction."""
        now = self._clock.now()
        rows: dict[Stream, list[ReceivedRow]] = {}
        for batch in batches:
            rows.setdefault(Stream(batch.site, batch.gate, batch.epoch), []).extend(batch.rows)
        answers: dict[tuple[int, str], tuple[str, int]] = {}
        with self._store.transaction() as connection:
            for stream, found in rows.items():
                upto = records.record(connection, stream, found, received_at=now)
                answers[stream.site, stream.gate] = (stream.epoch, upto)
                self._keep(connection, stream.site, stream.gate, last_heard=now)
        self._changed()
        return answers

    def greet(self, hello: Hello) -> int:
        """How far this journal is recorded without a hole; one that speaks for the first time is noted."""
        stream = Stream(hello.site, hello.gate, hello.epoch)
        gate = (hello.site, hello.gate)
        before = self._said_last.get(gate)
        with self._store.transaction() as connection:
            said_last = before[1] if before and before[0] != hello.epoch else None
            epochs.greet(connection, stream, said_last=said_last, at=self._clock.now())
            upto = records.cursor_of(connection, stream)
        self._said_last[gate] = (hello.epoch, hello.last)
        return upto

    def row_hash(self, site: int, gate: str, epoch: str, seq: int) -> str | None:
        """The hash in one recorded row."""
        with self._store.transaction() as connection:
            return records.hash_of(connection, Stream(site, gate, epoch), seq)

    def doubled(self, site: int, gate: str, epoch: str) -> bool:
        """Whether rows of two histories came under this epoch."""
        with self._store.transaction() as connection:
            return records.is_doubled(connection, Stream(site, gate, epoch))

    def pass_hole(self, hello: Hello, first: int, last: int) -> int:
        """Record that the gate no longer has these rows, and move the cursor over them."""
        stream = Stream(hello.site, hello.gate, hello.epoch)
        with self._store.transaction() as connection:
            if first <= last:
                records.note_gap(connection, stream, first, last)
            upto = records.advance(connection, stream)
        self._changed()
        return upto

    def gate_state(self, site: int, gate: str, state: GateState) -> None:
        """Keep a gate's state; one that belongs to an older connection than the last ``online`` is ignored."""
        birth = min(max(state.birth, 0), _BIGGEST)
        with self._store.transaction() as connection:
            known = connection.execute(
                select(schema.gate.c.birth).where(schema.gate.c.site == site, schema.gate.c.gate == gate)
            ).scalar()
            if state.state != "online" and known is not None and known >= 0 and known != birth:
                return
            self._keep(connection, site, gate, state=state.state, birth=birth)
        log.info("gate", site=site, gate=gate, state=state.state)
        self._changed()

    def health(self, site: int, gate: str, health: Health) -> None:
        """Keep the newest health report."""
        with self._store.transaction() as connection:
            self._keep(connection, site, gate, health=health.model_dump_json(), last_heard=self._clock.now())
        self._changed()

    def dead_letter(self, topic: str, payload: bytes, why: str) -> None:
        """Keep an unreadable message for a person to see."""
        with self._store.transaction() as connection:
            records.bury(connection, topic=topic, payload=payload, why=why, at=self._clock.now())
        self._changed()

    def _keep(self, connection: Connection, site: int, gate: str, **values: object) -> None:
        table = schema.gate
        changed = connection.execute(
            table.update().where(table.c.site == site, table.c.gate == gate).values(**values)
        )
        if changed.rowcount == 0:
            connection.execute(table.insert().values(site=site, gate=gate, **{"birth": -1, **values}))
