"""Reading what a gate sent: a batch becomes rows, and each event stands for itself, so one bad one stops nothing.

A centre that takes back a hundred thousand events reads them here. So a batch of the spelling that gates use is cut
into its events where they stand, and each event's text is kept as it came. Whatever is spelled otherwise, or has
anything odd in it, is read in the slow and thorough way; both give the same rows.
"""

import json
import re
from dataclasses import dataclass
from json.scanner import make_scanner
from typing import Any, Final, NamedTuple, NoReturn

from pydantic import TypeAdapter, ValidationError

from sync.messages import BATCH_EVENTS_MAX, EVENT_BYTES_MAX, Batch, Event
from sync.topics import GateTopic

UNWRITABLE: Final = "(a value that JSON cannot hold)"
EVENT_CHARS_SURE: Final = EVENT_BYTES_MAX // 4  # so many characters never have more bytes than are allowed


class ReceivedRow(NamedTuple):
    """One event of a batch. A poison row has ``why`` and no ``event``; it counts as applied all the same."""

    seq: int
    text: str  # JSON, as it came or compact
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
    events = _cut(payload)
    try:
        if events is None:
            batch = Batch.model_validate_json(payload)
        else:
            batch = Batch.model_validate_json(payload[: events.begin] + b"[]}")
    except ValidationError as error:
        raise UnreadableError(explain(error)) from error
    check_origin(topic, site=batch.site, gate=batch.gate)
    count = len(batch.events) if events is None else len(events.texts)
    if not count or batch.last - batch.first + 1 != count:
        raise UnreadableError(f"rows {batch.first} to {batch.last} do not fit {count} events")
    return ReceivedBatch(
        site=batch.site,
        gate=batch.gate,
        epoch=batch.epoch,
        first=batch.first,
        last=batch.last,
        hist=batch.hist,
        rows=tuple(_rows_of(batch) if events is None else _rows_cut(batch.first, events)),
    )


@dataclass(frozen=True, slots=True)
class _Cut:
    """The events of one payload: where their list begins (a place in bytes), what they are, and their texts."""

    begin: int
    values: list[Any]
    texts: list[str]


_FRAME: Final = re.compile(
    r'{"v":\d{1,9},"gate":"[a-z0-9-]{1,32}","site":-?\d{1,9},"epoch":"[0-9a-f]{16}","first":\d{1,16},"last":\d{1,16},'
    r'"hist":(?:true|false),"events":(?=\[)'
)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


# typeshed takes the scanner for its own argument
_SCAN: Final = make_scanner(json.JSONDecoder(parse_constant=_refuse))  # type: ignore[arg-type]
_EVENTS: Final = TypeAdapter(list[Event])


def _cut(payload: bytes) -> _Cut | None:
    """The events of a payload in the usual spelling; None for any other, and for whatever might not be stored."""
    if b"\\u" in payload:  # half a surrogate pair cannot be written again
        return None
    try:
        text = payload.decode()
        frame = _FRAME.match(text)
        if frame is None:
            return None
        place = frame.end() + 1
        values: list[Any] = []
        texts: list[str] = []
        while len(values) < BATCH_EVENTS_MAX:
            value, end = _SCAN(text, place)
            values.append(value)
            texts.append(text[place:end])
            place = end + 1
            if text[end] != ",":
                return _Cut(frame.end(), values, texts) if text[end:] == "]}" else None
    except (ValueError, RecursionError, StopIteration, IndexError):
        pass
    return None


def _rows_cut(first: int, cut: _Cut) -> list[ReceivedRow]:
    try:
        events = _EVENTS.validate_python(cut.values)
    except ValidationError:
        return [
            _judge(first + place, value, text)
            for place, (value, text) in enumerate(zip(cut.values, cut.texts, strict=True))
        ]
    return [
        ReceivedRow(seq, text, event)
        if event.seq == seq and len(text) <= EVENT_CHARS_SURE
        else _judge(seq, value, text)
        for seq, (event, value, text) in enumerate(
            zip(events, cut.values, cut.texts, strict=True), start=first
        )
    ]


def _rows_of(batch: Batch) -> list[ReceivedRow]:
    return [_row(batch.first + place, raw) for place, raw in enumerate(batch.events)]


def _row(seq: int, raw: Any) -> ReceivedRow:
    try:
        text = json.dumps(raw, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        text.encode()
    except (ValueError, RecursionError):  # NaN, half a surrogate pair, an integer of 5,000 digits
        return ReceivedRow(seq=seq, text=json.dumps(UNWRITABLE), event=None, why="cannot be written as JSON")
    return _judge(seq, raw, text)


def _judge(seq: int, raw: Any, text: str) -> ReceivedRow:
    size = len(text.encode())
    if size > EVENT_BYTES_MAX:
        return ReceivedRow(seq=seq, text=text, event=None, why=f"{size} bytes, more than {EVENT_BYTES_MAX}")
    try:
        event = Event.model_validate(raw)
    except ValidationError as error:
        return ReceivedRow(seq=seq, text=text, event=None, why=explain(error))
    if event.seq != seq:
        return ReceivedRow(seq=seq, text=text, event=None, why=f"says seq {event.seq} in the place of {seq}")
    return ReceivedRow(seq=seq, text=text, event=event)
