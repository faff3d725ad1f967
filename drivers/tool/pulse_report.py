"""What is said of one opening: the same figures and exit codes, whoever had the port."""

from dataclasses import dataclass
from typing import Any, Final, NoReturn

import typer

from drivers.model import DriverInfo, Grade, Refusal
from drivers.tool.console import Exit, both, fail, put_json, put_line, text, warn
from drivers.tool.gate_refusals import why_words
from drivers.tool.outcomes import GRADE_WORDS, INTERRUPTED, NEVER_HEARD, OPENED_ONLY, UNKNOWN, warn_of_closed
from passes.words import Pair

_TIMED_WORDS: Final = {
    "host": Pair("主机计时", "timed by this machine"),
    "board": Pair("板计时", "timed by the board"),
}


@dataclass(slots=True, kw_only=True)
class Progress:
    """One opening as far as it has come, so that whoever ends it early is told what is known.

    Args:
        row: What ``--json`` prints.
        issued: The command was given: from here on the lane may have opened.
        unheard: The board should answer, and never did.
        blind: Happenings were missed, so that the input may have answered all the same.
    """

    row: dict[str, Any]
    issued: bool = False
    unheard: bool = False
    blind: bool = False


def report(progress: Progress, info: DriverInfo, *, as_json: bool) -> None:
    """Print what came of it; ends with the exit code that it is unless all is well."""
    row = progress.row
    _put(row, info, as_json=as_json)
    if progress.unheard:
        warn(NEVER_HEARD)
    if row["stays_closed"]:
        warn_of_closed(row["stays_closed"])
    if row["result"] != "done":
        _end(row, info)
    if row["stays_closed"]:
        raise typer.Exit(Exit.FAILED)
    seen = row.get("observed")
    if seen is None or seen["seen_ms"] is not None:
        return
    if progress.blind:
        fail(
            Exit.FAILED,
            Pair(
                "看不出 {name} 有没有反应：门控程序的部分事件没有收到。脉冲本身已完成",
                "Whether {name} answered is not known: happenings of the gate were missed. The pulse itself is done",
            ),
            name=seen["input"],
        )
    fail(
        Exit.FAILED,
        Pair(
            "{name} 没有反应：查继电器端子、闸机的输入端和 {name} 的接线；没有人通过时触点也不会动",
            "{name} did not answer. Look at the relay's terminals, the turnstile's input and the wires of "
            "{name}; a passage contact also wants somebody to walk through",
        ),
        name=seen["input"],
    )


def report_interrupted(progress: Progress, info: DriverInfo, *, as_json: bool) -> NoReturn:
    """Say what is known of an opening that somebody ended early; ends with exit code 130."""
    row = progress.row
    finished = "result" in row
    if not finished:
        row |= {"result": "interrupted", "maybe_executed": progress.issued}
    _put(row, info, as_json=as_json)
    if row.get("stays_closed"):
        warn_of_closed(row["stays_closed"])
    if finished and row["result"] == "done":
        warn(
            Pair(
                "已中断：脉冲已完成，没有等到输入",
                "Interrupted: the pulse is done, its input was not waited for",
            )
        )
    elif finished and row["result"] == "refused":
        warn(Pair("已中断：脉冲被拒绝，没有动作", "Interrupted: the pulse was refused; nothing moved"))
    elif row["maybe_executed"]:
        warn(Pair("已中断。{words}", "Interrupted. {words}"), words=text(UNKNOWN))
    else:
        warn(
            Pair(
                "已中断：脉冲没有发出，通道没有打开",
                "Interrupted: the pulse was not given, and no lane opened",
            )
        )
    raise typer.Exit(INTERRUPTED)


def _put(row: dict[str, Any], info: DriverInfo, *, as_json: bool) -> None:
    if as_json:
        put_json(row)
    elif row["result"] == "done":
        put_line(f"{row['lane']}: {text(_headline(row, info))}")
        for line in _figures(row):
            put_line(f"  {line}")


def _end(row: dict[str, Any], info: DriverInfo) -> NoReturn:
    if info.outputs and row.get("through") != "daemon" and _waited_for_opening(row):
        fail(Exit.UNREACHABLE, both("{port}: {words}"), port=row["port"], words=text(OPENED_ONLY))
    if row["result"] == "refused":
        why = row.get("why", "?")
        fail(
            Exit.FAILED,
            Pair("被拒绝（{why}：{words}），没有动作", "Refused ({why}: {words}); nothing moved"),
            why=why,
            words=text(why_words(why)),
        )
    if row.get("maybe_executed") is False:
        fail(
            Exit.UNREACHABLE,
            Pair("{port} 没有回答，命令没有发出", "No answer on {port}; the command was not sent"),
            port=row["port"],
        )
    fail(Exit.UNREACHABLE, UNKNOWN)


def _waited_for_opening(row: dict[str, Any]) -> bool:
    """Whether the command was never sent, because the orders to open before it were not answered: they ended it."""
    return row.get("maybe_executed") is False or row.get("why") == Refusal.OVERTAKEN


def _headline(row: dict[str, Any], info: DriverInfo) -> Pair:
    grade, timed = GRADE_WORDS[row["grade"]], _TIMED_WORDS[row["timed_by"]]
    by = (
        Pair("，由运行中的门完成", ", by the running gate")
        if row.get("through") == "daemon"
        else Pair("", "")
    )
    if info.sides:
        side = info.sides[row["channel"] - 1].value
        return Pair(f"{side} 侧放行一人，{grade.zh}{by.zh}", f"one person admitted {side}, {grade.en}{by.en}")
    return Pair(
        f"继电器 {row['channel']}，{row['ms']} ms（{timed.zh}），{grade.zh}{by.zh}",
        f"relay {row['channel']}, {row['ms']} ms ({timed.en}), {grade.en}{by.en}",
    )


def _figures(row: dict[str, Any]) -> list[str]:
    lines, seen = [], row.get("observed")
    if row["sent_ms"] is not None:
        lines.append(
            text(Pair("命令到字节发出 {ms:g} ms", "command to bytes out {ms:g} ms"), ms=row["sent_ms"])
        )
    if row["answered_ms"] is not None and row["grade"] != Grade.SENT:  # that was said about something else
        lines.append(text(Pair("板应答 {ms:g} ms", "board answered after {ms:g} ms"), ms=row["answered_ms"]))
    lines.append(text(Pair("全程 {ms:g} ms", "over after {ms:g} ms"), ms=row["took_ms"]))
    if seen is not None and seen["seen_ms"] is not None:
        lasted = seen["lasted_ms"]
        words = (
            Pair("{name} 在 {ms:g} ms 后有效，仍保持", "{name} active after {ms:g} ms, and still is")
            if lasted is None
            else Pair(
                "{name} 在 {ms:g} ms 后有效，持续 {lasted:g} ms",
                "{name} active after {ms:g} ms, for {lasted:g} ms",
            )
        )
        lines.append(text(words, name=seen["input"], ms=seen["seen_ms"], lasted=lasted))
    return lines
