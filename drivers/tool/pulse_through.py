"""One opening by the running gate: asked for over its control socket, and watched in its feed of happenings.

The gate buffers what happens, so that nothing between the order and the look at it is lost; moments are those at which
its bus has seen an edge.
"""

import re
import time
from typing import Any, Final

from drivers.model import InputEdge
from drivers.registry import PROTOCOLS
from drivers.tool.console import Exit, fail
from drivers.tool.expecting import Expected, Watcher, active_already
from drivers.tool.gate_feed import GateFeed
from drivers.tool.pulse_report import Progress
from drivers.tool.target import Target
from drivers.tool.through import demand_same, order, running_gate
from passes.words import Pair

_LOOK_S: Final = 1.0
_STAYS_CLOSED: Final = re.compile(r"output (\d+) stays closed")  # as the drivers word that fault


def pulsed_by_daemon(
    target: Target, progress: Progress, *, expected: Expected | None, within_s: float, by: str | None
) -> bool:
    """Have the running gate open a lane once; False when no gate runs, or the board is not of its file.

    Args:
        target: The board.
        progress: Which lane, output and length; what becomes of it is put there as it becomes known.
        expected: The input to watch.
        within_s: How long it may take.
        by: Who asks.
    """
    gate, row = running_gate(target), progress.row
    if gate is None:
        return False
    demand_same(target, gate, row["lane"], row["channel"])
    board = str(target.board)
    if expected is not None:
        board = str((expected.other or target).board)
        _demand_seen(gate, board, expected)
    row |= {"through": "daemon", "sent_ms": None, "answered_ms": None}
    stuck = _stuck([str(gate.board(str(target.board)).get("fault", ""))])
    progress.issued, began_s = True, time.monotonic()
    answer = order(target, "pulse", by, lane=row["lane"], ms=row["ms"])
    row |= {name: answer[name] for name in ("grade", "why", "maybe_executed") if name in answer}
    row |= {"result": str(answer.get("outcome", "timed_out")), "took_ms": _ms(began_s, time.monotonic())}
    watcher = None if expected is None or row["result"] == "refused" else Watcher(expected)
    until_s = began_s + within_s + row["ms"] / 1000
    issued_s = float(answer.get("issued_s", began_s))
    try:
        _follow(gate, board, watcher, until_s, stuck)
    finally:
        row["stays_closed"] = sorted(stuck)
        if watcher is not None:
            row["observed"] = watcher.observed(issued_s)
    if watcher is not None and not watcher.complete(whole=False) and (gate.missed or gate.gone):
        progress.blind = True
    return True


def _follow(gate: GateFeed, board: str, watcher: Watcher | None, until_s: float, stuck: set[int]) -> None:
    """Read what has happened, and wait until the input has answered and is over, or the time is."""
    while True:
        waits = watcher is not None and not watcher.complete(whole=True)
        left_s = max(0.0, until_s - time.monotonic()) if waits else 0.0
        events = gate.read(min(left_s, _LOOK_S))
        for one in events:
            if one.get("event") == "fault" and one.get("active") and one.get("board") == gate.target.board:
                stuck |= _stuck([str(one.get("why", ""))])
            if watcher is not None and one.get("event") == "input_edge" and one.get("board") == board:
                watcher.take(_edge(one))
        if gate.gone or (not events and left_s <= 0.0):
            return


def _demand_seen(gate: GateFeed, board: str, expected: Expected) -> None:
    """End before anything moves when the gate cannot see the input, or sees it active."""
    found = gate.board(board)
    if not found:
        fail(
            Exit.USAGE,
            Pair(
                "--expect {name}：运行中的门没有板 {board}，没有动作。改过配置请重启门控程序",
                "--expect {name}: the running gate has no board {board}; nothing moved. After a change of its file, "
                "start it anew",
            ),
            name=expected.name,
            board=board,
        )
    if _is_passed_over(expected.other or gate.target, expected.channel):
        fail(
            Exit.USAGE,
            Pair(
                "--expect {name}：运行中的门不读这个输入（配置里没有用到它），没有动作。先在 gate.toml 写 [[input]]，"
                "或停止门控程序",
                "--expect {name}: the running gate does not read this input, for its file does not use it; nothing "
                "moved. Name it there as an [[input]], or stop the gate",
            ),
            name=expected.name,
        )
    if found.get("line") != "up" or found.get("fault"):
        fail(
            Exit.UNREACHABLE,
            Pair(
                "--expect {name}：板 {board} 现在读不到（{why}），没有动作",
                "--expect {name}: board {board} cannot be read now ({why}); nothing moved",
            ),
            name=expected.name,
            board=board,
            why=found.get("fault") or found.get("why") or found.get("line"),
        )
    if expected.channel in found.get("active", []):
        active_already(expected)


def _is_passed_over(target: Target, channel: int) -> bool:
    """Whether the gate leaves an input alone, because each is a question of its own and this one means nothing."""
    gate, board = target.gate, str(target.board)
    return (
        gate is not None
        and "watch" in PROTOCOLS[target.protocol].options
        and not gate.role_at(board, channel)
    )


def _edge(happening: dict[str, Any]) -> InputEdge:
    return InputEdge(
        channel=int(happening["channel"]), active=bool(happening["active"]), at_s=float(happening["at_s"])
    )


def _stuck(faults: list[str]) -> set[int]:
    return {int(found[1]) for why in faults if (found := _STAYS_CLOSED.search(why))}


def _ms(from_s: float, to_s: float) -> float:
    return round((to_s - from_s) * 1000, 1)
