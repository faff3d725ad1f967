"""Where the journal stands: its epoch, its newest row, and how far receipts and deletion have come."""

import json
import os

import apsw

from edge.journal.rows import GENESIS
from edge.journal.store import Store


class Position:
    """Read once from the file, and kept beside it from then on. The store's lock is held where it changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.facts: dict[str, str] = {str(key): str(value) for key, value in store.read("select * from meta")}
        self.epoch = self.facts.get("epoch", "")
        self.head, self.last, self.earlier_rows = GENESIS, 0, 0
        self.acked, self.pruned_to = (int(self.facts.get(name, "0")) for name in ("acked", "pruned_to"))
        if not self.epoch:
            self.epoch = new_id()
            self.put_facts(epoch=self.epoch)
            return
        self.last = self.pruned_to
        newest = store.read(
            "select seq, body from event where epoch = ? order by seq desc limit 1", (self.epoch,)
        )
        if newest:
            self.last, self.head = newest[0][0], json.loads(newest[0][1])["hash"]
        self.count_earlier()

    @property
    def rows(self) -> int:
        """How many rows the file holds."""
        return self.last - self.pruned_to + self.earlier_rows

    @property
    def receipted_rows(self) -> int:
        """How many of them the centre has, or has under another number."""
        return self.acked - self.pruned_to + self.earlier_rows

    def count_earlier(self) -> None:
        """Count the rows of earlier epochs."""
        found = self._store.read(
            "select (select count(*) from event where epoch < ?) + (select count(*) from event where epoch > ?)",
            (self.epoch, self.epoch),
        )
        self.earlier_rows = found[0][0]

    def put(self, *, acked: int) -> None:
        """Move the centre's receipt, durably."""
        with self._store.writing("a receipt was not noted") as db:
            put_meta(db, acked=str(acked))
        self.acked = acked

    def put_facts(self, **facts: str) -> None:
        """Keep other figures, durably; nothing is written when they are known."""
        if all(self.facts.get(name) == value for name, value in facts.items()):
            return
        with self._store.writing(f"{', '.join(facts)} could not be written") as db:
            put_meta(db, **facts)
        self.facts |= facts


def put_meta(db: apsw.Connection, **values: str) -> None:
    """Keep figures, inside somebody's transaction."""
    db.executemany("insert or replace into meta values (?, ?)", list(values.items()))


def new_id() -> str:
    """16 random hexadecimal digits."""
    return os.urandom(8).hex()
