"""The SMS gateway over HTTP: one POST a message, and an answer in three kinds, never an exception."""

import json
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol

import httpx2

TIMEOUT: Final = httpx2.Timeout(connect=3.0, read=5.0, write=3.0, pool=1.0)  # seconds
ANSWER_BYTES_MAX: Final = 16 * 1024
DETAIL_MAX: Final = 160
NOT_NOW: Final = frozenset(
    {408, 425, 429}
)  # the gateway did not look at the message: too slow, too early, too many


@dataclass(frozen=True, slots=True)
class Accepted:
    """The gateway took the message; a repeated key is the same message to it."""

    gateway_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The gateway will never take this message."""

    why: str


@dataclass(frozen=True, slots=True)
class TryAgain:
    """No answer, or one that says nothing about this message.

    ``not_taken`` when the gateway certainly did not take it this time: it was not reached, or said that it is busy.
    """

    why: str
    not_taken: bool = False


Answer = Accepted | Refused | TryAgain


class SmsSender(Protocol):
    """Whatever sends an SMS. ``key`` makes repeating a message harmless where the gateway honours it."""

    def send(self, *, to: str, text: str, key: str) -> Answer:
        """Hand over one message."""


class HttpSms:
    """The generic JSON gateway: ``{"to","text","key"}`` up, ``{"id","accepted"}`` back.

    Args:
        url: Where to post.
        timeout: For each phase of one request, in seconds.
    """

    def __init__(self, url: str, timeout: httpx2.Timeout = TIMEOUT) -> None:
        self._url = url
        # No proxies from the environment and no redirects: numbers go to the configured address or nowhere.
        self._client = httpx2.Client(timeout=timeout, follow_redirects=False, trust_env=False)

    def __enter__(self) -> "HttpSms":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def send(self, *, to: str, text: str, key: str) -> Answer:
        """Post one message; the gateway's own refusal is final, whatever else goes wrong is to be tried again."""
        message = {"to": to, "text": text, "key": key}
        try:
            with self._client.stream("POST", self._url, json=message) as response:
                body = b""
                for chunk in response.iter_bytes(4096):
                    body += chunk
                    if len(body) > ANSWER_BYTES_MAX:
                        return TryAgain(f"HTTP {response.status_code} with an answer that is too long")
                return _read(response.status_code, body)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            return TryAgain(type(error).__name__, not_taken=True)
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, RecursionError) as error:
            return TryAgain(type(error).__name__)


def _read(status: int, body: bytes) -> Answer:
    """What an answer means. Only the gateway's own word of refusal is final: a proxy or portal is not the gateway."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    fields = answer if isinstance(answer, dict) else {}
    if fields.get("accepted") is True and 200 <= status < 300:
        return Accepted(_clean(fields.get("id", ""))[:80])
    if fields.get("accepted") is False and status < 500 and status not in NOT_NOW:
        return Refused(f"HTTP {status}: {_clean(fields.get('error', ''))}"[:DETAIL_MAX].rstrip(": "))
    if status in NOT_NOW:
        return TryAgain(f"HTTP {status}", not_taken=True)
    if 200 <= status < 300:
        return TryAgain(f"HTTP {status} without a word on the message: is this the gateway?")
    return TryAgain(f"HTTP {status}")


def _clean(value: object) -> str:
    """Outside text as something every database takes: no lone surrogates, no NUL."""
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "")
