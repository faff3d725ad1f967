"""Child processes and stopping: children die with their parent, signals become one event to wait on."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
STOP_WITHIN_S: Final = 5.0


_STOPS: Final = (signal.SIGINT, signal.SIGTERM)


def stop_event() -> threading.Event:
    """An event that SIGINT and SIGTERM set; call from the main thread, once.

    A handler that set it itself would wait for ever for a lock that the main thread holds where it was interrupted: two
    signals close behind each other were enough. So a byte in a pipe wakes a thread, and that one sets the event; the
    handler has the rest ignored, or one that comes when Python has put its handlers away would end a clean stop.
    """
    stop = threading.Event()
    told, tells = os.pipe()
    os.set_blocking(tells, False)  # a full pipe has said it already
    for number in _STOPS:
        signal.signal(number, _ignore_the_rest)
    signal.set_wakeup_fd(tells, warn_on_full_buffer=False)
    threading.Thread(target=_wait_for_signals, args=(told, stop), name="stop-signals", daemon=True).start()
    return stop


def _ignore_the_rest(*_: object) -> None:
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN)


def _wait_for_signals(told: int, stop: threading.Event) -> None:
    while numbers := os.read(told, 64):  # of every signal that has a handler
        if not {*numbers}.isdisjoint(_STOPS):
            stop.set()


def die_with_parent() -> None:
    """Ask the kernel to send this process SIGTERM when the thread that started it ends (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


class Child:
    """One child process in its own session, so that a terminal's Ctrl-C reaches only the parent.

    Start it from a thread that lives as long as the child should: the kernel ties the child to that thread.

    Args:
        argv: Program and arguments; never a shell line.
        log_path: File that gets the child's stdout and stderr, or None to share the parent's.
        env: Whole environment of the child, or None for the parent's.
    """

    def __init__(
        self, argv: Sequence[str], *, log_path: Path | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        self.argv = list(argv)
        sink = log_path.open("ab") if log_path else None
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "shell.exec_child", str(os.getpid()), *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=None if env is None else dict(env),
                start_new_session=True,
            )
        finally:
            if sink:
                sink.close()

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self.process.pid

    def running(self) -> bool:
        """Whether the child still runs."""
        return self.process.poll() is None

    def stop(self, within_s: float = STOP_WITHIN_S) -> int:
        """Ask the child to stop, kill it when it does not; returns its exit status."""
        if self.running():
            self.process.terminate()
            try:
                self.process.wait(within_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()

    def kill(self) -> int:
        """Kill the child at once (SIGKILL), as a power cut would; returns its exit status."""
        self.process.kill()
        return self.process.wait()
