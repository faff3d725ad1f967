"""When the gate daemon holds the port: go through its control socket, or say clearly that it must be stopped."""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final, NoReturn

from drivers.holders import holder_of
from drivers.tool.console import Exit, both, fail
from drivers.tool.gate_file import GateFile
from drivers.tool.gate_refusals import meaning_of
from drivers.tool.target import Target
from passes.words import Pair
from shell.control import ControlError, NoAnswerError, NotRunningError, RefusedError, ask

ASK_WITHIN_S: Final = 20.0
_GREETED_WITHIN_S: Final = 2.0
DAEMON: Final = "postern-edge"
_offline: ContextVar[bool] = ContextVar("offline", default=False)


def stay_offline(*, offline: bool) -> None:
    """Whether nothing is to go through the running gate from now on (``--offline``)."""
    _offline.set(offline)


def daemon_runs(target: Target) -> bool:
    """Whether the daemon of the gate's file listens; False when no file was named.

    With ``--offline`` it ends with exit code 3 when it does.
    """
    runs = target.gate is not None and daemon_listens(target.gate)
    if runs and _offline.get():
        fail(
            Exit.UNREACHABLE,
            Pair(
                "--offline：门控程序正在运行，板由它占用；没有动作。请先停止它：systemctl stop postern-edge，"
                "或去掉 --offline",
                "--offline: the gate runs and has its boards; nothing was done. Stop it first: systemctl stop "
                "postern-edge. Or leave --offline out",
            ),
        )
    return runs


def daemon_listens(gate: GateFile) -> bool:
    """Whether somebody listens at the gate's control socket.

    Its file proves nothing: a daemon that was killed leaves it behind. A request that means nothing is sent, and
    whatever comes of it but "nobody listens" is a daemon: busy, stuck, or of another user.
    """
    try:
        ask(gate.control_socket, {}, within_s=_GREETED_WITHIN_S)
    except NotRunningError:
        return False
    except ControlError:
        return True
    return True


def ask_daemon(
    target: Target, request: Mapping[str, Any], *, within_s: float = ASK_WITHIN_S
) -> dict[str, Any] | None:
    """What the running daemon answers; None when none runs there.

    Ends with exit code 3 when it runs and does not answer, or is not to be asked (``--offline``), and with that of
    ``gate_refusals`` when it refuses.
    """
    if target.gate is None or (_offline.get() and not daemon_runs(target)):
        return None
    try:
        return ask(target.gate.control_socket, request, within_s=within_s)
    except NotRunningError:
        return None
    except RefusedError as error:
        if error.code == "unknown_request":
            held_by_daemon(target)
        code, words, values = meaning_of(error.code, error.details, str(error))
        fail(code, words, **values)
    except NoAnswerError as error:
        fail(
            Exit.UNREACHABLE,
            Pair(
                "{error}。请求可能已执行，请先查看通道",
                "{error}. It may have been done: look at the lane first",
            ),
            error=error,
        )
    except ControlError as error:
        fail(Exit.UNREACHABLE, both("{error}"), error=error)


def held_by_daemon(target: Target) -> NoReturn:
    """End with exit code 3: the daemon has the port, and cannot do this for us."""
    fail(
        Exit.UNREACHABLE,
        Pair(
            "端口 {port} 正由 {holder} 使用，且它不能代为执行此命令。请先停止该程序：systemctl stop postern-edge",
            "Port {port} is held by {holder}, which cannot do this for you. "
            "Stop it first: systemctl stop postern-edge",
        ),
        port=target.port,
        holder=holder_of(target.port) or DAEMON,
    )
