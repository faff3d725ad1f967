"""The nursery: one small process that has everything imported and forks children on request.

``python -m edge.vision.nursery_process FD KIND=MODULE:FUNCTION…``. A fork of this process is ready within
milliseconds, shares the pages of all libraries with its siblings, and may be made at any moment, for there is
one thread only. It never looks at a picture itself. It ends when the daemon's end of the link is closed,
which the kernel does however the daemon ends; its children end with it.

The function named for a kind gets ``(fds, options)`` and runs in the child. Its module may have ``prepare()``,
which runs once in the nursery, before any fork: what it warms up is shared by all children.
"""

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from edge.vision.jail import close_all_but, die_with
from edge.vision.nursery_messages import NurseryPacketError, close_all, receive, send

CHILDREN_MAX: Final = 32
_STDERR: Final = 2

Main = Callable[[list[int], Mapping[str, Any]], None]


class Nursery:
    """The loop of the process.

    Args:
        link: To the daemon.
        kinds: Kind of child -> ``module:function``.
    """

    def __init__(self, link: socket.socket, kinds: Mapping[str, str]) -> None:
        self._link = link
        self._mains: dict[str, Main] = {}
        self._missing: dict[str, str] = {}
        self._children: set[int] = set()
        for kind, entry in kinds.items():
            name, _, function = entry.partition(":")
            try:
                known = name in sys.modules
                module = importlib.import_module(name)
                if not known:
                    getattr(module, "prepare", lambda: None)()
                self._mains[kind] = getattr(module, function)
            except Exception as error:  # noqa: BLE001  # one kind that cannot be had must not cost the others
                self._missing[kind] = f"{type(error).__name__}: {error}"

    def run(self) -> None:
        """Serve until the daemon is gone."""
        gc.collect()
        gc.freeze()  # the collector of a child would otherwise write to every page that it shares
        send(self._link, {"ready": os.getpid(), "threads": len(list(Path("/proc/self/task").iterdir()))})
        while True:
            poll = select.poll()
            for fd in (self._link.fileno(), *self._children):
                poll.register(fd, select.POLLIN)
            ready = [fd for fd, _ in poll.poll()]
            for fd in self._children.intersection(ready):
                os.waitid(os.P_PIDFD, fd, os.WEXITED)
                os.close(fd)
                self._children.remove(fd)
            if self._link.fileno() in ready and not self._serve():
                break
        for fd in self._children:
            signal.pidfd_send_signal(fd, signal.SIGKILL)
            os.waitid(os.P_PIDFD, fd, os.WEXITED)

    def _serve(self) -> bool:
        """Answer one request; False when the daemon is gone."""
        try:
            asked = receive(self._link)
        except NurseryPacketError as error:
            send(self._link, {"error": str(error)})
            return True
        if asked is None:
            return False
        message, fds = asked
        try:
            kind = str(message.get("kind"))
            main = self._mains.get(kind)
            if main is None:
                send(
                    self._link, {"error": f"no child of kind {kind!r}: {self._missing.get(kind, 'unknown')}"}
                )
            elif len(self._children) >= CHILDREN_MAX:
                send(self._link, {"error": f"{CHILDREN_MAX} children live already"})
            else:
                self._fork(main, fds, message.get("options") or {})
        finally:
            close_all(fds)
        return True

    def _fork(self, main: Main, fds: list[int], options: Mapping[str, Any]) -> None:
        nursery = os.getpid()
        pid = os.fork()
        if pid == 0:
            _be_child(main, fds, options, nursery)
        # The number cannot be anybody else's before it is waited for, and only this process waits.
        pidfd = os.pidfd_open(pid)
        self._children.add(pidfd)
        send(self._link, {"pid": pid}, [pidfd])


def _be_child(main: Main, fds: list[int], options: Mapping[str, Any], nursery: int) -> NoReturn:
    code = 1
    try:
        die_with(nursery)
        close_all_but([0, 1, _STDERR, *fds])
        main(fds, options)
        code = 0
    except SystemExit:
        pass
    except BaseException:  # noqa: BLE001  # nothing of this may run on into the nursery's own loop
        with contextlib.suppress(OSError):
            os.write(_STDERR, traceback.format_exc().encode())
    finally:
        os._exit(code)


def main() -> None:
    """Run the nursery on the link that was inherited."""
    link = socket.socket(fileno=int(sys.argv[1]))
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to everybody; the daemon stops, and we with it
        signal.signal(number, signal.SIG_IGN)
    # Read by numerical libraries when they are loaded: a process with threads cannot be forked safely.
    os.putenv("OPENBLAS_NUM_THREADS", "1")
    os.putenv("OMP_NUM_THREADS", "1")
    with contextlib.suppress(ConnectionError, BrokenPipeError):
        Nursery(link, dict(argument.split("=", 1) for argument in sys.argv[2:])).run()
    os._exit(0)  # nothing is left to do, and extension modules complain when they are taken apart


if __name__ == "__main__":
    main()
