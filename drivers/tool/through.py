"""Requests to the gate daemon that has the boards: the tool asks, and the deciding thread does it among its own work.

The tool may not know the daemon's code; these are the words of its control socket, as the table in ``edge.control`` has
them. Whatever moves is recorded there, with who asked for it.
"""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from drivers.tool.console import PROGRAM, Exit, fail, say, warn
from drivers.tool.daemon import ask_daemon, daemon_runs
from drivers.tool.gate_feed import GateFeed
from drivers.tool.host import user_name
from drivers.tool.target import Target
from passes.words import Pair

WAIT_S: Final = 2.0
_SIDES: Final = {"left": 1, "right": 2}  # of a turnstile controller, as the tool counts them

ByOption = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who does this, for the gate's record; you otherwise."),
]


def running_gate(target: Target) -> GateFeed | None:
    """How the running gate is, and its feed from now on; None when no gate runs, or the board is not of its file."""
    answer = None if target.board is None else ask_daemon(target, {"do": "watch"})
    if answer is None:
        return None
    return GateFeed(target, int(answer.get("seq", 0)), now=answer.get("now", {}))


def order(target: Target, do: str, by: str | None, **what: object) -> dict[str, Any]:
    """What the running gate answers to an order; ends with exit code 3 when it has ended meanwhile."""
    answer = ask_daemon(target, order_of(do, by, **what))
    if answer is None:
        fail(
            Exit.UNREACHABLE,
            Pair(
                "门控程序刚刚结束，没有动作。请重新执行此命令",
                "The running gate has just ended; nothing was done. Give the command again",
            ),
        )
    return answer


def order_of(do: str, by: str | None, **what: object) -> dict[str, Any]:
    """A request that is recorded with who asks for it."""
    return {"do": do, "by": by or user_name(), "reason": f"{PROGRAM} {do}", **what}


def opened_by_daemon(target: Target, by: str | None) -> tuple[bool, str] | None:
    """Whether the board took "everything off", and why not; None when no gate runs."""
    if target.board is None:
        return None
    answer = ask_daemon(target, order_of("off", by, board=target.board))
    if answer is None:
        return None
    if not answer.get("boards", {}).get(target.board):
        return False, "not_taken"
    mode = answer.get("modes", {}).get(target.board, {"outcome": "done"})
    return mode["outcome"] == "done", str(mode.get("why", mode["outcome"]))


def watched_by_daemon(target: Target, since: int | None) -> dict[str, Any] | None:
    """What the running gate has seen since a number that it gave: ``seq``, ``events`` and ``now``.

    Without a number: ``events`` has the inputs of the board that are active now, as if they had just become so, and
    the person is told which lanes work.
    """
    if target.board is None:
        return None
    if since is not None:
        return ask_daemon(target, {"do": "watch", "since": since, "wait_s": WAIT_S})
    gate = running_gate(target)
    if gate is None:
        return None
    _say_present(gate, target.board)
    edge = {"event": "input_edge", "board": target.board, "active": True}
    active = gate.board(target.board).get("active", [])
    return {"seq": gate.seq, "events": [edge | {"channel": channel} for channel in active], "now": gate.now}


def _say_present(gate: GateFeed, board: str) -> None:
    """How the gate is, as a message: its emergency, this board, and every lane."""
    if gate.emergency:
        warn(Pair("本门处于紧急状态", "There is an EMERGENCY at this gate"))
    facts = gate.board(board)
    wrong = facts.get("fault") or (facts.get("why") or "?" if facts.get("line") != "up" else "")
    if wrong:
        warn(Pair("板 {board} 不正常：{why}", "Board {board} does not work: {why}"), board=board, why=wrong)
    for lane in gate.now.get("lanes", []):
        tell, words = say, Pair("通道 {lane}：正常", "Lane {lane}: works")
        if not lane.get("works"):
            tell, words = warn, Pair("通道 {lane}：不能用", "Lane {lane}: does not work")
        elif lane.get("held_s") is not None:
            tell, words = (
                warn,
                Pair("通道 {lane}：常开，还有 {s:g} 秒", "Lane {lane}: held open for another {s:g} s"),
            )
        tell(words, lane=lane["name"], s=lane.get("held_s") or 0)


def demand_same(target: Target, gate: GateFeed, lane: str, output: int) -> None:
    """End with exit code 2 unless the running gate has this lane at this output: its file may have changed since."""
    found = gate.lane(lane)
    there = (found.get("board"), found.get("channel") or _SIDES.get(str(found.get("side")), 0))
    if there == (target.board, output):
        return
    known = ", ".join(str(one["name"]) for one in gate.now.get("lanes", [])) or "-"
    fail(
        Exit.USAGE,
        Pair(
            "运行中的门在 {board} 的 {n} 号输出上没有通道 {lane}，没有动作；它的通道：{known}。改过配置请重启门控程序",
            "The running gate has no lane {lane} at output {n} of {board}; nothing moved. Its lanes: {known}. After a "
            "change of its file, start it anew",
        ),
        board=target.board,
        n=output,
        lane=lane,
        known=known,
    )


def demand_no_trace(target: Target, trace: Path | None) -> None:
    """End with exit code 3 when bytes are to be traced whose port the running gate has; nothing has moved yet."""
    if trace is None or target.board is None or not daemon_runs(target):
        return
    fail(
        Exit.UNREACHABLE,
        Pair(
            "--trace 需要端口本身，而它正由门控程序使用：字节不经过本工具，没有动作。去掉 --trace，或先停止门控程序："
            "systemctl stop postern-edge",
            "--trace wants the port itself, and the running gate has it: its bytes do not pass here. Nothing moved. "
            "Leave --trace out, or stop the gate first: systemctl stop postern-edge",
        ),
    )
