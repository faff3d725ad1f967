"""``watch``: the edges of inputs as they come; it only reads."""

from typing import Annotated

import typer

from drivers.model import InputEdge
from drivers.tool.console import Exit, JsonOption, fail, put_json, put_line
from drivers.tool.opening import Session, opened, say_event
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
from shell.clock import SystemClock


def watch(
    *,
    port: PortOption = None,
    protocol: ProtocolOption = None,
    profile: ProfileOption = None,
    make: MakeOption = None,
    unit: UnitOption = None,
    board: BoardOption = None,
    config: ConfigOption = None,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many edges.")] = None,
    timeout: Annotated[float | None, typer.Option(min=0.0, help="Stop after so many seconds.")] = None,
    trace: TraceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the edges of inputs as they come, until Ctrl-C. It only reads.

    \b
    Examples:
      postern-driver watch --port /dev/ttyUSB1 --protocol modbus-inputs
      postern-driver watch --port /dev/ttyUSB1 --protocol modbus-inputs --count 2 --timeout 20 --json

    An input that is active at the start shows as its first edge. Exit code 1: the time was over before
    --count edges came; 3: the port or the module could not be reached.
    """
    target = find_target(
        port=port, protocol=protocol, board=board, config=config, unit=unit, profile=profile, make=make
    )
    if not driver_of(target).info.inputs:
        fail(
            Exit.USAGE,
            Pair(
                "{protocol} 设备没有输入可看",
                "{protocol} devices have no inputs to watch. Use for example --protocol modbus-inputs",
            ),
            protocol=target.protocol,
        )
    with opened(target, trace=trace) as session:
        try:
            seen = _show_edges(session, count, timeout, as_json=as_json)
        except KeyboardInterrupt:
            return
        healthy = session.bus.healthy
    if not healthy:
        fail(
            Exit.UNREACHABLE,
            Pair("时间到时板子读不到", "The board could not be read when the time was over"),
        )
    if count is not None and seen < count:
        fail(
            Exit.FAILED,
            Pair("{s:g} 秒内只有 {seen}/{count} 次变化", "{seen} of {count} edges came within {s:g} s"),
            s=timeout or 0,
            seen=seen,
            count=count,
        )


def _show_edges(session: Session, count: int | None, timeout_s: float | None, *, as_json: bool) -> int:
    """Print edges until enough came or the time is over; how many there were."""
    clock = SystemClock()
    began_s = clock.monotonic_s()
    until_s = None if timeout_s is None else began_s + timeout_s
    seen = 0
    while count is None or seen < count:
        event = session.next(until_s)
        if event is None:
            break
        if not isinstance(event, InputEdge):
            say_event(event)
            continue
        seen += 1
        since_ms = round((event.at_s - began_s) * 1000)
        at = clock.now().isoformat(timespec="milliseconds")
        if as_json:
            put_json({"at": at, "ms": since_ms, "channel": event.channel, "active": event.active})
        else:
            level = "active" if event.active else "inactive"
            put_line(f"{at} {since_ms:>8} ms  input {event.channel} {level}")
    return seen
