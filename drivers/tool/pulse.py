"""``pulse``: close one relay for a moment, so the lane behind it opens."""

import time
from typing import Annotated, Any

import typer

from drivers.model import Done, Driver, Pulse, Refused, TimedOut
from drivers.tool.confirm import ConfirmOption, confirmed_lane
from drivers.tool.console import DryRunOption, Exit, JsonOption, fail, put_json, put_line
from drivers.tool.opening import fresh_id, opened
from drivers.tool.target import (
    BoardOption,
    ConfigOption,
    MakeOption,
    PortOption,
    ProfileOption,
    ProtocolOption,
    UnitOption,
    driver_of,
    find_target,
)
from drivers.tool.trace import TraceOption
from passes.words import Pair

_ANSWER_WITHIN_S = 1.0  # beyond the pulse itself


def pulse(
    *,
    channel: Annotated[int, typer.Option(min=1, help="Relay, counted from 1 as printed on the board.")],
    port: PortOption = None,
    protocol: ProtocolOption = None,
    profile: ProfileOption = None,
    make: MakeOption = None,
    unit: UnitOption = None,
    board: BoardOption = None,
    config: ConfigOption = None,
    ms: Annotated[int, typer.Option(help="Length in milliseconds, 100 to 2000.")] = 300,
    confirm: ConfirmOption = None,
    dry_run: DryRunOption = False,
    trace: TraceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close one relay for a moment: THE LANE BEHIND IT OPENS.

    \b
    Examples:
      postern-driver pulse --port /dev/ttyUSB0 --protocol lcus --channel 1 --ms 300 --dry-run
      postern-driver pulse --port /dev/ttyUSB0 --protocol lcus --channel 1 --ms 300 --confirm entry

    First every relay of the board is opened, then this one is closed once. Without --confirm the lane's
    name is asked for at a terminal; elsewhere nothing is sent (exit 4).
    """
    target = find_target(
        port=port, protocol=protocol, board=board, config=config, unit=unit, profile=profile, make=make
    )
    driver = driver_of(target)
    _check_pulse(driver, channel, ms)
    if dry_run:
        _print_frames(driver, channel, ms, as_json=as_json)
        return
    lane = confirmed_lane(target, channel, confirm)
    with opened(target, trace=trace) as session:
        started_s = time.monotonic()
        command = Pulse(channel=channel, ms=ms, id=fresh_id(), issued_s=started_s)
        outcome = session.answer(command, within_s=ms / 1000 + _ANSWER_WITHIN_S)
        took_ms = round((time.monotonic() - started_s) * 1000, 1)
    row: dict[str, Any] = {
        "lane": lane,
        "port": target.port,
        "protocol": target.protocol,
        "channel": channel,
        "ms": ms,
        "timed_by": "host" if driver.info.host_timed else "board",
    }
    _report(row, outcome, took_ms, as_json=as_json)


def _check_pulse(driver: Driver, channel: int, ms: int) -> None:
    info = driver.info
    if not info.outputs:
        fail(
            Exit.USAGE,
            Pair(
                "{protocol} 设备没有继电器可动作",
                "{protocol} devices have no relay to pulse. Use for example --protocol lcus",
            ),
            protocol=info.protocol,
        )
    if channel > info.outputs:
        fail(
            Exit.USAGE,
            Pair(
                "--channel {channel} 不在此板上，可用 1 到 {most}",
                "--channel {channel} is not on this board. Use 1 to {most}",
            ),
            channel=channel,
            most=info.outputs,
        )
    shortest_ms, longest_ms = info.pulse_ms
    if not shortest_ms <= ms <= longest_ms:
        fail(
            Exit.USAGE,
            Pair(
                "--ms {ms} 超出范围，可用 {shortest} 到 {longest}",
                "--ms {ms} is out of range. Use {shortest} to {longest}",
            ),
            ms=ms,
            shortest=shortest_ms,
            longest=longest_ms,
        )


def _report(row: dict[str, Any], outcome: object, took_ms: float, *, as_json: bool) -> None:
    match outcome:
        case Done(grade=grade):
            row |= {"result": "done", "grade": grade.value, "took_ms": took_ms}
        case Refused(why=why):
            row |= {"result": "refused", "why": why.value}
        case TimedOut(maybe_executed=maybe):
            row |= {"result": "timed_out", "maybe_executed": maybe}
        case _:
            row |= {"result": "timed_out", "maybe_executed": True}
    if as_json:
        put_json(row)
    elif isinstance(outcome, Done):
        put_line(f"{row['lane']}: relay {row['channel']}, {row['ms']} ms: {row['grade']}, {took_ms:g} ms")
    if isinstance(outcome, Done):
        return
    if isinstance(outcome, Refused):
        fail(
            Exit.FAILED,
            Pair("脉冲被拒绝（{why}），没有动作", "The pulse was refused ({why}); nothing moved"),
            why=outcome.why.value,
        )
    fail(
        Exit.UNREACHABLE,
        Pair(
            "脉冲途中失去端口 {port}：通道可能已打开，重试前先看现场",
            "Port {port} was lost in the middle of the pulse: the lane may have opened. "
            "Look at it before you try again",
        ),
        port=row["port"],
    )


def _print_frames(driver: Driver, channel: int, ms: int, *, as_json: bool) -> None:
    """What the driver would write, run in virtual time."""
    rows: list[dict[str, Any]] = []

    def collect(at_ms: int) -> None:
        rows.extend({"at_ms": at_ms, "hex": frame.hex(" ").upper()} for frame in driver.take_output())

    driver.line_up(0.0)
    collect(0)
    driver.submit(Pulse(channel=channel, ms=ms, id="dry run", issued_s=0.0), 0.0)
    collect(0)
    driver.tick(ms / 1000)
    collect(ms)
    if as_json:
        put_json(rows)
    else:
        for row in rows:
            put_line(f"{row['at_ms']:>5} ms  {row['hex']}")
