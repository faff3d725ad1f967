"""``postern-sim scanner``, ``thermometer``, ``modem``, ``voice``: one virtual device each, until Ctrl-C.

Every command publishes a serial line, prints what happens at the device, and takes lines on stdin.
"""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from shell.supervision import stop_event
from simulators.boards.cable import Cable
from simulators.boards.device import Answer, Device
from simulators.boards.ends import PtyEnd
from simulators.boards.knobs import KnobError, Knobs, turn
from simulators.boards.plan import Plan, read_plan
from simulators.boards.process import EXIT_USAGE, run_station
from simulators.boards.station import Obey
from simulators.devices.modem import Modem
from simulators.devices.scanner import SETUP_TEXTS, TERMINATORS, TextScanner
from simulators.devices.scanner_gm65 import Gm65
from simulators.devices.scanner_menus import Honeywell, Newland
from simulators.devices.thermometers import Cjmcu90614, Gy614V, Mcu90614, Thermometer
from simulators.devices.voice import Syn6288

Link = Annotated[Path, typer.Option(metavar="PATH", help="Where to publish the device's serial line.")]
Knob = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="A fault, as for boards (see board --help); repeatable."),
]
TapeFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Append every event to this file as JSON lines.")
]
Seed = Annotated[int, typer.Option(help="Decides noise, and which bytes faults hit.")]


class ScannerMake(StrEnum):
    """Which engine."""

    TEXT = "text"
    GM65 = "gm65"
    HONEYWELL = "honeywell"
    NEWLAND = "newland"


class ThermometerMake(StrEnum):
    """Which module."""

    MCU90614 = "mcu90614"
    GY614V = "614v"
    CJMCU = "cjmcu"


def scanner(  # noqa: PLR0917  # a command line's options
    link: Link,
    make: Annotated[ScannerMake, typer.Option(help="Whose engine.")] = ScannerMake.TEXT,
    terminator: Annotated[
        str, typer.Option(help=f"What a text engine sends after a code: {', '.join(TERMINATORS)}.")
    ] = "cr",
    show: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="Hold this code to the lens; repeatable.")
    ] = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between the codes of --show.")] = 3.0,
    knob: Knob = None,
    seed: Seed = 0,
    tape: TapeFile = None,
) -> None:
    """Play a 2D code engine on a serial line, until Ctrl-C.

    A line on stdin is a code held to the lens; a line that begins with ! is a printed set-up code: !factory,
    !keyboard, !mute, !terminator-none.

    \b
    Examples:
      postern-sim scanner --link dev/scanner
      postern-sim scanner --link dev/scanner --show HELLO --every 3
      postern-sim scanner --make gm65 --link dev/scanner --knob split=5
      postern-sim scanner --make newland --link dev/scanner --tape t.jsonl
    """
    if terminator not in TERMINATORS:
        _refuse(f"there is no terminator {terminator!r}; there are {', '.join(TERMINATORS)}")
    engine: TextScanner
    match make:
        case ScannerMake.TEXT:
            engine = TextScanner(terminator=terminator)
        case ScannerMake.GM65:
            engine = Gm65()
        case ScannerMake.HONEYWELL:
            engine = Honeywell()
        case ScannerMake.NEWLAND:
            engine = Newland()
    cable, plan, knobs = _cable(engine, knob or [], seed)

    def obey(line: str, now_s: float) -> str:
        if line.startswith("!") and line[1:] not in SETUP_TEXTS:
            return f"there is no set-up code {line}; there are !{', !'.join(SETUP_TEXTS)}"
        if line:
            setup = line.startswith("!")
            _say(cable, engine.show_setup(line[1:], now_s) if setup else engine.show(line, now_s))
        return ""

    if show:
        engine.repeat(show, every_s=every)
    _run(PtyEnd(link, cable), obey, plan=plan, knobs=knobs, tape=tape)


