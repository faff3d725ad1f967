"""Whether the boards, lanes and inputs of a ``gate.toml`` fit together, and what an installer should know before.

``problems`` stop the start; each names its key. ``warnings`` are said and recorded, and the gate runs.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from os.path import realpath
from pathlib import Path
from typing import Final

from drivers.devices.modbus_tcp import NetworkAddressError
from drivers.gate.hardware import NETWORK, BoardSection, InputSection, LaneSection
from drivers.model import DriverInfo
from drivers.registry import PROTOCOLS, OptionError, make_port
from passes.vocabulary import Direction

Where = tuple[str | int, ...]
Infos = Mapping[str, DriverInfo]
_CHANGING: Final = re.compile(r"/dev/tty(USB|ACM)\d+$")  # numbered in the order in which they were found
_IN_TURN: Final = {
    "numato"
}  # each input is a question of its own, so that a short contact may fall between two
_IN_TURN_MAX: Final = 4
_HOW_PASSAGES_ARE_SEEN: Final = 'use passage = "contact" or "assumed"'


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that cannot be; ``where`` is the place in the file as pydantic names places."""

    where: Where
    words: str


def problems(
    boards: Sequence[BoardSection], lanes: Sequence[LaneSection], inputs: Sequence[InputSection], base: Path
) -> list[Problem]:
    """Everything that does not fit; ``base`` is the folder of the file."""
    placed = [board.beside(base) for board in boards]
    infos: dict[str, DriverInfo] = {}
    found = [
        *_same_names("board", [board.name for board in boards]),
        *_same_names("lane", [lane.name for lane in lanes]),
        *_boards(placed, infos),
    ]
    if found:
        return found  # what follows would blame lanes for their boards
    return [
        *_ports(placed, infos),
        *(one for at, lane in enumerate(lanes) for one in _lane(("lane", at), lane, infos)),
        *(one for at, lane in enumerate(lanes) for one in _lamps(("lane", at), lane, infos)),
        *(one for at, entry in enumerate(inputs) for one in _input(("input", at), entry, lanes, infos)),
        *_shared(lanes, inputs),
    ]


def warnings(boards: Sequence[BoardSection], lanes: Sequence[LaneSection]) -> list[str]:
    """What an installer should know of a file that is otherwise right."""
    infos = {board.name: board.driver().info for board in boards}
    found: list[str] = []
    for board in boards:
        used = [lane.name for lane in lanes if lane.board == board.name]
        if used and infos[board.name].host_timed:
            found.append(
                f"board {board.name}: {board.protocol} does not time its pulses itself: if this program is killed "
                f"in the middle of one, the relay of {', '.join(used)} stays closed until the program is back. "
                "A board that times its pulses is safer"
            )
        if "experimental" in PROTOCOLS[board.protocol].summary:
            found.append(
                f"board {board.name}: nobody has seen {board.protocol} work with the real device yet"
            )
        if PROTOCOLS[board.protocol].network:
            found.append(
                f"board {board.name}: whoever is in its network can open its lanes. Give it a segment of its own"
            )
    changing = [board for board in boards if _CHANGING.match(board.port)]
    if len({board.port for board in changing}) > 1:
        found.extend(
            f"board {board.name}: {board.port} can be another board's after the next start. Name it by "
            "/dev/serial/by-path, or give it expect: postern-driver ports shows both"
            for board in changing
            if board.expect is None
        )
    for lane in lanes:
        seen = infos.get(lane.contact.board) if lane.contact else None
        if seen is not None and seen.protocol in _IN_TURN and seen.inputs > _IN_TURN_MAX:
            found.append(
                f"lane {lane.name}: its contact is one of {seen.inputs} inputs that are read in turn, so that a short "
                f"passage may be missed. Leave those in use: inputs = {_IN_TURN_MAX} at most"
            )
        if lane.direction is Direction.EXIT and lane.on_power_loss == "locked":
            found.append(
                f"lane {lane.name}: without power it stays locked: it needs a way out in hardware beside it"
            )
        if not lane.is_tested:
            found.append(
                f"lane {lane.name}: nobody signed for its wiring (tested_by, tested_on): it is not held open"
            )
    return found


