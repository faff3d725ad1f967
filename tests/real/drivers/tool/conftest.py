"""Twins that end with the test, and logs as they were before."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from drivers.tool.console import Language, never_ask, use_language
from drivers.tool.daemon import stay_offline
from simulators.boards.device import Device
from simulators.boards.knobs import Knobs
from tests.real.drivers.tool.twins import Twin

Plug = Callable[..., Twin]


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Commands set the language of their process, which here is the test's."""
    yield
    use_language(Language.EN)
    never_ask(never=False)
    stay_offline(offline=False)


@pytest.fixture
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units that are not there are waited for no longer than needed: for lines with one board, which is waited for."""
    monkeypatch.setattr("drivers.tool.lone_unit.PRESENT_WITHIN_S", 0.005)


@pytest.fixture
def plug(tmp_path: Path) -> Iterator[Plug]:
    """Plugs devices in at ``tmp_path / name``."""
    with ExitStack() as stack:

        def start(*devices: Device, name: str = "line", knobs: Knobs | None = None) -> Twin:
            return _started(stack, tmp_path / name, devices, knobs)

        yield start


def _started(stack: ExitStack, link: Path, devices: Sequence[Device], knobs: Knobs | None) -> Twin:
    twin = Twin(link, devices, knobs=knobs)
    stack.callback(twin.close)
    return twin
