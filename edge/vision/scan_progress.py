"""How far a scan is, on stderr while a person watches; lines of data on the same terminal go around it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from shell.text import visible

NAME_COLUMNS: Final = 28
REFRESH_S: Final = 0.1
_ERASE_LINE: Final = "\r\x1b[2K"


class Progressing(Protocol):
    """Told how far it is, and when something else is about to be written."""

    def tell(self, done: int, total: int, name: str) -> None:
        """So many lines are done, of so many; ``name`` is what is read."""

    def write(self, put: Callable[[], None]) -> None:
        """Call ``put``, which writes to the same terminal."""


class Silent:
    """For pipes and logs: nothing is shown."""

    def tell(self, done: int, total: int, name: str) -> None:
        """Nobody watches."""

    def write(self, put: Callable[[], None]) -> None:
        """Nothing is in the way."""
        put()


class Bar:
    """One line at the foot of a terminal, drawn by the caller's thread alone.

    Args:
        console: On stderr.
        now_s: Monotonic seconds.
    """

    def __init__(self, console: Console, now_s: Callable[[], float]) -> None:
        self._console, self._now_s = console, now_s
        self._drawn_s = float("-inf")
        self._progress = Progress(
            TextColumn("{task.fields[name]}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task("", total=None, name="")

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show it until the block ends; nothing of it stays."""
        self._progress.start()
        try:
            yield
        finally:
            self._progress.stop()

    def tell(self, done: int, total: int, name: str) -> None:
        """So many lines are done, of so many; drawn ten times a second at most."""
        self._progress.update(self._task, completed=done, total=total, name=_short(name))
        if self._now_s() - self._drawn_s >= REFRESH_S or done == total:
            self._drawn_s = self._now_s()
            self._progress.refresh()

    def write(self, put: Callable[[], None]) -> None:
        """Take the bar away, let ``put`` write, and draw it again at the next turn."""
        self._console.file.write(_ERASE_LINE)
        self._console.file.flush()
        put()
        self._drawn_s = float("-inf")


def _short(name: str) -> str:
    plain = visible(name)
    return plain if len(plain) <= NAME_COLUMNS else f"…{plain[1 - NAME_COLUMNS :]}"
