"""Exits without a journal, when more codes come than can be served at once."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge import exits_only
from edge.boards import Boards
from edge.exits_only import SCANS_WAITING_MAX, ExitsOnly
from edge.vision.camera import Camera, Scan
from shell.clock import SystemClock
from tests.gate_world import config
from tests.waiting import until

pytestmark = pytest.mark.real


def test_whoever_finds_the_queue_of_the_exits_full_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again: list[str] = []
    seen: dict[str, Callable[[Scan], None]] = {}

    class Watched(Camera):
        def __init__(
            self, name: str, spec: str, on_scan: Callable[[Scan], None], *rest: Any, **more: Any
        ) -> None:
            super().__init__(name, spec, on_scan, *rest, **more)
            seen[name] = on_scan

        def look_again(self) -> None:
            again.append(self.name)

    monkeypatch.setattr(exits_only, "Camera", Watched)
    clock = SystemClock()
    ExitsOnly(config(tmp_path), clock)  # not run: nobody serves what waits
    assert set(seen) == {"exit"}
    for _ in range(SCANS_WAITING_MAX):
        seen["exit"](Scan(camera="exit", texts=("code",), at_s=clock.monotonic_s()))
    assert again == []
    for _ in range(2):
        seen["exit"](Scan(camera="exit", texts=("code",), at_s=clock.monotonic_s()))
    assert again == ["exit", "exit"]


def test_whoever_stands_at_an_exit_whose_board_took_nothing_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, again = threading.Event(), list[str]()
    seen: dict[str, Callable[[Scan], None]] = {}

    class Watched(Camera):
        def __init__(
            self, name: str, spec: str, on_scan: Callable[[Scan], None], *rest: Any, **more: Any
        ) -> None:
            super().__init__(name, spec, on_scan, *rest, **more)
            seen[name] = on_scan

        def look_again(self) -> None:
            again.append(self.name)
            stop.set()

    class Closed(Boards):
        """Boards whose lines end before anybody is served: they take nothing any more."""

        def start(self) -> None:
            super().start()
            self.close()

    monkeypatch.setattr(exits_only, "Camera", Watched)
    monkeypatch.setattr(exits_only, "Boards", Closed)
    clock = SystemClock()
    exits = ExitsOnly(config(tmp_path), clock)
    seen["exit"](Scan(camera="exit", texts=("code",), at_s=clock.monotonic_s()))
    thread = threading.Thread(target=exits.run, args=(stop, bool))
    thread.start()
    try:
        until(stop.is_set, what="another look")
    finally:
        stop.set()
        thread.join(10)
    assert again == ["exit"]
