"""Reading what a gate sent: a batch becomes rows, and each event stands for itself, so one bad one stops nothing."""

import json
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from sync.messages import EVENT_BYTES_MAX, Batch, Event
from sync.topics import GateTopic

UNWRITABLE: Final = "(a value that JSON cannot hold)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedRow:
    """One event of a batch. A poison row has ``why`` and no ``event``; it counts as applied all the same."""

    seq: int
    text: str  # compact JSON, fields in the gate's order
    event: Event | None
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedBatch:
    """Rows ``first`` to ``last`` of one gate's epoch, without holes."""

    site: int
    gate: str
    epoch: str
    first: int
    last: int
    rows: tuple[ReceivedRow, ...]
    hist: bool = False  # its newest row was old when it left


class UnreadableError(ValueError):
    """A message that belongs on the dead-letter shelf; the text says why."""


def explain(error: ValidationError) -> str:
    """The first problem of a validation error on one line, without the values (they may be personal)."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


def check_origin(topic: GateTopic, *, site: int, gate: str) -> None:
    """Raise ``UnreadableError`` when the payload names another gate than the topic it came on."""
    if (topic.site, topic.gate) != (site, gate):
        raise UnreadableError(f"the payload speaks for gate {gate!r} of site {site}, the topic does not")


def read_batch(topic: GateTopic, payload: bytes) -> ReceivedBatch:
    """Check one ``ev`` payload; raises ``UnreadableError`` when its frame is bad, never for a bad event in it."""
    try:
        batch = Batch.model_validate_json(payload)
    except ValidationError as error:
        raise UnreadableError(explain(error)) from error
    check_origin(topic, site=batch.site, gate=batch.gate)
    if not batch.events or batch.last - batch.first + 1 != len(batch.events):
        raise UnreadableError(f"rows {batch.first} to {batch.last} do not fit {len(batch.events)} events")
    return ReceivedBatch(
        site=batch.site,
        gate=batch.gate,
        epoch=batch.epoch,
        first=batch.first,
        last=batch.last,
        hist=batch.hist,
        rows=tuple(_row(batch.first + place, raw) for place, raw in enumerate(batch.events)),
    )


def _row(seq: int, raw: Any) -> ReceivedRow:
    try:
        text = json.dumps(raw, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        size = len(text.encode())
    except (ValueError, RecursionError):  # NaN, half a surrogate pair, an integer of 5,000 digits
        return ReceivedRow(seq=seq, text=json.dumps(UNWRITABLE), event=None, why="cannot be written as JSON")
    if size > EVENT_BYTES_MAX:
        return ReceivedRow(seq=seq, text=text, event=None, why=f"{size} bytes, more than {EVENT_BYTES_MAX}")
    try:
        event = Event.model_validate(raw)
    except ValidationError as error:
        return ReceivedRow(seq=seq, text=text, event=None, why=explain(error))
    if event.seq != seq:
        return ReceivedRow(seq=seq, text=text, event=None, why=f"says seq {event.seq} in the place of {seq}")
    return ReceivedRow(seq=seq, text=text, event=event)
