"""``postern-driver``: what an installer does at the gate with a cable, a board and a lane that may move.

Data goes to stdout, messages to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 port or board not
reachable, 4 not confirmed. Nothing here probes: listing opens no port, and only ``pulse`` switches a relay.
"""

import json
import logging
import queue
import sys
import time
import uuid
from contextlib import closing
from dataclasses import asdict
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from drivers.bus import Bus
from drivers.model import Done, Driver, Event, Fault, Garbage, InputEdge, Line, Pulse, Refused, TimedOut
from drivers.ports import PortRow, list_ports
from drivers.registry import UnknownProtocolError, make_bus, make_driver
from shell.clock import SystemClock
from shell.logs import set_up_logs

PROGRAM = "postern-driver"
_REACH_WITHIN_S = 3.0
_ANSWER_WITHIN_S = 1.0  # beyond the pulse itself


class Exit(IntEnum):
    """Exit codes of STYLE section 10."""

    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    UNSAFE = 4


app = typer.Typer(
    name=PROGRAM,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
_messages = Console(stderr=True, highlight=False, soft_wrap=True)

PortOption = Annotated[str, typer.Option("--port", help="Serial device; prefer a /dev/serial/by-path link.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]


@app.callback()
def about() -> None:
    """See and try the boards of a gate.

    \b
    Examples:
      postern-driver ports
      postern-driver pulse --port /dev/ttyUSB0 --protocol lcus --channel 1 --dry-run
      postern-driver watch --port /dev/ttyUSB1 --protocol modbus-inputs --timeout 30
    """
    set_up_logs(PROGRAM, level=logging.CRITICAL)  # the commands say the same to a person, once


@app.command()
def ports(
    also: Annotated[
        list[Path] | None, typer.Option(help="Also show this path, for example a virtual port.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List serial ports without opening any.

    \b
    Examples:
      postern-driver ports
      postern-driver ports --json
      postern-driver ports --also dev/relays --also dev/inputs

    Configuration should name the by-path link: it stays with the socket, while ttyUSB numbers move.
    The USB numbers name the adapter, not the board behind it.
    """
    rows = list_ports(also or [])
    if as_json:
        _print_json([asdict(row) for row in rows])
    elif rows:
        _print_ports(rows)
    else:
        _say("No serial ports. Plug the board in; name a virtual port with --also PATH.")


@app.command()
def pulse(  # a command line's options
    port: PortOption,
    protocol: Annotated[str, typer.Option(help="Protocol of the relay board, for example lcus.")],
    channel: Annotated[int, typer.Option(min=1, help="Relay, counted from 1 as printed on the board.")],
    ms: Annotated[int, typer.Option(help="Length in milliseconds, 100 to 2000.")] = 300,
    confirm: Annotated[
        str | None, typer.Option(metavar="LANE", help="Name of the lane this relay opens: yes, move it.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the frames in hex; open nothing, send nothing.")
    ] = False,
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
    driver = _driver(protocol, unit=1)
    _check_pulse(driver, channel, ms)
    if dry_run:
        _print_frames(driver, channel, ms, as_json=as_json)
        return
    lane = _confirmed_lane(port, channel, confirm)
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    bus = make_bus(name=lane, protocol=protocol, path=port, on_event=lambda _name, event: events.put(event))
    bus.start()
    with closing(bus):
        _wait_until_up(events)
        started_s = time.monotonic()
        outcome = _pulse_once(bus, events, channel, ms)
        took_ms = round((time.monotonic() - started_s) * 1000, 1)
    timed_by = "host" if driver.info.host_timed else "board"
    row = {
        "lane": lane,
        "port": port,
        "protocol": protocol,
        "channel": channel,
        "ms": ms,
        "timed_by": timed_by,
    }
    _report_pulse(row, outcome, took_ms, as_json=as_json)


@app.command()
def watch(  # a command line's options
    port: PortOption,
    protocol: Annotated[str, typer.Option(help="Protocol of the input module, for example modbus-inputs.")],
    unit: Annotated[int, typer.Option(min=1, max=255, help="Address set on the module.")] = 1,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many edges.")] = None,
    timeout: Annotated[float | None, typer.Option(min=0.0, help="Stop after so many seconds.")] = None,
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
    if not _driver(protocol, unit=unit).info.inputs:
        _fail(Exit.USAGE, f"{protocol} boards have no inputs to watch. Use --protocol modbus-inputs")
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    bus = make_bus(
        name=port, protocol=protocol, path=port, unit=unit, on_event=lambda _name, event: events.put(event)
    )
    bus.start()
    with closing(bus):
        _wait_until_up(events)
        try:
            seen = _show_edges(events, count, timeout, as_json=as_json)
        except KeyboardInterrupt:
            return
        healthy = bus.healthy
    if not healthy:
        _fail(Exit.UNREACHABLE, "The board could not be read when the time was over")
    if count is not None and seen < count:
        _fail(Exit.FAILED, f"{seen} of {count} edges came within {timeout:g} s")


def _driver(protocol: str, *, unit: int) -> Driver:
    try:
        return make_driver(protocol, unit=unit)
    except UnknownProtocolError as error:
        _fail(Exit.USAGE, str(error))


def _check_pulse(driver: Driver, channel: int, ms: int) -> None:
    info = driver.info
    if not info.outputs:
        _fail(Exit.USAGE, f"{info.protocol} boards have no relay to pulse. Use --protocol lcus")
    if channel > info.outputs:
        _fail(Exit.USAGE, f"--channel {channel} is not on this board. Use 1 to {info.outputs}")
    shortest_ms, longest_ms = info.pulse_ms
    if not shortest_ms <= ms <= longest_ms:
        _fail(Exit.USAGE, f"--ms {ms} is out of range. Use {shortest_ms} to {longest_ms}")


def _confirmed_lane(port: str, channel: int, confirm: str | None) -> str:
    """The lane's name, given on the command line or typed; a pulse moves something that may hurt."""
    if confirm is None and sys.stdin.isatty():
        _say(f"Relay {channel} on {port} will close, and the lane behind it will open.")
        confirm = typer.prompt("Type the lane's name to go on", default="", show_default=False, err=True)
    lane = (confirm or "").strip()
    if not lane:
        _fail(
            Exit.UNSAFE,
            f"Not confirmed, nothing was sent. Name the lane that relay {channel} opens: --confirm LANE",
        )
    return lane


def _wait_until_up(events: "queue.SimpleQueue[Event]") -> None:
    """Wait for the port to open; the first word about the line decides."""
    deadline_s = time.monotonic() + _REACH_WITHIN_S
    while True:
        event = _next(events, deadline_s)
        match event:
            case Line(up=True):
                return
            case Line(why=why):
                _fail(Exit.UNREACHABLE, why)
            case None:
                _fail(Exit.UNREACHABLE, f"The port did not open within {_REACH_WITHIN_S:g} s")


def _pulse_once(
    bus: Bus, events: "queue.SimpleQueue[Event]", channel: int, ms: int
) -> Done | TimedOut | Refused | None:
    command = Pulse(channel=channel, ms=ms, id=uuid.uuid4().hex, issued_s=time.monotonic())
    bus.submit(command)
    deadline_s = time.monotonic() + ms / 1000 + _ANSWER_WITHIN_S
    while True:
        event = _next(events, deadline_s)
        if event is None or (isinstance(event, Done | TimedOut | Refused) and event.id == command.id):
            return event


def _report_pulse(
    row: dict[str, Any], outcome: Done | TimedOut | Refused | None, took_ms: float, *, as_json: bool
) -> None:
    match outcome:
        case Done(grade=grade):
            row |= {"result": "done", "grade": grade.value, "took_ms": took_ms}
        case Refused(why=why):
            row |= {"result": "refused", "why": why.value}
        case _:
            row |= {"result": "timed_out", "maybe_executed": outcome is None or outcome.maybe_executed}
    if as_json:
        _print_json(row)
    elif isinstance(outcome, Done):
        typer.echo(f"{row['lane']}: relay {row['channel']}, {row['ms']} ms: {row['grade']}, {took_ms:g} ms")
    if isinstance(outcome, Done):
        return
    if isinstance(outcome, Refused):
        _fail(Exit.FAILED, f"The pulse was refused ({outcome.why.value}); nothing moved")
    _fail(
        Exit.UNREACHABLE,
        f"Port {row['port']} was lost in the middle of the pulse: the lane may have opened. "
        "Look at it before you try again",
    )


def _show_edges(
    events: "queue.SimpleQueue[Event]", count: int | None, timeout_s: float | None, *, as_json: bool
) -> int:
    """Print edges until enough came or the time is over; how many there were."""
    clock = SystemClock()
    began_s = clock.monotonic_s()
    deadline_s = None if timeout_s is None else began_s + timeout_s
    seen = 0
    while count is None or seen < count:
        event = _next(events, deadline_s)
        match event:
            case None:
                break
            case InputEdge():
                seen += 1
                since_ms = round((event.at_s - began_s) * 1000)
                at = clock.now().isoformat(timespec="milliseconds")
                if as_json:
                    _print_json({"at": at, "ms": since_ms, "channel": event.channel, "active": event.active})
                else:
                    level = "active" if event.active else "inactive"
                    typer.echo(f"{at} {since_ms:>8} ms  input {event.channel} {level}")
            case Line(up=True):
                _say("The port is back")
            case Line(why=why) | Fault(why=why):
                _say(why)
            case Garbage(count=bytes_):
                _say(f"{bytes_} bytes that are no frame: wrong speed, wrong protocol or noise?")
    return seen


def _next(events: "queue.SimpleQueue[Event]", deadline_s: float | None) -> Event | None:
    timeout_s = None if deadline_s is None else max(0.0, deadline_s - time.monotonic())
    try:
        return events.get(timeout=timeout_s)
    except queue.Empty:
        return None


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
        _print_json(rows)
    else:
        for row in rows:
            typer.echo(f"{row['at_ms']:>5} ms  {row['hex']}")


def _print_ports(rows: list[PortRow]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("port", "by-path link", "usb", "driver", "who may open it", "held by"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        access = row.access if row.usable else f"{row.access} (not you)"
        cells = (row.path, row.by_path or "-", row.usb or "-", row.driver or "-", access, row.holder or "-")
        table.add_row(*(escape(cell) for cell in cells))
    Console(highlight=False).print(table)


def _print_json(data: object) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False))


def _say(message: str) -> None:
    _messages.print(escape(message))


def _fail(code: Exit, message: str) -> NoReturn:
    _say(message)
    raise typer.Exit(code)


def main() -> None:
    """Entry point of ``postern-driver``."""
    app(prog_name=PROGRAM)


if __name__ == "__main__":
    main()
