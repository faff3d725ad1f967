"""Which inputs of a gate's boards mean anything."""

from collections.abc import Iterable

from drivers.gate.hardware import InputSection, LaneSection


def inputs_in_use(lanes: Iterable[LaneSection], inputs: Iterable[InputSection]) -> dict[str, set[int]]:
    """Inputs of each board that a lane's passage or a role hangs on; others need not be read."""
    used: dict[str, set[int]] = {}
    for place in [*(lane.senses for lane in lanes), *inputs]:
        if place is not None:
            used.setdefault(place.board, set()).add(place.channel)
    return used
