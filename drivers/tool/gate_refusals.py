"""What the running gate's refusals mean to the person at the terminal: one exit code and words for each.

The codes are those of the table in ``edge.control`` and of the control socket itself; a code that is not known yet is
said as it came. A refusal is certain: nothing was done.
"""

from collections.abc import Mapping
from typing import Any, Final

from drivers.model import Refusal
from drivers.tool.console import Exit, both
from drivers.tool.outcomes import REFUSALS
from passes.words import Pair

_FIELDS: Final = ("lane", "board", "known", "detail", "problem")
_AGAIN: Final = Pair(
    "门控程序正忙，没有动作。请稍后重试", "The running gate is busy; nothing was done. Try again in a moment"
)
_NOT_UNDERSTOOD: Final = Pair(
    "门控程序没有收到完整的请求，没有动作。请重试",
    "The running gate did not get a whole request; nothing was done. Try again",
)

Meaning = tuple[Exit, Pair]
MEANINGS: Final[Mapping[tuple[str, str], Meaning]] = {
    ("bad_request", ""): (
        Exit.USAGE,
        Pair(
            "门控程序不接受此请求，没有动作：{problem}",
            "The running gate cannot take that; nothing moved: {problem}",
        ),
    ),
    ("unknown_lane", ""): (
        Exit.USAGE,
        Pair(
            "运行中的门没有通道 {lane}，没有动作；有：{known}。改过配置请重启门控程序",
            "The running gate has no lane {lane}; nothing moved. It has: {known}. After a change of its file, start it "
            "anew",
        ),
    ),
    ("unknown_board", ""): (
        Exit.USAGE,
        Pair(
            "运行中的门没有带输出的板 {board}，没有动作；有：{known}。改过配置请重启门控程序",
            "The running gate has no board {board} with outputs; nothing moved. It has: {known}. After a change of "
            "its file, start it anew",
        ),
    ),
    ("unsupported", "controller"): (
        Exit.USAGE,
        Pair(
            "通道 {lane} 由转闸控制器控制，放行会自行结束，没有动作",
            "Lane {lane} has a turnstile controller, which ends by itself; nothing was done",
        ),
    ),
    ("busy", ""): (Exit.UNREACHABLE, _AGAIN),
    ("busy", "just_opened"): (
        Exit.FAILED,
        Pair(
            "通道 {lane} 刚刚打开过，没有动作。请重试",
            "Lane {lane} opened a moment ago; nothing moved. Try again",
        ),
    ),
    ("busy", "walking"): (
        Exit.FAILED,
        Pair(
            "有人正在通过通道 {lane}，没有动作。等人走过再试",
            "Somebody is walking through lane {lane}; nothing moved. Try again behind them",
        ),
    ),
    ("busy", "held"): (
        Exit.FAILED,
        Pair(
            "通道 {lane} 已经常开，没有动作。先结束那一次，或用 off",
            "Lane {lane} is held open already; nothing was done. End that hold first, or use off",
        ),
    ),
    ("board_fault", ""): (
        Exit.FAILED,
        Pair(
            "通道 {lane} 的板 {board} 不正常（{detail}），没有动作。先修复；此前用钥匙开",
            "Board {board} of lane {lane} does not work ({detail}); nothing moved. Repair it first; open by key "
            "meanwhile",
        ),
    ),
    ("not_recorded", ""): (
        Exit.FAILED,
        Pair(
            "门的记录写不进去，没有记录就不动作。清理磁盘，或用钥匙开",
            "The gate's journal cannot be written, and without a record nothing moves. Free its disk; open by key "
            "meanwhile",
        ),
    ),
    ("not_clear", ""): (
        Exit.FAILED,
        Pair("紧急状态不能复位：{detail}", "The emergency cannot be reset: {detail}"),
    ),
    ("unsafe", "no_wiring_facts"): (
        Exit.UNSAFE,
        Pair(
            "不能保持常开：运行中的门没有通道 {lane} 的接线签名（tested_by、tested_on）。先试断电，写入配置并重启",
            "Not held: nobody signed for the wiring of lane {lane} in the running gate (tested_by, tested_on). Pull "
            "the plug and see, write it into gate.toml, and start the gate anew",
        ),
    ),
    ("unsafe", "controller"): (
        Exit.UNSAFE,
        Pair(
            "通道 {lane} 由转闸控制器控制，不能保持常开：结束时两侧同时关闭，会收回刚放行的人的许可。请逐人放行",
            "Lane {lane} has a turnstile controller and is not held: the end of it closes both sides, and takes back "
            "the permit of whoever is just let through. Let people through one by one",
        ),
    ),
    ("unsafe", "occupied"): (
        Exit.UNSAFE,
        Pair(
            "道闸 {lane} 下有车辆，或车辆检测的输入读不到：栏杆不放下，没有动作。车辆驶离后自动结束",
            "A vehicle is at barrier {lane}, or its presence input cannot be read: its arm stays up, and nothing was "
            "done. The hold ends when the vehicle has gone",
        ),
    ),
    ("unsafe", "emergency"): (
        Exit.UNSAFE,
        Pair(
            "紧急状态中不会重新锁闭，没有动作。原因消除后在门口复位：postern-edge fire-reset",
            "In an emergency nothing is locked again; nothing was done. When its cause is over, reset it at the gate: "
            "postern-edge fire-reset",
        ),
    ),
    ("no_answer", ""): (
        Exit.UNREACHABLE,
        Pair(
            "门控程序开始了但没有完成，可能已执行：先看通道和门的记录",
            "The running gate began and did not end it; it may have been done. Look at the lane and at its record",
        ),
    ),
    ("internal", ""): (
        Exit.FAILED,
        Pair(
            "门控程序内部出错，可能已执行：先看通道，再看它的日志",
            "The running gate failed at this; it may have been done. Look at the lane first, then at its log",
        ),
    ),
    **{
        (code, ""): (Exit.UNREACHABLE, _NOT_UNDERSTOOD)
        for code in ("not_json", "not_whole", "too_slow", "too_large")
    },
}
_NOT_OF_A_DRIVER: Final = {
    "not_taken": Pair("板的线路没有接受命令", "the board's line took nothing"),
    "timed_out": Pair("没有回答，可能已执行", "no answer; it may have been done"),
}


def meaning_of(code: str, details: Mapping[str, Any], problem: str) -> tuple[Exit, Pair, dict[str, str]]:
    """Exit code, words, and what to put into the words, for one refusal of the gate."""
    why = str(details.get("why", ""))
    found = MEANINGS.get((code, why)) or MEANINGS.get((code, ""))
    values = dict.fromkeys(_FIELDS, "?") | {name: str(details[name]) for name in _FIELDS if name in details}
    values["problem"] = problem
    if found is None:
        return Exit.UNSAFE if code == "unsafe" else Exit.FAILED, both("{problem}"), values
    return *found, values


def why_words(why: str) -> Pair:
    """A board's refusal in words: its code and what that means."""
    if why in _NOT_OF_A_DRIVER:
        return _NOT_OF_A_DRIVER[why]
    return REFUSALS[Refusal(why)] if why in set(Refusal) else both(why)
