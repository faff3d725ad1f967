"""``postern-sim up gate.toml``: practise with ``postern-driver`` on a gate that is not there."""

from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from drivers.tool.gate_file import GateFile, read_gate_file
from shell.settings import SettingsError
from shell.supervision import stop_event
from simulators.boards.cable import Cable
from simulators.boards.ends import PtyEnd
from simulators.boards.keyboard import Keyboard
from simulators.boards.knobs import KnobError, Knobs, turn
from simulators.boards.plan import read_plan
from simulators.boards.process import EXIT_USAGE, run_station
from simulators.boards.station import Obey, Station
from simulators.boards.turnstile import Turnstile
from simulators.devices.scanner import TextScanner
from simulators.devices.thermometers import Thermometer
from simulators.training import Training, TrainingError, make_training, rewritten

MORE_WORDS: Final = " | show TEXT | celsius N|none"


def up(  # noqa: PLR0917  # a command line's options
    file: Annotated[Path, typer.Argument(metavar="GATE.TOML", help="The gate's file.")],
    folder: Annotated[Path, typer.Option("--dir", help="Where links and the copy of the file go.")] = Path(
        "training"
    ),
    in_place: Annotated[
        bool, typer.Option("--in-place", help="At the ports that the file names; no copy. Never below /dev.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Decides what people do, and which bytes faults hit.")] = 0,
    turn_back: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of people who do not go through.")
    ] = 0.0,
    hesitate: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share who stand a while first.")] = 0.0,
    tailgate: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share behind whom somebody slips through.")
    ] = 0.0,
    dither: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share who step into the sensor and back first.")
    ] = 0.0,
    knob: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A fault of lines or boards (see board --help)."),
    ] = None,
    tape: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append every event to this file as JSON lines.")
    ] = None,
) -> None:
    """Play every board of a gate's file, and the people at its lanes, until Ctrl-C.

    postern-driver then works as at the gate. The copy of the file has other ports and a data folder of its own, so that
    no command reaches a real board. A line typed on stdin befalls the gate: type ? for what there is.

    \b
    Examples:
      postern-sim up gate.toml
      postern-driver pulse 1 --board relays --config training/gate.toml
      postern-sim up gate.toml --dir lesson --hesitate 0.3 --knob fire=60-90
    """
    try:
        plan, rest = read_plan(knob or [])
        knobs = turn(Knobs(), rest)
        gate = read_gate_file(file)
        made, wires = make_training(gate, None if in_place else folder, knobs=knobs, seed=seed)
        copy = file if in_place else _copied(gate, made, folder)
    except (KnobError, TrainingError, SettingsError) as error:
        _refuse(str(error))
    except OSError as error:
        _refuse(f"{error.filename or folder} cannot be written ({error.strerror})")
    people = Turnstile(
        lanes=len(made.lanes),
        seed=seed,
        turn_back=turn_back,
        hesitate=hesitate,
        tailgate=tailgate,
        dither=dither,
    )
    _tell(gate, made, copy)
    run_station(
        made.ends,
        people=people,
        plan=plan,
        knobs=knobs,
        tape_path=tape,
        obey=lambda station: _teacher(station, made, knobs),
        wires=wires,
        stop=stop_event(),
    )


def _teacher(station: Station, made: Training, knobs: Knobs) -> Obey:
    """What a keyboard understands, and lanes by their names, codes and temperatures."""
    keyboard = Keyboard(station, knobs)

    def obey(line: str, now_s: float) -> str:
        match line.split(maxsplit=1):
            case ["walk", lane] if lane in made.lanes:
                line = f"walk {made.lanes.index(lane) + 1}"
            case ["show", code]:
                return _show(made, code, now_s)
            case ["celsius", degrees]:
                return _stand(made, degrees)
        said = keyboard.obey(line, now_s)
        return said + MORE_WORDS if said.startswith("unplug |") else said

    return obey


def _show(made: Training, code: str, now_s: float) -> str:
    shown = False
    for end in made.ends:
        cable = end.cable if isinstance(end, PtyEnd) else Cable([])
        for device in cable.devices:
            if isinstance(device, TextScanner):
                cable.say(device, device.show(code, now_s))
                shown = True
    return "" if shown else "this gate has no scanner"


def _stand(made: Training, degrees: str) -> str:
    try:
        person_c = None if degrees == "none" else float(degrees)
    except ValueError:
        return "celsius takes a number or none, for example: celsius 36.6"
    found = [device for device in made.devices.values() if isinstance(device, Thermometer)]
    for device in found:
        device.person_c = person_c
    return "" if found else "this gate has no thermometer"


def _copied(gate: GateFile, made: Training, folder: Path) -> Path:
    copy = folder / "gate.toml"
    if copy.resolve() == gate.path.resolve():
        raise TrainingError(f"{copy} is the file itself: name another folder with --dir")
    folder.mkdir(parents=True, exist_ok=True)
    copy.write_text(
        "# A copy for training, with virtual ports: made anew at each start.\n"
        + rewritten(gate, made.places),
        encoding="utf-8",
    )
    return copy


def _tell(gate: GateFile, made: Training, copy: Path) -> None:
    console = Console(stderr=True, highlight=False, width=None if Console(stderr=True).is_terminal else 80)
    table = Table(box=None, pad_edge=False)
    for heading in ("board", "plays", "at"):
        table.add_column(heading, overflow="fold")
    for entry in gate.boards:
        kind = entry.options.get("profile") or entry.options.get("make") or entry.options.get("model") or ""
        table.add_row(
            escape(entry.name), escape(f"{entry.protocol} {kind}".strip()), escape(made.places[entry.name])
        )
    console.print(table)
    for number, lane in enumerate(gate.lanes, 1):
        console.print(
            escape(f"lane {number}: {lane.name}, opened by {lane.board} {lane.channel}"), style="dim"
        )
    console.print(escape(f"Practise with: postern-driver … --config {copy}"), soft_wrap=True)


def _refuse(why: str) -> NoReturn:
    typer.echo(why, err=True)
    raise typer.Exit(EXIT_USAGE)
