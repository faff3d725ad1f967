"""Memory of a size that nobody can change."""

import mmap
import os
from collections.abc import Iterator
from contextlib import closing

import pytest

from edge.vision.shared_memory import AreaError, SharedArea, attach

SIZE = 3 * mmap.PAGESIZE


@pytest.fixture
def area() -> Iterator[SharedArea]:
    with closing(SharedArea("area", SIZE)) as made:
        yield made


def test_both_sides_see_the_same_bytes(area: SharedArea) -> None:
    there = attach(os.dup(area.fileno()), writable=True)
    assert area.put(b"to the child") == 12
    assert there[:12] == b"to the child"
    there[-5:] = b"there"
    assert area.take(SIZE)[-5:] == b"there"
    assert area.put(memoryview(bytes(SIZE)).cast("B", shape=[3, mmap.PAGESIZE])) == SIZE
    assert area.put(b"") == 0
    there.close()


def test_a_reader_cannot_write(area: SharedArea) -> None:
    there = attach(os.dup(area.fileno()), writable=False)
    with pytest.raises(TypeError):
        there[:1] = b"x"
    there.close()


def test_nobody_can_change_the_size(area: SharedArea) -> None:
    for size in (0, SIZE - 1, SIZE + 1):
        with pytest.raises(PermissionError):
            os.ftruncate(area.fileno(), size)
    assert area.take(SIZE) == bytes(SIZE)


def test_what_does_not_fit_is_refused(area: SharedArea) -> None:
    with pytest.raises(AreaError, match="limit"):
        area.put(bytes(SIZE + 1))
    with pytest.raises(AreaError, match="one piece"):
        area.put(memoryview(bytes(100))[::2])
    for length in (-1, SIZE + 1):
        with pytest.raises(AreaError):
            area.take(length)


def test_memory_of_a_size_that_may_change_is_not_touched() -> None:
    fd = os.memfd_create("unsealed", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, SIZE)
    with pytest.raises(AreaError, match="may still change"):
        attach(fd, writable=False)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)  # and is given back
