"""An SMS gateway without a mobile network: takes messages over HTTP, shows them on a page, fails on request.

It speaks the generic JSON contract that the centre uses: POST ``/api/send`` with ``{"to","text","key"}`` answers
200 ``{"id","accepted":true}``; 4xx ``{"accepted":false,"error"}`` is final; 5xx is to be tried again with the same
key, and a key that was accepted before is the same message. ``GET /api/inbox`` lists what was accepted, newest first.

Run it as ``python -m simulators.sms_gateway --port 8025`` or ``postern-sim sms --port 8025``. Loopback only.
"""

import json
import re
import sys
import threading
from collections import OrderedDict
from dataclasses import asdict, dataclass
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Annotated, Any, Final

import typer
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from shell.clock import Clock, SystemClock
from shell.supervision import stop_event
from simulators.sms_inbox_page import render

LOOPBACK: Final = "127.0.0.1"
BODY_BYTES_MAX: Final = 16 * 1024
INBOX_MAX: Final = 1000  # the oldest message goes
REQUEST_WITHIN_S: Final = 10.0
EXIT_USAGE: Final = 2
EXIT_FAILED: Final = 1
CONTENT_SECURITY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
)


class SendRequest(BaseModel):
    """What a sender posts."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    to: Annotated[str, StringConstraints(pattern=r"^\+[0-9]{6,15}$")]
    text: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    key: Annotated[str, StringConstraints(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sms:
    """One accepted message."""

    id: str
    to: str
    text: str
    key: str
    at: str  # ISO 8601, UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Seconds after the start between which everything is answered with 503."""

    from_s: float
    to_s: float


class GatewayDownError(Exception):
    """The gateway fails this request; the sender should try again."""


class SmsGateway:
    """The inbox and its faults. Safe to call from several threads.

    Args:
        clock: For the time of messages, and for outages.
        rng: Decides which requests fail.
        fail_rate: Share of sends, 0 to 1, that are answered with an error. Half of those are stored all the same,
            as when an answer is lost.
        outages: When nothing works.
    """

    def __init__(
        self, *, clock: Clock, rng: Random, fail_rate: float = 0.0, outages: tuple[Outage, ...] = ()
    ) -> None:
        self._clock, self._rng, self._fail_rate, self._outages = clock, rng, fail_rate, outages
        self._begun_s = clock.monotonic_s()
        self._lock = threading.Lock()
        self._by_key: OrderedDict[str, Sms] = OrderedDict()
        self._count = 0

    def send(self, request: SendRequest) -> Sms:
        """Accept a message, or find the one that this key was accepted for; raises ``GatewayDownError``."""
        with self._lock:
            up_s = self._clock.monotonic_s() - self._begun_s
            if any(outage.from_s <= up_s < outage.to_s for outage in self._outages):
                raise GatewayDownError
            fails = self._rng.random() < self._fail_rate
            if fails and self._rng.random() < 0.5:
                raise GatewayDownError
            sms = self._accept(request)
            if fails:
                raise GatewayDownError
            return sms

    def _accept(self, request: SendRequest) -> Sms:
        known = self._by_key.get(request.key)
        if known is not None:
            return known
        self._count += 1
        sms = Sms(
            id=f"sms-{self._count:06d}",
            to=request.to,
            text=request.text,
            key=request.key,
            at=_utc_text(self._clock.now()),
        )
        self._by_key[request.key] = sms
        if len(self._by_key) > INBOX_MAX:
            self._by_key.popitem(last=False)
        return sms

    def inbox(self) -> list[Sms]:
        """What was accepted, newest first."""
        with self._lock:
            return list(reversed(self._by_key.values()))