def thermometer(  # noqa: PLR0917  # a command line's options
    link: Link,
    make: Annotated[ThermometerMake, typer.Option(help="Whose module.")] = ThermometerMake.MCU90614,
    celsius: Annotated[
        float | None, typer.Option(help="Forehead in front of it; none: nobody there.")
    ] = None,
    ambient: Annotated[float, typer.Option(help="Temperature of the air.")] = 25.0,
    noise: Annotated[float, typer.Option(min=0.0, help="How far a reading may be off, in degrees.")] = 0.1,
    knob: Knob = None,
    seed: Seed = 0,
    tape: TapeFile = None,
) -> None:
    """Play an infrared thermometer on a serial line, until Ctrl-C.

    A line on stdin is the temperature of who stands there now, or none.

    \b
    Examples:
      postern-sim thermometer --link dev/temp --celsius 36.6
      postern-sim thermometer --make 614v --link dev/temp
      postern-sim thermometer --make cjmcu --link dev/temp --knob flip=0.01
    """
    kinds: dict[ThermometerMake, type[Mcu90614 | Gy614V | Cjmcu90614]] = {
        ThermometerMake.MCU90614: Mcu90614,
        ThermometerMake.GY614V: Gy614V,
        ThermometerMake.CJMCU: Cjmcu90614,
    }
    device: Thermometer = kinds[make](person_c=celsius, ambient_c=ambient, noise_c=noise, seed=seed)
    cable, plan, knobs = _cable(device, knob or [], seed)

    def obey(line: str, _now_s: float) -> str:
        try:
            device.person_c = None if line == "none" else float(line)
        except ValueError:
            return "type a temperature, for example 36.6, or none"
        return ""

    _run(PtyEnd(link, cable), obey, plan=plan, knobs=knobs, tape=tape)


def modem(  # noqa: PLR0917  # a command line's options
    link: Link,
    pin: Annotated[str | None, typer.Option(help="The SIM wants this PIN first.")] = None,
    sends_in: Annotated[float, typer.Option(min=0.0, help="Seconds until a message is sent.")] = 0.8,
    echo: Annotated[bool, typer.Option(help="Echo what it hears, until ATE0.")] = True,
    knob: Knob = None,
    seed: Seed = 0,
    tape: TapeFile = None,
) -> None:
    """Play a GSM modem on a serial line, until Ctrl-C. Messages go to the screen and the tape, not to phones.

    A line on stdin is said by the modem unasked, for example RING or +CREG: 2.

    \b
    Examples:
      postern-sim modem --link dev/modem
      postern-sim modem --link dev/modem --pin 1234 --sends-in 3
      postern-sim modem --link dev/modem --knob split=7 --tape sms.jsonl
    """
    device = Modem(echoes=echo, sends_in_s=sends_in)
    if pin is not None:
        device.sim, device.pin = "SIM PIN", pin
    cable, plan, knobs = _cable(device, knob or [], seed)

    def obey(line: str, now_s: float) -> str:
        if line.isascii() and line:
            _say(cable, device.unsolicited(line, now_s))
        return ""

    _run(PtyEnd(link, cable), obey, plan=plan, knobs=knobs, tape=tape)


def voice(link: Link, knob: Knob = None, seed: Seed = 0, tape: TapeFile = None) -> None:
    """Play a SYN6288 voice chip on a serial line, until Ctrl-C. It prints what it would say.

    \b
    Examples:
      postern-sim voice --link dev/voice
      postern-sim voice --link dev/voice --knob no_reply=0.2 --tape said.jsonl
    """
    device = Syn6288()
    cable, plan, knobs = _cable(device, knob or [], seed)
    _run(
        PtyEnd(link, cable),
        lambda _line, _now_s: "it takes nothing from stdin",
        plan=plan,
        knobs=knobs,
        tape=tape,
    )


def _cable(device: Device, settings: Sequence[str], seed: int) -> tuple[Cable, Plan, Knobs]:
    try:
        plan, rest = read_plan(settings)
        knobs = turn(Knobs(), rest)
    except KnobError as error:
        _refuse(str(error))
    return Cable([device], knobs=knobs, seed=seed), plan, knobs


def _refuse(why: str) -> NoReturn:
    typer.echo(why, err=True)
    raise typer.Exit(EXIT_USAGE)


def _say(cable: Cable, answers: Sequence[Answer]) -> None:
    cable.say(cable.devices[0], answers)


def _run(end: PtyEnd, obey: Obey, *, plan: Plan, knobs: Knobs, tape: Path | None) -> None:
    run_station([end], plan=plan, knobs=knobs, tape_path=tape, obey=lambda _station: obey, stop=stop_event())
