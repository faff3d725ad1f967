"""Two things on one terminal of a board. The two ways of one opening may share what opens and what sees it."""

from collections.abc import Iterator, Sequence

from drivers.gate.hardware import InputSection, LaneSection
from drivers.gate.problem import Problem
from passes.words import Pair

Terminal = tuple[str, str]


class _Users(dict[Terminal, set[str]]):
    """What hangs on each terminal."""

    def add(self, terminal: Terminal, user: str) -> bool:
        """Whether it hangs there alone."""
        users = self.setdefault(terminal, set())
        users.add(user)
        return len(users) == 1


def shared(lanes: Sequence[LaneSection], inputs: Sequence[InputSection]) -> Iterator[Problem]:
    """Each terminal that two things hang on."""
    outputs, seen = _Users(), _Users()
    for at, lane in enumerate(lanes):
        if not outputs.add((lane.board, str(lane.side or lane.channel)), lane.opening):
            words = Pair(
                f"通道 {lane.name}：两条通道用了同一个输出", f"lane {lane.name}: two lanes share one output"
            )
            yield Problem(("lane", at, "side" if lane.side else "channel"), words)
        closes = lane.close
        if closes and not outputs.add((closes.board, str(closes.channel)), f"the end of {lane.opening}"):
            words = Pair(
                f"通道 {lane.name}：close 的输出已另有用途",
                f"lane {lane.name}: the output of close carries something else",
            )
            yield Problem(("lane", at, "close"), words)
        sees = lane.senses
        if sees and not seen.add((sees.board, str(sees.channel)), lane.opening):
            words = Pair(
                f"通道 {lane.name}：两条通道用了同一个通行触点",
                f"lane {lane.name}: two lanes share one passage contact",
            )
            yield Problem(("lane", at, "presence" if lane.presence else "contact"), words)
        for terminal, lamp in _lamps(lane):
            outputs.add(terminal, lamp)
    for at, lane in enumerate(lanes):
        for (board, output), lamp in _lamps(lane):
            if outputs[board, output] != {lamp}:
                words = Pair(
                    f"通道 {lane.name}：板 {board!r} 的输出 {output} 已另有用途",
                    f"lane {lane.name}: output {output} of board {board!r} carries something else",
                )
                yield Problem(("lane", at, "lamps"), words)
    for at, entry in enumerate(inputs):
        if not seen.add((entry.board, str(entry.channel)), f"input {at}"):
            words = Pair(
                f"板 {entry.board!r} 的输入 {entry.channel} 有两种用途",
                f"input {entry.channel} of board {entry.board!r} has two meanings",
            )
            yield Problem(("input", at, "channel"), words)


def _lamps(lane: LaneSection) -> list[tuple[Terminal, str]]:
    """Where each lamp of a lane hangs, and what it is called."""
    lamps = lane.lamps
    if lamps is None:
        return []
    return [
        ((lamps.board, str(channel)), f"{name} of {lane.opening}") for name, channel in lamps.channels.items()
    ]
