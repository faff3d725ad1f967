"""How a gate gets its certificate: asked of the centre's page server, or carried there and back in files.

The answer is believed when it fits the key and the name of this gate and was checked by the address it came from: by
HTTPS, or from this very machine. Nothing follows a redirect, and a portal's page is not an answer.

AskingError            the centre did not give a certificate
└── NoCentreError      nothing that is a centre answers
"""

import http.client
import json
import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from edge.identity import Granted, IdentityError, read_granted
from shell.broker_url import is_loopback
from shell.text import one_line

TIMEOUT_S: Final = 10.0
ANSWER_BYTES_MAX: Final = 64 * 1024
PROBLEM_MAX: Final = 300
ENROL_PATH: Final = "/enroll/gate"
RENEW_PATH: Final = "/enroll/gate/renew"
NO_CODE: Final = "renewal"  # commands want a bearer token; a renewal is proved by its signature


class AskingError(Exception):
    """The centre gave no certificate."""


class NoCentreError(AskingError):
    """Nothing that is a centre answers."""


def enrol(url: str, *, code: str, site: int, gate: str, request: str, ca: Path | None) -> Granted:
    """Come in by a code; raises ``AskingError``.

    Args:
        url: The centre's address, as its pages have it.
        code: The one-time code.
        site: Of this gate.
        gate: This gate.
        request: As ``edge.identity.make_request`` makes it.
        ca: Whose signature the centre's page server has; None for the authorities that this machine knows.
    """
    return _ask(url, ENROL_PATH, {"site": site, "gate": gate, "csr": request}, token=code, ca=ca)


def renew(url: str, *, request: str, ca: Path | None) -> Granted:
    """A later certificate for the key that signed the request; raises ``AskingError``."""
    return _ask(url, RENEW_PATH, {"csr": request}, token=NO_CODE, ca=ca)


def check_url(url: str) -> tuple[bool, str, int]:
    """Whether by TLS, host and port; raises ``ValueError`` with words for what no gate may ask."""
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port
    if parts.scheme not in {"https", "http"} or not host or parts.username or parts.path not in {"", "/"}:
        raise ValueError("write it as https://centre.example.com or http://127.0.0.1:8080")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("plain http is for a centre on this machine; elsewhere write https://")
    return parts.scheme == "https", host, port or (443 if parts.scheme == "https" else 80)


def _ask(url: str, path: str, body: dict[str, object], *, token: str, ca: Path | None) -> Granted:
    by_tls, host, port = check_url(url)
    connection: http.client.HTTPConnection
    try:
        if by_tls:
            context = ssl.create_default_context(cafile=str(ca) if ca else None)
            connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        try:
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
            connection.request("POST", path, body=json.dumps(body).encode(), headers=headers)
            answer = connection.getresponse()
            status, data = answer.status, answer.read(ANSWER_BYTES_MAX + 1)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        raise NoCentreError(f"The centre at {url} does not answer: {one_line(str(error))}") from error
    if status == http.client.CREATED:
        try:
            return read_granted(data)
        except IdentityError as error:
            raise NoCentreError(f"What answers at {url} is no centre: it {error}") from error
    raise _refusal(url, status, data)


def _refusal(url: str, status: int, data: bytes) -> AskingError:
    """The centre's own words, where it is one that speaks."""
    try:
        detail = json.loads(data)["detail"]
        said = detail if isinstance(detail, str) else f"{detail['field']}: {detail['problem']}"
    except (ValueError, KeyError, TypeError):
        return NoCentreError(f"What answers at {url} is no centre (HTTP {status})")
    return AskingError(f"The centre refused: {one_line(str(said))[:PROBLEM_MAX]}")
