"""The virtual gate hardware as one process: relays, people, passage contacts, input module.

    python -m simulators.boards.process lcus --link dev/relays --inputs-link dev/inputs --lanes 2

Channel n of the relay board releases lane n, and lane n's passage contact is input n.
"""

import os
import select
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Annotated, Final, Literal

import typer

from shell.clock import Clock, SystemClock
from shell.supervision import stop_event
from simulators.boards import lcus, modbus_io
from simulators.boards.pty_line import PtyLine
from simulators.boards.tape import Tape
from simulators.boards.turnstile import Turnstile

LOOK_FOR_STOP_EVERY_S: Final = 0.1
_READ_MAX: Final = 4096


class VirtualBoards:
    """Boards, lines and people, driven by ``run`` in one thread.

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
        self.relays, self.inputs = lcus.LcusBoard(), modbus_io.ModbusInputs()
        self._relays_line = PtyLine(relays_link)
        self._inputs_line = None if inputs_link is None else PtyLine(inputs_link)
        self._turnstile, self._tape, self._clock = turnstile, tape, clock
        self._requests: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._wake_r, self._wake_w = os.pipe()

    def plug(self) -> None:
        """Publish every line that is not published; while ``run`` runs, only through ``ask``."""
        for line in self._lines():
            if not line.plugged:
                line.plug()

    def unplug_relays(self) -> None:
        """Pull the relay board's USB plug: the line goes, and the relays drop with the supply."""
        self._relays_line.unplug()
        self._take_edges(self.relays.power_off())

    def unplug_inputs(self) -> None:
        """Pull the input module's adapter."""
        if self._inputs_line is not None:
            self._inputs_line.unplug()

    def ask(self, action: Callable[[], None], *, within_s: float = 5.0) -> None:
        """Have the running thread do something between two events, and wait until it has."""
        done = threading.Event()
        self._requests.put(action)
        self._requests.put(done.set)
        os.write(self._wake_w, b"!")
        if not done.wait(within_s):
            raise TimeoutError("the virtual boards do not run")

    def run(self, stop: threading.Event) -> None:
        """Publish the lines and serve them until ``stop``; takes the links away at the end."""
        try:
            self.plug()
            while not stop.is_set():
                self._turn()
        finally:
            for line in self._lines():
                line.unplug()
            os.close(self._wake_r)
            os.close(self._wake_w)

    def _lines(self) -> list[PtyLine]:
        return [line for line in (self._relays_line, self._inputs_line) if line is not None]

    def _turn(self) -> None:
        plugged = {line.fileno(): line for line in self._lines() if line.plugged}
        ready, _, _ = select.select([self._wake_r, *plugged], [], [], self._patience_s())
        for number, line in plugged.items():
            if number in ready:
                self._serve(line)
        for change in self._turnstile.take_due(self._clock.monotonic_s()):
            self.inputs.set_input(change.lane, active=change.active)
            self._tape.put("contact_on" if change.active else "contact_off", change.lane)
        if self._wake_r in ready:
            os.read(self._wake_r, _READ_MAX)
            while not self._requests.empty():
                self._requests.get()()

    def _patience_s(self) -> float:
        deadline_s = self._turnstile.next_deadline()
        if deadline_s is None:
            return LOOK_FOR_STOP_EVERY_S
        return min(max(0.0, deadline_s - self._clock.monotonic_s()), LOOK_FOR_STOP_EVERY_S)

    def _serve(self, line: PtyLine) -> None:
        data = line.read()
        if line is self._relays_line:
            if line.baud() == lcus.BAUD:
                self._take_edges(self.relays.receive(data))
        elif line.baud() == modbus_io.BAUD:
            answer = self.inputs.receive(data, self._clock.monotonic_s())
            if answer:
                line.write(answer)

    def _take_edges(self, edges: list[lcus.RelayEdge]) -> None:
        for edge in edges:
            self._tape.put("relay_on" if edge.on else "relay_off", edge.channel)
            if edge.on:
                self._turnstile.released(edge.channel, self._clock.monotonic_s())


def run_boards(
    relays_link: Path,
    inputs_link: Path | None,
    *,
    lanes: int,
    seed: int,
    turn_back: float,
    stop: threading.Event,
    tape_path: Path | None = None,
) -> None:
    """Serve virtual boards until ``stop`` is set.

    Args:
        relays_link: Link to the relay board's line.
        inputs_link: Link to the input module's line, or None.
        lanes: Lanes with people, numbered from 1.
        seed: Decides what people do.
        turn_back: Probability that a person does not go through.
        stop: Ends the run within 0.1 s.
        tape_path: Also append every edge to this file as a JSON line.
    """
    clock = SystemClock()
    tape = Tape(clock, sys.stdout, tape_path)
    boards = VirtualBoards(
        relays_link=relays_link,
        inputs_link=inputs_link,
        turnstile=Turnstile(lanes=lanes, seed=seed, turn_back=turn_back),
        tape=tape,
        clock=clock,
    )
    try:
        boards.run(stop)
    finally:
        tape.close()


def board(  # noqa: PLR0917  # a command line's options
    protocol: Annotated[Literal["lcus"], typer.Argument(help="Which relay board to play.")],
    link: Annotated[Path, typer.Option(help="Where to publish the relay board's serial line.")],
    inputs_link: Annotated[
        Path | None, typer.Option(help="Where to publish a Modbus input module with the passage contacts.")
    ] = None,
    lanes: Annotated[int, typer.Option(min=1, max=8, help="Lanes behind the relays, with people.")] = 2,
    seed: Annotated[int, typer.Option(help="Decides when people walk and who turns back.")] = 0,
    turn_back: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of people who do not go through.")
    ] = 0.0,
    tape: Annotated[Path | None, typer.Option(help="Append every edge to this file as JSON lines.")] = None,
) -> None:
    """Play a relay board, an input module and the people at the lanes, until Ctrl-C.

    Prints one line for each relay and passage edge.

    \b
    Examples:
      postern-sim board lcus --link dev/relays
      postern-sim board lcus --link dev/relays --inputs-link dev/inputs --lanes 2 --seed 7 --tape tape.jsonl
    """
    assert protocol == "lcus", "the command line offers no other board"
    stop = stop_event()
    try:
        run_boards(link, inputs_link, lanes=lanes, seed=seed, turn_back=turn_back, stop=stop, tape_path=tape)
    except OSError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


if __name__ == "__main__":
    program = typer.Typer(add_completion=False, rich_markup_mode=None)
    program.command()(board)
    program(prog_name="python -m simulators.boards.process")
