"""Virtual gate hardware as one process: boards on their lines, people at the lanes, passage contacts.

    python -m simulators.boards.process lcus --link dev/relays --inputs-link dev/inputs --lanes 2

Channel n of the first relay board releases lane n, and lane n's passage contact is input n.
"""

import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from shell.clock import Clock, SystemClock
from shell.supervision import stop_event
from simulators.boards.cable import Cable
from simulators.boards.catalogue import UnknownBoardError, make_board, make_neighbour
from simulators.boards.device import Device
from simulators.boards.ends import End, PtyEnd, TcpEnd
from simulators.boards.first_boards import LcusDevice, ModbusInputsDevice
from simulators.boards.keyboard import Keyboard
from simulators.boards.knobs import KnobError, Knobs, turn
from simulators.boards.modbus_board import ModbusBoard
from simulators.boards.plan import Plan, read_plan
from simulators.boards.station import Obey, Station
from simulators.boards.tape import Tape
from simulators.boards.turnstile import Turnstile
from simulators.boards.wires import Wires

EXIT_USAGE: Final = 2


class VirtualBoards(Station):
    """The demo's boards: LCUS relays on one line, a Modbus input module on another.

    Args:
        relays_link: Where the relay board's line is published.
        inputs_link: Where the input module's line is published, or None for no input module.
        turnstile: The people behind the relays.
        tape: Gets every edge.
        clock: Monotonic time of boards and people.
    """

    def __init__(
        self, *, relays_link: Path, inputs_link: Path | None, turnstile: Turnstile, tape: Tape, clock: Clock
    ) -> None:
        self.relays, self.inputs = LcusDevice(), ModbusInputsDevice()
        self._relays_end = PtyEnd(relays_link, Cable([self.relays]))
        self._inputs_end = None if inputs_link is None else PtyEnd(inputs_link, Cable([self.inputs]))
        ends = [end for end in (self._relays_end, self._inputs_end) if end is not None]
        super().__init__(ends, clock=clock, tape=tape, people=turnstile)

    def unplug_relays(self) -> None:
        """Pull the relay board's USB plug: the line goes, and the relays drop with the supply."""
        self._relays_end.unplug(self._clock.monotonic_s())
        self._look()

    def unplug_inputs(self) -> None:
        """Pull the input module's adapter; the module itself has a supply of its own."""
        if self._inputs_end is not None:
            self._inputs_end.unplug(self._clock.monotonic_s(), powers=False)


