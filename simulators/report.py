"""What a run of the simulated site came to: counted afterwards from both databases and the SMS inbox.

Nothing here asks the product how well it did. The gate's journal says what was recorded, the centre's database what
arrived; the two are compared event by event, value by value, and the visits stay by stay.
"""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

_UNTOLD: Final = """
select count(*) from incident where kind = 'overstay' and state = 'open'
and not exists (select 1 from alert where alert.incident_id = incident.id and alert.state = 'accepted')
"""


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
    overstays_without_sms: int
    sms: int
    events_recorded: int
    events_received: int
    events_receipted: int
    events_lost: int
    events_altered: int
    events_duplicated: int
    visits_wrong: int
    dead_letters: int
    conflicts: int

    def faults(self) -> list[str]:
        """What a run may never show, in words; empty when all is well."""
        found = []
        if self.events_lost:
            found.append(f"{self.events_lost} events never reached the centre")
        if self.events_altered:
            found.append(f"{self.events_altered} events say something else at the centre")
        if self.events_duplicated:
            found.append(f"{self.events_duplicated} events were counted twice")
        if self.visits_wrong:
            found.append(f"{self.visits_wrong} visits were made up or are missing")
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
    arrived = _rows(folder / "centre" / "centre.db", "select id, raw from event")
    times = Counter(identity for identity, _ in arrived)
    altered = sum(json.loads(raw) not in recorded.get(identity, []) for identity, raw in arrived)
    rows = [versions[0] for versions in recorded.values()]
    decisions = [row["data"] for row in rows if row["kind"] == "decision"]
    walked = Counter(row["kind"] for row in rows)
    meta = dict(_rows(folder / "south" / "journal.db", "select key, value from meta"))
    stays = {str(stay) for (stay,) in _rows(folder / "centre" / "centre.db", "select stay_id from visit")}
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
        overstays_without_sms=_number(folder, _UNTOLD),
        sms=sms,
        events_recorded=len(recorded),
        events_received=len(times),
        events_receipted=int(meta.get("acked", "0")),
        events_lost=len(recorded.keys() - times.keys()),
        events_altered=altered,
        events_duplicated=len(arrived) - len(times),
        visits_wrong=len(_stays_begun(rows) ^ stays),
        dead_letters=_number(folder, "select count(*) from dead_letter"),
        conflicts=_number(folder, "select count(*) from conflict"),
    )


def _recorded(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The journal's events by their ids. One that was carried into a new epoch stands there twice, with two numbers."""
    found: dict[str, list[dict[str, Any]]] = {}
    for (body,) in _rows(path, "select body from event order by epoch, seq"):
        event = json.loads(body)
        found.setdefault(event["id"], []).append(event)
    return found


def _stays_begun(rows: list[dict[str, Any]]) -> set[str]:
    """The stays that the journal speaks of: entries, and exits that say when their stay began."""
    stays = set()
    for row in rows:
        if row["kind"] == "passage":
            data = row["data"]
            if data["direction"] == "entry":
                stays.add(data.get("stay_id") or row["id"])
            elif data.get("stay_id") and data.get("entered_at"):
                stays.add(data["stay_id"])
    return stays


def _by_reason(decisions: list[dict[str, Any]], outcome: str) -> dict[str, int]:
    return dict(sorted(Counter(data["reason"] for data in decisions if data["outcome"] == outcome).items()))


def _number(folder: Path, query: str) -> int:
    return int(_rows(folder / "centre" / "centre.db", query)[0][0])


def _rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()
