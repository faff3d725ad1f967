"""What an outcome means to the person at the gate, and the exit code that it is: S2 and S7 of the catalogue in words.

"Maybe" is said as such. A pulse whose answer was lost may have opened the lane; whoever repeats it blindly may let a
second person in, so the words are: look first.
"""

from typing import Final, NoReturn

from drivers.model import AnyEvent, Grade, Refusal, Refused, TimedOut
from drivers.tool.console import Exit, fail, warn
from passes.words import Pair

REFUSALS: Final = {
    Refusal.LINE_DOWN: Pair("端口没有打开", "the port is not open"),
    Refusal.BAD_CHANNEL: Pair("板上没有这个输出", "the board has no such output"),
    Refusal.BAD_LENGTH: Pair(
        "时长或内容不合要求", "the board cannot do that length, or the content is wrong"
    ),
    Refusal.TOO_OLD: Pair("等得太久，已作废", "it waited for too long"),
    Refusal.BUSY: Pair("设备正忙", "it is busy with another one"),
    Refusal.OVERTAKEN: Pair("被“全部断开”取消", "an all-off came first"),
    Refusal.UNSUPPORTED: Pair("设备做不到", "the device cannot do that"),
    Refusal.WRONG_DEVICE: Pair("端口上是别的设备", "another device answers at this port"),
    Refusal.FULL: Pair("排队的命令太多", "too many commands wait"),
    Refusal.DENIED: Pair("设备自己拒绝了", "the device itself says no"),
}
GRADE_WORDS: Final[dict[str, Pair]] = {
    Grade.CONFIRMED: Pair("已读回确认", "confirmed: read back"),
    Grade.ACCEPTED: Pair("板已应答", "accepted: the board says so"),
    Grade.SENT: Pair("已发送，板不应答", "sent: this board says nothing"),
}
INTERRUPTED: Final = 130  # exit code of what Ctrl-C, a hang-up or a termination has ended, as shells have it
UNKNOWN: Final = Pair(
    "可能已执行：板没有确认，通道可能已经打开。先看现场，不要立即重试——重试可能再放一人",
    "MAYBE EXECUTED: nobody confirmed it, and the lane may have opened. Look at it before you try again: a second "
    "pulse may let a second person in",
)
OPENED_ONLY: Final = Pair(
    "没有回答：打开通道的命令没有发出，但令继电器断开的命令已发出；若接的是别的板，它的继电器可能因此动作。先看现场，"
    "断开板的电源，再查线、协议和速率",
    "No answer: the command that opens the lane was not sent. But orders to open every relay WERE, and if another "
    "board is there its relays may have moved by them. Look at the lane, take the board's supply off, then check the "
    "cable, protocol and speed",
)

NEVER_HEARD: Final = Pair(
    "从没听到过这块板：字节已发出，但不知道有没有板收到。查供电、线、协议和速率",
    "Nothing was ever heard of this board: the bytes went out, and whether anybody got them is not known. Check its "
    "supply, cable, protocol and speed",
)
STAYS_CLOSED: Final = Pair(
    "继电器 {n} 没有断开，通道可能一直开着：触点粘连，或别人在控制。看现场，断开板的电源，更换继电器",
    "Relay {n} STAYS CLOSED, and the lane may stand open: welded, or switched by somebody else. Look at the lane, "
    "take the board's supply off and have the relay replaced",
)


def warn_of_closed(outputs: list[int]) -> None:
    """Say that these outputs did not open at the end."""
    warn(STAYS_CLOSED, n=", ".join(map(str, outputs)))


def end_by(outcome: AnyEvent | None, port: str) -> NoReturn:
    """End the command by an outcome that is not "done": refused is 1, unknown is 3."""
    if isinstance(outcome, Refused):
        why = REFUSALS[outcome.why]
        fail(
            Exit.FAILED,
            Pair(
                f"被拒绝（{outcome.why.value}：{why.zh}），没有动作",
                f"Refused ({outcome.why.value}: {why.en}); nothing moved",
            ),
        )
    if isinstance(outcome, TimedOut) and not outcome.maybe_executed:
        fail(
            Exit.UNREACHABLE,
            Pair("{port} 没有回答，命令没有发出", "No answer on {port}; the command was not sent"),
            port=port,
        )
    fail(Exit.UNREACHABLE, UNKNOWN)
