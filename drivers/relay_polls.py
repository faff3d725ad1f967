"""When a relay board is asked about its inputs and outputs without anybody's command."""

from typing import Final

from drivers.relay_codec import Ask

POLL_INPUTS_EVERY_S: Final = 0.050
POLL_OUTPUTS_EVERY_S: Final = 1.0
POLL_FAULTY_EVERY_S: Final = 1.0  # each time the line is blocked for as long as an answer may take
_NEVER: Final = float("inf")


class Polls:
    """The next question of each kind.

    Args:
        inputs, outputs: Whether the board can be asked about them.
    """

    def __init__(self, *, inputs: bool, outputs: bool) -> None:
        self._known = {Ask.INPUTS: inputs, Ask.OUTPUTS: outputs}
        self._at_s = dict.fromkeys(self._known, _NEVER)

    def start(self, now_s: float) -> None:
        """Ask at once what can be asked."""
        self._at_s = {ask: now_s if known else _NEVER for ask, known in self._known.items()}

    def stop(self) -> None:
        """Ask nothing any more."""
        self._at_s = dict.fromkeys(self._known, _NEVER)

    def look_again(self, at_s: float | None) -> None:
        """Look at the inputs as soon as a change can be believed, and not only at the next round."""
        if at_s is not None and self._at_s[Ask.INPUTS] != _NEVER:
            self._at_s[Ask.INPUTS] = min(self._at_s[Ask.INPUTS], at_s)

    def take_due(self, now_s: float, *, faulty: bool) -> list[Ask]:
        """What to ask now; a board that does not answer is asked less often."""
        every_s = {
            Ask.INPUTS: POLL_FAULTY_EVERY_S if faulty else POLL_INPUTS_EVERY_S,
            Ask.OUTPUTS: POLL_OUTPUTS_EVERY_S,
        }
        due = [ask for ask, at_s in self._at_s.items() if at_s <= now_s]
        for ask in due:
            self._at_s[ask] = now_s + every_s[ask]
        return due

    def next_deadline(self) -> float | None:
        """When the next question is due."""
        return min((at_s for at_s in self._at_s.values() if at_s != _NEVER), default=None)