def _utc_text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class SmsServer(ThreadingHTTPServer):
    """The gateway on a loopback port; ``port`` 0 takes a free one."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, gateway: SmsGateway, port: int) -> None:
        self.gateway = gateway
        super().__init__((LOOPBACK, port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    """One request. HTTP/1.0: a connection for each, so nothing lingers when the server stops."""

    server: SmsServer
    timeout = REQUEST_WITHIN_S
    server_version = "postern-sim-sms"
    sys_version = ""

    def do_GET(self) -> None:  # the name is the base class's
        """The page, or the inbox as JSON."""
        match self.path.partition("?")[0]:
            case "/":
                self._answer(HTTPStatus.OK, render(self.server.gateway.inbox()), "text/html; charset=utf-8")
            case "/api/inbox":
                self._answer_json(HTTPStatus.OK, [asdict(sms) for sms in self.server.gateway.inbox()])
            case _:
                self._refuse(HTTPStatus.NOT_FOUND, "no such page")

    def do_POST(self) -> None:  # the name is the base class's
        """Take a message."""
        if self.path != "/api/send":
            self._refuse(HTTPStatus.NOT_FOUND, "messages are posted to /api/send")
            return
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or len(length) > 9:
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "Content-Length is missing")
            return
        if int(length) > BODY_BYTES_MAX:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {BODY_BYTES_MAX} bytes")
            return
        try:
            request = SendRequest.model_validate_json(self.rfile.read(int(length)))
            sms = self.server.gateway.send(request)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in problem["loc"])
            self._refuse(HTTPStatus.UNPROCESSABLE_ENTITY, f"{where}: {problem['msg']}".removeprefix(": "))
        except GatewayDownError:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "the gateway is busy, try again with the same key")
        else:
            self._answer_json(HTTPStatus.OK, {"id": sms.id, "accepted": True})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the base class's
        """Keep quiet: texts and numbers do not belong into a log."""

    def _refuse(self, status: HTTPStatus, error: str) -> None:
        self._answer_json(status, {"accepted": False, "error": error})

    def _answer_json(self, status: HTTPStatus, value: object) -> None:
        self._answer(status, json.dumps(value, ensure_ascii=False), "application/json; charset=utf-8")

    def _answer(self, status: HTTPStatus, text: str, kind: str) -> None:
        body = text.encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", CONTENT_SECURITY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)


def parse_outage(text: str) -> Outage:
    """Read ``FROM-TO`` in seconds after the start, for example ``20-50``; raises ``ValueError``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)", text)
    if found is None or float(found[1]) >= float(found[2]):
        raise ValueError(f"an outage is FROM-TO in seconds, for example 20-50, not {text!r}")
    return Outage(from_s=float(found[1]), to_s=float(found[2]))


def sms(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Loopback port to listen on.")] = 8025,
    fail_rate: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of sends that fail; half of those arrive all the same."),
    ] = 0.0,
    down: Annotated[
        list[str] | None,
        typer.Option(metavar="FROM-TO", help="Outage in seconds after the start; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the faults.")] = 7,
) -> None:
    """Simulate an SMS gateway with an inbox page.

    Example: postern-sim sms --port 8025 --fail-rate 0.2 --down 20-50
    """
    try:
        outages = tuple(parse_outage(text) for text in down or [])
    except ValueError as error:
        sys.stderr.write(f"--down: {error}\n")
        raise typer.Exit(EXIT_USAGE) from error
    gateway = SmsGateway(clock=SystemClock(), rng=Random(seed), fail_rate=fail_rate, outages=outages)  # noqa: S311
    try:
        server = SmsServer(gateway, port)
    except OSError as error:
        sys.stderr.write(f"Port {port} cannot be used ({error.strerror}). Choose another with --port.\n")
        raise typer.Exit(EXIT_FAILED) from error
    stop = stop_event()
    thread = threading.Thread(target=server.serve_forever, name="sms-gateway", kwargs={"poll_interval": 0.1})
    thread.start()
    sys.stderr.write(f"SMS inbox: http://{LOOPBACK}:{port}/\n")
    stop.wait()
    server.shutdown()
    thread.join()
    server.server_close()


if __name__ == "__main__":
    typer.run(sms)
