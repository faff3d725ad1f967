"""Which commands of the centre this gate has begun, and what came of them.

A command is claimed in the transaction of the row that comes before its deed, so a copy finds either nothing done and
nothing claimed, or its answer. The newest are kept in the journal's file by their number; the highest says which
numbers are used up.
"""

from datetime import datetime
from typing import Annotated, Final, Literal

import apsw
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from edge.journal import Change, Journal, Recorded
from sync.commands import Command, CommandResult

KEPT: Final = 256
_KEY: Final = "command:"
_AFTER: Final = "command;"  # the first key behind all of them
_BLOCKED: Final = "blocked:"
_BLOCKED_AFTER: Final = "blocked;"
_FREED: Final = "freed"


class Entry(BaseModel):
    """One command as it is kept; ``begun`` while nothing is known of its end."""

    model_config = ConfigDict(frozen=True)

    id: str
    cseq: Annotated[int, Field(ge=1)]
    op: str
    lane: str | None = None
    by: str
    reason: str
    state: Literal["begun", "done", "refused", "expired", "unknown"]
    why: str | None = None
    detail: str = ""
    at: AwareDatetime

    @classmethod
    def of(cls, command: Command, at: datetime) -> "Entry":
        """A command that begins now."""
        return cls(
            id=command.id,
            cseq=command.cseq,
            op=command.op,
            by=command.by,
            reason=command.reason,
            state="begun",
            at=at,
        )

    def result(self, site: int, gate: str) -> CommandResult:
        """What the centre is told."""
        assert self.state != "begun"
        return CommandResult(
            id=self.id,
            cseq=self.cseq,
            site=site,
            gate=gate,
            op=self.op,
            state=self.state,
            why=self.why,
            detail=self.detail,
            at=self.at,
        )


class Ledger:
    """The commands in one journal. Not thread-safe: the deciding thread owns it.

    Args:
        journal: Where they are; each method raises ``JournalError`` as that does.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def highest(self) -> int:
        """The highest number that was begun; 0 for none."""
        query = "select max(key) from meta where key > ? and key < ?"
        newest = self._journal.read(query, (_KEY, _AFTER))[0][0]
        return 0 if newest is None else int(newest.removeprefix(_KEY))

    def find(self, cseq: int) -> Entry | None:
        """The command with this number, where it is still kept."""
        rows = self._journal.read("select value from meta where key = ?", (_key(cseq),))
        return _read(rows[0][0]) if rows else None

    def begun(self) -> list[Entry]:
        """Commands of which nobody knows how they ended, the oldest first."""
        rows = self._journal.read(
            "select value from meta where key > ? and key < ? and value like '%\"begun\"%' order by key",
            (_KEY, _AFTER),
        )
        return [entry for (text,) in rows if (entry := _read(text)) is not None and entry.state == "begun"]

    def put(self, entry: Entry) -> Change:
        """The change that keeps a command as it is now, in the transaction of an event."""

        def change(db: apsw.Connection, _: Recorded) -> None:
            _write(db, _key(entry.cseq), entry.model_dump_json())
            db.execute(
                "delete from meta where key > ? and key < ? and key not in"
                " (select key from meta where key > ? and key < ? order by key desc limit ?)",
                (_KEY, _AFTER, _KEY, _AFTER, KEPT),
            )

        return change

    def put_and_block(self, entry: Entry, lane: str, *, blocked: bool) -> Change:
        """As ``put``; with it a lane is blocked, or no longer."""
        put = self.put(entry)

        def change(db: apsw.Connection, recorded: Recorded) -> None:
            put(db, recorded)
            if blocked:
                _write(db, _BLOCKED + lane, entry.id)
            else:
                db.execute("delete from meta where key = ?", (_BLOCKED + lane,))

        return change

    def put_and_free(self, entry: Entry) -> Change:
        """As ``put``; with it all lanes are held open, also after a restart."""
        put = self.put(entry)

        def change(db: apsw.Connection, recorded: Recorded) -> None:
            put(db, recorded)
            _write(db, _FREED, entry.id)

        return change

    def freed(self) -> bool:
        """Whether all lanes are held open by a command."""
        return bool(self._journal.read("select 1 from meta where key = ?", (_FREED,)))

    def no_longer_freed(self) -> None:
        """Somebody has reset it."""
        self._journal.forget("delete from meta where key = ?", (_FREED,))

    def blocked(self) -> list[str]:
        """Lanes that are blocked."""
        rows = self._journal.read(
            "select key from meta where key > ? and key < ?", (_BLOCKED, _BLOCKED_AFTER)
        )
        return [key.removeprefix(_BLOCKED) for (key,) in rows]


def _key(cseq: int) -> str:
    return f"{_KEY}{cseq:016d}"  # 2**53 has 16 digits: they sort as numbers


def _write(db: apsw.Connection, key: str, value: str) -> None:
    db.execute("insert or replace into meta values (?, ?)", (key, value))


def _read(text: str) -> Entry | None:
    try:
        return Entry.model_validate_json(text)
    except ValidationError:
        return None  # of another version: its number is used up all the same
