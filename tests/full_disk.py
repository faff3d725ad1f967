"""A disk that is full: no file of this process grows beyond a limit while the context lasts."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def room_for(file_bytes: int) -> Iterator[None]:
    """Writing more than this into any one file fails with ``OSError``, after what had room was written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
