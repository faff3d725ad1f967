"""The daemon's side of the nursery: asks it for children, and starts another when it is gone.

The processes that look at pictures are forked by a helper with one thread (decision 0017), so that one is ready
within milliseconds and without the daemon's memory, threads and descriptors. Each is held by a pidfd: a kill
can never reach another process that got the same number.

NurseryError    no child can be had now; another try may help
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from edge.vision.nursery_messages import NurseryPacketError, close_all, receive, send
from edge.vision.telling import tell
from shell.clock import Clock

# What each kind of child runs: ``function(fds, options)``. No other kind can be asked for.
KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {"eye": "edge.vision.eye_process:main", "capture": "edge.vision.capture_process:main"}
)
FORK_WITHIN_S: Final = 0.5  # a fork takes milliseconds; a loaded machine has this long
BUSY_WITHIN_S: Final = 0.2  # forks of others take milliseconds, unless the nursery is starting or hangs
START_WITHIN_S: Final = 20.0  # importing takes half a second; a cold disk on a small machine much more
END_WITHIN_S: Final = 0.5
_CPU_CLOCK: Final = 2  # CPUCLOCK_SCHED of the whole process, linux/posix-timers.h


class NurseryError(OSError):
    """No child now; the message says why."""


class Forked:
    """One child process, held by descriptor. Methods may be called from any thread, not after ``close``."""

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid = pid
        self._pidfd = pidfd

    def kill(self) -> None:
        """Kill exactly this process, also when it is stopped; nothing happens when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def cpu_s(self) -> float:
        """Processor time that it has used, in seconds; 0 when it has ended and is gone.

        For limits only: the number may be another process's by then, whose time says nothing.
        """
        try:
            return time.clock_gettime(~self.pid << 3 | _CPU_CLOCK)
        except OSError:
            return 0.0

    def ended(self, within_s: float = 0.0) -> bool:
        """Whether it has ended, waiting at most ``within_s`` for that."""
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(within_s * 1000))

    def close(self) -> None:
        """Let go of it; a process that still runs is killed."""
        self.kill()
        os.close(self._pidfd)


class Nursery:
    """Children on request, by kind.

    Args:
        clock: For deadlines.
        kinds: Kind -> ``module:function``, for tests that bring children of their own.
    """

    def __init__(self, clock: Clock, kinds: Mapping[str, str] = KINDS) -> None:
        self._clock = clock
        self._kinds = dict(kinds)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._link: socket.socket | None = None
        self._ready = False
        self._started_s = 0.0
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Process id of the nursery, None when there is none now."""
        process = self._process
        return None if process is None else process.pid

    def start(self) -> None:
        """Begin; returns at once. The first request would do it too, and wait longer."""
        with self._lock:
            self._have_process()

    def fork(self, kind: str, fds: Sequence[int], options: Mapping[str, Any] | None = None) -> Forked:
        """Have a child made.

        Args:
            kind: Which, of the kinds of this nursery.
            fds: What it inherits; they stay open here.
            options: Plain values for it.

        Raises:
            NurseryError: None can be had: unknown kind, the nursery is still starting, or it had to be replaced.
        """
        if not self._lock.acquire(timeout=BUSY_WITHIN_S):
            raise NurseryError("the nursery is busy with somebody else")
        try:
            return self._ask(self._have_process(), kind, fds, options or {})
        except NurseryError:
            raise
        except (OSError, NurseryPacketError) as error:
            self._end_process(within_s=0.0)
            raise NurseryError(f"the nursery is replaced: {error or type(error).__name__}") from error
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the nursery and all its children; at once."""
        with self._lock:
            self._closed = True
            self._end_process(within_s=END_WITHIN_S)

    def _ask(self, link: socket.socket, kind: str, fds: Sequence[int], options: Mapping[str, Any]) -> Forked:
        self._wait_until_ready(link)
        link.settimeout(FORK_WITHIN_S)
        send(link, {"kind": kind, "options": options}, fds)
        message, pidfds = _received(link)
        if "error" in message:
            close_all(pidfds)
            raise NurseryError(f"no child of kind {kind!r}: {message['error']}")
        if len(pidfds) != 1:
            close_all(pidfds)
            raise NurseryPacketError(f"{len(pidfds)} descriptors for one child")
        return Forked(int(message["pid"]), pidfds[0])

    def _wait_until_ready(self, link: socket.socket) -> None:
        if self._ready:
            return
        link.settimeout(FORK_WITHIN_S)
        try:
            message, _ = _received(link)
        except TimeoutError:
            if self._clock.monotonic_s() - self._started_s > START_WITHIN_S:
                raise
            raise NurseryError("the nursery is still starting") from None
        self._ready = True
        if message.get("threads") != 1:
            tell("nursery", "warning", "a library started threads", threads=message.get("threads"))

    def _have_process(self) -> socket.socket:
        if self._closed:
            raise NurseryError("the nursery is closed")
        if self._process is not None and self._process.poll() is not None:
            tell("nursery", "warning", "the nursery ended", status=self._process.returncode)
            self._end_process(within_s=0.0)
        if self._link is None:
            self._started_s = self._clock.monotonic_s()
            self._ready = False
            self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            kinds = [f"{kind}={entry}" for kind, entry in self._kinds.items()]
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "edge.vision.nursery_process", str(theirs.fileno()), *kinds],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,  # a terminal's Ctrl-C reaches only the daemon
                )
        return self._link

    def _end_process(self, *, within_s: float) -> None:
        if self._link is not None:
            self._link.close()  # what tells it to end
            self._link = None
        if self._process is not None:
            try:
                self._process.wait(within_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def _received(link: socket.socket) -> tuple[dict[str, Any], list[int]]:
    received = receive(link)
    if received is None:
        raise ConnectionResetError("it ended")
    return received
