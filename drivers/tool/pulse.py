"""``pulse``: close one relay for a moment, and say what came of it: commanded against observed."""

from contextlib import ExitStack
from typing import Annotated, Any, Final

import typer

from drivers.model import DriverInfo
from drivers.tool.confirm import ConfirmOption, confirmed_lane
from drivers.tool.console import DryRunOption, Exit, JsonOption, fail, put_json, put_line, text
from drivers.tool.expecting import Expected, Watcher, check_input, expected_input
from drivers.tool.looking import looking
from drivers.tool.moving import Moved, Mover, Stopwatch, check_output, default_ms, frames_of, timed_by
from drivers.tool.opening import opened
from drivers.tool.outcomes import UNKNOWN, end_by, warn_of_closed
from drivers.tool.target import (
    BoardOption,
    ConfigOption,
    KeyFileOption,
    MakeOption,
    PortOption,
    ProfileOption,
    ProtocolOption,
    Target,
    UnitOption,
    driver_of,
    find_target,
)
from drivers.tool.through import ByOption, pulsed_by_daemon
from drivers.tool.trace import TraceOption
from passes.words import Pair

TIMED_WORDS: Final = {
    "host": Pair("主机计时", "timed by this machine"),
    "board": Pair("板计时", "timed by the board"),
}
GRADE_WORDS: Final = {
    "confirmed": Pair("已读回确认", "confirmed: read back"),
    "accepted": Pair("板已应答", "accepted: the board says so"),
    "sent": Pair("已发送，板不应答", "sent: this board says nothing"),
}
OutputArgument = Annotated[
    int | None,
    typer.Argument(metavar="[N]", show_default=False, help="Relay, counted from 1 as printed on the board."),
]
ChannelOption = Annotated[int | None, typer.Option("--channel", min=1, help="The same as N.")]


