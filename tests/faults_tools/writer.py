"""A process that writes until it is stopped, and says of each write that it is durable: what the campaigns kill.

``python -m tests.faults_tools.writer FOLDER ROLE TURNS`` says one line of JSON a write, and before the first that it
is ready.
"""

import json
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from edge.journal import Journal, JournalError
from shell.files import write_whole
from tests.faults_tools.lives import Life, Said
from tests.ticking import HandClock

SETTINGS: Final = "settings"
SETTINGS_BYTES: Final = 6000  # more than a page, so that half of it can be missing
_PER_PASS: Final = 100
DISK: Final = os.environ.get("POSTERN_CUT_DISK", "")  # the root of a disk whose power will be cut


def say(*words: Any) -> None:
    """One line, by a call that no campaign injects anything into, while the disk has power.

    The kernel takes about 10 ms over switching the disk off. A sync that overlaps with that may find its pages gone
    and succeed all the same; on a real plug the process would have ended before it could say so.
    """
    if DISK:
        try:
            os.fsync(_folder_of(DISK))
        except OSError:
            os._exit(4)
    os.writev(1, [json.dumps(words).encode() + b"\n"])


@cache
def _folder_of(disk: str) -> int:
    return os.open(disk, os.O_RDONLY | os.O_DIRECTORY)


def rows(folder: Path, turns: int) -> None:
    """Visitors come and go; now and then the centre's receipt arrives."""
    clock = HandClock()
    journal = Journal(folder, clock)
    life = Life(journal, clock, tell, first=journal.last_seq() * _PER_PASS)
    for turn in range(turns):
        life.visitor()
        if turn % 7 == 6:
            life.receipt(journal.last_seq() - 2)
    journal.close()


def prune(folder: Path, turns: int) -> None:
    """Receipted rows go after their time."""
    clock = HandClock()
    journal = Journal(folder, clock)
    life = Life(journal, clock, tell, first=journal.last_seq() * _PER_PASS)
    for _ in range(turns):
        life.rows(12)
        life.receipt(journal.last_seq() - 3)
        clock.advance(timedelta(days=8).total_seconds())
        life.week_passes()
        life.rows(2)
    journal.close()


def insist(folder: Path, turns: int) -> None:
    """As ``rows``, and after an error it goes on with the same journal, as no gate should."""
    clock = HandClock()
    journal = Journal(folder, clock)
    life = Life(journal, clock, tell, first=journal.last_seq() * _PER_PASS)
    for _ in range(turns):
        try:
            life.visitor()
        except JournalError as error:
            say("error", type(error).__name__, str(error))
    journal.close()


def backup(folder: Path, turns: int) -> None:
    """Copies of the journal are made while it goes on."""
    clock = HandClock()
    journal = Journal(folder, clock)
    life = Life(journal, clock, tell, first=journal.last_seq() * _PER_PASS)
    for turn in range(turns):
        life.rows(2)
        name = f"copy{journal.last_seq()}-{turn}"
        journal.backup(folder / name)
        say("copied", name)
    journal.close()


def settings(folder: Path, turns: int) -> None:
    """A file is replaced again and again; each of its contents is of one letter."""
    for turn in range(turns):
        write_whole(folder / SETTINGS, content(turn))
        say("settings", turn)


def content(turn: int) -> bytes:
    """What the settings file holds after this turn."""
    return bytes([ord("a") + turn % 26]) * (SETTINGS_BYTES + turn)


ROLES: Final[dict[str, Callable[[Path, int], None]]] = {
    "rows": rows,
    "prune": prune,
    "insist": insist,
    "backup": backup,
    "settings": settings,
}


def tell(said: Said) -> None:
    """Say it in a form that ``sayings`` reads back."""
    say(type(said).__name__, *said)


def play(folder: Path, role: str, turns: int) -> int:
    """Play one role; the exit code is 0 when it came to its end, and 3 when the disk would not take it."""
    try:
        ROLES[role](folder, turns)
    except (JournalError, OSError) as error:
        say("error", type(error).__name__, str(error))
        return 3
    return 0


if __name__ == "__main__":
    say("ready")
    where, what, limit = sys.argv[1:]
    sys.exit(play(Path(where), what, int(limit)))
