"""A program tells systemd that it is alive, over a real datagram socket."""

import socket
from pathlib import Path

import pytest

from shell.systemd import ALIVE_EVERY_S, Systemd
from tests.ticking import HandClock


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_it_says_that_it_is_alive_once_a_second_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, abstract: bool
) -> None:
    path, clock = str(tmp_path / "notify"), HandClock()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as systemd:
        systemd.bind("\0" + path if abstract else path)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + path if abstract else path)
        watchdog = Systemd(clock.monotonic_s)
        for _ in range(3):
            watchdog.alive()
        assert systemd.recv(100) == b"WATCHDOG=1"
        with pytest.raises(BlockingIOError):
            systemd.recv(100)
        clock.advance(ALIVE_EVERY_S)
        watchdog.alive()
        assert systemd.recv(100) == b"WATCHDOG=1"


def test_without_systemd_or_with_one_that_went_nothing_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    clock = HandClock()
    Systemd(clock.monotonic_s).alive()
    path = tmp_path / "notify"
    gone = Systemd(clock.monotonic_s, str(path))
    gone.alive()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as systemd:
        systemd.bind(str(path))
        clock.advance(ALIVE_EVERY_S)
        gone.alive()
        assert systemd.recv(100) == b"WATCHDOG=1"