def _same_names(table: str, names: list[str]) -> Iterator[Problem]:
    for at, name in enumerate(names):
        if name in names[:at]:
            yield Problem((table, at, "name"), f"two {table}s have the same name {name!r}")


def _boards(boards: Sequence[BoardSection], infos: dict[str, DriverInfo]) -> Iterator[Problem]:
    for at, board in enumerate(boards):
        try:
            infos[board.name] = info = board.driver().info
            if PROTOCOLS[board.protocol].network:
                make_port(board.port, info.line)
        except OptionError as error:
            key = error.option if error.option in type(board).model_fields else "protocol"
            yield Problem(("board", at, key), str(error))
        except NetworkAddressError as error:
            yield Problem(("board", at, "port"), str(error))
        except ValueError as error:  # a profile that cannot be used
            yield Problem(("board", at, "profile"), str(error))


def _ports(boards: Sequence[BoardSection], infos: Infos) -> Iterator[Problem]:
    """Several boards on one port are on one pair of wires: each has an address, and all agree on the line."""
    for (_, one), (at, other) in combinations(enumerate(boards), 2):
        if _port_of(one, infos) != _port_of(other, infos):
            continue
        for board in (one, other):
            if "unit" not in PROTOCOLS[board.protocol].options or board.port.startswith(NETWORK):
                yield Problem(
                    ("board", at, "port"),
                    f"two boards share one port, and {board.protocol} ({board.name}) has no address there: "
                    "give it a port of its own",
                )
                return
        if one.unit is None or other.unit is None or one.unit == other.unit:
            words = f"{one.name} and {other.name} share one port: each needs a unit of its own"
            yield Problem(("board", at, "unit"), words)
        elif infos[one.name].line != infos[other.name].line:
            words = f"{one.name} and {other.name} share one port, and their lines are set differently"
            yield Problem(("board", at, "port"), words)
        elif one.echo != other.echo or one.expect != other.expect:
            words = f"{one.name} and {other.name} share one port: echo and expect must be the same for both"
            yield Problem(("board", at, "port"), words)
        elif one.port != other.port:  # two owners of one line would lock each other out
            words = (
                f"{one.name} and {other.name} share one port, {_port_of(one, infos)}: name it alike in both"
            )
            yield Problem(("board", at, "port"), words)


def _port_of(board: BoardSection, infos: Infos) -> str:
    """One text for one port, however it was written: an address in full, or the device behind the links."""
    if board.port.startswith(NETWORK):
        return make_port(board.port, infos[board.name].line).path
    return realpath(board.port)


def _lane(where: Where, lane: LaneSection, infos: Infos) -> Iterator[Problem]:
    info = infos.get(lane.board)
    if lane.channel is not None:
        if info is None or not info.outputs:
            words = f"lane {lane.name}: board {lane.board!r} is not a relay board of this file"
            yield Problem((*where, "board"), words)
        else:
            yield from _relay(where, lane, lane.channel, info)
    elif info is None or lane.side not in info.sides:
        words = f"lane {lane.name}: board {lane.board!r} is not a turnstile controller of this file"
        yield Problem((*where, "board"), words)
    elif lane.passage == "counter" and not info.counts:
        words = (
            f"lane {lane.name}: {info.protocol} tells its counts only with the next admission: "
            f"{_HOW_PASSAGES_ARE_SEEN}"
        )
        yield Problem((*where, "passage"), words)
    if lane.contact is not None:
        seen = infos.get(lane.contact.board)
        if seen is None or not seen.inputs:
            words = f"lane {lane.name}: contact board {lane.contact.board!r} has no inputs"
            yield Problem((*where, "contact"), words)
        elif lane.contact.channel > seen.inputs:
            words = f"lane {lane.name}: board {lane.contact.board!r} has inputs 1 to {seen.inputs}"
            yield Problem((*where, "contact"), words)