def board(  # noqa: PLR0917  # a command line's options
    protocol: Annotated[
        str, typer.Argument(metavar="PROTOCOL", help="Which board to play; see the list below.")
    ],
    link: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Where to publish the board's serial line.")
    ] = None,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where modbus-tcp listens.")
    ] = "127.0.0.1:5020",
    unit: Annotated[
        int | None, typer.Option(min=0, max=255, help="The board's address; default: the factory's.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Which kind of this protocol's boards.")] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PROTOCOL[:UNIT[:PROFILE]]", help="Another board on the same wires; repeatable."
        ),
    ] = None,
    inputs_link: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Publish a Modbus input module with the passage contacts here."),
    ] = None,
    lanes: Annotated[
        int, typer.Option(min=0, max=8, help="Lanes behind the first board with relays, with people.")
    ] = 2,
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
        typer.Option(metavar="NAME=VALUE", help="A fault of the line or the board; repeatable."),
    ] = None,
    tape: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append every event to this file as JSON lines.")
    ] = None,
) -> None:
    """Play a board, its lanes and the people at them, until Ctrl-C.

    Prints one line for each edge of a relay or a contact. A line typed on stdin befalls the boards: type ? for
    what there is.

    \b
    Examples:
      postern-sim board lcus --link dev/relays
      postern-sim board lcus --link dev/relays --inputs-link dev/inputs
      postern-sim board modbus-relay --profile waveshare-io-8ch --link dev/io
      postern-sim board modbus-relay --link dev/bus --also modbus-inputs:2
      postern-sim board turnstile-7e --link dev/gate --tailgate 0.1
      postern-sim board modbus-tcp --listen 127.0.0.1:5020
      postern-sim board numato --link dev/io --knob latency_ms=20
      postern-sim board osdp --link dev/reader --unit 1
      postern-sim board lcus --link dev/relays --knob unplug=5-8 --tape t.jsonl

    \b
    Boards: lcus, modbus-relay, modbus-inputs, modbus-tcp, numato, kmtronic,
      devantech-usb, osdp, turnstile-7e, turnstile-eb.
    Profiles of modbus-relay and modbus-tcp: waveshare-relay-8,
      waveshare-io-8ch, eletechsup-r421a08, generic-0100-4, lctech-2ch,
      kmtronic-modbus-8.

    \b
    Knobs of a line: latency_ms, jitter_ms, pace, split, split_gap_ms,
      merge_ms, drop, duplicate, flip, drop_sent, flip_sent, echo, late,
      late_ms, no_reply, wrong_unit, stale, wrong_baud.
    Knobs of boards and lanes: unplug=FROM-TO, reboot=AT, fire=FROM-TO,
      fire_input=8, button=AT, button_input=7, walk=LANE@AT, weld=N,
      stuck=N:on, bounce_ms, counts. Times are seconds after the start.
    """
    try:
        plan, rest = read_plan(knob or [])
        knobs = turn(Knobs(), rest)
        ends = _ends(
            protocol,
            link=link,
            listen=listen,
            unit=unit,
            profile=profile,
            also=also or [],
            knobs=knobs,
            seed=seed,
        )
    except (KnobError, UnknownBoardError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_USAGE) from error
    if inputs_link is not None:
        ends.append(PtyEnd(inputs_link, Cable([ModbusInputsDevice()])))
    people = Turnstile(
        lanes=lanes, seed=seed, turn_back=turn_back, hesitate=hesitate, tailgate=tailgate, dither=dither
    )
    run_station(ends, people=people, plan=plan, knobs=knobs, tape_path=tape, stop=stop_event())


def _ends(
    protocol: str,
    *,
    link: Path | None,
    listen: str,
    unit: int | None,
    profile: str | None,
    also: Sequence[str],
    knobs: Knobs,
    seed: int,
) -> list[End]:
    first = make_board(protocol, unit=unit, profile=profile)
    if protocol == "modbus-tcp":
        assert isinstance(first, ModbusBoard), f"{protocol} has Modbus boards only, not {first}"
        host, _, port = listen.rpartition(":")
        if also or not host or not port.isdigit() or int(port) > 65535:
            raise UnknownBoardError("modbus-tcp takes --listen HOST:PORT and has no neighbours on its wires")
        return [TcpEnd(first, host=host, port=int(port), knobs=knobs, seed=seed)]
    if link is None:
        raise UnknownBoardError(f"{protocol} is on a serial line: say where with --link PATH")
    devices: list[Device] = [first, *(make_neighbour(text) for text in also)]
    return [PtyEnd(link, Cable(devices, knobs=knobs, seed=seed))]


def run_station(
    ends: Sequence[End],
    *,
    people: Turnstile | None = None,
    plan: Plan | None = None,
    knobs: Knobs | None = None,
    tape_path: Path | None = None,
    obey: Callable[[Station], Obey] | None = None,
    wires: Wires | None = None,
    stop: threading.Event,
) -> None:
    """Serve virtual devices until ``stop`` is set, with a keyboard (``obey``, or a board's) where stdin has one.

    Raises:
        typer.Exit: A link or port cannot be used; it has been named on stderr.
    """
    clock = SystemClock()
    tape = Tape(clock, sys.stdout, tape_path)
    station = Station(ends, clock=clock, tape=tape, people=people, plan=plan, wires=wires)
    if sys.stdin is not None:  # a service may have none
        station.listen_to(sys.stdin, obey(station) if obey else Keyboard(station, knobs or Knobs()).obey)
    try:
        station.run(stop)
    except OSError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_USAGE) from error
    finally:
        tape.close()


if __name__ == "__main__":
    program = typer.Typer(add_completion=False, rich_markup_mode=None)
    program.command()(board)
    program(prog_name="python -m simulators.boards.process")
