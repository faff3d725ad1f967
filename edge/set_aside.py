"""Rows that the journal will never take: kept in a file beside it, durably and readable, until a person has looked.

One line of JSON a row: what was to be recorded, with its own time, and why it could not be. Nothing reads them back by
itself; they are what a person needs to put right what the journal lacks.
"""

import json
import os
import reprlib
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from shell.logs import get_logger
from sync.messages import utc_text

log = get_logger("set-aside")

FILE: Final = "journal.refused.jsonl"
_REPR: Final = reprlib.Repr()
_REPR.maxother = 100_000


class SetAside:
    """The file in ``folder``, made with its first row.

    Args:
        folder: Where the journal is.
        now: The time.
    """

    def __init__(self, folder: Path, now: Callable[[], datetime]) -> None:
        self.path, self._now = folder / FILE, now

    def put(self, record: Callable[[], object], why: str) -> None:
        """Keep one row, durably; raises ``OSError``, and then it is not kept."""
        at = utc_text(self._now())
        try:
            line = _line({"set_aside_at": at, "why": why, "row": _described(record)})
        except Exception:  # what it was given is no data; whatever it is, it ends no gate
            log.exception("a row that is set aside has no plain form")
            line = _line({"set_aside_at": at, "why": why, "row": {"call": _shown(record)}})
        is_new = not self.path.exists()
        number = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if os.geteuid() == 0:
                owner = self.path.parent.stat()
                os.fchown(number, owner.st_uid, owner.st_gid)
            held = os.fstat(number).st_size
            try:
                _write_all(number, line)
                os.fsync(number)
            except OSError:
                os.ftruncate(number, held)  # a half of it would spoil the next
                raise
        finally:
            os.close(number)
        if is_new:
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _line(row: dict[str, Any]) -> bytes:
    """In ASCII, for the text that could not be recorded may be one that no encoding takes."""
    return json.dumps(row, default=_plain, ensure_ascii=True).encode("ascii") + b"\n"


def _write_all(number: int, data: bytes) -> None:
    while data:
        data = data[os.write(number, data) :]


def _described(record: Callable[[], object]) -> dict[str, Any]:
    """Which function was to record it, and what it was given."""
    if not isinstance(record, partial):
        return {"call": getattr(record, "__qualname__", None) or _shown(record)}
    return {"call": record.func.__qualname__, "args": record.args, **record.keywords}


def _plain(value: object) -> object:
    match value:
        case BaseModel():
            return value.model_dump(mode="json", exclude_none=True, warnings=False)
        case datetime():
            return utc_text(value)
        case Enum():
            return value.value
        case bytes():
            return value.hex()
        case _:
            return _shown(value)


def _shown(value: object) -> str:
    """Its ``repr``, or its type where that raises."""
    return _REPR.repr_instance(value, 1)
