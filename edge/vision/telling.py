"""Log lines of threads that must go on: a log that cannot be written (closed, full, gone) ends none of them."""

from contextlib import suppress
from typing import Any, Literal

from shell.logs import get_logger


def tell(
    part: str, level: Literal["info", "warning", "error", "exception"], event: str, **values: Any
) -> None:
    """Write one line, if it can be written."""
    with suppress(OSError, ValueError):  # ValueError is what Python says of a file that was closed
        getattr(get_logger(part), level)(event, **values)
