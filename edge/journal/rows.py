"""One row of the journal: its text, its hash, and how it hangs on the row before."""

import hashlib
import json
from datetime import datetime
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from edge.journal.errors import RowError
from shell.clock import Clock
from sync.messages import EVENT_BYTES_MAX, WIRE_VERSION, Kind, utc_text

GENESIS: Final = "0" * 64


class Recorded(NamedTuple):
    """Where one event stands, and when it was recorded."""

    seq: int
    id: str
    at: datetime


class Composed(NamedTuple):
    """The text of a row, and its hash, which the next one names."""

    body: str
    digest: str


def compose(
    recorded: Recorded, kind: Kind, data: BaseModel, *, head: str, clock: Clock, boot: str
) -> Composed:
    """The row behind the one whose hash is ``head``; raises ``RowError`` when no wire would carry it."""
    # The canonical text has its names in order, so "hash" has its place between these two: each is written once.
    before = _canonical(
        {
            "at": utc_text(recorded.at),
            "boot": boot,
            "data": data.model_dump(mode="json", exclude_none=True),
        }
    )
    behind = _canonical(
        {
            "id": recorded.id,
            "kind": kind.value,
            "mono_ms": int(clock.monotonic_s() * 1000),
            "prev": head,
            "seq": recorded.seq,
            "trust": clock.trust().value,
            "v": WIRE_VERSION,
        }
    )
    digest = hashlib.sha256(f"{before[:-1]},{behind[1:]}".encode()).hexdigest()
    body = f'{before[:-1]},"hash":"{digest}",{behind[1:]}'
    if len(body.encode()) > EVENT_BYTES_MAX:
        raise RowError(f"a {kind.value} event of {len(body)} characters is larger than the wire allows")
    return Composed(body, digest)


def renumbered(body: str, seq: int, head: str) -> Composed:
    """The same event under another number, behind another row."""
    return _hashed(json.loads(body) | {"seq": seq, "prev": head})


def read_row(body: object, seq: int) -> dict[str, Any] | None:
    """A stored row whose number and hash are its own; None for one that is not as it was written."""
    try:
        row = json.loads(body) if isinstance(body, str) else None
    except ValueError:
        return None
    if not isinstance(row, dict) or row.get("seq") != seq or row.get("hash") != chain_hash(row):
        return None
    return row


def chain_hash(row: dict[str, Any]) -> str:
    """SHA-256 over the canonical JSON of a row without its ``hash``; ``prev`` in it covers every row before."""
    text = _canonical({key: value for key, value in row.items() if key != "hash"})
    return hashlib.sha256(text.encode()).hexdigest()


def at_ms(text: str) -> int:
    """The milliseconds since 1970 of a row's ``at``."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def _hashed(row: dict[str, Any]) -> Composed:
    digest = chain_hash(row)
    return Composed(_canonical(row | {"hash": digest}), digest)


_canonical = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
