"""When a relay board is asked about its inputs and outputs without anybody's command.

All inputs are looked at within ``POLL_INPUTS_EVERY_S``, in one question or, where the board takes no such question, one
after the other; a line that is too slow for that is asked again as soon as it has answered. An input that changed is
looked at again when the change can be believed, before any other, once: when that tells nothing it has its turns only,
for the others may be those of a fire or a passage. Outputs have their turns likewise, more seldom, so
that no more than one of their questions is ever between two about inputs.
"""

from collections.abc import Sequence
from typing import Final

from drivers.relay_codec import Ask

POLL_INPUTS_EVERY_S: Final = 0.050
POLL_OUTPUTS_EVERY_S: Final = 1.0
POLL_FAULTY_EVERY_S: Final = 1.0  # each time the line is blocked for as long as an answer may take
_NEVER: Final = float("inf")


class Polls:
    """The next question of each kind.

    Args:
        inputs: Inputs that are asked for one by one, or 0 alone for all at once; empty for none.
        outputs: Outputs likewise.
    """

    def __init__(self, *, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        self._inputs, self._outputs = list(inputs), list(outputs)  # in the order of their turns
        self._inputs_at_s = self._outputs_at_s = _NEVER
        self._next_s = _NEVER  # the next turn of an input, once the question that is asked now has ended
        self._changed: list[tuple[float, int]] = []  # when to look again, and at which
        self._looked: set[tuple[float, int]] = set()  # of those that changed: asked about already

    def start(self, now_s: float) -> None:
        """Ask at once what can be asked."""
        self._inputs_at_s = now_s if self._inputs else _NEVER
        self._outputs_at_s = now_s if self._outputs else _NEVER
        self._next_s, self._changed, self._looked = _NEVER, [], set()

    def stop(self) -> None:
        """Ask nothing any more."""
        self._inputs_at_s = self._outputs_at_s = self._next_s = _NEVER

    def inputs_read(self, now_s: float) -> None:
        """The question about inputs has ended, however."""
        if self._next_s != _NEVER:
            self._inputs_at_s, self._next_s = max(now_s, self._next_s), _NEVER

    def look_again(self, changed: Sequence[tuple[float, int]]) -> None:
        """Inputs that changed, and when each can be believed: they are looked at then, and not only in their turn."""
        self._looked.intersection_update(changed)
        self._changed = sorted(set(changed) - self._looked)
        if self._changed and self._inputs_at_s != _NEVER:
            self._inputs_at_s = min(self._inputs_at_s, self._changed[0][0])

    def take_due(self, now_s: float, *, faulty: bool) -> list[tuple[Ask, int]]:
        """What to ask now, about which channel (0: all); a board that does not answer is asked less often."""
        due: list[tuple[Ask, int]] = []
        if self._inputs_at_s <= now_s:
            believable = [each for each in self._changed if each[0] <= now_s]
            asked = _turn(self._inputs, [channel for _, channel in believable])
            due.append((Ask.INPUTS, asked))
            self._looked.update(each for each in believable if asked in (0, each[1]))
            self._changed = [each for each in self._changed if each not in self._looked]
            every_s = POLL_FAULTY_EVERY_S if faulty else POLL_INPUTS_EVERY_S / len(self._inputs)
            self._inputs_at_s, self._next_s = _NEVER, now_s + every_s
        if self._outputs_at_s <= now_s:
            due.append((Ask.OUTPUTS, _turn(self._outputs, [])))
            every_s = POLL_FAULTY_EVERY_S if faulty else POLL_OUTPUTS_EVERY_S / len(self._outputs)
            self._outputs_at_s = now_s + every_s
        return due

    def next_deadline(self) -> float | None:
        """When the next question is due."""
        at_s = min(self._inputs_at_s, self._outputs_at_s)
        return None if at_s == _NEVER else at_s


def _turn(turns: list[int], first: list[int]) -> int:
    """Take a turn: the first of ``first`` that has one, or the channel that waited longest."""
    turn = next((channel for channel in first if channel in turns), turns[0])
    turns.remove(turn)
    turns.append(turn)
    return turn
