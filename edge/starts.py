"""Counts starts that never came to serving: what lies in the journal may end the gate each time that it is read.

Only starts of one boot of the machine count together: power cuts say nothing of the journal. Nor do starts that ended
because another process had the folder, the disk was full or the file too new: these are taken back.
"""

from pathlib import Path
from types import TracebackType
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.journal.errors import is_of_content
from edge.journal.salvage import Doubt
from shell.file_reading import read_at_most
from shell.files import write_whole
from shell.settings import SettingsError

FILE: Final = "starts"
_DOUBTS: Final = {
    2: Doubt.ROWS,
    5: Doubt.PEOPLE,
}  # by failed starts: the third does without what may have ended them
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_BYTES_MAX: Final = 1000


class _Count(BaseModel):
    model_config = ConfigDict(frozen=True)

    boot: Annotated[str, Field(max_length=100)] = ""
    failed: Annotated[int, Field(ge=0)] = 0


class Starts:
    """The count of one gate, in ``folder``. Where it cannot be kept nothing is doubted.

    As a context it takes back the start that ends in it for a reason which lies not in the file.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._before: int | None = None  # failed starts before this one, until it serves
        try:
            self._boot = _BOOT_ID.read_text("ascii").strip()
        except OSError:
            self._boot = ""

    def begin(self) -> Doubt:
        """One more start, which fails until ``serving``; returns how much of the journal is to be believed."""
        try:
            held = _Count.model_validate_json(read_at_most(self._path, _BYTES_MAX, follow=False))
        except (OSError, ValidationError):
            held = _Count()
        failed = self._before = held.failed if held.boot == self._boot else 0
        self._write(_Count(boot=self._boot, failed=failed + 1))
        return _DOUBTS.get(failed, Doubt.NONE)

    def serving(self) -> None:
        """This start has come so far that nothing in the journal can end it any more."""
        self._before = None
        self._write(_Count(boot=self._boot))

    def __enter__(self) -> None:
        """Nothing yet: ``begin`` counts."""

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        """Take the start back if nothing in the file can have ended it."""
        if error is None or self._before is None:
            return
        if isinstance(error, SettingsError) or not is_of_content(error):
            self._write(_Count(boot=self._boot, failed=self._before))

    def _write(self, count: _Count) -> None:
        try:
            write_whole(self._path, count.model_dump_json().encode())
        except OSError:
            return
