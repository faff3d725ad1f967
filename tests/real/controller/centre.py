"""A clock that a test sets, a gate's journal, and a centre's database around them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Table, select

from controller.config import SmsConfig
from controller.intake_store import CentreIntake
from controller.store import Store
from passes.vocabulary import ClockTrust
from sync.messages import utc_text
from sync.received import ReceivedBatch, read_batch
from sync.topics import parse_up, up

NOON: Final = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai
SITE: Final = 7
PERSON, PASS, STAY = "aa" * 8, "01" * 8, "5a" * 8
SUPERVISOR: Final = "+8613800138000"
SMS: Final = SmsConfig(url="http://127.0.0.1:1/", sign="阳光物业", supervisors=(SUPERVISOR,))


class SetClock:
    """Shows what it is set to."""

    def __init__(self, now: datetime = NOON) -> None:
        self.time, self.trusted = now, ClockTrust.TRUSTED

    def monotonic_s(self) -> float:
        return self.time.timestamp()

    def now(self) -> datetime:
        return self.time

    def trust(self) -> ClockTrust:
        return self.trusted

    def pass_by(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Journal:
    """One gate's journal as the wire sees it: rows are added, and any stretch of them is sent."""

    def __init__(self, gate: str = "south", *, epoch: str = "e" * 16, site: int = SITE) -> None:
        self.gate, self.epoch, self.site = gate, epoch, site
        self.rows: list[Any] = []

    def add(self, kind: str, at: datetime | str, data: dict[str, Any], *, trust: str = "trusted") -> int:
        """Append one event; returns its sequence number."""
        seq = len(self.rows) + 1
        event = {
            "v": 1,
            "seq": seq,
            "id": f"{self.gate.encode().hex():0>8}"[-8:] + f"{seq:08x}",
            "kind": kind,
            "at": at if isinstance(at, str) else utc_text(at),
            "trust": trust,
            "mono_ms": seq,
            "boot": "b" * 16,
            "prev": "0" * 64,
            "hash": "1" * 64,
            "data": data,
        }
        self.rows.append(event)
        return seq

    def passage(
        self,
        direction: str,
        at: datetime,
        *,
        stay: str | None = STAY,
        due: datetime | None = None,
        person: str | None = PERSON,
        pass_id: str | None = PASS,
        trust: str = "trusted",
    ) -> int:
        data = {
            "lane": direction,
            "direction": direction,
            "person": person,
            "pass_id": pass_id,
            "category": "courier",
            "unit": 12,
            "stay_id": stay,
            "due_at": utc_text(due) if due else None,
        }
        return self.add("passage", at, data, trust=trust)

    def entry(self, at: datetime, *, minutes: float = 60, stay: str = STAY, person: str = PERSON) -> int:
        """An entry whose stay lasts ``minutes``."""
        return self.passage("entry", at, stay=stay, due=at + timedelta(minutes=minutes), person=person)

    def leaving(self, at: datetime, *, stay: str | None = STAY, trust: str = "trusted") -> int:
        return self.passage("exit", at, stay=stay, trust=trust)

    def payload(self, first: int = 1, last: int | None = None) -> bytes:
        rows = self.rows[first - 1 : last]
        batch = {"v": 1, "gate": self.gate, "site": self.site, "epoch": self.epoch}
        return json.dumps({**batch, "first": first, "last": first + len(rows) - 1, "events": rows}).encode()

    def sent(self, first: int = 1, last: int | None = None) -> ReceivedBatch:
        topic = parse_up(up(self.site, self.gate, "ev"))
        assert topic is not None
        return read_batch(topic, self.payload(first, last))


class Centre:
    """A database with an intake, and looks into its tables."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock = path, SetClock()
        self.reopen()

    def reopen(self) -> None:
        self.store = Store(self.path)
        self.intake = CentreIntake(store=self.store, clock=self.clock)

    def receive(self, *batches: ReceivedBatch) -> int:
        """Apply batches; returns the cursor of the last one's journal."""
        answers = self.intake.apply(list(batches))
        return answers[batches[-1].site, batches[-1].gate][1]

    def rows(self, table: Table, *columns: str) -> list[tuple[Any, ...]]:
        """The given columns of a table, in the order of its primary key."""
        wanted = [table.c[name] for name in columns] if columns else list(table.c)
        with self.store.transaction() as connection:
            found = connection.execute(select(*wanted).order_by(*table.primary_key.columns))
            return [tuple(row) for row in found]


@contextmanager
def centre_at(path: Path) -> Iterator[Centre]:
    centre = Centre(path)
    try:
        yield centre
    finally:
        centre.store.close()
