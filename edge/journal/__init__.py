"""The gate's journal: every event durable before anything acts on it, chained, numbered without holes.

One SQLite file, one process, one connection (through apsw, whose bundled SQLite is free of the WAL-reset race), WAL
with ``synchronous=FULL``. The journal is also the outbox: a row leaves it only by the centre's own receipt, and stays
for seven days after that. What the rows mean for passes and people is ``edge.standing``'s part; it hands its changes
in, so that an event and what follows from it are one transaction. ``docs/journal.md`` tells what lies in the folder,
and what happens when the disk is full or the file is broken.
"""

from edge.journal.errors import (
    JournalBusyError,
    JournalError,
    JournalFullError,
    JournalLostError,
    JournalNewerError,
    RowError,
)
from edge.journal.journal import Change, Journal
from edge.journal.opening import demand_usable
from edge.journal.rows import GENESIS, Recorded, chain_hash

__all__ = [
    "GENESIS",
    "Change",
    "Journal",
    "JournalBusyError",
    "JournalError",
    "JournalFullError",
    "JournalLostError",
    "JournalNewerError",
    "Recorded",
    "RowError",
    "chain_hash",
    "demand_usable",
]
