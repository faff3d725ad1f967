"""Virtual boards and buses that end with the test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from simulators.boards.pty_line import PtyLine
from tests.real.drivers.rig import Listener, Rig

Listen = Callable[[str, Path], Listener]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


@pytest.fixture
def line(tmp_path: Path) -> Iterator[PtyLine]:
    """A bare line on which the test itself plays the board."""
    line = PtyLine(tmp_path / "line")
    line.plug()
    yield line
    line.unplug()


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Starts buses that are closed at the end of the test."""
    with ExitStack() as stack:

        def start(protocol: str, path: Path) -> Listener:
            listener = Listener(protocol, path)
            stack.callback(listener.bus.close)
            return listener

        yield start