def pulse(
    number: OutputArgument = None,
    *,
    channel: ChannelOption = None,
    port: PortOption = None,
    protocol: ProtocolOption = None,
    profile: ProfileOption = None,
    make: MakeOption = None,
    unit: UnitOption = None,
    key_file: KeyFileOption = None,
    board: BoardOption = None,
    config: ConfigOption = None,
    ms: Annotated[
        int | None, typer.Option(help="Length in milliseconds, 100 to 2000; 300 unless it is given.")
    ] = None,
    expect: Annotated[
        str | None,
        typer.Option("--expect", metavar="INPUT", help="Input that must answer: in2, BOARD.in2, or contact."),
    ] = None,
    within: Annotated[
        float, typer.Option("--within", min=0.1, max=60.0, help="Seconds that it may take.")
    ] = 5.0,
    confirm: ConfirmOption = None,
    by: ByOption = None,
    dry_run: DryRunOption = False,
    trace: TraceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close one relay for a moment: THE LANE BEHIND IT OPENS.

    \b
    Examples:
      postern-driver pulse 1 --port /dev/ttyUSB0 --protocol lcus --ms 300 --dry-run
      postern-driver pulse 1 --port /dev/ttyUSB0 --protocol lcus --confirm entry
      postern-driver pulse 1 --board relays --config gate.toml --confirm entry --json

    First every relay of the board is opened, then this one is closed once, and never again for the same command.
    Without --confirm the lane's name is asked for at a terminal; elsewhere nothing is sent (exit 4). With --expect,
    exit 1 means that the input did not answer. Exit 1 also: a relay was read closed after its opening ended.
    """
    target = find_target(
        port=port,
        protocol=protocol,
        board=board,
        config=config,
        unit=unit,
        profile=profile,
        make=make,
        key_file=key_file,
    )
    info = driver_of(target).info
    output, length_ms = output_of(number, channel), default_ms(info, ms)
    check_output(info, output, length_ms)
    expected = expected_input(expect, target, output)
    if expected is not None:
        check_input((info if expected.other is None else driver_of(expected.other).info).inputs, expected)
    if dry_run:
        print_frames(target, output, length_ms, as_json=as_json)
        return
    lane = confirmed_lane(target, output, confirm)
    row: dict[str, Any] = {
        "lane": lane,
        "port": target.port,
        "protocol": target.protocol,
        "channel": output,
        "ms": length_ms,
        "timed_by": timed_by(info),
    }
    by_daemon = pulsed_by_daemon(target, lane, length_ms, by)
    if by_daemon is not None:
        _report_daemon(row | by_daemon, as_json=as_json)
        return
    with ExitStack() as stack:
        stopwatch = Stopwatch()
        session = stack.enter_context(opened(target, trace=trace, notes=stopwatch))
        mover = Mover(session, target, stopwatch)
        if expected is None:
            moved, seen = mover.move(output, length_ms), None
        else:
            moved, seen = _watched(stack, mover, expected, (output, length_ms), within_s=within)
    row["stays_closed"] = session.stays_closed
    _report(row, moved, seen, info, as_json=as_json)


def output_of(number: int | None, channel: int | None) -> int:
    """The output that the command line names; ends with exit code 2 when it names none, or two."""
    if (number is None) == (channel is None) or (number is not None and number < 1):
        fail(Exit.USAGE, Pair("写明一个继电器，例如：pulse 1", "Name one relay, for example: pulse 1"))
    return number or channel or 0


def _watched(
    stack: ExitStack, mover: Mover, expected: Expected, opening: tuple[int, int], *, within_s: float
) -> tuple[Moved, dict[str, Any]]:
    """Open (output, milliseconds) while the input is watched."""
    output, ms = opening
    watcher = Watcher(expected)
    if expected.other is None:
        eyes, meanwhile = mover.session, watcher.take
    else:
        eyes = stack.enter_context(opened(expected.other, driver=looking(expected.other)))
        meanwhile = None
    if watcher.settle(eyes):
        fail(
            Exit.FAILED,
            Pair(
                "{name} 已经有效：分不出是不是脉冲引起的。先让它复位",
                "{name} is active already, so that nothing can be told by it. Have it released first",
            ),
            name=expected.name,
        )
    moved = mover.move(output, ms, meanwhile=meanwhile)
    until_s = moved.issued_s + within_s + ms / 1000
    watcher.listen(eyes, until_s, whole=True)
    return moved, watcher.observed(moved.issued_s)


def _report(
    row: dict[str, Any], moved: Moved, seen: dict[str, Any] | None, info: DriverInfo, *, as_json: bool
) -> None:
    row |= moved.result
    if seen is not None:
        row["observed"] = seen
    if as_json:
        put_json(row)
    elif row["result"] == "done":
        put_line(f"{row['lane']}: {text(_headline(row, info))}")
        for line in _figures(row, seen):
            put_line(f"  {line}")
    if row["stays_closed"]:
        warn_of_closed(row["stays_closed"])
    if row["result"] != "done":
        end_by(moved.outcome, row["port"])
    if row["stays_closed"]:
        raise typer.Exit(Exit.FAILED)
    if seen is not None and seen["seen_ms"] is None:
        fail(
            Exit.FAILED,
            Pair(
                "{name} 没有反应：查继电器端子、闸机的输入端和 {name} 的接线；没有人通过时触点也不会动",
                "{name} did not answer. Look at the relay's terminals, the turnstile's input and the wires of "
                "{name}; a passage contact also wants somebody to walk through",
            ),
            name=seen["input"],
        )


def _headline(row: dict[str, Any], info: DriverInfo) -> Pair:
    grade, timed = GRADE_WORDS[row["grade"]], TIMED_WORDS[row["timed_by"]]
    if info.sides:
        side = info.sides[row["channel"] - 1].value
        return Pair(f"{side} 侧放行一人，{grade.zh}", f"one person admitted {side}, {grade.en}")
    return Pair(
        f"继电器 {row['channel']}，{row['ms']} ms（{timed.zh}），{grade.zh}",
        f"relay {row['channel']}, {row['ms']} ms ({timed.en}), {grade.en}",
    )


def _figures(row: dict[str, Any], seen: dict[str, Any] | None) -> list[str]:
    lines = []
    if row["sent_ms"] is not None:
        lines.append(
            text(Pair("命令到字节发出 {ms:g} ms", "command to bytes out {ms:g} ms"), ms=row["sent_ms"])
        )
    if row["answered_ms"] is not None:
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


def _report_daemon(row: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        put_json(row)
    elif row["result"] == "done":
        grade = GRADE_WORDS.get(str(row.get("grade")))
        words = Pair("由守护进程完成", "done by the running gate")
        put_line(f"{row['lane']}: {text(words)}{'' if grade is None else ', ' + text(grade)}")
    if row["result"] == "refused":
        fail(
            Exit.FAILED,
            Pair("脉冲被拒绝（{why}），没有动作", "The pulse was refused ({why}); nothing moved"),
            why=row.get("why", "?"),
        )
    if row["result"] != "done":
        fail(Exit.UNREACHABLE, UNKNOWN)


def print_frames(target: Target, output: int, ms: int, *, as_json: bool) -> None:
    """What would be written for one opening."""
    rows = frames_of(target, output, ms)
    if as_json:
        shown = ("at_ms", "hex", "encrypted")
        put_json([{name: row[name] for name in shown if name in row} for row in rows])
        return
    words = {
        "rest": Pair("先断开", "first, open"),
        "open": Pair("通道打开！", "THE LANE OPENS"),
        "end": Pair("结束", "end"),
    }
    for row in rows:
        put_line(f"{row['at_ms']:>5} ms  {row['hex']:<24}  {text(words[row['what']])}")
