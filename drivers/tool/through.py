"""Requests to the gate daemon that has the boards: the tool asks, and the deciding thread does it among its own work.

The tool may not know the daemon's code; these are the words of its control socket, as the table in ``edge.control`` has
them. Whatever moves is recorded there, with who asked for it.
"""

from typing import Annotated, Any, Final

import typer

from drivers.tool.console import PROGRAM
from drivers.tool.daemon import ask_daemon, daemon_runs
from drivers.tool.host import user_name
from drivers.tool.target import Target

WAIT_S: Final = 2.0

ByOption = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who does this, for the gate's record; you otherwise."),
]


def pulsed_by_daemon(target: Target, lane: str, ms: int, by: str | None) -> dict[str, Any] | None:
    """What came of a pulse that the running gate gave; None when no gate runs, or the board is not of its file."""
    return _outcome(_asked(target, "pulse", {"lane": lane, "ms": ms}, by))


def kept_open_by_daemon(target: Target, lane: str, seconds: int, by: str | None) -> dict[str, Any] | None:
    """The same for a hold."""
    return _outcome(_asked(target, "hold", {"lane": lane, "seconds": seconds}, by))


def released_by_daemon(target: Target, lane: str, by: str | None) -> dict[str, Any] | None:
    """The same for its end."""
    return _outcome(_asked(target, "release", {"lane": lane}, by))


def opened_by_daemon(target: Target, by: str | None) -> bool | None:
    """Whether the board took "every relay opens"; None when no gate runs."""
    answer = _asked(target, "off", {"board": target.board}, by)
    return None if answer is None else bool(answer.get("boards", {}).get(target.board))


def watched_by_daemon(target: Target, since: int | None) -> dict[str, Any] | None:
    """What the running gate has seen since a number that it gave: ``seq`` and ``events``."""
    request: dict[str, Any] = {"do": "watch"}
    if since is not None:
        request |= {"since": since, "wait_s": WAIT_S}
    return ask_daemon(target, request) if _runs(target) else None


def _asked(target: Target, do: str, what: dict[str, Any], by: str | None) -> dict[str, Any] | None:
    if not _runs(target):
        return None
    return ask_daemon(target, {"do": do, "by": by or user_name(), "reason": f"{PROGRAM} {do}", **what})


def _runs(target: Target) -> bool:
    return target.board is not None and daemon_runs(target)


def _outcome(answer: dict[str, Any] | None) -> dict[str, Any] | None:
    """The answer's outcome in the words of ``Moved.result``."""
    if answer is None:
        return None
    names = ("grade", "why", "maybe_executed")
    row = {name: answer[name] for name in names if name in answer}
    return {"result": str(answer.get("outcome", "timed_out")), "through": "daemon"} | row
