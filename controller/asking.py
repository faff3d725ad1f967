"""Asking the running centre, which alone has its database open, through its interface.

AskError            the centre did not do what it was asked; ``exit_code`` is the command's
├── NoAnswerError   it does not answer: not running, or another address
└── RefusedError    it refused, and said why
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final

import httpx2

from controller.command import Exit
from controller.config import CentreConfig, read_api_token

TIMEOUT: Final = httpx2.Timeout(connect=3.0, read=10.0, write=3.0, pool=1.0)  # seconds
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}


class AskError(Exception):
    """The centre did not do what it was asked."""

    exit_code = Exit.FAILED


class NoAnswerError(AskError):
    """Nothing answers at the centre's address."""

    exit_code = Exit.UNREACHABLE

    def __init__(self, url: str, problem: str, *, asked: bool) -> None:
        doubt = " It may have done what it was asked: look before you repeat it." if asked else ""
        super().__init__(
            f"The centre at {url} does not answer ({problem}).{doubt} Start it with: postern-controller run"
        )


class RefusedError(AskError):
    """The centre refused; ``status`` is that of HTTP."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status
        self.exit_code = {401: Exit.USAGE, 403: Exit.USAGE, 422: Exit.USAGE}.get(status, Exit.FAILED)


def own_url(config: CentreConfig) -> str:
    """Where this machine finds the centre that runs with this configuration."""
    return f"http://{_EVERYWHERE.get(config.web_host, config.web_host)}:{config.web_port}"


class RunningCentre:
    """The interface of the centre that runs with this configuration; closed by ``with``.

    Raises:
        AskError: The configuration names no token file, so the interface is off.
        SettingsError: The token file cannot be used.
    """

    def __init__(self, config: CentreConfig) -> None:
        token = read_api_token(config)
        if token is None:
            raise AskError(
                f"{config.path}: centre.api_token_file is not set, so the centre's interface is off"
            )
        self._url = own_url(config)
        self._client = httpx2.Client(
            base_url=self._url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT,
            trust_env=False,  # a proxy must not see the token
        )

    def __enter__(self) -> "RunningCentre":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, path: str) -> Any:
        """A JSON document of ``/api/v1``; raises ``AskError``."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Post a JSON document; raises ``AskError``."""
        return self._ask("POST", path, body)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        try:
            answer = self._client.request(method, f"/api/v1{path}", json=body)
            data = answer.json() if answer.content else None
        except httpx2.ConnectError as error:
            raise NoAnswerError(self._url, str(error), asked=False) from error
        except httpx2.HTTPError as error:
            problem = str(error) or type(error).__name__
            raise NoAnswerError(self._url, problem, asked=method == "POST") from error
        except ValueError as error:
            raise NoAnswerError(self._url, "something else is there", asked=False) from error
        if answer.status_code >= 400:
            raise RefusedError(answer.status_code, _problem(answer.status_code, data))
        return data


def _problem(status: int, data: Any) -> str:
    detail = data.get("detail") if isinstance(data, dict) else None
    match detail:
        case str():
            return detail
        case {"field": field, "problem": problem}:
            return f"{field}: {problem}"
        case [*parts]:
            return "; ".join(
                f"{'.'.join(map(str, part.get('loc', ())[1:]))}: {part.get('msg', '')}"
                for part in parts
                if isinstance(part, dict)
            )
        case _:
            return f"the centre answered {status}"