def _lamps(where: Where, lane: LaneSection, infos: Infos) -> Iterator[Problem]:
    """Lamps hang on outputs that are there; that nothing else hangs on them is seen with the rest."""
    if lane.lamps is None:
        return
    info = infos.get(lane.lamps.board)
    if info is None or not info.outputs:
        words = f"lane {lane.name}: lamps board {lane.lamps.board!r} is not a relay board of this file"
        yield Problem((*where, "lamps"), words)
    elif any(channel > info.outputs for channel in lane.lamps.channels.values()):
        words = f"lane {lane.name}: board {lane.lamps.board!r} has outputs 1 to {info.outputs}"
        yield Problem((*where, "lamps"), words)
    elif not lane.lamps.channels:
        yield Problem((*where, "lamps"), f"lane {lane.name}: lamps name none: green, red or buzzer")


def _relay(where: Where, lane: LaneSection, channel: int, info: DriverInfo) -> Iterator[Problem]:
    if channel > info.outputs:
        words = f"lane {lane.name}: board {lane.board!r} has outputs 1 to {info.outputs}"
        yield Problem((*where, "channel"), words)
    least_ms, most_ms = info.pulse_ms
    if not least_ms <= lane.pulse_ms <= most_ms or lane.pulse_ms % info.pulse_step_ms:
        step = f" in steps of {info.pulse_step_ms}" if info.pulse_step_ms > 1 else ""
        words = f"lane {lane.name}: board {lane.board!r} makes pulses of {least_ms} to {most_ms} ms{step}"
        yield Problem((*where, "pulse_ms"), words)
    if info.latching and lane.direction is Direction.EXIT:
        words = (
            f"lane {lane.name}: the relays of board {lane.board!r} stay as they are without power (as_is): "
            "refused at an exit. Take a board whose relays drop"
        )
        yield Problem((*where, "board"), words)


def _input(
    where: Where, entry: InputSection, lanes: Sequence[LaneSection], infos: Infos
) -> Iterator[Problem]:
    info = infos.get(entry.board)
    if info is None or not info.inputs:
        yield Problem((*where, "board"), f"board {entry.board!r} has no inputs in this file")
    elif entry.channel > info.inputs:
        yield Problem((*where, "channel"), f"board {entry.board!r} has inputs 1 to {info.inputs}")
    if entry.lane is not None and entry.lane not in {lane.name for lane in lanes}:
        yield Problem((*where, "lane"), f"there is no lane {entry.lane!r} in this file")


def _shared(lanes: Sequence[LaneSection], inputs: Sequence[InputSection]) -> Iterator[Problem]:
    """Two things that hang on one terminal."""
    outputs = Counter[tuple[str, str]]()
    seen = Counter[tuple[str, int]]()
    for at, lane in enumerate(lanes):
        outputs[lane.board, str(lane.side or lane.channel)] += 1
        if outputs[lane.board, str(lane.side or lane.channel)] > 1:
            key = "side" if lane.side else "channel"
            yield Problem(("lane", at, key), f"lane {lane.name}: two lanes share one output")
        outputs.update(_lamp_outputs(lane))
        if lane.contact is not None:
            seen[lane.contact.board, lane.contact.channel] += 1
            if seen[lane.contact.board, lane.contact.channel] > 1:
                words = f"lane {lane.name}: two lanes share one passage contact"
                yield Problem(("lane", at, "contact"), words)
    for at, lane in enumerate(lanes):
        for board, output in _lamp_outputs(lane):
            if outputs[board, output] > 1:
                words = f"lane {lane.name}: output {output} of board {board!r} carries something else"
                yield Problem(("lane", at, "lamps"), words)
    for at, entry in enumerate(inputs):
        seen[entry.place] += 1
        if seen[entry.place] > 1:
            words = f"input {entry.channel} of board {entry.board!r} has two meanings"
            yield Problem(("input", at, "channel"), words)


def _lamp_outputs(lane: LaneSection) -> list[tuple[str, str]]:
    if lane.lamps is None:
        return []
    return [(lane.lamps.board, str(channel)) for channel in lane.lamps.channels.values()]
