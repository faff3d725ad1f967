"""How a hold ended, in words and as an exit code, and the banner while it lasts."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

import typer

from drivers.tool.console import Exit, banner, put_json, put_line, text, warn
from passes.words import Pair
from shell.clock import SystemClock


class End(StrEnum):
    """How it ended."""

    RELEASED = "released"  # here
    TIME = "time"
    RELEASED_ELSEWHERE = "released_elsewhere"
    OFF = "off"
    EMERGENCY = "emergency"  # it goes on, and not in our hands
    BOARD = "board"  # its board lost it, or does not answer
    GATE = "gate"  # the running gate went away
    CABLE = "cable"  # its line went away, here
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a hold.

    Args:
        how: How it ended.
        held_s: After so many seconds.
        by: Who ended it, where the gate says so.
    """

    how: End
    held_s: float
    by: str = ""


_WORDS: Final = {
    End.RELEASED: (0, Pair("{lane}：已断开，共 {s:g} 秒", "{lane}: released after {s:g} s")),
    End.TIME: (
        0,
        Pair("{lane}：时间到，已断开，共 {s:g} 秒", "{lane}: its time is over, released after {s:g} s"),
    ),
    End.RELEASED_ELSEWHERE: (
        Exit.FAILED,
        Pair(
            "通道 {lane} 在 {s:g} 秒后被 {by} 结束常开。要继续，重新执行此命令",
            "Lane {lane} was released by {by} after {s:g} s. To go on, give this command again",
        ),
    ),
    End.OFF: (
        Exit.FAILED,
        Pair(
            "{by} 在 {s:g} 秒后断开了全部继电器（off），通道 {lane} 不再常开",
            "{by} released every relay (off) after {s:g} s: lane {lane} is not held any more",
        ),
    ),
    End.EMERGENCY: (
        Exit.FAILED,
        Pair(
            "紧急状态：通道 {lane} 保持打开，直到在门口复位（postern-edge fire-reset）。本命令不再管它",
            "EMERGENCY: lane {lane} stays open until somebody resets it at the gate (postern-edge fire-reset). This "
            "command does not end it",
        ),
    ),
    End.BOARD: (
        Exit.UNREACHABLE,
        Pair(
            "通道 {lane} 的板在 {s:g} 秒后失去了常开，或不再回答：通道可能开着，也可能已锁。先看现场",
            "The board of lane {lane} lost the hold after {s:g} s, or does not answer: the lane may be open or locked. "
            "Look at it",
        ),
    ),
    End.GATE: (
        Exit.UNREACHABLE,
        Pair(
            "门控程序在 {s:g} 秒后不再回答。它正常结束时会断开继电器；先看通道 {lane}",
            "The running gate does not answer any more after {s:g} s. It opens its relays when it ends in order: look "
            "at lane {lane}",
        ),
    ),
    End.CABLE: (
        Exit.UNREACHABLE,
        Pair(
            "通道 {lane} 常开 {s:g} 秒后断线：可能仍开着，没有人会断开它。先看现场；要关，断开板的电源，或插回线用 off",
            "Lane {lane} was held for {s:g} s, then the cable was lost: it MAY STILL STAND OPEN, and nobody "
            "releases it. Look at it. To shut it take the board's supply off, or put the cable back and use: off",
        ),
    ),
    End.UNKNOWN: (
        Exit.UNREACHABLE,
        Pair(
            "通道 {lane} 常开已 {s:g} 秒，没有人确认它已断开：可能仍开着。先看现场；若还开着，用 off，或断开板的电源",
            "Lane {lane} was held for {s:g} s, and nobody confirmed that it is released: it MAY STILL STAND OPEN. "
            "Look at it. If it does, use off, or take the board's supply off",
        ),
    ),
}
_SOMEBODY: Final = Pair("别人", "somebody else")


def announce(lane: str, minutes: float) -> None:
    """The banner that nobody misses."""
    until = SystemClock().now().astimezone() + timedelta(minutes=minutes)
    banner(
        Pair(
            "通道 {lane} 常开，至 {until} 自动断开。按 Ctrl-C 立即断开",
            "LANE {lane} IS HELD OPEN until {until}. Ctrl-C releases it",
        ),
        lane=lane,
        until=f"{until:%H:%M:%S}",
    )


def report(lane: str, minutes: float, ended: Ended, *, as_json: bool) -> None:
    """Print how it ended; ends with the exit code that it is unless all is well."""
    code, words = _WORDS[ended.how]
    if as_json:
        row = {"lane": lane, "minutes": minutes, "held_s": ended.held_s, "ended": ended.how.value}
        put_json(row | ({"by": ended.by} if ended.by else {}))
    values = {"lane": lane, "s": ended.held_s, "by": ended.by or text(_SOMEBODY)}
    if code:
        warn(words, **values)
        raise typer.Exit(code)
    if not as_json:
        put_line(text(words, **values))
