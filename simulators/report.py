"""What a run of the simulated site came to: counted afterwards from both databases and the SMS inbox.

Nothing here asks the product how well it did. The gate's journal says what was recorded, the centre's database what
arrived; the two are compared event by event.
"""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from pydantic import BaseModel


class Report(BaseModel):
    """``postern-sim run --json FILE``. Counts of one run; stable names, documented in docs/simulator.md."""

    seed: int
    seconds: float
    scans: int
    grants: int
    denials: dict[str, int]
    referrals: dict[str, int]
    passages: int
    no_shows: int
    overstays: int
    sms: int
    events_recorded: int
    events_received: int
    events_receipted: int
    events_lost: int
    events_duplicated: int
    dead_letters: int
    conflicts: int

    def faults(self) -> list[str]:
        """What a run may never show, in words; empty when all is well."""
        found = []
        if self.events_lost:
            found.append(f"{self.events_lost} events never reached the centre")
        if self.events_duplicated:
            found.append(f"{self.events_duplicated} events were counted twice")
        if self.dead_letters or self.conflicts:
            found.append(f"{self.dead_letters} dead letters and {self.conflicts} conflicts at the centre")
        return found


def count(folder: Path, *, seed: int, seconds: float, sms: int) -> Report:
    """Count one stopped site.

    Args:
        folder: The site's folder; gate and centre must not run any more.
        seed: The seed of the run.
        seconds: How long the crowd played.
        sms: Messages in the gateway's inbox.
    """
    recorded = _recorded(folder / "south" / "journal.db")
    received = _rows(folder / "centre" / "centre.db", "select epoch, seq, id, kind, raw from event")
    rows = [json.loads(body) for *_, body in recorded]
    decisions = [row["data"] for row in rows if row["kind"] == "decision"]
    keys = {(epoch, seq, identity) for epoch, seq, identity, _ in recorded}
    arrived = Counter((epoch, seq, identity) for epoch, seq, identity, *_ in received)
    applied_twice = sum(times - 1 for times in Counter(identity for _, _, identity, *_ in received).values())
    walked = Counter(row["kind"] for row in rows)
    meta = dict(_rows(folder / "south" / "journal.db", "select key, value from meta"))
    return Report(
        seed=seed,
        seconds=round(seconds, 1),
        scans=len(decisions),
        grants=sum(1 for data in decisions if data["outcome"] == "grant"),
        denials=_by_reason(decisions, "deny"),
        referrals=_by_reason(decisions, "refer"),
        passages=walked["passage"],
        no_shows=walked["no_show"],
        overstays=_number(folder, "select count(*) from incident where kind = 'overstay'"),
        sms=sms,
        events_recorded=len(recorded),
        events_received=len(arrived),
        events_receipted=int(meta.get("acked", "0")),
        events_lost=len(keys - set(arrived)),
        events_duplicated=applied_twice + _visits_too_many(folder, rows),
        dead_letters=_number(folder, "select count(*) from dead_letter"),
        conflicts=_number(folder, "select count(*) from conflict"),
    )


def _recorded(path: Path) -> list[tuple[str, int, str, str]]:
    found = _rows(path, "select epoch, seq, body from event order by epoch, seq")
    return [(epoch, seq, json.loads(body)["id"], body) for epoch, seq, body in found]


def _visits_too_many(folder: Path, rows: list[dict[str, Any]]) -> int:
    """Effects counted twice: visits at the centre beyond the entries that the gate recorded."""
    entries = sum(1 for row in rows if row["kind"] == "passage" and row["data"]["direction"] == "entry")
    entered = _number(folder, "select count(*) from visit where entered_at is not null")
    return max(0, entered - entries)


def _by_reason(decisions: list[dict[str, Any]], outcome: str) -> dict[str, int]:
    return dict(sorted(Counter(data["reason"] for data in decisions if data["outcome"] == outcome).items()))


def _number(folder: Path, query: str) -> int:
    return int(_rows(folder / "centre" / "centre.db", query)[0][0])


def _rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()
