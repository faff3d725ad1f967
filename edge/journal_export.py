"""Rows of a journal as people and programs take them: JSON lines, and CSV that no spreadsheet executes."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, Final

from edge.journal.reading import Found
from shell.logs import mask_typed

_PERSONAL: Final = ("pass_id", "person")
_TYPED: Final = ("by", "reason", "detail")
_TAIL: Final = 4
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
OF_ROW: Final = ("epoch", "seq", "at", "kind", "trust", "id")
OF_DATA: Final = (
    "lane",
    "direction",
    "outcome",
    "reason",
    "category",
    "unit",
    "purpose",
    "pass_id",
    "person",
    "stay_id",
    "entered_at",
    "due_at",
    "by",
    "device",
    "state",
    "detail",
)


class Format(StrEnum):
    """What a file of rows may be."""

    CSV = "csv"
    JSONL = "jsonl"


def as_event(found: Found, *, masked: bool) -> dict[str, Any]:
    """One row with its epoch. Masked: of passes and persons four digits stay, and of numbers that somebody typed."""
    if found.row is None:
        return {"epoch": found.epoch, "seq": found.seq, "kind": "unreadable", "data": {}}
    data = found.row.get("data")
    data = dict(data) if isinstance(data, dict) else {}
    if masked:
        data |= {name: f"…{str(data[name])[-_TAIL:]}" for name in _PERSONAL if data.get(name)}
        data |= {name: mask_typed(str(data[name])) for name in _TYPED if data.get(name)}
    return {"epoch": found.epoch, **found.row, "data": data}


def lines(rows: Iterable[Found], form: Format, *, masked: bool) -> Iterator[str]:
    """The file, line by line, without line ends."""
    events = (as_event(found, masked=masked) for found in rows)
    if form is Format.JSONL:
        yield from (json.dumps(event, ensure_ascii=False, sort_keys=True) for event in events)
        return
    yield _csv((*OF_ROW, *OF_DATA))
    for event in events:
        yield _csv([*(event.get(name) for name in OF_ROW), *(event["data"].get(name) for name in OF_DATA)])


def harmless(value: object) -> str:
    """A cell that every spreadsheet takes for a text or a number."""
    if value is None:
        return ""
    text = str(value).replace("\r", " ").replace("\n", " ")
    if isinstance(value, int | float):
        return text
    return f"'{text}" if text.startswith(_FORMULAS) else text


def _csv(cells: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([harmless(cell) for cell in cells])
    return line.getvalue()
