"""What an installer should know of a ``gate.toml`` that is right: it is said and recorded, and the gate runs."""

from collections.abc import Sequence
from typing import Final

from drivers.gate.hardware import BoardSection, InputSection, LaneSection
from drivers.gate.inputs import inputs_in_use
from drivers.gate.readers import CHANGING, warnings_of_readers
from drivers.gate.view import warnings_of_cameras
from drivers.registry import PROTOCOLS
from passes.vocabulary import Direction

_IN_TURN_MAX: Final = 4  # inputs in use, each a question of its own: all within some 70 ms on a slow module


def warnings(
    boards: Sequence[BoardSection], lanes: Sequence[LaneSection], inputs: Sequence[InputSection] = ()
) -> list[str]:
    """What an installer should know of a file that is otherwise right."""
    infos = {board.name: board.driver().info for board in boards}
    in_use, protocols = inputs_in_use(lanes, inputs), {board.name: board.protocol for board in boards}
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
    changing = [board for board in boards if CHANGING.match(board.port)]
    if len({board.port for board in changing}) > 1:
        found.extend(
            f"board {board.name}: {board.port} can be another board's after the next start. Name it by "
            "/dev/serial/by-path, or give it expect: postern-driver ports shows both"
            for board in changing
            if board.expect is None
        )
    found.extend(warnings_of_readers(boards, lanes))
    found.extend(warnings_of_cameras(lanes))
    for lane in lanes:
        read = 0
        if lane.senses is not None and _in_turn(protocols[lane.senses.board]):
            read = len(in_use[lane.senses.board])
        if read > _IN_TURN_MAX:
            found.append(
                f"lane {lane.name}: its contact is one of {read} inputs that are read in turn: where the module "
                "answers slowly, a contact of less than about 300 ms may be missed. Take one that stays "
                "longer, or put the others on another board"
            )
        if lane.direction is Direction.EXIT and protocols[lane.board] == "osdp":
            found.append(
                f"lane {lane.name}: an OSDP output obeys through its secure channel only: without it (cable, key, "
                "reader) this exit stays shut. Open it by a relay board, or have a way out in hardware beside it"
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


def _in_turn(protocol: str) -> bool:
    """Whether each input is a question of its own."""
    return "watch" in PROTOCOLS[protocol].options
