"""The centre's database: opened, checked, brought up to date, and used one transaction at a time.

On SQLite the centre is one process with one connection in exclusive locking: a second centre on the same file is
refused at its start instead of corrupting the day. Whoever wants figures meanwhile asks the running centre.

    StoreError
    └── StoreBusyError    another process holds the file
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool

BUSY_WAIT_MS: Final = 1_000
# TRUNCATE with FULL lost nothing in 40 power cuts and 7,362 modelled ones; WAL needs SQLite 3.51.3 or later.
PRAGMAS: Final = {
    "locking_mode": "exclusive",
    "journal_mode": "truncate",
    "synchronous": 2,
    "foreign_keys": 1,
    "secure_delete": 1,
    "cache_size": -65_536,  # KiB: a transaction that does not fit is written twice
}


class StoreError(Exception):
    """The database cannot be used; the message names the file and what to do."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"Database {path}: {problem}")
        self.path = path


class StoreBusyError(StoreError):
    """Another process has the database open."""


class Store:
    """One open database. ``transaction`` is the only door to it, for every thread alike."""

    def __init__(self, path: Path) -> None:
        """Open the file, creating it and its folder when missing, and run the migrations.

        Raises:
            StoreError: Not a database, not writable, newer than this program, or weaker than asked.
            StoreBusyError: Another centre runs on this file.
        """
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._closed = False
        self._engine = _engine(path)
        try:
            with self.transaction() as connection:
                _migrate(connection)
            self._check_pragmas()
        except DatabaseError as error:
            self._engine.dispose()
            raise _explained(path, error) from error
        except CommandError as error:
            self._engine.dispose()
            raise StoreError(path, f"{error}. It was written by a newer version: install that one") from error
        except BaseException:
            self._engine.dispose()
            raise

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A write transaction that commits when the block ends and rolls back when it raises.

        Blocks of different threads take turns, so nothing slow (a network call, a page) belongs inside.
        """
        with self._lock:
            if self._closed:
                raise StoreError(self.path, "is closed")
            with self._engine.begin() as connection:
                yield connection

    def close(self) -> None:
        """Close the file; waits for a transaction that is under way."""
        with self._lock:
            self._closed = True
            self._engine.dispose()

    def _check_pragmas(self) -> None:
        """A changed build must not weaken the store silently."""
        with self._lock, self._engine.connect() as connection:
            for name, wanted in PRAGMAS.items():
                found = connection.execute(text(f"pragma {name}")).scalar_one()
                if found != wanted:
                    raise StoreError(self.path, f"{name} is {found!r} and not {wanted!r} in this SQLite")


def _engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=StaticPool,
        hide_parameters=True,  # an error in a log names the statement, never the numbers and names in it
        connect_args={"check_same_thread": False, "timeout": BUSY_WAIT_MS / 1000},
    )

    @event.listens_for(engine, "connect")
    def _set_pragmas(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not guessed by the module
        try:
            for name, value in PRAGMAS.items():
                connection.execute(f"pragma {name} = {value}").close()
        except BaseException:
            connection.close()
            raise

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("begin immediate")

    return engine


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "controller:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _explained(path: Path, error: DatabaseError) -> StoreError:
    said = str(error.orig)
    if "locked" in said or "busy" in said:
        return StoreBusyError(
            path, "another process has it open. One centre runs on one file: stop the other one first"
        )
    if "not a database" in said or "malformed" in said:
        return StoreError(path, f"{said}. Set the file aside and restore a backup; it was not touched")
    return StoreError(path, said)
