"""``pulse``: close one relay for a moment, and say what came of it: commanded against observed."""

from contextlib import ExitStack
from typing import Annotated, Any

import typer

from drivers.tool.confirm import ConfirmOption, confirmed_lane
from drivers.tool.console import DryRunOption, Exit, JsonOption, fail, put_json, put_line, text
from drivers.tool.expecting import Expected, Watcher, active_already, check_input, expected_input
from drivers.tool.looking import looking
from drivers.tool.moving import Mover, Stopwatch, check_output, default_ms, demand_own, frames_of, timed_by
from drivers.tool.opening import opened
from drivers.tool.pulse_report import Progress, report, report_interrupted
from drivers.tool.pulse_through import pulsed_by_daemon
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
from drivers.tool.through import ByOption, demand_no_trace
from drivers.tool.trace import TraceOption
from drivers.tool.wire import traced
from passes.words import Pair

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
    demand_no_trace(target, trace)
    row: dict[str, Any] = {
        "lane": confirmed_lane(target, output, confirm),
        "port": target.port,
        "protocol": target.protocol,
        "channel": output,
        "ms": length_ms,
        "timed_by": timed_by(info),
    }
    progress = Progress(row=row)
    try:
        if not pulsed_by_daemon(target, progress, expected=expected, within_s=within, by=by):
            with ExitStack() as stack:
                written = stack.enter_context(traced(trace, target.port, info.line, protocol=target.protocol))
                demand_own(target, row["lane"], trace=written)
                stopwatch = Stopwatch()
                session = stack.enter_context(opened(target, trace=written, notes=stopwatch))
                try:
                    _move(stack, Mover(session, target, stopwatch), progress, expected, within_s=within)
                finally:
                    row["stays_closed"] = session.stays_closed
    except KeyboardInterrupt:
        report_interrupted(progress, info, as_json=as_json)
    report(progress, info, as_json=as_json)


def output_of(number: int | None, channel: int | None) -> int:
    """The output that the command line names; ends with exit code 2 when it names none, or two."""
    if (number is None) == (channel is None) or (number is not None and number < 1):
        fail(Exit.USAGE, Pair("写明一个继电器，例如：pulse 1", "Name one relay, for example: pulse 1"))
    return number or channel or 0


def _move(
    stack: ExitStack, mover: Mover, progress: Progress, expected: Expected | None, *, within_s: float
) -> None:
    """Open once, while the expected input is watched; what becomes of it is put down as it becomes known."""
    row = progress.row

    def issued() -> None:
        progress.issued = True

    if expected is None:
        moved = mover.move(row["channel"], row["ms"], issued=issued)
        row |= moved.result
        progress.unheard = moved.unheard
        return
    watcher = Watcher(expected)
    if expected.other is None:
        eyes, meanwhile = mover.session, watcher.take
    else:
        eyes = stack.enter_context(opened(expected.other, driver=looking(expected.other)))
        meanwhile = None
    if watcher.settle(eyes):
        active_already(expected)
    moved = mover.move(row["channel"], row["ms"], meanwhile=meanwhile, issued=issued)
    row |= moved.result
    progress.unheard = moved.unheard
    try:
        watcher.listen(eyes, moved.issued_s + within_s + row["ms"] / 1000, whole=True)
    finally:
        row["observed"] = watcher.observed(moved.issued_s)


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
