"""A small file beside the journal that says how far it had come: what a file cannot tell of itself when it is missing.

It is written at opening and closing, and now and then between. Nothing hangs on it being there: without it only less
is noticed.
"""

import threading
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shell.file_reading import read_at_most
from shell.files import write_whole
from shell.logs import get_logger
from sync.messages import Hex16, Upto

log = get_logger("journal")

SUFFIX: Final = ".mark"
_BYTES_MAX: Final = 2000


class Mark(BaseModel):
    """What was true when it was written.

    Args:
        epoch, last, acked: Where the journal stood.
        is_open: A process had it open; it did not end in good order if that is still so.
        salvaging: The name under which a broken file lies whose rows are not all carried over yet.
        why: What was wrong with that one.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    v: Literal[1] = 1
    epoch: Hex16 | None = None
    last: Upto = 0
    acked: Upto = 0
    is_open: bool = False
    salvaging: Annotated[str, Field(pattern=r"^[\w.-]{1,100}$")] | None = None
    why: Annotated[str, Field(max_length=300)] = ""


class MarkFile:
    """The mark of the journal at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + SUFFIX)
        self._written: Mark | None = None
        self._lock = threading.Lock()

    def read(self) -> Mark:
        """What it says; an empty mark when there is none that can be read."""
        try:
            return Mark.model_validate_json(read_at_most(self._path, _BYTES_MAX))
        except FileNotFoundError:
            return Mark()
        except (OSError, ValidationError):
            log.warning("the journal's mark cannot be read", file=str(self._path))
            return Mark()

    def write(self, mark: Mark) -> None:
        """Replace it durably, if that changes anything; raises ``OSError``."""
        with self._lock:
            if mark != self._written:
                write_whole(self._path, mark.model_dump_json(exclude_none=True).encode())
                self._written = mark
