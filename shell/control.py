"""A control socket: the tools on a machine ask the daemon that runs there, over a Unix socket beside its data.

One connection carries one request and one answer, each a JSON object on one line: ``{"do": "name", …}``, and
``{"ok": true, …}`` or ``{"ok": false, "error": "code", "problem": "sentence", …}``. Only root and the user that the
daemon runs as are served. What a name does is registered by the daemon; handlers run in the connection's thread.

Errors::

    ControlError           asking, or listening, failed
    ├─ SocketTakenError    listening: another process answers at this path, or it is no socket
    ├─ NotRunningError     asking: no daemon listens there
    ├─ NotAllowedError     asking: another user's daemon
    ├─ NoAnswerError       asking: it was asked and did not answer; what was asked may have been done
    └─ RefusedError        asking: the daemon said no, and why; or had no ear for it (``busy``)
    RequestError           raised by a handler: the answer is no, with a code and a sentence
"""

import json
import os
import select
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from shell.logs import get_logger

log = get_logger("control")

LINE_BYTES_MAX: Final = 64 * 1024
REQUEST_WITHIN_S: Final = 5.0  # from the connection to the whole request, and again for taking the answer
CONNECTIONS_MAX: Final = 8
_BUSY_WITHIN_S: Final = 0.1
_IN_A_MOMENT: Final = "nothing was done, try again in a moment"
_PROBLEM_CHARACTERS_MAX: Final = 2000  # each is twelve bytes at most, and the line holds them
_PATH_BYTES_MAX: Final = 100  # sun_path holds 108 (unix(7))
_PEERCRED: Final = struct.Struct("3i")  # pid, uid, gid (unix(7))
_MODE: Final = 0o600

Handler = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Takes the whole request and returns what the answer holds besides ``ok``; raises ``RequestError`` to refuse."""


class ControlError(Exception):
    """A control socket cannot be used; the message says which, and what to do."""


class SocketTakenError(ControlError):
    """Another process answers at this path, or something that is no socket lies there."""


class NotRunningError(ControlError):
    """No daemon listens at this path."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"Nothing listens at {path}: start the daemon of this configuration first")
        self.path = path


class NotAllowedError(ControlError):
    """The daemon belongs to another user."""


class NoAnswerError(ControlError):
    """The daemon was asked and gave no answer; it may have done what it was asked."""


class RefusedError(ControlError):
    """The daemon refused. ``code`` is stable, ``details`` holds what else it said."""

    def __init__(self, code: str, problem: str, details: Mapping[str, Any]) -> None:
        super().__init__(problem)
        self.code, self.details = code, details


class RequestError(Exception):
    """A handler refuses a request.

    Args:
        code: A stable word for programs.
        problem: A sentence for people: what is wrong, and what to do.
        details: More for the answer; values that JSON knows.
    """

    def __init__(self, code: str, problem: str, **details: Any) -> None:
        super().__init__(problem)
        self.code, self.problem, self.details = code, problem, details


