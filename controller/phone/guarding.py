"""What a request has to bring before a byte of its body is read, and how often an address may be wrong."""

import hmac
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

WRONG_MAX: Final = 20  # a village behind one carrier address mistypes less than this in a minute
WRONG_WITHIN_S: Final = 60.0
ADDRESSES_MAX: Final = 1024
LENGTH_DIGITS_MAX: Final = 18


def guarded(look: Callable[[Request], None]) -> type[APIRoute]:
    """A route class that lets ``look`` refuse a request by its headers, by raising ``HTTPException``."""

    class Guarded(APIRoute):
        """A route that looks before it reads."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def guard(request: Request) -> Response:
                look(request)
                return await handle(request)

            return guard

    return Guarded


def bounded(request: Request, *, bytes_max: int) -> None:
    """Refuse a body without a length, or with too long a one.

    A body in chunks ends where its sender likes, whatever length it names beside them.
    """
    if request.method != "POST":
        return
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdecimal()) or "transfer-encoding" in request.headers:
        raise HTTPException(411, "send the length of the body, and no chunks")
    if len(length) > LENGTH_DIGITS_MAX or int(length) > bytes_max:
        raise HTTPException(413, f"at most {bytes_max} bytes")


def bearer(request: Request, token: str) -> None:
    """Refuse a request without the token of the programming interface."""
    given = request.headers.get("authorization", "").encode("utf-8", "replace")
    if not hmac.compare_digest(given, f"Bearer {token}".encode()):
        raise HTTPException(
            401, "send the token of api_token_file as a bearer token", {"WWW-Authenticate": "Bearer"}
        )


class WrongCounter:
    """How often each address was wrong within the last minute; of many addresses the least recent are forgotten.

    Secrets have 128 bits and are not found by guessing: this keeps a guesser from keeping the database busy.

    Args:
        monotonic_s: A clock that never steps.
    """

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def is_over(self, address: str) -> bool:
        """Whether this address has to wait."""
        with self._lock:
            times = self._wrong.get(address, deque())
            while times and times[0] <= self._monotonic_s() - WRONG_WITHIN_S:
                times.popleft()
            return len(times) >= WRONG_MAX

    def count(self, address: str) -> None:
        """This address was wrong just now."""
        with self._lock:
            self._wrong.setdefault(address, deque(maxlen=WRONG_MAX)).append(self._monotonic_s())
            self._wrong.move_to_end(address)
            while len(self._wrong) > ADDRESSES_MAX:
                self._wrong.popitem(last=False)
