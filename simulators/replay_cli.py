"""``postern-sim replay``: a captured trace plays the device, so that a fault of a site can be shown at a desk."""

from pathlib import Path
from typing import Annotated

import typer

from shell.supervision import stop_event
from simulators.boards.knobs import KnobError, Knobs, turn
from simulators.boards.process import EXIT_USAGE, run_station
from simulators.replay import Replay, ReplayEnd
from simulators.replay_script import ScriptError, read_script

EXIT_DEPARTED = 1


def replay(  # noqa: PLR0917  # a command line's options
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A trace of postern-driver.")],
    link: Annotated[Path, typer.Option(metavar="PATH", help="Where to publish the device's serial line.")],
    strict: Annotated[
        bool, typer.Option("--strict", help="End with 1 where the host departs from the trace.")
    ] = False,
    knob: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A fault of the line besides (see board --help)."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides which bytes faults hit.")] = 0,
    tape: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append every event to this file as JSON lines.")
    ] = None,
) -> None:
    """Play the device of a trace that postern-driver wrote, until Ctrl-C.

    The same bytes get the same answers after the same time, round after round; a cable that was lost is lost again.
    It says where the host departs from the trace, and then answers the nearest equal bytes, unless --strict is given.

    \b
    Examples:
      postern-driver pulse 1 --board relays --confirm entry --trace fault.jsonl
      postern-sim replay fault.jsonl --link dev/relays
      postern-sim replay fault.jsonl --link dev/relays --strict
    """
    stop = stop_event()
    try:
        device = Replay(read_script(file), strict=strict, ended=stop.set)
        knobs = turn(Knobs(), knob or [])
    except (ScriptError, KnobError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_USAGE) from error
    except OSError as error:
        typer.echo(f"{file} cannot be read ({error.strerror})", err=True)
        raise typer.Exit(EXIT_USAGE) from error
    end = ReplayEnd(link, device, knobs=knobs, seed=seed)
    run_station(
        [end],
        knobs=knobs,
        tape_path=tape,
        obey=lambda _station: lambda _line, _now_s: "it takes nothing from stdin",
        stop=stop,
    )
    typer.echo(f"rounds {device.rounds}, departures {device.departures}", err=True)
    if strict and device.departures:
        raise typer.Exit(EXIT_DEPARTED)