class ControlServer:
    """Serves requests at ``path`` from threads of its own, a bounded number at a time.

    Args:
        path: The socket file; its folder exists, and only the daemon's user may write there.
        handlers: What each name does.
        within_s: How long a client may take to send its request, and to take the answer.
        connections_max: More clients at a time are told ``busy``.
    """

    def __init__(
        self,
        path: Path,
        handlers: Mapping[str, Handler],
        *,
        within_s: float = REQUEST_WITHIN_S,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        self.path, self._handlers, self._within_s = path, dict(handlers), within_s
        self._connections_max, self._lock = connections_max, threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._listener: socket.socket | None = None
        self._inode = (0, 0)
        self._stopping = threading.Event()
        self._wake: tuple[socket.socket, socket.socket] | None = None
        self._thread = threading.Thread(target=self._accept, name="control", daemon=True)

    def start(self) -> None:
        """Listen. A socket file that an earlier process left is replaced when nobody answers at it.

        Raises:
            SocketTakenError: Somebody does, or the file is no socket.
            ControlError: The file cannot be made.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _address(self.path) as address:
                try:
                    listener.bind(address)
                except OSError as error:
                    if not _exists(self.path):
                        raise ControlError(f"{self.path} cannot be made ({error.strerror})") from error
                    self._remove_stale()
                    listener.bind(address)
                self.path.chmod(_MODE)  # nobody can connect before listen()
                listener.listen(self._connections_max)
        except BaseException as error:
            listener.close()
            if isinstance(error, OSError):
                raise ControlError(f"{self.path} cannot be made ({error.strerror})") from error
            raise
        made = self.path.lstat()
        self._inode = (made.st_dev, made.st_ino)
        self._listener, self._wake = listener, socket.socketpair()
        self._thread.start()

    def stop(self) -> None:
        """End the threads and remove the socket file. Requests that are being handled are finished."""
        self._stopping.set()
        if self._listener is None or self._wake is None:
            return
        self._wake[1].send(b".")
        self._thread.join()
        with self._lock:
            left = dict(self._open)
        for connection in left:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)  # whoever still sends is not waited for
        for thread in left.values():
            thread.join()
        for one in (self._listener, *self._wake):
            one.close()
        with suppress(OSError):
            made = self.path.lstat()
            if (made.st_dev, made.st_ino) == self._inode:
                self.path.unlink()

    def _remove_stale(self) -> None:
        if not stat.S_ISSOCK(self.path.lstat().st_mode):
            raise SocketTakenError(f"{self.path} is not a socket; move it away, then start again")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, _address(self.path) as address:
            probe.settimeout(1.0)
            try:
                probe.connect(address)
            except ConnectionRefusedError:
                self.path.unlink()
                return
            except OSError as error:
                raise SocketTakenError(f"{self.path} is in use ({error.strerror})") from error
        raise SocketTakenError(f"Another process answers at {self.path}; stop it first")

    def _accept(self) -> None:
        assert self._listener is not None and self._wake is not None
        self._listener.settimeout(0)
        waiting = select.poll()
        waiting.register(self._listener, select.POLLIN)
        waiting.register(self._wake[0], select.POLLIN)
        while not self._stopping.is_set():
            waiting.poll()
            if self._stopping.is_set():
                return
            try:
                connection, _ = self._listener.accept()
            except OSError as error:  # the client has gone, or there are no more file descriptors
                if not isinstance(error, BlockingIOError | ConnectionAbortedError):
                    log.error("connection could not be accepted", error=str(error))
                    self._stopping.wait(0.1)
                continue
            self._begin(connection)

    def _begin(self, connection: socket.socket) -> None:
        """Give the connection a thread, or refuse it at once."""
        thread = threading.Thread(target=self._serve, args=(connection,), name="control-request", daemon=True)
        with self._lock:
            full = len(self._open) >= self._connections_max
            if not full:
                self._open[connection] = thread
        if not full:
            try:
                thread.start()
                return
            except RuntimeError as error:  # the machine has no more threads
                log.error("a request found no thread", error=str(error))
                with self._lock:
                    del self._open[connection]
        with connection, suppress(OSError):
            connection.settimeout(_BUSY_WITHIN_S)
            connection.sendall(_line(_no("busy", f"too many requests at once; {_IN_A_MOMENT}")))

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                answer = self._answer(connection)
                connection.settimeout(self._within_s)
                connection.sendall(answer)
        except OSError:
            log.info("a client went away before its answer")
        except Exception:
            log.exception("a request ended its thread")
        finally:
            with self._lock:
                self._open.pop(connection, None)

    def _answer(self, connection: socket.socket) -> bytes:
        try:
            _demand_peer(connection)
            request = _parse(_read_line(connection, time.monotonic() + self._within_s))
            name = request.get("do")
            handler = self._handlers.get(name) if isinstance(name, str) else None
            if handler is None:
                raise RequestError(
                    "unknown_request", f'"do" must be one of: {", ".join(sorted(self._handlers))}'
                )
            answer = _line({**handler(request), "ok": True})
            assert len(answer) <= LINE_BYTES_MAX, f"the answer to {name} is too long"
            return answer
        except RequestError as error:
            return _line(_no(error.code, error.problem, **error.details))
        except Exception:
            log.exception("request could not be handled")
            return _line(_no("internal", "the daemon failed at this; its log says why"))


def ask(path: Path, request: Mapping[str, Any], *, within_s: float) -> dict[str, Any]:
    """Ask the daemon that listens at ``path``.

    Args:
        path: Its socket file.
        request: What to do: ``{"do": "name", …}``.
        within_s: How long all of it may take.

    Returns:
        What the daemon answered, without ``ok``.

    Raises:
        ControlError: As the table of this module says.
    """
    line = _line(request)
    if len(line) > LINE_BYTES_MAX:
        raise ControlError(f"a request of {len(line)} bytes is larger than {LINE_BYTES_MAX}")
    until_s = time.monotonic() + within_s
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(within_s)
        try:
            with _address(path) as address:
                connection.connect(address)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
            raise NotRunningError(path) from error
        except PermissionError as error:
            raise NotAllowedError(
                f"{path} belongs to another user: run this as the daemon's user, or as root"
            ) from error
        except (BlockingIOError, TimeoutError) as error:  # its queue is full: nothing was asked
            raise RefusedError("busy", f"{path} takes no more requests; {_IN_A_MOMENT}", {}) from error
        except OSError as error:
            raise ControlError(f"{path} cannot be asked ({error.strerror}); nothing was done") from error
        try:
            with suppress(
                BrokenPipeError, ConnectionResetError
            ):  # refused before it was sent; the answer says why
                connection.sendall(line)
            answer = _parse(_read_line(connection, until_s))
        except (OSError, RequestError) as error:
            raise NoAnswerError(f"{path}: no answer came within {within_s:g} s ({error})") from error
    if answer.pop("ok", None) is True:
        return answer
    code, problem = str(answer.pop("error", "internal")), str(answer.pop("problem", "no reason was given"))
    if code == "not_allowed":
        raise NotAllowedError(problem)
    raise RefusedError(code, problem, answer)


def may_ask(uid: int, own_uid: int) -> bool:
    """Whether a process of user ``uid`` is served by a daemon of user ``own_uid``."""
    return uid in {0, own_uid}


def _demand_peer(connection: socket.socket) -> None:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size)
    _, uid, _ = _PEERCRED.unpack(credentials)
    if not may_ask(uid, os.geteuid()):
        log.warning("a request of another user was refused", uid=uid)
        raise RequestError("not_allowed", "only root and the daemon's own user are served here")


def _read_line(connection: socket.socket, until_s: float) -> bytes:
    """Bytes up to the first line end; raises ``RequestError`` when they do not come in time or are too many."""
    data = bytearray()
    while True:
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            raise RequestError("too_slow", "the line did not come in time")
        connection.settimeout(left_s)
        try:
            part = connection.recv(LINE_BYTES_MAX)
        except TimeoutError:
            continue
        rest, found, _ = part.partition(b"\n")
        data += rest
        if len(data) >= LINE_BYTES_MAX:
            raise RequestError("too_large", f"a line has at most {LINE_BYTES_MAX} bytes")
        if found:
            return bytes(data)
        if not part:
            raise RequestError("not_whole", "the line has no end")


def _parse(line: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        raise RequestError("not_json", "the line is not JSON in UTF-8") from None
    if not isinstance(parsed, dict):
        raise RequestError("not_json", "the line is not a JSON object")
    return parsed


def _no(code: str, problem: str, **details: Any) -> dict[str, Any]:
    return {**details, "ok": False, "error": code, "problem": problem[:_PROBLEM_CHARACTERS_MAX]}


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, allow_nan=False).encode("ascii") + b"\n"


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """The path as the socket calls take it: a longer one than they hold goes by its folder's descriptor."""
    if len(os.fsencode(path)) <= _PATH_BYTES_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
